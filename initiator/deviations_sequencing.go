package initiator

// SequencingDeviations are faults in the numbers of requests and statuses, in the command window, and in the header of a SCSI Command (RFC 7143,
// Sections 4.2.2 and 11.3).
type SequencingDeviations struct {
	// FrozenCmdSN does not count TEST UNIT READY.
	FrozenCmdSN bool
	// PingAnswerTakesCmdSN counts the answer to a ping of the target's, which is immediate.
	PingAnswerTakesCmdSN bool
	// AbortTakesCmdSN counts task management requests, which are immediate.
	AbortTakesCmdSN bool
	// UnsignedWindow compares CmdSN and MaxCmdSN as plain numbers.
	UnsignedWindow bool
	// ResponseOpensWindow takes each SCSI Response for one place more in the window.
	ResponseOpensWindow bool
	// WindowOffByOne sends the command MaxCmdSN+1 too.
	WindowOffByOne bool
	// OneCommandAtATime sends no command before the one before it has ended.
	OneCommandAtATime bool
	// TrustStaleMaxCmdSN lets an older MaxCmdSN shrink the window.
	TrustStaleMaxCmdSN bool
	// HugeWindow takes a MaxCmdSN below ExpCmdSN-1 for a window of nearly 2^32.
	HugeWindow bool
	// PingAnswerNeedsWindow answers a ping of the target's only while the window is open.
	PingAnswerNeedsWindow bool
	// IgnoreR2TWindow does not look at the ExpCmdSN and MaxCmdSN of R2Ts.
	IgnoreR2TWindow bool
	// AcknowledgesOneLess sends the last StatSN as ExpStatSN.
	AcknowledgesOneLess bool
	// ExpStatSNFromZero sends ExpStatSN 0 until the first status after the login.
	ExpStatSNFromZero bool
	// PingAdvancesStatSN counts the StatSN of a NOP-In that does not use it up.
	PingAdvancesStatSN bool
	// AnyStatSN goes on from whatever StatSN comes.
	AnyStatSN bool
	// OldStatSNTaken takes a status in whose StatSN has come before.
	OldStatSNTaken bool
	// CountedTaskTag takes the tags of tasks from a counter of eight bits, in use or not.
	CountedTaskTag bool
	// PadCounted counts the padding in the DataSegmentLength of SCSI Commands.
	PadCounted bool
	// LengthInBlocks gives the Expected Data Transfer Length in blocks of 512 bytes.
	LengthInBlocks bool
	// NoFinalOnWrites leaves F clear in all writes.
	NoFinalOnWrites bool
	// UndefinedAttribute sends task attribute 7.
	UndefinedAttribute bool
	// TruncateLUN sends of a LUN only its low eight bits, in peripheral form.
	TruncateLUN bool
	// LogoutGarbage leaves something in the reserved bytes 36 to 39 of a Logout Request.
	LogoutGarbage bool
	// NoPadding sends odd data segments without padding.
	NoPadding bool
	// SetsNACA sets the NACA bit of all commands of six and ten bytes in sessions that may have several connections.
	SetsNACA bool
	// ShortAHSLength leaves the reserved byte out of the AHSLength of an Extended CDB segment.
	ShortAHSLength bool
	// CommandsWhileDraining goes on with commands after the target asked for a logout.
	CommandsWhileDraining bool
	// RejectsFaults answers a faulty PDU of the target with a Reject before it ends the connection.
	RejectsFaults bool
	// UrgentIsImmediate delivers commands immediately whose attribute is head of queue.
	UrgentIsImmediate bool
	// QualifierHonoured fails what is answered with a status qualifier.
	QualifierHonoured bool
	// SenseIsCheckCondition turns any status that comes with sense data into CHECK CONDITION.
	SenseIsCheckCondition bool
}

// any reports whether any field is set.
func (d *SequencingDeviations) any() bool { return *d != SequencingDeviations{} }
