package target

import (
	"fmt"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// loginFormChecks are about the text and the versions of Login Responses.
func loginFormChecks() []Check {
	return []Check{
		{ID: "login.response.t1-carries-no-open-question", Run: noLoginQuestion},
		{ID: "login.response.datasegment-default-limit", Run: loginSegments},
		{ID: "login.response.c-bit-excludes-t-bit", Run: continueExcludesTransit, Array: withManyTargets},
		{ID: "login.version.active-for-version-zero", Run: func(t *T) {
			t.Granted(t.Login(probe.Login{Security: true}))
			t.versionZero()
		}},
		{ID: "login.version.unsupported-range-refused", Run: func(t *T) {
			r := t.Login(probe.Login{VersionMax: 0x0a, VersionMin: 0x05})
			t.Refused(r, Refusal{With: []iscsi.Status{iscsi.StatusUnsupportedVersion}, Exact: true, DropFails: true})
			if p, is := probe.As[*pdu.LoginResponse](r.Last); is && p.VersionActive != 0 {
				t.Warn("The refusal does not tell the lowest version of the target.", fmt.Sprintf("Version-active 0x%02x", p.VersionActive), "Version-active 0")
			}
		}},
		{ID: "login.version.range-including-zero-accepted", Run: func(t *T) {
			t.Granted(t.Login(probe.Login{VersionMax: 0xff}))
			t.versionZero()
		}},
		{ID: "login.immediate.bit-on-request", Run: func(t *T) {
			sn := uint32(100)
			t.Survives(t.Granted(t.Login(probe.Login{Security: true, CmdSN: &sn})), "the session, with CmdSN 100")
		}},
		{ID: "login.cmdsn.wraps-around", Run: cmdSNWraps},
	}
}

// versionZero ends the part unless every successful Login Response of the check has Version-active 0, and the Version-max of the one before.
func (t *T) versionZero() {
	turns := Successful(t.Logins())
	for i, turn := range turns {
		p := turn.Response
		if p.VersionActive != 0 {
			t.Fail(fmt.Sprintf("Login Response %d has Version-active 0x%02x", i+1, p.VersionActive), "Version-active 0")
		}
		if first := turns[0].Response.VersionMax; p.VersionMax != first {
			t.Fail(fmt.Sprintf("Login Response %d has Version-max 0x%02x", i+1, p.VersionMax), fmt.Sprintf("Version-max 0x%02x as before", first))
		}
	}
}

func cmdSNWraps(t *T) {
	first := uint32(0xfffffffe)
	c := t.Granted(t.Login(probe.Login{CmdSN: &first}))
	for range 4 {
		t.answered(c.Execute(probe.TestUnitReady()))
	}
	if c.Session.ExpCmdSN != 2 {
		t.Fail(fmt.Sprintf("ExpCmdSN 0x%x", c.Session.ExpCmdSN), "ExpCmdSN 2")
	}
}

func noLoginQuestion(t *T) {
	all := Keys("InitialR2T=Yes", "ImmediateData=Yes", "MaxBurstLength=262144", "DefaultTime2Wait=2", "DefaultTime2Retain=20", "MaxOutstandingR2T=1",
		"DataPDUInOrder=Yes", "DataSequenceInOrder=Yes", "ErrorRecoveryLevel=0", "MaxRecvDataSegmentLength=8192")
	for _, offer := range []struct {
		name string
		keys text.Pairs
	}{
		{"few keys offered", nil},
		{"all but MaxConnections and FirstBurstLength offered", all},
		{"MaxBurstLength without FirstBurstLength", Keys("MaxBurstLength=65536")},
	} {
		t.Part(offer.name, func() {
			r := t.Login(probe.Login{Keys: offer.keys})
			if !r.Granted() {
				t.Granted(r)
			}
			t.closedQuestions(r)
		})
	}
}

// closedQuestions ends the part where a response with T=1 proposes a key that needs an answer.
func (t *T) closedQuestions(r *probe.LoginResult) {
	sent := r.Walk.Sent()
	var data []byte
	for _, p := range r.Walk.Responses {
		data = append(data, p.Data...)
		if p.Continue {
			continue
		}
		// The login was granted, so the probe has understood the text.
		pairs, _ := text.Parse(data)
		data = nil
		for _, pair := range pairs {
			key, known := text.Lookup(pair.Key)
			_, offered := sent.Get(pair.Key)
			if p.Transit && known && key.Negotiated() && !offered && !key.Decides(pair.Value) {
				t.Fail(fmt.Sprintf("%s in a response with T=1, though the initiator has not offered the key", pair), "only answers and declarations beside T=1")
			}
		}
	}
}

// lengthyLogin is a login of one request whose answers are longer than the 8192 bytes of a login PDU.
func lengthyLogin() (probe.Login, []string) {
	var keys text.Pairs
	var names []string
	for i := range 110 {
		name := fmt.Sprintf("X-org.iscsispec.%03d.%s", i, strings.Repeat("k", 42))
		keys.Add(name, "1")
		names = append(names, name)
	}
	return probe.Login{Keys: keys}, names
}

func loginSegments(t *T) {
	l, names := lengthyLogin()
	r := t.Login(l)
	for i, turn := range t.Logins() {
		if n := len(turn.Response.Data); n > 8192 {
			t.Fail(fmt.Sprintf("Login Response %d has %d bytes of text", i+1, n), "at most 8192 bytes")
		}
	}
	switch {
	case r.AuthRequired():
		t.Granted(r)
	case r.Refused():
		t.Warn("The target refuses a login whose answers are longer than one PDU.", r, "answers in several parts")
		return
	case r.Outcome == probe.LoginDropped:
		t.Warn("The target drops a login whose answers are longer than one PDU.", r, "answers in several parts")
		return
	}
	t.Granted(r)
	left := slices.DeleteFunc(names, func(name string) bool { return slices.Contains(r.Walk.Received().Values(name), text.NotUnderstood) })
	if len(left) > 0 {
		t.Warn("The target leaves answers out.", fmt.Sprintf("%d of 110 keys have no answer NotUnderstood", len(left)), "an answer to every key")
	}
}

// withManyTargets makes the answer to SendTargets=All longer than 512 bytes.
func withManyTargets(p *simtarget.Profile) {
	for i := range 6 {
		p.Targets = append([]simtarget.Target{{Name: fmt.Sprintf("iqn.2026-01.io.iscsispec:further-%d", i),
			LUNs: []simtarget.LUN{{Number: 0, Size: 1 << 20}}}}, p.Targets...)
	}
}

func continueExcludesTransit(t *T) {
	t.Part("a long login", func() {
		l, _ := lengthyLogin()
		begun := len(t.said())
		// What else comes of it is the matter of login.response.datasegment-default-limit.
		_ = t.Login(l)
		t.continued(begun)
	})
	t.Part("a long answer to SendTargets", func() {
		begun := len(t.said())
		r := t.Login(probe.Login{Discovery: true, Keys: Keys("MaxRecvDataSegmentLength=512")})
		if !r.Granted() {
			t.Skip("No Discovery session is granted: %v.", r)
		}
		// What else comes of it is the matter of discovery.sendtargets.long-answer-is-split.
		_, _, _ = r.Conn.SendTargets("All")
		t.continued(begun)
	})
}

// said are all Login and Text Responses of the check so far, in order.
func (t *T) said() []pdu.PDU {
	var all []pdu.PDU
	for _, p := range t.Events().OfNode(trace.NodeProbe).OfKind(trace.KindPDUReceived).PDUs() {
		switch p.(type) {
		case *pdu.LoginResponse, *pdu.TextResponse:
			all = append(all, p)
		}
	}
	return all
}

// continued ends the part where a Login or Text Response that has C=1 has T=1 or F=1 as well, or as a skip where none has C=1. It begins with
// the response of that number.
func (t *T) continued(begin int) {
	seen := false
	for _, p := range t.said()[begin:] {
		switch p := p.(type) {
		case *pdu.LoginResponse:
			seen = seen || p.Continue
			if p.Continue && p.Transit {
				t.Fail("a Login Response with C=1 and T=1", "T=0 beside C=1")
			}
		case *pdu.TextResponse:
			seen = seen || p.Continue
			if p.Continue && p.Final {
				t.Fail("a Text Response with C=1 and F=1", "F=0 beside C=1")
			}
		}
	}
	if !seen {
		t.Skip("No response with C=1 came.")
	}
}
