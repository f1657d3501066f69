package monitor

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// The rules of R2T, which bind the target.
var (
	noR2TForReads = rule{side: target, row: "data-out.r2t.read-command-none", name: "no R2T for a read", clause: "RFC 7143, Section 11.8",
		needs: transfers, spoils: data}
	r2tFields = rule{side: target, row: "data-out.r2t.fields", name: "fields of an R2T", clause: "RFC 7143, Section 11.8", needs: transfers, spoils: data}
	r2tForm   = rule{side: target, row: "data-out.r2t.fields", name: "F and tag of an R2T", clause: "RFC 7143, Section 11.8.5", spoils: data}
	r2tSteps  = rule{side: target, row: "data-out.r2t.r2tsn-sequence", name: "R2TSN steps by one", clause: "RFC 7143, Section 11.8.2",
		needs: transfers | keys, spoils: data}
	r2tBurst = rule{side: target, row: "keys.max-burst-length.honoured-for-r2t", name: "MaxBurstLength of an R2T", clause: "RFC 7143, Section 13.13",
		needs: transfers | keys, spoils: data}
	r2tOrder = rule{side: target, row: "keys.data-sequence-in-order.yes-means-ascending", name: "offsets of R2Ts", clause: "RFC 7143, Section 13.19",
		needs: transfers | keys, spoils: data}
	r2tLimit = rule{side: target, row: "keys.max-outstanding-r2t.limit-respected", name: "MaxOutstandingR2T", clause: "RFC 7143, Section 13.17",
		needs: transfers | keys, spoils: data}
	r2tStarts = rule{side: target, row: "data-out.r2t.starts-after-unsolicited", name: "the first R2T begins behind the unsolicited data",
		clause: "RFC 7143, Section 11.8.4", needs: transfers | keys, spoils: data}
	r2tAll = rule{side: target, row: "data-out.r2t.covers-whole-write", name: "a write that ends GOOD had all its data",
		clause: "RFC 7143, Section 4.2.5.2", needs: transfers | keys}
	r2tNeeded = rule{side: target, row: "data-out.r2t.no-data-needed-no-r2t", name: "R2Ts ask for data that is still to come",
		clause: "RFC 7143, Section 11.8", needs: transfers, spoils: data}
)

// The rules of Data-Out, which bind the initiator.
var (
	outTag = rule{side: initiator, row: "dataout.ttt-echoed", name: "tags of Data-Out", clause: "RFC 7143, Section 11.7.4", needs: transfers,
		spoils: data | order}
	outSteps = rule{side: initiator, row: "dataout.datasn-per-sequence", name: "DataSN of Data-Out", clause: "RFC 7143, Section 11.7.5", needs: transfers,
		spoils: data}
	outOffset = rule{side: initiator, row: "dataout.buffer-offset", name: "offsets of Data-Out", clause: "RFC 7143, Section 11.7.6",
		needs: transfers | keys, spoils: data}
	outWhole = rule{side: initiator, row: "r2t.multi-pdu-answer", name: "an R2T is answered whole", clause: "RFC 7143, Section 11.8", needs: transfers,
		spoils: data}
	outFinal = rule{side: initiator, row: "dataout.fbit-solicited", name: "F on the last Data-Out for an R2T", clause: "RFC 7143, Section 11.7.1",
		needs: transfers, spoils: data}
	outLength = rule{side: initiator, row: "dataout.mrdsl-respected", name: "length of Data-Out", clause: "RFC 7143, Section 13.12",
		needs: framing | keys | login, spoils: everything &^ (framing | status)}
	outAnnounced = rule{side: initiator, row: "dataout.fbit-unsolicited", name: "unsolicited data ends with F", clause: "RFC 7143, Section 11.7.1",
		needs: transfers, spoils: data}
	outUnasked = rule{side: initiator, row: "dataout.immediate-and-unsolicited", name: "amount of unsolicited data", clause: "RFC 7143, Section 11.3.4",
		needs: transfers | keys, spoils: data}
)

// outward is how far the data of a command went out.
type outward struct {
	unsolicited bool   // more unsolicited data is announced
	number      uint32 // the next DataSN of it
	sent        uint32 // unsolicited bytes, immediate ones included
	next        uint32 // the offset behind them
	asked       uint32 // the offset behind what came unasked and what R2Ts asked for, where these rise
	r2ts        uint32 // R2Ts, and the number of the next one
	open        []request
}

// request is an R2T whose data is not whole yet.
type request struct {
	ttt, offset, length uint32
	sent, number        uint32 // bytes, and the DataSN of the next PDU
}

// maxOpen bounds how many R2Ts of one command are followed.
const maxOpen = 1 << 12

// r2t follows an R2T.
func (c *conn) r2t(p *pdu.R2T) {
	switch {
	case !c.now.PDU.Header.Final():
		c.broken(&r2tForm, "F=0")
	case p.TTT == pdu.ReservedTag:
		c.broken(&r2tForm, "the reserved Target Transfer Tag")
	}
	t := c.taskOf(p.ITT, p.Opcode())
	if t == nil || t.aborted {
		return
	}
	if !t.write {
		c.broken(&noR2TForReads, "an R2T for the task %s, whose command has W=0", hex(p.ITT))
		return
	}
	a, out := &c.agreed, &t.out
	end := uint64(p.BufferOffset) + uint64(p.DesiredDataTransferLength)
	plain := a.level == 1 && !t.read // above level 0 an R2T may ask again
	switch {
	case p.DesiredDataTransferLength == 0:
		c.broken(&r2tFields, "Desired Data Transfer Length 0")
	case end > uint64(t.length):
		c.broken(&r2tFields, "bytes %d to %d of %d", p.BufferOffset, end, t.length)
	case p.LUN != t.lun:
		c.broken(&r2tFields, "LUN %016x, want %016x", p.LUN, t.lun)
	}
	if a.maxBurst > 0 && p.DesiredDataTransferLength > uint32(a.maxBurst) {
		c.broken(&r2tBurst, "Desired Data Transfer Length %d, where MaxBurstLength is %d", p.DesiredDataTransferLength, a.maxBurst)
	}
	if plain && p.R2TSN != out.r2ts {
		c.broken(&r2tSteps, "R2TSN %d, want %d", p.R2TSN, out.r2ts)
	}
	switch {
	case !plain || a.sequenceInOrder != 2:
	case out.sent >= t.length && t.length > 0 && !out.unsolicited:
		c.warned(&r2tNeeded, "an R2T, though all %d bytes came with the command", t.length)
	case out.r2ts == 0 && !out.unsolicited && p.BufferOffset > out.next:
		c.broken(&r2tStarts, "buffer offset %d, where %d bytes came unasked", p.BufferOffset, out.next)
	case out.r2ts == 0 && !out.unsolicited && p.BufferOffset < out.next:
		c.warned(&r2tStarts, "buffer offset %d, where %d bytes came unasked", p.BufferOffset, out.next)
	case out.r2ts > 0 && p.BufferOffset != out.asked:
		c.broken(&r2tOrder, "buffer offset %d, want %d", p.BufferOffset, out.asked)
	}
	out.r2ts, out.asked = p.R2TSN+1, uint32(end)
	out.open = append(out.open, request{ttt: p.TTT, offset: p.BufferOffset, length: p.DesiredDataTransferLength})
	if plain && a.outstanding > 0 && len(out.open) > a.outstanding {
		c.broken(&r2tLimit, "%d R2Ts without their data, where MaxOutstandingR2T is %d", len(out.open), a.outstanding)
	}
	if len(out.open) > maxOpen {
		c.lose(data)
		out.open = nil
	}
}

// dataOut follows a Data-Out.
func (c *conn) dataOut(p *pdu.DataOut) {
	n := held(c.now)
	if limit := c.agreed.limits[target]; limit > 0 && int(n) > limit {
		c.broken(&outLength, "a Data-Out with %d bytes, where the target takes %d", n, limit)
	}
	t := c.s.tasks[p.ITT]
	switch {
	case t == nil && c.s.done[p.ITT] != nil:
		return // under way when the status came
	case t == nil || t.kind != scsiTask || !t.write || t.c != c:
		c.broken(&outTag, "a Data-Out for the task %s, which is no write of this connection", hex(p.ITT))
		return
	case t.aborted || t.refused:
		return
	}
	if p.TTT == pdu.ReservedTag {
		c.unsolicited(t, p, n)
		return
	}
	i := slices.IndexFunc(t.out.open, func(r request) bool {
		return r.ttt == p.TTT && p.BufferOffset >= r.offset && uint64(p.BufferOffset) <= uint64(r.offset)+uint64(r.length)
	})
	if i < 0 {
		c.broken(&outTag, "a Data-Out with the Target Transfer Tag %s at offset %d, which no open R2T of the task has", hex(p.TTT), p.BufferOffset)
		return
	}
	if c.answers(&t.out.open[i], p, n, t.lun) {
		t.out.open = slices.Delete(t.out.open, i, i+1)
	}
}

// answers follows a Data-Out that answers an R2T, and tells whether that has all it gets.
func (c *conn) answers(r *request, p *pdu.DataOut, n uint32, lun uint64) bool {
	switch {
	case p.LUN != lun:
		c.broken(&outTag, "LUN %016x in a solicited Data-Out, want %016x", p.LUN, lun)
	case p.DataSN != r.number:
		c.broken(&outSteps, "DataSN %d in answer to an R2T, want %d", p.DataSN, r.number)
	case c.agreed.pduInOrder == 2 && p.BufferOffset != r.offset+r.sent:
		c.broken(&outOffset, "buffer offset %d in answer to an R2T, want %d", p.BufferOffset, r.offset+r.sent)
	case uint64(p.BufferOffset)+uint64(n) > uint64(r.offset)+uint64(r.length):
		c.broken(&outWhole, "bytes %d to %d in answer to an R2T for %d to %d", p.BufferOffset, p.BufferOffset+n, r.offset, r.offset+r.length)
	}
	r.number, r.sent = p.DataSN+1, r.sent+n
	switch {
	case p.Final && r.sent < r.length:
		c.broken(&outWhole, "F=1 after %d of the %d bytes that an R2T asked for", r.sent, r.length)
	case !p.Final && r.sent >= r.length:
		c.broken(&outFinal, "F=0 on the last of the %d bytes that an R2T asked for", r.length)
	}
	return p.Final
}

// unsolicited follows a Data-Out that no R2T asked for.
func (c *conn) unsolicited(t *task, p *pdu.DataOut, n uint32) {
	a, out := &c.agreed, &t.out
	switch {
	case a.initialR2T == 2:
		c.broken(&unsolicitedAgreed, "an unsolicited Data-Out, where InitialR2T=Yes is in force")
	case !out.unsolicited:
		c.broken(&outAnnounced, "an unsolicited Data-Out behind F=1")
	case p.DataSN != out.number:
		c.broken(&outSteps, "DataSN %d of unsolicited data, want %d", p.DataSN, out.number)
	case p.BufferOffset != out.next:
		c.broken(&outOffset, "buffer offset %d of unsolicited data, want %d", p.BufferOffset, out.next)
	}
	out.number, out.next, out.sent = p.DataSN+1, p.BufferOffset+n, out.sent+n
	out.asked = out.next
	most := t.length
	if a.firstBurst > 0 {
		most = min(most, uint32(a.firstBurst))
	}
	switch {
	case a.firstBurst > 0 && out.sent > most:
		c.broken(&firstBurst, "%d bytes unasked, where %d are allowed", out.sent, most)
	case p.Final && a.firstBurst > 0 && out.sent < most:
		c.broken(&outUnasked, "%d bytes unasked, where either the immediate data alone or %d go", out.sent, most)
	}
	if p.Final {
		out.unsolicited = false
	}
}
