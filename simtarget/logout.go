package simtarget

import (
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
	if p.Reason > pdu.LogoutRemoveForRecovery {
		s.reject(c, &r.bhs, pdu.RejectInvalidPDUField)
		return
	}
	answer := pdu.LogoutResponse{ITT: p.ITT, Response: s.logoutOutcome(c, &p)}
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
			s.later(func() { a.closeSession(s, rule.Drop, reasonLogout) })
			return
		}
	}
	s.later(func() {
		if delay == 0 || c.pause(delay) {
			s.finishLogout(c, answer)
		}
	})
}

// logoutOutcome decides what is answered.
func (s *session) logoutOutcome(c *connection, p *pdu.LogoutRequest) pdu.LogoutResponseCode {
	dev := &s.array.dev.Logout
	switch {
	case p.Reason == pdu.LogoutRemoveForRecovery:
		return pdu.LogoutRecoveryNotSupported
	case p.Reason == pdu.LogoutCloseConnection && dev.OwnCIDNotFound:
		return pdu.LogoutCIDNotFound
	case p.Reason == pdu.LogoutCloseConnection && p.CID != c.cid && !dev.IgnoreCID:
		return pdu.LogoutCIDNotFound
	}
	return pdu.LogoutSuccess
}

// finishLogout answers a logout, and ends the session when it succeeded: nothing follows the response (RFC 7143, Section 11.14).
func (s *session) finishLogout(c *connection, answer pdu.LogoutResponse) {
	a := s.array
	s.mu.Lock()
	if s.closed || s.conn != c {
		s.mu.Unlock()
		return
	}
	if answer.Response != pdu.LogoutSuccess {
		s.send(c, &answer)
		s.mu.Unlock()
		return
	}
	if a.dev.Logout.ServeAfterLogout {
		s.send(c, &answer)
		s.mu.Unlock()
		return
	}
	late := s.dataAfterLogout()
	var out outgoing
	s.storeUnsafe()
	s.tasks.dropAll(s)
	s.order.open = 0
	s.prepare(c, &out, &answer)
	c.statSN++
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
