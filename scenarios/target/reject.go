package target

import (
	"bytes"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// rejectChecks are those of the group reject.
func rejectChecks() []Check {
	return []Check{{ID: "reject.format.fields", Run: rejectFields}}
}

// offences are PDUs that targets are known to reject. The reserved operation code stands last, for targets that reject nothing else: no
// dissector can make sense of it, so captures are better off without.
func offences(c *probe.Conn) []*pdu.Frame {
	var reserved pdu.Frame
	reserved.BHS[0], reserved.BHS[1] = 0x40|0x1f, 0x80
	reserved.BHS.SetITT(c.NewTag())
	return []*pdu.Frame{
		pdu.FrameOf(&pdu.SNACKRequest{ITT: pdu.ReservedTag, TTT: pdu.ReservedTag, Type: 1, ExpStatSN: c.ExpStatSN}),
		pdu.FrameOf(&pdu.DataOut{Final: true, ITT: 0xdead0002, TTT: 0xdead0003, ExpStatSN: c.ExpStatSN, Data: []byte("none asked for this")}),
		&reserved,
	}
}

func rejectFields(t *T) {
	seen := false
	for i := range 3 {
		if seen && i == 2 {
			break
		}
		c := t.Open(probe.Login{})
		frame := offences(c)[i]
		next := c.ExpStatSN
		// A failed write shows in the next event.
		_ = c.SendFrame(frame)
		e := c.Await(t.Options().QuietTime, func(e probe.Event) bool { _, is := probe.As[*pdu.Reject](e); return is })
		reject, is := probe.As[*pdu.Reject](e)
		if !is {
			continue
		}
		seen = true
		t.soundReject(e, reject, frame)
		if reject.StatSN != next {
			t.Fail(fmt.Sprintf("a Reject with StatSN 0x%x", reject.StatSN), fmt.Sprintf("StatSN 0x%x", next))
		}
	}
	if !seen {
		t.Skip("No PDU that was tried brings about a Reject.")
	}
}

// soundReject ends the part when a Reject is malformed.
func (t *T) soundReject(e probe.Event, p *pdu.Reject, sent *pdu.Frame) {
	sound := p.Reason >= pdu.RejectDataDigestError && p.Reason <= pdu.RejectLongOperation || p.Reason == pdu.RejectWaitingForLogout
	switch header := sent.Append(nil, pdu.Digests{})[:pdu.BHSLength]; {
	case !sound:
		t.Fail(fmt.Sprintf("a Reject with reason 0x%02x", byte(p.Reason)), "reason 0x02 to 0x0a, or 0x0c")
	case e.Frame.BHS.ITT() != pdu.ReservedTag:
		t.Fail(fmt.Sprintf("a Reject with 0x%08x in the place of the tag", e.Frame.BHS.ITT()), "0xffffffff")
	case len(p.Data) < pdu.BHSLength:
		t.Fail(fmt.Sprintf("a Reject with %d bytes of data", len(p.Data)), "the 48 bytes of the rejected header")
	case !bytes.Equal(p.Data[:pdu.BHSLength], header):
		t.Fail(fmt.Sprintf("a Reject with the header % x", p.Data[:pdu.BHSLength]), fmt.Sprintf("% x", header))
	}
}
