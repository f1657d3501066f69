package simtarget

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// snack takes a SNACK Request (RFC 7143, Section 11.16). It has no answer of its own: what it asks for comes, or a Reject.
func (s *session) snack(c *connection, h *pdu.BHS) {
	var p pdu.SNACKRequest
	if c.sent == nil || p.DecodeBHS(h) != nil {
		s.reject(c, h, pdu.RejectSNACK)
		return
	}
	dev := &s.array.dev.SNACK
	if dev.MaskType {
		p.Type &= 3
		if p.Type == pdu.SNACKStatus && p.ITT != pdu.ReservedTag {
			p.Type = pdu.SNACKData
		}
	}
	if dev.CountCmdSN {
		s.order.exp++
	}
	switch {
	case p.Type == pdu.SNACKData || p.Type == pdu.SNACKDataACK && dev.ResendOnDataACK:
		s.snackData(c, h, &p)
	case p.Type == pdu.SNACKStatus:
		s.snackStatus(c, h, &p)
	case p.Type == pdu.SNACKDataACK:
		s.dataACK(c, h, &p)
	case p.Type == pdu.SNACKRData:
		s.snackRData(c, h, &p)
	default:
		s.reject(c, h, pdu.RejectInvalidPDUField)
	}
}

// snackRun is a run of numbers that a SNACK asks for, from first on; end is behind the last one.
type snackRun struct{ first, end uint32 }

// runOf gives the run that a SNACK asks for. Of the numbers, those from acked to next can be had; ok is false when it asks for another. A
// SNACK for all that is not acknowledged may ask for nothing.
func runOf(p *pdu.SNACKRequest, acked, next uint32) (r snackRun, ok bool) {
	if p.BegRun == 0 && p.RunLength == 0 {
		return snackRun{acked, next}, true
	}
	there, skipped := next-acked, p.BegRun-acked
	if skipped >= there || p.RunLength > there-skipped {
		return snackRun{}, false
	}
	if p.RunLength == 0 {
		return snackRun{p.BegRun, next}, true
	}
	return snackRun{p.BegRun, p.BegRun + p.RunLength}, true
}

// rejectSNACK refuses a SNACK for what was never sent or is acknowledged; it tells the DataSN or R2TSN that comes next (RFC 7143,
// Section 11.17.2).
func (s *session) rejectSNACK(c *connection, h *pdu.BHS, next uint32) {
	s.recordReject(h, pdu.RejectProtocolError)
	s.send(c, &pdu.Reject{Reason: pdu.RejectProtocolError, DataSN: next, Data: append([]byte(nil), h[:]...)})
}

// retainedFor finds the task that a SNACK is about: one of the connection's own.
func (s *session) retainedFor(c *connection, itt uint32) *retained {
	r := s.recovery.find(itt)
	if r == nil && s.array.dev.SNACK.AnyTask {
		for _, other := range s.recovery.tasks {
			if len(other.pieces) > 0 {
				return other
			}
		}
	}
	if r != nil && r.conn != c {
		return nil
	}
	return r
}

// snackData sends Data-In or R2T PDUs again, as they were.
func (s *session) snackData(c *connection, h *pdu.BHS, p *pdu.SNACKRequest) {
	dev := &s.array.dev.SNACK
	r := s.retainedFor(c, p.ITT)
	if p.Type == pdu.SNACKDataACK {
		r = s.recovery.findACK(p.TTT)
		p.BegRun = 0
	}
	if r == nil {
		s.rejectSNACK(c, h, 0)
		return
	}
	if !r.read && r.count == 0 {
		s.snackR2T(c, h, p, r)
		return
	}
	next := r.first + uint32(r.count)
	if next == 0 && p.BegRun == 0 && p.RunLength == 0 {
		return
	}
	dev.distortRun(p)
	want, ok := runOf(p, r.first+uint32(r.acked), next)
	want.first, want.end = want.first-r.first, want.end-r.first
	switch {
	case !ok:
		s.rejectSNACK(c, h, next)
	case r.data == nil:
		s.reject(c, h, pdu.RejectSNACK)
	case r.longest(want) > c.params.PeerMaxRecvDataSegmentLength: // R-Data SNACK is for that.
		s.rejectSNACK(c, h, next)
	default:
		want = dev.distort(want, p, next)
		for n := want.first; n != want.end; n++ {
			s.resendPiece(c, r, int(n))
		}
	}
}

// longest is the greatest length of the Data-In PDUs of a run, in bytes.
func (r *retained) longest(of snackRun) int {
	n := 0
	for _, piece := range r.pieces[of.first:of.end] {
		n = max(n, piece.to-piece.from)
	}
	return n
}

// resendPiece sends a Data-In PDU again: only ExpCmdSN and MaxCmdSN are new.
func (s *session) resendPiece(c *connection, r *retained, n int) {
	piece := r.pieces[n]
	p := r.pieceHeader(n)
	p.StatusPresent = r.inData && n == r.count-1
	if p.StatusPresent {
		p.StatusFrom(&r.response)
	}
	var out outgoing
	p.EncodeBHS(&out.bhs)
	out.bhs.SetDataSegmentLength(piece.to - piece.from)
	s.number(c, &out.bhs)
	putWord(&out.bhs, 24, 0)
	if p.StatusPresent {
		putWord(&out.bhs, 24, r.statSN)
	}
	out.data = r.data[piece.from-r.base : piece.to-r.base]
	c.deliver(out)
}

// pieceHeader makes the header of a Data-In PDU, without status.
func (r *retained) pieceHeader(n int) dataInHeader {
	piece := r.pieces[n]
	p := dataInHeader{pdu.DataIn{
		Final: piece.final, Acknowledge: piece.ack, ITT: r.itt, TTT: pdu.ReservedTag, DataSN: r.first + uint32(n), BufferOffset: uint32(piece.from),
	}}
	if piece.ack {
		p.TTT, p.LUN = r.ackTTT, r.lun
	}
	return p
}

// dataInHeader is a Data-In PDU whose data lies elsewhere.
type dataInHeader struct{ pdu.DataIn }

// StatusFrom puts the status of a response into the PDU.
func (p *dataInHeader) StatusFrom(r *pdu.SCSIResponse) {
	p.Status, p.Overflow, p.Underflow, p.ResidualCount = r.Status, r.Overflow, r.Underflow, r.ResidualCount
}

// snackR2T sends R2Ts again whose data has not come.
func (s *session) snackR2T(c *connection, h *pdu.BHS, p *pdu.SNACKRequest, r *retained) {
	k := s.tasks.find(p.ITT)
	next := uint32(len(r.asked))
	want, ok := runOf(p, 0, next)
	if s.array.dev.SNACK.InventR2T && !ok && k != nil && next > 0 {
		s.putR2T(c, k, r.asked[next-1], p.BegRun)
		return
	}
	if next == 0 && p.BegRun == 0 && p.RunLength == 0 {
		return
	}
	if !ok || k == nil || k.kept != r || k.phase == phaseAborted || (p.BegRun != 0 || p.RunLength != 0) && r.has(r.asked[want.first]) {
		s.rejectSNACK(c, h, next)
		return
	}
	for n := want.first; n != want.end; n++ {
		switch {
		case r.has(r.asked[n]):
		case s.array.dev.SNACK.NewR2TSN:
			s.putR2T(c, k, r.asked[n], next)
		default:
			s.sendR2T(c, k, n)
		}
	}
	s.awaitData(k)
}

// snackStatus sends responses again, in order. What they say about their task is what is true now (RFC 7143, Section 11.16.3).
func (s *session) snackStatus(c *connection, h *pdu.BHS, p *pdu.SNACKRequest) {
	dev := &s.array.dev.SNACK
	kept := c.sent.kept
	if dev.KeepAcknowledged && int32(p.BegRun-c.sent.acked) < 0 && len(kept) > 0 {
		s.resendResponse(c, &kept[0])
		return
	}
	want, ok := runOf(p, c.sent.acked, c.statSN)
	switch {
	case !ok && dev.InventStatus:
		invented := sentResponse{statSN: p.BegRun}
		new(pdu.SCSIResponse).EncodeBHS(&invented.bhs)
		s.resendResponse(c, &invented)
		return
	case !ok:
		s.rejectSNACK(c, h, 0)
		return
	case want.first == want.end:
		return
	case len(kept) == 0 || int32(kept[0].statSN-want.first) > 0: // It has gone at the bound.
		s.reject(c, h, pdu.RejectSNACK)
		return
	case slices.ContainsFunc(kept, func(sent sentResponse) bool { return sent.statSN-want.first < want.end-want.first && sent.gone() }):
		s.reject(c, h, pdu.RejectSNACK)
		return
	}
	if dev.FirstStatusOnly {
		want.end = want.first + 1
	}
	for i := range kept {
		if at := kept[i].statSN - want.first; at < want.end-want.first {
			s.resendResponse(c, &kept[i])
		}
	}
}

// gone reports whether the data of a response was let go.
func (r *sentResponse) gone() bool { return r.apart != nil && r.apart.data == nil }

// resendResponse sends a response again under its StatSN.
func (s *session) resendResponse(c *connection, sent *sentResponse) {
	out := outgoing{bhs: sent.bhs, data: sent.data}
	if sent.apart != nil {
		out.data = sent.apart.data
	}
	if r := sent.of; r != nil {
		if r.inData && r.data != nil && r.acked < r.count {
			s.resendPiece(c, r, r.count-1)
			return
		}
		r.response.EncodeBHS(&out.bhs)
		out.data = r.response.Data
	}
	s.number(c, &out.bhs)
	if s.array.dev.SNACK.NewStatSN {
		c.statSN++
	} else {
		putWord(&out.bhs, 24, sent.statSN)
	}
	c.deliver(out)
}

// dataACK takes a positive acknowledgement of Data-In (RFC 7143, Section 11.16.2).
func (s *session) dataACK(c *connection, h *pdu.BHS, p *pdu.SNACKRequest) {
	r := s.recovery.findACK(p.TTT)
	switch {
	case r == nil && s.issued(p.TTT): // Of a task whose status is acknowledged, or has gone at the bound.
	case r == nil, r.conn != c, r.lun != p.LUN, p.BegRun-r.first > uint32(r.count):
		if of := s.recovery.find(p.ITT); of != nil && s.array.dev.SNACK.AnyDataACK {
			s.recovery.acknowledgeData(s.array, of, of.count)
		}
		s.reject(c, h, pdu.RejectInvalidDataACK)
	default:
		s.recovery.acknowledgeData(s.array, r, int(p.BegRun-r.first))
	}
}

// findACK gives the task whose Data-In PDUs ask for a DataACK with a Target Transfer Tag, or nil.
func (v *recovery) findACK(ttt uint32) *retained {
	for _, r := range v.tasks {
		if r.ackTTT == ttt && ttt != 0 {
			return r
		}
	}
	return nil
}

// snackRData sends all data of a task that is not acknowledged, cut for the MaxRecvDataSegmentLength that is in force now, and its status
// with the SNACK Tag (RFC 7143, Section 11.16.3).
func (s *session) snackRData(c *connection, h *pdu.BHS, p *pdu.SNACKRequest) {
	dev := &s.array.dev.SNACK
	if (p.TTT == 0 || p.TTT == pdu.ReservedTag) && !dev.AcceptReservedTag || p.BegRun != 0 || p.RunLength != 0 {
		s.reject(c, h, pdu.RejectInvalidPDUField)
		return
	}
	r := s.retainedFor(c, p.ITT)
	switch {
	case r == nil:
		s.rejectSNACK(c, h, 0)
		return
	case !r.read && r.count == 0, !r.answered:
		s.rejectSNACK(c, h, max(r.first+uint32(r.count), uint32(len(r.asked))))
		return
	case r.count > 0 && r.data == nil:
		s.reject(c, h, pdu.RejectSNACK)
		return
	}
	r.inData = false
	s.resegment(c, r)
	r.response.SNACKTag, r.response.ExpDataSN = p.TTT, uint32(r.count)
	var out outgoing
	r.response.EncodeBHS(&out.bhs)
	out.data = r.response.Data
	s.number(c, &out.bhs)
	putWord(&out.bhs, 24, r.statSN)
	c.deliver(out)
}

// resegment cuts what is not acknowledged anew and sends it: the numbers begin where the acknowledgement ended.
func (s *session) resegment(c *connection, r *retained) {
	segment := c.segmentOut()
	if s.array.dev.SNACK.OldSegments && len(r.pieces) > 0 {
		segment = max(segment, r.pieces[0].to-r.pieces[0].from)
	}
	end := 0
	if n := len(r.pieces); n > 0 {
		end = r.pieces[n-1].to
	}
	from := r.offset(r.acked)
	r.pieces = r.pieces[:r.acked]
	for from < end {
		burst := s.params.MaxBurstLength - from%s.params.MaxBurstLength
		to := from + min(segment, burst, end-from)
		r.pieces = append(r.pieces, dataPiece{from: from, to: to, final: to == end || to-from == burst})
		s.resendPiece(c, r, len(r.pieces)-1)
		from = to
	}
	r.count = len(r.pieces)
	if r.data != nil {
		s.recovery.weigh(r)
	}
}
