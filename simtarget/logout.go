package simtarget

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// logout carries out a Logout Request (RFC 7143, Section 11.14).
func (s *session) logout(c *connection, r *request) {
	var p pdu.LogoutRequest
	if p.DecodeBHS(&r.bhs) != nil {
		return
	}
	a := s.array
	if a.dev.Logout.RefuseRequested && c.logoutWait {
		s.reject(c, &r.bhs, pdu.RejectProtocolError)
		return
	}
	if a.dev.Reject.LogoutRefused && c.logoutWait {
		s.reject(c, &r.bhs, pdu.RejectWaitingForLogout)
		return
	}
	if a.dev.Connections.MaskLogoutReason {
		p.Reason &= 3
	}
	if s.discovery && p.Reason == pdu.LogoutRemoveForRecovery && a.dev.Listing.LogoutForRecovery {
		p.Reason = pdu.LogoutCloseSession
	}
	if s.discovery && p.Reason != pdu.LogoutCloseSession && !a.dev.Connections.AnyDiscoveryLogout {
		s.reject(c, &r.bhs, pdu.RejectProtocolError) // (RFC 7143, Section 4.3)
		return
	}
	if p.Reason > pdu.LogoutRemoveForRecovery {
		s.reject(c, &r.bhs, pdu.RejectInvalidPDUField)
		return
	}
	answer := pdu.LogoutResponse{ITT: p.ITT, Response: s.logoutOutcome(c, &p)}
	if a.dev.Connections.WildLogoutTimes {
		answer.Time2Wait, answer.Time2Retain = 0xbaad, 0xf00d
	}
	rule := a.logoutRule(s)
	delay := a.failover.Load().LogoutReplyDelay
	if rule != nil {
		answer.Time2Wait, answer.Time2Retain = rule.Time2Wait, rule.Time2Retain
		if rule.Response != 0 {
			answer.Response = pdu.LogoutResponseCode(rule.Response)
		}
		delay += rule.Delay
		if rule.Silence {
			return
		}
		if rule.Drop != "" {
			s.later(func() { a.closeConnection(s, c, rule.Drop, reasonLogout) })
			return
		}
	}
	s.later(func() {
		if delay == 0 || c.pause(delay) {
			s.finishLogout(c, &p, answer)
		}
	})
}

// logoutOutcome decides what is answered.
func (s *session) logoutOutcome(c *connection, p *pdu.LogoutRequest) pdu.LogoutResponseCode {
	dev := &s.array.dev.Logout
	switch {
	case p.Reason == pdu.LogoutRemoveForRecovery && s.params.ErrorRecoveryLevel < 2 && s.array.dev.Connections.RecoveryLogoutComplete:
	case p.Reason == pdu.LogoutRemoveForRecovery && s.params.ErrorRecoveryLevel < 2:
		return pdu.LogoutRecoveryNotSupported
	case p.Reason == pdu.LogoutCloseConnection && dev.OwnCIDNotFound:
		return pdu.LogoutCIDNotFound
	case p.Reason != pdu.LogoutCloseSession && s.withCID(p.CID) == nil && len(s.lostWithCID(p.CID)) == 0 && !dev.IgnoreCID:
		return pdu.LogoutCIDNotFound
	}
	return pdu.LogoutSuccess
}

// finishLogout answers a logout and closes what it names when it succeeded: nothing follows the response on a connection that is closed
// (RFC 7143, Section 11.14).
func (s *session) finishLogout(c *connection, p *pdu.LogoutRequest, answer pdu.LogoutResponse) {
	a := s.array
	s.mu.Lock()
	if !c.attached {
		s.mu.Unlock()
		return
	}
	if answer.Response != pdu.LogoutSuccess || a.dev.Logout.ServeAfterLogout {
		s.send(c, &answer)
		s.mu.Unlock()
		return
	}
	named := c
	if p.Reason != pdu.LogoutCloseSession && !a.dev.Logout.IgnoreCID {
		named = s.withCID(p.CID)
	}
	dev := &a.dev.Connections
	if dev.LogoutEndsCarrier && named != nil {
		named = c
	}
	lost := s.lostWithCID(p.CID)
	switch {
	case named == nil && len(lost) > 0:
		s.logoutLost(lost, p, &answer)
		s.send(c, &answer)
		s.mu.Unlock()
	case named == nil: // It has gone while the answer was delayed.
		answer.Response = pdu.LogoutCIDNotFound
		s.send(c, &answer)
		s.mu.Unlock()
	case p.Reason == pdu.LogoutRemoveForRecovery:
		answer.Time2Retain = uint16(s.params.DefaultTime2Retain)
		s.closeConnectionByLogout(c, named, answer, true)
	case p.Reason == pdu.LogoutCloseSession || len(s.conns) == 1 || dev.LogoutEndsSession:
		s.closeByLogout(c, answer)
	default:
		s.closeConnectionByLogout(c, named, answer, false)
	}
}

// closeByLogout ends the session. The caller holds the lock, which is released.
func (s *session) closeByLogout(c *connection, answer pdu.LogoutResponse) {
	a := s.array
	late := s.dataAfterLogout(c)
	var out outgoing
	s.storeUnsafe()
	s.tasks.dropAll(s)
	s.order.open = 0
	s.prepare(c, &out, &answer)
	c.statSN++
	others := slices.DeleteFunc(slices.Clone(s.conns), func(other *connection) bool { return other == c })
	s.terminate()
	s.mu.Unlock()
	a.mu.Lock()
	a.table.remove(s)
	a.mu.Unlock()
	a.release(s, reasonLogout)
	a.logoutOthers(s)
	switch {
	case a.dev.Logout.NoResponse, a.dev.Discovery.DropOnLogout && s.discovery:
		c.end(EndFIN)
	case late != nil:
		c.deliver(out)
		c.deliver(*late)
		c.end(EndFIN)
	default:
		out.end = EndFIN
		c.deliver(out)
		c.end(EndFIN)
	}
	for _, other := range others {
		if !a.dev.Connections.LogoutKeepsOthers {
			other.end(EndFIN)
		}
	}
}

// closeConnectionByLogout ends a connection, which may be another one than the request came on, for good or for recovery. The caller holds the
// lock, which is released.
func (s *session) closeConnectionByLogout(c, named *connection, answer pdu.LogoutResponse, recovery bool) {
	s.detach(named)
	if recovery {
		s.part(named, true)
	} else {
		s.endTasksOf(named)
	}
	if named != c {
		s.send(c, &answer)
	} else {
		var out outgoing
		s.prepare(c, &out, &answer)
		out.end = EndFIN
		c.statSN++
		c.deliver(out)
	}
	if len(s.conns)+s.entering == 0 {
		s.array.wait(s, reasonLogout)
	} else {
		s.mu.Unlock()
		s.array.recordConnection(s, named, "connection-closed", reasonLogout)
	}
	named.end(EndFIN)
}

// logoutOthers is where deviations end sessions that nobody wanted to log out.
func (a *Array) logoutOthers(s *session) {
	if !a.dev.Sessions.LogoutClosesInitiator && (!a.dev.Discovery.LogoutClosesAll || !s.discovery) {
		return
	}
	for _, other := range a.selected(Which{Initiator: s.initiator}) {
		a.closeSession(other, EndFIN, reasonLogout)
	}
}
