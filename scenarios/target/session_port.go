package target

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// sessionPortChecks are those of the group session-management that are about target ports and limits.
func sessionPortChecks() []Check {
	limited := func(p *simtarget.Profile) { p.Session.MaxPerTarget = 8 }
	long := scenarios.Limits{Run: 5 * time.Minute, Wall: 6 * time.Minute}
	return []Check{
		{ID: "session-management.target-port.specific-portal-login", Run: loginAtEachPortal},
		{ID: "session-management.target-port.device-identification", Run: portDesignators},
		{ID: "session-management.limit.refused-cleanly", Risk: scenarios.Disruptive, Limits: long, Array: limited, Run: limitRefuses},
		{ID: "session-management.limit.slots-return-after-logout", Risk: scenarios.Disruptive, Limits: long, Array: limited, Run: slotsReturn},
	}
}

func loginAtEachPortal(t *T) {
	for _, portal := range t.Facts.Portals {
		t.Part(portal.HostPort(), func() {
			r := t.Login(probe.Login{Portal: portal.Address})
			if r.Outcome == probe.LoginUnreachable {
				t.Skip("The portal cannot be reached from here: %v.", r)
			}
			if r.RefusedWith(iscsi.StatusMovedTemporarily, iscsi.StatusMovedPermanently) {
				return
			}
			t.Granted(r)
			tag, _ := r.Walk.Received().Get(text.KeyTargetPortalGroupTag)
			if want := fmt.Sprint(portal.Tag); portal.HasTag && tag != want {
				t.Fail(fmt.Sprintf("TargetPortalGroupTag=%s", tag), "TargetPortalGroupTag="+want+", as listed")
			}
		})
	}
}

// designators asks through a session for the designators of one association on VPD page 0x83, as text that can be compared.
func (t *T) designators(c *probe.Conn, of scsi.Association) []string {
	r := t.Done(c, probe.Command{CDB: scsi.InquiryVPD(scsi.VPDDeviceIdentification, 1024), Read: 1024}, "INQUIRY of VPD page 0x83")
	page, err := scsi.ParseVPD(r.Data, scsi.VPDDeviceIdentification)
	if err != nil {
		t.Fail(err, "VPD page 0x83")
	}
	all, err := page.Designators()
	if err != nil {
		t.Fail(err, "VPD page 0x83")
	}
	var texts []string
	for _, d := range all {
		if d.Association == of {
			texts = append(texts, fmt.Sprintf("type %d: %q", d.Type, d.Identifier))
		}
	}
	return texts
}

func portDesignators(t *T) {
	portals := t.groups()
	if len(portals) < 2 {
		t.Skip("The target has no second portal group that is known.")
	}
	var ports, units [2][]string
	for i, portal := range portals[:2] {
		c := t.additional(t.Login(probe.Login{Portal: portal}))
		if c == nil {
			t.Skip("The target does not grant a session at the second portal group.")
		}
		ports[i], units[i] = t.designators(c, scsi.OfTargetPort), t.designators(c, scsi.OfLogicalUnit)
	}
	switch {
	case len(ports[0]) == 0 || len(ports[1]) == 0:
		t.Warn("VPD page 0x83 names no target port.", ports, "designators of the target port")
	case slices.Equal(ports[0], ports[1]):
		t.Fault(fmt.Sprintf("%v at both portal groups", ports[0]), "designators of the target port that differ")
	}
	if !slices.Equal(units[0], units[1]) {
		t.Fault(fmt.Sprintf("%v and %v", units[0], units[1]), "the same designators of the logical unit")
	}
}

// sessionsMax is how many sessions a check opens in search of a limit.
const sessionsMax = 256

// fill opens sessions until one is not granted, and returns them with the login that was not; nil when the cap was reached.
func (t *T) fill(most int) ([]*probe.Conn, *probe.LoginResult) {
	var conns []*probe.Conn
	for len(conns) < most {
		r := t.Login(probe.Login{})
		if !r.Granted() {
			return conns, r
		}
		t.Check(r.Conn.ClearUnitAttentions(), "TEST UNIT READY after the login")
		if conns = append(conns, r.Conn); len(conns)%10 == 0 {
			t.Survives(conns[0], "the first session")
		}
	}
	return conns, nil
}

func limitRefuses(t *T) {
	conns, r := t.fill(sessionsMax)
	if len(conns) == 0 {
		t.Granted(r)
	}
	for i := 0; i < 20 && r != nil; i++ {
		switch {
		case r.Refused():
		case r.Granted():
			t.Leave(r.Conn)
		case r.Outcome == probe.LoginUnreachable:
			t.Warn("The target limits TCP connections below iSCSI.", r, "a refusal with a defined status")
		default:
			t.Fail(r, "a refusal with a defined status")
		}
		r = t.Login(probe.Login{})
	}
	for i, c := range conns {
		t.Survives(c, fmt.Sprintf("session %d of %d at the limit", i+1, len(conns)))
	}
	for _, c := range conns {
		t.Leave(c)
	}
	t.Survives(t.Granted(t.LoginWithin(probe.Login{}, retryTime)), "a session after all others were closed")
}

func slotsReturn(t *T) {
	conns, r := t.fill(sessionsMax)
	if len(conns) == 0 {
		t.Granted(r)
	}
	for i, c := range conns {
		if i%2 == 0 {
			t.Leave(c)
		} else {
			// Where the transport cannot reset, a close is as abrupt.
			_ = c.Reset()
		}
	}
	began := time.Now()
	for i := range conns {
		if again := t.LoginWithin(probe.Login{}, retryTime-time.Since(began)); !again.Granted() {
			t.Fail(fmt.Sprintf("login %d of %d: %v", i+1, len(conns), again), "as many sessions as before, within 30 s")
		}
	}
}
