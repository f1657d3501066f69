package fuzz

import (
	"bytes"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// The steps of CHAP (RFC 7143, Section 12.1.3).
type chapStep byte

const (
	chapNone       chapStep = iota
	chapAgreed              // AuthMethod=CHAP is the result
	chapChallenged          // the challenge has come
	chapProven              // the right response went out, and was taken
)

// chapState is how far an authentication is.
type chapState struct {
	step                  chapStep
	lists                 string // the algorithms offered
	algorithm             int
	identifier            byte
	challenge             []byte
	pending               bool // a right response is in the request at hand
	mutual                bool // it asks for the target's proof
	ownChallenge          []byte
	ownIdentifier         byte
	got                   bool // the target's proof was right
	responses, algorithms int  // CHAP_R and CHAP_A in the request at hand
}

// authentication looks at the security keys of a request, and at whether the login may end without authentication (RFC 7143, Sections 6.3.2
// and 12.1).
func (m *model) authentication(c *conn, q *request, pairs []sent, e *expect) {
	c.chap.pending, c.chap.responses, c.chap.algorithms = false, 0, 0
	if m.set.foreign && c.discoveryLogin() { // Whether discovery asks for authentication, and with which secrets, is not known.
		e.limit("auth.method.absent-when-required", negative, 0)
		c.lenient = true
		return
	}
	if c.clouded {
		e.limit("auth.method.absent-when-required", negative, 0)
		return
	}
	said, twice := chapKeys(pairs)
	if len(said) > 0 {
		m.chapRequest(c, q, said, twice, e)
	}
	if c.chap.step == chapAgreed || c.chap.step == chapChallenged && !c.chap.pending {
		e.limit("auth.method.absent-when-required", negative&^m.holding(q), mGrant|mFull)
	}
	m.method(c, q, e)
}

// holding is negative where a request asks for nothing that it may not have yet.
func (m *model) holding(q *request) mask {
	if q.Transit {
		return 0
	}
	return negative
}

// method looks at whether the method that was offered will do.
func (m *model) method(c *conn, q *request, e *expect) {
	if c.chap.step == chapProven || c.chap.pending {
		return
	}
	offered, has := "", false
	for _, o := range c.offers {
		if o.key == kAuthMethod {
			offered, has = o.value, true
		}
	}
	members := strings.Split(offered, ",")
	takesNone, takesCHAP := !has || slices.Contains(members, "None"), slices.Contains(members, "CHAP")
	switch {
	case m.set.auth == required && q.CSG == pdu.StageOperational:
		e.fault("auth.method.operational-start-when-required", negative, mFull)
	case m.set.auth == required && (!takesCHAP || q.Transit):
		e.fault("auth.method.absent-when-required", negative, mGrant|mFull)
	case m.set.auth == required:
		e.barred |= mGrant | mFull
	case m.set.auth == optional && !takesNone && q.CSG == pdu.StageSecurity:
		e.limit("auth.method.absent-when-required", negative&^m.holding(q), 0)
	case m.set.auth == open && has && !takesNone && q.CSG == pdu.StageSecurity:
		e.fault("auth.method.unsupported-only", negative, 0)
	}
	if has && !takesNone && !takesCHAP && q.CSG == pdu.StageSecurity {
		e.fault("auth.method.unsupported-only", negative, 0)
	}
}

// chapKeys gathers the CHAP keys of a request, and tells whether one came twice.
func chapKeys(pairs []sent) (map[int]string, bool) {
	var said map[int]string
	twice := false
	for _, p := range pairs {
		if keys[p.key].function != secret || p.bare {
			continue
		}
		if said == nil {
			said = map[int]string{}
		}
		_, again := said[p.key]
		twice = twice || again
		said[p.key] = p.value
	}
	return said, twice
}

// chapRequest judges the CHAP keys of one request.
func (m *model) chapRequest(c *conn, q *request, said map[int]string, twice bool, e *expect) {
	has := func(ks ...int) bool {
		return len(said) == len(ks) && !slices.ContainsFunc(ks, func(k int) bool { _, is := said[k]; return !is })
	}
	_, c.chap.algorithms = said[kCHAPA], 1
	c.lenient = c.lenient || twice
	switch {
	case q.CSG != pdu.StageSecurity:
		e.fault("auth.chap.keys-outside-security-stage", negative, 0)
		c.clouded = true
	case c.chap.step == chapNone || c.chap.step == chapProven || c.clouded || twice || m.set.foreign && m.set.User == "":
		e.fault("auth.chap.order-algorithm-with-method", negative, 0)
		c.clouded = true
		if m.set.auth == required && c.chap.step != chapProven {
			e.barred |= mGrant | mFull
			e.bars = "auth.method.absent-when-required"
		}
	case c.chap.step == chapAgreed && has(kCHAPA):
		m.algorithms(c, said[kCHAPA], e)
	case c.chap.step == chapAgreed:
		e.fault("auth.chap.order-response-before-algorithm", negative, positive)
	case has(kCHAPN, kCHAPR), has(kCHAPN, kCHAPR, kCHAPI, kCHAPC):
		m.response(c, said, e)
	case said[kCHAPN] != "" && said[kCHAPR] != "":
		e.fault("auth.chap.mutual-missing-half", negative, positive)
	default:
		e.fault("auth.chap.missing-response-key", negative, positive)
	}
}

// algorithms judges the list of CHAP_A.
func (m *model) algorithms(c *conn, value string, e *expect) {
	c.chap.lists = value
	switch secretClass(kCHAPA, value) {
	case Malformed:
		e.fault("auth.chap.algorithm-malformed", negative, mGrant|mFull)
		c.lenient = true
	case Illegal:
		e.fault("auth.chap.algorithm-none-supported", negative, mGrant|mFull)
		c.lenient = true
	default:
		if m.set.foreign && !slices.Contains(strings.Split(value, ","), "5") {
			e.fault("auth.chap.algorithm-from-list", negative, 0)
			c.lenient = true
		}
		e.barred |= mGrant | mFull
	}
}

// proof is the response to a challenge; nil for an algorithm that nobody knows.
func proof(algorithm int, identifier byte, secret string, challenge []byte) []byte {
	if algorithm < 5 || algorithm > 8 {
		return nil
	}
	return chap.Response(chap.Algorithm(algorithm), identifier, iscsi.Secret(secret), challenge)
}

// response judges CHAP_N and CHAP_R, and what asks for the target's proof.
func (m *model) response(c *conn, said map[int]string, e *expect) {
	c.chap.responses = 1
	value, ok := binaryOf(said[kCHAPR])
	want := proof(c.chap.algorithm, c.chap.identifier, m.set.Secret, c.chap.challenge)
	if !ok || want == nil || !bytes.Equal(value, want) || said[kCHAPN] != m.set.User {
		rule := "auth.chap.wrong-response-refused"
		if said[kCHAPN] != m.set.User {
			rule = "auth.chap.unknown-name-refused"
		}
		e.fault(rule, negative, positive)
		return
	}
	c.chap.pending = true
	if strings.HasPrefix(said[kCHAPR], "0b") || strings.HasPrefix(said[kCHAPR], "0B") {
		if m.set.foreign {
			e.fault("auth.chap.response-hex-and-base64", negative, 0)
			c.lenient = true
		}
	}
	challenge, asks := said[kCHAPC]
	if !asks {
		return
	}
	own, okC := binaryOf(challenge)
	id, okI := numberOf(said[kCHAPI])
	c.chap.mutual, c.chap.ownChallenge, c.chap.ownIdentifier = true, own, byte(id)
	switch {
	case !okC || !okI || id > 255 || len(own) == 0:
		e.fault("auth.chap.mutual-missing-half", negative, positive)
	case bytes.Equal(own, c.chap.challenge):
		e.fault("auth.chap.mutual-challenge-reflection-refused", negative, positive)
	case len(own) > 1024 || len(own) < 16, m.reflects(c, own):
		e.fault("auth.chap.mutual-challenge-too-long", negative, 0)
		c.lenient = true
	case m.set.Own == "" || m.set.foreign:
		e.fault("auth.chap.mutual-requested-but-unconfigured", negative, 0)
		c.lenient = true
	}
}

// reflects tells whether a challenge is one that the target has sent on another connection.
func (m *model) reflects(c *conn, challenge []byte) bool {
	for i := range m.conns {
		if o := &m.conns[i]; o != c && bytes.Equal(o.chap.challenge, challenge) {
			return true
		}
	}
	return false
}

// chapAnswers judges the CHAP keys of a response; it gives the rule that they break and what would have been lawful.
func (m *model) chapAnswers(c *conn, said map[int]string) (rule, want string) {
	value, challenged := said[kCHAPC]
	challenged = challenged && value != notUnderstood && value != reject && value != irrelevant
	response, proves := said[kCHAPR]
	s := &c.chap
	switch {
	case c.clouded:
	case challenged && c.csg != pdu.StageSecurity:
		return "auth.chap.keys-outside-security-stage", "no challenge outside the security stage"
	case challenged && s.step == chapAgreed:
		return m.challenge(c, said)
	case challenged:
		c.clouded = true
	case proves && s.pending && s.mutual && m.set.Own != "" && !m.set.foreign:
		value, ok := binaryOf(response)
		if !ok || said[kCHAPN] != m.set.Own || !bytes.Equal(value, proof(s.algorithm, s.ownIdentifier, m.set.OwnSecret, s.ownChallenge)) {
			return "auth.chap.mutual-success", "the target's own name and the right proof"
		}
		s.got = true
	}
	return "", ""
}

// challenge takes the target's challenge.
func (m *model) challenge(c *conn, said map[int]string) (rule, want string) {
	s := &c.chap
	algorithm, okA := numberOf(said[kCHAPA])
	identifier, okI := numberOf(said[kCHAPI])
	challenge, okC := binaryOf(said[kCHAPC])
	offered := slices.Contains(strings.Split(s.lists, ","), said[kCHAPA])
	class := secretClass(kCHAPA, s.lists)
	switch {
	case class == Malformed && strings.HasPrefix(s.lists, "5"), class == Malformed && strings.HasPrefix(s.lists, "0"):
	case class == Malformed:
		return "auth.chap.algorithm-malformed", "a refusal, or CHAP_A=Reject"
	case class == Illegal:
		return "auth.chap.algorithm-none-supported", "a refusal"
	case !okA || !offered:
		return "auth.chap.algorithm-from-list", "one member of the list " + s.lists
	}
	if !okI || identifier > 255 || !okC || len(challenge) < 1 || len(challenge) > 1024 {
		return "auth.chap.challenge-size-and-encoding", "CHAP_I from 0 to 255 and a CHAP_C of 1 to 1024 bytes"
	}
	if m.reflects(c, challenge) {
		return "auth.chap.challenge-fresh-each-time", "a challenge that was not sent before"
	}
	s.step, s.algorithm, s.identifier, s.challenge = chapChallenged, algorithm, byte(identifier), challenge
	return "", ""
}
