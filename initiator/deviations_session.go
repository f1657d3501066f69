package initiator

// SessionDeviations are faults in the full feature phase.
type SessionDeviations struct {
	// AsyncWaitFromParameter1 takes the Time2Wait of an Async Message from Parameter1.
	AsyncWaitFromParameter1 bool
	// AsyncWaitFromParameter3 takes the Time2Wait of an Async Message from Parameter3.
	AsyncWaitFromParameter3 bool
	// KeepParameters goes on with the negotiated values of the session before (LoginConfig.Previous).
	KeepParameters bool
	// IgnoreLogoutRequest does nothing when the target asks for a logout (event 1).
	IgnoreLogoutRequest bool
	// IgnoreDrop forgets the Time2Wait of events 2 and 3.
	IgnoreDrop bool
	// IgnoreNegotiationRequest does nothing when the target asks for a negotiation (event 4).
	IgnoreNegotiationRequest bool
	// IgnoreWindow sends commands without looking at MaxCmdSN.
	IgnoreWindow bool
	// ZeroLUNInPingAnswer answers a NOP-In with LUN 0 instead of the LUN that it carried.
	ZeroLUNInPingAnswer bool
	// PingsNeverTimeOut never gives up on a target that does not answer.
	PingsNeverTimeOut bool
	// EarlyTaskTag numbers tasks by slot only, so that a late answer finds the next user of its tag.
	EarlyTaskTag bool
	// FullLengthOnUnderflow reports the whole buffer as transferred despite a residual.
	FullLengthOnUnderflow bool
	// UnsolicitedDespiteInitialR2T sends unsolicited data although InitialR2T=Yes was agreed.
	UnsolicitedDespiteInitialR2T bool
}
