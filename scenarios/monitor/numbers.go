package monitor

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// The rules of StatSN, ExpCmdSN and MaxCmdSN, which bind the target.
var (
	statSteps = rule{side: target, row: "ffp-sequencing.statsn.increments-per-response", name: "StatSN steps by one", clause: "RFC 7143, Section 4.2.2.2",
		needs: framing | status, spoils: status}
	statShown = rule{side: target, row: "ffp-sequencing.statsn.not-consumed-by-r2t-and-data", name: "R2T and NOP-In show the next StatSN",
		clause: "RFC 7143, Section 4.2.2.2", needs: framing | status}
	windowUpright = rule{side: target, row: "ffp-sequencing.maxcmdsn.not-below-expcmdsn-minus-one", name: "MaxCmdSN is at least ExpCmdSN-1",
		clause: "RFC 7143, Section 4.2.2.1", needs: framing, spoils: order}
	expCmdSNForward = rule{side: target, row: "ffp-sequencing.expcmdsn.acknowledges-in-order", name: "ExpCmdSN never moves back",
		clause: "RFC 7143, Section 4.2.2.1", needs: framing, spoils: order}
	expCmdSNSent = rule{side: target, row: "ffp-sequencing.expcmdsn.acknowledges-in-order", name: "ExpCmdSN acknowledges what was sent",
		clause: "RFC 7143, Section 4.2.2.1", needs: framing | order | login, spoils: order}
)

// The rules of CmdSN and ExpStatSN, which bind the initiator.
var (
	cmdSNSteps = rule{side: initiator, row: "cmdsn.increments-by-one", name: "CmdSN steps by one", clause: "RFC 7143, Section 4.2.2.1",
		needs: framing | order, spoils: everything &^ (framing | status | keys)}
	cmdSNFirst = rule{side: initiator, row: "cmdsn.first-after-login", name: "the first CmdSN is the login's", clause: "RFC 7143, Section 11.12.8",
		needs: framing | order, spoils: everything &^ (framing | status | keys)}
	cmdSNImmediate = rule{side: initiator, row: "cmdsn.immediate-does-not-advance", name: "CmdSN of immediate requests",
		clause: "RFC 7143, Section 4.2.2.1", needs: framing | order, spoils: order}
	windowKept = rule{side: initiator, row: "window.closed.no-commands", name: "no request beyond MaxCmdSN", clause: "RFC 7143, Section 4.2.2.1",
		needs: framing | order, spoils: everything &^ (framing | status | keys)}
	ackSent = rule{side: initiator, row: "statsn.expstatsn-tracks", name: "ExpStatSN acknowledges what was sent", clause: "RFC 7143, Section 4.2.2.2",
		needs: framing | status | login, spoils: status | data}
	ackUnnumbered = rule{side: initiator, row: "statsn.not-advanced-by-unnumbered", name: "R2T and NOP-In leave ExpStatSN alone",
		clause: "RFC 7143, Section 11.8.3", needs: framing | status | login, spoils: status | data}
	ackForward = rule{side: initiator, row: "statsn.expstatsn-tracks", name: "ExpStatSN never moves back", clause: "RFC 7143, Section 4.2.2.2",
		needs: framing | status | login, spoils: status}
	ackLogin = rule{side: initiator, row: "statsn.expstatsn-after-login", name: "the first request acknowledges the login",
		clause: "RFC 7143, Section 11.3.3", needs: framing | status | login, spoils: status}
	silentAfterLogout = rule{side: target, row: "logout.after-response.no-more-traffic", name: "nothing follows the Logout Response",
		clause: "RFC 7143, Section 11.14", needs: framing | order | login}
)

// counted follows StatSN. RFC 7143, Section 11.4.9: it steps once for each PDU that carries status.
func (c *conn) counted(p pdu.PDU) {
	number, carries := uint32(0), true
	switch p := p.(type) {
	case *pdu.LoginResponse:
		number = p.StatSN
	case *pdu.SCSIResponse:
		number = p.StatSN
	case *pdu.DataIn:
		if !p.StatusPresent {
			return
		}
		number = p.StatSN
	case *pdu.TaskManagementResponse:
		number = p.StatSN
	case *pdu.TextResponse:
		number = p.StatSN
	case *pdu.LogoutResponse:
		number = p.StatSN
	case *pdu.AsyncMessage:
		number = p.StatSN
	case *pdu.Reject:
		number = p.StatSN
	case *pdu.NOPIn:
		number, carries = p.StatSN, p.ITT != pdu.ReservedTag
	case *pdu.R2T:
		number, carries = p.StatSN, false
	default:
		return
	}
	switch {
	case !c.statKnown:
	case number == c.stat:
	case carries:
		c.broken(&statSteps, "%s with StatSN %s, want %s", p.Opcode(), hex(number), hex(c.stat))
	default:
		c.broken(&statShown, "%s with StatSN %s, want %s", p.Opcode(), hex(number), hex(c.stat))
		return
	}
	c.statKnown, c.stat, c.showed = true, number, !carries
	if carries {
		c.stat++
	}
}

// windowed follows ExpCmdSN and MaxCmdSN in full feature phase.
func (c *conn) windowed(p pdu.PDU) {
	h := &c.now.PDU.Header
	exp, most := word(h, 28), word(h, 32)
	if serial(most-exp) < -1 {
		c.broken(&windowUpright, "%s with ExpCmdSN %s and MaxCmdSN %s", p.Opcode(), hex(exp), hex(most))
		return // both are to be ignored
	}
	if c.expCmdSNSeen && serial(exp-c.expCmdSN) < 0 {
		c.broken(&expCmdSNForward, "%s with ExpCmdSN %s after %s", p.Opcode(), hex(exp), hex(c.expCmdSN))
	}
	if !c.expCmdSNSeen || serial(exp-c.expCmdSN) > 0 {
		c.expCmdSN, c.expCmdSNSeen = exp, true
	}
	s := c.s
	if s.numbered && !s.several && serial(exp-s.highest) > 0 {
		c.broken(&expCmdSNSent, "%s with ExpCmdSN %s, where the next request has CmdSN %s", p.Opcode(), hex(exp), hex(s.highest))
	}
	if serial(most-s.most) > 0 {
		s.most = most
	}
}

// numbered follows CmdSN and ExpStatSN of a request in full feature phase.
func (c *conn) numbered(p pdu.PDU) {
	h := &c.now.PDU.Header
	if l, is := p.(*pdu.LogoutRequest); !is || l.Reason == pdu.LogoutCloseSession || l.CID == c.cid {
		c.acknowledges(p, word(h, 28)) // else it is the number of the connection that is logged out (RFC 7143, Section 11.14.4)
	}
	switch p.Opcode() {
	case pdu.OpDataOut, pdu.OpSNACKRequest:
		return
	}
	switch p.Opcode() {
	case pdu.OpSCSICommand, pdu.OpTextRequest, pdu.OpTaskManagementRequest:
		if c.leaving {
			c.broken(&logoutLast, "a %s behind a Logout Request", p.Opcode())
		}
	}
	s := c.s
	number := word(h, 24)
	if !s.numbered || s.several {
		return
	}
	if h.Immediate() {
		if number != s.next {
			c.doubtful(&cmdSNImmediate, "an immediate %s with CmdSN %s, want %s", p.Opcode(), hex(number), hex(s.next))
		}
		return
	}
	switch {
	case number == s.next:
	case s.next == c.login.first.CmdSN && s.next == s.highest && !s.rejected && s.c == c:
		c.broken(&cmdSNFirst, "the first %s has CmdSN %s, want %s", p.Opcode(), hex(number), hex(s.next))
	default:
		c.doubtful(&cmdSNSteps, "a %s with CmdSN %s, want %s", p.Opcode(), hex(number), hex(s.next))
	}
	if serial(number-s.most) > 0 {
		c.broken(&windowKept, "a %s with CmdSN %s, where MaxCmdSN is %s", p.Opcode(), hex(number), hex(s.most))
	}
	s.next = number + 1
	if serial(s.next-s.highest) > 0 {
		s.highest = s.next
	}
}

// doubtful is broken for what an initiator may have reason to do at a higher recovery level, or after a Reject.
func (c *conn) doubtful(r *rule, format string, args ...any) {
	if c.agreed.level == 1 && !c.s.rejected {
		c.broken(r, format, args...)
		return
	}
	c.spoil(r.side, r.spoils)
}

// acknowledges follows ExpStatSN.
func (c *conn) acknowledges(p pdu.PDU, number uint32) {
	if !c.statKnown {
		return
	}
	switch {
	case number == c.stat+1 && c.showed:
		c.broken(&ackUnnumbered, "a %s with ExpStatSN %s, where an R2T or NOP-In has shown %s as the next StatSN", p.Opcode(), hex(number), hex(c.stat))
		return
	case serial(number-c.stat) > 0:
		c.broken(&ackSent, "a %s with ExpStatSN %s, where the next StatSN is %s", p.Opcode(), hex(number), hex(c.stat))
		return
	case c.ackSeen && serial(number-c.ack) < 0:
		c.broken(&ackForward, "a %s with ExpStatSN %s after %s", p.Opcode(), hex(number), hex(c.ack))
		return
	case !c.ackSeen && !c.midway && serial(number-c.statLogin) < 0:
		c.broken(&ackLogin, "the first %s has ExpStatSN %s, want %s", p.Opcode(), hex(number), hex(c.statLogin))
	}
	c.ack, c.ackSeen = number, true
}
