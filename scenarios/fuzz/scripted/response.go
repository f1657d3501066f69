package scripted

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// response decides what may follow a Login Response, or what came in its place.
func (m *model) response(r *record) {
	var p pdu.LoginResponse
	if p.DecodeBHS(&r.frame.BHS) != nil {
		rule := "login.foreign-pdu-during-login"
		if r.frame.Opcode() == pdu.OpReject {
			rule = "login.reject-negotiation-reset"
		}
		m.decide(rule, refuses)
		return
	}
	p.Data = r.frame.Data
	bad, rule := m.broken(&p)
	m.statSN, m.counted = p.StatSN+1, true
	switch {
	case len(p.Data) > 8192:
		m.decide("login.oversized-response", refuses)
		return
	case p.StatusClass != 0:
		m.refused(&p, bad)
		return
	}
	doubtful := reaction(0)
	if p.StatusDetail != 0 { // a success that nobody knows
		doubtful, m.status = takesNo, p.Status()
	}
	if bad != 0 {
		m.decide(rule, bad|doubtful)
		return
	}
	m.text(&p)
	m.allowed |= doubtful
	if p.ISID != m.asked.ISID || p.TSIH != 0 && m.allowed&goesOn != 0 || p.TSIH == 0 && m.allowed&enters != 0 {
		m.allowed |= refuses // which is not asked for
	}
}

// broken tells which rule the header of a response breaks, and what may follow; 0 for none.
func (m *model) broken(p *pdu.LoginResponse) (reaction, string) {
	q := &m.asked
	bad := refuses
	if m.security.wanted(m) && m.stage == 0 {
		bad |= mistrusts
	}
	switch {
	case p.ITT != q.ITT:
		return bad | givesUp, "login.response-wrong-itt"
	case p.VersionActive != 0:
		return bad, "login.version-active-unsupported"
	case m.counted && p.StatSN != m.statSN:
		return bad, "login.statsn-jump"
	case p.CSG != q.CSG:
		return bad, "login.stage-mismatch"
	case !p.Transit:
		return 0, ""
	case p.Continue:
		return bad, "login.cbit-from-target"
	case !q.Transit:
		return bad, "login.tbit-unrequested"
	case p.NSG != q.NSG && (p.NSG != pdu.StageOperational || p.CSG != pdu.StageSecurity):
		return bad, "login.stage-mismatch"
	}
	return 0, ""
}

// refused decides what may follow a response of another class than success. A field that is wrong besides may be the reason as well.
func (m *model) refused(p *pdu.LoginResponse, bad reaction) {
	m.status = p.Status()
	if p.StatusClass != 1 {
		m.decide("login.status.no-go-on", takesNo|bad)
		return
	}
	pairs, _ := pairsOf(p.Data)
	m.to = nil
	for _, value := range pairs.Values("TargetAddress") {
		if value != "" {
			m.to = append(m.to, value)
		}
	}
	rule := "redirect.temporary.followed"
	switch {
	case p.StatusDetail == 2:
		rule = "redirect.permanent.followed"
	case p.StatusDetail != 1:
		rule, bad = "redirect.unknown-detail", bad|takesNo
	}
	m.j.redirected(m, rule, bad)
}

// text decides what may follow a response whose header is in order.
func (m *model) text(p *pdu.LoginResponse) {
	if m.asked.Continue {
		if len(p.Data) > 0 {
			m.decide("login.cbit-target-answers-nonempty", refuses)
			return
		}
		m.decide("login.cbit-own-large-offer", goesOn)
		if p.Continue {
			m.allowed |= refuses
		}
		return
	}
	m.parts++
	m.theirs = append(m.theirs, p.Data...)
	switch {
	case len(m.theirs) > textMost || m.rounds > 1000:
		m.decide("login.endless-negotiation", refuses|goesOn)
		if len(m.theirs) > 4*textMost {
			m.allowed = refuses
		}
		m.going = p.Continue
		return
	case p.Continue:
		m.going = true
		m.decide("login.cbit-from-target", goesOn)
		m.tired()
		return
	}
	whole := m.theirs
	m.theirs, m.going = nil, false
	pairs, ok := pairsOf(whole)
	if !ok {
		m.decide("negotiation.text-malformed", refuses)
		m.count(pairs)
		return
	}
	m.keys(p, pairs)
	m.tired()
}

// tired lets an initiator give up a login that takes long.
func (m *model) tired() {
	if m.rounds >= roundsMin && m.allowed&goesOn != 0 {
		m.allowed |= refuses
	}
}

// keys decides what may follow the keys of a whole text.
func (m *model) keys(p *pdu.LoginResponse, pairs text.Pairs) {
	m.count(pairs)
	security, others := text.CutSecurity(pairs)
	m.decide("login.standard", goesOn)
	var doubts reaction
	for i, pair := range others {
		rule, may := m.key(pair, others[:i])
		if may&goesOn == 0 {
			m.decide(rule, may)
			return
		}
		doubts |= may &^ goesOn
		if may != goesOn {
			m.rule = rule
		}
	}
	if rule, may := m.security.take(m, p, security); may&goesOn == 0 {
		m.decide(rule, may)
		return
	} else if may != goesOn {
		m.rule, doubts = rule, doubts|may&^goesOn
	}
	if p.Transit {
		m.transit(p, doubts)
		return
	}
	m.allowed |= doubts
}

// transit decides what may follow the keys of a response with T=1.
func (m *model) transit(p *pdu.LoginResponse, doubts reaction) {
	if i := slices.IndexFunc(m.owed, func(o offered) bool { r := ruleOf(o.key); return r == nil || !r.decides(o.value) }); i >= 0 {
		m.decide("negotiation.answer-every-offer", refuses)
		if p.NSG == pdu.StageOperational {
			m.allowed |= goesOn
			m.stage = 1
		}
		return
	}
	for _, o := range m.owed { // their offer is the result
		o.settled, o.results, o.sure = true, []string{o.value, ruleOf(o.key).fallback}, true
		m.offers = append(m.offers, o)
	}
	m.owed = nil
	if p.NSG == pdu.StageOperational {
		m.stage = 1
		m.decide(m.rule, goesOn|doubts)
		return
	}
	m.final = true
	m.decide(m.rule, enters|doubts)
	for i := range m.offers {
		o := &m.offers[i]
		if r := ruleOf(o.key); !o.settled && !o.array && r != nil && r.function != declared && !r.decides(o.value) {
			m.allowed |= refuses // an offer has no answer
		}
	}
	m.digests()
}

// digests looks whether a digest was not agreed that the initiator demands, since it offers nothing else. Where the array has offered the key
// itself, so that the initiator never did, both is lawful.
func (m *model) digests() {
	for _, key := range []string{"HeaderDigest", "DataDigest"} {
		switch o := m.find(key); {
		case o == nil || slices.Equal(m.results(key), []string{"CRC32C"}):
		case o.array:
			m.allowed |= refuses
		case o.value == "CRC32C":
			m.decide("keys.digest-response", refuses)
			m.final = false
			return
		}
	}
}

// key decides what may follow one key of the array's. before are those of the same text that came before it.
func (m *model) key(p text.Pair, before text.Pairs) (rule string, may reaction) {
	r, known := ruleOf(p.Key), m.find(p.Key)
	_, twice := before.Get(p.Key)
	switch {
	case p.Key == "TargetAddress":
		return "redirect.during-established", goesOn | refuses
	case twice || known != nil && known.settled && known.key == p.Key:
		if p.Key == "AuthMethod" {
			return "negotiation.duplicate-in-same-pdu", distrust
		}
		return "negotiation.duplicate-in-same-pdu", refuses
	case known != nil && !known.array:
		return m.answer(r, known, p)
	case r != nil && r.function == declared:
		return m.declaration(r, p)
	case r == nil && (reservedWord(p.Value) || !askable(p.Key)):
		m.owe(p)
		return "negotiation.unknown-key-notunderstood", goesOn | refuses
	}
	m.owe(p)
	if r != nil && (m.stage == 0 && !r.security || !r.takes(p.Value) && r.function != list) {
		return "negotiation.answer-every-offer", goesOn | refuses
	}
	return "negotiation.answer-every-offer", goesOn
}

// owe remembers an offer of the array's.
func (m *model) owe(p text.Pair) {
	m.owed = append(m.owed, offered{key: p.Key, value: p.Value, array: true})
}

// askable reports whether a key has a form in which it can be answered.
func askable(key string) bool {
	if key == "" || len(key) > 63 {
		return false
	}
	for _, c := range []byte(key) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !letter && !slices.Contains([]byte(".-+@_#"), c) {
			return false
		}
	}
	return true
}

// answer decides what may follow the array's answer to an offer.
func (m *model) answer(r *rule, o *offered, p text.Pair) (string, reaction) {
	o.settled, o.results, o.sure = true, []string{p.Value}, true
	switch {
	case r == nil:
		return "negotiation.answer-every-offer", goesOn
	case r.function == declared && !reservedWord(p.Value):
		o.settled = false
		return m.declaration(r, p)
	case r.function == declared: // an answer to a declaration, which needs none
		o.settled = false
		if m.find(r.key+declaredByArray) != nil {
			return "negotiation.duplicate-in-separate-pdus", refuses
		}
		m.offers = append(m.offers, offered{key: r.key + declaredByArray, value: p.Value, array: true, settled: true, results: []string{r.fallback}})
		return "negotiation.notunderstood-standard-key", goesOn | refuses
	case p.Value == "NotUnderstood" && !r.recent:
		return "negotiation.notunderstood-standard-key", refuses
	case p.Key == "AuthMethod":
		return m.security.method(m, p.Value)
	case reservedWord(p.Value):
		o.results = []string{r.fallback}
		return "negotiation.reject-answer", goesOn | refuses
	case !r.fits(o.value, p.Value):
		return r.row, refuses
	}
	return r.row, goesOn
}

// declaration decides what may follow a declaration of the array's.
func (m *model) declaration(r *rule, p text.Pair) (string, reaction) {
	known := m.find(r.key + declaredByArray)
	switch {
	case known != nil:
		return "negotiation.duplicate-in-separate-pdus", refuses
	case !r.fromTarget:
		return "negotiation.text-malformed", refuses | goesOn
	case !r.takes(p.Value):
		return r.row, refuses
	}
	o := offered{key: r.key + declaredByArray, value: p.Value, array: true, settled: true, results: []string{p.Value}, sure: true}
	may := goesOn
	if m.stage == 0 && !r.security {
		o.results = append(o.results, r.fallback)
		may |= refuses
	}
	m.offers = append(m.offers, o)
	return r.row, may
}

// declaredByArray parts what the array declares of a key from what the initiator does.
const declaredByArray = " of the array"

// results are the values of a key of which one has to be in force.
func (m *model) results(key string) []string {
	r, o := ruleOf(key), m.find(key)
	switch {
	case o == nil:
		return []string{r.fallback}
	case o.settled:
		return o.results
	case r.decides(o.value):
		return []string{o.value}
	}
	return []string{r.fallback}
}
