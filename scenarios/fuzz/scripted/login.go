package scripted

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// The model's own times: how long an initiator may take for what it does at once, and how exact its timers are.
const (
	promptly = time.Second
	exactly  = 50 * time.Millisecond
)

// roundsMin is how many exchanges every initiator has to bear in a login, roundsMax how many none should.
const (
	roundsMin = 16
	roundsMax = 200
)

// textMost bounds the text that an initiator may take before it gives up, in bytes.
const textMost = 64 << 10

// model follows the login on one connection. It is fed the records of the connection in order, and knows after each what the initiator
// may do next.
type model struct {
	j       *judge
	conn    int
	began   time.Duration // of the dial
	stage   byte
	asked   pdu.LoginRequest
	first   pdu.LoginRequest
	rounds  int
	statSN  uint32
	counted bool // statSN stands

	// What may come next, since when, and what decides it.
	waiting bool   // for the array
	from    string // the state in which the array's response came; "" once it has led on
	allowed reaction
	since   time.Duration
	rule    string
	step    int
	status  uint16
	to      []string // the addresses of a redirect

	own      []byte // of a text of the initiator's that goes on
	theirs   []byte // of one of the array's
	going    bool   // the array's text goes on
	parts    int
	offers   []offered
	owed     []offered // offers of the array that are to be answered
	security authentication

	left    bool          // the connection has ended, from whichever side
	dead    bool          // ended by the array
	full    bool          // the initiator is in full feature phase, as far as anybody can see
	final   bool          // the response that leads there has come
	noted   bool          // that it is there
	leaving bool          // it has sent a Logout Request
	loose   bool          // the beginning of a PDU has come that may be refused before its rest
	touched bool          // the array has done something in full feature phase that may end the connection
	pinged  time.Duration // since when the array's ping waits for its answer; 0 for none
	pings   time.Duration // since when the initiator's own ping does
	failed  reaction      // what the login may have failed of
}

// offered is a key that one side has offered, and what became of it.
type offered struct {
	key, value string
	array      bool     // by the array
	settled    bool     // the other side has answered
	results    []string // what may be in force
	sure       bool     // results hold for certain
}

// find is the key among those offered.
func (m *model) find(key string) *offered {
	for i := range m.offers {
		if m.offers[i].key == key {
			return &m.offers[i]
		}
	}
	return nil
}

// fault adds a finding about the PDU or the step at hand.
func (m *model) fault(rule string, got fuzz.Outcome, want ...string) {
	m.j.add(rule, m.step, got, want...)
}

// said tells the model that a PDU of the array has come.
func (m *model) said(r *record) {
	if m.left {
		return
	}
	if m.final {
		m.disturbed(r)
		return
	}
	if !m.waiting || r.at >= m.began+loginTimeout-exactly {
		m.allowed |= givesUp // too late, or unasked
		return
	}
	m.step, m.since, m.waiting = r.step, r.at, false
	m.from = m.state()
	m.j.state(m.from)
	switch {
	case r.broken && r.frame.BHS.DataSegmentLength() != len(r.frame.Data):
		m.decide("login.oversized-response", refuses)
	case r.broken:
		m.from = ""
		m.waiting = true // for the rest, until the connection ends or the time is over
		m.loose = m.loose || r.frame.BHS.DataSegmentLength() > 8192
		return
	default:
		m.response(r)
	}
}

// moved counts the transition that the latest response of the array has led to.
func (m *model) moved(outcome string) {
	if m.from != "" {
		m.j.cover(m.from, outcome)
		m.j.cover(m.rule, outcome)
	}
	m.from = ""
}

// decide says what may come next. Who needs an authentication may tell every end of the security stage as its failure.
func (m *model) decide(rule string, allowed reaction) {
	if allowed&refuses != 0 && m.stage == 0 && m.j.p.setup.chap {
		allowed |= mistrusts
	}
	m.rule, m.allowed = rule, allowed
}

// disturbed takes in what the array does in full feature phase.
func (m *model) disturbed(r *record) {
	m.pings = 0
	p, _ := r.frame.Decode()
	heeded := m.numbered(p)
	if r.step == 0 {
		return
	}
	m.j.state(m.state())
	m.j.cover(fullFeature, "the array: "+string(m.j.p.flow.Steps[r.step-1].Verb))
	switch p := p.(type) {
	case *pdu.NOPIn:
		if m.step = r.step; !m.leaving {
			m.pinged = r.at
		}
	case *pdu.AsyncMessage:
		if m.touched, m.step = true, r.step; heeded {
			m.j.announced(m, p)
		}
	default:
		m.touched = true
	}
}

// numbered counts the StatSN of a PDU that has one of its own. It reports whether that is the one expected: otherwise the initiator may end the
// connection, or pass over the PDU.
func (m *model) numbered(p pdu.PDU) bool {
	var statSN uint32
	switch p := p.(type) {
	case *pdu.NOPIn:
		if statSN = p.StatSN; p.ITT == pdu.ReservedTag {
			return true
		}
	case *pdu.SCSIResponse:
		statSN = p.StatSN
	case *pdu.TextResponse:
		statSN = p.StatSN
	case *pdu.LogoutResponse:
		statSN = p.StatSN
	case *pdu.AsyncMessage:
		statSN = p.StatSN
	case *pdu.Reject:
		statSN = p.StatSN
	default:
		return true
	}
	if statSN != m.statSN {
		m.touched = true
		return false
	}
	m.statSN++
	return true
}

// ended tells the model that the array has ended the connection.
func (m *model) ended(r *record) {
	if m.left {
		return
	}
	m.dead = true
	m.step = max(m.step, r.step)
	if m.final {
		m.touched = true
		m.lost(r.at)
		return
	}
	m.allowed |= loses
	m.since = r.at
}

// closed tells the model that the initiator has.
func (m *model) closed(r *record) {
	if m.left {
		return
	}
	m.left = true
	switch {
	case m.full:
		if !m.touched && (m.pings == 0 || r.at-m.pings < pingTime-exactly) {
			m.fault("login.standard", fuzz.Outcome{Kind: Gave, Detail: "the connection in full feature phase"}, "a session that goes on")
		}
		m.lost(r.at)
		return
	case m.waiting && m.loose:
		m.failed = refuses | givesUp | loses
	case m.waiting && !m.dead:
		if off := r.at - m.began - loginTimeout; off < -exactly || off > exactly {
			m.fault("login.timeout-silent-target", fuzz.Outcome{Kind: Gave, Detail: fmt.Sprintf("after %v", r.at-m.began)},
				fmt.Sprintf("a wait of %v for the array", loginTimeout))
		}
		m.failed = givesUp
	case m.waiting:
		m.failed = loses
	case m.allowed&(fails|follows) == 0:
		m.fault(m.rule, fuzz.Outcome{Kind: Gave, Detail: "the login"}, m.allowed.names()...)
		m.failed = fails
	default:
		m.failed = m.allowed & (fails | follows)
		if m.allowed&follows != 0 && m.allowed&^follows == 0 {
			m.moved(itFollows)
		}
		m.moved(itEnds)
		if m.allowed&givesUp != 0 && r.at-m.began >= loginTimeout-exactly {
			m.failed |= givesUp
		}
	}
	m.j.over(m, r.at)
}

// lost is the end of a connection in full feature phase.
func (m *model) lost(at time.Duration) {
	if !m.full && m.allowed&fails != 0 { // it may never have been there
		m.failed = m.allowed & fails
	}
	m.j.lost(m, at)
}

// tick looks whether something is overdue.
func (m *model) tick(now time.Duration) {
	switch {
	case m.left:
	case m.pinged != 0 && now > m.pinged+promptly && !m.dead:
		m.pinged = 0
		m.fault("nop.ping-answer", fuzz.Outcome{Kind: Hung}, "a NOP-Out that answers the ping")
	case m.final:
	case m.dead && now > m.since+promptly, m.waiting && now > m.began+loginTimeout+exactly:
		m.left = true
		m.fault("login.timeout-silent-target", fuzz.Outcome{Kind: Hung, Detail: fmt.Sprintf("until %v", now)}, "the end of the login")
	case !m.waiting && m.rounds > 0 && now > m.since+promptly:
		m.left = true
		m.fault(m.rule, fuzz.Outcome{Kind: Hung, Detail: fmt.Sprintf("until %v", now)}, m.allowed.names()...)
	}
}

// state names where the login stands.
func (m *model) state() string {
	stage := "operational stage"
	if m.stage == 0 {
		stage = "security stage"
	}
	switch {
	case m.full || m.final:
		return fullFeature
	case m.going:
		return stage + ", the array's text goes on"
	case m.asked.Continue:
		return stage + ", the initiator's text goes on"
	case m.stage == 0 && m.j.p.setup.chap:
		return stage + ", " + m.security.String()
	}
	return stage
}

// heard takes in a PDU of the initiator.
func (m *model) heard(r *record) {
	m.j.watch(r)
	if r.raw != nil {
		m.fault("login.pdu-fields", fuzz.Outcome{Kind: Sent, Detail: fmt.Sprintf("% x", r.raw[:min(len(r.raw), 16)])}, "a PDU")
		return
	}
	if m.final {
		m.inFullFeature(r)
		return
	}
	var q pdu.LoginRequest
	if q.DecodeBHS(&r.frame.BHS) != nil {
		m.fault("login.only-login-pdus", fuzz.Outcome{Kind: Sent, Detail: r.frame.String()}, "a Login Request")
		return
	}
	q.Data = r.frame.Data
	switch {
	case m.rounds > 0 && m.waiting:
		m.fault("login.one-outstanding-request", fuzz.Outcome{Kind: Sent, Detail: r.frame.String()}, "no request before the answer to the last one")
	case m.rounds > 0 && m.allowed&goesOn == 0:
		m.fault(m.rule, fuzz.Outcome{Kind: WentOn, Detail: r.frame.String()}, m.allowed.names()...)
	}
	m.moved(itGoesOn)
	m.rounds++
	if m.rounds > roundsMax {
		m.fault("login.endless-negotiation", fuzz.Outcome{Kind: WentOn, Detail: fmt.Sprintf("%d requests", m.rounds)}, "an end")
	}
	m.request(&q, r)
	m.asked, m.waiting, m.allowed = q, true, 0
}

// inFullFeature takes in a PDU behind the final response.
func (m *model) inFullFeature(r *record) {
	switch r.frame.Opcode() {
	case pdu.OpLoginRequest:
		if m.allowed&goesOn != 0 && !m.full { // the response was one that may lead on
			m.final = false
			m.heard(r)
			return
		}
		m.fault("login.none-in-full-feature", fuzz.Outcome{Kind: WentOn, Detail: r.frame.String()}, m.allowed.names()...)
	case pdu.OpNOPOut:
		m.enter()
		if p := new(pdu.NOPOut); p.DecodeBHS(&r.frame.BHS) == nil && p.TTT == 0x77 {
			m.pinged = 0
		} else if p.ITT != pdu.ReservedTag {
			m.pings = r.at
		}
	case pdu.OpLogoutRequest:
		m.enter()
		m.leaving, m.pinged = true, 0
		m.j.loggedOut(m, r.at)
	default:
		m.enter()
	}
}

// enter notes that the initiator is in full feature phase.
func (m *model) enter() {
	if m.full {
		return
	}
	m.full = true
	m.moved(itEnters)
	if m.allowed&enters == 0 {
		m.fault(m.rule, fuzz.Outcome{Kind: Entered}, m.allowed.names()...)
	}
}

// pairsOf reads the pairs of a text, and says whether it has the right form: each pair with "=" and ended by a zero byte (RFC 7143, Section 6.1).
func pairsOf(b []byte) (pairs text.Pairs, ok bool) {
	pairs, err := text.Parse(b)
	return pairs, err == nil
}

// carries reports whether pairs have a key more than once.
func carries(pairs text.Pairs, key string) int { return len(pairs.Values(key)) }

// secretIn reports whether bytes hold a secret, as it is or in hexadecimal.
func secretIn(b []byte) bool {
	s := string(b)
	return slices.ContainsFunc([]string{initiatorSecret, arraySecret, hexOf([]byte(initiatorSecret))[2:], hexOf([]byte(arraySecret))[2:]},
		func(secret string) bool { return len(s) >= len(secret) && strings.Contains(s, secret) })
}
