package initiator

import (
	"context"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/trace"
)

// AddConnection opens a further connection of a session, at the zero Address where its first one has ended up, and returns the CID. The number
// that LoginSettings.Connections asks for grows by it, so that the connection comes back after a loss. Errors are those of
// Session.AddConnection, ErrNoSession, and ErrTransportLost while the session is down.
func (m *Manager) AddConnection(ctx context.Context, id SessionID, portal iscsi.Address) (cid uint16, err error) {
	session, err := m.connection(id)
	if err != nil {
		return 0, err
	}
	cid, err = session.AddConnection(ctx, portal)
	if err == nil {
		m.wishConnections(id, 1)
	}
	return cid, err
}

// RemoveConnection takes one connection out of a session that has others. The number that LoginSettings.Connections asks for shrinks by it. Errors
// are those of Session.RemoveConnection, ErrNoSession, and ErrTransportLost while the session is down.
func (m *Manager) RemoveConnection(ctx context.Context, id SessionID, cid uint16) error {
	session, err := m.connection(id)
	if err != nil {
		return err
	}
	m.wishConnections(id, -1)
	if err = session.RemoveConnection(ctx, cid); err != nil {
		m.wishConnections(id, 1)
	}
	return err
}

// wishConnections changes how many connections a session is to have.
func (m *Manager) wishConnections(id SessionID, by int) {
	s, err := m.find(id)
	if err != nil {
		return
	}
	s.ask(func() {
		s.wish = max(1, s.wanted()+by)
		s.keepUp()
	})
}

// wanted is how many connections the session is to have.
func (s *managedSession) wanted() int {
	if s.wish == 0 {
		s.wish = max(1, s.settings.Connections)
	}
	return s.wish
}

// keepUp sees to it that the connections of the session in use are kept up, if it is to have several.
func (s *managedSession) keepUp() {
	if s.wanted() > 1 && s.session != nil && s.keeper != s.session && s.kind != Discovery {
		s.keeper = s.session
		go s.keepConnections(s.session, s.beginFurther(s.session))
	}
}

// furtherLogin is the login of a further connection that the owner has begun; it lacks when none is called for.
type furtherLogin struct {
	lacks    bool
	cfg      LoginConfig
	err      error
	began    time.Time
	interval time.Duration // to the next look
}

// beginFurther begins the login of a connection that the session lacks. Only the owner calls it: so the login's CmdSN has its place among the
// commands that are sent at this instant, whichever goroutine is quicker.
func (s *managedSession) beginFurther(session *Session) furtherLogin {
	f := furtherLogin{lacks: s.lacksConnection(session), began: time.Now(), interval: s.cfg.interval()}
	if f.lacks {
		f.cfg, f.err = session.beginJoin(iscsi.Address{})
	}
	return f
}

// keepConnections opens the connections that a session lacks, one after the other, until the session ends. What fails is tried again after the
// reconnect interval, from start to start, and costs the session nothing.
func (s *managedSession) keepConnections(session *Session, next furtherLogin) {
	for {
		if next.lacks {
			if next.err == nil {
				next.err = session.logInFurther(session.life, next.cfg)
			}
			cid, err := next.cfg.CID, next.err
			s.inbox.post(func() { s.recordConnection(cid, err) })
		}
		if !next.lacks || next.err != nil {
			timer := time.NewTimer(next.interval - time.Since(next.began))
			select {
			case <-timer.C:
			case <-session.Done():
				timer.Stop()
				return
			}
		}
		var following furtherLogin
		if !s.ask(func() { following = s.beginFurther(session) }) {
			return
		}
		next = following
	}
}

// lacksConnection tells whether the session is to have a connection more, and may.
func (s *managedSession) lacksConnection(session *Session) bool {
	held := len(session.Connections())
	return held < s.wanted() && held < session.Info().Params.MaxConnections
}

// recordConnection tells the trace how the opening of a further connection went.
func (s *managedSession) recordConnection(cid uint16, err error) {
	if !s.m.log.Enabled() {
		return
	}
	e := trace.Event{Kind: trace.KindSession, Op: "connection", State: s.state.String(), Attrs: []trace.Attr{trace.A("cid", cid)}}
	if err != nil {
		e.Op, e.Err, e.Reason = "connection-failed", err.Error(), OutcomeOf(err)
	}
	s.record(e)
}
