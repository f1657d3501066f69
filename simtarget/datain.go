package simtarget

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// respond answers a command that was executed, at once or when the response fence lets it.
func (s *session) respond(c *connection, k *task) {
	if k.device.Status == scsi.StatusCheckCondition {
		s.contingency(k)
	}
	if s.fences && s.waitsAtFence(fencedResponse{task: k}, s.fencedTask(k)) {
		return
	}
	s.answerTask(c, k)
}

// answerTask sends a command's data and status, and ends its task.
func (s *session) answerTask(c *connection, k *task) {
	d, dev := &k.device, &s.array.dev
	if k.rule != nil && k.rule.TargetFailure {
		s.send(c, &pdu.SCSIResponse{Response: pdu.ResponseTargetFailure, ITT: k.itt})
		s.remove(k)
		return
	}
	var sent, pieces int
	data := dev.Robustness.dataOf(k)
	data = dev.DataIn.cut(k, data)
	if !s.beforeResponse(c, k, len(data)) {
		return
	}
	inData := len(data) > 0 && d.Status == scsi.StatusGood && s.statusInData && !k.bidi
	if dev.DataIn.NoFinalBit || dev.DataIn.EmptyLast || dev.SNACK.ForgetUnacknowledged {
		inData = false
	}
	if len(data) > 0 && d.Status == scsi.StatusGood {
		if dev.DataIn.StatusBeforeData {
			s.sendStatus(c, k, s.residual(k, len(d.DataIn)), 0)
		}
		sent, pieces = s.sendData(c, k, data, inData)
		if dev.DataIn.EmptyLast {
			s.sendPiece(c, k, &pdu.DataIn{Final: true, ITT: k.itt, TTT: pdu.ReservedTag, DataSN: k.dataSN(pieces), BufferOffset: uint32(sent)}, nil, true)
			pieces++
		}
	}
	if k.kept != nil && k.kept.ackTTT != 0 && s.array.dev.SNACK.ForgetUnacknowledged {
		s.remove(k)
		return
	}
	answered := inData && !dev.Sequencing.StatusTwice || dev.DataIn.StatusBeforeData && pieces > 0
	if d.Status == scsi.StatusCheckCondition && dev.DataIn.CheckConditionInDataIn {
		s.statusAlone(c, k)
	} else if !answered {
		s.sendStatus(c, k, s.residual(k, s.presented(k, sent)), pieces)
	}
	s.remove(k)
}

// presented is how many bytes the logical unit took or gave, as far as residuals are concerned.
func (s *session) presented(k *task, sent int) int {
	d := &k.device
	switch {
	case d.Status != scsi.StatusGood:
		return sent
	case d.Direction == scsi.DataIn && k.write:
		return 0 // it went nowhere
	case d.Direction == scsi.DataIn:
		return len(d.DataIn)
	case d.Direction == scsi.DataOut, d.Direction == scsi.Bidirectional:
		return d.Length
	}
	return 0
}

// residual is the difference between what the initiator expects to be transferred and what the logical unit presents (RFC 7143,
// Section 11.4.5).
type residual struct {
	overflow, underflow bool
	count               uint32
}

func (s *session) residual(k *task, presented int) residual {
	expected := int(k.edtl)
	if !k.read && !k.write {
		expected = 0
	}
	presented = s.array.dev.DataIn.presents(k, presented)
	r := residual{overflow: presented > expected, underflow: presented < expected}
	switch {
	case r.overflow:
		r.count = uint32(presented - expected)
	case r.underflow:
		r.count = uint32(expected - presented)
	}
	if s.array.dev.DataOut.SilentOverflow && k.write && r.overflow {
		return residual{}
	}
	return s.array.dev.DataIn.distort(r, k, presented, s.array.dev.Sequencing.BothResidualBits)
}

// sendData cuts the data into Data-In PDUs: none longer than the initiator takes, and no sequence longer than MaxBurstLength (RFC 7143,
// Section 11.7). It returns the number of bytes and PDUs.
func (s *session) sendData(c *connection, k *task, data []byte, withStatus bool) (sent, pieces int) {
	dev := &s.array.dev.DataIn
	if !s.inOrder(k) {
		return s.sendShuffled(c, k, data, withStatus)
	}
	segment := c.segmentOut()
	burst, sequence := 0, 0
	if k.kept != nil {
		s.recovery.keepData(s.array, k, data)
		defer s.recovery.bound(k.kept)
	}
	for sent < len(data) {
		n := min(segment, len(data)-sent, s.params.MaxBurstLength-burst)
		last := sent+n == len(data)
		p := pdu.DataIn{ITT: k.itt, TTT: pdu.ReservedTag, DataSN: k.dataSN(pieces), BufferOffset: uint32(sent)}
		p.Final = (last || burst+n == s.params.MaxBurstLength) && !dev.NoFinalBit
		if dev.DataSNRestarts {
			p.DataSN = uint32(sequence)
		}
		if dev.OffsetRestarts {
			p.BufferOffset = uint32(burst)
		}
		if last && withStatus {
			r := s.residual(k, len(k.device.DataIn))
			p.StatusPresent, p.Status = true, byte(k.device.Status)
			p.Overflow, p.Underflow, p.ResidualCount = r.overflow, r.underflow, r.count
		}
		if k.kept != nil {
			s.keepPiece(k.kept, &p, n, last)
		}
		s.sendPiece(c, k, &p, data[sent:sent+n], last)
		sent, pieces = sent+n, pieces+1
		burst, sequence = burst+n, sequence+1
		if burst >= s.params.MaxBurstLength {
			burst, sequence = 0, 0
		}
	}
	return sent, pieces
}

// segmentOut is how long a Data-In may be: what the initiator takes, in whole words, so that no padding stands between data (RFC 7143,
// Section 11.7.7).
func (c *connection) segmentOut() int {
	n := c.params.PeerMaxRecvDataSegmentLength
	if c.array.dev.DataIn.OddSegments {
		return max(1, n)
	}
	return max(4, n&^3)
}

// sendPiece queues one Data-In. The last one takes the command's buffer along, which is free when the data is on the wire.
func (s *session) sendPiece(c *connection, k *task, p *pdu.DataIn, data []byte, last bool) {
	s.array.dev.DataIn.spoil(s, k, p, last)
	var out outgoing
	p.EncodeBHS(&out.bhs)
	out.bhs.SetDataSegmentLength(len(data))
	s.number(c, &out.bhs)
	if !p.StatusPresent {
		putWord(&out.bhs, 24, 0) // StatSN is reserved without status
	} else {
		if last {
			s.uncount(k)
			s.number(c, &out.bhs)
		}
		if k.kept != nil {
			s.keepStatusInData(c, k.kept, &out.bhs, p)
		}
		c.statSN++
	}
	out.data = data
	if last {
		out.buffer, k.buffer = k.buffer, nil
	}
	c.deliver(out)
}

// sendStatus sends a SCSI Response (RFC 7143, Section 11.4).
func (s *session) sendStatus(c *connection, k *task, r residual, pieces int) {
	d := &k.device
	if d.Status == scsi.StatusCheckCondition {
		c.tally.checks++
	}
	p := pdu.SCSIResponse{
		Response: pdu.ResponseCompleted, Status: byte(d.Status), ITT: k.itt, ExpDataSN: uint32(pieces),
		Overflow: r.overflow, Underflow: r.underflow, ResidualCount: r.count,
	}
	if k.bidi {
		k.both(&p)
	}
	if s.array.dev.DataIn.LastNumberAsCount {
		p.ExpDataSN = uint32(max(0, pieces-1))
	}
	if len(d.Sense) > 0 && d.Status == scsi.StatusCheckCondition && !s.array.dev.Sequencing.NoSense {
		p.Data = pdu.SenseSegment(d.Sense)
	}
	s.uncount(k)
	var out outgoing
	p.EncodeBHS(&out.bhs)
	if s.array.dev.Robustness.KeepAHSLength {
		out.bhs.SetTotalAHSLength((len(k.cdb) - len(k.cdbBuf)) &^ 3)
	}
	if d.Status == scsi.StatusReservationConflict && s.array.dev.Sequencing.FillsQualifier {
		out.bhs[9] = 1
	}
	out.data = p.Data
	s.number(c, &out.bhs)
	if k.kept != nil {
		k.kept.response = p
		s.keepResponse(c, &out.bhs, nil, k.kept)
	}
	c.statSN++
	c.deliver(out)
}

// statusAlone is where a deviation puts CHECK CONDITION into a Data-In PDU.
func (s *session) statusAlone(c *connection, k *task) {
	p := pdu.DataIn{Final: true, StatusPresent: true, Status: byte(k.device.Status), ITT: k.itt, TTT: pdu.ReservedTag}
	s.sendPiece(c, k, &p, nil, true)
}
