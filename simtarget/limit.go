package simtarget

import "time"

// limit refuses a login above a session limit in the shape that the profile wants. It is asked early in a login and again at its end. The
// sessions that the login would replace do not count, unless the profile wants it.
func (a *Array) limit(l *login, final bool) error {
	if l.joins != nil {
		return nil
	}
	if err := a.zombie(l); err != nil {
		return err
	}
	if l.discovery {
		return a.secondDiscovery(l)
	}
	policy := a.sessionPolicy()
	if policy.OnExcess == ExcessKillOldest || a.dev.Sessions.EvictOldest || !a.exceeds(l) {
		return nil
	}
	if !final && !l.awaitPlace(&policy) {
		return &vanished{how: EndFIN, reason: "connection closed during a delay"}
	}
	if !a.exceeds(l) {
		return nil // a place has become free meanwhile
	}
	return policy.OnExcess.refusal("too many sessions")
}

// awaitPlace waits as long as the profile wants it before a login above a limit is refused, and looks meanwhile whether a place has become
// free. It reports whether the connection is still there.
func (l *login) awaitPlace(policy *SessionPolicy) bool {
	step := policy.ExcessDelay
	if policy.ExcessPoll > 0 {
		step = policy.ExcessPoll
	}
	for waited := time.Duration(0); waited < policy.ExcessDelay && l.array.exceeds(l); waited += step {
		if !l.c.pause(min(step, policy.ExcessDelay-waited)) {
			return false
		}
	}
	return true
}

// exceeds reports whether the login would make one session too many.
func (a *Array) exceeds(l *login) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.oneTooMany(l) != nil
}

// oneTooMany returns what takes the sessions of the limit that the login would break, or nil. The caller holds the lock.
func (a *Array) oneTooMany(l *login) func(*session) bool {
	policy := a.profile.Session
	counts := func(s *session) bool { return policy.ExcessCountsStale || !a.replaces(l, s) }
	limits := []struct {
		most  int
		takes func(*session) bool
	}{
		{policy.MaxPerInitiator, func(s *session) bool { return s.target == l.target && s.initiator == l.initiator && counts(s) }},
		{policy.MaxPerTarget, func(s *session) bool { return s.target == l.target && counts(s) }},
		{policy.MaxTotal, counts},
	}
	for _, limit := range limits {
		if limit.most > 0 && a.table.count(limit.takes)+a.faults.leakedSlots >= limit.most {
			return limit.takes
		}
	}
	return nil
}

// evicted lists the sessions that have to go for a login where the profile kills the oldest. The caller holds the lock.
func (a *Array) evicted(l *login) []*session {
	if l.discovery || a.profile.Session.OnExcess != ExcessKillOldest && !a.dev.Sessions.EvictOldest {
		return nil
	}
	takes := a.oneTooMany(l)
	if takes == nil {
		return nil
	}
	if oldest := a.table.oldest(takes); oldest != nil {
		return []*session{oldest}
	}
	return nil
}
