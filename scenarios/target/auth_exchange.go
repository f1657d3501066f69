package target

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// securityRounds is how many empty requests a step of the security stage may take to be answered.
const securityRounds = 4

// authentication is a login by hand that proves the initiator by CHAP (RFC 7143, Section 12.1.3), and that a check may lead astray at each
// step.
type authentication struct {
	t    *T
	walk *probe.Walk
	own  chap.Credentials

	// What the target has chosen and sent.
	algorithm  chap.Algorithm
	identifier byte
	challenge  []byte
	// asked is the challenge that the target has to answer, with the identifier proofIdentifier; nil where none was sent.
	asked []byte
}

// proofIdentifier is CHAP_I of the initiator.
const proofIdentifier = 77

// begin starts a login by hand as the configured account; it ends the part as a skip where there is none.
func (t *T) begin(l probe.Login) *authentication {
	own := t.Options().CHAP
	if own.IsZero() {
		t.Skip("No CHAP credentials are configured.")
	}
	return &authentication{t: t, own: own, walk: t.Connect().Walk(l)}
}

// step sends keys in the security stage, without asking for the next one.
func (a *authentication) step(keys text.Pairs) probe.Answer {
	return a.walk.Exchange(probe.Step{CSG: pdu.StageSecurity, NSG: pdu.StageOperational, Keys: keys})
}

// until sends keys and empty requests after them, until the target has said the key. It returns the last answer.
func (a *authentication) until(key string, keys text.Pairs) probe.Answer {
	answer := a.step(keys)
	for range securityRounds {
		if _, said := a.walk.Received().Get(key); said || !answer.OK() || answer.TextErr != nil || answer.Response.Transit {
			break
		}
		answer = a.step(nil)
	}
	return answer
}

// came is a step's answer as the result of a login, for judges of refusals. A response of Status 0 with T=1 in the security stage lets the
// initiator in.
func (a *authentication) came(answer probe.Answer) *probe.LoginResult {
	r := &probe.LoginResult{Conn: a.walk.Conn, Walk: a.walk, Last: answer.Event, Outcome: probe.LoginBroken}
	status, refused := answer.Refused()
	switch {
	case refused:
		r.Outcome, r.Status = probe.LoginRefused, status
	case answer.OK() && answer.TextErr != nil:
		r.Why = "a Login Response whose text is malformed: " + answer.TextErr.Error()
	case answer.OK() && answer.Response.Transit:
		r.Outcome = probe.LoginGranted
	case answer.OK():
		r.Outcome = probe.LoginEndless
	case answer.Event.Ended():
		r.Outcome = probe.LoginDropped
	case answer.Event.Kind == probe.TimedOut:
		r.Outcome = probe.LoginSilent
	case answer.Event.Kind == probe.Interrupted:
		a.t.Unclear("The check's own time was over during a login.")
	}
	return r
}

// press sends keys and asks for the operational stage, with empty requests after them as long as the target keeps the login where it is.
func (a *authentication) press(keys text.Pairs) *probe.LoginResult {
	s := probe.Step{CSG: pdu.StageSecurity, NSG: pdu.StageOperational, Transit: true, Keys: keys}
	r := a.came(a.walk.Exchange(s))
	for range securityRounds {
		if r.Outcome != probe.LoginEndless {
			break
		}
		s.Keys = nil
		r = a.came(a.walk.Exchange(s))
	}
	return r
}

// method offers AuthMethod with the names and returns the target's answer to it; "" where none came.
func (a *authentication) method(offer string, more ...string) (string, probe.Answer) {
	keys := append(a.t.Names(probe.Login{}), Keys(append([]string{"AuthMethod=" + offer}, more...)...)...)
	answer := a.until(text.KeyAuthMethod, keys)
	value, _ := probe.AnswerOf(a.walk.Said, text.KeyAuthMethod)
	return value, answer
}

// agreed begins a login and agrees on CHAP. It ends the part where the target does not take it.
func (t *T) agreed() *authentication {
	a := t.begin(probe.Login{})
	if value, answer := a.method("CHAP"); !answer.OK() || value != "CHAP" {
		t.Fail(fmt.Sprintf("AuthMethod=%s; %v", value, a.came(answer)), "AuthMethod=CHAP")
	}
	return a
}

// challenged carries a login to the target's challenge, with the offer of algorithms. It ends the part where none comes, or a malformed one.
func (t *T) challenged(algorithms string) *authentication {
	a := t.agreed()
	a.await(a.until(chap.KeyChallenge, Keys("CHAP_A="+algorithms)))
	return a
}

// await takes the target's challenge from what it has said, and ends the part where that is none.
func (a *authentication) await(answer probe.Answer) {
	t := a.t
	said := a.walk.Received()
	value, has := said.Get(chap.KeyChallenge)
	if !answer.OK() || !has {
		t.Fail(a.came(answer), "CHAP_A, CHAP_I and CHAP_C")
	}
	chosen, _ := said.Get(chap.KeyAlgorithm)
	list, err := chap.ParseAlgorithms(chosen)
	if err != nil || len(list) != 1 {
		t.Fail(fmt.Sprintf("CHAP_A=%.64q", chosen), "one number as CHAP_A")
	}
	number, _ := said.Get(chap.KeyIdentifier)
	identifier, valid := text.ParseNumber(number)
	if !valid || identifier < 0 || identifier > 255 {
		t.Fail(fmt.Sprintf("CHAP_I=%.64q", number), "CHAP_I as a number from 0 to 255")
	}
	challenge, err := chap.ParseBinary(value, chap.MaxBinaryLength)
	if err != nil {
		t.Fail(fmt.Sprintf("CHAP_C of %d characters: %v", len(value), err), "CHAP_C of 1 to 1024 bytes after 0x or 0b")
	}
	a.algorithm, a.identifier, a.challenge = list[0], byte(identifier), challenge
}

// response is what proves the secret.
func (a *authentication) response(secret iscsi.Secret) []byte {
	return chap.Response(a.algorithm, a.identifier, secret, a.challenge)
}

// claim is CHAP_N and CHAP_R as they are given.
func claim(name, response string) text.Pairs {
	return text.Pairs{{Key: chap.KeyName, Value: name}, {Key: chap.KeyResponse, Value: response}}
}

// proof is CHAP_N with the bytes as CHAP_R and, where the run's credentials are for both directions, a challenge for the target: some targets
// insist on one then.
func (a *authentication) proof(name string, response []byte) text.Pairs {
	return append(claim(name, chap.FormatHex(response)), a.demand()...)
}

// demand is a challenge of 16 bytes for the target where the run has credentials for both directions, else nothing.
func (a *authentication) demand() text.Pairs {
	if a.t.Options().Mutual.IsZero() {
		return nil
	}
	return a.ask(16, chap.FormatHex)
}

// ask is a challenge for the target of n random bytes.
func (a *authentication) ask(n int, format func([]byte) string) text.Pairs {
	a.asked = a.t.Random(n)
	return text.Pairs{{Key: chap.KeyIdentifier, Value: strconv.Itoa(proofIdentifier)}, {Key: chap.KeyChallenge, Value: format(a.asked)}}
}

// right is the proof with the configured credentials.
func (a *authentication) right() text.Pairs {
	return a.proof(a.own.Name, a.response(a.own.Secret))
}

// answered returns the target's response to the initiator's challenge.
func (a *authentication) answered() (string, bool) { return a.walk.Received().Get(chap.KeyResponse) }

// proves tells whether the target's CHAP_R comes of the secret.
func (a *authentication) proves(secret iscsi.Secret) bool {
	value, _ := a.answered()
	got, err := chap.ParseBinary(value, chap.MaxBinaryLength)
	return err == nil && bytes.Equal(got, chap.Response(a.algorithm, proofIdentifier, secret, a.asked))
}

// enter ends the part unless the proof was accepted and, where one was asked for, the target has proved itself.
func (a *authentication) enter(r *probe.LoginResult, what string) {
	t := a.t
	if !r.Granted() {
		t.Fail(fmt.Sprintf("%s: %v", what, r), "a granted transition")
	}
	if a.asked == nil {
		return
	}
	if name, has := a.walk.Received().Get(chap.KeyName); !has || name == "" {
		t.Fail(what+": no CHAP_N of the target's", "CHAP_N and CHAP_R of the target")
	}
	if _, has := a.answered(); !has {
		t.Fail(what+": no CHAP_R of the target's", "CHAP_N and CHAP_R of the target")
	}
	if !a.proves(t.Options().Mutual.Secret) {
		t.Fail(what+": a CHAP_R that does not come of the target's secret", "the right CHAP_R of the target")
	}
}

// complete carries an accepted login to full feature phase and probes it.
func (a *authentication) complete() *probe.Conn {
	c := a.t.Finish(a.walk, pdu.StageOperational, a.t.Digests())
	a.t.Survives(c, "the session")
	return c
}

// lockOut is how long a target may keep an account locked after failed logins.
const lockOut = 30 * time.Second

// StillWorks ends the part unless a login with the right credentials succeeds within the time: a target may lock an account out for a while.
func (t *T) StillWorks(within time.Duration) {
	const pause = 5 * time.Second
	r := t.Login(probe.Login{})
	for waited := time.Duration(0); !r.Granted() && waited < within && t.Pause(pause); waited += pause {
		r = t.Login(probe.Login{})
	}
	if !r.Granted() {
		t.Fail(fmt.Sprintf("a login with the right credentials, afterwards: %v", r), "a granted login")
	}
	t.Leave(r.Conn)
}

// withOneWay is WithCHAP for an array that does not prove itself.
func withOneWay(checks []Check) []Check {
	for i := range checks {
		if checks[i].Array == nil {
			checks[i].Array = withOneWayCHAP
		}
	}
	return checks
}

// authRefused are the statuses of a login without the authentication that the target asks for.
var authRefused = Refusal{With: []iscsi.Status{iscsi.StatusAuthenticationFailure, iscsi.StatusAuthorizationFailure}}

// authFailed is the status of a failed authentication.
var authFailed = Refusal{With: []iscsi.Status{iscsi.StatusAuthenticationFailure}}

// refusedOrDropped judges what has to be refused in any way or dropped.
func (t *T) refusedOrDropped(r *probe.LoginResult) {
	if r.Outcome != probe.LoginDropped {
		t.Refused(r, Refusal{})
	}
}

// insists ends the part as a skip unless the target refuses logins without authentication.
func (t *T) insists() {
	if !t.Facts.AuthRequired {
		t.Skip("The target does not insist on authentication.")
	}
}

// memberOf tells whether a value is a member of a list.
func memberOf(list, value string) bool { return slices.Contains(text.ParseList(list), value) }
