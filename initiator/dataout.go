package initiator

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// sendData queues one sequence of Data-Out PDUs: length bytes of the task's data from offset on. The mutex is held.
func (c *connection) sendData(t *task, ttt uint32, offset, length int) {
	p := pdu.DataOut{ITT: t.itt, TTT: ttt, BufferOffset: uint32(offset)}
	if ttt != pdu.ReservedTag {
		p.LUN = t.lun
	}
	e := sendEntry{
		data: t.req.Write[offset:][:length], owner: t, chunk: c.chunk(), answersR2T: ttt != pdu.ReservedTag,
	}
	p.EncodeBHS(&e.header)
	if c.s.dev.DataOut.any() {
		c.departSequence(t, &e, offset)
	}
	if c.s.dev.Recovery.DataOutElsewhere {
		c = c.s.conns[len(c.s.conns)-1]
	}
	c.send(e)
}

// chunk is how much data of a sequence one Data-Out PDU carries: what the target takes, in whole words (RFC 7143, Section 11.7.7).
func (c *connection) chunk() int {
	limit := c.peerLimit
	if limit > 4 {
		limit &^= 3
	}
	return max(1, limit)
}

// receiveR2T queues the data that the target asks for (RFC 7143, Section 11.8).
func (c *connection) receiveR2T(h *pdu.BHS) error {
	var p pdu.R2T
	if err := p.DecodeBHS(h); err != nil {
		return err
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if !c.s.dev.Sequencing.IgnoreR2TWindow {
		c.note(p.ExpCmdSN, p.MaxCmdSN)
	}
	c.announced(p.StatSN)
	t := c.task(p.ITT)
	if t == nil || t.kind != taskSCSI || t.req == nil || len(t.req.Write) == 0 || t.answered || t.quit != nil || t.withheld {
		if c.s.dev.DataOut.AnswersUnknownTask {
			c.sendForNobody(&p)
		}
		if c.s.dev.Loss.AnswersOldTags {
			c.sendForOldTag(&p)
		}
		return c.declineR2T(t, &p)
	}
	if c.phase >= phaseLeaving {
		return nil // After the Logout Request no new data is promised.
	}
	if t.resync {
		t.resync, t.dataSN = false, p.R2TSN
		if c.s.params.DataSequenceInOrder {
			t.solicited = int(p.BufferOffset)
		}
	}
	filled := false
	if c.s.recovers() && p.R2TSN != t.dataSN && !c.s.dev.DataOut.ServesRepetitions {
		var err error
		if filled, err = c.takeR2TSN(t, &p); err != nil || !filled && p.R2TSN != t.dataSN {
			return err // A repetition of one that has been answered.
		}
	}
	if err := t.checkR2T(&p, c.s); err != nil {
		return err
	}
	if !filled {
		t.dataSN++
	}
	t.openR2Ts.Add(1)
	t.solicit(&p, c.s.params.DataSequenceInOrder)
	if c.s.dev.DataOut.any() {
		if t = c.departR2T(t, &p); t == nil {
			return nil
		}
	}
	c.sendData(t, p.TTT, int(p.BufferOffset), int(p.DesiredDataTransferLength))
	return nil
}

// solicit counts what an R2T asks for. The mutex is held.
func (t *task) solicit(p *pdu.R2T, inOrder bool) {
	length := int(p.DesiredDataTransferLength)
	if inOrder {
		t.solicited = max(t.solicited, int(p.BufferOffset)+length)
	} else {
		t.solicited = min(t.solicited+length, len(t.req.Write))
	}
}

// outOfSequence reports whether an R2T leaves the order that DataSequenceInOrder=Yes demands. A recovery R2T, which asks for data
// again that did not arrive whole, does not (RFC 7143, Section 11.8). The mutex is held.
func (t *task) outOfSequence(p *pdu.R2T, s *Session) bool {
	if !s.params.DataSequenceInOrder || int(p.BufferOffset) == t.solicited || t.mend != nil {
		return false
	}
	return s.params.ErrorRecoveryLevel == 0 || s.dev.Digest.NoRecoveryR2T || int(p.BufferOffset)+int(p.DesiredDataTransferLength) > t.solicited
}

// checkR2T holds an R2T against the task and what was negotiated. The mutex is held.
func (t *task) checkR2T(p *pdu.R2T, s *Session) error {
	length, dev := len(t.req.Write), &s.dev.DataOut
	fault := func(field, got, want, section string) error {
		return &ProtocolError{Opcode: pdu.OpR2T, Field: field, Got: got, Want: want, Clause: "RFC 7143, Section " + section}
	}
	switch {
	case p.TTT == pdu.ReservedTag && !dev.IgnoresReservedTag:
		return fault("Target Transfer Tag", "0xffffffff", "another value", "11.8.5")
	case p.LUN != t.lun && !dev.LUNFromR2T:
		return fault("LUN", fmt.Sprintf("%#016x", p.LUN), fmt.Sprintf("%#016x", t.lun), "11.8")
	case p.R2TSN != t.dataSN && !s.recovers() && !dev.IgnoreR2TSN && !dev.ServesRepetitions:
		return wrongNumber(pdu.OpR2T, "R2TSN", p.R2TSN, t.dataSN, "RFC 7143, Section 11.8.2")
	case p.DesiredDataTransferLength == 0 && !dev.ZeroLengthStalls:
		return fault("Desired Data Transfer Length", "0", "at least 1", "11.8.4")
	case int64(p.DesiredDataTransferLength) > int64(s.params.MaxBurstLength) && !dev.CutsAtMaxBurst:
		return fault("Desired Data Transfer Length", fmt.Sprint(p.DesiredDataTransferLength), fmt.Sprintf("at most %d", s.params.MaxBurstLength), "11.8.4")
	case uint64(p.BufferOffset)+uint64(p.DesiredDataTransferLength) > uint64(length) && !dev.TrustLength:
		return outOfRange(pdu.OpR2T, "Buffer Offset", p.BufferOffset, int(p.DesiredDataTransferLength), length, "RFC 7143, Section 11.8.4")
	case int(t.openR2Ts.Load()) >= max(1, s.params.MaxOutstandingR2T) && !dev.R2TSlots:
		return fault("R2T", fmt.Sprintf("%d outstanding", t.openR2Ts.Load()+1), fmt.Sprintf("at most %d", s.params.MaxOutstandingR2T), "13.17")
	case t.outOfSequence(p, s) && !dev.IgnoreR2TSN && !dev.TrustLength:
		return wrongNumber(pdu.OpR2T, "Buffer Offset", int(p.BufferOffset), t.solicited, "RFC 7143, Section 13.19")
	}
	return nil
}
