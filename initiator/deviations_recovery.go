package initiator

// RecoveryDeviations are faults of sessions with several connections, and of error recovery above the session's.
type RecoveryDeviations struct {
	// IgnoreMaxConnections opens as many connections as its user asks for, whatever was negotiated.
	IgnoreMaxConnections bool
	// LogoutOtherCID names the session's first connection in the Logout Request that is to close another one.
	LogoutOtherCID bool
}
