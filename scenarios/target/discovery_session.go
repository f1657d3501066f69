package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

func discoverySessionChecks() []Check {
	return []Check{
		{ID: "discovery.session.login-without-target-name", Run: discoveryWithoutTargetName},
		{ID: "discovery.session.normal-and-discovery-coexist", Run: coexist},
		{ID: "discovery.restrictions.scsi-command-refused", Run: scsiRefused},
		{ID: "discovery.restrictions.logout-close-session", Run: discoveryLogout},
		{ID: "discovery.reinstatement.unnamed-session", Run: unnamedReinstatement},
		{ID: "discovery.reinstatement.does-not-touch-normal-session", Run: func(t *T) {
			a := t.Open(probe.Login{})
			if r := t.Login(probe.Login{Discovery: true, ISID: &a.Session.ISID}); !r.Granted() {
				t.Skip("No Discovery session is granted: %v.", r)
			}
			t.Survives(a, "the Normal session")
		}},
		{ID: "discovery.reinstatement.normal-does-not-touch-unnamed", Run: func(t *T) {
			a := t.Open(probe.Login{Discovery: true})
			b := t.Granted(t.Login(probe.Login{ISID: &a.Session.ISID}))
			t.SendTargets(a)
			t.Survives(b, "the Normal session")
		}},
		{ID: "discovery.reinstatement.other-portal-independent", Run: otherPortalIndependent},
	}
}

func discoveryWithoutTargetName(t *T) {
	portals := []iscsi.Address{t.Facts.Front}
	for _, portal := range t.Facts.Portals {
		if portal.HostPort() != t.Facts.Front.HostPort() {
			portals = append(portals, portal.Address)
		}
	}
	for _, portal := range portals {
		t.Part("at "+portal.HostPort(), func() {
			r := t.Login(probe.Login{Discovery: true, Portal: portal})
			if r.Outcome == probe.LoginUnreachable {
				t.Skip("The tester cannot reach the portal: %v.", r)
			}
			if c := t.Granted(r); c.Session.TSIH == 0 {
				t.Fail("TSIH=0 in the final response", "a TSIH that is not 0")
			}
		})
	}
}

func coexist(t *T) {
	a := t.Open(probe.Login{})
	for i := range 10 {
		load := a.Start(t.Read(a, uint32(i)*16, 8192))
		t.Part(fmt.Sprintf("Discovery session %d", i+1), func() {
			c := t.Open(probe.Login{Discovery: true})
			t.SendTargets(c)
			t.Leave(c)
		})
		t.Good(load.Await(), "a READ on the Normal session")
	}
	t.Survives(a, "the Normal session")
}

func scsiRefused(t *T) {
	c, zero := t.Open(probe.Login{Discovery: true}), uint64(0)
	r := c.Execute(probe.Command{LUN: &zero, CDB: scsi.Inquiry(96), Read: 96})
	switch {
	case r.Rejected() != nil, r.Event.Ended():
	case r.Answered && !r.Good() && len(r.Task.DataIns) == 0:
		t.Warn("The command is refused by a SCSI Response instead of a Reject.", r, "a Reject", "a drop")
	default:
		t.Fail(r, "a Reject", "a drop")
	}
}

func discoveryLogout(t *T) {
	c := t.Open(probe.Login{Discovery: true})
	response, e := c.Logout(pdu.LogoutCloseSession, c.CID)
	if response == nil || response.Response != pdu.LogoutSuccess {
		t.Fail(e, "a Logout Response with response 0")
	}
	if d := c.AwaitDrop(); !d.Dropped {
		t.Warn("The target leaves it to the initiator to close the connection.", d, "the target closes the connection")
	}
}

func unnamedReinstatement(t *T) {
	a := t.Open(probe.Login{Discovery: true})
	t.Granted(t.Login(probe.Login{Discovery: true, ISID: &a.Session.ISID}))
	if d := a.AwaitDrop(); !d.Dropped {
		t.Warn("The first session stays beside the one that replaces it.", d, "the first session's connection is dropped")
	}
}

func otherPortalIndependent(t *T) {
	other := iscsi.Address{}
	for _, portal := range t.Facts.Portals {
		if portal.HostPort() != t.Facts.Front.HostPort() {
			other = portal.Address
		}
	}
	if other.IsZero() {
		t.Skip("Only one portal of the target is known.")
	}
	a := t.Open(probe.Login{Discovery: true, Portal: t.Facts.Front})
	r := t.Login(probe.Login{Discovery: true, Portal: other, ISID: &a.Session.ISID})
	switch {
	case r.Outcome == probe.LoginUnreachable:
		t.Skip("The tester cannot reach the other portal: %v.", r)
	case r.Refused():
		t.Warn("The second session is refused, though it is another I_T pairing.", r, "a granted login")
	default:
		t.SendTargets(t.Granted(r))
	}
	t.SendTargets(a)
}
