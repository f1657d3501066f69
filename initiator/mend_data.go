package initiator

import (
	"errors"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// takeDataSN holds the DataSN of a Data-In against the one expected. Repeated says that the data is here already. The mutex is held.
func (c *connection) takeDataSN(t *task, p *pdu.DataIn, n int) (repeated bool, err error) {
	off := wrongNumber(pdu.OpDataIn, "DataSN", p.DataSN, t.dataSN, "RFC 7143, Section 11.7.5")
	if !c.s.recovers() {
		return false, off
	}
	dev := &c.s.dev.Recovery
	switch {
	case t.mend != nil && t.mend.tag != 0:
		return true, nil // Of the transfer that the R-Data SNACK has ended.
	case iscsi.SNLess(p.DataSN, t.dataSN):
		if t.mend != nil && t.mend.gaps.fill(p.DataSN) {
			return false, nil
		}
		if dev.CountDuplicates {
			return true, outOfRange(pdu.OpDataIn, "Buffer Offset", uint32(t.received), n, len(t.req.Read), "RFC 7143, Section 11.7.6")
		}
		return true, nil
	}
	if !c.mending(t).gaps.open(t.dataSN, p.DataSN) {
		return false, off
	}
	t.scatter()
	t.dataSN = p.DataSN + 1
	return false, nil
}

// scatter goes over from counting bytes to keeping account of where they are: from now on they may have gaps. The mutex is held.
func (t *task) scatter() {
	if t.scattered {
		return
	}
	t.scattered = true
	if t.received > 0 && len(t.spans) == 0 {
		t.spans = spans{{0, t.received}}
	}
}

// spoiledData treats a Data-In whose data digest was wrong, or whose data was cut off, as one that did not come (RFC 7143, Section 7.8). It
// returns err if that cannot be mended on this connection. The mutex is held.
func (c *connection) spoiledData(t *task, p *pdu.DataIn, n int, err error) error {
	if t.scattered || len(t.spans) > 0 {
		t.spans.remove(int(p.BufferOffset), n)
	}
	if !c.s.mendable(err) {
		if c.s.params.ErrorRecoveryLevel >= 2 && p.DataSN+1 != t.dataSN {
			c.mending(t).gaps.open(p.DataSN, p.DataSN+1)
		} else if p.DataSN+1 == t.dataSN {
			t.dataSN-- // Another connection may carry the task on from here.
		}
		return err
	}
	if !c.mending(t).gaps.open(p.DataSN, p.DataSN+1) {
		return err
	}
	t.scatter()
	if p.StatusPresent {
		c.gaps.open(p.StatSN, p.StatSN+1)
	}
	return nil
}

// mendable reports whether an error of reading leaves the stream in step and the level of error recovery allows to ask again.
func (s *Session) mendable(err error) bool {
	if err == nil || !s.recovers() {
		return false
	}
	var digest *pdu.DigestError
	return errors.As(err, &digest) && digest.Segment == pdu.SegmentData
}

// mended carries a task on as far as what has come allows: the DataACK that is owed, and the status that was kept back. It reports whether that
// has ended the task, whose slot may be another's then. The mutex is held.
func (c *connection) mended(t *task) (ended bool, err error) {
	m := t.mend
	if m == nil || len(m.gaps) > 0 {
		return false, nil
	}
	if m.ack != nil {
		c.acknowledgeData(t, m.ack)
		m.ack = nil
	}
	if m.held == nil {
		return false, nil
	}
	held := m.held
	m.held = nil
	c.letGo(t)
	return true, c.conclude(t, held, held.Data)
}

// oweDataACK answers the A bit of a Data-In: with a DataACK, at once or when all before it has come (RFC 7143, Section 11.16.2). A status in
// the same PDU acknowledges all of the data by itself. The mutex is held.
func (c *connection) oweDataACK(t *task, p *pdu.DataIn) {
	if !p.Acknowledge || p.StatusPresent || !c.s.recovers() || c.phase >= phaseLeaving {
		return
	}
	ack := pdu.SNACKRequest{Type: pdu.SNACKDataACK, LUN: p.LUN, ITT: pdu.ReservedTag, TTT: p.TTT}
	if t.mend == nil || len(t.mend.gaps) == 0 || c.s.dev.DataIn.AcknowledgePastGap {
		c.acknowledgeData(t, &ack)
		return
	}
	t.mend.ack = new(ack)
}

// acknowledgeData sends a DataACK for all of a task's data that has come. The mutex is held.
func (c *connection) acknowledgeData(t *task, ack *pdu.SNACKRequest) {
	t.acked, t.ackedBytes = t.dataSN, t.arrived()
	ack.BegRun = t.dataSN
	if c.s.dev.DataIn.AcknowledgementNamesTask {
		ack.ITT = t.itt
	}
	c.sendSNACK(ack)
}

// takeR2TSN holds the R2TSN of an R2T that is not the one expected against what is missing. It reports whether it was missing. The mutex is
// held.
func (c *connection) takeR2TSN(t *task, p *pdu.R2T) (filled bool, err error) {
	if iscsi.SNLess(p.R2TSN, t.dataSN) {
		return t.mend != nil && t.mend.gaps.fill(p.R2TSN), nil
	}
	if !c.mending(t).gaps.open(t.dataSN, p.R2TSN) {
		return false, wrongNumber(pdu.OpR2T, "R2TSN", p.R2TSN, t.dataSN, "RFC 7143, Section 11.8.2")
	}
	t.dataSN = p.R2TSN
	return false, nil
}

// rejectedSNACK takes in that the target will not send again what it was asked for. Of a task the status is still to come; without a status
// that was asked for the connection cannot go on. A DataACK needs nothing. The mutex is held.
func (c *connection) rejectedSNACK(h *pdu.BHS, reason pdu.RejectReason) error {
	var p pdu.SNACKRequest
	if err := p.DecodeBHS(h); err != nil {
		return err
	}
	cause := &RejectError{Reason: reason, Opcode: pdu.OpSNACKRequest}
	dev := &c.s.dev.Reject
	switch t := c.task(p.ITT); {
	case dev.SNACKAgain:
	case dev.SNACKFillsHole && t != nil && t.mend != nil:
		t.mend.gaps, t.received, t.spans, t.scattered = nil, len(t.req.Read), nil, false
		_, err := c.mended(t)
		return err
	case p.Type == pdu.SNACKStatus && len(c.gaps) > 0:
		return &RecoveryError{What: "a status by SNACK", Tries: 1, Err: cause}
	case t != nil && t.mend != nil && t.mend.refused.IsZero() && (len(t.mend.gaps) > 0 || t.mend.tag != 0):
		t.mend.refused = time.Now()
		if t.mend.tag != 0 {
			t.mend.tag = 0
			t.mend.gaps.open(t.dataSN, t.dataSN+1)
		}
		c.armMend()
	}
	return nil
}

// resends sends a command again whose immediate data the target got with a wrong digest (RFC 7143, Section 7.8). It reports false if the task
// is to be ended instead. The mutex is held.
func (c *connection) resends(t *task, reason pdu.RejectReason) bool {
	if c.s.params.ErrorRecoveryLevel < 1 || reason != pdu.RejectDataDigestError || t.req == nil || t.quit != nil || t.answered || c.phase != phaseOpen {
		return false
	}
	m := c.mending(t)
	if m.tries++; m.tries > retryLimit {
		return false
	}
	c.s.retransmit(t)
	return true
}
