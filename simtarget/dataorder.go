package simtarget

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// This file is transfer in other than ascending order, where DataPDUInOrder=No or DataSequenceInOrder=No was agreed (RFC 7143,
// Sections 13.18 and 13.19). The array then goes from the end to the beginning: sequences within a command, PDUs within a sequence.

// inOrder reports whether data goes in ascending order. At recovery level 1 and above it does in any case, since what is kept for sending
// again is kept in that order.
func (s *session) inOrder(k *task) bool {
	return s.params.DataPDUInOrder && s.params.DataSequenceInOrder || k.kept != nil
}

// sendShuffled is sendData for the agreed freedom of order. DataSN counts in the order of sending, and F ends each sequence.
func (s *session) sendShuffled(c *connection, k *task, data []byte, withStatus bool) (sent, pieces int) {
	segment, most := c.segmentOut(), s.params.MaxBurstLength
	sequences := (len(data) + most - 1) / most
	for i := range sequences {
		at := i
		if !s.params.DataSequenceInOrder {
			at = sequences - 1 - i
		}
		from := at * most
		sequence := data[from:min(from+most, len(data))]
		count := (len(sequence) + segment - 1) / segment
		for j := range count {
			nth := j
			if !s.params.DataPDUInOrder {
				nth = count - 1 - j
			}
			start := nth * segment
			piece := sequence[start:min(start+segment, len(sequence))]
			sent += len(piece)
			last := sent == len(data)
			p := pdu.DataIn{Final: j == count-1, ITT: k.itt, TTT: pdu.ReservedTag, DataSN: k.dataSN(pieces), BufferOffset: uint32(from + start)}
			if last && withStatus {
				r := s.residual(k, len(k.device.DataIn))
				p.StatusPresent, p.Status = true, byte(k.device.Status)
				p.Overflow, p.Underflow, p.ResidualCount = r.overflow, r.underflow, r.count
			}
			s.sendPiece(c, k, &p, piece, last)
			pieces++
		}
	}
	return sent, pieces
}

// asks gives where the next burst of n bytes begins that is asked for.
func (t *transfer) asks(s *session, k *task, n int) int {
	if t.r2tSN == 0 {
		t.base = t.asked
	}
	if s.params.DataSequenceInOrder || k.kept != nil {
		return t.asked
	}
	return t.base + t.want - t.asked - n
}

// spansMax bounds the ranges that data in any order may leave holes between, of one sequence.
const spansMax = 1024

// takes puts in a range, and reports whether it is new as a whole and leaves no more holes than are borne.
func (s *spans) takes(from, to int) bool {
	if s.next(from) != from || s.until(from, to) < to || len(*s) == spansMax {
		return from == to
	}
	s.add(from, to)
	return true
}

// scatter takes data of a burst whose PDUs come in any order.
func (s *session) scatter(k *task, r *r2t, p *pdu.DataOut, data []byte) {
	t, offset := &k.transfer, int(p.BufferOffset)
	if p.DataSN != r.dataSN || offset < r.from || offset+len(data) > r.to || !r.came.takes(offset, offset+len(data)) {
		r.spoilt, t.fault = true, scsi.NotEnoughUnsolicitedData
		return
	}
	if k.phase != phaseAborted {
		copy(t.buffer.bytes[offset:r.to], data)
	}
	r.got += len(data)
	r.dataSN++
}

// scatterFirst takes unsolicited data whose PDUs come in any order. What has come counts when the last PDU is there.
func (s *session) scatterFirst(k *task, p *pdu.DataOut, data []byte) {
	t, offset := &k.transfer, int(p.BufferOffset)
	if p.DataSN != t.dataSN || offset < t.got || !t.came.takes(offset, offset+len(data)) {
		t.fault = scsi.NotEnoughUnsolicitedData
		return
	}
	copy(t.buffer.bytes[offset:t.first], data)
	t.dataSN++
	if !p.Final || len(t.came) == 0 {
		return
	}
	if len(t.came) > 1 || t.came[0].from != t.got {
		t.fault = scsi.NotEnoughUnsolicitedData
		return
	}
	t.got = t.came[0].to
}
