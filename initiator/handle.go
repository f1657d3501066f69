package initiator

import "time"

// reidentify gives a deviating initiator's session another ID; a sound one's has its ID for life.
func (s *managedSession) reidentify(relogin bool) {
	dev := s.m.dev.Identity
	moved := relogin && s.info.Current.HostPort() != s.lastPortal
	s.lastPortal = s.info.Current.HostPort()
	switch {
	case dev.FromTSIH:
		s.rename(SessionID(s.info.TSIH))
	case relogin && (dev.NewOnRelogin || dev.FollowsPortal && moved || dev.NewEverySixteenth && s.logins%16 == 1 || dev.AsyncDropAllRecreates && s.lastAsync == 3):
		s.m.mu.Lock()
		id := s.m.ids.next()
		s.m.mu.Unlock()
		s.rename(id)
	}
	s.lastAsync = 0
}

// rename changes the ID everywhere.
func (s *managedSession) rename(id SessionID) {
	s.m.mu.Lock()
	s.listedID = id
	s.m.mu.Unlock()
	s.m.stack.rename(s, id)
	s.id = id
}

// linger lets the devices of a session that was logged off stay for the latency; only a deviating initiator does.
func (m *Manager) linger(s *managedSession) {
	d, finite := s.cfg.RemovalLatency.Duration()
	units := s.units
	m.owners.Add(1)
	go func() {
		defer m.owners.Done()
		timer := time.NewTimer(d)
		defer timer.Stop()
		if !finite {
			timer.Stop()
		}
		select {
		case <-timer.C:
			for _, u := range units {
				m.stack.leave(s, u)
			}
		case <-m.closing:
		}
	}()
}
