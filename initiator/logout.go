package initiator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// LogoutError says that the target answered a Logout Request with something else than success. The session is over all the same.
type LogoutError struct{ Response pdu.LogoutResponseCode }

// Error names the response.
func (e *LogoutError) Error() string { return fmt.Sprintf("logout response %v", e.Response) }

// Logout closes the session in order: what waits unsent is completed with ErrLoggedOut at once, a Logout Request is sent, what the target
// completes before its Logout Response counts, and what is left is completed with ErrLoggedOut (RFC 7143, Section 11.14). When Logout returns,
// the session is over, whatever the error: *LogoutError, ErrTimeout after LoginConfig.LogoutTimeout, the context's, or
// ErrTransportLost if the connection was lost before.
func (s *Session) Logout(ctx context.Context) error { return s.logoutAnd(ctx, func() {}) }

// logoutAnd is Logout, with underWay called as soon as the Logout Request has its place in the line or there is none to send: what is given up
// from then on is not aborted one by one, because the logout ends it all.
func (s *Session) logoutAnd(ctx context.Context, underWay func()) error {
	s.mu.Lock()
	c := s.lead()
	if c == nil {
		err := s.logoutBetween()
		s.mu.Unlock()
		underWay()
		<-s.ended
		return err
	}
	s.byUser = true
	if s.info.Type == DiscoverySession && s.cfg.Manners.orOwn().DropsDiscovery {
		s.mu.Unlock()
		underWay()
		c.fail(ErrLoggedOut)
		<-s.ended
		return nil
	}
	corked := c.cork()
	x, err := c.leave(fmt.Errorf("logout %w", ErrTimeout))
	for r := s.waiting.first; r != nil && !s.dev.Logout.CommandsAfterLogout; r = s.waiting.first {
		s.waiting.remove(r)
		r.Err = ErrLoggedOut
		s.decided().add(r)
	}
	s.pump()
	if corked {
		c.uncork()
	}
	s.mu.Unlock()
	underWay()
	if err == nil {
		err = x.wait(ctx)
	}
	c.fail(ErrLoggedOut)
	<-s.ended
	return s.logoutResult(x, err)
}

// logoutBetween is the logout of a session that has no connection: it is over, or its connections are being recovered, which ends now. The
// mutex is held.
func (s *Session) logoutBetween() error {
	if s.culprit != nil {
		return s.fate()
	}
	s.byUser = true
	s.condemn(slices.Concat(s.failed, s.conns)[0])
	return nil
}

// logoutResult turns what ended the wait into the error of Logout.
func (s *Session) logoutResult(x *exchange, err error) error {
	switch {
	case s.dev.Logout.NoLogoutRequest:
		return nil
	case x != nil && x.err == nil && err == nil && x.response != byte(pdu.LogoutSuccess):
		return &LogoutError{Response: pdu.LogoutResponseCode(x.response)}
	case x != nil && x.err != nil:
		return fmt.Errorf("logout: %w", s.culprit.broken)
	}
	return err
}

// leave sends the Logout Request that closes the session. If no answer comes in time, the connection ends with cause. The mutex is held.
func (c *connection) leave(cause error) (*exchange, error) {
	s := c.s
	if c.phase == phaseLeaving { // The target had asked for it, and the request is on its way.
		for _, t := range s.tasks.inOrder() {
			if t.kind == taskLogout && t.conn == c && t.exchange.named == nil {
				return t.exchange, nil
			}
		}
	}
	limit := s.cfg.LogoutTimeout
	if s.dev.Logout.WaitsForEver {
		limit = 0
	}
	t, err := c.open(taskLogout, limit, cause)
	if err != nil {
		return nil, err
	}
	s.phase = sessionLeaving
	for _, other := range s.conns {
		other.phase = phaseLeaving
	}
	x := t.exchange
	if s.dev.Logout.NoLogoutRequest {
		go c.fail(cause)
		return x, nil
	}
	if s.dev.Logout.WrongCID {
		c.sendLogout(t, pdu.LogoutCloseConnection, c.cid+1)
		return x, nil
	}
	c.sendLogout(t, pdu.LogoutCloseSession, 0)
	return x, nil
}

// leaveAlone sends the Logout Request that closes this connection only (reason 1). If no answer comes in time, the connection counts as
// lost. The mutex is held.
func (c *connection) leaveAlone() {
	t, err := c.open(taskLogout, c.s.cfg.LogoutTimeout, fmt.Errorf("logout of the connection %w", ErrTimeout))
	if err != nil {
		return // The connection is ending anyway.
	}
	c.phase = phaseLeaving
	cid := c.cid
	if c.s.dev.Recovery.LogoutOtherCID {
		cid = c.s.lead().cid
	}
	c.sendLogout(t, pdu.LogoutCloseConnection, cid)
}

// sendLogout queues a Logout Request. The mutex is held.
func (c *connection) sendLogout(t *task, reason pdu.LogoutReason, cid uint16) {
	t.exchange.reason = reason
	p := pdu.LogoutRequest{Immediate: true, Reason: reason, ITT: t.itt, CID: cid, CmdSN: c.s.window.next}
	var e sendEntry
	if lost := t.exchange.named; lost != nil {
		p.ExpStatSN, e.stamped = lost.acknowledges(), true // Of the connection that is logged out (RFC 7143, Section 11.14.4).
	}
	p.EncodeBHS(&e.header)
	if c.s.dev.Sequencing.LogoutGarbage {
		e.header[38] = 0x5a
	}
	c.send(e)
}

// receiveLogout ends the connection: after a Logout Response nothing more is said on it.
func (c *connection) receiveLogout(h *pdu.BHS) error {
	var p pdu.LogoutResponse
	if err := p.DecodeBHS(h); err != nil {
		return err
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	fresh, err := c.numbered(pdu.OpLogoutResponse, p.StatSN)
	if err != nil || !fresh {
		return err
	}
	c.note(p.ExpCmdSN, p.MaxCmdSN)
	t := c.task(p.ITT)
	if t == nil || t.kind != taskLogout {
		return nil
	}
	if x := t.exchange; x.named != nil {
		x.response = byte(p.Response)
		x.time2Wait, x.time2Retain = time.Duration(p.Time2Wait)*time.Second, time.Duration(p.Time2Retain)*time.Second
		c.answer(t)
		return nil
	}
	if c.s.dev.Logout.RepeatsOnFailure && p.Response != pdu.LogoutSuccess {
		c.sendLogout(t, pdu.LogoutCloseSession, 0)
		return nil
	}
	n := &c.notice
	late := p.Response == pdu.LogoutRecoveryNotSupported || p.Response == pdu.LogoutCleanupFailed
	if late && !c.s.dev.Logout.DefaultTime2Wait {
		n.time2Wait, n.hasWait = time.Duration(p.Time2Wait)*time.Second, true
	}
	x := t.exchange
	x.response = byte(p.Response)
	c.answer(t)
	switch {
	case c.s.byUser:
		return ErrLoggedOut
	case x.reason == pdu.LogoutCloseConnection && p.Response == pdu.LogoutSuccess:
		return errConnectionClosed
	case x.reason == pdu.LogoutCloseConnection:
		return &LogoutError{Response: p.Response}
	}
	return ErrAsyncLogout
}
