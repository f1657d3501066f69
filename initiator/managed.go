package initiator

import (
	"cmp"
	"time"
)

// managedSession is one session under the Manager's care, over all the connections that it has in its life. One
// goroutine, run, owns every field below the line; all others reach it through the inbox. The owner never
// blocks: logins, logouts and aborts run beside it and post their results.
type managedSession struct {
	m     *Manager
	inbox *inbox
	// gone closes when the owner has ended.
	gone chan struct{}
	// kind, spec, settings, place and port do not change after the start. settings are fixed here, so that every re-login
	// offers what the first login did.
	kind     Kind
	spec     LoginSpec
	settings LoginSettings
	place    *place
	port     Port
	// wish is how many connections the session is to have, 0 before it was looked at; keeper the Session whose connections are kept up.
	wish   int
	keeper *Session

	// ---- the owner's from here on ----

	// id is what the session is listed under; listedID is the same for the Manager, which guards it.
	id, listedID SessionID
	// lastPortal and lastAsync serve deviations of the ID.
	lastPortal string
	lastAsync  byte
	lostTTT    uint32 // Serves the deviation ResumesExchange.
	cfg        Settings
	state      State
	since      time.Time

	// session is the connection in use, nil while there is none; info describes it or the last one.
	session *Session
	info    SessionInfo
	first   SessionInfo
	logins  int
	// tries counts all login attempts of the session's life.
	tries int

	// attempts are the login attempts in progress; a sound initiator has one at most.
	attempts []*attempt
	schedule reconnectSchedule
	memory   redirectMemory
	clock    removalClock
	faulty   faultyTimes
	lastErr  error
	lostAt   time.Time
	// firstLogin takes the result of the first login, once.
	firstLogin func(error)
	// logoffs wait for the end of the session.
	logoffs []func(error)
	// ending is true when the session's end has begun, abrupt when it takes no Logout Request, leaving while the logout runs.
	ending, abrupt, leaving bool

	// seq numbers requests. queue holds those that wait, flying counts those with the Session, active knows all of them.
	seq       uint64
	queue     waitQueue
	flying    int
	active    map[*Request]*pending
	deadlines deadlineHeap
	// stalled are the LUNs whose requests keep their order behind one that is held back for a write of this session.
	stalled []uint64
	// ready is true when requests may go to the Session: it is connected and its units are checked.
	ready bool
	// everQueued and replayed serve deviations of the queue.
	everQueued int
	replayed   []*Request

	cache answerCache
	units []*unit
	scan  *scan
	// rescan asks for another scan after the one in progress.
	rescan bool
	// before is the session whose loss began the latest outage, which only a deviating initiator looks at.
	before *Session
	// identities serves a deviation of the cache.
	identities map[uint64]Identity
}

// run is the owner. What is due at an instant is done before what was posted at that instant, and several due things in
// a fixed order, so that a run in virtual time is the same every time.
func (s *managedSession) run() {
	defer close(s.gone)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var batch []func()
	for s.state != StateClosed {
		s.runDue(time.Now())
		batch = s.inbox.take(batch)
		for i, f := range batch {
			f()
			batch[i] = nil
		}
		if len(batch) > 0 || s.state == StateClosed {
			continue
		}
		if at, ok := s.nextDue(); ok {
			timer.Reset(max(time.Until(at), 0))
		} else {
			timer.Stop()
		}
		select {
		case <-s.inbox.wake:
		case <-timer.C:
		}
	}
	for _, f := range s.inbox.close() {
		f()
	}
}

// runDue does what is due at now.
func (s *managedSession) runDue(now time.Time) {
	s.removeDue(now)
	for p := s.deadlines.expired(now); p != nil; p = s.deadlines.expired(now) {
		s.expire(p)
	}
	if at, ok := s.nextAttempt(); ok && !now.Before(at) {
		s.startAttempt(now)
	}
}

// nextDue returns the next instant at which something is due.
func (s *managedSession) nextDue() (at time.Time, ok bool) {
	earlier := func(t time.Time, valid bool) {
		if valid && (!ok || t.Before(at)) {
			at, ok = t, true
		}
	}
	earlier(s.removalDue())
	earlier(s.deadlines.next())
	earlier(s.nextAttempt())
	return at, ok
}

// ask runs f in the owner and waits for it; it reports false if the owner is gone.
func (s *managedSession) ask(f func()) bool {
	done := make(chan struct{})
	if !s.inbox.post(func() { f(); close(done) }) {
		return false
	}
	<-done
	return true
}

// become changes the state and records it.
func (s *managedSession) become(state State, reason string, err error) {
	was := s.state
	s.state, s.since = state, time.Now()
	s.recordState(was, reason, err)
}

// connected takes over the session that an attempt brought.
func (s *managedSession) connected(a *attempt, session *Session) {
	if old := s.session; old != nil {
		s.ready = false
		go old.Close() // Only a deviating initiator logs in twice.
	}
	s.session, s.info = session, session.Info()
	s.logins++
	relogin := s.logins > 1
	if !relogin {
		s.first = s.info
	}
	s.memory.loggedIn(a.portal, s.info.Redirects, s.m.dev)
	s.reidentify(relogin)
	s.frameByConfig()
	removeNow := s.returnedInTime()
	go s.watch(session)
	if s.m.dev.Manager.TimerPerLogin {
		go s.m.tickAway()
	}
	s.keepUp()
	s.m.noteCurrent(s, s.info.Current)
	s.become(StateConnected, "login at "+s.info.Current.HostPort(), nil)
	s.lostAt = time.Time{}
	if s.ending || len(s.logoffs) > 0 {
		s.beginEnd("logoff")
		return
	}
	if removeNow {
		s.removeUnits(func(*unit) bool { return true }, "removal latency passed")
	}
	s.afterLogin(relogin, removeNow)
}

// watch reports the end of a connection.
func (s *managedSession) watch(session *Session) {
	<-session.Done()
	s.inbox.post(func() { s.lost(session, session.Loss()) })
}

// lost handles the end of the connection. By now every request that was in flight has come back.
func (s *managedSession) lost(session *Session, loss Loss) {
	if session != s.session {
		return
	}
	s.session, s.ready = nil, false
	if s.m.dev.Loss.any() {
		s.before = session
	}
	s.dropScan()
	s.m.noteGone(s)
	if s.ending {
		return // The logout in progress reports its end by itself.
	}
	s.lastErr, s.lastAsync = loss.Cause, loss.Async
	reason := "connection lost"
	if loss.Planned {
		reason = "connection ended by the target's notice"
	}
	if !s.reconnects(loss) {
		s.become(StateLoggingOff, reason, loss.Cause)
		s.finish(loss.Cause, reason)
		return
	}
	s.lostAt = loss.At
	s.schedule.lost(loss.At, s.wait(loss))
	s.clockStarts(session, loss)
	s.become(StateReconnecting, reason, loss.Cause)
	s.blockDevices(true)
	s.removeDue(time.Now())
	s.endFirstLogin(nil)
}

// endFirstLogin reports the first login to whoever asked for it, once.
func (s *managedSession) endFirstLogin(err error) {
	if s.firstLogin != nil {
		s.firstLogin(err)
		s.firstLogin = nil
	}
}

// finish ends the session for good: whatever still waits is answered, devices leave, the place is free, and every
// logoff that waits returns. cause is nil for a logoff.
func (s *managedSession) finish(cause error, reason string) {
	s.ending = true
	outcome := ErrLoggedOut
	if cause != nil {
		outcome = ErrTransportLost
	}
	s.failQueue(func(*pending) bool { return true }, outcome, s.m.dev.Queue.ForgetAtLogoff)
	s.parkFlying()
	if s.m.dev.Devices.LogoffLingers {
		s.m.linger(s)
	} else {
		s.removeUnits(func(*unit) bool { return true }, reason)
	}
	s.become(StateClosed, reason, cause)
	s.m.forget(s)
	s.endFirstLogin(cmp.Or(cause, ErrLoggedOut))
	for _, reply := range s.logoffs {
		reply(nil)
	}
	s.logoffs = nil
}
