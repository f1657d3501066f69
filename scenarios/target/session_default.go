package target

import (
	"bytes"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// sessionDefaultChecks are those of the group session-management that are about which sessions may live beside each other.
func sessionDefaultChecks() []Check {
	return []Check{
		{ID: "session-management.default.one-session-per-port-pair", Run: onePerPortPair},
		{ID: "session-management.default.same-isid-different-portal-groups", Run: sameISIDOtherGroup},
		{ID: "session-management.default.same-isid-same-group-other-portal-reinstates", Run: sameISIDSameGroup},
		{ID: "session-management.default.same-isid-different-targets", Run: sameISIDOtherTarget},
		{ID: "session-management.identity.tsih-scope-per-target", Run: handleOfOtherTarget},
	}
}

// additional judges a login beside sessions that are open. A refusal with a defined status is a warning; conn is then nil.
func (t *T) additional(r *probe.LoginResult) *probe.Conn {
	if class := r.Status.Class(); r.Refused() && (class == iscsi.ClassInitiatorError || class == iscsi.ClassTargetError) && !r.AuthRequired() {
		t.Warn("The target refuses an additional session.", r, "a granted login")
		return nil
	}
	c := t.Granted(r)
	t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the login")
	return c
}

// groups gives a portal of each portal group that is known, that under test first.
func (t *T) groups() []iscsi.Address {
	under := t.Facts.Portal
	first, known := uint16(0), false
	for _, p := range t.Facts.Portals {
		if p.HostPort() == under.HostPort() {
			first, known = p.Tag, p.HasTag
		}
	}
	portals, seen := []iscsi.Address{under}, map[uint16]bool{first: true}
	for _, p := range t.Facts.Portals {
		if known && p.HasTag && !seen[p.Tag] {
			seen[p.Tag] = true
			portals = append(portals, p.Address)
		}
	}
	return portals
}

// sibling gives another portal of the portal group under test.
func (t *T) sibling() iscsi.Address {
	under := t.Facts.Portal.HostPort()
	for _, own := range t.Facts.Portals {
		for _, p := range t.Facts.Portals {
			if own.HostPort() == under && own.HasTag && p.HasTag && p.Tag == own.Tag && p.HostPort() != under {
				return p.Address
			}
		}
	}
	t.Skip("The portal group has no second portal that is known.")
	return iscsi.Address{}
}

func onePerPortPair(t *T) {
	var conns []*probe.Conn
	for range 2 {
		isid := t.NewISID()
		for _, portal := range t.groups() {
			r := t.Login(probe.Login{ISID: &isid, Portal: portal})
			if len(conns) == 0 {
				t.Granted(r)
			}
			if c := t.additional(r); c != nil {
				conns = append(conns, c)
			}
		}
	}
	for i, c := range conns {
		t.Survives(c, fmt.Sprintf("session %d of %d", i+1, len(conns)))
	}
	data := t.Content(conns[0], 0, 512)
	if t.MayWrite() && t.env.Allow >= scenarios.Writes {
		data = pattern(80, len(data))
		t.Fill(conns[0], 0, data)
	}
	for _, c := range conns[1:] {
		if got := t.Content(c, 0, 512); !bytes.Equal(got, data) {
			t.Fail("another session reads other data than the first one", "the same data")
		}
	}
}

func sameISIDOtherGroup(t *T) {
	portals := t.groups()
	if len(portals) < 2 {
		t.Skip("The target has no second portal group that is known.")
	}
	first := t.Open(probe.Login{})
	second := t.additional(t.Login(probe.Login{ISID: &first.Session.ISID, Portal: portals[1]}))
	t.Survives(first, "the session at the first portal group")
	if second != nil {
		t.Survives(second, "the session at the second portal group")
	}
}

func sameISIDSameGroup(t *T) {
	other := t.sibling()
	old := t.Open(probe.Login{})
	c := t.Granted(t.Login(probe.Login{ISID: &old.Session.ISID, Portal: other}))
	t.Dropped(old, "a login with the same ISID at another portal of the group")
	t.Survives(c, "the new session")
}

// otherTarget gives a target that is not the one under test and that logs the probe in.
func (t *T) otherTarget() string {
	for _, name := range t.Facts.Targets {
		if name == t.Options().Target {
			continue
		}
		if r := t.Login(probe.Login{TargetName: name}); r.Granted() {
			t.Leave(r.Conn)
			return name
		}
	}
	t.Skip("No second target logs the probe in.")
	return ""
}

func sameISIDOtherTarget(t *T) {
	other := t.otherTarget()
	first := t.Open(probe.Login{})
	second := t.Granted(t.Login(probe.Login{ISID: &first.Session.ISID, TargetName: other}))
	t.Survives(first, "the session with the first target")
	t.Check(second.Ping(nil), "a ping on the session with the second target")
}

func handleOfOtherTarget(t *T) {
	other := t.otherTarget()
	first := t.Open(probe.Login{})
	t.named(first)
	tsih, cid := first.Session.TSIH, uint16(2)
	r := t.Login(probe.Login{ISID: &first.Session.ISID, TSIH: &tsih, CID: &cid, TargetName: other})
	class2 := r.Refused() && r.Status.Class() == iscsi.ClassInitiatorError
	if !class2 {
		t.Refused(r, Refusal{With: []iscsi.Status{iscsi.StatusSessionDoesNotExist}})
	}
	t.Survives(first, "the session with the first target")
}
