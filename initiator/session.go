package initiator

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// Session is one iSCSI session in full feature phase over one connection. All methods may be called from any goroutine.
// It ends once, by Logout, Close, or a loss; then Done is closed and it is of no further use.
type Session struct {
	cfg    LoginConfig
	dev    *Deviations
	dialer Dialer

	ended    chan struct{} // Closed at the very end.
	textTurn chan struct{} // Holds a token while a text exchange runs: one at a time.

	mu      sync.Mutex
	phase   sessionPhase
	info    SessionInfo
	params  text.Params
	conn    *connection
	window  commandWindow
	tasks   taskTable
	waiting requestList
	order   uint64 // Requests submitted so far.
	notice  notice
	loss    Loss
	// forcedDigests replaces what was negotiated on the sending side; only a deviating Manager sets it.
	forcedDigests *pdu.Digests

	late late
}

// sessionPhase orders the life of a session; it only grows.
type sessionPhase byte

const (
	phaseOpen     sessionPhase = iota
	phaseDraining              // The target asked for a logout: what was sent is waited for, nothing new is sent.
	phaseLeaving               // The Logout Request is on its way.
	phaseOver                  // The connection is gone.
)

// notice is what the target or the user announced about the session's end.
type notice struct {
	byUser    bool
	async     byte // Event code, 0 for none.
	planned   bool
	time2Wait time.Duration
	hasWait   bool        // Time2Wait replaces the negotiated one.
	timer     *time.Timer // When patience with the announced end is over.
}

// newSession makes the session of a login that has just ended well.
func newSession(cfg LoginConfig, dev *Deviations, d Dialer, info SessionInfo, w commandWindow) *Session {
	s := &Session{
		cfg: cfg, dev: dev, dialer: d, info: info, params: info.Params, window: w,
		ended: make(chan struct{}), textTurn: make(chan struct{}, 1),
	}
	s.late.told.L = &s.mu
	return s
}

// Done is closed when the session is over and every request has been answered.
func (s *Session) Done() <-chan struct{} { return s.ended }

// Loss says how the session ended. It is complete once Done is closed, zero before.
func (s *Session) Loss() Loss {
	select {
	case <-s.ended:
		return s.loss
	default:
		return Loss{}
	}
}

// Info describes the session as it is now. The slice in it is the caller's.
func (s *Session) Info() SessionInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	info := s.info
	info.Params = s.params
	info.Redirects = slices.Clone(info.Redirects)
	return info
}

// Close ends the session without a Logout Request. It does not wait: Done tells when all requests have been answered, each
// with ErrTransportLost. It may be called again.
func (s *Session) Close() { s.conn.fail(ErrClosed) }

// end completes all that is open, in the order of submission, and closes Done. It runs once, when neither reader nor writer of the
// connection runs any more.
func (s *Session) end(c *connection) {
	s.mu.Lock()
	s.phase = phaseOver
	if s.notice.timer != nil {
		s.notice.timer.Stop()
	}
	s.loss = s.lossOf(c)
	fate := s.fate(c)
	var over completions
	for _, t := range s.tasks.inOrder() {
		if s.dev.Logout.ForgetWaiters && s.notice.byUser && t.kind == taskSCSI {
			continue
		}
		s.abandon(t, fate, &over)
	}
	for r := s.waiting.first; r != nil; r = s.waiting.first {
		s.waiting.remove(r)
		r.Err = fate
		over.add(r)
	}
	s.mu.Unlock()
	over.run()
	s.mu.Lock()
	s.late.wait()
	s.mu.Unlock()
	close(s.ended)
}

// abandon ends one task whose answer will not come.
func (s *Session) abandon(t *task, fate error, over *completions) {
	t.reading, t.outRefs = false, 0
	if x := t.exchange; x != nil {
		x.err = fate
		over.exchanges = append(over.exchanges, x)
	}
	if r := t.req; r != nil {
		switch {
		case t.answered: // The outcome came; only the writer had not let go of the data yet.
		case t.quit != nil:
			r.Err = t.quit
		default:
			r.Err = fate
		}
		over.add(r)
	}
	s.tasks.retire(t, false)
}

// fate is the error of all requests that the end of the connection leaves without an answer.
func (s *Session) fate(c *connection) error {
	if s.notice.byUser {
		return ErrLoggedOut
	}
	return fmt.Errorf("%w: %w", ErrTransportLost, c.broken)
}

// lossOf puts together what is known about the end of the connection.
func (s *Session) lossOf(c *connection) Loss {
	l := Loss{
		At: c.brokenAt, Cause: c.broken, Planned: s.notice.planned, Async: s.notice.async,
		Time2Wait: time.Duration(s.params.DefaultTime2Wait) * time.Second,
	}
	if s.notice.hasWait {
		l.Time2Wait = s.notice.time2Wait
	}
	switch {
	case s.notice.byUser:
		l.Cause = ErrLoggedOut
	case s.notice.async == byte(pdu.AsyncLogoutRequest) && !errors.Is(l.Cause, ErrAsyncLogout):
		l.Cause = fmt.Errorf("%w: %w", ErrAsyncLogout, l.Cause)
	case s.notice.async != 0 && !errors.Is(l.Cause, ErrAsyncDrop):
		l.Cause = fmt.Errorf("%w: %w", ErrAsyncDrop, l.Cause)
	}
	return l
}
