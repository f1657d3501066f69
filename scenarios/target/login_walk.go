package target

import (
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// Begun sends the first request of a login by hand: the operational stage, T=0, the mandatory keys. It ends the part as a skip where the target
// does not bear that, which is the matter of login.response.t-only-when-requested.
func (t *T) Begun(l probe.Login) *probe.Walk {
	w := t.Connect().Walk(l)
	t.held(w, probe.Step{CSG: pdu.StageOperational, Keys: append(t.Names(l), t.Digests()...)})
	return w
}

// BegunInSecurity is Begun in the security stage, with AuthMethod=None.
func (t *T) BegunInSecurity() *probe.Walk {
	w := t.Connect().Walk(probe.Login{})
	t.held(w, probe.Step{CSG: pdu.StageSecurity, Keys: append(t.Names(probe.Login{}), text.Pair{Key: text.KeyAuthMethod, Value: "None"})})
	return w
}

// held sends a step with T=0 that has to be answered with Status 0 and T=0 before the check can go on.
func (t *T) held(w *probe.Walk, s probe.Step) {
	a := w.Exchange(s)
	switch {
	case a.Event.Kind == probe.Interrupted:
		t.Unclear("The check's own time was over during a login.")
	case !a.OK():
		t.Skip("The target does not take a first request with T=0: %v.", a.Event)
	case a.Response.Transit:
		t.Skip("The target answers a first request with T=0 by T=1.")
	}
}

// Carry sends a step and goes on, with answers to what the target proposes, until the target grants full feature phase or ends the login. It
// returns the last answer.
func (t *T) Carry(w *probe.Walk, s probe.Step) probe.Answer {
	var a probe.Answer
	for range exchangesMax {
		a = w.Exchange(s)
		if !a.OK() || a.FullFeature() {
			return a
		}
		if a.Response.Transit {
			s.CSG = a.Response.NSG
		}
		s.Keys, s.Data = Answers(w), nil
	}
	return a
}

// last is the step with which a login asks for full feature phase in the operational stage.
func last(w *probe.Walk, more ...string) probe.Step {
	return probe.Step{CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, Transit: true, Keys: append(Answers(w), Keys(more...)...)}
}

// turnedDown tells whether a target has ended a login as it has to: by a refusal of class 2 or a drop. A refusal of class 3 and a Reject before
// the drop are noted as warnings.
func (t *T) turnedDown(a probe.Answer) bool {
	status, refused := a.Refused()
	_, rejected := probe.As[*pdu.Reject](a.Event)
	switch {
	case a.Event.Kind == probe.Interrupted:
		t.Unclear("The check's own time was over during a login.")
	case refused && status.Class() == iscsi.ClassInitiatorError, a.Event.Ended():
		return true
	case refused && status.Class() == iscsi.ClassTargetError:
		t.Warn("The refusal says that the fault is the target's.", status, "a refusal of class 2")
		return true
	case rejected:
		t.Warn("A login is ended by a Reject, which has no place in it.", a.Event, "a refusal of class 2", "a drop")
		return true
	}
	return false
}

// Unlawful judges the answer to a request that no login may have. Where hold is set, an answer with Status 0 and T=0 is a warning.
func (t *T) Unlawful(a probe.Answer, hold bool) {
	switch {
	case t.turnedDown(a):
	case a.OK() && hold && !a.Response.Transit:
		t.Warn("The request is answered as if it were lawful, though the transition is not granted.", a.Event, "a refusal of class 2", "a drop")
	default:
		t.Fail(a.Event, "a refusal of class 2", "a drop")
	}
}
