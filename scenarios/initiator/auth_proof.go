package initiator

import (
	"fmt"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// The group auth: CHAP_N and CHAP_R, both ways (RFC 7143, Sections 9.2.1 and 12.1.3).

func authProofChecks() []Check {
	both := func(id string, run func(t *T)) Check {
		return Check{ID: id, Base: WithCHAP, Driver: withBothCredentials, Run: run}
	}
	return []Check{
		{ID: "auth.chap-n.valid", Base: WithCHAP, Driver: withCredentials, Run: nameSent},
		both("auth.chap-n.big", func(t *T) {
			t.PartWith("255 bytes", targetNamed(strings.Repeat("n", 255)), func() { t.login(Login{}) })
		}),
		both("auth.chap-n.small", nameSmall),
		both("auth.chap-n.too-big", nameTooBig),
		both("auth.chap-n.out-of-order", nameMisplaced),
		both("auth.chap-n.reflected", func(t *T) {
			t.claims("the initiator's own name and secret", func(*Step, string) string { return InitiatorAccount.Name }, InitiatorAccount.Secret)
		}),
		both("auth.chap-n.unexpected-name", nameUnexpected),
		both("auth.chap-r.wrong-from-target", responseWrong),
		both("auth.chap-r.too-big", responseTooBig),
		both("auth.chap-r.too-small", responseTooSmall),
		both("auth.chap-r.missing-from-target", responseMissing),
		both("auth.same-secret-both-ways", sameSecret),
	}
}

// named changes both sides' idea of the target's name.
func targetNamed(name string) func(b *Base, s *Settings) {
	return func(b *Base, s *Settings) {
		b.CHAP.Own.Name, s.Defaults.CHAP.TargetName = name, name
	}
}

func nameSent(t *T) {
	for _, name := range []string{InitiatorName, "a", "aB9.-:@_" + strings.Repeat("0123456789abcdef", 4)[:56]} {
		t.PartWith(name, func(b *Base, s *Settings) {
			b.CHAP.User.Name, s.Defaults.CHAP.Name = name, name
		}, func() {
			op, c := t.begin(Login{})
			s := c.stepWith("CHAP_N")
			got, _ := s.Keys.Get("CHAP_N")
			t.Equal("CHAP_N", got, name)
			_, found := s.Keys.Get("CHAP_R")
			t.Check(found, "CHAP_N without CHAP_R", "CHAP_N and CHAP_R together")
			c.Respond(s)
			t.full(c, op)
		})
	}
}

// right is the target's proof with a secret, for the step with the initiator's challenge.
func right(s *Step, secret iscsi.Secret) []byte {
	value, _ := s.Keys.Get("CHAP_C")
	challenge, _ := chap.ParseBinary(value, chap.MaxBinaryLength)
	identifier, _ := s.Keys.Get("CHAP_I")
	n, _ := text.ParseNumber(identifier)
	return chap.Response(chap.MD5, byte(n), secret, challenge)
}

// claims answers the initiator's challenge with a name, made of the right one, and the response of a secret, which has to fail the login.
func (t *T) claims(part string, name func(s *Step, right string) string, secret iscsi.Secret) {
	t.Part(part, func() {
		op, c := t.begin(Login{})
		s := c.stepWith("CHAP_R")
		c.claim(s, name(s, t.Base.CHAP.Own.Name), chap.FormatHex(right(s, secret)))
		t.RLoginFail(c, op)
		t.authFailed(op)
	})
}

// responds answers the initiator's challenge with the right name and a response made of the right one, which has to fail the login.
func (t *T) responds(part string, change func(right []byte) string) {
	t.Part(part, func() {
		op, c := t.begin(Login{})
		s := c.stepWith("CHAP_R")
		c.claim(s, t.Base.CHAP.Own.Name, change(right(s, TargetAccount.Secret)))
		t.RLoginFail(c, op)
		t.authFailed(op)
	})
}

func nameSmall(t *T) {
	t.PartWith("one byte", targetNamed("d"), func() { t.login(Login{}) })
	t.claims("empty", func(*Step, string) string { return "" }, TargetAccount.Secret)
}

func nameTooBig(t *T) {
	long := strings.Repeat("n", 256)
	// A name is taken as a whole, or refused.
	whole := func() {
		op, c := t.begin(Login{})
		c.Respond(c.stepWith("CHAP_R"))
		if e := c.peek(t.scaled(ReactionTime)); e.Ended() {
			t.RLoginFail(c, op)
		} else {
			t.full(c, op)
		}
		t.RAlive()
	}
	t.PartWith("256 bytes", targetNamed(long), whole)
	t.PartWith("4000 bytes", targetNamed(strings.Repeat("n", 4000)), whole)
	if !t.Own() {
		return
	}
	t.PartWith("one byte more than the name that is configured", targetNamed(long[:255]), func() {
		op, c := t.begin(Login{})
		s := c.stepWith("CHAP_R")
		c.claim(s, long, chap.FormatHex(right(s, TargetAccount.Secret)))
		t.RLoginFail(c, op)
		t.RAlive()
	})
}

func nameMisplaced(t *T) {
	t.Part("with the challenge", func() {
		op, c := t.begin(Login{})
		s := c.stepWith("CHAP_A")
		s.Answer.Add("CHAP_N", TargetAccount.Name)
		c.Respond(s)
		if e := c.peek(t.scaled(ReactionTime)); e.Kind != probe.Arrived {
			t.RLoginFail(c, op)
			return
		}
		r, _ := c.LoginRequest()
		c.exchange(r, nil, func(p *pdu.LoginResponse) { p.Transit, p.NSG = true, r.NSG })
		t.RLoginFail(c, op)
	})
	t.PartWith("when it was not asked for", func(b *Base, s *Settings) { s.CHAP(false) }, func() {
		op, c := t.begin(Login{})
		s := c.stepWith("CHAP_R")
		c.claim(s, TargetAccount.Name, chap.FormatHex(t.Random(16)))
		if e := c.peek(t.scaled(ReactionTime)); e.Ended() {
			t.RLoginFail(c, op)
			return
		}
		t.full(c, op)
	})
}

func nameUnexpected(t *T) {
	t.claims("one character more", func(_ *Step, right string) string { return right + "x" }, TargetAccount.Secret)
	t.claims("one character less", func(_ *Step, right string) string { return right[:len(right)-1] }, TargetAccount.Secret)
	t.claims("another name", func(*Step, string) string { return "somebody" }, TargetAccount.Secret)
	t.Part("the right name", func() { t.login(Login{}) })
}

func responseWrong(t *T) {
	t.responds("one bit flipped", func(right []byte) string {
		right[3] ^= 0x10
		return chap.FormatHex(right)
	})
	t.responds("for another challenge", func([]byte) string {
		return chap.FormatHex(chap.Response(chap.MD5, 1, TargetAccount.Secret, t.Random(16)))
	})
	t.responds("no digits", func([]byte) string { return "0xnothing" })
}

func responseTooBig(t *T) {
	for _, n := range []int{1, 1009} {
		t.responds(fmt.Sprintf("%d bytes more", n), func(right []byte) string { return chap.FormatHex(append(right, t.Random(n)...)) })
	}
}

func responseTooSmall(t *T) {
	for _, n := range []int{0, 1, 15} {
		t.responds(fmt.Sprintf("%d bytes", n), func(right []byte) string { return chap.FormatHex(right[:n]) })
	}
}

func responseMissing(t *T) {
	for _, kept := range []string{"", "CHAP_N", "CHAP_R"} {
		name := "only " + kept
		if kept == "" {
			name = "no keys"
		}
		t.Part(name, func() {
			op, c := t.begin(Login{})
			s := c.stepWith("CHAP_R")
			value, _ := s.Answer.Get(kept)
			s.Answer = nil
			if kept != "" {
				s.Answer.Add(kept, value)
			}
			t.refuses(c, op, s)
			t.authFailed(op)
		})
	}
}

func sameSecret(t *T) {
	t.PartWith("one secret for both directions", oneSecret, func() {
		op := t.Start(Login{})
		c := t.TryAccept("", t.scaled(ReactionTime))
		if c == nil {
			t.Check(op.EndsWithin(AnswerTime) && !op.result.Good(), "a login that goes on nowhere", "a refusal of the configuration")
			return
		}
		s := c.LoginStep()
		for {
			if _, found := s.Keys.Get("CHAP_R"); found {
				break
			}
			c.Respond(s)
			if e := c.peek(t.scaled(ReactionTime)); e.Ended() {
				t.RLoginFail(c, op)
				return
			}
			s = c.LoginStep()
		}
		c.claim(s, TargetAccount.Name, chap.FormatHex(right(s, InitiatorAccount.Secret)))
		t.RLoginFail(c, op)
	})
}
