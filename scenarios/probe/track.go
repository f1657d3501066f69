package probe

import "github.com/iscsispec/iscsispec/iscsi/pdu"

// track keeps the numbers that a PDU of the target carries. StatSN is acknowledged for every PDU that consumes one (RFC
// 7143, Section 4.2.2.2): not for R2T, Data-In without status, and NOP-In that answers nothing.
func (c *Conn) track(p pdu.PDU) {
	switch p := p.(type) {
	case *pdu.LoginResponse:
		if p.StatusClass == 0 {
			c.status(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
		}
	case *pdu.SCSIResponse:
		c.status(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	case *pdu.TaskManagementResponse:
		c.status(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	case *pdu.TextResponse:
		c.status(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	case *pdu.LogoutResponse:
		c.status(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	case *pdu.AsyncMessage:
		c.status(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	case *pdu.Reject:
		c.status(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	case *pdu.NOPIn:
		if p.ITT != pdu.ReservedTag {
			c.status(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
		} else {
			c.Session.window(p.ExpCmdSN, p.MaxCmdSN)
		}
	case *pdu.DataIn:
		if p.StatusPresent {
			c.status(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
		} else {
			c.Session.window(p.ExpCmdSN, p.MaxCmdSN)
		}
	case *pdu.R2T:
		c.Session.window(p.ExpCmdSN, p.MaxCmdSN)
	}
}

func (c *Conn) status(statSN, expCmdSN, maxCmdSN uint32) {
	if !c.HoldExpStatSN {
		c.ExpStatSN = statSN + 1
	}
	c.Session.window(expCmdSN, maxCmdSN)
}

// noise tells whether an event is ignored noise in the catalogue's sense, and answers a ping of the target.
func (c *Conn) noise(e Event) bool {
	switch p := e.PDU.(type) {
	case *pdu.NOPIn:
		if p.ITT != pdu.ReservedTag {
			return false
		}
		if p.TTT != pdu.ReservedTag && c.AnswerPings {
			// A failed write shows as the end of the connection in the next event.
			_ = c.Send(&pdu.NOPOut{Immediate: true, LUN: p.LUN, ITT: pdu.ReservedTag, TTT: p.TTT, CmdSN: c.Session.CmdSN,
				ExpStatSN: c.ExpStatSN})
		}
		return true
	case *pdu.AsyncMessage:
		return p.Event == pdu.AsyncSCSI
	}
	return false
}
