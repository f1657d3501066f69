// Package trace is the record of a run: one list of events, each with its instant.
//
// Whoever takes part in a run (initiator, array, network, probe, driver) records what it does and sees into one Log; PDUs are recorded by a
// Tap around a connection. After the run the list is plain data: judges read it, reports draw it, JSON lines carry it to another machine
// and back without loss.
//
// Recording into a nil *Log is lawful and costs nothing, so callers never ask whether somebody listens unless preparing the event is itself
// expensive (Log.Enabled).
//
// # First use
//
//	l := trace.NewLog()
//	conn = l.Tap(conn, trace.NodeInitiator, "10.0.0.1:3260#1") // Records every PDU that passes.
//	...
//	for e, p := range l.Events().PDUs() {
//		fmt.Println(e.At, p.Opcode())
//	}
package trace

import (
	"encoding/json"
	"fmt"
	"time"
)

// Kind says what an event tells about.
type Kind string

// The kinds of events. Which fields an event of a kind fills is said here; a field that is not named is empty.
const (
	// KindDial is an attempt to connect: Conn, From, To.
	KindDial Kind = "dial"
	// KindDialFailed ends an attempt without a connection: Conn, To, Err.
	KindDialFailed Kind = "dial-failed"
	// KindAccepted is a connection that a listener handed out: Conn, From, To.
	KindAccepted Kind = "accepted"
	// KindConnUp is an end of a connection from which on PDUs are recorded: Conn, From (this end), To (the other end). Tap records it.
	KindConnUp Kind = "conn-up"
	// KindConnClosed is an end of a connection closing or seeing the other end close: Conn, State (a Close constant), Err. Tap records it.
	KindConnClosed Kind = "conn-closed"
	// KindLink is a change of what the network lets through: State (a Link constant or a word of the network's), To (the scope: a
	// portal, a connection or "*"), Reason.
	KindLink Kind = "link"
	// KindFault is a planned fault that really happened: State (its text form), Conn or To, Reason.
	KindFault Kind = "fault"
	// KindPDUSent is a PDU handed to the transport: Conn, PDU. Tap records it.
	KindPDUSent Kind = "pdu-sent"
	// KindPDUReceived is a PDU taken from the transport: Conn, PDU. Tap records it.
	KindPDUReceived Kind = "pdu-received"
	// KindBytes is what could not be framed: Conn, Raw, State (Sent or Received). Tap records it.
	KindBytes Kind = "bytes"
	// KindSession is a change of a session of the initiator: Session, State, Was, Reason, Err.
	KindSession Kind = "session"
	// KindDevice is a change in the device stack: Device, LUN, Session, State, Was, Reason.
	KindDevice Kind = "device"
	// KindRequest is a step in the life of a request to a device: Request, Session, Device, LUN, Op, State, Err.
	KindRequest Kind = "request"
	// KindOp is something that the driver asked for: Op, State (OpBegin or OpEnd), Request (pairs the two), Reason or Err for the outcome.
	KindOp Kind = "op"
	// KindTarget is a change in an array, such as its session table: State, Reason, Conn.
	KindTarget Kind = "target"
	// KindNote is a remark for the reader: Reason.
	KindNote Kind = "note"
	// KindFolded stands for events that Fold took out: Reason, and how many in the attribute "events".
	KindFolded Kind = "folded"
)

// The values of State in a KindConnClosed event, as seen by the end that records it.
const (
	CloseFINReceived = "fin-received" // the other end will send no more
	CloseRSTReceived = "rst-received" // the other end, or the network, reset the connection
	CloseFINSent     = "fin-sent"     // this end closed
	CloseHalfSent    = "half-closed"  // this end will send no more, but still reads
	CloseRSTSent     = "rst-sent"     // this end reset the connection
)

// The values of State in a KindLink event that reports draw as periods. Any other value ends no period and begins none.
const (
	LinkCut    = "cut"    // existing connections were reset or closed
	LinkRefuse = "refuse" // new connections are refused from here on
	LinkSilent = "silent" // nothing passes from here on, in at least one direction
	LinkHeal   = "heal"   // normal service again
)

// The values of State in KindOp and KindBytes events.
const (
	OpBegin  = "begin"
	OpEnd    = "end"
	Sent     = "sent"
	Received = "received"
)

// Nodes that record under a fixed name. Others use a name of their own, such as an array's.
const (
	NodeInitiator = "initiator"
	NodeTarget    = "target"
	NodeNetwork   = "network"
	NodeProbe     = "probe"
	NodeDriver    = "driver"
)

// Attr is one further detail of an event. A list of them keeps its order.
type Attr struct{ Key, Value string }

// A makes an Attr from any printable value.
func A(key string, value any) Attr { return Attr{Key: key, Value: fmt.Sprint(value)} }

// MarshalJSON gives ["key","value"].
func (a Attr) MarshalJSON() ([]byte, error) { return json.Marshal([2]string{a.Key, a.Value}) }

// UnmarshalJSON takes ["key","value"].
func (a *Attr) UnmarshalJSON(b []byte) error {
	var pair []string
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	if len(pair) != 2 {
		return fmt.Errorf("trace: attribute of %d strings, want 2", len(pair))
	}
	a.Key, a.Value = pair[0], pair[1]
	return nil
}

// Event is one thing that happened. It is plain data: copying it is lawful, changing what its pointers and slices refer to is not.
type Event struct {
	At      time.Duration `json:"at"` // nanoseconds since the log began
	Kind    Kind          `json:"kind"`
	Node    string        `json:"node,omitempty"` // who recorded it
	Conn    string        `json:"conn,omitempty"` // the connection's name, the same at both of its ends
	From    string        `json:"from,omitempty"` // address
	To      string        `json:"to,omitempty"`   // address
	Session uint64        `json:"session,omitempty"`
	Device  string        `json:"device,omitempty"`
	LUN     *uint64       `json:"lun,omitempty"`
	Request uint64        `json:"request,omitempty"`
	Op      string        `json:"op,omitempty"`
	State   string        `json:"state,omitempty"`
	Was     string        `json:"was,omitempty"` // the state before
	Reason  string        `json:"reason,omitempty"`
	Err     string        `json:"err,omitempty"`
	Attrs   []Attr        `json:"attrs,omitempty"`
	PDU     *PDU          `json:"pdu,omitempty"`
	Raw     []byte        `json:"raw,omitempty"`
}

// Attr gives the value of the first attribute with that key.
func (e *Event) Attr(key string) (string, bool) {
	for _, a := range e.Attrs {
		if a.Key == key {
			return a.Value, true
		}
	}
	return "", false
}

// Is reports whether the event is of one of the kinds.
func (e *Event) Is(kinds ...Kind) bool {
	for _, k := range kinds {
		if e.Kind == k {
			return true
		}
	}
	return false
}
