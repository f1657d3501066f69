package target

import (
	"fmt"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
)

func authProofChecks() []Check {
	return withOneWay([]Check{
		{ID: "auth.chap.wrong-response-refused", Run: wrongResponse},
		{ID: "auth.chap.unknown-name-refused", Run: func(t *T) {
			a := t.challenged("5")
			t.Refused(a.press(a.proof("nobody", a.response(a.own.Secret))), authFailed)
		}},
		{ID: "auth.chap.empty-name-refused", Run: func(t *T) {
			a := t.challenged("5")
			t.Refused(a.press(a.proof("", a.response(a.own.Secret))), Refusal{})
		}},
		{ID: "auth.chap.name-prefix-not-accepted", Run: namePrefix},
		{ID: "auth.chap.secret-prefix-not-accepted", Run: secretPrefix},
		{ID: "auth.chap.missing-response-key", Run: missingHalf},
		{ID: "auth.chap.response-hex-and-base64", Run: responseForms},
		{ID: "auth.chap.response-wrong-length", Run: responseLengths},
		{ID: "auth.chap.response-malformed-encoding", Run: responseMalformed},
		{ID: "auth.chap.replay-refused", Run: replay},
		{ID: "auth.chap.secret-length-128-bit", Array: withRandomSecret, Run: func(t *T) {
			t.hooked("a secret of 16 random bytes")
			a := t.challenged("5")
			a.enter(a.press(a.right()), "the right response")
			a.complete()
		}},
		{ID: "auth.chap.identity-bound-to-initiator-name", Array: withNeighbour, Run: identityBound},
		{ID: "auth.failure.session-not-created", Array: withFewSessions, Run: failuresLeaveNothing},
	})
}

func wrongResponse(t *T) {
	t.Part("one bit flipped", func() {
		a := t.challenged("5")
		response := a.response(a.own.Secret)
		response[len(response)-1] ^= 1
		t.Refused(a.press(a.proof(a.own.Name, response)), authFailed)
	})
	t.StillWorks(lockOut)
}

func namePrefix(t *T) {
	own := t.Options().CHAP.Name
	for _, name := range []string{own[:max(0, len(own)-1)], own + "x"} {
		if name == "" {
			continue // the matter of empty-name-refused
		}
		t.Part("CHAP_N="+name, func() {
			a := t.challenged("5")
			t.Refused(a.press(a.proof(name, a.response(a.own.Secret))), Refusal{})
		})
	}
}

func secretPrefix(t *T) {
	own := t.Options().CHAP.Secret
	for _, variant := range []struct {
		name   string
		secret iscsi.Secret
	}{{"without its last byte", own[:max(0, len(own)-1)]}, {"with a NUL byte more", own + "\x00"}, {"empty", ""}} {
		t.Part("the secret "+variant.name, func() {
			a := t.challenged("5")
			t.Refused(a.press(a.proof(a.own.Name, a.response(variant.secret))), Refusal{})
		})
	}
}

func missingHalf(t *T) {
	how := Refusal{With: []iscsi.Status{iscsi.StatusMissingParameter, iscsi.StatusInitiatorError}, TryAgain: true}
	for i, only := range []string{chap.KeyName, chap.KeyResponse} {
		t.Part("only "+only, func() {
			a := t.challenged("5")
			t.Refused(a.press(claim(a.own.Name, chap.FormatHex(a.response(a.own.Secret)))[i:i+1]), how)
		})
	}
}

// binaryForms are the ways to write a binary value (RFC 7143, Section 6.1).
var binaryForms = []struct {
	name  string
	write func([]byte) string
}{
	{"0x and lower case", chap.FormatHex},
	{"0X and upper case", func(b []byte) string { return "0X" + strings.ToUpper(chap.FormatHex(b)[2:]) }},
	{"0b", chap.FormatBase64},
	{"0B", func(b []byte) string { return "0B" + chap.FormatBase64(b)[2:] }},
}

func responseForms(t *T) {
	for _, form := range binaryForms {
		t.Part("CHAP_R with "+form.name, func() {
			a := t.challenged("5")
			keys := append(claim(a.own.Name, form.write(a.response(a.own.Secret))), a.demand()...)
			a.enter(a.press(keys), "the right response with "+form.name)
		})
	}
}

func responseLengths(t *T) {
	for _, n := range []int{15, 17, 0, 1024} {
		for _, write := range []func([]byte) string{chap.FormatHex, chap.FormatBase64} {
			value := make([]byte, n)
			t.Part(fmt.Sprintf("CHAP_R=%s of %d bytes", write(nil), n), func() {
				a := t.challenged("5")
				copy(value, a.response(a.own.Secret))
				t.Refused(a.press(append(claim(a.own.Name, write(value)), a.demand()...)), Refusal{})
			})
		}
	}
	t.StillWorks(lockOut)
}

func responseMalformed(t *T) {
	for _, form := range []struct {
		name  string
		write func(right string) string
	}{
		{"no digits at all", func(right string) string { return "0x" + strings.Repeat("Z", len(right)) }},
		{"Z in place of 0", func(right string) string { return "0x" + strings.ReplaceAll(right, "0", "Z") }},
		{"31 digits", func(right string) string { return "0x" + right[:len(right)-1] }},
		{"no base64", func(string) string { return "0b!!!!" }},
		{"no prefix", func(right string) string { return right }},
	} {
		t.Part(form.name, func() {
			a, right := t.withZeroDigit()
			r := a.press(append(claim(a.own.Name, form.write(right)), a.demand()...))
			if form.name == "no prefix" && r.Granted() {
				t.Warn("A response without 0x was taken for a binary value.", r, "a refusal")
				return
			}
			t.Refused(r, Refusal{})
		})
	}
	t.StillWorks(lockOut)
}

// withZeroDigit carries a login to a challenge whose right response has a digit 0, and returns its digits. Of 8 logins nearly always one is
// such.
func (t *T) withZeroDigit() (*authentication, string) {
	for range 8 {
		a := t.challenged("5")
		if right := chap.FormatHex(a.response(a.own.Secret))[2:]; strings.Contains(right, "0") {
			return a, right
		}
		_ = a.walk.Conn.Close() // how the target takes it is the matter of other checks
	}
	t.Unclear("Of 8 challenges none has a response with a digit 0.")
	return nil, ""
}

func replay(t *T) {
	var kept text.Pairs
	t.Part("the login that is overheard", func() {
		a := t.challenged("5")
		kept = claim(a.own.Name, chap.FormatHex(a.response(a.own.Secret)))
		a.enter(a.press(append(kept[:len(kept):len(kept)], a.demand()...)), "the right response")
		a.complete()
	})
	if kept == nil {
		return
	}
	t.Part("the login with the kept response", func() {
		a := t.challenged("5")
		t.Refused(a.press(append(kept[:len(kept):len(kept)], a.demand()...)), authFailed)
	})
}

// failedLogins is how many authentications fail before the one that has to succeed.
const failedLogins = 200

func failuresLeaveNothing(t *T) {
	t.Part("failed logins", func() {
		for i := range failedLogins {
			a := t.begin(probe.Login{})
			if value, answer := a.method("CHAP"); !answer.OK() || value != "CHAP" {
				t.refusedMeanwhile(a.came(answer), i)
				continue
			}
			answer := a.until(chap.KeyChallenge, Keys("CHAP_A=5"))
			if !answer.OK() {
				t.refusedMeanwhile(a.came(answer), i)
				continue
			}
			a.await(answer)
			response := a.response(a.own.Secret)
			response[0] ^= 1
			r := a.press(a.proof(a.own.Name, response))
			t.refusedMeanwhile(r, i)
			_ = a.walk.Conn.Close() // the login is over
		}
	})
	t.StillWorks(time.Minute)
}

// refusedMeanwhile ends the part unless a login was refused or dropped.
func (t *T) refusedMeanwhile(r *probe.LoginResult, i int) {
	if !r.Refused() && r.Outcome != probe.LoginDropped {
		t.Fail(fmt.Sprintf("failed login %d: %v", i+1, r), "a refusal")
	}
}

// withOneWayCHAP makes the array ask for authentication, without proving itself.
func withOneWayCHAP(p *simtarget.Profile) {
	WithCHAP(p)
	p.Login.CHAP.Own = simtarget.CHAPUser{}
}

// withRandomSecret is withOneWayCHAP with a secret of 128 bits that are no text.
func withRandomSecret(p *simtarget.Profile) {
	withOneWayCHAP(p)
	p.Login.CHAP.Users[0].Secret = "\x8f\x03\xd1\x5e\x90\xc7\x1b\xee\x42\xa9\x7d\x16\xf8\x30\xbc\x65"
}

// withNeighbour gives the initiator an account of its own, and another initiator another one.
func withNeighbour(p *simtarget.Profile) {
	withOneWayCHAP(p)
	p.Login.CHAP.Users[0].Initiator = probe.DefaultInitiatorName
	p.Login.CHAP.Users = append(p.Login.CHAP.Users, simtarget.CHAPUser{Name: accountOfAnother.Name, Secret: accountOfAnother.Secret.Reveal(),
		Initiator: "iqn.2026-01.org.iscsispec:neighbour"})
}

// withFewSessions makes each place count.
func withFewSessions(p *simtarget.Profile) {
	withOneWayCHAP(p)
	p.Session.MaxTotal = failedLogins / 2
}
