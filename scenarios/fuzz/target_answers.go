package fuzz

import (
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// judgePair takes one pair of an answer: it answers an offer, or is the target's own.
func (m *model) judgePair(c *conn, p *pdu.LoginResponse, k int, name, value string) *violation {
	for i := range c.offers {
		o := &c.offers[i]
		if o.name != name || o.unjudged && o.answered {
			continue
		}
		if k == kMaxRecvDataSegmentLength || !keys[k].answered() && value != reject && value != notUnderstood && value != irrelevant {
			break // It is a declaration of the target's own.
		}
		if o.answered && !o.unjudged && !c.lenient {
			return broken("negotiation.answer.every-offered-key-answered", "one answer to "+name)
		}
		o.answered, o.answer = true, value
		m.settle(c, k, value)
		return m.judgeValue(c, o, value)
	}
	return m.judgeOwn(c, p, k, name, value)
}

// judgeValue looks at the answer to an offer (RFC 7143, Sections 6.2 and 13).
func (m *model) judgeValue(c *conn, o *offer, answer string) *violation {
	k := &keys[o.key]
	legal := o.class == Legal || o.class == Boundary
	switch {
	case o.unjudged:
		return nil
	case k.function == strange:
		if answer != notUnderstood && legal {
			return broken("negotiation.unknown-key.standard-looking-name", o.name+"=NotUnderstood")
		}
		return nil
	case answer == notUnderstood && k.mild, answer == irrelevant && o.key != kMaxBurstLength:
		return nil
	case answer == notUnderstood:
		if legal {
			return broken("negotiation.known-key.never-notunderstood", "an answer to "+o.name+" by its rules")
		}
		return nil
	case answer == irrelevant:
		return broken("negotiation.irrelevant.answer-when-key-has-no-effect", "a number")
	case answer == reject:
		return m.judgeReject(o, legal)
	case !lawfulAnswer(o.key, o.value, answer):
		return broken(valueRule(o.key, legal), "an answer to "+o.name+"="+o.value+" by the key's rules, or Reject")
	}
	return m.judgeBurst(c, o, answer)
}

// judgeReject: an offer that is legal is not to be rejected where the key's rule gives a result.
func (m *model) judgeReject(o *offer, legal bool) *violation {
	if !legal {
		return nil
	}
	switch o.key {
	case kFirstBurstLength, kMaxOutstandingR2T, kTaskReporting, kISCSIProtocolLevel, kAuthMethod:
		return nil
	case kHeaderDigest, kDataDigest:
		if !slices.Contains(strings.Split(o.value, ","), "None") || m.set.foreign {
			return nil
		}
	}
	return broken(valueRule(o.key, true), "a result of "+o.name+"="+o.value)
}

// judgeBurst holds FirstBurstLength against MaxBurstLength (RFC 7143, Section 13.14).
func (m *model) judgeBurst(c *conn, o *offer, answer string) *violation {
	if o.key != kFirstBurstLength || c.lenient {
		return nil
	}
	first, _ := numberOf(answer)
	for i := range c.offers {
		if most, ok := numberOf(c.offers[i].answer); ok && c.offers[i].key == kMaxBurstLength && first > most {
			return broken("keys.first-burst-length.not-above-max-burst", "at most the agreed MaxBurstLength")
		}
	}
	return nil
}

// valueRule is the row about the results of a key.
func valueRule(k int, legal bool) string {
	switch keys[k].function {
	case and:
		if legal {
			return "negotiation.boolean.and-function"
		}
	case or:
		if legal {
			return "negotiation.boolean.or-function"
		}
	case minimum:
		if legal {
			return "negotiation.numeric.min-function"
		}
	case maximum:
		if legal {
			return "negotiation.numeric.max-function"
		}
	case list:
		if legal {
			return "negotiation.list.first-supported-chosen"
		}
	}
	return illegalRule(k)
}

// judgeOwn looks at what the target says without being asked.
func (m *model) judgeOwn(c *conn, p *pdu.LoginResponse, k int, name, value string) *violation {
	key := &keys[k]
	switch k {
	case kInitiatorName, kTargetName, kInitiatorAlias, kSessionType, kSendTargets:
		if value == reject || value == irrelevant || value == notUnderstood || c.asked&(1<<k) != 0 {
			return nil
		}
		return broken("negotiation.target-proposals.legal-values", "no key that only an initiator may send")
	case kMaxRecvDataSegmentLength:
		if value == notUnderstood {
			return m.judgeDeclared(c, k)
		}
		if n, ok := numberOf(value); value != reject && value != irrelevant && (!ok || n < key.min || n > key.max) {
			return broken("keys.mrdsl.target-declaration-legal", "512 to 16777215")
		}
		return nil
	}
	c.told |= 1 << k
	if !key.answered() {
		return nil
	}
	for _, old := range c.proposals {
		if old.name == name && !c.lenient {
			return broken("negotiation.target-proposals.legal-values", "no second proposal of "+name)
		}
	}
	decides := key.function == or && value == "Yes" || key.function == and && value == "No"
	switch class := classOf(k, name, value); {
	case class != Legal && class != Boundary && !c.lenient:
		return broken("negotiation.target-proposals.legal-values", "a legal value of "+name)
	case p.Transit && !decides && !c.lenient:
		return broken("login.response.t1-carries-no-open-question", "no question in a response with T=1")
	case !p.Transit:
		c.proposals = append(c.proposals, proposal{key: k, name: name, value: value, done: decides})
	}
	return nil
}

// judgeDeclared: a declaration needs no answer, and is none that a target may not know.
func (m *model) judgeDeclared(c *conn, k int) *violation {
	for i := range c.offers {
		if o := &c.offers[i]; o.key == k && (o.unjudged || o.class != Legal && o.class != Boundary) {
			return nil
		}
	}
	return broken("negotiation.answer.declarations-need-no-answer", "no answer to a declaration")
}

// valueOf finds a key in a text.
func valueOf(data []byte, key string) (string, bool) {
	for _, piece := range pieces(data) {
		if name, value, _ := cutPair(piece); name == key {
			return value, true
		}
	}
	return "", false
}

// unanswered looks, at the end of a login, for offers that no answer has come to.
func (m *model) unanswered(c *conn) *violation {
	if c.clouded || c.discoveryLogin() || c.first.TSIH != 0 {
		return nil
	}
	long := 0
	for i := range c.offers {
		if c.offers[i].key == kUnknown {
			long += len(c.offers[i].name) + len("=NotUnderstood") + 1
		}
	}
	for i := range c.offers {
		o := &c.offers[i]
		k := &keys[o.key]
		if m.set.foreign && long > segmentMax-1024 {
			continue // The answers may not fit; the catalogue lets them be left out then.
		}
		decides := k.function == or && o.value == "Yes" || k.function == and && o.value == "No"
		if o.answered || o.unjudged || !k.answered() || k.mild || decides || o.class != Legal && o.class != Boundary {
			continue
		}
		if k.function == strange {
			return broken("negotiation.unknown-key.notunderstood", o.name+"=NotUnderstood")
		}
		return broken("negotiation.answer.every-offered-key-answered", "an answer to "+o.name)
	}
	if c.told&(1<<kTargetPortalGroupTag) == 0 && !c.lenient {
		return broken("keys.target-portal-group-tag.in-first-response", "a TargetPortalGroupTag")
	}
	return nil
}

// missing counts, at the end of a login, the keys that it has left out.
func (m *model) missing(c *conn) {
	for k := range kUnknown {
		if c.asked&(1<<k) == 0 {
			m.tally.keys[k][classIndex[Missing]]++
		}
	}
}
