package fuzz

import (
	"bytes"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// offer is a key that was sent in a login and that the target may answer.
type offer struct {
	key         int
	name, value string
	class       Class
	answered    bool
	answer      string
	unjudged    bool // what comes of it is the target's affair
}

// proposal is a key that the target has brought up and that is to be answered.
type proposal struct {
	key         int
	name, value string
	done        bool // it was answered, or needs no answer
	answered    bool
}

// pieces cuts a text at its zero bytes and passes over empty pieces.
func pieces(b []byte) []string {
	var out []string
	for len(b) > 0 {
		piece, rest, _ := bytes.Cut(b, []byte{0})
		if len(piece) > 0 {
			out = append(out, string(piece))
		}
		b = rest
	}
	return out
}

func cutPair(piece string) (name, value string, has bool) { return strings.Cut(piece, "=") }

// texts takes note of the pairs of a whole text, and looks for what is wrong with them (RFC 7143, Sections 6.1, 6.2 and 13).
func (m *model) texts(c *conn, q *request, pairs []sent, e *expect) {
	leading := !c.named
	for i := range pairs {
		m.name(c, &pairs[i], leading)
	}
	for i := range pairs {
		p := &pairs[i]
		if p.bare {
			e.fault("negotiation.text.missing-equals-sign", negative, 0)
			c.lenient = true
			continue
		}
		if !m.answersProposal(c, p, e) {
			m.offered(c, q, p, e)
		}
	}
	c.named = true
	for i := range c.proposals {
		if !c.proposals[i].done && c.proposals[i].value != "" && q.Transit {
			e.fault("negotiation.answer.every-offered-key-answered", negative, 0)
			c.lenient = true
		}
	}
	m.consistent(c, e)
}

// name takes note of who logs in to what.
func (m *model) name(c *conn, p *sent, leading bool) {
	if p.bare {
		return
	}
	switch p.key {
	case kInitiatorName:
		if !c.hasName {
			c.name, c.hasName = p.value, true
		} else if c.name != p.value {
			c.clouded = true
		}
	case kTargetName:
		if !c.hasTarget {
			c.target, c.hasTarget = p.value, true
		} else if c.target != p.value {
			c.clouded = true
		}
	case kSessionType:
		if leading && c.typed == "" {
			c.typed = p.value
			if p.value == "" {
				c.clouded = true
			}
		} else {
			c.clouded = true
		}
	default:
		return
	}
	if !leading {
		c.clouded, c.lenient = true, true // The names belong into the first text.
	}
}

// answersProposal tells whether a pair answers what the target has proposed.
func (m *model) answersProposal(c *conn, p *sent, e *expect) bool {
	for i := range c.proposals {
		t := &c.proposals[i]
		if t.answered || t.name != p.name {
			continue
		}
		t.done, t.answered = true, true
		if !lawfulAnswer(t.key, t.value, p.value) {
			e.fault("negotiation.numeric.out-of-range-rejected", negative, 0)
			c.clouded = true
		} else {
			m.settle(c, t.key, p.value)
		}
		return true
	}
	return false
}

// offered takes note of an offer or declaration.
func (m *model) offered(c *conn, q *request, p *sent, e *expect) {
	k := &keys[p.key]
	class := classOf(p.key, p.name, p.value)
	o := offer{key: p.key, name: p.name, value: p.value, class: class}
	again := slices.ContainsFunc(c.offers, func(old offer) bool { return old.name == p.name })
	m.tally.keys[p.key][classIndex[class]]++
	if again {
		m.tally.keys[p.key][classIndex[Duplicated]]++
		m.repeated(c, p, e)
		o.unjudged = true
	}
	c.asked |= 1 << p.key
	legal := class == Legal || class == Boundary
	switch {
	case k.function == secret:
		o.unjudged = true
	case k.function == foreigner || k.function == question:
		e.fault("keys.send-targets.not-in-login", negative, 0)
		o.unjudged, c.lenient = true, true
	case p.key == kAuthMethod && q.CSG == pdu.StageOperational:
		e.fault("login.stage.security-keys-after-security-refused", negative, 0)
		o.unjudged, c.lenient = true, true
	case !k.either && k.function != strange && q.CSG == pdu.StageSecurity:
		e.fault("negotiation.stage.operational-keys-in-security", negative, 0)
		o.unjudged, c.lenient = true, true
		m.unsettle(c, p.key)
	case !legal:
		e.fault(illegalRule(p.key), negative, 0)
		c.lenient = true
		if k.function == numeric {
			c.clouded = true
		}
	case k.function == strange && (q.CSG == pdu.StageSecurity || strings.HasPrefix(p.name, "X#")):
		o.unjudged = q.CSG == pdu.StageSecurity
	case k.leading && c.first.TSIH != 0, c.discoveryLogin() && !k.either && p.key != kMaxRecvDataSegmentLength:
		e.fault("keys.leading-only.second-connection-does-not-renegotiate", negative, 0)
		o.unjudged, c.lenient = true, true
	case k.function == obsolete:
		o.unjudged = true
	}
	if c.clouded || c.first.TSIH != 0 && k.leading || c.discoveryLogin() && k.leading {
		o.unjudged = true
	}
	c.offers = append(c.offers, o)
}

// repeated is for a key that comes a second time in one login: it is to be refused (RFC 7143, Section 6.2).
func (m *model) repeated(c *conn, p *sent, e *expect) {
	k := &keys[p.key]
	for i := range c.offers {
		if c.offers[i].name == p.name {
			c.offers[i].unjudged = true
		}
	}
	mild := k.function == strange || k.function == numeric || k.function == declared || k.function == obsolete || k.function == foreigner ||
		k.function == question || k.function == secret
	if k.leading && c.first.TSIH != 0 || c.discoveryLogin() || p.key == kAuthMethod || mild || m.set.foreign && c.clouded {
		e.fault("negotiation.renegotiation.later-pdu-refused", negative, 0)
		c.clouded = true
		return
	}
	e.fault("negotiation.renegotiation.later-pdu-refused", negative, mFull)
	c.lenient, c.barred = true, "negotiation.renegotiation.later-pdu-refused"
	m.unsettle(c, p.key)
}

// illegalRule is the row about illegal values of a key.
func illegalRule(k int) string {
	switch keys[k].function {
	case and, or:
		return "negotiation.boolean.illegal-value"
	case list:
		return "negotiation.list.none-acceptable-rejected"
	case strange:
		return "negotiation.text.key-name-over-63-bytes"
	case declared:
		return "negotiation.text.value-over-255-bytes"
	}
	return "negotiation.numeric.out-of-range-rejected"
}

// consistent allows a refusal where FirstBurstLength is, or would be, beyond MaxBurstLength (RFC 7143, Section 13.14), and where recovery
// asks for one R2T at a time (Section 13.17).
func (m *model) consistent(c *conn, e *expect) {
	most, first := keys[kMaxBurstLength].fallback, keys[kFirstBurstLength].fallback
	level, r2ts := 0, 1
	for _, o := range c.offers {
		n, ok := numberOf(o.value)
		switch {
		case !ok:
		case o.key == kMaxBurstLength:
			most = n
		case o.key == kFirstBurstLength:
			first = n
		case o.key == kErrorRecoveryLevel:
			level = n
		case o.key == kMaxOutstandingR2T:
			r2ts = n
		}
	}
	if first > most {
		e.fault("keys.first-burst-length.not-above-max-burst", negative, 0)
	}
	if level > 0 && r2ts > 1 {
		e.fault("keys.max-outstanding-r2t.one-with-recovery-and-order", negative, 0)
	}
}

// unsettle makes what was agreed about digests unknown, so that nothing that depends on it is judged.
func (m *model) unsettle(c *conn, k int) {
	if k == kHeaderDigest || k == kDataDigest {
		c.clouded = true
	}
}

// settle takes note of a result.
func (m *model) settle(c *conn, k int, value string) {
	switch k {
	case kHeaderDigest:
		c.header = value == "CRC32C"
	case kDataDigest:
		c.data = value == "CRC32C"
	case kMaxConnections:
		c.connections, _ = numberOf(value)
	case kAuthMethod:
		c.method = value
		if value == "CHAP" && c.chap.step == chapNone {
			c.chap.step = chapAgreed
		}
	}
}

// lawfulAnswer tells whether a value answers an offer of a key by the rules of RFC 7143, Section 6.2.
func lawfulAnswer(k int, offered, answer string) bool {
	if answer == reject || answer == notUnderstood || answer == irrelevant {
		return true
	}
	key := &keys[k]
	switch key.function {
	case and:
		return answer == "No" || answer == "Yes" && offered != "No"
	case or:
		return answer == "Yes" || answer == "No" && offered != "Yes"
	case minimum, maximum:
		n, ok := numberOf(answer)
		o, legal := numberOf(offered)
		if !ok || n < key.min || n > key.max {
			return false
		}
		if !legal || o < key.min || o > key.max {
			return true // No legal value can follow from an illegal offer: one that is legal by itself will do.
		}
		return key.function == minimum && n <= o || key.function == maximum && n >= o
	case list:
		return slices.Contains(strings.Split(offered, ","), answer)
	}
	return true
}
