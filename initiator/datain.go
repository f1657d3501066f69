package initiator

import "github.com/iscsispec/iscsispec/iscsi/pdu"

// receiveDataIn reads data straight into the buffer of the request that it belongs to.
func (c *connection) receiveDataIn(h *pdu.BHS) error {
	var p pdu.DataIn
	if err := p.DecodeBHS(h); err != nil {
		return err
	}
	n := h.DataSegmentLength()
	if c.s.dev.DataIn.any() {
		if done, err := c.departDataIn(h, &p); done || err != nil {
			return err
		}
	}
	c.s.mu.Lock()
	fresh, err := c.admitDataIn(&p)
	t := c.task(p.ITT)
	if err != nil || !fresh || t == nil || t.kind != taskSCSI || t.req == nil || t.answered || t.quit != nil {
		c.s.mu.Unlock()
		if err != nil || !fresh {
			return err
		}
		return c.dropDataIn(&p)
	}
	if p.DataSN == t.dataSN {
		t.dataSN++
	} else if repeated, err := c.takeDataSN(t, &p, n); err != nil || repeated {
		if repeated && p.StatusPresent {
			c.holds(t, statusOf(&p), nil)
		}
		c.s.mu.Unlock()
		return err
	}
	if err := t.checkDataIn(&p, n, c.s); err != nil {
		c.s.mu.Unlock()
		return err
	}
	dst := t.req.Read[p.BufferOffset:][:n]
	t.reading = true
	c.s.mu.Unlock()

	if c.s.dev.Logout.DropsLateData && c.phase == phaseLeaving {
		err = c.reader.Discard()
	} else {
		err = c.reader.ReadData(dst)
	}

	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	t.reading = false
	if err != nil && c.s.dev.Loss.PartialIsWhole {
		t.received = len(t.req.Read)
		c.s.concludeOrQuit(t, 0, &residuals{})
		c.s.settle(t, &c.over)
		return err
	}
	if err != nil {
		if err = c.spoiledData(t, &p, n, err); err == nil {
			c.s.settle(t, &c.over)
		}
		return err
	}
	t.received += n
	if p.Acknowledge {
		c.oweDataACK(t, &p)
	}
	if t.mend != nil {
		if ended, err := c.mended(t); err != nil || ended {
			return err
		}
	}
	if p.StatusPresent && (t.mend == nil || !c.holds(t, statusOf(&p), nil)) {
		c.s.concludeOrQuit(t, p.Status, &residuals{overflow: p.Overflow, underflow: p.Underflow, count: p.ResidualCount})
	}
	c.s.settle(t, &c.over)
	return nil
}

// dropDataIn skips data that nobody waits for. If it carries the status of a task that was given up, the task's slot is free.
func (c *connection) dropDataIn(p *pdu.DataIn) error {
	if err := c.reader.Discard(); err != nil {
		return err
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	t := c.task(p.ITT)
	if t != nil && t.kind == taskSCSI && t.req == nil && p.StatusPresent {
		c.s.retire(t)
	}
	return nil
}

// admitDataIn takes in the numbers of the PDU. The mutex is held.
func (c *connection) admitDataIn(p *pdu.DataIn) (fresh bool, err error) {
	fresh = true
	if p.StatusPresent {
		if !p.Final {
			return false, &ProtocolError{Opcode: pdu.OpDataIn, Field: "F", Got: "0 with S=1", Want: "1", Clause: "RFC 7143, Section 11.7.3"}
		}
		fresh, err = c.numbered(pdu.OpDataIn, p.StatSN)
	}
	if err == nil {
		c.note(p.ExpCmdSN, p.MaxCmdSN)
	}
	return fresh, err
}

// checkDataIn holds one Data-In against the task and what was negotiated, and counts it. The length of a burst is not looked at: fielded
// targets overrun it where the data is larger, and nothing is harmed by it here. The mutex is held.
func (t *task) checkDataIn(p *pdu.DataIn, n int, s *Session) error {
	if uint64(p.BufferOffset)+uint64(n) > uint64(len(t.req.Read)) {
		return outOfRange(pdu.OpDataIn, "Buffer Offset", p.BufferOffset, n, len(t.req.Read), "RFC 7143, Section 11.7.6")
	}
	if p.StatusPresent && p.Overflow && p.Underflow {
		return bothResiduals(pdu.OpDataIn, "O and U")
	}
	if n > 0 && s.params.DataPDUInOrder && s.params.DataSequenceInOrder && !t.scattered {
		if int(p.BufferOffset) != t.received {
			return wrongNumber(pdu.OpDataIn, "Buffer Offset", int(p.BufferOffset), t.received, "RFC 7143, Section 13.18")
		}
	} else if err := t.spans.add(int(p.BufferOffset), n); err != nil {
		return err
	}
	return nil
}

// statusOf is the status that a Data-In carries, as a response of its own would have it.
func statusOf(p *pdu.DataIn) *pdu.SCSIResponse {
	return &pdu.SCSIResponse{
		ITT: p.ITT, StatSN: p.StatSN, Status: p.Status, Overflow: p.Overflow, Underflow: p.Underflow, ResidualCount: p.ResidualCount,
	}
}
