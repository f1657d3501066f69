package target

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

func digestChecks() []Check {
	return append(digestErrorChecks(), []Check{
		{ID: "digest.crc32c.header-value-correct", Run: func(t *T) {
			c := t.WithDigests(pdu.Digests{Header: true})
			t.Pings(c, 16, 0)
			t.Check(c.ClearUnitAttentions(), "TEST UNIT READY")
			t.Good(c.Execute(probe.Command{CDB: scsi.Inquiry(96), Read: 96}), "INQUIRY")
			t.Good(c.Execute(t.Read(c, 0, 4096)), "READ")
			if t.MayWrite() {
				t.Good(c.Execute(t.Write(c, 64, t.Random(4096))), "WRITE")
			}
			if response, e := c.Logout(pdu.LogoutCloseSession, c.CID); response == nil {
				t.Fail(e, "a Logout Response")
			}
		}},
		{ID: "digest.crc32c.data-value-correct", Run: func(t *T) {
			c := t.WithDigests(pdu.Digests{Data: true})
			t.Check(c.ClearUnitAttentions(), "TEST UNIT READY")
			t.Good(c.Execute(probe.Command{CDB: scsi.Inquiry(37), Read: 37}), "INQUIRY of 37 bytes")
			t.Good(c.Execute(t.Read(c, 0, 4096)), "READ")
			t.Pings(c, 5, 0)
			t.DigestsRight()
		}},
		{ID: "digest.crc32c.accepts-correct-digests", Risk: scenarios.Writes, Run: acceptsCorrectDigests},
	}...)
}

func acceptsCorrectDigests(t *T) {
	c := t.WithDigests(pdu.Digests{Header: true, Data: true}, "ImmediateData=Yes")
	t.Check(c.ClearUnitAttentions(), "TEST UNIT READY")
	immediate, solicited := t.Random(4096), t.Random(8192)
	t.Good(c.Execute(t.Write(c, 64, immediate)), "WRITE with immediate data")
	command := t.Write(c, 128, solicited)
	command.NoUnsolicited = true
	t.Good(c.Execute(command), "WRITE with R2T")
	t.Pings(c, 5)
	for lba, want := range [][]byte{immediate, solicited} {
		got := t.Good(c.Execute(t.Read(c, uint32(64*(lba+1)), len(want))), "READ").Data
		if !bytes.Equal(got, want) {
			t.Fail("other data than was written", "the data that was written")
		}
	}
	t.DigestsRight()
}

// DigestsRight ends the part unless all digests that came in the check so far are right.
func (t *T) DigestsRight() {
	for e := range t.Events().OfNode(trace.NodeProbe).OfKind(trace.KindPDUReceived).PDUs() {
		frame := e.PDU.Frame()
		raw := frame.Append(nil, e.PDU.Digests())
		reader := pdu.NewReader(bytes.NewReader(raw), pdu.Limits{MaxDataSegmentLength: pdu.MaxDataSegmentLength, MaxAHSLength: pdu.MaxAHSLength})
		reader.SetDigests(e.PDU.Digests())
		_, err := reader.Read()
		var wrong *pdu.DigestError
		if errors.As(err, &wrong) && e.PDU.Cut == 0 {
			t.Fail(fmt.Sprintf("%v: %v", e.PDU, wrong), "right digests")
		}
	}
}
