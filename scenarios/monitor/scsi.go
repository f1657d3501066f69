package monitor

import (
	"encoding/binary"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// The rules of SCSI Commands, which bind the initiator.
var (
	commandForm = rule{side: initiator, row: "cmd.fields-immediate-yes", name: "form of a SCSI Command", clause: "RFC 7143, Section 11.3",
		needs: framing, spoils: everything &^ (framing | status | keys)}
	commandBits = rule{side: initiator, row: "cmd.rw-bits-and-edtl", name: "R, W, F and Expected Data Transfer Length", clause: "RFC 7143, Section 11.3.1",
		needs: framing, spoils: data}
	wholeIsFinal = rule{side: initiator, row: "cmd.fbit-equal-length", name: "F where all data came with the command", clause: "RFC 7143, Section 11.3.4",
		needs: framing, spoils: data}
	attributes     = rule{side: initiator, row: "cmd.task-attributes", name: "task attribute", clause: "RFC 7143, Section 11.3.1", needs: framing, spoils: data}
	immediateLimit = rule{side: initiator, row: "dataout.immediate-limited-by-mrdsl", name: "length of immediate data", clause: "RFC 7143, Section 13.12",
		needs: framing | keys | login, spoils: everything &^ (framing | status)}
	immediateAgreed = rule{side: initiator, row: "dataout.none-before-r2t", name: "immediate data only where agreed", clause: "RFC 7143, Section 13.11",
		needs: framing | keys | login, spoils: everything &^ (framing | status)}
	unsolicitedAgreed = rule{side: initiator, row: "dataout.none-before-r2t", name: "unsolicited data only where agreed", clause: "RFC 7143, Section 13.10",
		needs: framing | keys | login, spoils: everything &^ (framing | status)}
	firstBurst = rule{side: initiator, row: "dataout.unsolicited-limited-by-firstburst", name: "unsolicited data within FirstBurstLength",
		clause: "RFC 7143, Section 13.14", needs: framing | keys | login, spoils: data}
)

// The rules of status, which bind the target.
var (
	oneStatus = rule{side: target, row: "ffp-sequencing.order.single-command-response-pairing", name: "one status a command",
		clause: "RFC 7143, Section 4.2.2.2", needs: framing | order | login | status, spoils: order | data}
	responseForm = rule{side: target, row: "ffp-sequencing.response.bits-and-reserved", name: "bits of a SCSI Response", clause: "RFC 7143, Section 11.4.1"}
	qualifier    = rule{side: target, row: "ffp-sequencing.response.status-qualifier-zero", name: "status qualifier", clause: "RFC 7144, Section 5.2.1",
		needs: framing | keys | login}
	countsDataIn = rule{side: target, row: "data-in.expdatasn.counts-data-in", name: "ExpDataSN counts the Data-In PDUs", clause: "RFC 7143, Section 11.4.8",
		needs: framing | order | data | login | status}
)

// command follows a SCSI Command.
func (c *conn) command(p *pdu.SCSICommand) {
	n := uint32(c.now.PDU.Header.DataSegmentLength())
	t := &task{kind: scsiTask, lun: p.LUN, cmdSN: p.CmdSN, read: p.Read, write: p.Write, length: p.ExpectedDataTransferLength}
	if p.Read {
		t.readLength = p.ExpectedDataTransferLength
	}
	if p.Read && p.Write {
		t.readLength = bidirectionalLength(p.AHS)
	}
	switch {
	case n > 0 && !p.Write:
		c.broken(&commandForm, "%d bytes of immediate data with W=0", n)
	case n > p.ExpectedDataTransferLength:
		c.broken(&commandForm, "%d bytes of immediate data, where %d are expected in all", n, p.ExpectedDataTransferLength)
	case !p.Final && !p.Write:
		c.broken(&commandBits, "F=0 and W=0")
	case !p.Read && !p.Write && p.ExpectedDataTransferLength > 0:
		c.broken(&commandBits, "R=0 and W=0 with Expected Data Transfer Length %d", p.ExpectedDataTransferLength)
	case p.Attr > pdu.AttrACA:
		c.broken(&attributes, "the task attribute %d", p.Attr)
	case p.Write && !p.Final && n == p.ExpectedDataTransferLength:
		c.broken(&wholeIsFinal, "F=0, though all %d bytes are here", n)
	}
	if p.ITT == pdu.ReservedTag {
		c.broken(&tagUnique, "the reserved task tag for a command")
		return
	}
	c.unasked(p, n)
	t.out = outward{unsolicited: p.Write && !p.Final, sent: n, next: n, asked: n}
	c.task(p.ITT, t)
}

// unasked holds immediate data, and the announcement of more, to what was agreed.
func (c *conn) unasked(p *pdu.SCSICommand, n uint32) {
	a := &c.agreed
	switch {
	case n > 0 && a.immediate == 1:
		c.broken(&immediateAgreed, "%d bytes of immediate data, where ImmediateData=No is in force", n)
	case p.Write && !p.Final && a.initialR2T == 2:
		c.broken(&unsolicitedAgreed, "F=0 announces unsolicited data, where InitialR2T=Yes is in force")
	case a.limits[target] > 0 && int(n) > a.limits[target]:
		c.broken(&immediateLimit, "%d bytes of immediate data, where the target takes %d in a PDU", n, a.limits[target])
	case n > 0 && a.firstBurst > 0 && int(n) > a.firstBurst:
		c.broken(&firstBurst, "%d bytes of immediate data, where FirstBurstLength is %d", n, a.firstBurst)
	}
}

// bidirectionalLength reads how much a bidirectional command expects to come in; 0 where it does not say.
func bidirectionalLength(ahs []byte) uint32 {
	segments, err := pdu.ParseAHS(ahs)
	if err != nil {
		return 0
	}
	for _, s := range segments {
		if s.Type == pdu.AHSBidirectionalReadData && len(s.Specific) >= 5 {
			return binary.BigEndian.Uint32(s.Specific[1:])
		}
	}
	return 0
}

// response follows a SCSI Response.
func (c *conn) response(p *pdu.SCSIResponse) {
	h := &c.now.PDU.Header
	residual := p.Overflow || p.Underflow || p.BidiOverflow || p.BidiUnderflow
	switch {
	case !h.Final():
		c.broken(&responseForm, "F=0")
	case p.Overflow && p.Underflow || p.BidiOverflow && p.BidiUnderflow:
		c.broken(&responseForm, "a residual both above and below")
	case p.Response != pdu.ResponseCompleted && residual:
		c.broken(&responseForm, "a residual with the response 0x%02x", byte(p.Response))
	}
	if c.agreed.protocol > 0 && c.agreed.protocol <= 2 && !allZero(h[8:10]) {
		c.broken(&qualifier, "a status qualifier % x below protocol level 2", h[8:10])
	} else if !allZero(h[10:16]) {
		c.broken(&targetZeros, "SCSI Response: bytes 10 to 15 are % x", h[10:16])
	}
	c.fits(p.Opcode())
	t := c.taskOf(p.ITT, p.Opcode())
	if t == nil {
		return
	}
	c.counts(t, p)
	if a, out := &c.agreed, &t.out; t.write && !t.read && !t.aborted && !t.refused && a.level == 1 && a.sequenceInOrder == 2 &&
		p.Response == pdu.ResponseCompleted && p.Status == 0 && !residual && !out.unsolicited && out.asked < t.length {
		c.broken(&r2tAll, "GOOD without a residual, though %d of %d bytes were never asked for", t.length-out.asked, t.length)
	}
	if p.Response == pdu.ResponseCompleted && !t.aborted {
		c.residual(t, p.Status, p.Overflow, p.Underflow, p.ResidualCount)
	}
	c.ends(t, p.ITT)
}

// taskOf finds the SCSI command that a PDU of the target belongs to, and nil where it belongs to none that is judged.
func (c *conn) taskOf(itt uint32, op pdu.Opcode) *task {
	s := c.s
	t := s.tasks[itt]
	switch {
	case t != nil && t.kind == scsiTask && t.c == c:
		return t
	case t != nil && t.c != c: // reassigned, or reinstated under the same CID: not followed
		return nil
	case s.done[itt] != nil && op == pdu.OpDataIn:
		c.broken(&statusLast, "a Data-In for the task %s follows its status", hex(itt))
	case s.done[itt] != nil && op == pdu.OpSCSIResponse:
		c.broken(&oneStatus, "a second status for the task %s", hex(itt))
	case s.done[itt] == nil:
		c.broken(&oneStatus, "a %s for the task %s, which no command has", op, hex(itt))
	}
	return nil
}

// counts holds ExpDataSN to the Data-In PDUs that came. RFC 7143, Section 11.4.8.
func (c *conn) counts(t *task, p *pdu.SCSIResponse) {
	if t.write && t.read || t.aborted || t.refused {
		return
	}
	switch {
	case p.Response != pdu.ResponseCompleted && p.ExpDataSN != 0:
		c.broken(&countsDataIn, "ExpDataSN %d with the response 0x%02x", p.ExpDataSN, byte(p.Response))
	case p.Response != pdu.ResponseCompleted || p.ExpDataSN == t.in.count:
	case p.ExpDataSN == 0 || t.write && p.ExpDataSN == t.out.r2ts:
		c.warned(&countsDataIn, "ExpDataSN %d after %d Data-In and %d R2T", p.ExpDataSN, t.in.count, t.out.r2ts)
	default:
		c.broken(&countsDataIn, "ExpDataSN %d after %d Data-In", p.ExpDataSN, t.in.count)
	}
}

// ends ends a SCSI command.
func (c *conn) ends(t *task, itt uint32) {
	t.in.last = true
	c.s.finish(itt, t)
}

// word reads a number of a header.
func word(h *pdu.BHS, at int) uint32 { return binary.BigEndian.Uint32(h[at:]) }

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// held tells how many bytes of data a PDU had, kept or not.
func held(e *trace.Event) uint32 { return uint32(e.PDU.Header.DataSegmentLength()) }
