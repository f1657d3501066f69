package initiator

import (
	"encoding/binary"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// receiveResponse ends a SCSI task (RFC 7143, Section 11.4).
func (c *connection) receiveResponse(h *pdu.BHS) error {
	var p pdu.SCSIResponse
	if err := p.DecodeBHS(h); err != nil {
		return err
	}
	data, err := c.segment(h)
	if err != nil {
		return err
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	fresh, err := c.numbered(pdu.OpSCSIResponse, p.StatSN)
	if err != nil || !fresh && !c.answersRData(&p) {
		return err
	}
	c.note(p.ExpCmdSN, p.MaxCmdSN)
	if c.s.dev.Sequencing.any() {
		c.departResponse(h, &p, data)
	}
	t := c.task(p.ITT)
	if t == nil || t.kind != taskSCSI || t.answered {
		return nil // Late or foreign: its number counts, nothing else.
	}
	if t.req == nil {
		c.s.retire(t)
		return nil
	}
	if t.solicited < len(t.req.Write) && c.s.dev.DataOut.WaitsForAllData {
		return nil
	}
	if c.s.recovers() && c.holds(t, &p, data) {
		return nil
	}
	if t.mend != nil {
		c.letGo(t)
	}
	return c.conclude(t, &p, data)
}

// answersRData reports whether a response ends a task that an R-Data SNACK was sent for: it may come with a StatSN that has been used before
// (RFC 7143, Section 11.16.3). The mutex is held.
func (c *connection) answersRData(p *pdu.SCSIResponse) bool {
	t := c.task(p.ITT)
	return t != nil && t.mend != nil && t.mend.tag != 0 && t.mend.tag == p.SNACKTag
}

// countsDataInAlone reports whether an ExpDataSN can be the number of Data-In PDUs of a bidirectional command, as RFC 7143, Section 11.4.8, has
// it; RFC 3720 counted its R2Ts too. The mutex is held.
func (t *task) countsDataInAlone(expDataSN uint32) bool {
	return t.req != nil && len(t.req.Read) > 0 && len(t.req.Write) > 0 && expDataSN < t.dataSN
}

// conclude writes the outcome into the request. The mutex is held.
func (c *connection) conclude(t *task, p *pdu.SCSIResponse, data []byte) error {
	if c.s.dev.Status.any() && c.departStatus(t, p, &data) {
		return nil
	}
	if p.Response != pdu.ResponseCompleted {
		c.s.refused(t, &TargetFailureError{Response: p.Response})
		c.s.settle(t, &c.over)
		return nil
	}
	// What was asked for after the requester gave up, or after the Logout Request, was not counted.
	counted := t.quit == nil && c.phase < phaseLeaving
	if counted && p.ExpDataSN != 0 && p.ExpDataSN != t.dataSN && !t.countsDataInAlone(p.ExpDataSN) {
		return wrongNumber(pdu.OpSCSIResponse, "ExpDataSN", p.ExpDataSN, t.dataSN, "RFC 7143, Section 11.4.8")
	}
	if len(data) == 0 && scsi.Status(p.Status) == scsi.StatusCheckCondition {
		// Autosense is no option of the target's. RFC 7143, Section 7.7 has this very PDU among its examples of format errors, which end
		// all connections of the session.
		return &ProtocolError{
			Opcode: pdu.OpSCSIResponse, Field: "DataSegmentLength", Got: "0 with CHECK CONDITION", Want: "sense data",
			Clause: "RFC 7143, Sections 7.7 and 11.4.7",
		}
	}
	if err := t.takeSense(data); err != nil {
		return err
	}
	res := residualsOf(p)
	if err := res.check(pdu.OpSCSIResponse); err != nil {
		return err
	}
	c.s.concludeOrQuit(t, p.Status, &res)
	c.s.settle(t, &c.over)
	return nil
}

// refused ends a task without a status: with err, or with the requester's own reason if it has given up already. The mutex is held.
func (s *Session) refused(t *task, err error) {
	t.answered, t.req.Err = true, err
	t.stopped.Store(true)
	if t.quit != nil {
		t.req.Err = t.quit
	}
}

// concludeOrQuit stores the outcome, which is the requester's own reason if it has given up already. The mutex is held.
func (s *Session) concludeOrQuit(t *task, status byte, res *residuals) {
	if t.quit != nil {
		s.refused(t, nil)
		return
	}
	t.conclude(status, res, s.dev)
}

// takeSense copies the sense data out of the data segment of a response (RFC 7143, Section 11.4.7.2).
func (t *task) takeSense(data []byte) error {
	if len(data) < 2 {
		return nil
	}
	n := int(binary.BigEndian.Uint16(data))
	if n > len(data)-2 {
		return wrongNumber(pdu.OpSCSIResponse, "SenseLength", n, len(data)-2, "RFC 7143, Section 11.4.7")
	}
	t.req.Sense = append(t.req.Sense[:0], data[2:2+n]...)
	return nil
}

// conclude stores status, residual and the number of bytes transferred. Success that leaves bytes unaccounted for becomes an
// error, since the requester would take them for good.
func (t *task) conclude(status byte, res *residuals, dev *Deviations) {
	r := t.req
	t.answered = true
	t.stopped.Store(true)
	r.Status, r.Overflow, r.Underflow = status, res.overflow, res.underflow
	if res.overflow || res.underflow {
		r.Residual = res.count
	}
	length, moved := len(r.Read), t.arrived()
	if len(r.Write) > 0 {
		if len(r.Read) > 0 {
			t.concludeInbound(status, res)
		}
		length, moved = len(r.Write), t.solicited
	}
	claimed := claim(length, res.underflow, res.count)
	r.Transferred = min(moved, claimed)
	if dev.Session.FullLengthOnUnderflow {
		r.Transferred = length
		return
	}
	if status == 0 && moved < claimed && r.Err == nil {
		r.Err = &IncompleteError{Got: moved, Want: claimed}
	}
}

// concludeInbound stores what became of the read part of a bidirectional command.
func (t *task) concludeInbound(status byte, res *residuals) {
	in := &t.req.Inbound
	in.Overflow, in.Underflow = res.readOverflow, res.readUnderflow
	if in.Overflow || in.Underflow {
		in.Residual = res.readCount
	}
	moved, claimed := t.arrived(), claim(len(t.req.Read), in.Underflow, in.Residual)
	in.Transferred = min(moved, claimed)
	if status == 0 && moved < claimed {
		t.req.Err = &IncompleteError{Got: moved, Want: claimed}
	}
}

// claim is how many bytes of length the target says were transferred (RFC 7143, Section 11.4.5).
func claim(length int, underflow bool, residual uint32) int {
	if !underflow {
		return length
	}
	return max(0, length-int(min(residual, uint32(length))))
}
