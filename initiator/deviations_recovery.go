package initiator

import "github.com/iscsispec/iscsispec/iscsi/pdu"

// RecoveryDeviations are faults of sessions with several connections, and of error recovery above the session's.
type RecoveryDeviations struct {
	// IgnoreMaxConnections opens as many connections as its user asks for, whatever was negotiated.
	IgnoreMaxConnections bool
	// LogoutOtherCID names the session's first connection in the Logout Request that is to close another one.
	LogoutOtherCID bool
	// IgnoreLevel recovers within the connection although ErrorRecoveryLevel 0 was agreed.
	IgnoreLevel bool
	// NoRData sends a Data SNACK where MaxRecvDataSegmentLength has changed since.
	NoRData bool
	// SNACKForever asks for a gap at every look, without end.
	SNACKForever bool
	// NoR2TSNACK does not ask for an R2T that is missing.
	NoR2TSNACK bool
	// NoFallback waits for a task whose SNACK was rejected as long as it takes.
	NoFallback bool
	// RetryAcknowledged sends a command again although the target has acknowledged it.
	RetryAcknowledged bool
	// RetryNewTag gives a command that is sent again another Initiator Task Tag.
	RetryNewTag bool
	// AcknowledgePastGap counts a StatSN as received that did not come.
	AcknowledgePastGap bool
	// CountDuplicates counts the bytes of data that came twice.
	CountDuplicates bool
	// SNACKAfterGap asks for the number after the missing one.
	SNACKAfterGap bool
	// WaitForRecovery waits for connection recovery where the level allows none.
	WaitForRecovery bool
	// NoExpiry goes on with connection recovery long after Time2Retain has passed.
	NoExpiry bool
	// ResendsReassigned sends the command of a task anew, under a new CmdSN, instead of TASK REASSIGN.
	ResendsReassigned bool
	// ZeroExpDataSN reassigns reads with ExpDataSN 0, and goes on where their data had ended all the same.
	ZeroExpDataSN bool
	// WaitAfterRefusal goes on waiting for a task whose reassignment the target has refused.
	WaitAfterRefusal bool
	// LeaveGap leaves the CmdSN of commands that died with their connection to nobody.
	LeaveGap bool
	// SNACKOnSilence asks for an R2T that has merely not come yet.
	SNACKOnSilence bool
	// JoinWithZeroTSIH adds a connection by a login with TSIH 0.
	JoinWithZeroTSIH bool
	// JoinCmdSNRestarts begins the CmdSN of a further connection's login anew.
	JoinCmdSNRestarts bool
	// CmdSNPerConnection numbers the commands of each connection by themselves.
	CmdSNPerConnection bool
	// SharedStatSN acknowledges on every connection what has come on the first.
	SharedStatSN bool
	// DataOutElsewhere sends data on another connection than the command's.
	DataOutElsewhere bool
	// ReuseLiveCID gives a further connection the CID of one that lives.
	ReuseLiveCID bool
	// WindowPerConnection lets a connection's commands go by the MaxCmdSN that has come on it.
	WindowPerConnection bool
	// AddFailureEndsSession ends the session when a further connection is refused.
	AddFailureEndsSession bool
	// NoCommandTimeout leaves commands without an answer alone.
	NoCommandTimeout bool
	// SNACKFromZero asks for all the data of the task, from DataSN 0 on.
	SNACKFromZero bool
}

// departSNACK changes a Data SNACK as the deviations say.
func (dev *RecoveryDeviations) departSNACK(p *pdu.SNACKRequest, t *task) {
	if dev.SNACKAfterGap {
		p.BegRun++
	}
	if dev.SNACKFromZero {
		p.BegRun, p.RunLength = 0, t.dataSN
	}
}
