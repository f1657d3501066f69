package target

import (
	"encoding/binary"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// residualChecks are those of the group data-in that are about the expected length and residuals.
func residualChecks() []Check {
	return []Check{
		{ID: "data-in.length.within-edtl", Run: withinExpected},
		{ID: "data-in.residual.overflow", Run: readOverflow},
		{ID: "data-in.residual.none-when-exact", Run: exactTransfer},
		{ID: "data-in.residual.report-luns-overflow", Run: reportLUNsOverflow},
		{ID: "data-in.residual.read-past-end", Run: residualPastEnd},
		{ID: "data-in.residual.cut-by-allocation-length", Run: cutByAllocation},
	}
}

// current logs in with a declaration of RFC 7144, and tells whether the target answers with one. How a target takes a key that it may not know
// is the matter of other checks.
func (t *T) current(more ...string) (c *probe.Conn, declares bool) {
	l := t.Login(probe.Login{Keys: Keys(append([]string{"iSCSIProtocolLevel=1"}, more...)...)})
	if !l.Granted() {
		l = t.Login(probe.Login{Keys: Keys(more...)})
	}
	c = t.Granted(l)
	t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the login")
	level, _ := l.Answer(text.KeyISCSIProtocolLevel)
	return c, level != "" && level != "0" && level != text.NotUnderstood
}

// bytesIn counts the bytes of Data-In.
func bytesIn(r probe.Result) int {
	n := 0
	for _, p := range r.Task.DataIns {
		n += len(p.Data)
	}
	return n
}

// residualOf tells a result with its residual.
func residualOf(r probe.Result) string {
	return fmt.Sprintf("%v with O=%t, U=%t and a residual of %d after %d bytes", r, r.Overflow, r.Underflow, r.Residual, bytesIn(r))
}

// expecting is a command of which so many bytes are expected, none included.
func expecting(cdb []byte, n uint32) probe.Command {
	return probe.Command{CDB: cdb, EDTL: &n, Patch: func(p *pdu.SCSICommand) { p.Read = true }}
}

// overflows judges a command that presents whole bytes of which fewer are expected.
func (t *T) overflows(r probe.Result, what string, whole int) {
	expected := int(r.Task.PDU.ExpectedDataTransferLength)
	want := fmt.Sprintf("at most %d bytes, O=1, U=0 and a residual of %d", expected, whole-expected)
	switch got := what + ": " + residualOf(r); {
	case bytesIn(r) > expected || r.Stray():
		t.Fail(got, want)
	case r.Check():
		t.Warn("The command fails instead of reporting an overflow.", got, want)
	case !r.Good():
		t.Fail(got, want)
	case !r.Overflow:
		t.Warn("The SCSI layer may have clipped the data before it knew how much there is.", got, want)
	case r.Underflow, int(r.Residual) != whole-expected:
		t.Fail(got, want)
	}
}

func withinExpected(t *T) {
	learned := t.Open(probe.Login{})
	whole := bytesIn(t.Good(learned.Execute(inquiry()), "INQUIRY"))
	for _, variant := range []struct {
		what     string
		cdb      []byte
		expected uint32
		whole    int
	}{
		{"READ CAPACITY(10) with EDTL 0", scsi.ReadCapacity10(), 0, scsi.Capacity10Length},
		{"READ CAPACITY(10) with EDTL 4", scsi.ReadCapacity10(), 4, scsi.Capacity10Length},
		{"INQUIRY with EDTL 8", scsi.Inquiry(96), 8, whole},
	} {
		t.Part(variant.what, func() {
			c := t.Open(probe.Login{})
			r := c.Execute(expecting(variant.cdb, variant.expected))
			want := []string{fmt.Sprintf("at most %d bytes, and GOOD with O=1 and a residual of %d", variant.expected, variant.whole-int(variant.expected)), "CHECK CONDITION"}
			switch got := residualOf(r); {
			case bytesIn(r) > int(variant.expected) || r.Stray():
				t.Fail(got, want...)
			case r.Check():
			case r.Good() && !r.Overflow:
				t.Warn("No overflow is reported.", got, want...)
			case r.Good() && (r.Underflow || int(r.Residual) != variant.whole-int(variant.expected)):
				t.Fail(got, want...)
			case r.Good():
			case r.Rejected() != nil, r.Event.Ended():
				t.Warn("The command is not executed.", got, want...)
			default:
				t.Fail(got, want...)
			}
		})
	}
}

func readOverflow(t *T) {
	c := t.Open(probe.Login{})
	whole := bytesIn(t.Good(c.Execute(inquiry()), "INQUIRY"))
	if whole <= 4 {
		t.Fail(fmt.Sprintf("INQUIRY brings %d bytes", whole), "36 bytes or more")
	}
	t.overflows(c.Execute(expecting(scsi.Inquiry(96), 4)), "INQUIRY", whole)
}

func exactTransfer(t *T) {
	c := t.Open(probe.Login{})
	for _, command := range []probe.Command{t.Read(c, 0, t.room(c, 0, 8<<10)), probe.TestUnitReady()} {
		r := t.Good(c.Execute(command), "the command")
		switch want := "O=0, U=0 and a residual of 0"; {
		case r.Overflow || r.Underflow:
			t.Fail(residualOf(r), want)
		case r.Residual != 0:
			t.Warn("A residual count without O and U means nothing, and is not zero.", residualOf(r), want)
		}
	}
}

// reportLUNs asks LUN 0, which always answers, for the inventory.
func reportLUNs(allocation, expected uint32) probe.Command {
	command := expecting(scsi.ReportLUNs(0, allocation), expected)
	command.LUN = new(uint64)
	return command
}

func reportLUNsOverflow(t *T) {
	c := t.Open(probe.Login{})
	const allocation, expected = 4096, 16
	whole := t.Good(c.Execute(reportLUNs(allocation, allocation)), "REPORT LUNS")
	if len(whole.Data) < 8 {
		t.Fail(residualOf(whole), "a list of LUNs")
	}
	length := binary.BigEndian.Uint32(whole.Data)
	if length+8 <= expected {
		t.Skip("The list has %d bytes, no more than are expected.", length+8)
	}
	r := c.Execute(reportLUNs(allocation, expected))
	t.overflows(r, "REPORT LUNS", int(min(allocation, length+8)))
	if r.Good() && len(r.Data) >= 4 {
		if got := binary.BigEndian.Uint32(r.Data); got != length {
			t.Fail(fmt.Sprintf("a LUN list length of %d", got), fmt.Sprintf("%d, the length of the whole list", length))
		}
	}
}

func residualPastEnd(t *T) {
	c := t.Open(probe.Login{})
	unit := unitOf(t, c)
	r := c.Execute(pastEnd(unit, uint16(max(1, 4096/unit.BlockSize))))
	_, separate := probe.As[*pdu.SCSIResponse](r.Event)
	expected := r.Task.PDU.ExpectedDataTransferLength
	want := fmt.Sprintf("CHECK CONDITION with sense data, U=1 and a residual of %d, or no residual", expected)
	switch got := residualOf(r); {
	case !r.Check(), !separate, len(r.Task.DataIns) > 0:
		t.Fail(fmt.Sprintf("%s, %d Data-In PDUs, status in a SCSI Response: %t", got, len(r.Task.DataIns), separate), want)
	case r.Sense == nil:
		t.Fail(got+", without sense data", want)
	case r.Overflow, r.Underflow && r.Residual != expected:
		t.Fail(got, want)
	case !r.Underflow && r.Residual != 0:
		t.Warn("A residual count without O and U means nothing, and is not zero.", got, want)
	}
}

func cutByAllocation(t *T) {
	c, declares := t.current()
	for _, variant := range []struct {
		what     string
		command  probe.Command
		presents int // 0: what comes
	}{
		{"INQUIRY, allocation length 5, EDTL 5", expecting(scsi.Inquiry(5), 5), 5},
		{"INQUIRY, allocation length 5, EDTL 36", expecting(scsi.Inquiry(5), 36), 5},
		{"REPORT LUNS, allocation length 16, EDTL 16", reportLUNs(16, 16), 16},
		{"REPORT LUNS, allocation length 4096, EDTL 4096", reportLUNs(4096, 4096), 0},
	} {
		r := c.Execute(variant.command)
		if !r.Good() {
			t.Fail(variant.what+": "+r.String(), "GOOD")
		}
		n := bytesIn(r)
		if variant.presents == 0 {
			variant.presents = n
		}
		missing := int(r.Task.PDU.ExpectedDataTransferLength) - variant.presents
		want := fmt.Sprintf("%s: %d bytes, O=0, U=%t and a residual of %d", variant.what, variant.presents, missing > 0, missing)
		switch got := residualOf(r); {
		case n != variant.presents, r.Overflow, missing == 0 && r.Underflow:
			t.Fail(got, want)
		case missing > 0 && !r.Underflow && !declares:
			t.Warn("RFC 3720, which the target may follow, left the U bit optional.", got, want)
		case missing > 0 && (!r.Underflow || int(r.Residual) != missing):
			t.Fail(got, want)
		}
	}
}
