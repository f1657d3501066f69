package target

import (
	"bytes"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// loginChangedChecks are about what has to stay the same over the requests of a login.
func loginChangedChecks() []Check {
	return []Check{
		{ID: "login.params.target-name-changed-mid-login", Run: targetNameChanged},
		{ID: "login.params.initiator-name-changed-mid-login", Run: initiatorNameChanged},
		{ID: "login.isid.changed-mid-login-refused", Run: func(t *T) {
			w := t.Begun(probe.Login{})
			isid := t.NewISID()
			step := last(w)
			step.Patch = func(r *pdu.LoginRequest) { r.ISID = isid }
			if a := t.Carry(w, step); !t.turnedDown(a) {
				t.Fail(a.Event, "a refusal of class 2", "a drop")
			}
		}},
		{ID: "login.itt.changed-mid-login", Run: ittChanged},
		{ID: "login.cid.changed-mid-login", Run: cidChanged},
		{ID: "login.version.changed-mid-login", Run: versionChanged},
		{ID: "login.tsih.changed-mid-login", Run: tsihChanged, Array: func(p *simtarget.Profile) { p.Session.MaxConnections = 4 }},
	}
}

func ittChanged(t *T) {
	w := t.Begun(probe.Login{})
	w.ITT += 0x100
	begun := len(w.Responses)
	a := t.Carry(w, last(w))
	for _, p := range w.Responses[begun:] {
		if p.StatusClass == 0 && p.ITT != w.ITT {
			t.FailFirmly(fmt.Sprintf("ITT 0x%x in answer to a request with 0x%x", p.ITT, w.ITT), "the ITT of the request", "a refusal of class 2", "a drop")
		}
	}
	if !a.FullFeature() && !t.turnedDown(a) {
		t.Fail(a.Event, "a refusal of class 2", "a drop", "a granted login")
	}
}

func cidChanged(t *T) {
	const other, absent = 2, 9
	known := t.Open(probe.Login{})
	if response, _ := known.Logout(pdu.LogoutCloseConnection, absent); response == nil || response.Response != pdu.LogoutCIDNotFound {
		t.Skip("The target does not look at the CID of a Logout Request, by which connections are told apart here.")
	}
	w := t.Begun(probe.Login{})
	step := last(w)
	step.Patch = func(r *pdu.LoginRequest) { r.CID = other }
	a := t.Carry(w, step)
	if t.turnedDown(a) {
		return
	}
	if !a.FullFeature() {
		t.Fail(a.Event, "a refusal of class 2", "a drop", "a granted login")
	}
	response, e := w.Conn.Logout(pdu.LogoutCloseConnection, other)
	if response == nil || response.Response != pdu.LogoutCIDNotFound {
		t.Fail(e, "a Logout Response with response 1: the connection has the CID of the first request")
	}
	if response, e = w.Conn.Logout(pdu.LogoutCloseConnection, w.CID); response == nil || response.Response != pdu.LogoutSuccess {
		t.Fail(e, "a Logout Response with response 0")
	}
}

func versionChanged(t *T) {
	w := t.Begun(probe.Login{})
	w.VersionMax, w.VersionMin = 5, 5
	a := t.Carry(w, last(w))
	first := w.Responses[0]
	for _, p := range w.Responses[1:] {
		if p.StatusClass == 0 && (p.VersionActive != 0 || p.VersionMax != first.VersionMax) {
			t.Fail(fmt.Sprintf("Version-active 0x%02x and Version-max 0x%02x", p.VersionActive, p.VersionMax),
				fmt.Sprintf("Version-active 0 and Version-max 0x%02x", first.VersionMax), "a refusal of class 2", "a drop")
		}
	}
	if !a.FullFeature() && !t.turnedDown(a) {
		t.Fail(a.Event, "a refusal of class 2", "a drop", "a granted login")
	}
}

func tsihChanged(t *T) {
	r := t.Login(probe.Login{Keys: Keys("MaxConnections=2")})
	session := t.Granted(r)
	t.Check(session.ClearUnitAttentions(), "TEST UNIT READY after the login")
	tsih, isid, cid := t.Handle(session), session.Session.ISID, uint16(2)
	w := t.Begun(probe.Login{ISID: &isid, CID: &cid})
	step := last(w)
	step.Patch = func(r *pdu.LoginRequest) { r.TSIH = tsih }
	a := t.Carry(w, step)
	lives := session.Probe() == nil
	switch {
	case t.turnedDown(a) && lives:
	case a.FullFeature() && a.Response.TSIH == tsih && lives:
		t.Fail("the connection has joined the session whose TSIH its later request named", "a refusal of class 2", "a drop", "session reinstatement")
	case a.FullFeature() && !lives:
	case a.FullFeature():
		t.Warn("The login goes on as a new one, though the ISID is in use.", "both sessions live", "a refusal of class 2", "a drop", "session reinstatement")
	case a.Event.Ended(), a.Response != nil && !a.OK():
		t.Warn("The session has ended, and no other took its place.", a.Event, "a session that survives a login that was refused")
	default:
		t.Fail(a.Event, "a refusal of class 2", "a drop", "session reinstatement")
	}
}

// identity is VPD page 0x83 of the logical unit under test, which names the target and the unit; nil where it cannot be had.
func (t *T) identity(c *probe.Conn) []byte {
	// The first command may meet a unit attention.
	_ = c.ClearUnitAttentions()
	r := c.Execute(probe.Command{CDB: scsi.InquiryVPD(scsi.VPDDeviceIdentification, 1024), Read: 1024})
	if !r.Good() {
		return nil
	}
	return r.Data[:max(0, len(r.Data)-int(r.Residual))]
}

// identityOf is the identity behind a login of its own.
func (t *T) identityOf(target string) []byte {
	r := t.Login(probe.Login{TargetName: target})
	if !r.Granted() {
		return nil
	}
	defer t.Leave(r.Conn)
	return t.identity(r.Conn)
}

// refusedChange is what a target does when a name changes within a login.
const refusedChange = "a refusal of class 2"

// granting changes a key in the last request of a login, and tells whether the target grants the session in spite of it.
func (t *T) granting(key string) (w *probe.Walk, granted bool) {
	w = t.Begun(probe.Login{})
	a := t.Carry(w, last(w, key))
	switch {
	case a.Event.Ended():
		t.Warn("The login was ended by a bare drop.", a.Event, refusedChange)
		return w, false
	case t.turnedDown(a):
		return w, false
	case !a.FullFeature():
		t.Fail(a.Event, refusedChange)
	}
	return w, true
}

func targetNameChanged(t *T) {
	own, other := t.Options().Target, absentTarget
	for _, name := range t.Facts.Targets {
		if name != own {
			other = name
		}
	}
	w, granted := t.granting("TargetName=" + other)
	if !granted {
		return
	}
	if other == absentTarget {
		t.Warn("The second TargetName is ignored.", "a session on the first target", refusedChange)
		return
	}
	seen := t.identity(w.Conn)
	first, second := t.identityOf(own), t.identityOf(other)
	if seen != nil && !bytes.Equal(seen, first) && bytes.Equal(seen, second) {
		t.Fail("a session on the target that the second request named", refusedChange)
	}
	t.Warn("The second TargetName is ignored.", "a session on the first target", refusedChange)
}

func initiatorNameChanged(t *T) {
	w, granted := t.granting("InitiatorName=" + secondInitiator)
	if !granted {
		return
	}
	// Whose login replaces the session tells whose it is.
	isid := w.ISID
	if r := t.Login(probe.Login{ISID: &isid}); r.Granted() && w.Conn.Probe() != nil {
		t.Warn("The second InitiatorName is ignored.", "the session is the first initiator's", refusedChange)
		return
	}
	if r := t.Login(probe.Login{ISID: &isid, InitiatorName: secondInitiator}); r.Granted() && w.Conn.Probe() != nil {
		t.Fail("the session is that of the name in the second request", refusedChange)
	}
	t.Warn("The second InitiatorName is taken without a word.", "whose session it is cannot be told", refusedChange)
}

// onlyNames are the initiator names that the array of login.authorization.denied-initiator-refused lets in.
func onlyNames(p *simtarget.Profile) {
	p.Login.Allow, p.Login.AllowStatus = []string{probe.DefaultInitiatorName}, simtarget.Status(iscsi.StatusAuthorizationFailure)
}

// deniedInitiator is on no list.
const deniedInitiator = "iqn.2001-04.com.example:iscsispec-denied"

// legal tells whether a value is one that a target may answer a key with.
func legal(key, value string) bool {
	k, known := text.Lookup(key)
	return known && k.Admits(value)
}
