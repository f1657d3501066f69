package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// absentTarget is a name that no target has.
const absentTarget = "iqn.2001-04.com.example:iscsispec-absent"

func loginResponseChecks() []Check {
	return []Check{
		{ID: "login.response.header-echo", Run: headerEcho},
		{ID: "login.response.t-only-when-requested", Run: transitOnlyWhenRequested},
		{ID: "login.response.nsg-agrees-with-request", Run: nextStageAgrees},
		{ID: "login.response.only-defined-status", Run: onlyDefinedStatus},
		{ID: "login.response.nonzero-status-closes", Run: nonzeroStatusCloses},
	}
}

func headerEcho(t *T) {
	itt := uint32(0x11223344)
	r := t.Login(probe.Login{Security: true, ITT: &itt})
	turns := Successful(t.Logins())
	if len(turns) == 0 {
		t.Granted(r)
	}
	for i, turn := range turns {
		p, q := turn.Response, turn.Request
		want := fmt.Sprintf("ITT 0x%x, ISID %v, CSG %d, TotalAHSLength 0", q.ITT, iscsi.ISID(q.ISID), q.CSG)
		ahs := turn.Event.PDU.Header.TotalAHSLength()
		if p.ITT != q.ITT || p.ISID != q.ISID || p.CSG != q.CSG || ahs != 0 {
			t.Fail(fmt.Sprintf("Login Response %d has ITT 0x%x, ISID %v, CSG %d, TotalAHSLength %d", i+1, p.ITT, iscsi.ISID(p.ISID), p.CSG, ahs), want)
		}
	}
	t.Granted(r)
}

func transitOnlyWhenRequested(t *T) {
	w := t.Connect().Walk(probe.Login{})
	step := probe.Step{CSG: pdu.StageOperational, Keys: append(t.Names(probe.Login{}), t.Digests()...)}
	for range 2 {
		if a := t.Accepted(w.Exchange(step)); a.Response.Transit {
			t.Fail(a.Event, "T=0 in answer to a request with T=0")
		}
		step.Keys = Answers(w)
	}
	t.Finish(w, pdu.StageOperational, step.Keys)
}

func nextStageAgrees(t *T) {
	for _, login := range []probe.Login{{Security: true, Auth: probe.AuthNone}, {Straight: true, Auth: probe.AuthNone}} {
		name, begun := "NSG=1 asked for", len(t.Logins())
		if login.Straight {
			name = "NSG=3 asked for"
		}
		t.Part(name, func() {
			r := t.Login(login)
			turns := Successful(t.Logins()[begun:])
			for _, turn := range turns {
				p := turn.Response
				if p.Transit && (p.NSG <= p.CSG || p.NSG > turn.Request.NSG || p.NSG == 2) {
					t.Fail(turn.Event.PDU, fmt.Sprintf("a next stage above %d and not above %d", p.CSG, turn.Request.NSG))
				}
			}
			if len(turns) == 0 {
				t.Granted(r)
			}
		})
	}
}

func onlyDefinedStatus(t *T) {
	unknown := uint16(0xbeef)
	for _, l := range []probe.Login{{}, {TargetName: absentTarget}, {TSIH: &unknown}, {Omit: []string{"InitiatorName"}}, {Omit: []string{"TargetName"}},
		{VersionMax: 9, VersionMin: 9}} {
		// A target that falls over one of these logins has answered the others.
		r := t.Prober.Login(l)
		if r.Granted() {
			t.Leave(r.Conn)
		} else if r.Conn != nil {
			// The target may have closed first.
			_ = r.Conn.Close()
		}
	}
	if len(t.Logins()) == 0 {
		t.Skip("No Login Response came.")
	}
	for _, turn := range t.Logins() {
		status, details := iscsi.Status(turn.Response.Status()), map[byte]byte{0: 0, 1: 2, 2: 0x0b, 3: 2}
		most, known := details[status.Class()]
		want := "0x0000, 0x0101, 0x0102, 0x0200 to 0x020b, or 0x0300 to 0x0302"
		switch {
		case !known:
			t.Fail(status, want)
		case status.Detail() > most, status == 0x0100:
			t.Warn("The detail is not defined, though the class is.", status, want)
		}
	}
}

func nonzeroStatusCloses(t *T) {
	r := t.Login(probe.Login{TargetName: absentTarget})
	if !r.Refused() {
		t.Skip("An unknown TargetName brings about no refusal: %v.", r)
	}
	if r.Conn.AwaitDrop().Dropped {
		return
	}
	w := r.Conn.Walk(probe.Login{})
	a := w.Exchange(probe.Step{CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, Transit: true, Keys: append(t.Names(probe.Login{}), t.Digests()...)})
	if a.OK() {
		t.Fail("another login on the connection is answered with Status 0", "the target closes the connection")
	}
	// Where the transport cannot close one direction, the check cannot tell the leniency.
	_ = r.Conn.Shut()
	if d := r.Conn.AwaitDropAfterAll(); d.Dropped {
		t.Warn("The target closes only after the initiator has.", d, "the target closes the connection")
		return
	}
	t.Fail("the connection stays open", "the target closes the connection")
}
