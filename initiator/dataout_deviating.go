package initiator

import (
	"encoding/binary"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// deviatingRest is how long a deviating initiator puts off what it should have sent at once.
const deviatingRest = time.Millisecond

// deviatingWrite is what a deviating initiator remembers of one write; a sound one never has it.
type deviatingWrite struct {
	sn      uint32   // DataSN after what was sent.
	next    int      // Buffer Offset after what was sent in answer to R2Ts.
	kept    *pdu.R2T // The R2T that is to be answered after a rest.
	slot    int      // Where in the write the data of the present answer lies, or -1.
	lun     uint64   // LUN of the R2T that is answered.
	last    bool     // No R2T is answered any more.
	unasked bool     // Unsolicited Data-Out was sent, and no R2T was answered since.
}

// departure returns the memory of t. The mutex is held.
func (t *task) departure() *deviatingWrite {
	if t.deviating == nil {
		t.deviating = &deviatingWrite{slot: -1}
	}
	return t.deviating
}

// departR2T answers an R2T as a deviating initiator does, where the deviation is in what is asked for. It changes p, returns the task under
// which the answer goes out, or nil when this R2T is dealt with. The mutex is held.
func (c *connection) departR2T(t *task, p *pdu.R2T) *task {
	dev, d := &c.s.dev.DataOut, t.departure()
	earlier := c.askedBefore
	c.askedBefore = p.ITT
	switch {
	case dev.ZeroLengthStalls && (p.DesiredDataTransferLength == 0 || d.last), dev.IgnoresReservedTag && p.TTT == pdu.ReservedTag:
		d.last = true
		t.openR2Ts.Add(-1)
		return nil
	case dev.TrustLength && int64(p.BufferOffset)+int64(p.DesiredDataTransferLength) > int64(len(t.req.Write)):
		c.sendBeyond(t, p)
		return nil
	case dev.LastR2TWins:
		c.rest(t, p)
		return nil
	case dev.AnswersForEarlierTask:
		if other := c.s.tasks.find(earlier); other != nil && other != t && other.kind == taskSCSI && !other.answered && other.req != nil &&
			len(other.req.Write) >= int(p.BufferOffset)+int(p.DesiredDataTransferLength) {
			other.openR2Ts.Add(1)
			t.openR2Ts.Add(-1)
			return other
		}
	case dev.AnswersWithRest:
		p.DesiredDataTransferLength = uint32(len(t.req.Write)) - p.BufferOffset
	case dev.RunningOffset:
		p.BufferOffset = uint32(min(d.next, len(t.req.Write)-int(p.DesiredDataTransferLength)))
		d.next += int(p.DesiredDataTransferLength)
	case dev.CutsAtMaxBurst:
		p.DesiredDataTransferLength = min(p.DesiredDataTransferLength, uint32(c.s.params.MaxBurstLength))
	case dev.ZeroTagReserved && p.TTT == 0, dev.EarlyR2TJoinsBurst && d.unasked:
		p.TTT = pdu.ReservedTag
	}
	if d.slot = -1; dev.R2TSlots && p.R2TSN >= uint32(max(1, c.s.params.MaxOutstandingR2T)) {
		d.slot = 0
	}
	d.lun = p.LUN
	return t
}

// rest answers p after a while, unless another R2T of the task has come by then.
func (c *connection) rest(t *task, p *pdu.R2T) {
	itt, kept := t.itt, *p
	t.departure().kept = &kept
	time.AfterFunc(deviatingRest, func() {
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		if t.itt == itt && t.deviating != nil && t.deviating.kept == &kept && t.req != nil && !t.answered {
			c.sendData(t, kept.TTT, int(kept.BufferOffset), int(kept.DesiredDataTransferLength))
		}
	})
}

// sendBeyond answers an R2T that leads beyond the end of the write with zeros for what the write does not have.
func (c *connection) sendBeyond(t *task, p *pdu.R2T) {
	length := min(int(p.DesiredDataTransferLength), c.s.params.MaxBurstLength)
	data := make([]byte, length)
	copy(data, t.req.Write[min(int(p.BufferOffset), len(t.req.Write)):])
	c.sendForeign(t, p, data)
}

// sendForeign answers an R2T with data that is no write's, under the task t, which only carries the sequence.
func (c *connection) sendForeign(t *task, p *pdu.R2T, data []byte) {
	out := pdu.DataOut{LUN: p.LUN, ITT: p.ITT, TTT: p.TTT, BufferOffset: p.BufferOffset}
	e := sendEntry{data: data, owner: t, chunk: c.chunk(), answersR2T: true}
	out.EncodeBHS(&e.header)
	c.send(e)
}

// sendForNobody answers an R2T that names no write with one PDU of zeros. The mutex is held.
func (c *connection) sendForNobody(p *pdu.R2T) {
	data := make([]byte, min(int(p.DesiredDataTransferLength), c.chunk()))
	out := pdu.DataOut{Final: true, LUN: p.LUN, ITT: p.ITT, TTT: p.TTT, BufferOffset: p.BufferOffset, Data: data}
	e := sendEntry{data: data}
	out.EncodeBHS(&e.header)
	c.send(e)
}

// departSequence changes a sequence of Data-Out PDUs as a deviating initiator does; offset is where its data begins. The mutex is held.
func (c *connection) departSequence(t *task, e *sendEntry, offset int) {
	dev, d, write := &c.s.dev.DataOut, t.departure(), t.req.Write
	switch {
	case dev.LongSegments:
		e.chunk = 64 << 10
	case dev.FillsSegments:
		e.chunk = c.peerLimit
	case dev.OffsetRestarts && e.answersR2T:
		binary.BigEndian.PutUint32(e.header[40:], 0)
	case dev.LUNFromR2T && e.answersR2T:
		e.header.SetLUN(d.lun)
	case dev.R2TSlots && d.slot >= 0:
		e.data = write[d.slot:][:len(e.data)]
	case dev.ShiftsLastBurst && offset > 0 && offset+len(e.data) == len(write) && len(write)%c.s.params.MaxBurstLength != 0:
		e.data = write[offset-1:][:len(e.data)]
	}
	if dev.DataSNPerTask || dev.EarlyR2TJoinsBurst && d.unasked {
		binary.BigEndian.PutUint32(e.header[36:], d.sn)
	}
	d.sn += uint32((len(e.data) + e.chunk - 1) / e.chunk)
	d.unasked = !e.answersR2T
	if half := len(e.data) / 2 &^ 3; dev.RoundRobinBursts && !e.answersR2T && half > 0 {
		c.sendRestLater(t, e, half)
	}
}

// sendRestLater leaves half of a sequence in e and sends what follows after a while.
func (c *connection) sendRestLater(t *task, e *sendEntry, half int) {
	itt, rest := t.itt, *e
	rest.data = e.data[half:]
	binary.BigEndian.PutUint32(rest.header[40:], binary.BigEndian.Uint32(e.header[40:])+uint32(half))
	binary.BigEndian.PutUint32(rest.header[36:], uint32((half+e.chunk-1)/e.chunk))
	e.data, e.part = e.data[:half], true
	time.AfterFunc(deviatingRest, func() {
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		if t.itt == itt && t.req != nil && !t.answered {
			c.send(rest)
		}
	})
}

// departs changes one PDU of a sequence as a deviating initiator does, and reports whether it is sent at all.
func (d *DataOutDeviations) departs(h *pdu.BHS, e *sendEntry, n int, last bool) bool {
	switch {
	case d.FinalOnEveryPDU:
		h.SetFinal(true)
	case d.NoFinalAtBoundary && n == e.chunk:
		h.SetFinal(false)
	case d.DropsLastFragment && last && n < e.chunk && n < len(e.data):
		return false
	}
	return true
}

// isWrite reports whether a CDB is one of the WRITE commands.
func isWrite(cdb []byte) bool {
	switch scsi.Opcode(cdb[0]) {
	case scsi.OpWrite6, scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16:
		return true
	}
	return false
}
