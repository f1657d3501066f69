package initiator

import (
	"context"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
)

// qualifierElsewhere is what the defect FailoverNewISID puts in the place of the session's own ISID qualifier.
const qualifierElsewhere = 0x7000

// PortalGroupError gives up a login at another portal of a session's portal group, which turned out to belong to another one: there it
// would be another I_T nexus.
type PortalGroupError struct {
	// Portal is where; Want is the session's portal group tag, Got that of the portal.
	Portal    iscsi.Address
	Want, Got uint16
}

// Error names the portal and both tags.
func (e *PortalGroupError) Error() string {
	return fmt.Sprintf("portal %s is in portal group %d, want %d, the session's", e.Portal, e.Got, e.Want)
}

// portalGroup returns the portals of the session's portal group, if they are to be tried and its tag is known.
func (s *managedSession) portalGroup() (portals []iscsi.Address, tag uint16) {
	if !s.cfg.PortalFailover || s.logins == 0 {
		return nil, 0
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if !s.place.hasTag {
		return nil, 0
	}
	if s.m.dev.Manager.FailoverAnyGroup {
		for _, a := range s.m.known.addresses(s.spec.Target) {
			portals = append(portals, a.Address)
		}
		return portals, s.place.tag
	}
	return s.m.known.groupOf(s.spec.Target, s.place.tag), s.place.tag
}

// nextPortal returns where the next attempt begins.
func (s *managedSession) nextPortal() iscsi.Address {
	portals, _ := s.portalGroup()
	return s.memory.next(portals...)
}

// choosePortal decides where an attempt begins.
func (s *managedSession) choosePortal(a *attempt) {
	portals, tag := s.portalGroup()
	a.portal, a.group = s.memory.next(portals...), tag
	a.elsewhere = a.portal != s.memory.configured && a.portal != s.memory.permanent
}

// sameGroup ends a session that an attempt brought from a portal that belongs to another portal group after all.
func (a *attempt) sameGroup(session *Session, err error) (*Session, error) {
	if err != nil || !a.elsewhere {
		return session, err
	}
	info := session.Info()
	got := uint16(info.Params.TargetPortalGroupTag)
	if len(info.Redirects) > 0 || !info.Params.HasTargetPortalGroupTag || got == a.group {
		return session, nil
	}
	_ = session.Logout(context.Background())
	session.Close()
	<-session.Done()
	return nil, &PortalGroupError{Portal: a.portal, Want: a.group, Got: got}
}
