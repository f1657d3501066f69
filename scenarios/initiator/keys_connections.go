package initiator

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// keyConnectionChecks are the rows of the group keys about sessions of several connections.
func keyConnectionChecks() []Check {
	return []Check{
		{ID: "keys.maxconnections", Driver: twoConnections, Run: maxConnections},
		{ID: "keys.tag-mismatch", Base: takesTwo, Driver: twoConnections, Run: otherGroup},
		{ID: "keys.leading-only-on-second-connection", Base: takesTwo, Driver: twoConnections, Run: leadingKeys},
	}
}

// twoConnections makes the own initiator offer several connections of a session.
func twoConnections(s *Settings) { s.Offer(text.KeyMaxConnections, "4") }

func maxConnections(t *T) {
	for most := 1; most <= 2; most++ {
		t.PartWith(fmt.Sprintf("answer %d", most), func(b *Base, _ *Settings) { b.Params.MaxConnections = most }, func() {
			offer := ""
			t.login(Login{}, func(s *Step) {
				if value, told := s.Keys.Get(text.KeyMaxConnections); told {
					offer = value
				}
			})
			if offer == "" {
				offer = "1"
			}
			t.inRange(text.KeyMaxConnections, offer)
			if n, _ := text.ParseNumber(offer); n < most {
				t.Skip("NOT-TESTABLE: the initiator offers MaxConnections=%s.", offer)
			}
			for connections := 1; connections < most; connections++ {
				op := t.Start(AddConnection{})
				t.full(t.Accept(), op)
			}
			op := t.Start(AddConnection{})
			if c := t.TryAccept("", t.scaled(ReactionTime)); c != nil {
				t.Fail(c, fmt.Sprintf("at most %d connections", most))
			}
			if op.Wait().Good() {
				t.Fail("one connection more that is reported as open", "a refusal")
			}
			t.Probe()
		})
	}
}

func otherGroup(t *T) {
	t.Portal("B")
	discovery := t.discoverySession()
	if t.Own() {
		op := t.Start(Discover{})
		r, _ := discovery.TextRequest()
		discovery.Text(r, record(t.Base.Target, t.Portal("A").HostPort()+",1", t.Portal("B").HostPort()+",1"))
		t.endsWell(op)
		t.logout()
	}
	c := t.login(Login{})
	op := t.Start(AddConnection{Portal: "B"})
	second := t.AcceptAt("B", AnswerTime)
	t.Base.Tag = 2
	joins := false
	for !second.full {
		if e := second.peek(t.scaled(ReactionTime)); e.Kind != probe.Arrived {
			t.RLoginFail(second, op)
			break
		}
		s := second.LoginStep()
		joins = joins || s.Request.TSIH != 0
		if s.N == 1 {
			s.Set(text.KeyTargetPortalGroupTag, "2")
		}
		second.Respond(s)
	}
	if joins && second.full && op.EndsWithin(AnswerTime) && op.result.Good() {
		t.Fail("connections of portal groups 1 and 2 in one session", "R-LOGINFAIL, or a session of its own")
	}
	t.Wait(time.Second)
	if e, ended := c.Ended(); ended {
		t.Fail(e, "the session at portal A goes on")
	}
	t.Probe()
}

func leadingKeys(t *T) {
	t.Session()
	op := t.Start(AddConnection{})
	second := t.Accept()
	t.full(second, op, func(s *Step) {
		for _, p := range s.Keys {
			if key, _ := text.Lookup(p.Key); key.Use == text.LeadingOnly {
				t.Fail(p, "no key that only the leading connection may send")
			}
		}
	})
	t.Probe()
}
