package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// secondInitiator is the name of another initiator than the probe's own.
const secondInitiator = "iqn.2026-01.org.iscsispec:probe-2"

func loginSessionChecks() []Check {
	return []Check{
		{ID: "login.tsih.zero-before-final", Run: zeroBeforeFinal},
		{ID: "login.tsih.nonzero-on-final", Run: func(t *T) {
			if c := t.Granted(t.Login(probe.Login{})); c.Session.TSIH == 0 {
				t.Fail("TSIH=0 in the final response", "a TSIH that is not 0")
			}
		}},
		{ID: "login.tsih.distinct-for-concurrent-sessions", Run: func(t *T) {
			a, r := t.Open(probe.Login{}), t.Login(probe.Login{})
			if !r.Granted() {
				t.Skip("A second session is not granted: %v.", r)
			}
			if a.Session.TSIH == r.Session.TSIH {
				t.Warn("Two sessions of one initiator have the same handle.", fmt.Sprintf("TSIH 0x%04x twice", r.Session.TSIH), "different TSIHs")
			}
		}},
		{ID: "login.tsih.unknown-nonzero-refused", Run: bothStarts(func(t *T, security bool) {
			unknown := uint16(0xbeef)
			t.Refused(t.Login(probe.Login{TSIH: &unknown, Security: security}), Refusal{With: noSession, DropFails: true})
		})},
		{ID: "login.tsih.existing-with-other-isid-refused", Run: bothStarts(func(t *T, security bool) {
			a := t.Open(probe.Login{})
			tsih, cid := t.Handle(a), uint16(2)
			t.Refused(t.Login(probe.Login{TSIH: &tsih, CID: &cid, Security: security}), Refusal{With: noSession})
			t.Survives(a, "the session whose TSIH was used")
		})},
		{ID: "login.tsih.wrong-for-live-isid-refused", Run: bothStarts(func(t *T, security bool) {
			a := t.Open(probe.Login{})
			isid, cid, tsih := a.Session.ISID, uint16(2), a.Session.TSIH^0x4000
			if tsih == 0 {
				tsih = a.Session.TSIH ^ 0x2000
			}
			t.Refused(t.Login(probe.Login{ISID: &isid, TSIH: &tsih, CID: &cid, Security: security}), Refusal{With: noSession})
			t.Survives(a, "the session whose ISID was used")
		})},
		{ID: "login.tsih.stale-after-logout-refused", Run: bothStarts(staleTSIH)},
		{ID: "login.isid.same-isid-other-initiator-independent", Run: sameISIDOtherInitiator},
		{ID: "login.isid.all-formats-accepted", Run: allISIDFormats},
		{ID: "login.cid.any-value-accepted", Run: anyCID},
	}
}

// noSession is the status for a TSIH that names no session.
var noSession = []iscsi.Status{iscsi.StatusSessionDoesNotExist}

// bothStarts runs a check once with logins that start in LoginOperationalNegotiation, and once in SecurityNegotiation.
func bothStarts(f func(t *T, security bool)) func(t *T) {
	return func(t *T) {
		t.Part("starting in CSG=1", func() { f(t, false) })
		t.Part("starting in CSG=0", func() { f(t, true) })
	}
}

func zeroBeforeFinal(t *T) {
	t.LongLogin()
	for i, turn := range Successful(t.Logins()) {
		p := turn.Response
		if final := p.Transit && p.NSG == pdu.StageFullFeature; !final && p.TSIH != 0 {
			t.Fail(fmt.Sprintf("Login Response %d has TSIH 0x%04x", i+1, p.TSIH), "TSIH=0 before the final response")
		}
	}
}

func staleTSIH(t *T, security bool) {
	c := t.Open(probe.Login{})
	isid, tsih := c.Session.ISID, t.Handle(c)
	if response, e := c.Logout(pdu.LogoutCloseSession, c.CID); response == nil || response.Response != pdu.LogoutSuccess {
		t.Skip("The session cannot be logged out: %v.", e)
	}
	// The target may have closed first.
	_ = c.Close()
	t.Refused(t.Login(probe.Login{ISID: &isid, TSIH: &tsih, Security: security}), Refusal{With: noSession})
}

func sameISIDOtherInitiator(t *T) {
	a := t.Open(probe.Login{})
	isid := a.Session.ISID
	r := t.Login(probe.Login{InitiatorName: secondInitiator, ISID: &isid})
	if r.AuthRequired() || r.RefusedWith(iscsi.StatusNotFound, iscsi.StatusOutOfResources) {
		t.Skip("The target does not let in another initiator: %v.", r)
	}
	b := t.Granted(r)
	t.Survives(a, "the first initiator's session")
	t.Survives(b, "the second initiator's session")
}

func allISIDFormats(t *T) {
	for _, format := range []byte{0x00, 0x40, 0x80, 0xc0} {
		t.Part(fmt.Sprintf("ISID format 0x%02x", format), func() {
			var isid iscsi.ISID
			copy(isid[:], t.Random(len(isid)))
			isid[0] = format
			r := t.Login(probe.Login{ISID: &isid})
			if format == 0xc0 {
				t.Note("the reserved ISID format: %v", r)
				return
			}
			t.Leave(t.Granted(r))
		})
	}
}

func anyCID(t *T) {
	for _, cid := range []uint16{0, 0xffff} {
		t.Part(fmt.Sprintf("CID 0x%04x", cid), func() {
			c := t.Open(probe.Login{CID: &cid})
			t.Survives(c, "the session")
			response, e := c.Logout(pdu.LogoutCloseConnection, cid)
			if response == nil || response.Response != pdu.LogoutSuccess {
				t.Fail(e, "a Logout Response with response 0")
			}
		})
	}
}
