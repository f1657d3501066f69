package initiator

import "github.com/iscsispec/iscsispec/iscsi/pdu"

// receiveReject pairs a Reject with the PDU that it is about, by the header that it returns (RFC 7143, Section 11.17).
func (c *connection) receiveReject(h *pdu.BHS) error {
	var p pdu.Reject
	if err := p.DecodeBHS(h); err != nil {
		return err
	}
	data, err := c.segment(h)
	if err != nil {
		return err
	}
	p.Data = data
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	dev := &c.s.dev.Reject
	fresh, err := c.numbered(pdu.OpReject, p.StatSN)
	if dev.Uncounted && fresh {
		c.expStatSN--
	}
	if err != nil || !fresh {
		return err
	}
	c.note(p.ExpCmdSN, p.MaxCmdSN)
	rejected, ok := p.Rejected()
	if !ok && dev.ShortDeafens {
		return errDeafened
	}
	if !ok {
		return nil
	}
	if rejected.Opcode() == pdu.OpSNACKRequest {
		return c.rejectedSNACK(&rejected, p.Reason)
	}
	t := c.task(rejected.ITT())
	if t == nil {
		return nil
	}
	return c.rejected(t, &rejected, p.Reason)
}

// rejected ends the task whose request was rejected. A rejected Data-Out ends nothing: the target ends the task with a status of its
// own. A rejected command leaves a gap in the CmdSN order, which ABORT TASK plugs (RFC 7143, Section 7.3). The mutex is held.
func (c *connection) rejected(t *task, h *pdu.BHS, reason pdu.RejectReason) error {
	cause := &RejectError{Reason: reason, Opcode: h.Opcode()}
	dev := &c.s.dev.Reject
	if dev.OldestTask && t.kind == taskSCSI {
		t = c.s.tasks.inOrder()[0]
	}
	switch {
	case dev.IgnoresUnknown && reason > pdu.RejectWaitingForLogout:
	case dev.CountsAsAnswer && t.kind == taskPing:
		c.answer(t)
	case dev.ResendsData && h.Opcode() == pdu.OpDataOut && t.kind == taskSCSI && t.req != nil:
		var p pdu.DataOut
		_ = p.DecodeBHS(h) // The opcode was looked at.
		c.sendData(t, p.TTT, int(p.BufferOffset), h.DataSegmentLength())
	case dev.ResendsAtOnce && t.kind == taskSCSI && t.req != nil && !t.answered:
		c.s.retransmit(t)
	case dev.ForgetsCommand && t.kind == taskSCSI && t.req != nil && !t.answered:
		c.s.concludeOrQuit(t, 0, &residuals{underflow: true, count: uint32(len(t.req.Read) + len(t.req.Write))})
		c.s.settle(t, &c.over)
	case h.Opcode() == pdu.OpSCSICommand && t.kind == taskSCSI && c.resends(t, reason):
	case h.Opcode() == pdu.OpSCSICommand && t.kind == taskSCSI:
		t.stopped.Store(true)
		if t.quit == nil && !t.answered {
			t.quit = cause
			c.s.abort(t)
			c.s.settle(t, &c.over)
		}
	case t.exchange != nil && (t.kind == taskLogout || t.kind == taskText && c.s.dev.Text.RejectCloses):
		return cause
	case t.exchange != nil && t.exchange.lastResort:
		return &RecoveryError{What: "a task by ABORT TASK", Tries: 1, Err: cause}
	case t.exchange != nil && h.Opcode() != pdu.OpDataOut:
		t.exchange.err = cause
		c.answer(t)
	}
	return nil
}
