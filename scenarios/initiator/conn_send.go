package initiator

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// Number fills in StatSN, ExpCmdSN and MaxCmdSN, and uses up a StatSN where the PDU does (RFC 7143, Section 4.2.2.2): not for R2T,
// Data-In without status, and a NOP-In that answers nothing.
func (c *Conn) Number(p pdu.PDU) {
	exp, highest := c.Session.ExpCmdSN, c.Session.MaxCmdSN()
	uses := true
	switch p := p.(type) {
	case *pdu.LoginResponse:
		p.StatSN, p.ExpCmdSN, p.MaxCmdSN = c.StatSN, exp, highest
	case *pdu.SCSIResponse:
		p.StatSN, p.ExpCmdSN, p.MaxCmdSN = c.StatSN, exp, highest
	case *pdu.TaskManagementResponse:
		p.StatSN, p.ExpCmdSN, p.MaxCmdSN = c.StatSN, exp, highest
	case *pdu.TextResponse:
		p.StatSN, p.ExpCmdSN, p.MaxCmdSN = c.StatSN, exp, highest
	case *pdu.LogoutResponse:
		p.StatSN, p.ExpCmdSN, p.MaxCmdSN = c.StatSN, exp, highest
	case *pdu.AsyncMessage:
		p.StatSN, p.ExpCmdSN, p.MaxCmdSN = c.StatSN, exp, highest
	case *pdu.Reject:
		p.StatSN, p.ExpCmdSN, p.MaxCmdSN = c.StatSN, exp, highest
	case *pdu.NOPIn:
		p.StatSN, p.ExpCmdSN, p.MaxCmdSN = c.StatSN, exp, highest
		uses = p.ITT != pdu.ReservedTag
	case *pdu.DataIn:
		p.ExpCmdSN, p.MaxCmdSN = exp, highest
		if uses = p.StatusPresent; uses {
			p.StatSN = c.StatSN
		}
	case *pdu.R2T:
		p.StatSN, p.ExpCmdSN, p.MaxCmdSN = c.StatSN, exp, highest
		uses = false
	default:
		uses = false
	}
	if uses {
		c.StatSN++
	}
}

// send numbers a PDU, applies the check's changes, and sends it.
func send[P pdu.PDU](c *Conn, p P, changes []func(P)) P {
	c.Number(p)
	for _, change := range changes {
		change(p)
	}
	c.Send(p)
	return p
}

// Status ends a command with a status and no residual beyond what the data that went makes. Changes are applied last, here and in the
// other functions of this file, so they can force any field.
func (c *Conn) Status(task *Task, status scsi.Status, changes ...func(*pdu.SCSIResponse)) {
	p := &pdu.SCSIResponse{ITT: task.PDU.ITT, Status: byte(status), ExpDataSN: task.sent()}
	if rest := task.rest(); rest > 0 && status == scsi.StatusGood {
		p.Underflow, p.ResidualCount = true, rest
	}
	send(c, p, changes)
}

// CheckCondition ends a command with CHECK CONDITION and sense data.
func (c *Conn) CheckCondition(task *Task, sense scsi.Sense, changes ...func(*pdu.SCSIResponse)) {
	p := &pdu.SCSIResponse{ITT: task.PDU.ITT, Status: byte(scsi.StatusCheckCondition), ExpDataSN: task.sent(),
		Data: pdu.SenseSegment(sense.Append(nil))}
	if rest := task.rest(); rest > 0 {
		p.Underflow, p.ResidualCount = true, rest
	}
	send(c, p, changes)
}

// DataIn sends n bytes of a read from an offset on in one Data-In, without F bit and status.
func (c *Conn) DataIn(task *Task, offset, n int, changes ...func(*pdu.DataIn)) {
	p := &pdu.DataIn{LUN: task.PDU.LUN, ITT: task.PDU.ITT, TTT: pdu.ReservedTag, DataSN: task.dataSN, BufferOffset: uint32(offset),
		Data: task.Bytes(offset, n)}
	task.dataSN++
	task.moved += n
	send(c, p, changes)
}

// Final sets the F bit of a Data-In.
func Final(p *pdu.DataIn) { p.Final = true }

// WithStatus returns a change that puts GOOD into a Data-In that ends its command. It consumes a StatSN of the connection.
func (c *Conn) WithStatus() func(p *pdu.DataIn) {
	return func(p *pdu.DataIn) {
		p.Final, p.StatusPresent = true, true
		c.Number(p)
	}
}

// NOPIn sends a NOP-In that answers nothing. With a tag of Tag it is a ping, with pdu.ReservedTag it wants no answer.
func (c *Conn) NOPIn(ttt uint32, changes ...func(*pdu.NOPIn)) *pdu.NOPIn {
	return send(c, &pdu.NOPIn{ITT: pdu.ReservedTag, TTT: ttt}, changes)
}

// Async sends an Async Message of an event.
func (c *Conn) Async(event pdu.AsyncEvent, changes ...func(*pdu.AsyncMessage)) *pdu.AsyncMessage {
	return send(c, &pdu.AsyncMessage{Event: event}, changes)
}

// Reject rejects a PDU of the initiator, whose header it returns. A non-immediate request counts as not received from then on (the
// header's reject rule).
func (c *Conn) Reject(e probe.Event, reason pdu.RejectReason, changes ...func(*pdu.Reject)) *pdu.Reject {
	if sn, numbered := cmdSNOf(e); numbered {
		c.Session.Unreceive(sn)
	}
	return send(c, &pdu.Reject{Reason: reason, Data: append([]byte(nil), e.Frame.BHS[:]...)}, changes)
}

// cmdSNOf is the CmdSN that a PDU uses up, if it does.
func cmdSNOf(e probe.Event) (sn uint32, numbered bool) {
	if e.Frame.BHS.Immediate() {
		return 0, false
	}
	switch p := e.PDU.(type) {
	case *pdu.SCSICommand:
		return p.CmdSN, true
	case *pdu.TaskManagementRequest:
		return p.CmdSN, true
	case *pdu.TextRequest:
		return p.CmdSN, true
	case *pdu.LogoutRequest:
		return p.CmdSN, true
	case *pdu.NOPOut:
		return p.CmdSN, p.ITT != pdu.ReservedTag
	}
	return 0, false
}

// Manage answers a task management request.
func (c *Conn) Manage(r *pdu.TaskManagementRequest, response pdu.TaskResponse, changes ...func(*pdu.TaskManagementResponse)) {
	send(c, &pdu.TaskManagementResponse{ITT: r.ITT, Response: response}, changes)
}

// Text answers a Text Request with pairs, finally.
func (c *Conn) Text(r *pdu.TextRequest, pairs text.Pairs, changes ...func(*pdu.TextResponse)) *pdu.TextResponse {
	return send(c, &pdu.TextResponse{Final: true, ITT: r.ITT, TTT: pdu.ReservedTag, LUN: r.LUN, Data: pairs.Append(nil)}, changes)
}

// Logout answers a Logout Request.
func (c *Conn) Logout(r *pdu.LogoutRequest, response pdu.LogoutResponseCode, changes ...func(*pdu.LogoutResponse)) *pdu.LogoutResponse {
	return send(c, &pdu.LogoutResponse{ITT: r.ITT, Response: response}, changes)
}

// Echo answers a ping of the initiator.
func (c *Conn) Echo(ping *pdu.NOPOut, changes ...func(*pdu.NOPIn)) {
	data := ping.Data
	if most := c.Params.PeerMaxRecvDataSegmentLength; len(data) > most {
		data = data[:most]
	}
	send(c, &pdu.NOPIn{LUN: ping.LUN, ITT: ping.ITT, TTT: pdu.ReservedTag, Data: data}, changes)
}
