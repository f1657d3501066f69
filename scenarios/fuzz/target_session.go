package fuzz

import (
	"slices"
	"strconv"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// fullFeature makes the connection one of full feature phase: a session of its own, or one more of a session (RFC 7143, Sections 6.3.1 and
// 6.3.4 to 6.3.6).
func (m *model) fullFeature(c *conn, q *request, e *expect, g *got) *violation {
	m.note(m.unanswered(c), g)
	m.missing(c)
	if c.first.TSIH != 0 && c.joins != nil && c.joins.tsih == g.login.TSIH {
		return m.join(c)
	}
	if c.first.TSIH != 0 && !c.clouded && !c.lenient {
		return broken("login.tsih.unknown-nonzero-refused", "the TSIH of the session that the connection joins")
	}
	n := &nexus{name: c.name, target: c.target, isid: q.ISID, tsih: g.login.TSIH, discovery: c.discoveryLogin(), portal: c.portal,
		cids: []uint16{q.CID}, conns: []int{c.number}, most: m.agreedConnections(c)}
	ev := evNew
	for _, old := range m.sessions {
		if m.reinstates(c, n, old) {
			ev = evReinstate
			m.end(old)
		}
	}
	to := full
	if n.discovery {
		ev, to = evDiscover, discovery
	}
	m.sessions = append(m.sessions, n)
	c.session, c.unique = n, true
	m.goTo(c, ev, to)
	m.disturb(c, n)
	return nil
}

// agreedConnections is the result of MaxConnections, 0 where it is not known.
func (m *model) agreedConnections(c *conn) int {
	for i := range c.offers {
		if o := &c.offers[i]; o.key == kErrorRecoveryLevel && (o.answer == "2" || o.unjudged) {
			return 0 // At level 2 there is room for one that takes the place of another (RFC 7143, Section 4.2.1).
		}
	}
	switch {
	case c.clouded:
		return 0
	case c.connections > 0:
		return c.connections
	}
	for i := range c.offers {
		o := &c.offers[i]
		if o.key != kMaxConnections {
			continue
		}
		if n, ok := numberOf(o.answer); ok && o.answered && !o.unjudged {
			return n
		}
		if o.unjudged || c.lenient {
			return 0
		}
	}
	return 1
}

// reinstates tells whether a new session surely takes the place of an old one.
func (m *model) reinstates(c *conn, n, old *nexus) bool {
	return !old.logged && !c.clouded && !n.discovery && !old.discovery && old.portal == n.portal && old.isid == n.isid && old.name == n.name &&
		old.target == n.target
}

// disturb makes connections uncertain that a login may have touched: logins of the same identity that go on, and sessions of the same
// ISID of which it is not sure whether they are replaced.
func (m *model) disturb(c *conn, n *nexus) {
	for i := range m.conns {
		o := &m.conns[i]
		if o == c || o.state == replaced {
			continue
		}
		same := o.first.ISID == n.isid && o.session != n && (o.name == n.name || o.clouded || !o.named)
		if o.begun && (same || c.clouded) {
			o.lenient = true
			if o.joins != nil && o.joins.logged {
				o.joinsLost = true
			}
		}
	}
	for _, old := range m.sessions {
		if old != n && !old.logged && old.isid == n.isid && (c.clouded || old.name == n.name) {
			old.lost = true
		}
	}
}

// end makes a session one that is no more: the target has to close its connections.
func (m *model) end(n *nexus) {
	n.logged = true
	for _, number := range n.conns {
		if o := &m.conns[number]; o.session == n && o.serving() {
			m.goTo(o, evReplaced, replaced)
		}
	}
	for i := range m.conns { // Logins that were to join it can go either way.
		if o := &m.conns[i]; o.joins == n && o.inLogin() {
			o.joinsLost, o.lenient = true, true
		}
	}
}

// join gives the connection to the session that it names.
func (m *model) join(c *conn) *violation {
	n := c.joins
	if n.logged && !c.joinsLost {
		return broken("login.tsih.stale-after-logout-refused", "a refusal")
	}
	ev := evJoin
	if slices.Contains(n.cids, c.first.CID) {
		ev = evReplace
		for _, number := range n.conns {
			if o := &m.conns[number]; o.session == n && o.first.CID == c.first.CID && o.serving() && o != c {
				m.goTo(o, evReplaced, replaced)
			}
		}
	} else {
		n.cids = append(n.cids, c.first.CID)
	}
	n.conns = append(n.conns, c.number)
	n.lost = false
	c.session = n
	to := full
	if n.discovery {
		to = discovery
	}
	m.goTo(c, ev, to)
	return nil
}

// released is for a connection that has gone: its session may be gone with it.
func (m *model) released(c *conn) {
	n := c.session
	if n == nil {
		return
	}
	n.cids = slices.DeleteFunc(n.cids, func(cid uint16) bool { return cid == c.first.CID && n.most == 1 })
	n.lost = true // Of several connections one may be waited for, of one the session may be kept.
	for i := range m.conns {
		if o := &m.conns[i]; o.joins == n && o.inLogin() {
			o.joinsLost = true
		}
	}
}

// endedHere is for a connection that this side ends.
func (m *model) endedHere(c *conn) {
	if c.state < refused || c.state == replaced {
		m.goTo(c, evEnd, ended)
	}
	if c.begun && c.session == nil {
		for i := range m.conns { // A target may take its time to forget the login.
			if o := &m.conns[i]; o.first.ISID == c.first.ISID {
				o.joinsLost = true
			}
		}
	}
	m.released(c)
}

// waited is for time that has passed: logins may have timed out, and pings gone unanswered.
func (m *model) waited() {
	for i := range m.conns {
		if c := &m.conns[i]; c.begun || c.state == fresh {
			c.lenient = true
		}
	}
	for _, n := range m.sessions {
		n.lost = true
	}
}

// judgeServed holds what came of a request of full feature phase, or of one that came too early, against what may come. Answer is the
// opcode of the answer that the request asks for.
func (m *model) judgeServed(c *conn, verb Verb, step *Step, g *got, answer pdu.Opcode) *violation {
	if !c.serving() {
		return m.judgeEarly(c, verb, g)
	}
	m.numbered(c, g)
	switch {
	case c.state == discovery && verb == VerbCommand:
		return m.judgeUnserved(c, g)
	}
	rule := "login.final.traffic-accepted-at-once"
	if c.served {
		rule = "session-management.default.one-session-per-port-pair"
	}
	want := []string{"a " + answer.String()}
	if c.lenient || c.clouded || c.session.lost || verb == VerbText ||
		c.state == discovery && (step.Reason != 0 || verb == VerbPing) { // Only the session can be closed there (RFC 7143, Section 11.14.1).
		want = append(want, "a Reject", "the end of the connection")
	}
	switch {
	case g.kind == Answered && g.header.Opcode() == answer:
		c.served = true
		if verb == VerbLogout {
			return m.loggedOut(c, step, g)
		}
		m.goTo(c, evServe, c.state)
		return nil
	case g.kind == Rejected && len(want) > 1:
		m.goTo(c, evReject, c.state)
		c.lenient = true
		return nil
	case g.kind == Dropped && len(want) > 1:
		m.goTo(c, evDrop, dropped)
		m.released(c)
		return nil
	}
	return broken(rule, want...)
}

// numbered holds the StatSN of an answer in full feature phase against that of the one before (RFC 7143, Section 4.2.2.2).
func (m *model) numbered(c *conn, g *got) {
	next, carries := statSNOf(&g.header)
	if !carries || g.kind != Answered && g.kind != Rejected {
		return
	}
	if c.counted && next != c.statSN+1 && !c.clouded {
		m.note(broken("login.statsn.starts-at-first-response", "StatSN "+strconv.FormatUint(uint64(c.statSN+1), 10)), g)
	}
	c.statSN, c.counted = next, true
}

// loggedOut is for an answered Logout Request (RFC 7143, Section 11.15).
func (m *model) loggedOut(c *conn, step *Step, g *got) *violation {
	n := c.session
	if step.Reason > 1 || g.header[2] != 0 {
		if step.Reason <= 1 && !c.lenient && !c.clouded {
			return broken("login.cid.any-value-accepted", "Logout Response 0")
		}
		c.lenient, n.lost = true, true
		m.goTo(c, evServe, c.state)
		return nil
	}
	m.goTo(c, evLogout, loggedOut)
	if step.Reason == 0 {
		m.end(n)
		return nil
	}
	n.cids = slices.DeleteFunc(n.cids, func(cid uint16) bool { return cid == c.first.CID })
	if len(n.cids) == 0 && !n.lost {
		m.end(n)
	} else {
		n.lost = true
	}
	return nil
}

// judgeUnserved is for a SCSI command on a Discovery session (RFC 7143, Section 4.3).
func (m *model) judgeUnserved(c *conn, g *got) *violation {
	switch {
	case g.kind == Rejected, g.kind == Answered && g.header.Opcode() == pdu.OpSCSIResponse && (g.header[2] != 0 || g.header[3] != 0):
		m.goTo(c, evReject, c.state)
	case g.kind == Dropped:
		m.goTo(c, evDrop, dropped)
		m.released(c)
	default:
		return broken("discovery.restrictions.scsi-command-refused", "a Reject", "the end of the connection")
	}
	c.lenient = true
	return nil
}

// judgeEarly is for a request of full feature phase that comes before it (RFC 7143, Section 6.3).
func (m *model) judgeEarly(c *conn, verb Verb, g *got) *violation {
	if !c.begun {
		switch g.kind {
		case Dropped, Rejected, Refused:
			m.goTo(c, evDropFaulty, dropped)
			return nil
		}
		return broken("login.prelogin.other-pdu-closes", "the end of the connection")
	}
	rule := "login.midlogin.nop-refused-020b"
	if verb == VerbCommand {
		rule = "login.midlogin.scsi-command-refused-020b"
	}
	switch g.kind {
	case Refused:
		m.goTo(c, evRefuseFaulty, refused)
	case Dropped, Rejected:
		m.goTo(c, evDropFaulty, dropped)
	default:
		return broken(rule, "a refusal with 0x020b", "the end of the connection")
	}
	m.released(c)
	return nil
}

// judgeSecond is for a Login Request in full feature phase (RFC 7143, Section 11.12).
func (m *model) judgeSecond(c *conn, g *got) *violation {
	m.numbered(c, g)
	switch g.kind {
	case Rejected:
		m.goTo(c, evReject, c.state)
		c.lenient = true
	case Refused, Dropped:
		m.goTo(c, evDropFaulty, dropped)
		m.released(c)
	default:
		return broken("login.ffp.second-login-refused", "a Reject", "a refusal", "the end of the connection")
	}
	return nil
}

// judgeReplaced is for a connection whose place another one has taken, or whose session was logged out: it ends.
func (m *model) judgeReplaced(c *conn, g *got) *violation {
	if g.kind == Dropped || c.clouded || c.lenient {
		m.goTo(c, evDrop, dropped)
		return nil
	}
	return broken("recovery.session-reinstatement.old-session-closed", "the end of the connection within 10 s")
}
