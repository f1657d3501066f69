package simtarget

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// r2t is a request for data that the initiator has not answered in full (RFC 7143, Section 11.8).
type r2t struct {
	ttt    uint32
	from   int // bytes
	to     int
	got    int // where the next byte belongs
	dataSN uint32
	spoilt bool // what came does not fit: the burst is not used

	r2tSN   uint32 // at recovery level 1 and above
	brought bool   // something new has come: at recovery level 1 and above

	came spans // where DataPDUInOrder=No was agreed
}

// transfer is the way of a write's data into the array: what comes unasked, what is asked for, and what went wrong.
type transfer struct {
	buffer      *buffer
	want        int   // bytes that the logical unit takes; -1 while that is not known
	got         int   // bytes that are there, without a hole
	asked       int   // bytes that came unasked or were asked for
	unsolicited bool  // Data-Out without an R2T will come until one has the F bit
	first       int   // where unsolicited data must end
	base        int   // where the first R2T of all begins to ask
	came        spans // of unsolicited data, where DataPDUInOrder=No was agreed
	announced   int   // where the next byte of unsolicited data belongs, at recovery level 1 and above
	dataSN      uint32
	r2ts        []r2t
	r2tSN       uint32
	crowded     bool     // there was no memory for what came unasked: the write ends with BUSY
	fault       scsi.ASC // why the write fails once all expected data came; 0 for no reason
}

// begin takes the data that came with the command.
func (t *transfer) begin(s *session, c *connection, k *task, final bool, data []byte) {
	t.want = -1
	if !k.write {
		return
	}
	t.first = min(s.params.FirstBurstLength, int(k.edtl))
	t.unsolicited = !final
	dev := &s.array.dev.DataOut
	dev.firstBurst(s, k, len(data))
	switch {
	case len(data) > 0 && !s.params.ImmediateData && !dev.TakesUnagreedImmediate, len(data) > s.params.FirstBurstLength && !dev.IgnoresFirstBurst:
		t.fault = scsi.UnexpectedUnsolicitedData
	case len(data) > int(k.edtl):
		t.fault = scsi.NotEnoughUnsolicitedData
	case len(data) > 0 || t.unsolicited:
		if t.buffer = c.surrender(data, t.first); t.buffer != nil {
			t.got = len(data)
			break
		}
		if t.buffer = s.array.writes.buffer(t.first); t.buffer == nil {
			t.crowded = true
			break
		}
		t.got = copy(t.buffer.bytes, data)
	}
	t.asked, t.announced = t.got, t.got
}

// expect is told how many bytes the logical unit takes, and makes room for them.
func (t *transfer) expect(s *session, k *task, n int) {
	t.want = n
	if t.buffer != nil && cap(t.buffer.bytes) >= n {
		if len(t.buffer.bytes) < n {
			t.buffer.bytes = t.buffer.bytes[:n]
		}
		return
	}
	whole := s.array.writes.buffer(n)
	if whole == nil || t.crowded {
		whole.release()
		k.device.Status, k.over = scsi.StatusBusy, true
		return
	}
	if t.buffer != nil {
		came := t.got
		if k.kept != nil { // There may be more behind a hole.
			came = len(t.buffer.bytes)
		}
		copy(whole.bytes, t.buffer.bytes[:came])
		t.buffer.release()
	}
	t.buffer = whole
}

func (t *transfer) release() {
	t.buffer.release()
	t.buffer = nil
}

// received is the data that the logical unit gets.
func (t *transfer) received() []byte {
	if t.buffer == nil {
		return nil
	}
	return t.buffer.bytes[:min(t.want, t.got)]
}

// advance brings a command as far as it comes with the data that is there: it waits, asks for more, or is performed.
func (s *session) advance(c *connection, k *task) {
	t := &k.transfer
	switch {
	case t.unsolicited, len(t.r2ts) > 0 && (k.over || t.fault != 0 || t.got >= t.want):
		k.phase = phaseData
	case t.fault != 0 && !k.over:
		k.device.Fail(scsi.NewSense(scsi.AbortedCommand, t.fault))
		k.over = true
		s.perform(c, k)
	case k.over || t.got >= t.want && !s.array.dev.DataOut.waits(t):
		s.array.dev.DataOut.asksForNothing(s, c, k)
		s.perform(c, k)
	default:
		k.phase = phaseData
		s.solicit(c, k)
	}
}

// solicit sends R2Ts, in order and as many as may be outstanding (RFC 7143, Section 11.8).
func (s *session) solicit(c *connection, k *task) {
	if k.kept != nil {
		s.solicitMissing(c, k)
		return
	}
	t, dev := &k.transfer, &s.array.dev.DataOut
	if dev.SolicitAgain && t.r2tSN == 0 {
		t.asked = 0
	}
	if s.array.dev.Values.R2TNoByDefault && !s.params.InitialR2T {
		return
	}
	for len(t.r2ts) < s.params.MaxOutstandingR2T && t.asked < t.want {
		n := min(s.params.MaxBurstLength, t.want-t.asked)
		if dev.SkipLastBurst && t.asked > 0 && t.asked+n == t.want {
			t.got, t.asked = t.want, t.want
			if len(t.r2ts) == 0 {
				s.perform(c, k)
			}
			return
		}
		from := t.asks(s, k, n)
		r := r2t{ttt: s.newTTT(), from: from, to: from + n, got: from}
		p := pdu.R2T{LUN: k.lun, ITT: k.itt, TTT: r.ttt, R2TSN: t.r2tSN, BufferOffset: uint32(r.from), DesiredDataTransferLength: uint32(n)}
		if dev.ReservedTTT {
			p.TTT = pdu.ReservedTag
		}
		if dev.ConstantTTT {
			r.ttt, p.TTT = 1, 1
		}
		if dev.R2TSNPerSession {
			p.R2TSN = s.faults.r2tSN
			s.faults.r2tSN++
		}
		var out outgoing // encoded here and not by sendUnnumbered, which would take memory for the PDU
		p.EncodeBHS(&out.bhs)
		s.number(c, &out.bhs)
		s.pathOfR2T(c).deliver(out)
		if s.array.dev.Sequencing.R2TTakesStatSN {
			c.statSN++
		}
		t.r2ts = append(t.r2ts, r)
		t.r2tSN++
		t.asked += n
	}
}

// newTTT draws a Target Transfer Tag: they count up, and begin again at 1 behind the reserved value.
func (s *session) newTTT() uint32 {
	s.nextTTT++
	if s.nextTTT == pdu.ReservedTag {
		s.nextTTT, s.wrappedTTT = 1, true
	}
	return s.nextTTT
}

// dataOut takes a Data-Out PDU (RFC 7143, Section 11.7).
func (s *session) dataOut(c *connection, h *pdu.BHS, data []byte, damaged bool) {
	var p pdu.DataOut
	if p.DecodeBHS(h) != nil {
		return
	}
	dev := &s.array.dev.DataOut
	if !dev.passes(s, c, h, &p, data) {
		return
	}
	k := dev.owner(s, s.tasks.find(p.ITT), &p)
	if k == nil || k.conn != c {
		s.strayData(c, h, &p)
		return
	}
	if k.fast && s.array.dev.TaskManagement.FreesTagsEarly {
		c.end(EndRST)
		return
	}
	if damaged {
		s.reject(c, h, pdu.RejectDataDigestError)
	}
	if k.kept != nil {
		s.recoverData(c, h, k, &p, data, damaged)
		return
	}
	if p.TTT == pdu.ReservedTag && !dev.ReservedTTT && (k.transfer.unsolicited || !dev.TakesUnasked) {
		s.unsolicitedData(c, h, k, &p, data, damaged)
		return
	}
	at := slices.IndexFunc(k.transfer.r2ts, func(r r2t) bool { return dev.takesR2T(&r, p.TTT) })
	switch {
	case at < 0 && s.issued(p.TTT):
	case at < 0, p.LUN != k.lun && !dev.IgnoresLUN && !dev.TakesUnasked:
		if !damaged {
			s.reject(c, h, pdu.RejectInvalidPDUField)
		}
	default:
		s.solicitedData(c, k, at, &p, data, damaged)
	}
}

// strayData answers data for no task. What belongs to a task that has ended meanwhile is dropped.
func (s *session) strayData(c *connection, h *pdu.BHS, p *pdu.DataOut) {
	if !s.array.dev.DataOut.stray(s, c, p) || p.TTT != pdu.ReservedTag && s.issued(p.TTT) || p.TTT == pdu.ReservedTag && s.ignored.has(p.ITT) {
		return
	}
	s.reject(c, h, pdu.RejectInvalidPDUField)
}

// issued reports whether a Target Transfer Tag was handed out before: of those that are older than the reserved value, the last 2^31 - 1
// count.
func (s *session) issued(ttt uint32) bool {
	switch {
	case ttt == 0 || ttt == pdu.ReservedTag:
		return false
	case s.wrappedTTT:
		return s.nextTTT-ttt < 1<<31
	}
	return ttt <= s.nextTTT
}

// unsolicitedData takes data that comes without an R2T. Its LUN field is reserved (RFC 7143, Section 11.7.4).
func (s *session) unsolicitedData(c *connection, h *pdu.BHS, k *task, p *pdu.DataOut, data []byte, damaged bool) {
	t := &k.transfer
	if !t.unsolicited {
		if !damaged {
			s.reject(c, h, pdu.RejectInvalidPDUField)
		}
		return
	}
	offset := int(p.BufferOffset)
	switch {
	case t.fault != 0, t.crowded:
	case damaged:
		t.fault = scsi.ProtocolServiceCRCError
	case offset+len(data) > t.first:
		t.fault = scsi.UnexpectedUnsolicitedData
	case !s.params.DataPDUInOrder:
		s.scatterFirst(k, p, data)
	case p.DataSN != t.dataSN, offset != t.got:
		t.fault = scsi.NotEnoughUnsolicitedData
	default:
		copy(t.buffer.bytes[offset:t.first], data)
		t.got += len(data)
		t.dataSN++
	}
	t.asked = t.got
	if !p.Final {
		return
	}
	t.unsolicited = false
	s.array.dev.DataOut.shortFirst(t)
	if s.array.dev.DataOut.UnlimitedUnsolicited {
		t.first = t.got
	}
	if t.got < t.first && int(k.edtl) > s.params.FirstBurstLength && t.fault == 0 {
		t.fault = scsi.NotEnoughUnsolicitedData
	}
	s.dataCame(c, k)
}

// solicitedData takes data that answers an R2T.
func (s *session) solicitedData(c *connection, k *task, at int, p *pdu.DataOut, data []byte, damaged bool) {
	t := &k.transfer
	r := &t.r2ts[at]
	offset := int(p.BufferOffset)
	data, rest := s.array.dev.DataOut.solicited(t, r, p, data)
	switch {
	case r.spoilt, !rest:
	case damaged:
		r.spoilt, t.fault = true, scsi.ProtocolServiceCRCError
	case !s.params.DataPDUInOrder:
		s.scatter(k, r, p, data)
	case p.DataSN != r.dataSN, len(data) > 0 && offset != r.got, r.got+len(data) > r.to:
		r.spoilt, t.fault = true, scsi.NotEnoughUnsolicitedData
	default:
		if k.phase != phaseAborted {
			copy(t.buffer.bytes[r.got:r.to], data)
			s.array.dev.DataOut.loseLastByte(t, r, len(data))
		}
		r.got += len(data)
		r.dataSN++
	}
	if !p.Final {
		return
	}
	s.array.dev.DataOut.short(t, r)
	if r.got < r.to && t.fault == 0 {
		t.fault = scsi.NotEnoughUnsolicitedData
	}
	t.r2ts = slices.Delete(t.r2ts, at, at+1)
	if len(t.r2ts) == 0 {
		t.got = t.asked
	} else {
		t.got = t.r2ts[0].from
	}
	s.dataCame(c, k)
}

// dataCame goes on with a command after a burst is complete.
func (s *session) dataCame(c *connection, k *task) {
	if k.phase == phaseAborted {
		if len(k.transfer.r2ts) == 0 && !k.transfer.unsolicited {
			s.dropAborted(k)
		}
		return
	}
	if k.begun && k.phase == phaseData {
		s.advance(c, k)
	}
}
