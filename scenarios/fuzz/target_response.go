package fuzz

import (
	"slices"
	"strconv"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// got is what came of a step.
type got struct {
	kind   Kind
	header pdu.BHS
	login  pdu.LoginResponse // where it is a Login Response
	data   []byte
	// reset tells that the end was a reset: on TCP it can take the answer before it along.
	reset bool
	// note says what else is to be told.
	note string
}

// violation is a rule that was broken, with what would have been lawful.
type violation struct {
	rule string
	want []string
}

func broken(rule string, want ...string) *violation { return &violation{rule, want} }

// breachesMax bounds the violations that are kept of one flow.
const breachesMax = 16

// note keeps a violation after which the model can go on, once for each rule in a flow.
func (m *model) note(v *violation, g *got) {
	if v == nil || len(m.breaches) == breachesMax || slices.ContainsFunc(m.breaches, func(f *Finding) bool { return f.Rule == v.rule }) {
		return
	}
	m.breaches = append(m.breaches, v.finding(m.step, g))
}

// lost keeps a violation after which it is not known what the target makes of the connection: what comes of it is not judged any more.
func (m *model) lost(c *conn, v *violation, g *got) {
	m.note(v, g)
	m.others++
	for i := range m.conns {
		o := &m.conns[i]
		o.lenient = true
		o.clouded = o.clouded || o.first.ISID == c.first.ISID
	}
	for _, n := range m.sessions {
		n.lost = true
	}
}

// judgeLogin holds what came of a Login Request against what may come, and goes on from there.
func (m *model) judgeLogin(c *conn, q *request, e *expect, g *got) *violation {
	switch g.kind {
	case Refused:
		return m.judgeRefusal(c, e, g)
	case Dropped, Rejected:
		return m.judgeEnd(c, e, g)
	case Answered:
		return m.judgeAnswer(c, q, e, g)
	}
	rule := e.bars
	if rule == "" {
		rule = e.rule
	}
	return broken(rule, e.lawful()...)
}

// lawful lists the reactions that may come.
func (e *expect) lawful() []string {
	var all []string
	for _, r := range []struct {
		is   mask
		says string
	}{{mHold, "a response of status 0 with T=0"}, {mGrant, "one that grants the operational stage"}, {mFull, "one that grants full feature phase"},
		{mRefuse, "a refusal"}, {mReject, "a Reject"}, {mDrop, "the end of the connection"}} {
		if e.may&r.is != 0 {
			all = append(all, r.says)
		}
	}
	return all
}

func (m *model) judgeRefusal(c *conn, e *expect, g *got) *violation {
	class := g.login.StatusClass
	moves := class == 1
	if class == 0 || class > 3 {
		return broken("login.response.only-defined-status", "a status of class 0 to 3")
	}
	busy := m.set.foreign && (g.login.Status() == 0x0301 || g.login.Status() == 0x0302) // Other initiators may have taken what there is.
	if moves && !e.redirect && !m.set.foreign || !moves && !busy && e.may&mRefuse == 0 {
		rule := e.rule
		if e.bars != "" && e.faulty {
			rule = e.bars
		}
		return broken(rule, e.lawful()...)
	}
	if moves {
		if address, has := valueOf(g.data, "TargetAddress"); !has || address == "" {
			return broken("session-management.redirect.temporary-format", "a TargetAddress")
		}
		m.goTo(c, evRedirect, moved)
	} else {
		m.goTo(c, faultyOr(e, evRefuseFaulty, evRefuse), refused)
	}
	m.missing(c)
	m.released(c)
	return nil
}

func faultyOr(e *expect, faulty, otherwise event) event {
	if e.faulty {
		return faulty
	}
	return otherwise
}

// judgeEnd is for a Reject and for the end of the connection without an answer.
func (m *model) judgeEnd(c *conn, e *expect, g *got) *violation {
	is, ev := mDrop, faultyOr(e, evDropFaulty, evDrop)
	if g.kind == Rejected {
		is, ev = mReject, evReject
	}
	torn := g.reset && m.set.foreign && e.may&mRefuse != 0 // A reset can take the refusal before it along.
	if e.may&is == 0 && !torn {
		rule := e.rule
		if e.faulty && e.bars != "" {
			rule = e.bars
		} else if !e.faulty && m.live() > 0 && c.first.TSIH == 0 {
			rule = "session-management.clone.different-isid-defined-outcome"
		}
		return broken(rule, e.lawful()...)
	}
	m.goTo(c, ev, dropped)
	m.missing(c)
	m.released(c)
	return nil
}

// judgeAnswer is for a Login Response of status 0 (RFC 7143, Section 11.13).
func (m *model) judgeAnswer(c *conn, q *request, e *expect, g *got) *violation {
	p := &g.login
	is := mHold
	if p.Transit {
		if is = mGrant; p.NSG == pdu.StageFullFeature {
			is = mFull
		}
	}
	m.judgeHeader(c, q, g)
	if p.Transit && !q.Transit {
		return broken("login.response.t-only-when-requested", "T=0 in answer to T=0")
	}
	if e.may&is == 0 {
		rule := e.bars
		if rule == "" {
			rule = e.rule
		}
		return broken(rule, e.lawful()...)
	}
	c.statSN, c.counted = p.StatSN, true
	if q.Continue {
		if len(g.data) > 0 && !c.clouded {
			m.note(broken("login.cbit.answered-with-empty-response", "a response without text"), g)
			c.lenient, c.clouded = true, true
		}
	} else {
		m.judgeText(c, q, g)
	}
	switch is {
	case mFull:
		return m.fullFeature(c, q, e, g)
	case mGrant:
		m.goTo(c, faultyOr(e, evGrantFaulty, evGrant), operational)
		c.csg = pdu.StageOperational
	default:
		m.goTo(c, faultyOr(e, evHoldFaulty, evHold), c.heldIn())
	}
	return nil
}

// heldIn is the state of a login that goes on in its stage.
func (c *conn) heldIn() state {
	if c.csg == pdu.StageOperational {
		return operational
	}
	return [...]state{security, agreed, challenged, proven}[c.chap.step]
}

// judgeHeader looks at the fields of a response of status 0.
func (m *model) judgeHeader(c *conn, q *request, g *got) {
	p := &g.login
	check := func(is bool, rule string, want string) {
		if is {
			m.note(broken(rule, want), g)
		}
	}
	check(p.ITT != q.ITT || p.ISID != q.ISID && q.ISID == c.first.ISID || p.CSG != q.CSG && q.CSG == c.csg || g.header.TotalAHSLength() != 0,
		"login.response.header-echo", "the ITT, ISID and CSG of the request, and no AHS")
	check(p.Transit && q.Transit && (p.NSG > q.NSG || p.NSG <= p.CSG || p.NSG == 2), "login.response.nsg-agrees-with-request",
		"a stage above the current one and not above the one asked for")
	check(p.Transit && p.Continue, "login.response.c-bit-excludes-t-bit", "T=0 with C=1")
	check(p.VersionActive != 0, "login.version.active-for-version-zero", "Version-active=0")
	check(len(g.data) > segmentMax, "login.response.datasegment-default-limit", "at most 8192 bytes of text in one response")
	if c.counted && p.StatSN != c.statSN+1 && !c.clouded {
		m.note(broken("login.statsn.starts-at-first-response", "StatSN "+strconv.FormatUint(uint64(c.statSN+1), 10)), g)
	}
	check(int32(p.MaxCmdSN-p.ExpCmdSN+1) < 0, "login.maxcmdsn.window-not-inverted", "MaxCmdSN not below ExpCmdSN-1")
	if c.first.TSIH == 0 && !c.clouded && !c.lenient && p.ExpCmdSN != c.first.CmdSN {
		m.note(broken("login.cmdsn.expcmdsn-equals-login-cmdsn", "ExpCmdSN "+strconv.FormatUint(uint64(c.first.CmdSN), 10)), g)
	}
	final := p.Transit && p.NSG == pdu.StageFullFeature
	check(!c.clouded && final && p.TSIH == 0, "login.tsih.nonzero-on-final", "a TSIH in the final response")
	check(!c.clouded && !final && p.TSIH != 0 && p.TSIH != c.first.TSIH, "login.tsih.zero-before-final",
		"TSIH 0, or that of the request, before the final response")
}

// judgeText takes the text of a whole answer.
func (m *model) judgeText(c *conn, q *request, g *got) {
	p, data := &g.login, g.data
	if c.clouded {
		c.answersBytes = 0
		m.judgeClouded(c, data)
		return
	}
	if p.Continue || c.answersBytes > 0 { // It comes in several parts, which are asked for with empty requests.
		c.partial = append(c.partial, data...)
		if c.answersBytes = len(c.partial); p.Continue {
			return
		}
		data = slices.Clone(c.partial)
		c.partial, c.answersBytes = c.partial[:0], 0
	}
	if len(data) > 0 && data[len(data)-1] != 0 {
		m.note(broken("negotiation.text.target-text-well-formed", "a zero byte behind each pair"), g)
	}
	var said map[int]string
	for _, piece := range pieces(data) {
		name, value, has := cutPair(piece)
		k := keyOf(name)
		switch {
		case !has:
			m.note(broken("negotiation.text.target-text-well-formed", "pairs with ="), g)
		case keys[k].function == secret:
			if said == nil {
				said = map[int]string{}
			}
			said[k] = value
		default:
			m.note(m.judgePair(c, p, k, name, value), g)
		}
	}
	if said != nil {
		if rule, want := m.chapAnswers(c, said); rule != "" {
			m.note(broken(rule, want), g)
			c.clouded, c.lenient = true, true
		}
	}
	m.note(m.judgeProof(c, p), g)
}

// judgeClouded takes from an answer that is not judged what the login needs to go on.
func (m *model) judgeClouded(c *conn, data []byte) {
	for _, piece := range pieces(data) {
		name, value, _ := cutPair(piece)
		switch k := keyOf(name); k {
		case kHeaderDigest, kDataDigest, kAuthMethod:
			m.settle(c, k, value)
		}
	}
	if c.chap.pending {
		c.chap.step, c.chap.pending = chapProven, false
	}
}

// judgeProof is for a response to a right CHAP_R: the initiator is proven, and the target has proved itself where that was asked for.
func (m *model) judgeProof(c *conn, p *pdu.LoginResponse) *violation {
	s := &c.chap
	if !s.pending {
		return nil
	}
	s.pending, s.step = false, chapProven
	if s.mutual && !s.got && p.Transit && m.set.Own != "" && !m.set.foreign && !c.lenient {
		return broken("auth.chap.mutual-success", "the target's own CHAP_N and CHAP_R")
	}
	return nil
}
