package clocks

import (
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// Wire is one PDU as it passed one end of a connection.
type Wire struct {
	At time.Duration
	// Conn is the connection's name, "<portal>#<n>".
	Conn string
	// Node is whose end recorded it.
	Node string
	// FromInitiator tells who sent it.
	FromInitiator bool
	// PDU is decoded; nil for an undefined operation code.
	PDU pdu.PDU
	// Frame is as it travelled, with the digests it carried.
	Frame *pdu.Frame
	Event trace.Event
}

// WireOf reads the event of a PDU, which e.PDU must hold.
func WireOf(e trace.Event) Wire {
	w := Wire{At: e.At, Conn: e.Conn, Node: e.Node, Frame: e.PDU.Frame(), Event: e,
		FromInitiator: (e.Kind == trace.KindPDUSent) == (e.Node == trace.NodeInitiator)}
	if p, err := w.Frame.Decode(); err == nil {
		w.PDU = p
	}
	return w
}

// Portal is the address that the connection was dialled to.
func (w Wire) Portal() string {
	portal, _, _ := strings.Cut(w.Conn, "#")
	return portal
}

// Opcode is the PDU's operation code.
func (w Wire) Opcode() pdu.Opcode { return w.Frame.Opcode() }
