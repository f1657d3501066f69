package initiator

import (
	"io"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// DataInDeviations are faults in taking the data of a read (RFC 7143, Section 11.7).
type DataInDeviations struct {
	// IgnoreStatus waits for a SCSI Response although the last Data-In carried the status.
	IgnoreStatus bool
	// CompleteAtFinal takes an F bit for the end of the command.
	CompleteAtFinal bool
	// AcknowledgeAtLevel0 answers the A bit with a DataACK SNACK at ErrorRecoveryLevel 0.
	AcknowledgeAtLevel0 bool
	// AcknowledgementNamesTask puts the tag of the task into a DataACK SNACK.
	AcknowledgementNamesTask bool
	// AcknowledgePastGap sends a DataACK although data before it is missing.
	AcknowledgePastGap bool
	// EmptyIsEnd takes a Data-In without data for the end of the stream.
	EmptyIsEnd bool
	// WaitForLongSegments takes a segment of any length, and drops what does not fit the request only when all of it is there.
	WaitForLongSegments bool
	// WrapOffset adds Buffer Offset and length in 32 bits before it looks whether they fit.
	WrapOffset bool
	// ArrivalOrder places data where that before it ended, wherever it belongs.
	ArrivalOrder bool
	// IgnoreGaps looks neither at DataSN nor at the order of the data, and counts to where the last PDU ends.
	IgnoreGaps bool
	// StatusWithoutFinal completes a command with the status of any Data-In, and what came so far.
	StatusWithoutFinal bool
	// IgnoreStatusByte takes each status in a Data-In for GOOD.
	IgnoreStatusByte bool
	// ExactFlags sees a status in a Data-In only if no other bit of the flags is set than F and S.
	ExactFlags bool
	// OneBuffer puts the data of all reads into the memory of the read that was issued last.
	OneBuffer bool
	// KeepBuffer places data of a read that is over in the memory of the read that was issued last.
	KeepBuffer bool
	// RefuseAborted ends the connection over data of a task that task management is about to end.
	RefuseAborted bool
	// OneReadPerSegment takes what of a segment has arrived already for all of it.
	OneReadPerSegment bool
	// DeliverPadding puts the padding of a segment behind its data.
	DeliverPadding bool
}

func (d *DataInDeviations) any() bool { return *d != DataInDeviations{} }

// departDataIn changes a Data-In to how a deviating initiator sees it, or places its data in another way and reports that it is done.
func (c *connection) departDataIn(h *pdu.BHS, p *pdu.DataIn) (done bool, err error) {
	c.s.mu.Lock()
	memory, offset, err := c.misplace(h, p)
	c.s.mu.Unlock()
	if err != nil || memory == nil {
		return false, err
	}
	ready := c.reader.Buffered()
	data, err := c.segment(h)
	if c.s.dev.DataIn.OneReadPerSegment {
		data = data[:min(len(data), ready)]
	}
	if c.s.dev.DataIn.DeliverPadding {
		data = append(data, c.reader.Padding()...)
	}
	for i, b := range data {
		if at := offset + i; at >= 0 && at < len(memory) {
			memory[at] = b
		}
	}
	return true, err
}

// misplace tells where the data of p goes, if not where it belongs. The mutex is held.
func (c *connection) misplace(h *pdu.BHS, p *pdu.DataIn) (memory []byte, offset int, err error) {
	d, n := &c.s.dev.DataIn, h.DataSegmentLength()
	t := c.s.tasks.find(p.ITT)
	if t == nil || t.kind != taskSCSI || t.req == nil || t.answered || t.quit != nil {
		if d.KeepBuffer && n > 0 {
			return c.lastRead, int(p.BufferOffset), nil
		}
		return nil, 0, nil
	}
	switch {
	case d.EmptyIsEnd && n == 0, d.RefuseAborted && c.s.setAborting(t):
		return nil, 0, io.ErrUnexpectedEOF
	case d.AcknowledgeAtLevel0 && p.Acknowledge:
		var e sendEntry
		snack := pdu.SNACKRequest{Type: pdu.SNACKDataACK, LUN: p.LUN, ITT: pdu.ReservedTag, TTT: p.TTT, BegRun: p.DataSN + 1}
		snack.EncodeBHS(&e.header)
		c.send(e)
	case d.ArrivalOrder:
		p.BufferOffset = uint32(t.received)
	case d.IgnoreGaps:
		p.DataSN, t.received = t.dataSN, int(p.BufferOffset)
	}
	c.misread(h, t, p)
	end, limit := uint64(p.BufferOffset)+uint64(n), uint64(len(t.req.Read))
	switch {
	case d.OneBuffer, d.OneReadPerSegment && n > 0, d.DeliverPadding && n&3 != 0:
		if memory, offset = t.req.Read, int(p.BufferOffset); d.OneBuffer {
			memory = c.lastRead
		}
		t.dataSN++
		t.received += n
		return memory, offset, nil
	case end > limit && d.WaitForLongSegments, end > limit && d.WrapOffset && uint64(uint32(end)) <= limit:
		t.dataSN++
		return t.req.Read, int(int32(p.BufferOffset)), nil
	}
	return nil, 0, nil
}

// misread changes what a Data-In says about status. The mutex is held.
func (c *connection) misread(h *pdu.BHS, t *task, p *pdu.DataIn) {
	d := &c.s.dev.DataIn
	if d.IgnoreStatusByte {
		p.Status = 0
	}
	switch {
	case p.StatusPresent && (d.IgnoreStatus || d.ExactFlags && h[1] != 0x81):
		p.StatusPresent = false
		c.expStatSN++
	case p.StatusPresent && !p.Final && d.StatusWithoutFinal:
		p.Final, p.Underflow = true, true
		p.ResidualCount = uint32(len(t.req.Read) - t.received - h.DataSegmentLength())
	case p.Final && !p.StatusPresent && d.CompleteAtFinal:
		p.StatusPresent, p.StatSN = true, c.expStatSN
	}
}
