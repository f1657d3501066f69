package target

import (
	"bytes"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

func authAlgorithmChecks() []Check {
	return withOneWay([]Check{
		{ID: "auth.chap.algorithm-md5-selected", Run: func(t *T) {
			if a := t.challenged("5"); a.algorithm != chap.MD5 {
				t.Fail(fmt.Sprintf("CHAP_A=%d", a.algorithm), "CHAP_A=5")
			}
		}},
		{ID: "auth.chap.algorithm-from-list", Run: algorithmFromList},
		{ID: "auth.chap.algorithm-none-supported", Run: algorithmUnsupported},
		{ID: "auth.chap.algorithm-malformed", Run: algorithmMalformed},
		{ID: "auth.chap.order-response-before-algorithm", Run: responseFirst},
		{ID: "auth.chap.order-algorithm-with-method", Run: algorithmWithMethod},
		{ID: "auth.chap.challenge-fresh-each-time", Run: challengeFresh},
		{ID: "auth.chap.challenge-size-and-encoding", Run: challengeForm},
		{ID: "auth.chap.keys-outside-security-stage", Run: chapTooLate},
	})
}

func algorithmFromList(t *T) {
	for _, offer := range []string{"250,5", "8,7,6,5", "5,7"} {
		t.Part("CHAP_A="+offer, func() {
			a := t.challenged(offer)
			if !memberOf(offer, fmt.Sprint(int(a.algorithm))) || !a.algorithm.Supported() {
				t.Fail(fmt.Sprintf("CHAP_A=%d", a.algorithm), "a registered member of "+offer)
			}
			a.enter(a.press(a.right()), fmt.Sprintf("the right response by %v", a.algorithm))
		})
	}
}

func algorithmUnsupported(t *T) {
	a := t.agreed()
	r := a.offer("250,251")
	said := a.walk.Received()
	algorithm, answered := said.Get(chap.KeyAlgorithm)
	_, challenge := said.Get(chap.KeyChallenge)
	switch {
	case challenge || answered && algorithm != text.Reject:
		t.Fail(fmt.Sprintf("CHAP_A=%.64s, a challenge: %t", algorithm, challenge), "refused with "+iscsi.StatusAuthenticationFailure.String())
	case answered && (r.Refused() || r.Outcome == probe.LoginDropped):
		t.Warn("The CHAP exchange knows no Reject.", "CHAP_A=Reject, then "+r.String(), "refused with "+iscsi.StatusAuthenticationFailure.String())
	default:
		t.Refused(r, authFailed)
	}
}

// offer offers algorithms, and goes on with empty requests as long as neither a challenge nor the end comes.
func (a *authentication) offer(algorithms string) *probe.LoginResult {
	return a.came(a.until(chap.KeyChallenge, Keys("CHAP_A="+algorithms)))
}

func algorithmMalformed(t *T) {
	for _, offer := range []string{"md5", "", "5;6"} {
		t.Part(fmt.Sprintf("CHAP_A=%q", offer), func() {
			a := t.agreed()
			r := a.offer(offer)
			said := a.walk.Received()
			algorithm, _ := said.Get(chap.KeyAlgorithm)
			_, challenge := said.Get(chap.KeyChallenge)
			switch {
			case challenge && offer == "5;6" && algorithm == "5":
				t.Warn("A list that is none was taken as far as it could be read.", "a challenge with CHAP_A=5", "a refusal", "CHAP_A=Reject")
			case challenge:
				t.Fail(fmt.Sprintf("a challenge with CHAP_A=%.64s", algorithm), "a refusal", "CHAP_A=Reject")
			case algorithm != text.Reject:
				t.Refused(r, Refusal{})
			}
		})
	}
}

func responseFirst(t *T) {
	a := t.agreed()
	before := a.walk.Exchanges
	r := a.press(claim(a.own.Name, chap.FormatHex(make([]byte, 16))))
	if waited := a.walk.Exchanges - before - 1; waited > 0 && waited <= 2 && r.Refused() {
		t.Warn("The target waited for more before it refused.", r, "refused at once")
		return
	}
	t.Refused(r, Refusal{With: []iscsi.Status{iscsi.StatusInitiatorError, iscsi.StatusMissingParameter}})
}

func algorithmWithMethod(t *T) {
	for _, transit := range []bool{false, true} {
		t.Part(fmt.Sprintf("T=%t", transit), func() {
			a := t.begin(probe.Login{})
			keys := append(t.Names(probe.Login{}), Keys("AuthMethod=CHAP", "CHAP_A=5")...)
			r := a.came(a.walk.Exchange(probe.Step{CSG: pdu.StageSecurity, NSG: pdu.StageOperational, Transit: transit, Keys: keys}))
			method, _ := probe.AnswerOf(a.walk.Said, text.KeyAuthMethod)
			_, challenge := a.walk.Received().Get(chap.KeyChallenge)
			if r.Granted() {
				t.FailFirmly("the target grants the next stage before the initiator has proved itself", "T=0", "a refusal")
			}
			t.Note("AuthMethod=%s, a challenge at once: %t; %v", method, challenge, r)
		})
	}
}

// freshLogins is how many challenges are compared.
const freshLogins = 20

func challengeFresh(t *T) {
	var all []*authentication
	for range freshLogins / 2 { // at the same time
		all = append(all, t.challenged("5"))
	}
	for _, a := range all {
		// How the target ends a login that is broken off is the matter of other checks.
		_ = a.walk.Conn.Close()
	}
	for range freshLogins / 2 {
		a := t.challenged("5")
		_ = a.walk.Conn.Close()
		all = append(all, a)
	}
	if t.Facts.Agreed.MaxConnections > 1 {
		all = append(all, t.challengedBeside())
	}
	seen := map[string]int{}
	for i, a := range all {
		if bytes.Count(a.challenge, a.challenge[:1]) == len(a.challenge) && len(a.challenge) > 1 {
			t.Fail(fmt.Sprintf("CHAP_C of %d bytes 0x%02x", len(a.challenge), a.challenge[0]), "a challenge that cannot be foreseen")
		}
		if before, repeated := seen[string(a.challenge)]; repeated {
			t.Fail(fmt.Sprintf("login %d has the challenge of login %d", i+1, before+1), "another challenge in each login")
		}
		seen[string(a.challenge)] = i
	}
}

// challengedBeside carries the login of a second connection to the challenge; the first one's where the target agrees to one connection.
func (t *T) challengedBeside() *authentication {
	c := t.Open(probe.Login{Keys: Keys("MaxConnections=4")})
	a := t.begin(probe.Login{Session: c.Session})
	if c.Session.TSIH == 0 || c.Session.Params.MaxConnections < 2 {
		a = t.begin(probe.Login{})
	}
	if value, answer := a.method("CHAP"); !answer.OK() || value != "CHAP" {
		t.Fail(fmt.Sprintf("AuthMethod=%s; %v", value, a.came(answer)), "AuthMethod=CHAP")
	}
	a.await(a.until(chap.KeyChallenge, Keys("CHAP_A=5")))
	return a
}

func challengeForm(t *T) {
	for range 3 {
		a := t.challenged("5")
		if short := a.algorithm.ResponseLength(); len(a.challenge) < short {
			t.Warn("A challenge that is shorter than the digest is easier to foresee.", fmt.Sprintf("%d bytes", len(a.challenge)), fmt.Sprintf("%d bytes", short))
		}
		_ = a.walk.Conn.Close()
	}
}

func chapTooLate(t *T) {
	a := t.challenged("5")
	a.enter(a.press(a.right()), "the right response")
	said := len(a.walk.Received())
	answer := a.walk.Exchange(probe.Step{CSG: pdu.StageOperational, NSG: pdu.StageFullFeature, Keys: Keys("CHAP_A=5")})
	late := a.walk.Received()[said:]
	_, identifier := late.Get(chap.KeyIdentifier)
	_, challenge := late.Get(chap.KeyChallenge)
	value, _ := late.Get(chap.KeyAlgorithm)
	r := a.came(answer)
	switch {
	case identifier || challenge:
		t.Fail("a challenge in the operational stage", "a refusal", "a drop", "Reject, Irrelevant or NotUnderstood")
	case value == text.Reject || value == text.Irrelevant || value == text.NotUnderstood:
	case answer.OK() && value == "":
		t.Warn("The key was passed over, though it needs an answer.", answer.Event, "a refusal", "Reject, Irrelevant or NotUnderstood")
	default:
		t.refusedOrDropped(r)
	}
}
