package initiator

import (
	"bytes"
	"fmt"
	"strings"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// The group auth: CHAP_C, both ways (RFC 7143, Sections 9.2.1 and 12.1.3).

// freshLogins and freshBeside are the logins of auth.chap-c.own-fresh, one after the other and at once.
const (
	freshLogins = 1000
	freshBeside = 8
)

func authChallengeChecks() []Check {
	check := func(id string, run func(t *T)) Check {
		return Check{ID: id, Base: WithCHAP, Driver: withCredentials, Run: run}
	}
	both := func(id string, run func(t *T)) Check {
		return Check{ID: id, Base: WithCHAP, Driver: withBothCredentials, Run: run}
	}
	return []Check{
		check("auth.chap-c.big", func(t *T) {
			for _, n := range []int{16, 64, 255, 256, 1023, 1024} {
				t.Part(fmt.Sprintf("%d bytes", n), func() {
					t.Base.CHAP.Challenge = t.Random(n)
					t.login(Login{})
				})
			}
		}),
		check("auth.chap-c.small", challengeSmall),
		check("auth.chap-c.too-big", challengeTooBig),
		check("auth.chap-c.empty", func(t *T) {
			t.spoilt("CHAP_C", "", "0x", "0b", "0xZZ")
			t.without("CHAP_C")
		}),
		check("auth.chap-c.out-of-order", challengeMisplaced),
		check("auth.chap-c.repeat-detected", challengeRepeated),
		both("auth.chap-c.own-fresh", challengeFresh),
		both("auth.chap-c.reflect-by-target", challengeReflected),
		both("auth.chap-c.not-reflected-by-initiator", challengeOwn),
		check("auth.chap-r.encodings", encodings),
	}
}

func challengeSmall(t *T) {
	for _, challenge := range [][]byte{{0x0a}, append([]byte{0x0a}, make([]byte, 14)...)} {
		t.Part(fmt.Sprintf("%d bytes", len(challenge)), func() {
			t.Base.CHAP.Challenge = challenge
			op, c := t.begin(Login{})
			c.Respond(c.stepWith("CHAP_A"))
			if e := c.peek(t.scaled(ReactionTime)); e.Ended() {
				t.RLoginFail(c, op)
				return
			}
			t.full(c, op)
		})
	}
}

func challengeTooBig(t *T) {
	forms := []struct {
		name   string
		format func([]byte) string
	}{{"hexadecimal", chap.FormatHex}, {"base64", chap.FormatBase64}}
	for _, n := range []int{chap.MaxBinaryLength + 1, 4096} {
		for _, form := range forms {
			t.Part(fmt.Sprintf("%d bytes in %s", n, form.name), func() {
				challenge := t.Random(n)
				op, c := t.begin(Login{})
				s := c.stepWith("CHAP_A")
				s.Set("CHAP_C", form.format(challenge))
				if !c.respondInParts(s) {
					t.RLoginFail(c, op)
					return
				}
				e := c.peek(t.scaled(ReactionTime))
				if e.Kind != probe.Arrived {
					t.RLoginFail(c, op)
					return
				}
				r, _ := c.LoginRequest()
				pairs, _ := text.Parse(r.Data)
				response, _ := pairs.Get("CHAP_R")
				got, _ := chap.ParseBinary(response, chap.MaxBinaryLength)
				whole := chap.Response(chap.MD5, t.Base.CHAP.Identifier, InitiatorAccount.Secret, challenge)
				t.Check(bytes.Equal(got, whole), "a CHAP_R that is not over the whole challenge", "no CHAP_R")
				t.Warn("A challenge that is too long is answered.", e, "the end of the login")
			})
		}
	}
}

// respondInParts sends the answer of a step in as many responses as it takes. It returns false when the initiator ends the connection
// before the last.
func (c *Conn) respondInParts(s *Step) bool {
	parts := text.Split(s.Answer, loginTextMost)
	r := s.Request
	for _, part := range parts[:len(parts)-1] {
		c.exchange(r, nil, func(p *pdu.LoginResponse) { p.Continue, p.Data = true, part })
		if e := c.peek(c.t.scaled(ReactionTime)); e.Kind != probe.Arrived {
			return false
		}
		r, _ = c.LoginRequest()
	}
	s.Response.Data = parts[len(parts)-1]
	c.Respond(s)
	return true
}

func challengeMisplaced(t *T) {
	t.Part("with the choice of the method, and not again", func() {
		op, c := t.begin(Login{})
		s := c.stepWith(text.KeyAuthMethod)
		s.Answer.Add("CHAP_C", chap.FormatHex(t.Random(16)))
		c.Respond(s)
		if e := c.peek(t.scaled(ReactionTime)); e.Kind != probe.Arrived {
			t.RLoginFail(c, op)
			return
		}
		s = c.stepWith("CHAP_A")
		s.Drop("CHAP_C")
		t.refuses(c, op, s)
	})
	t.without("CHAP_I")
}

func challengeRepeated(t *T) {
	right := func(c *Conn) {
		if !c.Login() {
			t.Fail("a wrong CHAP_R to a challenge that came before", "the right one, or the end of the login")
		}
	}
	t.Part("one after the other", func() {
		t.Base.CHAP.Challenge = t.Random(16)
		for id := range byte(2) {
			t.Base.CHAP.Identifier = id
			t.login(Login{})
			t.logout()
		}
	})
	t.Part("at once", func() {
		t.Base.CHAP.Challenge = t.Random(16)
		_, first := t.begin(Login{})
		s := first.stepWith("CHAP_A")
		t.Base.CHAP.Identifier++
		_, second := t.begin(Login{Kind: ini.Discovery, NoTarget: true})
		other := second.stepWith("CHAP_A")
		first.Respond(s)
		second.Respond(other)
		right(first)
		right(second)
	})
}

func challengeFresh(t *T) {
	seen := map[string]bool{}
	take := func(s *Step) {
		value, _ := s.Keys.Get("CHAP_C")
		challenge, err := chap.ParseBinary(value, chap.MaxBinaryLength)
		t.Check(err == nil, err, "a binary value")
		t.Check(!seen[string(challenge)], "a challenge that came before", "a challenge that never came before")
		seen[string(challenge)] = true
		if len(challenge) < 16 {
			t.Warn("The initiator's challenge is short.", fmt.Sprintf("%d bytes", len(challenge)), "16 bytes at least")
		}
	}
	t.Part("one after the other", func() {
		for range freshLogins {
			take(t.challenged())
		}
	})
	t.Part("at once", func() {
		var conns []*Conn
		var steps []*Step
		for i := range freshBeside {
			_, c := t.begin(Login{Kind: ini.Discovery, NoTarget: true, Portal: string(rune('A' + i))})
			s := c.stepWith("CHAP_R")
			take(s)
			conns, steps = append(conns, c), append(steps, s)
		}
		for i, c := range conns {
			steps[i].Refuse(0x0302)
			c.Respond(steps[i])
			t.RLoginFail(c, nil)
		}
	})
}

func challengeReflected(t *T) {
	t.Part("two secrets", t.reflect)
	t.PartWith("one secret configured for both directions", oneSecret, t.reflect)
}

// oneSecret gives both directions the initiator's secret.
func oneSecret(b *Base, s *Settings) {
	b.CHAP.Own.Secret = InitiatorAccount.Secret
	s.Defaults.CHAP.TargetSecret = InitiatorAccount.Secret
}

// reflect lets the initiator answer its own challenge on a second connection, and gives the answer for the target's proof on the first.
func (t *T) reflect() {
	op := t.Start(Login{})
	first := t.TryAccept("", t.scaled(ReactionTime))
	if first == nil {
		t.Check(op.EndsWithin(AnswerTime) && !op.result.Good(), "a login that goes on nowhere", "a refusal of the configuration")
		return
	}
	proof := first.stepWith("CHAP_R")
	identifier, _ := proof.Keys.Get("CHAP_I")
	challenge, _ := proof.Keys.Get("CHAP_C")
	opSecond, second := t.begin(Login{Kind: ini.Discovery, NoTarget: true})
	s := second.stepWith("CHAP_A")
	s.Set("CHAP_I", identifier)
	s.Set("CHAP_C", challenge)
	second.Respond(s)
	answer := chap.FormatHex(t.Random(16))
	if e := second.peek(t.scaled(ReactionTime)); e.Kind == probe.Arrived {
		r, _ := second.LoginRequest()
		pairs, _ := text.Parse(r.Data)
		answer, _ = pairs.Get("CHAP_R")
	} else {
		t.RLoginFail(second, opSecond)
	}
	first.claim(proof, TargetAccount.Name, answer)
	t.RLoginFail(first, op)
	t.authFailed(op)
}

// claim answers the initiator's proof with a name and a response, and leaves the security stage.
func (c *Conn) claim(s *Step, name, response string) {
	s.Answer = text.Pairs{{Key: "CHAP_N", Value: name}, {Key: "CHAP_R", Value: response}}
	s.Response.SetStatus(0)
	s.Response.Transit, s.Response.NSG = true, s.Request.NSG
	c.login.proven = true // What the array asks for is not what is looked at.
	c.Respond(s)
}

func challengeOwn(t *T) {
	const logins = 20
	for range logins {
		theirs := t.Random(16)
		t.Base.CHAP.Challenge = theirs
		s := t.challenged()
		value, _ := s.Keys.Get("CHAP_C")
		challenge, _ := chap.ParseBinary(value, chap.MaxBinaryLength)
		t.Check(!bytes.Equal(challenge, theirs), "the target's own challenge", "a challenge of the initiator's own")
	}
}

func encodings(t *T) {
	challenge := []byte{0x0a, 0xbc, 0xde, 0xf0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xaf, 0xfe}
	hex := chap.FormatHex(challenge)
	for _, form := range []struct{ name, value string }{
		{"0x", hex}, {"0X", "0X" + hex[2:]}, {"capital digits", "0x" + strings.ToUpper(hex[2:])}, {"base64", chap.FormatBase64(challenge)},
		{"an odd number of digits", "0x" + hex[3:]},
	} {
		t.Part(form.name, func() {
			t.Base.CHAP.Challenge = challenge
			op, c := t.begin(Login{})
			s := c.stepWith("CHAP_A")
			s.Set("CHAP_C", form.value)
			c.Respond(s)
			if e := c.peek(t.scaled(ReactionTime)); e.Ended() && len(form.value)%2 == 1 {
				t.Warn("An odd number of digits is refused.", e, "the right response")
				return
			}
			t.full(c, op)
		})
	}
}
