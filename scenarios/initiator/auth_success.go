package initiator

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/trace"
)

// The group auth: whole exchanges, and the secrets themselves (RFC 7143, Sections 9.2.1 and 12.1.3).

func authSuccessChecks() []Check {
	return []Check{
		{ID: "auth.one-way-success", Base: WithCHAP, Driver: withCredentials, Run: oneWaySuccess},
		{ID: "auth.mutual-success", Base: WithCHAP, Driver: withBothCredentials, Run: mutualSuccess},
		{ID: "auth.key-order-in-pdu", Base: WithCHAP, Driver: withBothCredentials, Run: keyOrder},
		{ID: "auth.failed-response-after-mutual-ok", Base: WithCHAP, Driver: withCredentials, Run: func(t *T) {
			op, c := t.begin(Login{})
			t.refusedForGood(c, op, c.stepWith("CHAP_R"))
		}},
		{ID: "auth.secret-not-exposed", Base: WithCHAP, Driver: withBothCredentials, Run: secretHidden},
		{ID: "auth.short-secret", Base: WithCHAP, Driver: withCredentials, Run: secretShort},
		{ID: "auth.secret-128-bit", Base: WithCHAP, Driver: withCredentials, Run: secretRandom},
	}
}

func oneWaySuccess(t *T) {
	for _, id := range []byte{0, 1, 255} {
		t.Part(fmt.Sprintf("CHAP_I=%d", id), func() {
			t.Base.CHAP.Identifier = id
			t.login(Login{}, func(s *Step) {
				for _, key := range []string{"CHAP_I", "CHAP_C"} {
					_, found := s.Keys.Get(key)
					t.Check(!found, key+" of an initiator that asks for no proof", "CHAP_N and CHAP_R alone")
				}
			})
			t.Probe()
		})
	}
}

func mutualSuccess(t *T) {
	op, c := t.begin(Login{})
	s := c.stepWith("CHAP_R")
	for _, key := range []string{"CHAP_N", "CHAP_I", "CHAP_C"} {
		_, found := s.Keys.Get(key)
		t.Check(found, "CHAP_R without "+key, "CHAP_N, CHAP_R, CHAP_I and CHAP_C in one step")
	}
	c.Respond(s)
	t.full(c, op)
	t.Probe()
}

func keyOrder(t *T) {
	keys := []string{"CHAP_A", "CHAP_I", "CHAP_C"}
	for _, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		names := []string{keys[order[0]], keys[order[1]], keys[order[2]]}
		t.Part(strings.Join(names, ", "), func() {
			t.login(Login{}, func(s *Step) {
				s.arrange(names...)
				s.arrange("CHAP_R", "CHAP_N")
			})
		})
	}
}

// arrange puts keys of an answer that has them all into an order, behind the others.
func (s *Step) arrange(keys ...string) {
	var last text.Pairs
	for _, key := range keys {
		value, found := s.Answer.Get(key)
		if !found {
			return
		}
		last.Add(key, value)
	}
	s.Answer = append(s.Answer.Without(keys...), last...)
}

func secretHidden(t *T) {
	var told bytes.Buffer
	tell := func(what any) { fmt.Fprintf(&told, "%v\n%+v\n", what, what) }
	t.Part("a login that succeeds", func() {
		t.login(Login{})
		if t.Own() {
			tell(t.ListSessions())
		}
		t.logout()
	})
	t.Part("a login that is refused", func() {
		op, c := t.begin(Login{})
		s := c.stepWith("CHAP_R")
		s.Refuse(iscsi.StatusAuthenticationFailure)
		t.refuses(c, op, s)
		if r, ended := op.Result(); ended {
			tell(r.Err)
		}
	})
	t.Part("a target that does not prove itself", func() {
		op, c := t.begin(Login{})
		s := c.stepWith("CHAP_R")
		c.claim(s, TargetAccount.Name, "0x00")
		t.RLoginFail(c, op)
		if r, ended := op.Result(); ended {
			tell(r.Err)
		}
	})
	events := t.Events()
	if err := trace.WriteJSONL(&told, events); err != nil {
		t.Unclear("The trace cannot be written: %v.", err)
	}
	for _, e := range events {
		told.Write(e.Raw)
		if e.PDU != nil {
			told.Write(e.PDU.Frame().Append(nil, e.PDU.Digests()))
		}
	}
	for _, secret := range []iscsi.Secret{InitiatorAccount.Secret, TargetAccount.Secret} {
		b := []byte(secret.Reveal())
		for name, form := range map[string]string{
			"as it is": string(b), "in hexadecimal": hex.EncodeToString(b), "in base64": base64.RawStdEncoding.EncodeToString(b),
		} {
			t.Check(!bytes.Contains(bytes.ToLower(told.Bytes()), []byte(strings.ToLower(form))), "a secret "+name, "no secret on the wire, in listings, errors and logs")
		}
	}
}

func secretShort(t *T) {
	secret := func(n int) func(b *Base, s *Settings) {
		short := InitiatorAccount.Secret[:n]
		return func(b *Base, s *Settings) { b.CHAP.User.Secret, s.Defaults.CHAP.Secret = short, short }
	}
	t.PartWith("11 bytes", secret(11), func() {
		op := t.Start(Login{})
		c := t.TryAccept("", t.scaled(ReactionTime))
		if c == nil {
			t.Check(op.EndsWithin(AnswerTime) && !op.result.Good(), "a login that goes on nowhere", "a refusal of the configuration")
			return
		}
		if c.Login() {
			t.Warn("A secret of less than 96 bits is used.", "a login", "a refusal, or a warning to the user")
		}
	})
	t.PartWith("12 bytes", secret(12), func() {
		op := t.Start(Login{})
		c := t.TryAccept("", t.scaled(ReactionTime))
		if c == nil {
			t.FailFirmly("no connection", "a login with a secret of 96 bits")
		}
		t.full(c, op)
	})
}

func secretRandom(t *T) {
	const printable = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	random := func(n int, text bool) iscsi.Secret {
		b := t.Random(n)
		for i := range b {
			if text {
				b[i] = printable[b[i]&0x3f]
			}
		}
		if !text {
			b[n/2] = 0
		}
		return iscsi.Secret(b)
	}
	for _, n := range []int{12, 16} {
		for _, form := range []string{"printable", "binary"} {
			if form == "binary" && !t.Own() {
				continue
			}
			own, theirs := random(n, form == "printable"), random(n, form == "printable")
			change := func(b *Base, s *Settings) {
				b.CHAP.User.Secret, b.CHAP.Own.Secret = own, theirs
				s.Defaults.CHAP = &ini.CHAP{Name: InitiatorAccount.Name, Secret: own}
			}
			t.PartWith(fmt.Sprintf("%d bytes, %s, one way", n, form), change, func() { t.login(Login{}) })
			t.PartWith(fmt.Sprintf("%d bytes, %s, mutual", n, form), func(b *Base, s *Settings) {
				change(b, s)
				s.Defaults.CHAP.TargetSecret = theirs
			}, func() { t.login(Login{}) })
		}
	}
}
