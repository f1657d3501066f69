package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/trace"
)

// senderChecks are those of the group robustness about what a target sends, and about reserved fields.
func senderChecks() []Check {
	return []Check{
		{ID: "robustness.reserved.nonzero-reserved-fields-ignored", Run: dirtyRequests},
		{ID: "robustness.reserved.zero-in-target-pdus", Run: cleanResponses},
		{ID: "robustness.sender.only-target-opcodes", Run: targetOpcodes},
		{ID: "robustness.sender.no-ahs-no-stray-data", Run: noStrayData},
	}
}

// fillReserved sets all bytes that a request's format reserves without any condition.
func fillReserved(h *pdu.BHS) {
	fill := func(from, to int) {
		for i := from; i < to; i++ {
			h[i] = 0xff
		}
	}
	switch h.Opcode() {
	case pdu.OpSCSICommand:
		fill(2, 4)
		h[1] |= 0x18
	case pdu.OpNOPOut:
		fill(1, 4)
		fill(32, 48)
	case pdu.OpLogoutRequest:
		fill(2, 4)
		fill(8, 16)
		fill(22, 24)
		fill(32, 48)
	}
}

func dirtyRequests(t *T) {
	want := "service as usual"
	lenient := func(e probe.Event) {
		reject, is := probe.As[*pdu.Reject](e)
		if e.Ended() || is && reject.Reason == pdu.RejectInvalidPDUField {
			t.Warn("Reserved fields that are not zero are taken for a format error.", e, want)
			return
		}
		t.Fault(e, want)
	}
	send := func(c *probe.Conn, p pdu.PDU) probe.Event {
		f := pdu.FrameOf(p)
		fillReserved(&f.BHS)
		// A failed write shows in the next event.
		_ = c.SendFrame(f)
		return c.AnswerTo(f.BHS.ITT())
	}
	t.Part("TEST UNIT READY", func() {
		c := t.Open(probe.Login{})
		e := send(c, c.Request(probe.TestUnitReady()))
		if r, is := probe.As[*pdu.SCSIResponse](e); !is || r.Status != 0 {
			lenient(e)
		}
	})
	t.Part("a ping", func() {
		c := t.Open(probe.Login{})
		if e := send(c, c.NOPOut([]byte("ping"))); e.Kind != probe.Arrived || e.Frame.Opcode() != pdu.OpNOPIn {
			lenient(e)
		}
	})
	t.Part("a logout", func() {
		c := t.Open(probe.Login{})
		e := send(c, c.LogoutRequest(pdu.LogoutCloseSession, c.CID))
		if r, is := probe.As[*pdu.LogoutResponse](e); !is || r.Response != pdu.LogoutSuccess {
			lenient(e)
		}
	})
}

// medley brings a target to send PDUs of all kinds, Rejects and refusals among them. What comes is judged from the record.
func (t *T) medley() {
	c := t.Open(solicited())
	t.Done(c, t.Read(c, 0, 8192), "a READ")
	if t.MayWrite() {
		t.Done(c, t.Write(c, 0, pattern(90, 4096)), "a WRITE")
	}
	t.Done(c, inquiry(), "INQUIRY")
	missing := uint64(scsi.LUNOf(0x3ff0))
	c.Execute(probe.Command{LUN: &missing, CDB: scsi.TestUnitReady()})
	long := make([]byte, 32)
	long[0], long[7] = 0x7f, 24
	if r := c.Execute(probe.Command{CDB: long}); r.Rejected() != nil {
		c.Session.CmdSN = r.Task.PDU.CmdSN
	}
	// What a ping brings back is the matter of other checks.
	_ = c.Ping([]byte("ping"))
	c.Text(Keys("X-org.iscsispec.unknown=1"))
	c.Manage(c.TaskManagement(pdu.FunctionAbortTask, c.NewTag(), c.Session.CmdSN-1))
	_ = c.Ping(nil)
	t.Leave(c)
	odd := t.Open(probe.Login{})
	for _, frame := range offences(odd) {
		// A failed write is the target's right.
		_ = odd.SendFrame(frame)
		odd.Next(t.Options().QuietTime)
	}
	f := pdu.FrameOf(odd.NOPOut(nil))
	f.AHS = make([]byte, 8)
	f.BHS.SetTotalAHSLength(8)
	_ = odd.SendFrame(f)
	odd.Next(t.Options().QuietTime)
	_ = odd.Close()
	t.Login(probe.Login{TargetName: "iqn.2026-01.org.iscsispec:no-such-target"})
	isid, tsih := t.NewISID(), uint16(0xfffe)
	t.Login(probe.Login{ISID: &isid, TSIH: &tsih})
}

// everything calls f with the header and the data length of each PDU that the target has sent so far.
func (t *T) everything(f func(h *pdu.BHS, what string)) {
	for _, e := range t.Events().OfNode(trace.NodeProbe).OfKind(trace.KindPDUReceived) {
		f(&e.PDU.Header, fmt.Sprintf("%s % x", e.PDU.Header.Opcode(), e.PDU.Header[:]))
	}
}

// reservedBytes are the bytes of a target's PDU that its format reserves without any condition (RFC 7143, Sections 11.4 to 11.19), as ranges.
var reservedBytes = map[pdu.Opcode][][2]int{
	pdu.OpNOPIn:                  {{1, 4}, {36, 48}},
	pdu.OpSCSIResponse:           {{8, 16}},
	pdu.OpTaskManagementResponse: {{3, 4}, {8, 16}, {20, 24}, {36, 48}},
	pdu.OpLoginResponse:          {{20, 24}, {38, 48}},
	pdu.OpTextResponse:           {{2, 4}, {36, 48}},
	pdu.OpLogoutResponse:         {{3, 4}, {8, 16}, {20, 24}, {36, 40}, {44, 48}},
	pdu.OpR2T:                    {{1, 4}},
	pdu.OpAsyncMessage:           {{1, 4}, {20, 24}, {44, 48}},
	pdu.OpReject:                 {{3, 4}, {8, 16}, {20, 24}, {40, 48}},
	pdu.OpDataIn:                 {{2, 3}},
}

func cleanResponses(t *T) {
	t.medley()
	t.everything(func(h *pdu.BHS, what string) {
		first := byte(0x7f) // F stands alone in the second byte of these
		switch h.Opcode() {
		case pdu.OpNOPIn, pdu.OpR2T, pdu.OpAsyncMessage, pdu.OpTaskManagementResponse, pdu.OpLogoutResponse, pdu.OpReject:
			if h[1]&first != 0 {
				t.Warn("Reserved bits of the second byte are set.", what, "zero")
			}
		}
		for _, bytes := range reservedBytes[h.Opcode()] {
			for i := max(bytes[0], 2); i < bytes[1]; i++ {
				if h[i] != 0 {
					t.Warn(fmt.Sprintf("Byte %d, which is reserved, is not zero.", i), what, "zero")
					return
				}
			}
		}
	})
}

func targetOpcodes(t *T) {
	t.medley()
	t.everything(func(h *pdu.BHS, what string) {
		switch op := h.Opcode(); {
		case op >= 0x20 && op <= 0x26, op == 0x31, op == 0x32, op == 0x3f:
		case op >= 0x3c && op <= 0x3e:
			t.Note("a PDU with the vendor's code 0x%02x", byte(op))
		default:
			t.Fault(what, "an operation code of a target")
		}
	})
}

func noStrayData(t *T) {
	t.medley()
	t.everything(func(h *pdu.BHS, what string) {
		if h.TotalAHSLength() != 0 {
			t.Fault(what, "TotalAHSLength 0")
		}
		switch h.Opcode() {
		case pdu.OpR2T, pdu.OpTaskManagementResponse, pdu.OpLogoutResponse:
			if h.DataSegmentLength() != 0 {
				t.Fault(what, "no data segment")
			}
		}
	})
}
