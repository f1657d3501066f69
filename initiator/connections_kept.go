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
		go s.keepConnections(s.session)
	}
}

// keepConnections opens the connections that a session lacks, one after the other, until the session ends. What fails is tried again after the
// reconnect interval, from start to start, and costs the session nothing.
func (s *managedSession) keepConnections(session *Session) {
	for {
		began := time.Now()
		lacking, interval := 0, time.Duration(0)
		if !s.ask(func() { lacking, interval = s.wanted()-len(session.Connections()), s.cfg.interval() }) {
			return
		}
		if most := session.Info().Params.MaxConnections - len(session.Connections()); lacking > most {
			lacking = most
		}
		if lacking > 0 {
			ctx, cancel := context.WithCancel(session.life)
			cid, err := session.AddConnection(ctx, iscsi.Address{})
			cancel()
			s.inbox.post(func() { s.recordConnection(cid, err) })
			if err == nil {
				continue
			}
		}
		timer := time.NewTimer(interval - time.Since(began))
		select {
		case <-timer.C:
		case <-session.Done():
			timer.Stop()
			return
		}
	}
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
