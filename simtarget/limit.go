package simtarget

import (
	"github.com/iscsispec/iscsispec/iscsi"
)

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
	if policy.ExcessDelay > 0 && !final && !l.c.pause(policy.ExcessDelay) {
		return &vanished{how: EndFIN, reason: "connection closed during a delay"}
	}
	if !a.exceeds(l) {
		return nil // a place has become free meanwhile
	}
	status, isStatus := policy.OnExcess.status()
	switch {
	case isStatus:
		return refuse(status, "too many sessions")
	case policy.OnExcess == ExcessRST:
		return &vanished{how: EndRST, reason: "too many sessions"}
	case policy.OnExcess == ExcessFIN:
		return &vanished{how: EndFIN, reason: "too many sessions"}
	}
	return refuse(iscsi.StatusOutOfResources, "too many sessions")
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
