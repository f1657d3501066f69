package initiator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// Session is one iSCSI session in full feature phase, over one connection or several. All methods may be called from any goroutine.
// It ends once, by Logout, Close, or a loss; then Done is closed and it is of no further use.
//
// CmdSN, the command window and the task table are the session's; StatSN, digests, segment lengths and pings are each connection's, and
// every task belongs to the connection that its command was sent on.
type Session struct {
	cfg    LoginConfig
	dev    *Deviations
	dialer Dialer

	ended    chan struct{} // Closed at the very end.
	textTurn chan struct{} // Holds a token while a text exchange runs: one at a time.

	mu       sync.Mutex
	phase    sessionPhase
	info     SessionInfo
	params   text.Params
	conns    []*connection // In the order of their logins; a connection leaves when its goroutines have ended.
	failed   []*connection // Lost connections that are being recovered.
	joining  []uint16      // CIDs of the connections that are being logged in.
	lastCID  uint16        // The CID given last.
	window   commandWindow
	tasks    taskTable
	waiting  requestList
	order    uint64 // Requests submitted so far.
	unsaid   int    // Tasks that ABORT TASK could not be sent for yet.
	patience patience
	byUser   bool            // The user has asked for the logout.
	culprit  *connection     // The connection whose end ended the session; nil while the session goes on.
	life     context.Context // Ends when the session is doomed.
	doom     context.CancelFunc
	loss     Loss
	// resetBefore tells which tasks a function ends that may close the session before its answer is out: those of lower order.
	resetBefore uint64
	// forcedDigests replaces what was negotiated on the sending side; only a deviating Manager sets it.
	forcedDigests *pdu.Digests

	late late
	// oldTags are the tags of the requests that its end left without an answer; only a deviating initiator keeps them.
	oldTags map[uint32]*Request
	// lostTTT is the Target Transfer Tag that came last in a text exchange, oldTTT the one with which the next begins, 0 for none: only a
	// deviating initiator sets them.
	lostTTT, oldTTT uint32
}

// sessionPhase orders the life of a session; it only grows.
type sessionPhase byte

const (
	sessionOpen    sessionPhase = iota
	sessionLeaving              // The Logout Request that closes the session is on its way.
	sessionOver                 // Its connections are gone.
)

// notice is what was announced about the end of a connection.
type notice struct {
	async       byte // Event code, 0 for none.
	planned     bool
	time2Wait   time.Duration
	hasWait     bool // Time2Wait replaces the negotiated one, and Time2Retain too.
	time2Retain time.Duration
	timer       *time.Timer // When patience with the announced end is over.
}

// newSession makes the session of a login that has just ended well.
func newSession(cfg LoginConfig, dev *Deviations, d Dialer, info SessionInfo, w commandWindow) *Session {
	s := &Session{
		cfg: cfg, dev: dev, dialer: d, info: info, params: info.Params, window: w, lastCID: info.CID,
		ended: make(chan struct{}), textTurn: make(chan struct{}, 1),
	}
	s.late.told.L = &s.mu
	s.life, s.doom = context.WithCancel(context.Background())
	s.tasks.loose = dev.Status.LowTagBits
	s.inherit()
	return s
}

// doomed reports whether the session is at its end. It may be asked from a request's completion.
func (s *Session) doomed() bool { return s.life.Err() != nil }

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
	if len(s.conns) > 0 {
		s.conns[0].describe(&info)
	}
	info.Redirects = slices.Clone(info.Redirects)
	return info
}

// Close ends the session without a Logout Request. It does not wait: Done tells when all requests have been answered, each
// with ErrTransportLost. It may be called again.
func (s *Session) Close() { s.fail(ErrClosed) }

// fail ends the session with all its connections; the first cause counts. It does not wait.
func (s *Session) fail(cause error) {
	s.mu.Lock()
	c := s.lead()
	if c == nil && s.culprit == nil {
		lost := slices.Concat(s.failed, s.conns)[0] // What is being recovered is given up.
		lost.broken, lost.brokenAt = cause, time.Now()
		s.condemn(lost)
	}
	s.mu.Unlock()
	if c != nil {
		c.fail(cause)
	}
}

// lead returns the connection that speaks for the session: the oldest that lives, and if it can be one that is not leaving. It is nil
// when none lives. The mutex is held.
func (s *Session) lead() *connection {
	var leaving *connection
	for _, c := range s.conns {
		switch {
		case c.broken != nil:
		case c.phase == phaseOpen:
			return c
		case leaving == nil:
			leaving = c
		}
	}
	return leaving
}

// lose decides what the loss of a connection means: without connection recovery the whole session ends with it (RFC 7143, Section 7.1.4.4).
// It returns the other connections that are to be closed with it. The mutex is held.
func (s *Session) lose(c *connection) (others []*connection) {
	if s.culprit != nil || s.survives(c) {
		return nil
	}
	return s.condemn(c)
}

// condemn ends the session because of one connection. It returns the others, whose sockets are to be closed. The mutex is held.
func (s *Session) condemn(c *connection) (others []*connection) {
	s.culprit = c
	s.doom()
	for _, other := range s.conns {
		if other.broken == nil {
			other.stop(c.broken, c.brokenAt)
			others = append(others, other)
		}
	}
	return others
}

// survives reports whether the session goes on without a connection that has ended. The mutex is held.
func (s *Session) survives(c *connection) bool {
	if s.phase != sessionOpen || s.byUser {
		return false
	}
	if errors.Is(c.broken, errConnectionClosed) {
		return s.hasOther(c)
	}
	return s.recoverable(c)
}

// left takes a connection out whose goroutines have ended. The last one ends the session.
func (s *Session) left(c *connection) {
	var over completions
	s.mu.Lock()
	s.conns = slices.DeleteFunc(s.conns, func(other *connection) bool { return other == c })
	if c.notice.timer != nil {
		c.notice.timer.Stop()
	}
	switch {
	case s.culprit != nil:
	case errors.Is(c.broken, errConnectionClosed):
		s.rehome(c, &over)
	default:
		s.endExchanges(c, &over)
		s.failed = append(s.failed, c)
		go s.recoverConnection(c)
	}
	close(c.gone)
	last := s.finished()
	s.mu.Unlock()
	over.run()
	if last {
		s.end()
	}
}

// finished reports whether the session is at its end and nothing runs any more that could touch its tasks. The mutex is held.
func (s *Session) finished() bool { return s.culprit != nil && len(s.conns) == 0 && len(s.failed) == 0 }

// end completes all that is open, in the order of submission, and closes Done. It runs once, when neither reader nor writer of any
// connection runs any more.
func (s *Session) end() {
	s.mu.Lock()
	s.phase = sessionOver
	if s.patience.timer != nil {
		s.patience.timer.Stop()
	}
	c := s.culprit
	c.describe(&s.info)
	s.params = s.info.Params
	s.loss = s.lossOf(c)
	fate := s.fate()
	var over completions
	for _, t := range s.tasks.inOrder() {
		if s.dev.Logout.ForgetWaiters && s.byUser && t.kind == taskSCSI {
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
		case t.order < s.resetBefore:
			r.Err = ErrAborted // What the session was to be closed for.
		default:
			r.Err = fate
		}
		over.add(r)
	}
	if s.dev.Loss.AnswersOldTags && t.req != nil {
		s.remember(t)
	}
	s.free(t, false)
}

// fate is the error of all requests that the end of the session leaves without an answer.
func (s *Session) fate() error {
	switch {
	case s.byUser:
		return ErrLoggedOut
	case s.culprit == nil:
		return fmt.Errorf("%w: the session is between connections", ErrTransportLost)
	}
	return fmt.Errorf("%w: %w", ErrTransportLost, s.culprit.broken)
}

// lossOf puts together what is known about the end of the connection.
func (s *Session) lossOf(c *connection) Loss {
	l := Loss{
		At: c.brokenAt, Cause: c.broken, Planned: c.notice.planned || s.byUser, Async: c.notice.async,
		Time2Wait: time.Duration(s.params.DefaultTime2Wait) * time.Second,
	}
	if c.notice.hasWait {
		l.Time2Wait = c.notice.time2Wait
	}
	switch {
	case s.byUser:
		l.Cause = ErrLoggedOut
	case c.notice.async == byte(pdu.AsyncLogoutRequest) && !errors.Is(l.Cause, ErrAsyncLogout):
		l.Cause = fmt.Errorf("%w: %w", ErrAsyncLogout, l.Cause)
	case c.notice.async != 0 && !errors.Is(l.Cause, ErrAsyncDrop):
		l.Cause = fmt.Errorf("%w: %w", ErrAsyncDrop, l.Cause)
	}
	return l
}
