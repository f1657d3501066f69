package reports

import (
	"net/netip"
	"strings"

	"github.com/iscsispec/iscsispec/trace"
)

// viewpoint is the end of a connection from which ladders and captures show it. Both ends of a connection may be recorded, and what one
// has sent the other need not have received; showing both would show every PDU twice. The initiator's end is taken where it is recorded.
type viewpoint struct {
	conn string
	node string // whose events show the connection
	// initiator says that the node is the initiator of the connection, so that what it sends goes to the target.
	initiator bool
	client    string // address of the initiator's end, as recorded
	server    string // address of the target's end
	real      bool   // the addresses are shown as they are
}

// end is what is known about one end of a connection.
type end struct {
	node, local, remote string
	sent, seen          bool // sent: PDUs of initiators leave here; seen: this is known
}

// viewpoints chooses an end for each connection, by name.
func viewpoints(events []trace.Event) map[string]*viewpoint {
	ends := map[string][]*end{}
	views := map[string]*viewpoint{}
	for i := range events {
		e := &events[i]
		if e.Conn == "" {
			continue
		}
		v := views[e.Conn]
		if v == nil {
			v = &viewpoint{conn: e.Conn}
			views[e.Conn] = v
		}
		switch e.Kind {
		case trace.KindDial:
			v.node, v.client, v.server, v.initiator = e.Node, e.From, e.To, true
		case trace.KindConnUp:
			ends[e.Conn] = append(ends[e.Conn], &end{node: e.Node, local: e.From, remote: e.To})
		case trace.KindPDUSent, trace.KindPDUReceived:
			if n := endOf(ends[e.Conn], e.Node); n != nil && !n.seen {
				n.seen, n.sent = true, e.PDU.Opcode().FromTarget() == (e.Kind == trace.KindPDUReceived)
			}
		}
	}
	for name, v := range views {
		v.choose(name, ends[name])
	}
	return views
}

func endOf(ends []*end, node string) *end {
	for _, n := range ends {
		if n.node == node {
			return n
		}
	}
	return nil
}

// choose takes the end of the node that dialled, else the one whose other side is the portal in the connection's name or that speaks as an
// initiator, else the first.
func (v *viewpoint) choose(name string, ends []*end) {
	if len(ends) == 0 {
		return
	}
	portal, _, _ := strings.Cut(name, "#")
	best := endOf(ends, v.node)
	if best == nil {
		for _, n := range ends {
			if n.remote == portal || n.seen && n.sent {
				best = n
				v.initiator = true
				break
			}
		}
	}
	if best == nil {
		best = ends[0]
		v.initiator = !best.seen && best.local != portal
	}
	v.node = best.node
	if v.initiator {
		v.client, v.server = best.local, best.remote
	} else {
		v.client, v.server = best.remote, best.local
	}
}

// shows reports whether the event is seen from this end: its own PDUs and closings, and everybody's about the connection as a whole.
func (v *viewpoint) shows(e *trace.Event) bool {
	switch e.Kind {
	case trace.KindConnUp, trace.KindConnClosed, trace.KindPDUSent, trace.KindPDUReceived, trace.KindBytes:
		return e.Node == v.node
	}
	return true
}

// outward reports whether the bytes of an event of this end travel from the initiator to the target.
func (v *viewpoint) outward(e *trace.Event) bool {
	sent := e.Kind == trace.KindPDUSent || e.Kind == trace.KindBytes && e.State == trace.Sent
	return sent == v.initiator
}

// endpoint reads an address, and takes a made-up one of the documentation ranges where there is none.
func endpoint(address string, fallback netip.AddrPort) netip.AddrPort {
	if a, err := netip.ParseAddrPort(address); err == nil {
		return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
	}
	return fallback
}
