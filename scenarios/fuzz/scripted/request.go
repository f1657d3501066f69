package scripted

import (
	"fmt"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// request holds a Login Request against what the model expects of it.
func (m *model) request(q *pdu.LoginRequest, r *record) {
	m.header(q, r)
	if secretIn(q.Data) {
		m.fault("auth.secret-not-exposed", fuzz.Outcome{Kind: Sent, Detail: "a secret"}, "no secret on the wire")
	}
	if len(q.Data) > 8192 {
		m.fault("login.cbit-own-large-offer", fuzz.Outcome{Kind: Sent, Detail: fmt.Sprintf("%d bytes", len(q.Data))}, "at most 8192 bytes")
	}
	if m.going {
		if len(q.Data) > 0 || q.Transit {
			m.fault("login.cbit-from-target", fuzz.Outcome{Kind: Sent, Detail: r.frame.String()}, "an empty request with T=0 while the array's text goes on")
		}
		return
	}
	m.own = append(m.own, q.Data...)
	if q.Continue {
		return
	}
	pairs, ok := pairsOf(m.own)
	m.own = nil
	if !ok {
		m.fault("negotiation.text-termination", fuzz.Outcome{Kind: Sent, Detail: pairs.String()}, "pairs with = that end in a zero byte")
	}
	m.pairs(q, pairs)
}

// header looks at the fields of a request (RFC 7143, Section 11.12).
func (m *model) header(q *pdu.LoginRequest, r *record) {
	wrong := func(rule, want string) { m.fault(rule, fuzz.Outcome{Kind: Sent, Detail: r.frame.String()}, want) }
	if m.rounds == 1 {
		m.first = *q
		m.stage = byte(q.CSG)
		m.j.identity(m, q)
	}
	switch {
	case !r.frame.BHS.Immediate() || q.VersionMax != 0 || q.VersionMin != 0 || len(r.frame.AHS) > 0:
		wrong("login.pdu-fields", "I=1, versions 0, no additional header segment")
	case q.ISID != m.first.ISID || q.TSIH != m.first.TSIH || q.CID != m.first.CID || q.ITT != m.first.ITT || q.CmdSN != m.first.CmdSN:
		wrong("login.identity-constant", "ISID, TSIH, CID, ITT and CmdSN as in the first request")
	case q.TSIH != 0:
		wrong("login.tsih-zero-leading", "TSIH 0")
	case q.CSG > 1 || byte(q.CSG) != m.stage:
		wrong("login.no-stage-return", fmt.Sprintf("CSG=%d", m.stage))
	case q.Transit && (q.Continue || q.NSG <= q.CSG || q.NSG == 2):
		wrong("login.tbit-usage", "T=1 with C=0 and a stage behind the current one")
	case m.counted && q.ExpStatSN != m.statSN:
		wrong("login.expstatsn-in-login", fmt.Sprintf("ExpStatSN %d", m.statSN))
	}
}

// pairs looks at a whole text of the initiator's.
func (m *model) pairs(q *pdu.LoginRequest, pairs text.Pairs) {
	wrong := func(rule string, p text.Pair, want string) {
		m.fault(rule, fuzz.Outcome{Kind: Sent, Detail: p.String()}, want)
	}
	m.names(pairs)
	security, others := text.CutSecurity(pairs)
	for _, p := range others {
		r := ruleOf(p.Key)
		if i := slices.IndexFunc(m.owed, func(o offered) bool { return o.key == p.Key }); i >= 0 {
			m.answered(m.owed[i], p)
			m.owed = slices.Delete(m.owed, i, i+1)
			continue
		}
		known := m.find(p.Key)
		switch {
		case known != nil:
			wrong("negotiation.offer-once", p, "each key once in a login")
			continue
		case reservedWord(p.Value):
			wrong("negotiation.reserved-words-never-offered", p, "a value")
		case m.stage == 0 && (r == nil || !r.security):
			wrong("login.security-stage-keys", p, "no key of the operational stage in the security stage")
		case r != nil && r.function != list && !r.takes(p.Value):
			wrong(r.row, p, "a value that the key has")
		}
		m.offers = append(m.offers, offered{key: p.Key, value: p.Value})
	}
	if len(m.owed) > 0 {
		o := m.owed[0]
		m.owed = nil
		m.fault("negotiation.answer-every-offer", fuzz.Outcome{Kind: Sent, Detail: pairs.String()}, "an answer to "+o.key+"="+o.value)
	}
	m.proofs(q, security)
}

// names looks whether the first text says who logs in to what.
func (m *model) names(pairs text.Pairs) {
	if len(m.offers) > 0 {
		return
	}
	name, _ := pairs.Get("InitiatorName")
	target, _ := pairs.Get("TargetName")
	kind, _ := pairs.Get("SessionType")
	discovery := m.j.p.flow.Setup == "discovery" || m.j.p.flow.Setup == "discovery"+loopSuffix
	if name != fuzzedInitiator || target != scriptedTarget && !discovery || kind != "Normal" && !discovery || kind != "Discovery" && discovery {
		m.fault("login.first-request-names", fuzz.Outcome{Kind: Sent, Detail: pairs.String()}, "InitiatorName, TargetName and SessionType in the first text")
	}
}

// answered holds the answer to an offer of the array's against the rules.
func (m *model) answered(o offered, p text.Pair) {
	r := ruleOf(o.key)
	o.settled, o.results, o.sure = true, []string{p.Value}, true
	right := true
	switch {
	case r == nil:
		right = p.Value == "NotUnderstood"
	case p.Value == "Reject", p.Value == "Irrelevant":
		o.results = []string{r.fallback}
	case r.function == list:
		right = slices.Contains(strings.Split(o.value, ","), p.Value) && r.takes(p.Value)
	case !r.takes(o.value):
		right = false
	default:
		right = r.fits(o.value, p.Value)
	}
	m.offers = append(m.offers, o)
	if !right {
		rule := "negotiation.answer-every-offer"
		if r == nil {
			rule = "negotiation.unknown-key-notunderstood"
		}
		m.fault(rule, fuzz.Outcome{Kind: Sent, Detail: p.String()}, "a lawful answer to "+o.key+"="+o.value)
	}
}
