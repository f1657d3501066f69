package monitor

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// conn is one connection, from its first PDU to its end.
type conn struct {
	w    *Watcher
	name string
	node string       // whose recording it is
	now  *trace.Event // the one at hand
	// s is the session, once the login has ended, or an empty one where the login was not seen.
	s *session
	// recent are the last PDUs, the one at hand included.
	recent []*trace.Event
	// midway tells that the beginning was not seen.
	midway bool
	began  bool
	closed bool
	// Which end records, once known, and whether its node sends what an initiator sends.
	ended     bool // the end is known
	initiates bool

	blind   ground    // never seen
	spoilt  [2]ground // broken by a side
	login   exchange
	parts   [2][]byte // login text whose end is still to come
	talk    *negotiation
	agreed  params
	cid     uint16
	full    bool // in full feature phase
	refused bool

	// stat is the StatSN that the next status gets.
	stat      uint32
	statKnown bool
	showed    bool // the last PDU with a StatSN only showed it
	// statLogin is the number after the final Login Response, ackSeen the last ExpStatSN of the initiator.
	statLogin uint32
	ack       uint32
	ackSeen   bool
	// expCmdSN is the last one that the target told on this connection.
	expCmdSN     uint32
	expCmdSNSeen bool

	headers [][pdu.BHSLength]byte // of the initiator, for Rejects
	evicted bool                  // headers were let go
	strange *pdu.BHS              // the header of a Reject that is not among them
	// pings are those of the target that wait for an answer, with their LUNs.
	pings     map[uint32]uint64
	pingsGone bool // there were too many

	// leaving tells that a Logout Request ends this connection, loggedOut that it was granted.
	leaving   bool
	loggedOut bool
}

func newConn(w *Watcher, e *trace.Event) *conn {
	c := &conn{w: w, name: e.Conn, node: e.Node, now: e, talk: newNegotiation()}
	switch e.Node {
	case trace.NodeInitiator, trace.NodeProbe:
		c.ended, c.initiates = true, true
	case trace.NodeTarget:
		c.ended = true
	}
	return c
}

// closes marks the end of the connection. An end that was closed by its peer may still send.
func (c *conn) closes(e *trace.Event) {
	c.closed = e.State != trace.CloseHalfSent && e.State != trace.CloseFINReceived
	if c.closed && c.s != nil {
		c.s.conns--
	}
}

// stray is what could not be framed: behind it nothing is sure.
func (c *conn) stray(e *trace.Event) {
	c.now = e
	c.began = true
	if s, known := c.sender(e); known {
		c.spoil(s, everything)
		return
	}
	c.lose(everything)
}

// sender tells which side an event's PDU or bytes come from.
func (c *conn) sender(e *trace.Event) (side, bool) {
	sent := e.Kind == trace.KindPDUSent || e.Kind == trace.KindBytes && e.State == trace.Sent
	if !c.ended {
		if e.PDU == nil || !e.PDU.Opcode().Known() {
			return 0, false
		}
		c.ended, c.initiates = true, sent != e.PDU.Opcode().FromTarget()
	}
	if sent == c.initiates {
		return initiator, true
	}
	return target, true
}

// pdu looks at one PDU.
func (c *conn) pdu(e *trace.Event) {
	c.now = e
	from, known := c.sender(e)
	if !known {
		c.lose(everything)
		return
	}
	if len(c.recent) == maxRecent {
		c.recent = append(c.recent[:0], c.recent[1:]...)
	}
	c.recent = append(c.recent, e)
	if !c.began {
		c.begin(from, e.PDU)
	}
	c.form(from, e.PDU)
	if from == initiator {
		c.remember(&e.PDU.Header)
	}
	p := pdu.New(e.PDU.Opcode())
	if p == nil || p.Opcode().FromTarget() != (from == target) || p.DecodeBHS(&e.PDU.Header) != nil {
		return
	}
	p.SetSegments(e.PDU.AHS, e.PDU.Data)
	if from == initiator {
		c.fromInitiator(p)
		return
	}
	c.fromTarget(p)
}

// begin looks at the first PDU. A connection that does not begin with a login was seen from its middle on, or is none.
func (c *conn) begin(from side, p *trace.PDU) {
	c.began = true
	if from == initiator && p.Opcode() == pdu.OpLoginRequest {
		c.midway = false
		return
	}
	if c.midway {
		c.lose(everything &^ (framing | status))
		c.full = true
		c.s = &session{c: c, conns: 1, blind: everything &^ (framing | login | status)}
	}
}

// remember keeps the header of a request for the Reject that may bring it back. A Reject can come before the request is whole, so one whose
// header is unknown is judged only when the next request is.
func (c *conn) remember(h *pdu.BHS) {
	if c.strange != nil && *c.strange != *h {
		c.broken(&rejectCopies, "the header that came back was never sent: %s", c.strange.Opcode())
	}
	c.strange = nil
	if len(c.headers) == maxHeaders {
		c.headers, c.evicted = append(c.headers[:0], c.headers[maxHeaders/2:]...), true
	}
	c.headers = append(c.headers, *h)
}

// fromInitiator follows what the initiator sends.
func (c *conn) fromInitiator(p pdu.PDU) {
	if r, is := p.(*pdu.LoginRequest); is {
		c.loginRequest(r)
		return
	}
	if !c.full {
		if c.refused {
			c.broken(&noGoOn, "a %s follows a refused login", p.Opcode())
			return
		}
		c.broken(&onlyLogin, "a %s before the login has ended", p.Opcode())
		return
	}
	c.numbered(p)
	switch p := p.(type) {
	case *pdu.SCSICommand:
		c.command(p)
	case *pdu.DataOut:
		c.dataOut(p)
	case *pdu.TaskManagementRequest:
		c.manage(p)
	case *pdu.NOPOut:
		c.nopOut(p)
	case *pdu.TextRequest:
		c.textRequest(p)
	case *pdu.LogoutRequest:
		c.logoutRequest(p)
	case *pdu.SNACKRequest:
		c.snack(p)
	}
}

// fromTarget follows what the target sends.
func (c *conn) fromTarget(p pdu.PDU) {
	if r, is := p.(*pdu.LoginResponse); is {
		c.loginResponse(r)
		return
	}
	if !c.full {
		// A target that cannot make sense of what came instead of a login may say so with a Reject; there is no rule for what else it sends.
		if _, is := p.(*pdu.Reject); !is {
			c.lose(everything &^ framing)
		}
		return
	}
	if c.loggedOut {
		c.broken(&silentAfterLogout, "a %s follows the Logout Response", p.Opcode())
	}
	c.counted(p)
	c.windowed(p)
	switch p := p.(type) {
	case *pdu.SCSIResponse:
		c.response(p)
	case *pdu.DataIn:
		c.dataIn(p)
	case *pdu.R2T:
		c.r2t(p)
	case *pdu.TaskManagementResponse:
		c.managed(p)
	case *pdu.NOPIn:
		c.nopIn(p)
	case *pdu.TextResponse:
		c.textResponse(p)
	case *pdu.LogoutResponse:
		c.logoutResponse(p)
	case *pdu.AsyncMessage:
		c.async(p)
	case *pdu.Reject:
		c.reject(p)
	}
}
