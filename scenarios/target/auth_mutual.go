package target

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
)

func authMutualChecks() []Check {
	return []Check{
		{ID: "auth.chap.mutual-success", Array: withLeastSecret, Run: func(t *T) {
			t.bothWays()
			a := t.challenged("5")
			a.enter(a.press(a.right()), "the right response")
			a.complete()
		}},
		{ID: "auth.chap.mutual-requested-but-unconfigured", Array: withOneWayCHAP, Run: mutualUnconfigured},
		{ID: "auth.chap.mutual-challenge-reflection-refused", Array: WithCHAP, Run: reflection},
		{ID: "auth.chap.mutual-same-secret-refused", Array: withOneSecret, Run: func(t *T) {
			t.hooked("one secret for both directions")
			a := t.challenged("5")
			r := a.press(a.right())
			if r.Granted() {
				t.Warn("One secret serves both directions, so that each side can be made to prove the other one.", r, "a refusal", "a drop")
				return
			}
			t.refusedOrDropped(r)
		}},
		{ID: "auth.chap.mutual-challenge-forms", Array: WithCHAP, Run: challengeForms},
		{ID: "auth.chap.mutual-challenge-too-long", Array: WithCHAP, Run: challengeTooLong},
		{ID: "auth.chap.mutual-missing-half", Array: WithCHAP, Run: challengeHalf},
		{ID: "auth.chap.short-outgoing-secret", Array: withShortSecret, Run: func(t *T) {
			t.hooked("a secret of the target's with 11 bytes")
			a := t.challenged("5")
			r := a.press(a.right())
			if _, answered := a.answered(); answered {
				t.Fail("CHAP_R made from a secret of 88 bits", "no CHAP_R")
			}
			t.Note("no CHAP_R: %v", r)
		}},
	}
}

// bothWays ends the part as a skip without credentials for both directions.
func (t *T) bothWays() {
	if t.Options().Mutual.IsZero() {
		t.Skip("No credentials of the target's are configured.")
	}
}

func mutualUnconfigured(t *T) {
	if !t.Options().Mutual.IsZero() {
		t.Skip("The target is configured to prove itself.")
	}
	a := t.challenged("5")
	r := a.press(append(a.right(), a.ask(16, chap.FormatHex)...))
	switch _, answered := a.answered(); {
	case answered && a.proves(a.own.Secret):
		t.Fail("a CHAP_R made with the initiator's secret", "a refusal", "a drop")
	case answered:
		t.Skip("The target proves itself with a secret that the tester lacks.")
	case r.Granted():
		t.Warn("The target leaves the challenge unanswered, and the decision to the initiator.", r, "a refusal", "a drop")
	case r.Outcome != probe.LoginDropped:
		t.Refused(r, authFailed)
	}
}

func reflection(t *T) {
	t.bothWays()
	t.Part("the challenge of the same login", func() {
		a := t.challenged("5")
		r := a.reflect(a)
		if _, answered := a.answered(); answered {
			t.Fail("CHAP_R in answer to the target's own challenge", "a refusal", "a drop")
		}
		t.refusedOrDropped(r)
	})
	t.Part("the challenge of another login", func() {
		pending, a := t.challenged("5"), t.challenged("5")
		r := a.reflect(pending)
		value, answered := a.answered()
		got, err := chap.ParseBinary(value, chap.MaxBinaryLength)
		if answered && err == nil && bytes.Equal(got, pending.response(a.own.Secret)) {
			t.Fail("a CHAP_R made with the initiator's secret, which completes the other login", "a refusal", "a CHAP_R made with the target's secret")
		}
		t.Note("a CHAP_R: %t; %v", answered, r)
	})
}

// reflect sends the right response together with the challenge that the target has sent in a login.
func (a *authentication) reflect(from *authentication) *probe.LoginResult {
	return a.press(append(claim(a.own.Name, chap.FormatHex(a.response(a.own.Secret))),
		text.Pair{Key: chap.KeyIdentifier, Value: strconv.Itoa(int(from.identifier))},
		text.Pair{Key: chap.KeyChallenge, Value: chap.FormatHex(from.challenge)}))
}

func challengeForms(t *T) {
	t.bothWays()
	for _, form := range []struct {
		length int
		write  func([]byte) string
	}{{16, chap.FormatHex}, {16, chap.FormatBase64}, {1024, chap.FormatHex}, {1024, chap.FormatBase64}, {1, chap.FormatHex}} {
		t.Part(fmt.Sprintf("CHAP_C=%s of %d bytes", form.write(nil), form.length), func() {
			a := t.challenged("5")
			r := a.press(append(claim(a.own.Name, chap.FormatHex(a.response(a.own.Secret))), a.ask(form.length, form.write)...))
			if form.length == 1 && r.Refused() {
				t.Warn("A challenge of one byte is refused.", r, "the right CHAP_R of the target")
				return
			}
			a.enter(r, "the right response")
		})
	}
}

func challengeTooLong(t *T) {
	t.bothWays()
	for _, length := range []int{1025, 3000} {
		for _, write := range []func([]byte) string{chap.FormatHex, chap.FormatBase64} {
			t.Part(fmt.Sprintf("CHAP_C=%s of %d bytes", write(nil), length), func() {
				a := t.challenged("5")
				r := a.press(append(claim(a.own.Name, chap.FormatHex(a.response(a.own.Secret))), a.ask(length, write)...))
				_, answered := a.answered()
				switch {
				case answered && a.proves(t.Options().Mutual.Secret):
					t.Warn("A challenge beyond 1024 bytes is answered.", r, "a refusal")
				case answered:
					t.Fail("a CHAP_R that does not come of the target's secret", "a refusal")
				default:
					t.Refused(r, Refusal{})
				}
			})
		}
	}
	t.StillWorks(lockOut)
}

func challengeHalf(t *T) {
	t.bothWays()
	for i, only := range []string{chap.KeyIdentifier, chap.KeyChallenge} {
		t.Part("only "+only, func() {
			a := t.challenged("5")
			r := a.press(append(claim(a.own.Name, chap.FormatHex(a.response(a.own.Secret))), a.ask(16, chap.FormatHex)[i:i+1]...))
			if _, answered := a.answered(); answered {
				t.Fail("CHAP_R in answer to half a challenge", "a refusal")
			}
			if r.Granted() {
				t.Warn("Half a challenge was taken for none.", r, "a refusal")
				return
			}
			t.Refused(r, Refusal{})
		})
	}
}

// withLeastSecret is WithCHAP with a secret of the array's that has just the 96 bits that it has to have.
func withLeastSecret(p *simtarget.Profile) {
	WithCHAP(p)
	p.Login.CHAP.Own.Secret = "array-secret"
}

// withShortSecret is one byte less.
func withShortSecret(p *simtarget.Profile) {
	WithCHAP(p)
	p.Login.CHAP.Own.Secret = "arraysecret"
}

// withOneSecret gives both directions one secret.
func withOneSecret(p *simtarget.Profile) {
	WithCHAP(p)
	p.Login.CHAP.Own.Secret = p.Login.CHAP.Users[0].Secret
}
