package initiator

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/trace"
)

// attempt is one login attempt, redirects included.
type attempt struct {
	// number counts the attempts of an outage, from 1; the first login is number 1 too.
	number int
	// portal is where it begins.
	portal iscsi.Address
	cancel context.CancelFunc
	// last is the portal dialled last.
	last iscsi.Address
	// elsewhere is set for an attempt at another portal of the portal group than the session was asked to use, group is that group's tag.
	elsewhere bool
	group     uint16
}

// nextAttempt returns when the next login attempt starts; ok is false if none is to come, or not before the one in
// progress has ended.
func (s *managedSession) nextAttempt() (at time.Time, ok bool) {
	if s.state == StateReconnecting && (len(s.attempts) == 0 || s.m.dev.Reconnect.OverlapAttempts) && !s.gaveUp() {
		return s.attemptTime(), true
	}
	if s.state == StateConnected && s.m.dev.Reconnect.TickAfterSuccess && s.logins > 1 && len(s.attempts) == 0 {
		return s.schedule.lastStart.Add(s.cfg.interval()), true
	}
	return time.Time{}, false
}

// attemptTime asks the schedule with the interval of the moment.
func (s *managedSession) attemptTime() time.Time {
	s.schedule.interval, s.schedule.jitter, s.schedule.most = s.cfg.interval(), s.cfg.ReconnectJitter, s.cfg.ReconnectMax
	return s.faulty.attemptTime(&s.schedule, s.m.dev)
}

// startAttempt begins a login beside the owner.
func (s *managedSession) startAttempt(now time.Time) {
	s.schedule.started(now)
	ctx, cancel := context.WithCancel(context.Background())
	a := &attempt{number: s.schedule.attempts, cancel: cancel}
	s.choosePortal(a)
	s.freshISID()
	s.attempts = append(s.attempts, a)
	s.recordAttempt(a)
	go s.runAttempt(ctx, a, s.loginConfig(a))
}

// runAttempt logs in and posts the result.
func (s *managedSession) runAttempt(ctx context.Context, a *attempt, cfg LoginConfig) {
	release := s.m.turn()
	session, err := Login(ctx, &placeDialer{s: s, attempt: a}, cfg)
	release()
	session, err = a.sameGroup(session, err)
	if !s.inbox.post(func() { s.attemptEnded(a, session, err) }) && session != nil {
		s.m.stray(session)
	}
}

// loginConfig is what one attempt logs in with. Every login is a leading login: the session is begun anew, under the
// same ISID, so that the target takes it for a reinstatement of the old one (RFC 7143, Section 6.3.5).
func (s *managedSession) loginConfig(a *attempt) LoginConfig {
	kind := NormalSession
	if s.kind == Discovery {
		kind = DiscoverySession
	}
	cfg := s.settings.loginConfig(kind)
	cfg.InitiatorName, cfg.TargetName = s.m.name, s.spec.Target
	cfg.ISID, cfg.Portal, cfg.boot = s.place.isid, a.portal, s.kind == Boot
	cfg.relogin = s.logins > 0
	cfg.OnAsync = func(event AsyncEvent) { s.inbox.post(func() { s.asyncArrived(event) }) }
	cfg.Log, cfg.Deviations, cfg.Rand = s.m.log, s.m.dev, s.challenges()
	cfg.challenges = &s.m.challenges
	if s.logins > 0 {
		cfg.Previous = &s.first
	} else if s.m.dev.Login.ReuseTSIH {
		cfg.Previous = s.m.predecessor(s.spec.Target)
	}
	if s.m.dev.Loss.any() {
		cfg.before, cfg.oldSocketFailed = s.before, s.oldSocketFailed
	}
	if a.elsewhere && s.m.dev.Manager.FailoverNewISID {
		cfg.ISID = s.m.makeISID(s.place.port, qualifierElsewhere)
	}
	if s.m.dev.Reconnect.NoPing {
		cfg.PingInterval = Never
	}
	if s.m.dev.Paths.RemoveWaitsForEver {
		cfg.LogoutTimeout = 10000 * time.Hour
	}
	if s.m.dev.Paths.ReconnectWithDefaultISID && s.logins > 0 {
		cfg.ISID = s.m.makeISID(s.place.port, firstQualifier(s.kind, false))
	}
	return cfg
}

// attemptEnded takes the result of an attempt.
func (s *managedSession) attemptEnded(a *attempt, session *Session, err error) {
	a.cancel()
	for i, other := range s.attempts {
		if other == a {
			s.attempts = append(s.attempts[:i:i], s.attempts[i+1:]...)
			break
		}
	}
	switch {
	case s.state == StateClosed:
		if session != nil {
			s.m.stray(session)
		}
	case err == nil && s.logins == 0 && !s.ending:
		s.firstConnected(a, session)
	case err == nil:
		s.m.claim(s.place, session.Info())
		s.connected(a, session)
	case s.ending:
		s.recordAttemptFailed(a, err)
		s.endIfIdle()
	default:
		s.attemptFailed(a, err)
	}
}

// firstConnected checks, now that the target told its portal group, that the place is free after all.
func (s *managedSession) firstConnected(a *attempt, session *Session) {
	if id, taken := s.m.claim(s.place, session.Info()); taken && !s.place.added && s.firstLogin != nil {
		s.endFirstLogin(&ExistsError{ID: id})
		s.ending = true
	}
	s.connected(a, session)
}

// attemptFailed notes the failure. A session that never logged in has failed for good; every other goes on.
func (s *managedSession) attemptFailed(a *attempt, err error) {
	now := time.Now()
	s.lastErr = err
	s.schedule.failed(now)
	s.memory.attemptFailed(a.last, s.m.dev)
	s.faulty.attemptFailed(now, &s.schedule, err, s.m.dev)
	s.recordAttemptFailed(a, err)
	if s.state == StateConnecting {
		s.become(StateLoggingOff, "login failed", err)
		s.finish(err, "login failed")
		return
	}
	s.refusedForGood(err)
	if n := s.m.dev.Devices.RemoveAfterAttempts; n > 0 && s.schedule.attempts >= n {
		s.removeDue(now)
	}
}

// reconnects reports whether a session of this kind, lost in this way, is re-established.
func (s *managedSession) reconnects(loss Loss) bool {
	dev := s.m.dev
	switch {
	case s.ending && !dev.Paths.RemoveReconnects:
		return false
	case dev.Identity.AsyncLogoutForgets && loss.Async == 1, dev.Peer.LogoutUnasked && errors.Is(loss.Cause, ErrLoggedOut):
		return false
	case dev.Async.DropIsForGood && loss.Async == 2:
		return false
	case dev.Reconnect.NotBoot && s.kind == Boot:
		return false
	case dev.Reconnect.OnlyWithDevices && len(s.units) == 0:
		return false
	case dev.Reconnect.DiscoveryToo:
		return true
	}
	return s.kind.Reconnects()
}

// wait returns the time that the target asked to wait for.
func (s *managedSession) wait(loss Loss) time.Duration {
	s.faulty.lost(time.Now(), s.m.dev)
	if s.m.dev.Reconnect.IgnoreTime2Wait {
		return 0
	}
	return loss.Time2Wait
}

// gaveUp reports whether a deviating initiator tries no longer.
func (s *managedSession) gaveUp() bool {
	dev := s.m.dev.Reconnect
	return dev.AttemptsAtMost > 0 && s.schedule.attempts >= dev.AttemptsAtMost ||
		dev.StopAtRemoval && s.clock.othersGone || s.faulty.stopped
}

// placeDialer dials for one attempt. It refuses a connection that would end another session of this initiator: a redirect
// may lead to a portal where that session uses the same ISID.
type placeDialer struct {
	s       *managedSession
	attempt *attempt
}

// ReinstatementError refuses a redirect to a portal where a session of the same ISID is in use.
type ReinstatementError struct {
	// ID is the session that the login would have ended.
	ID SessionID
	// Portal is where.
	Portal iscsi.Address
}

// Error names the session and the portal.
func (e *ReinstatementError) Error() string {
	return "login at " + e.Portal.String() + " would end session " + e.ID.String() + ", which has the same ISID there"
}

// DialContext dials through the session's initiator port.
func (d *placeDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if portal, err := iscsi.ParseAddress(address); err == nil {
		d.s.inbox.post(func() { d.attempt.last = portal })
		if id, found := d.s.m.wouldReinstate(d.s.place, portal); found {
			return nil, &ReinstatementError{ID: id, Portal: portal}
		}
	}
	conn, err := d.s.port.Dialer.DialContext(ctx, network, address)
	if err == nil && d.s.m.dev.Devices.ClockRestartsOnConnect {
		d.s.inbox.post(func() { d.s.clock.since = time.Now() })
	}
	return conn, err
}

// faultyTimes holds what deviating schedules and clocks remember; a sound initiator never touches it.
type faultyTimes struct {
	// retryAt replaces the next attempt's time.
	retryAt time.Time
	// stopped ends the attempts.
	stopped bool
	// down adds up the time of finished outages.
	down time.Duration
	// removeLater says that the removal came due in the middle of an attempt.
	removeLater bool
}

// attemptTime returns the schedule's time or the deviating one.
func (f *faultyTimes) attemptTime(schedule *reconnectSchedule, dev *Deviations) time.Time {
	if dev.Reconnect.IntervalReadOnce {
		schedule.interval = DefaultReconnectInterval
	}
	if !f.retryAt.IsZero() {
		return f.retryAt
	}
	if dev.Manager.JitterDrifts {
		return schedule.next().Add(schedule.drift())
	}
	return schedule.next()
}

// lost begins an outage.
func (f *faultyTimes) lost(now time.Time, dev *Deviations) {
	f.retryAt, f.stopped = time.Time{}, false
	if dev.Reconnect.AtOnceOnDrop {
		f.retryAt = now
	}
}

// attemptFailed decides when a deviating initiator tries next.
func (f *faultyTimes) attemptFailed(now time.Time, schedule *reconnectSchedule, err error, dev *Deviations) {
	const hot = 100 * time.Millisecond
	f.retryAt = time.Time{}
	var login *LoginError
	var redirect *RedirectError
	status := iscsi.StatusSuccess
	if errors.As(err, &login) {
		status = login.Status
	}
	switch {
	case dev.Reconnect.HotRetryNotFound && status == iscsi.StatusNotFound,
		dev.Reconnect.HotRetryAuth && errors.Is(err, ErrAuthFailed),
		dev.Reconnect.HotRetryClosed && errors.As(err, &login) && login.Stage != StageDial,
		dev.planted.HotRetryAfterRedirect && errors.As(err, &redirect):
		f.retryAt = now.Add(hot)
	case dev.Reconnect.StopOnLoginStatus && status != iscsi.StatusSuccess:
		f.stopped = true
	case dev.Reconnect.ExponentialBackoff:
		f.retryAt = schedule.lastStart.Add(time.Second << min(schedule.attempts-1, 6))
	}
}

// recordAttempt tells the trace that an attempt starts.
func (s *managedSession) recordAttempt(a *attempt) {
	if !s.m.log.Enabled() {
		return
	}
	s.record(trace.Event{Kind: trace.KindSession, Op: "attempt", State: s.state.String(), To: a.portal.HostPort(),
		Attrs: []trace.Attr{trace.A("attempt", a.number)}})
}

// recordAttemptFailed tells the trace how an attempt failed.
func (s *managedSession) recordAttemptFailed(a *attempt, err error) {
	if !s.m.log.Enabled() {
		return
	}
	s.record(trace.Event{Kind: trace.KindSession, Op: "attempt-failed", State: s.state.String(), To: a.portal.HostPort(),
		Err: err.Error(), Reason: OutcomeOf(err), Attrs: []trace.Attr{trace.A("attempt", a.number)}})
}
