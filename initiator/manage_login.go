package initiator

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
)

// Login logs in once and returns the new session's ID. A login that fails leaves nothing behind. For data and boot sessions
// it returns when the target's units have been enumerated, or the connection was lost again, from when on the
// session is re-established like any other.
//
// Errors: *KindError, *ExistsError if the place has its session, *LoginError, *RedirectError, ErrNoPortal, the context's.
func (m *Manager) Login(ctx context.Context, spec LoginSpec) (SessionID, error) {
	if !spec.Kind.Valid() {
		if !m.dev.Kinds.UnknownIsData {
			return 0, &KindError{Name: spec.Kind.String()}
		}
		spec.Kind = Data
	}
	if m.dev.Paths.PortalForDiscoveryOnly && spec.Kind != Discovery {
		if err := m.firstPortalOf(ctx, &spec); err != nil {
			return 0, err
		}
	}
	return m.open(ctx, spec, opening{})
}

// opening says how a session is opened, beside its LoginSpec.
type opening struct {
	// added is true for a session beyond the default ones.
	added bool
	// like is the original of a clone, for deviations.
	like *managedSession
	// settings, when not nil, are used as they are.
	settings *LoginSettings
	// down opens the session as one that is being re-established.
	down bool
}

// open makes a session, starts its owner, and waits for the first login.
func (m *Manager) open(ctx context.Context, spec LoginSpec, how opening) (id SessionID, err error) {
	if m.dev.Login.BlockTarget {
		if err := m.blockedTarget(spec.Target); err != nil {
			return 0, err
		}
		defer func() { m.blockTarget(spec.Target, err) }()
	}
	s, err := m.newSession(spec, how)
	if err != nil {
		return 0, err
	}
	result := make(chan error, 1)
	s.firstLogin = func(err error) { result <- err }
	early := how.down || m.dev.Reconnect.ReportBeforeLogin || how.added && m.dev.Paths.AddReportsEarly
	if early {
		s.endFirstLogin(nil)
	}
	id = s.id
	go s.begin(early)
	select {
	case err = <-result:
	case <-ctx.Done():
		s.inbox.post(func() { s.cancelFirst(context.Cause(ctx)) })
		err = <-result
	}
	if err != nil {
		<-s.gone
		return 0, err
	}
	s.ask(func() { id = s.id })
	return id, nil
}

// newSession takes a place and an ID and makes the session that goes with them.
func (m *Manager) newSession(spec LoginSpec, how opening) (*managedSession, error) {
	port, err := m.port(spec.InitiatorPort)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrManagerClosed
	}
	if spec.Portal.IsZero() || how.added && m.dev.Paths.AddIgnoresPortal {
		if known := m.known.addresses(spec.Target); len(known) > 0 {
			spec.Portal = known[0].Address
		}
	}
	if spec.Portal.IsZero() {
		return nil, fmt.Errorf("login to %q: %w", spec.Target, ErrNoPortal)
	}
	spec.InitiatorPort = m.ports[port].Name
	p, err := m.takePlace(spec, port, how)
	if err != nil {
		return nil, err
	}
	s := &managedSession{
		m: m, inbox: newInbox(), gone: make(chan struct{}), kind: spec.Kind, spec: spec, place: p, port: m.ports[port],
		settings: spec.Settings.over(m.settings.Login), id: p.id, listedID: p.id, cfg: m.settings,
		active: make(map[*Request]*pending), identities: make(map[uint64]Identity), memory: redirectMemory{configured: spec.Portal},
	}
	if how.settings != nil {
		s.settings = *how.settings
	}
	s.info = SessionInfo{InitiatorName: m.name, TargetName: spec.Target, ISID: p.isid, Configured: spec.Portal}
	s.schedule.key = m.jitterKey(s)
	m.sessions = append(m.sessions, s)
	m.owners.Add(1)
	return s, nil
}

// takePlace finds out whether the place is free, and occupies it. m.mu is held.
func (m *Manager) takePlace(spec LoginSpec, port int, how opening) (*place, error) {
	p := &place{port: port, target: spec.Target, kind: spec.Kind, portal: spec.Portal, added: how.added}
	p.tag, p.hasTag = m.known.tagOf(spec.Target, spec.Portal)
	if id, taken := m.places.taken(p); taken && !m.mayDouble(id, how) {
		return nil, &ExistsError{ID: id}
	}
	if err := m.places.join(p); err != nil {
		return nil, err
	}
	if how.like != nil && m.dev.Paths.CloneCopiesISID {
		p.isid = how.like.place.isid
	}
	p.id = m.ids.next()
	return p, nil
}

// mayDouble reports whether a session may be opened at a place that the session of that ID has. m.mu is held.
func (m *Manager) mayDouble(id SessionID, how opening) bool {
	_, connected := m.current[id]
	switch {
	case how.added:
		return !m.dev.Paths.AddRefusesSamePortal
	case m.dev.Reconnect.DuplicateWhileDown:
		return !connected
	}
	return m.dev.Paths.RepeatDefaults
}

// jitterKey is a function of the seed and of what the session is, so that the order of logins does not matter.
func (m *Manager) jitterKey(s *managedSession) uint64 {
	h := fnv.New64a()
	h.Write([]byte(strconv.FormatUint(m.seed, 16) + "/" + s.port.Name + "/" + s.spec.Target + "/" + s.place.isid.String()))
	return h.Sum64()
}

// begin is the start of the owner: the first login, or, for a session that is down, the first attempt.
func (s *managedSession) begin(down bool) {
	defer s.m.owners.Done()
	now := time.Now()
	if down {
		s.become(StateReconnecting, "restored", nil)
		s.schedule.lost(now, 0)
	} else {
		s.become(StateConnecting, "login", nil)
		s.startAttempt(now)
	}
	s.run()
}

// AddSession opens a session beyond the default ones: a clone of another one, or one at a chosen portal. It has an ISID of its
// own, and whatever exists stays as it is. One attempt is made; if it fails, nothing is left. Errors are those of Login, and
// ErrNoSession if the original is not known.
func (m *Manager) AddSession(ctx context.Context, add AddSpec) (SessionID, error) {
	if m.dev.Paths.AddBlocksAll {
		m.gate <- struct{}{}
		defer func() { <-m.gate }()
	}
	spec, how, err := m.original(add)
	if err != nil {
		return 0, err
	}
	if spec.Kind == 0 {
		spec.Kind = Data
	}
	if m.dev.Paths.AddDoesNothing && how.like != nil {
		return add.Clone, nil
	}
	if !spec.Kind.Valid() {
		return 0, &KindError{Name: spec.Kind.String()}
	}
	id, err := m.open(ctx, spec, how)
	if err != nil && m.dev.Paths.RefusedAddClosesTarget {
		for _, s := range m.all() {
			if s.spec.Target == spec.Target {
				_ = m.logoff(context.Background(), s)
			}
		}
	}
	return id, err
}

// original returns what a session to be added is to be like. A clone of a session that exists takes over the settings
// that it was logged in with; one of a session that was removed, those that it would be logged in with today.
func (m *Manager) original(add AddSpec) (LoginSpec, opening, error) {
	how := opening{added: true}
	if add.Clone == 0 {
		return add.LoginSpec, how, nil
	}
	s, err := m.find(add.Clone)
	if err == nil {
		how.like = s
		if settings := s.settings; !m.dev.Paths.CloneFromDefaults {
			how.settings = &settings
		}
		spec := s.spec
		if m.dev.Paths.CloneFromDefaults {
			spec.Settings = LoginSettings{}
		}
		return spec, how, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range slices.Backward(m.retired) {
		if r.id == add.Clone {
			return r.spec, how, nil
		}
	}
	return LoginSpec{}, how, err
}

// RemoveSession ends a session; it is Logout under the name that sessions are added by.
func (m *Manager) RemoveSession(ctx context.Context, id SessionID) error { return m.Logout(ctx, id) }

// Logout ends a session, whatever its state: connected, reconnecting, or in the middle of a login. Its devices leave at once,
// its waiting requests complete with ErrLoggedOut, and it is never re-established. Logout returns when all that is
// done. The error is ErrNoSession, *BootDeviceError for the last path to a boot device, which ForceLogout overrules, or the
// context's, in which case the logout goes on.
func (m *Manager) Logout(ctx context.Context, id SessionID) error {
	if err := m.mayLogOff(id); err != nil {
		return err
	}
	return m.ForceLogout(ctx, id)
}

// ForceLogout is Logout without a question asked: a boot device leaves too.
func (m *Manager) ForceLogout(ctx context.Context, id SessionID) error {
	s, err := m.find(id)
	if err != nil {
		return err
	}
	if m.dev.Paths.IndexByTSIH {
		s = m.firstWithTSIH(s)
	}
	if m.dev.Paths.RemoveByTarget {
		for _, other := range m.all() {
			if other != s && other.spec.Target == s.spec.Target {
				_ = m.logoff(ctx, other)
			}
		}
	}
	return m.logoff(ctx, s)
}

// logoff ends one session and waits for it.
func (m *Manager) logoff(ctx context.Context, s *managedSession) error {
	over := make(chan error, 1)
	if !s.inbox.post(func() { s.logOff(func(err error) { over <- err }) }) {
		return ErrNoSession
	}
	select {
	case err := <-over:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// LoginResult is what became of one login of LoginAll.
type LoginResult struct {
	// Target, Portal and InitiatorPort are the place.
	Target        string
	Portal        iscsi.Address
	InitiatorPort string
	// ID is the session that is there now; zero if the login failed.
	ID SessionID
	// Existed is true if the session was there before.
	Existed bool
	// Err is why the login failed.
	Err error
}

// LoginAll opens the default data sessions: for each discovered target, one from each initiator port to each target portal
// group. With portals it discovers there first, through the first initiator port. What exists stays as it is. Logins are
// made one after the other, in the order of discovery; one that fails does not keep the others from being tried.
// The error is that of a discovery that failed.
func (m *Manager) LoginAll(ctx context.Context, portals ...iscsi.Address) ([]LoginResult, error) {
	for _, portal := range portals {
		if err := m.discoverAt(ctx, portal); err != nil {
			return nil, err
		}
	}
	var results []LoginResult
	for _, place := range m.defaultPlaces() {
		id, err := m.Login(ctx, place)
		result := LoginResult{Target: place.Target, Portal: place.Portal, InitiatorPort: place.InitiatorPort, ID: id, Err: err}
		var exists *ExistsError
		if errors.As(err, &exists) {
			result.ID, result.Existed, result.Err = exists.ID, true, nil
		}
		results = append(results, result)
	}
	return results, nil
}

// discoverAt runs one discovery session from its login to its logout.
func (m *Manager) discoverAt(ctx context.Context, portal iscsi.Address) error {
	id, err := m.Login(ctx, LoginSpec{Kind: Discovery, Portal: portal})
	if err != nil {
		return err
	}
	_, err = m.Discover(ctx, id)
	return errors.Join(err, m.Logout(ctx, id))
}

// defaultPlaces lists initiator ports times target portal groups.
func (m *Manager) defaultPlaces() []LoginSpec {
	m.mu.Lock()
	defer m.mu.Unlock()
	var places []LoginSpec
	for _, t := range m.known.targets {
		groups := m.known.groups(t.Name)
		if m.dev.Paths.FirstPortalOnly {
			groups = groups[:1]
		}
		for _, g := range groups {
			for _, port := range m.ports {
				places = append(places, LoginSpec{Kind: Data, Target: t.Name, Portal: g.addresses[0], InitiatorPort: port.Name})
			}
		}
	}
	return places
}

// firstPortalOf lets a deviating initiator use the portal of a login to discover, and forget it.
func (m *Manager) firstPortalOf(ctx context.Context, spec *LoginSpec) error {
	if err := m.discoverAt(ctx, spec.Portal); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.known.addresses(spec.Target); len(known) > 0 {
		spec.Portal = known[0].Address
	}
	return nil
}

// firstWithTSIH returns the first session with the TSIH of s.
func (m *Manager) firstWithTSIH(s *managedSession) *managedSession {
	var want uint16
	s.ask(func() { want = s.info.TSIH })
	for _, other := range m.all() {
		same := false
		other.ask(func() { same = other.info.TSIH == want && other.kind != Discovery })
		if same {
			return other
		}
	}
	return s
}

// blockedTarget returns why a deviating Manager does not log in to a target.
func (m *Manager) blockedTarget(target string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.blocked[target]
}

// blockTarget takes note of a target whose service is not available.
func (m *Manager) blockTarget(target string, err error) {
	var refused *LoginError
	if !errors.As(err, &refused) || refused.Status != iscsi.StatusServiceUnavailable {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blocked = map[string]error{target: err}
}
