package scripted

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// authentication is where a login's authentication by CHAP stands (RFC 7143, Section 12.1.3), as the model sees it.
type authentication struct {
	at         authenticationStep
	identifier byte
	challenge  []byte
	own        []byte // the initiator's challenge
	ownID      byte
	proposed   bool // the array has proposed the method
}

type authenticationStep byte

const (
	noMethod  authenticationStep = iota // nothing is settled
	agreed                              // AuthMethod=CHAP: the initiator is to send CHAP_A
	began                               // it has: the array is to send its challenge
	asked                               // it has: the initiator is to send its proof
	answered                            // it has: in mutual authentication the array is to send its own
	proved                              // it is over
	renounced                           // both do without
)

var authenticationNames = []string{"method open", "CHAP agreed", "CHAP_A sent", "challenged", "proof sent", "authenticated", "without authentication"}

func (a *authentication) String() string { return authenticationNames[a.at] }

// wanted reports whether the initiator does not go on without a proof.
func (a *authentication) wanted(m *model) bool {
	s := &m.j.p.setup
	over := a.at == renounced || a.at == proved || a.at == answered && !s.mutual
	return s.chap && !over
}

const distrust = mistrusts | refuses

// method decides what may follow the array's answer to the offer of AuthMethod.
func (a *authentication) method(m *model, value string) (string, reaction) {
	s := &m.j.p.setup
	const rule = "auth.method-target-picks-unoffered"
	switch {
	case !s.chap && value == "None":
		return rule, goesOn
	case !s.chap && reservedWord(value):
		return rule, goesOn | distrust
	case !s.chap:
		return rule, distrust
	case value == "CHAP":
		a.at = agreed
		return rule, goesOn
	case value == "None" && s.optional:
		a.at = renounced
		return rule, goesOn
	}
	return rule, distrust
}

// take decides what may follow the keys of CHAP in a response, and whether it may have T=1.
func (a *authentication) take(m *model, p *pdu.LoginResponse, keys text.Pairs) (rule string, may reaction) {
	s := &m.j.p.setup
	if m.stage != 0 || !s.chap {
		if len(keys) > 0 {
			return "auth.chap-a.out-of-order", distrust
		}
		return "", goesOn
	}
	may = goesOn
	for _, k := range keys {
		if carries(keys, k.Key) > 1 {
			return "negotiation.duplicate-in-same-pdu", distrust
		}
	}
	switch a.at {
	case noMethod, agreed, renounced, proved:
		if a.at == noMethod {
			rule, may = a.propose(m)
		}
		if len(keys) > 0 {
			rule, may = "auth.chap-a.out-of-order", distrust
		}
	case began:
		rule, may = a.challenged(keys)
	case answered:
		rule, may = a.proof(s.mutual, keys)
	}
	if p.Transit && may&goesOn != 0 && (a.wanted(m) || a.at == answered && s.mutual) {
		return "auth.stage-skipped-by-target", distrust
	}
	return rule, may
}

// propose looks whether the array has proposed the method itself.
func (a *authentication) propose(m *model) (string, reaction) {
	const rule = "auth.method-proposed-by-target"
	i := slices.IndexFunc(m.owed, func(o offered) bool { return o.key == "AuthMethod" })
	if i < 0 {
		return rule, goesOn
	}
	if slices.Contains(strings.Split(m.owed[i].value, ","), "CHAP") {
		a.at, a.proposed = agreed, true
		return rule, goesOn
	}
	return rule, distrust | goesOn
}

// challenged takes the array's choice and challenge.
func (a *authentication) challenged(keys text.Pairs) (string, reaction) {
	if len(keys) == 0 {
		return "auth.chap-a.not-offered", goesOn | distrust
	}
	algorithm, hasA := keys.Get("CHAP_A")
	identifier, hasI := keys.Get("CHAP_I")
	challenge, hasC := keys.Get("CHAP_C")
	n, isNumber := numberOf(identifier)
	b, isBinary := binaryOf(challenge)
	chosen, isChoice := numberOf(algorithm)
	switch {
	case !hasA || !isChoice || chosen != 5:
		return "auth.chap-a.not-offered", distrust
	case !hasI || !isNumber || n < 0 || n > 255:
		return "auth.chap-i.invalid", distrust
	case !hasC || !isBinary:
		return "auth.chap-c.empty", distrust
	case len(b) > 1024:
		return "auth.chap-c.too-big", distrust
	case len(keys) > 3:
		return "auth.chap-n.out-of-order", distrust
	}
	a.at, a.identifier, a.challenge = asked, byte(n), b
	return "auth.one-way-success", goesOn
}

// proof takes the array's proof.
func (a *authentication) proof(mutual bool, keys text.Pairs) (string, reaction) {
	if !mutual {
		if len(keys) > 0 {
			return "auth.chap-i.out-of-order", distrust
		}
		a.at = proved
		return "auth.one-way-success", goesOn
	}
	if len(keys) == 0 {
		return "auth.chap-r.missing-from-target", goesOn | distrust
	}
	name, _ := keys.Get("CHAP_N")
	response, _ := keys.Get("CHAP_R")
	b, ok := binaryOf(response)
	switch {
	case len(keys) != 2 || !ok || !bytes.Equal(b, proof(a.ownID, arraySecret, a.own)):
		return "auth.chap-r.wrong-from-target", distrust
	case name != arrayUser:
		return "auth.chap-n.unexpected-name", distrust
	}
	a.at = proved
	return "auth.mutual-success", goesOn
}

// proofs looks at the keys of CHAP in a request.
func (m *model) proofs(q *pdu.LoginRequest, keys text.Pairs) {
	a, s := &m.security, &m.j.p.setup
	wrong := func(rule, want string) {
		m.fault(rule, fuzz.Outcome{Kind: Sent, Detail: fmt.Sprintf("%v", keys)}, want)
	}
	switch {
	case a.at == agreed && m.stage == 0:
		list, has := keys.Get("CHAP_A")
		if !has || len(keys) != 1 || !slices.Contains(strings.Split(list, ","), "5") {
			wrong("auth.first-chap-message", "CHAP_A with 5 and no other key of CHAP")
		}
		a.at = began
	case a.at == asked:
		a.answer(m, keys, wrong)
		a.at = answered
	case len(keys) > 0:
		wrong("auth.first-chap-message", "no key of CHAP here")
	case m.rounds == 1 && s.chap && q.CSG != pdu.StageSecurity:
		wrong("auth.method-offer-when-configured", "the security stage")
	}
}

// answer looks at the initiator's proof.
func (a *authentication) answer(m *model, keys text.Pairs, wrong func(rule, want string)) {
	name, _ := keys.Get("CHAP_N")
	response, _ := keys.Get("CHAP_R")
	b, _ := binaryOf(response)
	want := 2
	if m.j.p.setup.mutual {
		want = 4
		id, _ := keys.Get("CHAP_I")
		challenge, _ := keys.Get("CHAP_C")
		n, _ := numberOf(id)
		own, ok := binaryOf(challenge)
		a.ownID, a.own = byte(n), own
		switch {
		case !ok || n < 0 || n > 255:
			wrong("auth.mutual-success", "CHAP_I and CHAP_C beside the proof")
		case bytes.Equal(own, a.challenge):
			wrong("auth.chap-c.not-reflected-by-initiator", "a challenge of its own")
		case slices.ContainsFunc(m.j.challenges, func(before []byte) bool { return bytes.Equal(before, own) }), len(own) < 16:
			wrong("auth.chap-c.own-fresh", "a fresh challenge of at least 16 bytes")
		}
		m.j.challenges = append(m.j.challenges, own)
	}
	switch {
	case len(keys) != want || name != initiatorUser:
		wrong("auth.chap-n.valid", "CHAP_N and CHAP_R, and with them CHAP_I and CHAP_C where the target has to prove itself")
	case !bytes.Equal(b, proof(a.identifier, initiatorSecret, a.challenge)):
		wrong("auth.chap-i.valid-range", "the right response")
	}
}
