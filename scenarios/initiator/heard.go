package initiator

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// heard is a PDU of the initiator as the trace has it.
type heard struct {
	At   time.Duration
	Conn string
	pdu.Frame
	// PDU is the frame decoded; nil when its opcode is not defined.
	PDU pdu.PDU
}

// heard returns all that the initiator has sent since an instant, housekeeping and logins included, in the order in which it came.
func (t *T) heard(since time.Duration) (all []heard) {
	for e, p := range t.Events().OfNode(trace.NodeTarget).OfKind(trace.KindPDUReceived).PDUs() {
		if e.At >= since {
			all = append(all, heard{At: e.At, Conn: e.Conn, Frame: *e.PDU.Frame(), PDU: p})
		}
	}
	return all
}

// cmdSN is the CmdSN of a request; false for PDUs that carry none.
func (h *heard) cmdSN() (sn uint32, has bool) {
	switch h.Opcode() {
	case pdu.OpDataOut, pdu.OpSNACKRequest:
		return 0, false
	}
	return binary.BigEndian.Uint32(h.BHS[24:]), true
}

// numbered tells whether a PDU uses up a CmdSN.
func (h *heard) numbered() bool {
	_, has := h.cmdSN()
	return has && !h.BHS.Immediate()
}

// expStatSN is the ExpStatSN of a PDU: all that initiators send have it at the same place.
func expStatSN(f *pdu.Frame) uint32 { return binary.BigEndian.Uint32(f.BHS[28:]) }

// contiguous fails unless the CmdSNs of a session's requests begin with the login's and rise by one with each that is not immediate.
func (t *T) contiguous() {
	next, known := uint32(0), false
	for _, h := range t.heard(0) {
		sn, has := h.cmdSN()
		switch {
		case !has:
		case h.Opcode() == pdu.OpLoginRequest:
			next, known = sn, true
		case known && h.numbered():
			if sn != next {
				t.Fail(h.String(), fmt.Sprintf("CmdSN %d", next))
			}
			next++
		}
	}
}

// silent fails when the initiator has sent a request that is not immediate since an instant.
func (t *T) silent(since time.Duration) {
	for _, h := range t.heard(since) {
		if h.numbered() {
			t.Fail(h.String(), "no request that is not immediate while the window is closed")
		}
	}
}
