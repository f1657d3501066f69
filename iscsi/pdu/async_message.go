package pdu

import "fmt"

// AsyncEvent tells what an Asynchronous Message is about. RFC 7143, Section 11.9.1.
type AsyncEvent byte

// The asynchronous events.
const (
	AsyncSCSI            AsyncEvent = 0 // a SCSI event, reported in sense data
	AsyncLogoutRequest   AsyncEvent = 1 // the target asks for a logout; Parameter3 is how many seconds it waits
	AsyncConnectionDrop  AsyncEvent = 2 // the target will drop or has dropped the connection whose CID is in Parameter1
	AsyncSessionDrop     AsyncEvent = 3 // the target will drop all connections of the session
	AsyncNegotiation     AsyncEvent = 4 // the target asks for a parameter negotiation
	AsyncTasksTerminated AsyncEvent = 5 // all active tasks of the LUN are being terminated
	AsyncVendor          AsyncEvent = 255
)

// String gives the event in a few words.
func (e AsyncEvent) String() string {
	names := [...]string{"SCSI event", "logout request", "connection drop", "session drop", "negotiation request", "tasks terminated"}
	switch {
	case int(e) < len(names):
		return names[e]
	case e == AsyncVendor:
		return "vendor event"
	}
	return fmt.Sprintf("event %d", byte(e))
}

// AsyncMessage is sent by a target on its own account. RFC 7143, Section 11.9.
type AsyncMessage struct {
	LUN                                uint64
	StatSN, ExpCmdSN, MaxCmdSN         uint32
	Event                              AsyncEvent
	VendorCode                         byte
	Parameter1, Parameter2, Parameter3 uint16 // for drops: CID, Time2Wait and Time2Retain in seconds
	Data                               []byte // sense length, sense data, event data
}

// Opcode is OpAsyncMessage.
func (*AsyncMessage) Opcode() Opcode { return OpAsyncMessage }

// EncodeBHS implements PDU.
func (p *AsyncMessage) EncodeBHS(h *BHS) {
	h.begin(OpAsyncMessage, bitFinal, 0, len(p.Data))
	h.SetLUN(p.LUN)
	h.SetITT(ReservedTag)
	h.setTargetNumbers(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	h[36], h[37] = byte(p.Event), p.VendorCode
	h.setHalf(38, p.Parameter1)
	h.setHalf(40, p.Parameter2)
	h.setHalf(42, p.Parameter3)
}

// DecodeBHS implements PDU.
func (p *AsyncMessage) DecodeBHS(h *BHS) error {
	if err := h.want(OpAsyncMessage); err != nil {
		return err
	}
	p.LUN = h.LUN()
	p.StatSN, p.ExpCmdSN, p.MaxCmdSN = h.targetNumbers()
	p.Event, p.VendorCode = AsyncEvent(h[36]), h[37]
	p.Parameter1, p.Parameter2, p.Parameter3 = h.half(38), h.half(40), h.half(42)
	return nil
}

// Segments implements PDU.
func (p *AsyncMessage) Segments() (ahs, data []byte) { return nil, p.Data }

// SetSegments implements PDU.
func (p *AsyncMessage) SetSegments(_, data []byte) { p.Data = data }
