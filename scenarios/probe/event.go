package probe

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// EventKind says what happened on a connection.
type EventKind int

// The kinds. The zero value never happens.
const (
	// Arrived: a PDU came. Event.Frame holds it, Event.PDU too where its opcode is known.
	Arrived EventKind = iota + 1
	// TimedOut: nothing came within the time.
	TimedOut
	// Closed: the other end closed its direction (FIN).
	Closed
	// WasReset: the other end or the network reset the connection (RST).
	WasReset
	// Failed: the transport failed in another way, or could not connect.
	Failed
	// Garbage: bytes came that are no PDU; nothing after them can be understood.
	Garbage
	// Interrupted: the check's own time is over. It says nothing about the other end.
	Interrupted
)

// Event is one thing that happened on a connection, or that nothing did.
type Event struct {
	Kind EventKind
	// At is when its last byte came, or when the waiting ended.
	At time.Time
	// Frame is what came, as on the wire.
	Frame *pdu.Frame
	// PDU is the decoded frame; nil when the opcode is not defined.
	PDU pdu.PDU
	// Err is the transport's error, a wrong digest of an arrived PDU, or the end of the context.
	Err error
	// Waited is how long nothing came.
	Waited time.Duration
	// Unframed counts bytes that came before the end of the connection or of the waiting and make no whole PDU.
	Unframed int

	peer string // what to call the other end; "" for the target
}

// Ended tells whether the connection is over: closed, reset or failed.
func (e Event) Ended() bool { return e.Kind == Closed || e.Kind == WasReset || e.Kind == Failed }

// Opcode returns the opcode of an arrived PDU; ok is false for all other events.
func (e Event) Opcode() (op pdu.Opcode, ok bool) {
	if e.Kind != Arrived {
		return 0, false
	}
	return e.Frame.Opcode(), true
}

// As returns the PDU of an event when it is of type T, as in As[*pdu.LoginResponse](event).
func As[T pdu.PDU](e Event) (T, bool) {
	p, ok := e.PDU.(T)
	return p, ok
}

// String tells the event in words that can stand after "Actual:".
func (e Event) String() string {
	text := e.what()
	if e.Unframed > 0 {
		text += fmt.Sprintf(", after %d bytes that make no whole PDU", e.Unframed)
	}
	return text
}

func (e Event) what() string {
	switch e.Kind {
	case Arrived:
		if e.Err != nil {
			return fmt.Sprintf("%s (%v)", e.Frame, e.Err)
		}
		return e.Frame.String()
	case TimedOut:
		return fmt.Sprintf("nothing within %s", e.Waited)
	case Closed:
		if e.peer == "" {
			return "the target closed the connection (FIN)"
		}
		return e.peer + " closed the connection (FIN)"
	case WasReset:
		return "the connection was reset (RST)"
	case Failed:
		return fmt.Sprintf("the connection failed: %v", e.Err)
	case Garbage:
		return "bytes that are no iSCSI PDU"
	case Interrupted:
		return fmt.Sprintf("the check's time was over: %v", e.Err)
	}
	return "nothing was waited for"
}
