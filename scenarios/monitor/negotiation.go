package monitor

import (
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/text"
)

// The rules of negotiation that bind the target.
var (
	answersOnce = rule{side: target, row: "negotiation.answer.every-offered-key-answered", name: "one answer to each offer",
		clause: "RFC 7143, Section 6.2", needs: framing | login | keys, spoils: keys}
	strangeAnswered = rule{side: target, row: "negotiation.unknown-key.notunderstood", name: "an answer to each unknown key",
		clause: "RFC 7143, Section 6.2", needs: framing | login | keys}
	emptyForPart = rule{side: target, row: "login.cbit.answered-with-empty-response", name: "an empty answer to a part of a text",
		clause: "RFC 7143, Section 6.2", needs: framing | login | keys, spoils: keys}
	understood = rule{side: target, row: "negotiation.known-key.never-notunderstood", name: "defined keys are comprehended",
		clause: "RFC 7143, Section 6.2", needs: framing | login | keys, spoils: keys}
	minimum = rule{side: target, row: "negotiation.numeric.min-function", name: "the smaller number", clause: "RFC 7143, Section 6.2.2",
		needs: framing | login | keys, spoils: keys}
	maximum = rule{side: target, row: "negotiation.numeric.max-function", name: "the larger number", clause: "RFC 7143, Section 6.2.2",
		needs: framing | login | keys, spoils: keys}
	orFunction = rule{side: target, row: "negotiation.boolean.or-function", name: "Yes when one side says Yes", clause: "RFC 7143, Section 6.2.2",
		needs: framing | login | keys, spoils: keys}
	andFunction = rule{side: target, row: "negotiation.boolean.and-function", name: "No when one side says No", clause: "RFC 7143, Section 6.2.2",
		needs: framing | login | keys, spoils: keys}
	fromTheList = rule{side: target, row: "negotiation.list.none-acceptable-rejected", name: "a value of the list", clause: "RFC 7143, Section 6.2.1",
		needs: framing | login | keys, spoils: keys}
	methodOffered = rule{side: target, row: "auth.method.first-acceptable-chosen", name: "a method of the list", clause: "RFC 7143, Section 6.2.1",
		needs: framing | login | keys, spoils: keys}
	legalProposals = rule{side: target, row: "negotiation.target-proposals.legal-values", name: "proposals of a target",
		clause: "RFC 7143, Section 6.2", needs: framing | login | keys, spoils: keys}
	noReservedWords = rule{side: target, row: "negotiation.reserved-words.only-as-answers", name: "reserved words are answers",
		clause: "RFC 7143, Section 6.2", needs: framing | login | keys, spoils: keys}
	securityKeys = rule{side: target, row: "negotiation.stage.security-responses-security-keys-only", name: "keys of the security stage",
		clause: "RFC 7143, Section 12", needs: framing | login | keys}
	openQuestion = rule{side: target, row: "login.response.t1-carries-no-open-question", name: "T=1 leaves no question open",
		clause: "RFC 7143, Section 6.3", needs: framing | login | keys, spoils: keys}
	withdrawnNames = rule{side: target, row: "negotiation.names.no-withdrawn-prefixes", name: "withdrawn prefixes", clause: "RFC 7143, Section 13.22",
		needs: framing | login | keys}
	discoveryVendor = rule{side: target, row: "discovery.session.no-vendor-keys", name: "no vendor's keys in a Discovery session",
		clause: "RFC 7143, Section 13.22", needs: framing | login | keys}
)

// The rules of negotiation that bind the initiator.
var (
	offersOnce = rule{side: initiator, row: "negotiation.offer-once", name: "a key is offered once a login", clause: "RFC 7143, Section 6.3",
		needs: framing | login | keys, spoils: everything &^ framing}
	offersReserved = rule{side: initiator, row: "negotiation.reserved-words-never-offered", name: "reserved words are answers",
		clause: "RFC 7143, Section 6.2", needs: framing | login | keys, spoils: everything &^ framing}
	initiatorSecurity = rule{side: initiator, row: "login.security-stage-keys", name: "keys of the security stage", clause: "RFC 7143, Section 12",
		needs: framing | login | keys, spoils: keys | login}
	initiatorNames = rule{side: initiator, row: "negotiation.no-withdrawn-prefixes", name: "withdrawn prefixes", clause: "RFC 7143, Section 13.22",
		needs: framing | login | keys, spoils: keys}
	noSendTargets = rule{side: initiator, row: "discovery.sendtargets-not-in-login", name: "no SendTargets in a login", clause: "RFC 7143, Section 13.3",
		needs: framing | login, spoils: keys | login}
	answersAll = rule{side: initiator, row: "negotiation.answer-every-offer", name: "each offer is answered", clause: "RFC 7143, Section 6.2",
		needs: framing | login | keys, spoils: keys | login}
	answersStrange = rule{side: initiator, row: "negotiation.unknown-key-notunderstood", name: "an answer to each unknown key",
		clause: "RFC 7143, Section 6.2", needs: framing | login | keys, spoils: login}
	initiatorBooleans = rule{side: initiator, row: "negotiation.boolean-functions", name: "booleans by their function",
		clause: "RFC 7143, Section 6.2.2", needs: framing | login | keys, spoils: keys | login}
	initiatorList = rule{side: initiator, row: "negotiation.list-picks-own-offer", name: "a value of the list", clause: "RFC 7143, Section 6.2.1",
		needs: framing | login | keys, spoils: keys | login}
)

// negotiation follows the keys of one login.
type negotiation struct {
	keys     map[string]*spoken
	order    []string
	declared [2]map[string]string
}

// spoken is what was said about one negotiated key.
type spoken struct {
	by       side
	offer    string
	answer   string
	answered bool
}

// maxKeys bounds how many keys of one login are followed.
const maxKeys = 4096

func newNegotiation() *negotiation {
	return &negotiation{keys: map[string]*spoken{}, declared: [2]map[string]string{{}, {}}}
}

// say takes one pair of a login.
func (n *negotiation) say(c *conn, from side, pair text.Pair, security bool) {
	key, known := text.Lookup(pair.Key)
	switch {
	case known && key.Function == text.Security:
		return
	case known && key.Function == text.Command:
		if from == initiator {
			c.broken(&noSendTargets, "%v in a login", pair)
		}
		c.spoil(from, keys)
		return
	case len(n.keys) >= maxKeys:
		c.lose(keys)
		return
	}
	if known && key.Function == text.Declarative {
		n.declare(c, from, pair, key, security)
		return
	}
	s := n.keys[pair.Key]
	if s == nil || s.by == from || s.answered {
		n.named(c, from, pair)
	}
	switch {
	case s == nil:
		n.keys[pair.Key] = &spoken{by: from, offer: pair.Value}
		n.order = append(n.order, pair.Key)
		n.offered(c, from, pair, key, known, security)
	case s.by == from && from == initiator:
		c.broken(&offersOnce, "%s is offered again", pair.Key)
	case s.by == from:
		c.broken(&legalProposals, "%s is proposed again", pair.Key)
	case s.answered && from == target:
		c.broken(&answersOnce, "%s is answered again", pair.Key)
	case s.answered:
		c.broken(&offersOnce, "%s is answered again", pair.Key)
	default:
		s.answer, s.answered = pair.Value, true
		n.answered(c, from, pair, key, known, s)
	}
}

// declare takes a key that needs no answer.
func (n *negotiation) declare(c *conn, from side, pair text.Pair, key text.Key, security bool) {
	if text.Reserved(pair.Value) { // an answer to what needed none
		c.spoil(from, keys)
		return
	}
	if _, before := n.declared[from][pair.Key]; before && pair.Key != text.KeyTargetAddress {
		if from == initiator {
			c.broken(&offersOnce, "%s is declared again", pair.Key)
		} else {
			c.broken(&legalProposals, "%s is declared again", pair.Key)
		}
		return
	}
	n.declared[from][pair.Key] = pair.Value
	if !key.Admits(pair.Value) {
		if from == target {
			c.broken(&legalProposals, "%v", pair)
			return
		}
		c.spoil(initiator, everything&^framing)
		return
	}
	n.placed(c, from, pair.Key, key, security)
}

// placed holds a key that a side sends of its own accord to the stage that it may come in.
func (n *negotiation) placed(c *conn, from side, name string, key text.Key, security bool) {
	if !security || key.Security {
		return
	}
	if from == target {
		c.broken(&securityKeys, "%s in the security stage", name)
		return
	}
	c.broken(&initiatorSecurity, "%s in the security stage", name)
}

// offered looks at an offer.
func (n *negotiation) offered(c *conn, from side, pair text.Pair, key text.Key, known, security bool) {
	if words := text.ParseList(pair.Value); slices.ContainsFunc(words, text.Reserved) {
		if from == target {
			c.broken(&noReservedWords, "%v", pair)
			return
		}
		c.broken(&offersReserved, "%v", pair)
		return
	}
	if !known {
		if from == target && strings.HasPrefix(pair.Key, "X-") && n.discovery() {
			c.broken(&discoveryVendor, "%s in a Discovery session", pair.Key)
		}
		return
	}
	n.placed(c, from, pair.Key, key, security)
	legal := key.Admits(pair.Value)
	if key.Function == text.List {
		legal = pair.Value != ""
	}
	if legal && key.Function != text.Obsolete {
		return
	}
	if from == target && key.Function != text.Obsolete {
		c.broken(&legalProposals, "%v", pair)
		return
	}
	c.spoil(from, keys)
}

// named looks at the names of keys and methods that stand outside the standards.
func (n *negotiation) named(c *conn, from side, pair text.Pair) {
	withdrawn := false
	for _, prefix := range []string{"X#", "Y#", "Z#"} {
		withdrawn = withdrawn || strings.HasPrefix(pair.Key, prefix) && pair.Key != text.KeyNodeArchitecture
	}
	for _, value := range text.ParseList(pair.Value) {
		switch pair.Key {
		case text.KeyHeaderDigest, text.KeyDataDigest:
			withdrawn = withdrawn || strings.HasPrefix(value, "X-") || strings.HasPrefix(value, "Z-") || len(value) > 1 && value[1] == '#'
		case text.KeyAuthMethod:
			withdrawn = withdrawn || strings.HasPrefix(value, "X-") || strings.HasPrefix(value, "Y-") || len(value) > 1 && value[1] == '#'
		}
	}
	switch {
	case !withdrawn:
	case from == target:
		c.broken(&withdrawnNames, "%v", pair)
	default:
		c.broken(&initiatorNames, "%v", pair)
	}
}

// discovery tells whether the login asks for a Discovery session.
func (n *negotiation) discovery() bool {
	return n.declared[initiator][text.KeySessionType] == "Discovery"
}

// openQuestions looks for proposals in the target's text of a response with T=1.
func (n *negotiation) openQuestions(c *conn, pairs text.Pairs) {
	for _, pair := range pairs {
		key, known := text.Lookup(pair.Key)
		s := n.keys[pair.Key]
		if s == nil || s.by != target || s.answered || known && key.Decides(s.offer) || text.Reserved(s.offer) {
			continue
		}
		c.broken(&openQuestion, "%v, which the initiator did not offer, together with T=1", pair)
		return
	}
}
