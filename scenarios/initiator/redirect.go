package initiator

import (
	"errors"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
)

// The group redirect, as far as one login on the wire shows it (RFC 7143, Sections 11.13.5 and 13.8). How a session that is kept up makes
// use of redirects is the business of scenarios/sessions.

// portalName is a DNS name of portal B.
const portalName = "portal-b.test"

func redirectChecks() []Check {
	return []Check{
		{ID: "redirect.address.dns-name", Run: redirectToName},
		{ID: "redirect.address.with-tag", Run: redirectWithTag},
		{ID: "redirect.unknown-detail", Run: redirectUnknown},
	}
}

// sentTo begins a login at A and sends it elsewhere.
func (t *T) sentTo(to string, change func(s *Step)) (*Pending, *Conn) {
	op, c := t.begin(Login{})
	s := c.LoginStep()
	s.Redirect(to, false)
	change(s)
	c.Respond(s)
	return op, c
}

func redirectToName(t *T) {
	asIs := func(*Step) {}
	t.Part("a name that resolves", func() {
		b := t.Portal("B")
		name := "localhost"
		if t.Virtual() {
			name = portalName
			t.must(t.network().Name(name, b.Host))
		}
		op, c := t.sentTo(fmt.Sprintf("%s:%d", name, b.Port), asIs)
		t.RLoginFail(c, nil)
		t.full(t.AcceptAt("B", AnswerTime), op)
		t.Probe()
	})
	t.Part("a name that does not resolve", func() {
		op, c := t.sentTo("nowhere.invalid:3260", asIs)
		t.RLoginFail(c, op)
		t.RAlive()
	})
}

func redirectWithTag(t *T) {
	b := t.Portal("B")
	op, c := t.sentTo(fmt.Sprintf("%s,1", b), func(*Step) {})
	t.RLoginFail(c, nil)
	again := t.TryAccept("", t.scaled(ReactionTime))
	if again != nil {
		t.Check(again.Portal == "B", "a connection to portal "+again.Portal, "a connection to portal B, or a failure")
		t.full(again, op)
		t.Probe()
		return
	}
	t.Check(op.EndsWithin(AnswerTime) && !op.result.Good(), "a login that reports no failure", "a login that reports failure")
	var address *iscsi.AddressError
	t.Check(!t.Own() || errors.As(op.result.Err, &address), op.result, "an error about the address")
	t.RAlive()
}

func redirectUnknown(t *T) {
	b := t.Portal("B")
	op, c := t.sentTo(b.String(), func(s *Step) { s.Response.SetStatus(0x017f) })
	t.RLoginFail(c, nil)
	if again := t.TryAccept("", t.scaled(ReactionTime)); again != nil {
		t.full(again, op)
		t.Probe()
		return
	}
	t.Check(op.EndsWithin(AnswerTime) && !op.result.Good(), "a login that reports no failure", "a login that reports failure")
}
