package initiator

import "time"

// latencies returns how long the session's units, and its boot unit, stay after a loss.
func (s *managedSession) latencies() (others, boot Latency) {
	others, boot = s.cfg.RemovalLatency, Infinite()
	if s.kind == Boot {
		boot = s.cfg.BootRemovalLatency.Or(Infinite())
	}
	dev := s.m.dev.Devices
	d, finite := others.Duration()
	switch {
	case dev.RemoveAtLoss:
		others = After(0)
	case dev.RemoveAfterAttempts > 0:
		others = Infinite()
		if s.schedule.attempts >= dev.RemoveAfterAttempts && len(s.attempts) == 0 {
			others = After(0)
		}
	case dev.RemoveAfter > 0:
		others = After(dev.RemoveAfter)
	case dev.NeverInThePast && finite && s.clock.running && time.Now().After(s.clock.since.Add(d)):
		others = Infinite()
	case dev.ZeroMeansDefault && finite && d == 0:
		others = Latency{}
	case dev.InfiniteMeansExpired && !finite:
		others = After(0)
	}
	return others, boot
}

// clockCounts reports whether the removal clock matters now.
func (s *managedSession) clockCounts() bool {
	running := s.state == StateReconnecting || s.state == StateConnected && s.m.dev.Devices.ClockNotStopped
	return running && s.kind.HasDevices() && !s.ending
}

// removalDue returns when the next removal is due.
func (s *managedSession) removalDue() (time.Time, bool) {
	if !s.clockCounts() {
		return time.Time{}, false
	}
	others, boot := s.latencies()
	return s.clock.due(others, boot)
}

// removeDue removes what is due at now: the units leave together, and what waits for them fails. From here on nothing that
// waited is ever sent.
func (s *managedSession) removeDue(now time.Time) {
	if !s.clockCounts() {
		return
	}
	others, boot := s.latencies()
	removeOthers, removeBoot := s.clock.expire(now, others, boot)
	if !removeOthers && !removeBoot {
		return
	}
	if s.m.dev.Devices.RemoveDespiteLogin && len(s.attempts) > 0 {
		s.faulty.removeLater = true
		return
	}
	s.removeLUNs(func(lun uint64) bool {
		if s.bootUnit(lun) {
			return removeBoot
		}
		return removeOthers
	}, "removal latency passed")
}

// removeLUNs removes units by LUN, with what is remembered of them and what waits for them.
func (s *managedSession) removeLUNs(match func(lun uint64) bool, reason string) {
	gone := s.units
	s.removeUnits(func(u *unit) bool { return match(u.lun) }, reason)
	if !s.m.dev.Cache.SurvivesRemoval {
		for _, u := range gone {
			if match(u.lun) {
				s.cache.forget(u.lun)
			}
		}
		if len(s.units) == 0 {
			s.cache.forgetAll()
		}
	}
	dev := s.m.dev
	left := s.queue.length() / 2
	if dev.Queue.ForgetAtRemoval && s.queue.length() > 1 {
		s.forgetLast(match)
	}
	s.failQueue(func(p *pending) bool {
		if dev.Queue.KeepAtRemoval || !match(p.req.LUN) {
			return false
		}
		if left == 0 && dev.Devices.RemovalRacesReplay {
			return false
		}
		left--
		return true
	}, ErrDeviceRemoved, false)
}

// unitGone reports whether requests for a LUN are refused because its unit left the stack in this outage.
func (s *managedSession) unitGone(lun uint64) bool {
	if s.state != StateReconnecting || !s.kind.HasDevices() {
		return false
	}
	if s.bootUnit(lun) {
		return s.clock.bootGone
	}
	return s.clock.othersGone
}

// clockStarts starts the removal clock at the instant at which the loss was detected.
func (s *managedSession) clockStarts(session *Session, loss Loss) {
	since, dev := loss.At, s.m.dev.Devices
	if dev.ClockFromLastPDU {
		session.mu.Lock()
		since = session.culprit.heard
		session.mu.Unlock()
	}
	if dev.ClockCumulative {
		since = since.Add(-s.faulty.down)
	}
	s.clock.lost(since)
	if dev.AsyncLogoutRemoves && loss.Async == 1 {
		s.removeLUNs(func(uint64) bool { return true }, "logged out")
	}
}

// returnedInTime stops the removal clock: a login completed. It reports whether a deviating initiator removes the units
// now, because the removal came due in the middle of that login.
func (s *managedSession) returnedInTime() (removeNow bool) {
	if !s.lostAt.IsZero() {
		s.faulty.down += time.Since(s.lostAt)
	}
	if !s.m.dev.Devices.ClockNotStopped {
		s.clock.returned()
	}
	removeNow = s.faulty.removeLater
	s.faulty.removeLater = false
	return removeNow
}
