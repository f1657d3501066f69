package initiator

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// The group auth: CHAP_A and CHAP_I (RFC 7143, Section 12.1.3, and RFC 1994, Section 4.1).

func authIdentifierChecks() []Check {
	check := func(id string, run func(t *T)) Check {
		return Check{ID: id, Base: WithCHAP, Driver: withCredentials, Run: run}
	}
	return []Check{
		check("auth.first-chap-message", firstMessage),
		check("auth.chap-a.not-offered", algorithmUnoffered),
		check("auth.chap-a.non-numeric", func(t *T) { t.spoilt("CHAP_A", "MD5", "", "5,6", "0x") }),
		check("auth.chap-a.out-of-order", algorithmTwice),
		check("auth.chap-i.valid-range", identifierRange),
		check("auth.chap-i.invalid", func(t *T) {
			t.spoilt("CHAP_I", "256", "-1", "abc", "")
			t.without("CHAP_I")
		}),
		check("auth.chap-i.out-of-order", identifierTwice),
		check("auth.chap-i.same-value", identifierAgain),
		{ID: "auth.chap-i.reflected", Base: WithCHAP, Driver: withBothCredentials, Run: identifierReflected},
		{ID: "auth.chap-i.own-varies", Base: WithCHAP, Driver: withBothCredentials, Run: identifierVaries},
	}
}

func firstMessage(t *T) {
	op, c := t.begin(Login{})
	s := c.LoginStep()
	for keys := chapKeys(s); ; keys = chapKeys(s) {
		if len(keys) == 0 {
			c.Respond(s)
			s = c.LoginStep()
			continue
		}
		list, found := keys.Get("CHAP_A")
		t.Check(found && len(keys) == 1, keys.String(), "CHAP_A alone in CHAP's first message")
		t.Check(s.N == 2, fmt.Sprintf("CHAP_A in request %d", s.N), "CHAP_A in the second request")
		t.Equal("CSG", s.Request.CSG, pdu.StageSecurity)
		members := text.ParseList(list)
		for _, member := range members {
			_, err := strconv.ParseUint(member, 10, 8)
			t.Check(err == nil, "CHAP_A="+list, "a list of decimal numbers")
		}
		t.Check(slices.Contains(members, "5"), "CHAP_A="+list, "5 among the algorithms")
		break
	}
	c.Respond(s)
	t.full(c, op)
}

// spoilt gives a key of the array's challenge bad values, one part each; every login has to fail without a response.
func (t *T) spoilt(key string, values ...string) {
	for _, value := range values {
		t.Part(fmt.Sprintf("%s=%s", key, value), func() {
			op, c := t.begin(Login{})
			s := c.stepWith("CHAP_A")
			s.Set(key, value)
			t.refuses(c, op, s)
		})
	}
}

// without leaves a key of the array's challenge out.
func (t *T) without(key string) {
	t.Part("without "+key, func() {
		op, c := t.begin(Login{})
		s := c.stepWith("CHAP_A")
		s.Drop(key)
		t.refuses(c, op, s)
	})
}

func algorithmUnoffered(t *T) {
	for _, number := range []string{"6", "7", "250"} {
		t.Part("CHAP_A="+number, func() {
			op, c := t.begin(Login{})
			s := c.stepWith("CHAP_A")
			if list, _ := s.Keys.Get("CHAP_A"); slices.Contains(text.ParseList(list), number) {
				t.Skip("NOT-TESTABLE: the initiator offers algorithm %s.", number)
			}
			s.Set("CHAP_A", number)
			t.refuses(c, op, s)
		})
	}
}

// challengePairs are a whole challenge of the array's.
func (t *T) challengePairs() text.Pairs {
	return text.Pairs{{Key: "CHAP_A", Value: "5"}, {Key: "CHAP_I", Value: "9"}, {Key: "CHAP_C", Value: chap.FormatHex(t.Random(16))}}
}

// early sends keys of CHAP together with the choice of the method. The initiator may refuse, or, with a warning, go on as if they had not
// come.
func (t *T) early(keys text.Pairs) {
	op, c := t.begin(Login{})
	s := c.stepWith(text.KeyAuthMethod)
	s.Answer = append(s.Answer, keys...)
	c.Respond(s)
	e := c.peek(t.scaled(ReactionTime))
	if e.Kind != probe.Arrived {
		t.RLoginFail(c, op)
		return
	}
	if c.Login() {
		t.Warn("Keys of CHAP in the wrong step are passed over.", e, "the end of the login")
		return
	}
	t.Warn("Keys of CHAP in the wrong step are answered.", e, "the end of the login")
}

// late answers the initiator's proof with further keys of CHAP. A second proof is a failure.
func (t *T) late(keys text.Pairs, change func(s *Step)) {
	op, c := t.begin(Login{})
	s := c.stepWith("CHAP_R")
	change(s)
	s.Answer = append(s.Answer, keys...)
	c.Respond(s)
	e := c.peek(t.scaled(ReactionTime))
	if e.Kind != probe.Arrived {
		t.RLoginFail(c, op)
		return
	}
	r, _ := c.LoginRequest()
	pairs, _ := text.Parse(r.Data)
	_, again := pairs.Get("CHAP_R")
	t.Check(!again, "a second CHAP_R", "the end of the login")
	t.Warn("Keys of CHAP after the proof are passed over.", e, "the end of the login")
}

func algorithmTwice(t *T) {
	t.Part("with the choice of the method", func() { t.early(t.challengePairs()) })
	t.Part("again after CHAP_R", func() { t.late(t.challengePairs(), holdStage) })
}

func identifierRange(t *T) {
	for _, id := range []byte{0, 1, 127, 128, 255} {
		t.Part(fmt.Sprintf("CHAP_I=%d", id), func() {
			t.Base.CHAP.Identifier = id
			t.login(Login{})
		})
	}
	t.Part("CHAP_I=0x7f", func() {
		t.Base.CHAP.Identifier = 0x7f
		t.login(Login{}, func(s *Step) {
			if _, found := s.Answer.Get("CHAP_I"); found {
				s.Set("CHAP_I", "0x7f")
			}
		})
	})
}

func identifierTwice(t *T) {
	identifier := text.Pairs{{Key: "CHAP_I", Value: "9"}}
	t.Part("with the choice of the method", func() { t.early(identifier) })
	t.Part("after CHAP_R, with T=0", func() { t.late(identifier, holdStage) })
	t.Part("after CHAP_R, with T=1", func() { t.late(identifier, func(*Step) {}) })
}

func identifierAgain(t *T) {
	t.Base.CHAP.Identifier = 7
	const logins = 5
	for range logins {
		t.login(Login{})
		t.logout()
	}
}

func identifierReflected(t *T) {
	theirs := -1
	learn := func(s *Step) {
		if value, found := s.Keys.Get("CHAP_I"); found {
			theirs, _ = strconv.Atoi(value)
		}
	}
	t.login(Login{}, learn)
	t.logout()
	t.Base.CHAP.Identifier = byte(theirs)
	t.login(Login{}, learn)
}

func identifierVaries(t *T) {
	const logins = 20
	seen := map[string]bool{}
	for range logins {
		s := t.challenged()
		value, _ := s.Keys.Get("CHAP_I")
		n, err := strconv.Atoi(value)
		t.Check(err == nil && n >= 0 && n <= 255, "CHAP_I="+value, "0 to 255")
		seen[value] = true
	}
	if len(seen) < 2 {
		t.Warn("The initiator's identifier is always the same.", seen, "identifiers that vary")
	}
}

// challenged begins a login, takes the step with the initiator's proof and challenge, and refuses the login then.
func (t *T) challenged() *Step {
	op, c := t.begin(Login{})
	s := c.stepWith("CHAP_R")
	if _, found := s.Keys.Get("CHAP_C"); !found {
		t.Fail(s.Keys, "the initiator's challenge")
	}
	keys := s.Keys
	s.Refuse(0x0302)
	t.refuses(c, op, s)
	return &Step{Keys: keys, Request: s.Request}
}
