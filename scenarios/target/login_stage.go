package target

import (
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// reservedStage is the stage code that is not defined.
const reservedStage pdu.Stage = 2

// loginStageChecks are about stages that a login may not have, and about the C bit.
func loginStageChecks() []Check {
	first := func(csg, nsg pdu.Stage, hold bool) func(*T) {
		return func(t *T) {
			keys := append(t.Names(probe.Login{}), t.Digests()...)
			t.Unlawful(t.Connect().Walk(probe.Login{}).Exchange(probe.Step{CSG: csg, NSG: nsg, Transit: true, Keys: keys}), hold)
		}
	}
	return []Check{
		{ID: "login.stage.reserved-csg-refused", Run: first(reservedStage, pdu.StageFullFeature, false)},
		{ID: "login.stage.reserved-nsg-refused", Run: first(pdu.StageOperational, reservedStage, true)},
		{ID: "login.stage.first-request-in-ffp-refused", Run: first(pdu.StageFullFeature, pdu.StageFullFeature, false)},
		{ID: "login.stage.backward-transition-refused", Run: func(t *T) {
			w := t.Begun(probe.Login{})
			t.Unlawful(w.Exchange(probe.Step{CSG: pdu.StageOperational, NSG: pdu.StageSecurity, Transit: true, Keys: Answers(w)}), true)
		}},
		{ID: "login.stage.same-stage-transition-refused", Run: func(t *T) {
			w := t.BegunInSecurity()
			t.Unlawful(w.Exchange(probe.Step{CSG: pdu.StageSecurity, NSG: pdu.StageSecurity, Transit: true, Keys: Answers(w)}), true)
		}},
		{ID: "login.stage.csg-jump-without-handshake-refused", Run: func(t *T) {
			w := t.BegunInSecurity()
			step := last(w)
			step.Keys = append(step.Keys, t.Digests()...)
			t.Unlawful(w.Exchange(step), true)
		}},
		{ID: "login.stage.security-keys-after-security-refused", Run: securityKeysLate},
		{ID: "login.cbit.answered-with-empty-response", Run: continuedAnsweredEmpty},
		{ID: "login.cbit.key-split-between-pdus", Run: keySplit},
		{ID: "login.cbit.with-t-bit-refused", Run: continuedWithTransit},
		{ID: "login.params.names-arrive-under-c-bit", Run: namesInParts},
		{ID: "login.basic.security-stage-without-proposal", Run: withoutProposal},
		{ID: "login.exchange.empty-request-advances", Run: emptyRequests},
	}
}

// takesUpCHAP tells whether a text has a step of CHAP in it.
func takesUpCHAP(pairs text.Pairs) bool {
	for _, p := range pairs {
		if strings.HasPrefix(p.Key, "CHAP_") {
			return true
		}
	}
	return false
}

func securityKeysLate(t *T) {
	w := t.Connect().Walk(probe.Login{})
	keys := append(t.Names(probe.Login{}), Keys("AuthMethod=CHAP,None")...)
	a := w.Exchange(probe.Step{CSG: pdu.StageOperational, Keys: keys})
	if t.turnedDown(a) {
		return
	}
	if !a.OK() {
		t.Fail(a.Event, "a refusal of class 2", "a drop", "AuthMethod=Reject")
	}
	method, _ := a.Pairs.Get(text.KeyAuthMethod)
	want := []string{"AuthMethod=Reject", "AuthMethod=Irrelevant", "AuthMethod=None", "a refusal of class 2", "a drop"}
	if takesUpCHAP(a.Pairs) {
		t.Fail(a.Pairs, want...)
	}
	switch method {
	case text.Reject, text.Irrelevant, "None":
	case "CHAP":
		a = w.Exchange(probe.Step{CSG: pdu.StageOperational, Keys: append(Answers(w), Keys("CHAP_A=5")...)})
		if a.OK() && takesUpCHAP(a.Pairs) {
			t.Fail(a.Pairs, want...)
		}
		t.Warn("The target agrees on CHAP in the operational stage, though it does nothing about it.", "AuthMethod=CHAP", want...)
	default:
		t.Warn("The key has no such answer in RFC 7143.", "AuthMethod="+method, want...)
	}
}

// politeAnswer ends the part unless the first response of a login is the polite one to a text that goes on.
func (t *T) politeAnswer(w *probe.Walk, a probe.Answer) {
	t.Accepted(a)
	if p := w.Responses[0]; len(p.Data) > 0 || p.Transit || p.Continue {
		t.Fail(a.Event, "an empty response with Status 0, T=0 and C=0")
	}
}

func continuedAnsweredEmpty(t *T) {
	w := t.Connect().Walk(probe.Login{})
	offers := t.Digests("MaxOutstandingR2T=1")
	t.politeAnswer(w, w.Exchange(probe.Step{CSG: pdu.StageOperational, Continue: true, Keys: append(t.Names(probe.Login{}), offers[:1]...)}))
	t.Survives(t.Finish(w, pdu.StageOperational, offers[1:]), "the session")
}

// inParts sends a text as two requests of the operational stage, the first with C=1, and returns the answers to both.
func inParts(w *probe.Walk, keys text.Pairs, cut string) (first, second probe.Answer) {
	data := keys.Append(nil)
	at := strings.Index(string(data), cut) + len(cut)
	first = w.Exchange(probe.Step{CSG: pdu.StageOperational, Continue: true, Data: data[:at]})
	if !first.OK() {
		return first, first
	}
	return first, w.Exchange(probe.Step{CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, Transit: true, Keys: keys, Data: data[at:]})
}

// completed goes on with a login until it is granted, and ends the part where it is not.
func (t *T) completed(w *probe.Walk, a probe.Answer) *probe.Conn {
	if t.Accepted(a).FullFeature() {
		return w.Conn
	}
	return t.Finish(w, pdu.StageOperational, Answers(w))
}

func keySplit(t *T) {
	w := t.Connect().Walk(probe.Login{})
	keys := append(t.Names(probe.Login{}), t.Digests("FirstBurstLength=65536", "MaxBurstLength=65536")...)
	first, second := inParts(w, keys, "\x00MaxBurstLen")
	t.Accepted(first)
	t.completed(w, second)
	received := w.Received()
	for _, p := range received {
		if _, known := text.Lookup(p.Key); !known && p.Value == text.NotUnderstood {
			t.Fail(p, "an answer to MaxBurstLength, which came in two parts")
		}
	}
	values := received.Values(text.KeyMaxBurstLength)
	if len(values) != 1 {
		t.Fail(values, "one answer to MaxBurstLength")
	}
	if n, valid := text.ParseNumber(values[0]); !valid || n > 65536 {
		t.Fail("MaxBurstLength="+values[0], "at most 65536")
	}
}

func continuedWithTransit(t *T) {
	w := t.Connect().Walk(probe.Login{})
	keys := append(t.Names(probe.Login{}), t.Digests()...)
	a := w.Exchange(probe.Step{CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, Transit: true, Continue: true, Keys: keys})
	if t.turnedDown(a) || a.OK() && !w.Responses[0].Transit && len(w.Responses[0].Data) == 0 {
		return
	}
	t.Fail(a.Event, "a refusal of class 2", "a drop", "an empty response with Status 0 and T=0")
}

func namesInParts(t *T) {
	w := t.Connect().Walk(probe.Login{})
	keys := append(t.Names(probe.Login{}), t.Digests()...)
	first, second := inParts(w, keys, "\x00TargetName=iqn")
	t.politeAnswer(w, first)
	t.Survives(t.completed(w, second), "the session")
}

func withoutProposal(t *T) {
	w := t.Connect().Walk(probe.Login{})
	step := probe.Step{CSG: pdu.StageSecurity, NSG: pdu.StageOperational, Transit: true, Keys: t.Names(probe.Login{})}
	for range exchangesMax {
		a := w.Exchange(step)
		switch {
		case a.Event.Kind == probe.TimedOut:
			t.FailFirmly(a.Event, "a Login Response")
		case !t.Accepted(a).Response.Transit && len(a.Pairs) == 0:
			t.Fail(a.Event, "T=1, or a key that the target proposes")
		case a.Response.Transit:
			t.Survives(t.Finish(w, a.Response.NSG, t.Digests()), "the session")
			return
		}
		if step.Keys = Answers(w); len(step.Keys) > 0 {
			if _, asked := step.Keys.Get(text.KeyAuthMethod); asked {
				step.Keys.Set(text.KeyAuthMethod, "None")
			}
		}
	}
	t.Fail("16 answers with T=0", "a granted transition")
}

func emptyRequests(t *T) {
	w := t.Begun(probe.Login{})
	if keys := Answers(w); len(keys) > 0 {
		t.held(w, probe.Step{CSG: pdu.StageOperational, Keys: keys})
	}
	for range 3 {
		a := w.Exchange(probe.Step{CSG: pdu.StageOperational})
		switch {
		case a.Event.Kind == probe.TimedOut:
			t.FailFirmly(a.Event, "an answer to an empty request")
		case t.Accepted(a).Response.Transit:
			t.Skip("The target answers a request with T=0 by T=1, which login.response.t-only-when-requested judges.")
		}
	}
	a := t.Carry(w, last(w))
	if a.Event.Kind == probe.TimedOut {
		t.FailFirmly(a.Event, "an answer to the last request")
	}
	if !t.Accepted(a).FullFeature() {
		t.Fail(a.Event, "a granted login")
	}
}
