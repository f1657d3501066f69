package target

import (
	"fmt"
	"slices"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// Offering logs in as std-login does, with these keys beside or in place of its own.
func (t *T) Offering(pairs ...string) *probe.LoginResult {
	return t.Login(probe.Login{Keys: Keys(pairs...)})
}

// TurnedDown tells whether a login was turned down, as it may be over an illegal text: by a refusal of the initiator's class, or by a drop, which
// is a warning unless the row names it. Another class is a warning too. What is neither that nor a grant ends the part.
func (t *T) TurnedDown(r *probe.LoginResult, drop bool, want ...string) bool {
	switch {
	case r.AuthRequired() && (t.Facts.AuthRequired || t.Options().CHAP.IsZero()):
		t.Skip("The target asks for authentication: %v.", r)
	case r.Granted():
		return false
	case r.Refused() && r.Status.Class() == iscsi.ClassInitiatorError, r.Outcome == probe.LoginDropped && drop:
	case r.Refused() && r.Status.Class() == iscsi.ClassTargetError:
		t.Warn("The login was refused as though the fault were the target's.", r, want...)
	case r.Outcome == probe.LoginDropped:
		t.Warn("The login was refused by a bare drop, which tells the initiator nothing.", r, want...)
	default:
		t.Fail(r, want...)
	}
	return true
}

// Serves ends the part unless a login on a new connection is granted.
func (t *T) Serves() {
	t.PartWith(t.part, func(*probe.Options) {}, func() { t.Survives(t.Granted(t.Login(probe.Login{})), "a session after the odd login") })
}

// Given returns the answer to a key of a granted login, and skips the part where there is none, since that is the matter of
// negotiation.answer.every-offered-key-answered.
func (t *T) Given(r *probe.LoginResult, key string) string {
	answer, answered := r.Answer(key)
	if !answered {
		t.Skip("The target does not answer %s.", key)
	}
	return answer
}

// Between ends the part unless the answer to a key is a number from low to high.
func (t *T) Between(r *probe.LoginResult, key string, low, high int) {
	answer := t.Given(r, key)
	if n, number := text.ParseNumber(answer); !number || n < low || n > high {
		t.Fail(key+"="+answer, fmt.Sprintf("%s=%d to %d", key, low, high))
	}
}

// inOperational makes a Login.Patch that changes the first request of the operational stage.
func inOperational(change func(q *pdu.LoginRequest)) func(int, *pdu.LoginRequest) {
	done := false
	return func(_ int, q *pdu.LoginRequest) {
		if q.CSG == pdu.StageOperational && !done {
			done = true
			change(q)
		}
	}
}

// byHand begins a login in the operational stage with a request that does not ask for the transition. The part is skipped where the target
// does not bear that, which is the matter of login.response.t-only-when-requested.
func (t *T) byHand(keys text.Pairs) *probe.Walk {
	if t.Facts.AuthRequired {
		t.Skip("The target asks for authentication, which the login by hand leaves out.")
	}
	w := t.Connect().Walk(probe.Login{})
	a := w.Exchange(probe.Step{CSG: pdu.StageOperational, Keys: append(t.Names(probe.Login{}), keys...)})
	if !a.OK() || a.TextErr != nil {
		t.Skip("The target does not bear a Login Request that asks for no transition: %v.", a.Event)
	}
	if a.FullFeature() {
		t.Skip("The target grants a transition that was not asked for.")
	}
	return w
}

// cameOf carries a login by hand on, with keys in its first request, and tells what came of it.
func (t *T) cameOf(w *probe.Walk, step probe.Step) *probe.LoginResult {
	r := &probe.LoginResult{Conn: w.Conn, Walk: w, Outcome: probe.LoginEndless}
	for range exchangesMax {
		a := w.Exchange(step)
		r.Last = a.Event
		status, refused := a.Refused()
		switch {
		case refused:
			r.Outcome, r.Status = probe.LoginRefused, status
		case a.Event.Kind == probe.Interrupted:
			t.Unclear("The check's own time was over during a login.")
		case a.Event.Ended():
			r.Outcome = probe.LoginDropped
		case a.Event.Kind == probe.TimedOut:
			r.Outcome = probe.LoginSilent
		case !a.OK() || a.TextErr != nil:
			r.Outcome = probe.LoginBroken
		case a.FullFeature():
			r.Outcome, r.Session = probe.LoginGranted, w.Conn.Session
		default:
			if a.Response.Transit {
				step.CSG = a.Response.NSG
			}
			step.NSG, step.Transit, step.Keys = pdu.StageFullFeature, true, Answers(w)
			continue
		}
		break
	}
	return r
}

// lastly is the step that asks for full feature phase.
func lastly(keys text.Pairs) probe.Step {
	return probe.Step{CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, Transit: true, Keys: keys}
}

// longest gives the longest sequence of Data-In of a task, and its longest data segment, in bytes.
func longest(task *probe.Task) (sequence, segment int) {
	run := 0
	for _, p := range task.DataIns {
		run += len(p.Data)
		sequence, segment = max(sequence, run), max(segment, len(p.Data))
		if p.Final {
			run = 0
		}
	}
	return sequence, segment
}

// sequencesWithin ends the part when a sequence of Data-In is longer than MaxBurstLength says.
func (t *T) sequencesWithin(r probe.Result, most int) {
	if sequence, _ := longest(r.Task); sequence > most {
		t.Fail(fmt.Sprintf("%d bytes of Data-In without F=1", sequence), fmt.Sprintf("F=1 after at most %d bytes", most))
	}
}

// notUnderstood ends the part unless the answers to an unknown key are one NotUnderstood.
func (t *T) notUnderstood(r *probe.LoginResult, key string) {
	if answers := r.Walk.Received().Values(key); !slices.Equal(answers, []string{text.NotUnderstood}) {
		t.Fail(fmt.Sprintf("the answers %q", answers), key+"=NotUnderstood, once")
	}
}
