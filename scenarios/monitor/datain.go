package monitor

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

const transfers = framing | order | data | login | status // what the rules of data rest on

// The rules of Data-In, which bind the target.
var (
	noDataForWrites = rule{side: target, row: "data-in.w-command.no-data-in", name: "no Data-In for a write", clause: "RFC 7143, Section 11.7",
		needs: transfers, spoils: data}
	statusLast = rule{side: target, row: "data-in.status.after-all-data", name: "no Data-In behind status", clause: "RFC 7143, Section 4.2.5.1",
		needs: transfers, spoils: data}
	dataSNSteps = rule{side: target, row: "data-in.datasn.starts-at-zero-and-increments", name: "DataSN steps by one", clause: "RFC 7143, Section 11.7.5",
		needs: transfers, spoils: data}
	offsetsRise = rule{side: target, row: "keys.data-pdu-in-order.yes-means-ascending", name: "offsets of Data-In", clause: "RFC 7143, Section 13.18",
		needs: transfers | keys, spoils: data}
	sequencesRise = rule{side: target, row: "keys.data-sequence-in-order.yes-means-ascending", name: "offsets of Data-In sequences",
		clause: "RFC 7143, Section 13.19", needs: transfers | keys, spoils: data}
	withinExpected = rule{side: target, row: "data-in.length.within-edtl", name: "no more data than expected", clause: "RFC 7143, Section 11.7.6",
		needs: transfers, spoils: data}
	burstIn = rule{side: target, row: "keys.max-burst-length.honoured-for-data-in", name: "MaxBurstLength of Data-In", clause: "RFC 7143, Section 13.13",
		needs: framing | keys | login | data | order | status, spoils: data}
	lastIsFinal = rule{side: target, row: "data-in.f-bit.ends-each-sequence", name: "F on the last Data-In", clause: "RFC 7143, Section 11.7.1",
		needs: transfers}
	segmentDeclared = rule{side: target, row: "keys.mrdsl.declared-value-respected", name: "MaxRecvDataSegmentLength of the initiator",
		clause: "RFC 7143, Section 13.12", needs: framing | keys | login, spoils: data}
	segmentDefault = rule{side: target, row: "keys.mrdsl.default-8192", name: "MaxRecvDataSegmentLength by default", clause: "RFC 7143, Section 13.12",
		needs: framing | keys | login, spoils: data}
	statusWithFinal = rule{side: target, row: "data-in.s-bit.implies-f-and-good-status", name: "status in a Data-In", clause: "RFC 7143, Section 11.7.3"}
	zeroWithoutS    = rule{side: target, row: "data-in.s-bit.reserved-fields-when-clear", name: "status fields of Data-In without S",
		clause: "RFC 7143, Section 11.7.3"}
	tagWithoutA = rule{side: target, row: "data-in.ttt.reserved-without-a-bit", name: "Target Transfer Tag of Data-In without A",
		clause: "RFC 7143, Section 11.7.4"}
	noAckAsked = rule{side: target, row: "data-in.a-bit.never-at-level-zero", name: "no A bit at recovery level 0", clause: "RFC 7143, Section 11.7.2",
		needs: framing | keys | login}
	notEmpty     = rule{side: target, row: "data-in.length.no-empty-pdus", name: "no empty Data-In", clause: "RFC 7143, Section 11.7.7", lenient: true}
	wholeWords   = rule{side: target, row: "data-in.length.word-multiple-before-last", name: "whole words before F", clause: "RFC 7143, Section 11.7.7", lenient: true}
	residualBoth = rule{side: target, row: "ffp-sequencing.response.bits-and-reserved", name: "O excludes U", clause: "RFC 7143, Section 11.7.3"}
	missingData  = rule{side: target, row: "data-in.residual.underflow", name: "residual of what did not come", clause: "RFC 7143, Section 11.4.5",
		needs: transfers}
	noResidual = rule{side: target, row: "data-in.residual.none-when-exact", name: "no residual where all came", clause: "RFC 7143, Section 11.4.5",
		needs: transfers}
)

// inward is how far the data of a command came in.
type inward struct {
	count    uint32 // Data-In PDUs, and the DataSN of the next one
	next     uint32 // the offset of the next byte, where offsets rise
	bytes    uint64 // all that came
	sequence uint64 // bytes since the last F
	final    bool   // the last one had F
	unsure   bool   // numbers or offsets left their order
	last     bool   // status was sent
}

// dataIn follows a Data-In.
func (c *conn) dataIn(p *pdu.DataIn) {
	n := held(c.now)
	c.dataInForm(p, n)
	c.fits(p.Opcode())
	t := c.taskOf(p.ITT, p.Opcode())
	if t == nil {
		return
	}
	if !t.read {
		c.broken(&noDataForWrites, "a Data-In for the task %s, whose command has R=0", hex(p.ITT))
	} else {
		c.arrives(t, p, n)
	}
	if !p.StatusPresent {
		return
	}
	if !t.write && !t.aborted {
		c.residual(t, p.Status, p.Overflow, p.Underflow, p.ResidualCount)
	}
	c.ends(t, p.ITT)
}

// dataInForm looks at the fields of one Data-In.
func (c *conn) dataInForm(p *pdu.DataIn, n uint32) {
	good := p.Status == 0 || p.Status == 4 || p.Status == 0x10 || p.Status == 0x14
	switch {
	case p.StatusPresent && !p.Final:
		c.broken(&statusWithFinal, "S=1 with F=0")
	case p.StatusPresent && !good:
		c.broken(&statusWithFinal, "the status 0x%02x", p.Status)
	case p.StatusPresent && p.Overflow && p.Underflow:
		c.broken(&residualBoth, "a Data-In with O and U")
	case !p.StatusPresent && (p.Overflow || p.Underflow || p.Status != 0 || p.ResidualCount != 0):
		c.broken(&zeroWithoutS, "S=0 with a residual or a status")
	}
	switch {
	case p.Acknowledge && c.agreed.level == 1:
		c.broken(&noAckAsked, "A=1 at recovery level 0")
	case !p.Acknowledge && p.TTT == 0:
		c.warned(&tagWithoutA, "the Target Transfer Tag 0 without A")
	case !p.Acknowledge && p.TTT != pdu.ReservedTag:
		c.broken(&tagWithoutA, "the Target Transfer Tag %s without A", hex(p.TTT))
	}
	if n == 0 {
		c.broken(&notEmpty, "a Data-In without data")
	}
	if !p.Final && n%4 != 0 {
		c.broken(&wholeWords, "%d bytes with F=0", n)
	}
}

// fits holds a PDU of the target to the length that the initiator declared.
func (c *conn) fits(op pdu.Opcode) {
	limit := c.agreed.limits[initiator]
	n := held(c.now)
	if limit == 0 || int(n) <= limit {
		return
	}
	r := &segmentDeclared
	if limit == 8192 && op == pdu.OpDataIn {
		r = &segmentDefault
	}
	c.broken(r, "a %s with %d bytes, where the initiator takes %d", op, n, limit)
}

// arrives follows the numbers and places of a Data-In.
func (c *conn) arrives(t *task, p *pdu.DataIn, n uint32) {
	in := &t.in
	both := t.write // Data-In and R2T of a bidirectional command share their numbers
	if p.DataSN != in.count && !both {
		c.broken(&dataSNSteps, "DataSN %d, want %d", p.DataSN, in.count)
		in.unsure = true
	}
	ordered := c.agreed.pduInOrder == 2 && c.agreed.sequenceInOrder == 2
	if ordered && n > 0 && p.BufferOffset != in.next {
		r := &offsetsRise
		if in.final { // where a sequence begins
			r = &sequencesRise
		}
		c.broken(r, "buffer offset %d, want %d", p.BufferOffset, in.next)
		in.unsure = true
	}
	if end := uint64(p.BufferOffset) + uint64(n); n > 0 && end > uint64(t.readLength) && (!both || t.readLength > 0) {
		c.broken(&withinExpected, "bytes %d to %d of %d", p.BufferOffset, end, t.readLength)
	}
	in.count, in.next, in.bytes = p.DataSN+1, p.BufferOffset+n, in.bytes+uint64(n)
	in.sequence += uint64(n)
	if most := c.agreed.maxBurst; most > 0 && in.sequence > uint64(most) {
		c.broken(&burstIn, "%d bytes without F, where MaxBurstLength is %d", in.sequence, most)
	}
	if in.final = p.Final; p.Final {
		in.sequence = 0
	}
}

// residual holds the residual of a command to the data that came. RFC 7143, Section 11.4.5.
func (c *conn) residual(t *task, code byte, over, under bool, count uint32) {
	if t.write || t.refused {
		return
	}
	in := &t.in
	if in.count > 0 && !in.final {
		c.broken(&lastIsFinal, "the last Data-In of the command has F=0")
	}
	if code != 0 || in.unsure || !t.read {
		return
	}
	missing := int64(t.readLength) - int64(in.bytes)
	switch {
	case missing > 0 && under && int64(count) != missing:
		c.broken(&missingData, "a residual of %d, where %d of %d bytes did not come", count, missing, t.readLength)
	case missing > 0 && !under && !over:
		c.warned(&missingData, "no residual, where %d of %d bytes did not come", missing, t.readLength)
	case missing == 0 && under:
		c.broken(&noResidual, "a residual of %d, though all %d bytes came", count, t.readLength)
	case missing == 0 && !under && !over && count > 0:
		c.warned(&noResidual, "a residual count of %d without O and U", count)
	}
}
