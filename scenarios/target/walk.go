package target

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/trace"
)

// exchangesMax is how many exchanges a login may take.
const exchangesMax = 16

// Accepted ends the part unless a step of a login by hand was answered with Status 0: as a skip where the target asks for credentials.
func (t *T) Accepted(a probe.Answer) probe.Answer {
	status, refused := a.Refused()
	r := &probe.LoginResult{Last: a.Event, Status: status, Outcome: probe.LoginBroken}
	switch {
	case a.OK() && a.TextErr == nil:
		return a
	case a.OK():
		t.Fail("a Login Response whose text is malformed: "+a.TextErr.Error(), "a Login Response with Status 0")
	case refused:
		r.Outcome = probe.LoginRefused
		if r.AuthRequired() {
			t.Skip("The target asks for authentication: %v.", r)
		}
	case a.Event.Kind == probe.Interrupted:
		t.Unclear("The check's own time was over during a login.")
	case a.Event.Ended():
		r.Outcome = probe.LoginDropped
	}
	t.Fail(r, "a Login Response with Status 0")
	return a
}

// Security walks through SecurityNegotiation without authentication until the target grants a transition to nsg or below, and returns
// the response that does.
func (t *T) Security(w *probe.Walk, nsg pdu.Stage) probe.Answer {
	step := probe.Step{CSG: pdu.StageSecurity, NSG: nsg, Transit: true,
		Keys: append(t.Names(probe.Login{}), text.Pair{Key: text.KeyAuthMethod, Value: "None"})}
	for range exchangesMax {
		a := w.Exchange(step)
		if method, _ := probe.AnswerOf(w.Said, text.KeyAuthMethod); method == text.Reject && !a.OK() {
			t.Skip("The target answers AuthMethod=Reject to None: it asks for authentication.")
		}
		if t.Accepted(a); a.Response.Transit {
			return a
		}
		step.Keys = Answers(w)
	}
	t.Fail("16 answers with T=0", "a granted transition")
	return probe.Answer{}
}

// Finish carries a login by hand from a stage to full feature phase; the first request offers the keys. It returns the connection.
func (t *T) Finish(w *probe.Walk, stage pdu.Stage, keys text.Pairs) *probe.Conn {
	step := probe.Step{CSG: stage, NSG: pdu.StageFullFeature, Transit: true, Keys: keys}
	for range exchangesMax {
		a := t.Accepted(w.Exchange(step))
		if a.FullFeature() {
			return w.Conn
		}
		if a.Response.Transit {
			step.CSG = a.Response.NSG
		}
		step.Keys = Answers(w)
	}
	t.Fail("the target kept answering without granting the login", "a granted login")
	return nil
}

// LongLogin logs in through both stages, with a request in the second one that does not ask for the transition: three exchanges or more. Where
// a target does not bear that request, which is the matter of login.response.t-only-when-requested, it does without.
func (t *T) LongLogin() *probe.Conn {
	w := t.Connect().Walk(probe.Login{})
	if a := t.Security(w, pdu.StageOperational); a.FullFeature() {
		return w.Conn
	}
	a := w.Exchange(probe.Step{CSG: pdu.StageOperational, Keys: t.Digests()})
	switch {
	case a.FullFeature():
		return w.Conn
	case a.OK():
		return t.Finish(w, pdu.StageOperational, Answers(w))
	}
	w = t.Connect().Walk(probe.Login{})
	if a := t.Security(w, pdu.StageOperational); a.FullFeature() {
		return w.Conn
	}
	return t.Finish(w, pdu.StageOperational, t.Digests())
}

// Answers are what std-login answers to the keys that the target has proposed and that have no answer yet: the target's own values.
func Answers(w *probe.Walk) text.Pairs {
	var answers text.Pairs
	sent := w.Sent()
	for _, p := range probe.ProposalsOf(w.Said) {
		key, known := text.Lookup(p.Key)
		if _, said := sent.Get(p.Key); said || known && !key.Negotiated() {
			continue
		}
		switch {
		case !known:
			answers.Add(p.Key, text.NotUnderstood)
		case key.Function == text.List:
			answers.Add(p.Key, text.ParseList(p.Value)[0])
		default:
			answers.Add(p.Key, p.Value)
		}
	}
	return answers
}

// Digests are the operational keys of std-login for a login by hand: no digests, or what the target is known to demand.
func (t *T) Digests(more ...string) text.Pairs {
	keys := NoDigests(more...)
	if demanded := t.Options().HeaderDigest; demanded != "" {
		keys.Set(text.KeyHeaderDigest, demanded)
	}
	if demanded := t.Options().DataDigest; demanded != "" {
		keys.Set(text.KeyDataDigest, demanded)
	}
	return keys
}

// NoDigests are the operational keys of std-login before a target that demands no digests.
func NoDigests(more ...string) text.Pairs {
	return append(Keys("HeaderDigest=None", "DataDigest=None"), Keys(more...)...)
}

// LoginTurn is a Login Response that arrived, with the request before it on the connection.
type LoginTurn struct {
	Event    *trace.Event
	Request  *pdu.LoginRequest
	Response *pdu.LoginResponse
}

// Logins are all Login Responses that have arrived in the check, in order.
func (t *T) Logins() []LoginTurn {
	var turns []LoginTurn
	requests := map[string]*pdu.LoginRequest{}
	for e, p := range t.Events().OfNode(trace.NodeProbe).PDUs() {
		switch p := p.(type) {
		case *pdu.LoginRequest:
			requests[e.Conn] = p
		case *pdu.LoginResponse:
			if request := requests[e.Conn]; request != nil {
				turns = append(turns, LoginTurn{Event: e, Request: request, Response: p})
			}
		}
	}
	return turns
}

// Successful are those of Status-Class 0.
func Successful(turns []LoginTurn) []LoginTurn {
	var kept []LoginTurn
	for _, turn := range turns {
		if turn.Response.StatusClass == 0 {
			kept = append(kept, turn)
		}
	}
	return kept
}
