package simtarget

// ConnectionDeviations are faults of sessions with several connections.
type ConnectionDeviations struct {
	// RefuseFurther refuses every connection but the first, whatever was agreed.
	RefuseFurther bool
	// OneBeyondMaximum takes one connection more than was agreed.
	OneBeyondMaximum bool
	// AnyPortalGroup adds connections that came through a portal of another group.
	AnyPortalGroup bool
	// OnePortalOnly refuses connections that come through another portal of the group.
	OnePortalOnly bool
	// R2TOnLead sends R2Ts on the oldest connection.
	R2TOnLead bool
	// SharedStatSN counts StatSN over all connections of the session.
	SharedStatSN bool
	// JumpGaps takes a command beyond a gap in CmdSN at once, as if the missing ones were another connection's affair.
	JumpGaps bool
	// StaleExpCmdSN shows on each connection the ExpCmdSN that its own last command has brought about.
	StaleExpCmdSN bool
	// RenegotiateSession takes the session-wide keys of a further login, and puts them in force.
	RenegotiateSession bool
	// LeadDigests uses the digests of the oldest connection on all.
	LeadDigests bool
	// LastDataSegmentLength uses the MaxRecvDataSegmentLength of the login that came last on all connections.
	LastDataSegmentLength bool
	// StallAfterLoss delivers no command any more once a connection was lost.
	StallAfterLoss bool
	// RedeclareElsewhere takes a MaxRecvDataSegmentLength of a Text Request for that of the other connections.
	RedeclareElsewhere bool
	// SilentLoss does not tell on other connections that one is lost.
	SilentLoss bool
	// TrustTSIH asks for no authentication of connections that join a session.
	TrustTSIH bool
	// LogoutEndsSession ends the session when one of several connections is logged out.
	LogoutEndsSession bool
	// LogoutEndsCarrier closes the connection on which a logout of another one came.
	LogoutEndsCarrier bool
	// LogoutKeepsOthers closes only the carrying connection when the session is logged out.
	LogoutKeepsOthers bool
	// SilentTermination raises no unit attention for tasks that ended with their connection.
	SilentTermination bool
	// WildLogoutTimes fills Time2Wait and Time2Retain of Logout Responses with what was in memory.
	WildLogoutTimes bool
	// RecoveryLogoutComplete answers a logout for recovery with success below recovery level 2, and closes the connection.
	RecoveryLogoutComplete bool
	// MaskLogoutReason looks at two bits of the reason of a logout only.
	MaskLogoutReason bool
	// LogoutUncounted does not count a Logout Request that is not immediate in ExpCmdSN.
	LogoutUncounted bool
	// AnyDiscoveryLogout takes every reason for a logout of a Discovery session for "close the session".
	AnyDiscoveryLogout bool
	// AnyIdentity lets connections join a session that have authenticated as somebody else than its first.
	AnyIdentity bool
	// OtherTagInPortName reports target port names with the tag of another portal group.
	OtherTagInPortName bool
	// ShortISIDInPortName leaves leading zeros of the ISID out of initiator port names.
	ShortISIDInPortName bool
	// FencesNothingBefore sends a response that needs the response fence before what was sent earlier is acknowledged.
	FencesNothingBefore bool
	// FencesNothingBehind sends on behind a response that needs the response fence without waiting for its acknowledgement.
	FencesNothingBehind bool
	// LateCommandsRun answers a task management request before the commands that it covers are all there, and executes the late ones.
	LateCommandsRun bool
}

// stale is where a faulty array shows a connection an ExpCmdSN of its own.
func (d *ConnectionDeviations) stale(c *connection, exp uint32) uint32 {
	if d.StaleExpCmdSN && c.attached && c != c.session.lead() {
		return c.ownExp
	}
	return exp
}

// share is where a faulty array counts StatSN over the session.
func (d *ConnectionDeviations) share(s *session, c *connection) {
	if !d.SharedStatSN || !c.attached {
		return
	}
	for _, other := range s.conns {
		c.statSN = max(c.statSN, other.statSN)
	}
}

// noteOrder is where a faulty array takes note of the commands of each connection for itself, or passes a gap over.
func (s *session) noteOrder(c *connection, cmdSN uint32) {
	dev := &s.array.dev.Connections
	if dev.StaleExpCmdSN {
		c.ownExp = cmdSN + 1
	}
	if dev.JumpGaps && len(s.conns) > 1 {
		s.order.exp = cmdSN
	}
}

// takeOver is where a faulty array lets the login of one connection change the others. The caller holds the session's lock.
func (d *ConnectionDeviations) takeOver(s *session, c *connection) {
	c.ownExp = s.order.exp
	for _, other := range s.conns {
		if d.LastDataSegmentLength {
			other.params.PeerMaxRecvDataSegmentLength = c.params.PeerMaxRecvDataSegmentLength
		}
		if d.RenegotiateSession {
			s.params = c.params
		}
		if d.LeadDigests {
			c.digests = s.lead().digests
		}
	}
}

// pathOfR2T is the connection that an R2T is sent on.
func (s *session) pathOfR2T(c *connection) *connection {
	if s.array.dev.Connections.R2TOnLead {
		return s.lead()
	}
	return c
}

// receives puts a MaxRecvDataSegmentLength of the initiator in force, on the connection that has declared it.
func (s *session) receives(c *connection, n int) {
	if !s.array.dev.Connections.RedeclareElsewhere {
		c.params.PeerMaxRecvDataSegmentLength = n
		return
	}
	for _, other := range s.conns {
		if other != c {
			other.params.PeerMaxRecvDataSegmentLength = n
		}
	}
}
