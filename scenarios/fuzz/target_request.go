package fuzz

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// mask is a set of reactions to a Login Request.
type mask byte

// The reactions.
const (
	mHold    mask = 1 << iota // a Login Response of status 0 with T=0
	mGrant                    // one that grants the operational stage
	mFull                     // one that grants full feature phase
	mRefuse                   // another status
	mDrop                     // the end of the connection without an answer
	mReject                   // a Reject
	positive = mHold | mGrant | mFull
	negative = mRefuse | mDrop | mReject
)

// expect is the set of lawful reactions to a Login Request.
type expect struct {
	may    mask
	barred mask
	faulty bool
	// rule is what a refusal breaks where none is lawful; bars what a positive reaction breaks where that is not.
	rule, bars string
	redirect   bool
}

// fault adds a fault of the request: the reactions that it allows, and those that it forbids by a rule.
func (e *expect) fault(rule string, allow, bar mask) {
	e.faulty = true
	e.limit(rule, allow, bar)
}

// limit does the same for what is no fault: something that the request leaves for later.
func (e *expect) limit(rule string, allow, bar mask) {
	e.may |= allow
	if bar != 0 && (e.bars == "" || e.barred|bar != e.barred) {
		e.bars = rule
	}
	e.barred |= bar
	if allow&mRefuse != 0 && bar == positive {
		e.rule = rule
	}
}

// request is one Login Request as it goes out.
type request struct {
	pdu.LoginRequest
	form  Form
	pairs []sent
	data  []byte
}

// sent is a pair as it goes out.
type sent struct {
	key         int
	name, value string
	bare        bool
}

// expectLogin tells what may come of a Login Request, and takes note of what it says.
func (m *model) expectLogin(c *conn, q *request) expect {
	e := expect{may: positive, rule: m.baseRule(c, q)}
	if c.lenient || c.clouded {
		e.may |= negative
	}
	begins := !c.begun
	if begins {
		c.begun, c.first, c.csg, c.itt = true, q.LoginRequest, q.CSG, q.ITT
		m.findNexus(c, q)
	} else {
		m.changed(c, q, &e)
	}
	m.stages(c, q, &e)
	whole, pairs := m.whole(c, q, &e)
	if whole {
		m.texts(c, q, pairs, &e)
		m.identity(c, q, &e)
		m.authentication(c, q, pairs, &e)
	}
	if c.barred != "" {
		e.fault(c.barred, negative, mFull)
	}
	m.room(c, &e)
	e.may &^= e.barred
	if !q.Transit {
		e.may &^= mGrant | mFull
	}
	m.idle(c, q, &e)
	c.rounds++
	return e
}

// idle allows a foreign target to refuse requests that bring nothing, as the catalogue's leniencies have it: an empty one on the way, one of
// the security stage without AuthMethod, and the beginning of a text that holds nothing.
func (m *model) idle(c *conn, q *request, e *expect) {
	empty := len(q.data) == 0
	unasked := q.CSG == pdu.StageSecurity && c.asked&(1<<kAuthMethod) == 0
	if empty && q.Continue || m.set.foreign && (empty && c.rounds > 0 || unasked) {
		e.may |= negative
		c.lenient = c.lenient || empty && q.Continue
	}
}

// baseRule is the row that a refusal of a lawful request breaks.
func (m *model) baseRule(c *conn, q *request) string {
	switch {
	case q.Continue:
		return "login.params.names-arrive-under-c-bit"
	case c.chap.step == chapChallenged || c.chap.step == chapProven:
		return "auth.chap.one-way-success"
	case c.chap.step == chapAgreed:
		return "auth.chap.algorithm-md5-selected"
	case q.CSG == pdu.StageOperational && c.rounds > 1:
		return "login.exchange.empty-request-advances"
	case q.CSG == pdu.StageOperational:
		return "login.basic.direct-operational"
	case q.NSG == pdu.StageFullFeature:
		return "login.basic.security-direct-to-ffp"
	}
	return "login.basic.security-then-operational"
}

// changed looks for fields that have to stay as they were in the first request of the login (RFC 7143, Section 11.12).
func (m *model) changed(c *conn, q *request, e *expect) {
	first := &c.first
	if q.ISID != first.ISID {
		e.fault("login.isid.changed-mid-login-refused", negative, 0)
		c.clouded = true
	}
	if q.CID != first.CID {
		e.fault("login.cid.changed-mid-login", negative, 0)
		c.clouded = true
	}
	if q.TSIH != first.TSIH {
		e.fault("login.tsih.changed-mid-login", negative, 0)
		c.clouded = true
	}
	if q.VersionMin != first.VersionMin || q.VersionMax != first.VersionMax {
		e.fault("login.version.changed-mid-login", negative, 0)
	}
	if q.ITT != c.itt {
		e.fault("login.itt.changed-mid-login", negative, 0)
	}
	if q.CmdSN != first.CmdSN || c.counted && q.ExpStatSN != c.statSN+1 {
		e.fault("login.immediate.bit-on-request", negative, 0) // No rule says what a target does about it.
		c.lenient = true
	}
	if !c.counted && c.rounds > 0 {
		c.lenient = true
	}
}

// stages looks at the stages, the T and C bits and the versions.
func (m *model) stages(c *conn, q *request, e *expect) {
	begins := c.rounds == 0
	if begins && (q.VersionMin > 0 || q.VersionMax < q.VersionMin) {
		e.fault("login.version.unsupported-range-refused", negative, positive)
	}
	switch {
	case begins && q.CSG == pdu.StageFullFeature:
		e.fault("login.stage.first-request-in-ffp-refused", negative, positive)
	case q.CSG != pdu.StageSecurity && q.CSG != pdu.StageOperational:
		e.fault("login.stage.reserved-csg-refused", negative, positive)
	case q.CSG != c.csg:
		e.fault("login.stage.csg-jump-without-handshake-refused", negative, mGrant|mFull)
		c.lenient = true
	}
	if q.Transit && q.Continue {
		e.fault("login.cbit.with-t-bit-refused", negative, mGrant|mFull)
	}
	if !q.Transit {
		return
	}
	switch {
	case q.NSG == 2:
		e.fault("login.stage.reserved-nsg-refused", negative, mGrant|mFull)
	case q.NSG < q.CSG:
		e.fault("login.stage.backward-transition-refused", negative, mGrant|mFull)
	case q.NSG == q.CSG:
		e.fault("login.stage.same-stage-transition-refused", negative, mGrant|mFull)
	case q.NSG == pdu.StageOperational:
		e.barred |= mFull // The answer's NSG is judged by itself.
	case q.CSG == pdu.StageOperational:
		e.barred |= mGrant
	}
}

// The bounds of a login's text that a target has to take (RFC 7143, Section 6.1, and the default of Section 13.12).
const (
	segmentMax = 8192
	textMax    = 8192
)

// whole puts the text of a request together with that of those before it, and tells whether it is whole. Of a partial one nothing more is
// judged than that the answer is empty.
func (m *model) whole(c *conn, q *request, e *expect) (bool, []sent) {
	if len(q.data) > segmentMax {
		e.fault("negotiation.text.accepts-8192-bytes", negative, 0)
		c.clouded = true
	}
	if c.answersBytes > 0 && q.Continue { // A long answer is asked for with empty requests that are whole.
		e.fault("negotiation.exchange.one-response-per-request", negative, 0)
		c.clouded, c.lenient = true, true
	}
	pairs := q.pairs
	switch {
	case q.form == FormHalf && !q.Continue, q.form == FormNoLastNUL && !q.Continue:
		e.fault("negotiation.text.missing-final-nul", negative, 0)
		c.clouded, c.lenient = true, true
	case q.form == FormMoreNULs:
		e.fault("negotiation.text.extra-nuls-tolerated", negative, 0)
		c.lenient = true
	}
	if c.cutting || q.Continue {
		c.partial = append(c.partial, q.data...)
		if len(c.partial) > textMax {
			e.fault("negotiation.text.accepts-8192-bytes", negative, 0)
			c.lenient, c.clouded = true, true
		}
		pairs = nil
	}
	if q.Continue {
		c.cutting = true
		e.barred |= mGrant | mFull
		return false, nil
	}
	if c.cutting {
		c.cutting = false
		if n := len(c.partial); n > 0 && c.partial[n-1] != 0 {
			e.fault("negotiation.text.missing-final-nul", negative, 0)
			c.lenient, c.clouded = true, true
		}
		if pairs = split(c.partial); c.answersBytes > 0 {
			c.clouded = true
		}
		c.partial = c.partial[:0]
	}
	if c.answersBytes > 0 && len(q.data) > 0 { // The target is still sending a long answer.
		e.fault("negotiation.exchange.one-response-per-request", negative, 0)
		c.clouded = true
	}
	return true, pairs
}

// split cuts a text into pairs as it was sent.
func split(b []byte) []sent {
	var pairs []sent
	for piece := range slices.Values(pieces(b)) {
		name, value, has := cutPair(piece)
		pairs = append(pairs, sent{keyOf(name), name, value, !has})
	}
	return pairs
}

// identity looks at the names of the login and at the session that it is about (RFC 7143, Sections 6.3 and 6.3.1).
func (m *model) identity(c *conn, q *request, e *expect) {
	if !c.hasName {
		e.fault("login.params.missing-initiator-name", mRefuse|mReject, mGrant|mFull)
	} else if class := nodeClass(c.name); class != Legal && class != Boundary {
		e.fault("login.names.longest-initiator-name", negative, 0)
	}
	switch {
	case c.typed != "" && c.typed != "Normal" && c.typed != "Discovery":
		e.fault("login.session-type.invalid-value-refused", negative, 0)
		c.clouded = true
	case c.discoveryLogin() && c.hasTarget && c.target != m.set.Target, c.discoveryLogin() && m.set.foreign:
		e.fault("discovery.session.with-target-name-accepted", negative, 0)
	case c.discoveryLogin():
	case !c.hasTarget:
		e.fault("login.params.missing-target-name", mRefuse|mReject, mGrant|mFull)
	case c.target != m.set.Target:
		e.fault("login.target.unknown-name-refused", mRefuse|mReject, mFull)
	}
	if q.TSIH == 0 && m.set.foreign {
		m.mayReinstate(c, q)
	}
	if q.TSIH == 0 || c.clouded {
		return
	}
	switch n := c.joins; {
	case n == nil || n.logged || n.name != c.name || n.target != c.target || n.discovery != c.discoveryLogin():
		rule := "login.tsih.unknown-nonzero-refused"
		switch {
		case n == nil && m.knownISID(c, q):
			rule = "login.tsih.wrong-for-live-isid-refused"
		case n != nil && n.logged:
			rule = "login.tsih.stale-after-logout-refused"
		case n != nil:
			rule = "login.tsih.existing-with-other-isid-refused"
		}
		e.fault(rule, negative, mFull)
	case c.joinsLost || n.lost:
		e.fault("recovery.session-continuation.after-retain-expired", negative, 0)
		c.lenient = true
	case slices.Contains(n.cids, q.CID):
		e.fault("recovery.connection-reinstatement.same-cid", mRefuse, 0)
	case n.most == 0:
		e.fault("keys.max-connections.default-and-limit", negative, 0)
	case len(n.cids) >= n.most:
		e.fault("keys.max-connections.default-and-limit", negative, mFull)
	case n.discovery || m.set.foreign:
		e.fault("keys.max-connections.default-and-limit", negative, 0)
	}
}

// mayReinstate is for a login that will take the place of a session. A target may end that before the new login has come to its end, as
// the state tables of RFC 7143, Section 8.3 let it.
func (m *model) mayReinstate(c *conn, q *request) {
	for _, n := range m.sessions {
		if n.logged || n.isid != q.ISID || n.name != c.name {
			continue
		}
		n.lost = true
		for _, number := range n.conns {
			m.conns[number].lenient = true
		}
	}
}

// room allows refusals where the target holds sessions already, and redirects where it is set up for them.
func (m *model) room(c *conn, e *expect) {
	if m.live() > 0 && c.first.TSIH == 0 {
		e.may |= mRefuse
		e.redirect = m.set.foreign
	}
	if m.set.redirect && c.portal == 0 && !c.discoveryLogin() {
		e.may |= mRefuse
		e.redirect = true
	}
}

// knownISID tells whether there is a session of the login's identity.
func (m *model) knownISID(c *conn, q *request) bool {
	return slices.ContainsFunc(m.sessions, func(n *nexus) bool {
		return !n.logged && n.isid == q.ISID && n.name == c.name && n.target == c.target
	})
}

// findNexus looks for the session that a login names by ISID and TSIH.
func (m *model) findNexus(c *conn, q *request) {
	if q.TSIH == 0 {
		return
	}
	for i := len(m.sessions) - 1; i >= 0; i-- {
		if n := m.sessions[i]; n.tsih == q.TSIH && n.isid == q.ISID {
			c.joins, c.joinsLost = n, n.lost
			return
		}
	}
	for i := len(m.sessions) - 1; i >= 0; i-- {
		if n := m.sessions[i]; n.tsih == q.TSIH {
			c.joins = n
			other := *n // A session of another ISID: to be refused whatever else is right.
			other.name = "\x00"
			c.joins = &other
			return
		}
	}
}
