package initiator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/trace"
)

// Errors of the Manager itself.
var (
	// ErrNoSession says that there is no session of that ID.
	ErrNoSession = errors.New("no such session")
	// ErrNoDevice says that there is no device of that name.
	ErrNoDevice = errors.New("no such device")
	// ErrNoPortal says that a login named no portal, and discovery told none of its target.
	ErrNoPortal = errors.New("no portal is known for the target")
	// ErrManagerClosed says that the Manager was closed.
	ErrManagerClosed = errors.New("session manager closed")
)

// stagger parts what the Manager does to several sessions at once, so that their connections are opened in one order in every run
// in virtual time. It is nothing on a wall clock.
const stagger = 64 * time.Nanosecond

// retiredMax bounds what is remembered of sessions that are over, to clone them.
const retiredMax = 256

// Manager keeps sessions: it logs in, logs in again when a connection is lost, surfaces units as devices, keeps them for a
// while without a session, queues requests meanwhile, and lists all of it. Its methods may be called from any goroutine, but
// not from a request's Done.
//
// Each session is owned by one goroutine; the Manager only knows which there are, where, and under which ISID. mu is held
// for moments, never across anything that waits.
type Manager struct {
	name     string
	ports    []Port
	makeISID func(port int, qualifier uint16) iscsi.ISID
	seed     uint64
	log      *trace.Log
	dev      *Deviations
	stack    deviceStack
	doubts   doubtBook
	// worker and gate serve deviations: one holds up all login attempts, the other everything while a session is added.
	worker, gate chan struct{}
	challenges   challengeBook

	mu       sync.Mutex
	closed   bool
	ids      sessionIDs
	settings Settings
	sessions []*managedSession
	places   placeTable
	current  map[SessionID]iscsi.Address
	known    discoverySet
	retired  []retired
	parked   []*pending
	strays   []*Session
	owners   sync.WaitGroup
	// blocked serves a deviation: targets that are not logged in to any more, and why.
	blocked map[string]error
	// closing ends what waits on the clock for the Manager.
	closing chan struct{}
}

// retired is what is remembered of a session that is over.
type retired struct {
	id   SessionID
	spec LoginSpec
	// info serves a deviation of later logins to the target.
	info SessionInfo
}

// NewManager returns a Manager without sessions. It errors if the configuration is not usable.
func NewManager(cfg ManagerConfig) (*Manager, error) {
	if !cfg.Deviations.orSound().Login.RawName {
		cfg.InitiatorName = iscsi.NormalName(cfg.InitiatorName)
	}
	if err := iscsi.ValidName(cfg.InitiatorName); err != nil && !cfg.Deviations.orSound().Login.RawName {
		return nil, fmt.Errorf("initiator name: %w", err)
	}
	if len(cfg.Ports) == 0 {
		return nil, &SettingError{"Ports", "none", "at least one initiator port"}
	}
	settings := cfg.settings()
	if err := settings.check(); err != nil {
		return nil, err
	}
	m := &Manager{
		name: cfg.InitiatorName, ports: slices.Clone(cfg.Ports), makeISID: cfg.ISID, seed: cfg.Seed, log: cfg.Log,
		dev: cfg.Deviations.orSound(), settings: settings, current: make(map[SessionID]iscsi.Address),
		worker: make(chan struct{}, 1), gate: make(chan struct{}, 1), closing: make(chan struct{}),
	}
	if m.makeISID == nil {
		m.makeISID = isidMaker(cfg.InitiatorName, m.ports)
	}
	m.stack.setPolicy(settings.PathPolicy)
	m.places = placeTable{makeISID: m.makeISID, dev: m.dev}
	return m, nil
}

// Close ends all sessions as the end of the process would, without logging out, and waits until nothing of them runs.
// Requests that are still waiting complete with ErrLoggedOut.
func (m *Manager) Close() {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return
	}
	m.closed = true
	close(m.closing)
	sessions := slices.Clone(m.sessions)
	m.mu.Unlock()
	m.shutDown(sessions, "session manager closed")
	m.owners.Wait()
	m.mu.Lock()
	strays, parked := m.strays, m.parked
	m.strays, m.parked = nil, nil
	m.mu.Unlock()
	for _, session := range strays {
		session.Close()
		<-session.Done()
	}
	for _, p := range parked {
		p.req.Err = ErrLoggedOut
		p.req.intercept = nil
		if p.req.Done != nil {
			p.req.Done(p.req)
		}
	}
}

// shutDown ends sessions abruptly, one after the other: which path of a device leaves last must not depend on goroutines.
func (m *Manager) shutDown(sessions []*managedSession, reason string) {
	for _, s := range sessions {
		s.inbox.post(func() { s.shutDown(reason) })
		<-s.gone
	}
}

// Settings returns the settings in force.
func (m *Manager) Settings() Settings {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.settings
}

// Set changes the settings: change gets a copy of those in force and alters what it wants. Interval, latencies and queue
// bound govern sessions that are down already from this moment; what the change makes due happens before Set returns,
// session by session, each at an instant of its own. Login settings govern later logins only.
func (m *Manager) Set(change func(*Settings)) error {
	m.mu.Lock()
	settings := m.settings
	change(&settings)
	if err := settings.check(); err != nil {
		m.mu.Unlock()
		return err
	}
	m.settings = settings
	m.stack.setPolicy(settings.PathPolicy)
	sessions := slices.Clone(m.sessions)
	m.mu.Unlock()
	for i, s := range sessions {
		if i > 0 {
			time.Sleep(stagger)
		}
		s.ask(func() {
			s.cfg = settings
			s.changeDigestsLive()
			s.runDue(time.Now())
		})
	}
	return nil
}

// Sessions lists all sessions in the order of their logins. A session whose first login is in progress is not one yet.
func (m *Manager) Sessions() []SessionStatus {
	release := m.pass()
	defer release()
	var list []SessionStatus
	for _, s := range m.all() {
		s.ask(func() {
			if s.state != StateConnecting && s.state != StateClosed {
				list = append(list, s.status())
			}
		})
	}
	if !m.dev.Listing.OnePerTarget {
		return list
	}
	return slices.CompactFunc(list, func(a, b SessionStatus) bool { return a.TargetName == b.TargetName })
}

// Session describes one session. The error is ErrNoSession for an ID that is not in use.
func (m *Manager) Session(id SessionID) (SessionStatus, error) {
	s, err := m.find(id)
	if err != nil {
		return SessionStatus{}, err
	}
	var status SessionStatus
	if !s.ask(func() { status = s.status() }) {
		return SessionStatus{}, fmt.Errorf("session %s: %w", id, ErrNoSession)
	}
	return status, nil
}

// Devices lists all devices in the order of their arrival.
func (m *Manager) Devices() []DeviceInfo {
	release := m.pass()
	defer release()
	for _, s := range m.all() {
		s.ask(func() {}) // What is due at this instant comes first.
	}
	return m.stack.list()
}

// all returns the sessions that exist, in order.
func (m *Manager) all() []*managedSession {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sessions)
}

// find returns the session of that ID.
func (m *Manager) find(id SessionID) (*managedSession, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sessions {
		if s.listedID == id {
			return s, nil
		}
	}
	if m.dev.Identity.StaleReaches {
		for _, r := range m.retired {
			for _, s := range m.sessions {
				if r.id == id && s.spec.Target == r.spec.Target {
					return s, nil
				}
			}
		}
	}
	return nil, fmt.Errorf("session %s: %w", id, ErrNoSession)
}

// forget takes a session that is over out of all tables.
func (m *Manager) forget(s *managedSession) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sessions = slices.DeleteFunc(m.sessions, func(o *managedSession) bool { return o == s })
	m.places.leave(s.place)
	delete(m.current, s.place.id)
	if s.logins == 0 {
		return
	}
	m.retired = append(m.retired, retired{id: s.listedID, spec: s.spec, info: s.info})
	if len(m.retired) > retiredMax {
		m.retired = slices.Delete(m.retired, 0, 1)
	}
}

// noteCurrent remembers at which portal a session is connected.
func (m *Manager) noteCurrent(s *managedSession, portal iscsi.Address) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current[s.place.id] = portal
}

// noteGone remembers that a session is connected nowhere.
func (m *Manager) noteGone(s *managedSession) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.current, s.place.id)
}

// wouldReinstate returns the session that a login of p at a portal would end.
func (m *Manager) wouldReinstate(p *place, portal iscsi.Address) (SessionID, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dev.Paths != (PathsDeviations{}) {
		return 0, false // The guard would hide what such an initiator does.
	}
	return m.places.reinstates(p, portal, func(id SessionID) (iscsi.Address, bool) {
		where, up := m.current[id]
		return where, up
	})
}

// claim notes the portal group tag that the target told, and returns the session that is in that group already.
func (m *Manager) claim(p *place, info SessionInfo) (SessionID, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if info.Params.HasTargetPortalGroupTag {
		p.tag, p.hasTag = uint16(info.Params.TargetPortalGroupTag), true
	}
	return m.places.taken(p)
}

// park keeps a request that a deviating initiator never answers, so that the end of the Manager can.
func (m *Manager) park(s *managedSession, p *pending) {
	delete(s.active, p.req)
	s.deadlines.unwatch(p)
	s.settled(p)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.parked = append(m.parked, p)
}

// stray keeps a connection that no session owns until the end of the Manager.
func (m *Manager) stray(session *Session) {
	m.mu.Lock()
	closed := m.closed
	m.strays = append(m.strays, session)
	m.mu.Unlock()
	if closed {
		session.Close()
	}
}

// turn waits for the only worker of a deviating initiator, and otherwise for nothing.
func (m *Manager) turn() (release func()) {
	if !m.dev.Reconnect.OneWorker {
		return func() {}
	}
	m.worker <- struct{}{}
	return func() { <-m.worker }
}

// pass waits while a deviating initiator adds a session, and otherwise for nothing.
func (m *Manager) pass() (release func()) {
	if !m.dev.Paths.AddBlocksAll {
		return func() {}
	}
	m.gate <- struct{}{}
	return func() { <-m.gate }
}

// port returns the index of the initiator port of that name; the empty name is the first.
func (m *Manager) port(name string) (int, error) {
	if name == "" {
		return 0, nil
	}
	i := slices.IndexFunc(m.ports, func(p Port) bool { return p.Name == name })
	if i < 0 {
		return 0, &SettingError{"InitiatorPort", fmt.Sprintf("%q", name), "the name of a configured port"}
	}
	return i, nil
}

// Discovered returns the targets that discovery told, in the order in which they were first seen.
func (m *Manager) Discovered() []DiscoveredTarget {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.known.targets)
}

// Discover asks a discovery session for all targets of its portal, and remembers them for LoginAll. A target that was told without
// an address has the portal of the session.
func (m *Manager) Discover(ctx context.Context, id SessionID) ([]DiscoveredTarget, error) {
	s, err := m.find(id)
	if err != nil {
		return nil, err
	}
	if s.kind != Discovery {
		return nil, fmt.Errorf("SendTargets through a session of kind %v: %w", s.kind, ErrNotSupported)
	}
	return m.SendTargets(ctx, id, "All")
}

// SendTargets asks for the addresses of one target through a session that is up, and remembers them for LoginAll: in a discovery session
// for any target, by its name or All, in another one for its own, by name or "" (RFC 7143, Appendix C). A target that was told without
// an address has the portal of the session.
func (m *Manager) SendTargets(ctx context.Context, id SessionID, which string) ([]DiscoveredTarget, error) {
	session, err := m.connection(id)
	if err != nil {
		return nil, err
	}
	targets, err := session.SendTargets(ctx, which)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known.learn(targets, session.Info().Current), nil
}
