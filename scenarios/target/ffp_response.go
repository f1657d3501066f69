package target

import (
	"encoding/binary"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// absentLUN is number 0x3fff in flat space addressing, in the wire's form.
const absentLUN uint64 = 0x7fff << 48

// responseChecks are those of the group ffp-sequencing that are about SCSI Responses.
func responseChecks() []Check {
	return []Check{
		{ID: "ffp-sequencing.response.bits-and-reserved", Run: responseBits},
		{ID: "ffp-sequencing.response.sense-data-format", Run: senseFormat},
		{ID: "ffp-sequencing.response.invalid-lun", Run: invalidLUN},
	}
}

// sensed judges an answer that has to be CHECK CONDITION with one of the codes: another code under ILLEGAL REQUEST or ABORTED COMMAND
// is a warning. It ends the part when something else came.
func (t *T) sensed(r probe.Result, what string, codes ...scsi.ASC) {
	want := fmt.Sprintf("CHECK CONDITION with %v", codes)
	switch {
	case r.Check(codes...):
	case r.Check() && r.Sense != nil && (r.Sense.Key == scsi.IllegalRequest || r.Sense.Key == scsi.AbortedCommand):
		t.Warn("The sense data has another code.", fmt.Sprintf("%s: %v", what, r), want)
	default:
		t.Fail(fmt.Sprintf("%s: %v", what, r), want)
	}
}

func responseBits(t *T) {
	c := t.Open(probe.Login{})
	commands := []probe.Command{{CDB: scsi.Inquiry(255), Read: 4096}, inquiry(), probe.TestUnitReady(), t.Read(c, 0, 512), {CDB: []byte{0xff, 0, 0, 0, 0, 0}}}
	if t.MayWrite() {
		commands = append(commands, t.Write(c, 0, pattern(1, 512)))
	}
	for _, command := range commands {
		t.answered(c.Execute(command))
	}
	for _, s := range t.Received(c) {
		switch p := s.PDU.(type) {
		case *pdu.DataIn:
			if p.StatusPresent && p.Overflow && p.Underflow {
				t.Fail(s.Event.PDU, "U or O, not both")
			}
		case *pdu.SCSIResponse:
			t.soundResponse(s, p)
		}
	}
}

// soundResponse ends the part when the fixed parts of a SCSI Response to a command that reached its logical unit are wrong.
func (t *T) soundResponse(s Sighting, p *pdu.SCSIResponse) {
	residual := p.Overflow || p.Underflow || p.BidiOverflow || p.BidiUnderflow
	switch {
	case !s.Event.PDU.Header.Final():
		t.Fail(s.Event.PDU, "a SCSI Response with F=1")
	case p.Overflow && p.Underflow, p.BidiOverflow && p.BidiUnderflow:
		t.Fail(fmt.Sprintf("%v with U=%t O=%t u=%t o=%t", s.Event.PDU, p.Underflow, p.Overflow, p.BidiUnderflow, p.BidiOverflow), "U or O, not both")
	case p.Response != pdu.ResponseCompleted && residual:
		t.Fail(fmt.Sprintf("%v with a residual", s.Event.PDU), "no residual where Response is not 0x00")
	case p.Response != pdu.ResponseCompleted:
		t.Fail(s.Event.PDU, "Response 0x00 for a command that the device server answers")
	}
	switch p.Status {
	case 0x00, 0x02, 0x04, 0x08, 0x10, 0x14, 0x18, 0x22, 0x28, 0x30, 0x40:
	default:
		t.Fail(fmt.Sprintf("SCSI status 0x%02x", p.Status), "a status that SAM defines")
	}
}

func senseFormat(t *T) {
	c := t.Open(probe.Login{})
	r := c.Execute(probe.Command{CDB: []byte{0xff, 0, 0, 0, 0, 0}})
	want := "CHECK CONDITION with autosense"
	if r.Event.Ended() {
		t.Warn("An unknown CDB ends the connection.", r, want)
		return
	}
	p, is := probe.As[*pdu.SCSIResponse](r.Event)
	if !is || !r.Check() {
		t.Fail(r, want)
	}
	if len(p.Data) < 2 || binary.BigEndian.Uint16(p.Data) == 0 {
		t.Fail("CHECK CONDITION without sense data", want)
	}
	if length := int(binary.BigEndian.Uint16(p.Data)); length+2 > len(p.Data) {
		t.Fail(fmt.Sprintf("SenseLength %d in a data segment of %d bytes", length, len(p.Data)), "a data segment of SenseLength+2 or more")
	}
	if code := p.Data[2] & 0x7f; code < 0x70 || code > 0x73 {
		t.Fail(fmt.Sprintf("sense data with response code 0x%02x", code), "response code 0x70 to 0x73")
	}
	if r.Sense == nil || r.Sense.Key != scsi.IllegalRequest {
		t.Fail(r, "sense key ILLEGAL REQUEST")
	}
	if r.Sense.Code != scsi.InvalidOpcode {
		t.Warn("The sense data has another code.", r, "invalid command operation code")
	}
}

func invalidLUN(t *T) {
	for _, lun := range t.Facts.LUNs {
		if lun == absentLUN {
			t.Skip("The target has the logical unit that should not exist.")
		}
	}
	c := t.Open(probe.Login{})
	absent, first := absentLUN, uint64(0)
	ready := probe.TestUnitReady()
	ready.LUN = &absent
	t.sensed(c.Execute(ready), "TEST UNIT READY", scsi.LUNNotSupported)
	read := t.Read(c, 0, 512)
	read.LUN = &absent
	t.sensed(c.Execute(read), "READ", scsi.LUNNotSupported)
	ask := inquiry()
	ask.LUN = &absent
	r := c.Execute(ask)
	if qualified := r.Good() && len(r.Data) > 0 && (r.Data[0]>>5 == 1 || r.Data[0]>>5 == 3); !qualified && !r.Check() {
		t.Fail(fmt.Sprintf("INQUIRY: %v, data % x", r, r.Data[:min(len(r.Data), 8)]), "peripheral qualifier 1 or 3", "CHECK CONDITION")
	}
	t.answered(c.Execute(probe.Command{LUN: &first, CDB: scsi.ReportLUNs(0, 4096), Read: 4096}))
	t.Survives(c, "the session")
}
