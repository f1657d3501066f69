package simtarget

import "time"

// RecoveryPolicy says how hard the array tries where recovery level 1 or 2 was agreed. SessionPolicy.ErrorRecoveryLevel says which it agrees
// to.
type RecoveryPolicy struct {
	// RetainedBytes bounds the data that a session retains to send it again, 4096 to 2^30. At the bound the oldest goes first, acknowledged or
	// not, also that of the command that is being answered when it is longer than this; a SNACK for what has gone is rejected with reason 0x03.
	RetainedBytes int `yaml:"retained_bytes"`
	// RetainedResponses bounds the responses that a connection retains to send them again, 1 to 65536. At the bound the oldest goes first, with
	// the data of its task; a SNACK for what has gone is rejected with reason 0x03.
	RetainedResponses int `yaml:"retained_responses"`
	// Timeout is how long Data-Out that was asked for or announced, a command before a gap in CmdSN, or the acknowledgement of a response may
	// fail to come: the array then asks for the data by a recovery R2T, and tells its ExpCmdSN or next StatSN in a NOP-In. For data that does
	// not come again and again it is doubled each time, up to 16 times as long.
	Timeout time.Duration `yaml:"timeout"`
	// Attempts is how many bursts, and waits for bursts, in a row may bring nothing new before a write ends with CHECK CONDITION, and how many
	// NOP-Ins tell of one gap in CmdSN. 1 to 100.
	Attempts int `yaml:"attempts"`
}

func (a *Array) recoveryPolicy() RecoveryPolicy {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.profile.Recovery
}
