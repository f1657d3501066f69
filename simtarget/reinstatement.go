package simtarget

import "net"

// replacedBy lists the sessions that a new session takes the place of, oldest first: those of the same initiator port at the same target
// port (RFC 7143, Section 6.3.5). For Discovery sessions that name no target the portal stands in for the target port (RFC 7143,
// Section 7.4.2.1). The caller holds the array's lock.
func (a *Array) replacedBy(l *login) []*session {
	if a.dev.Recovery.KeepReplacedSession {
		return nil
	}
	var replaced []*session
	for _, s := range a.table.sessions {
		if a.replaces(l, s) {
			replaced = append(replaced, s)
		}
	}
	return replaced
}

func (a *Array) replaces(l *login, s *session) bool {
	dev := &a.dev
	sameName := s.initiator == l.initiator || dev.Login.ISIDWithoutName
	if dev.Sessions.OneSessionPerInitiator && sameName && !l.discovery && !s.discovery {
		return true
	}
	if s.discovery != l.discovery {
		crosses := l.discovery && dev.Discovery.ReinstatesNormal || s.discovery && dev.Discovery.NormalReinstates
		return crosses && sameName && s.isid == l.isid
	}
	if l.discovery && l.target == nil {
		return s.target == nil && sameName && s.isid == l.isid && (s.portal == l.c.portal || dev.Discovery.IgnorePortal)
	}
	if l.discovery && dev.Listing.KeepsNamed {
		return false
	}
	if s.target != l.target && !dev.Sessions.IgnoreTargetName {
		return false
	}
	switch a.profile.Session.Identity {
	case IdentityNone:
		return false
	case IdentityName:
		return sameName
	case IdentityAddress:
		return host(s.remote()) == host(l.c.remote)
	case IdentityNameISID:
		return sameName && s.isid == l.isid
	}
	return sameName && (s.isid == l.isid || dev.planted.sameISID(s.isid, l.isid)) && a.sameGroup(l, s)
}

// sameGroup compares the portal groups of a session and of a login.
func (a *Array) sameGroup(l *login, s *session) bool {
	switch {
	case a.dev.Sessions.IgnoreTag:
		return true
	case a.dev.Sessions.ComparePortal:
		return s.portal == l.c.portal
	}
	return s.tag == l.c.portal.Tag
}

// remote is the address of the initiator's end of the oldest connection, "" when the session has no connection.
func (s *session) remote() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.lead(); c != nil {
		return c.remote
	}
	return ""
}

func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}
