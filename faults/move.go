package faults

import (
	"net/netip"

	"github.com/iscsispec/iscsispec/trace"
)

// answering gives the listener that answers at a portal, nil when none does, and the move by which it does, nil when it is the portal's own. Of
// several moves the latest counts; a move leads to the listener of the portal itself that it names, not to where that one has moved.
func (n *Network) answering(portal netip.AddrPort) (*listener, *rule) {
	for i := len(n.rules) - 1; i >= 0; i-- {
		if f := n.rules[i].fault; f.Verb == Move && f.Scope.Portal == portal {
			return n.listeners[f.To], n.rules[i]
		}
	}
	return n.listeners[portal], nil
}

// hostAt is the machine that answers at a portal, nil when none does.
func (n *Network) hostAt(portal netip.AddrPort) *Host {
	if l, _ := n.answering(portal); l != nil {
		return l.host
	}
	return nil
}

// rehome resets the connections of a portal that another machine answers from now on, since that one knows nothing of them. r is the move that began or ended.
func (n *Network) rehome(r *rule, to netip.AddrPort, reason string) {
	portal := r.fault.Scope.Portal
	n.record(trace.Event{Kind: kindLink, Node: nodeNetwork, To: portal.String(), State: stateMoved, Reason: "answered by " + to.String() + ": " + reason})
	l, _ := n.answering(portal)
	for _, c := range n.conns {
		if c.portal == portal && c.listener != l && c.cut(Reset) {
			n.feltMove(r, c.name)
			n.record(trace.Event{Kind: kindLink, Node: nodeNetwork, Conn: c.name, To: portal.String(), State: stateCut, Reason: string(Move)})
		}
	}
}

// feltMove counts a dial that a move diverted or a connection that it cut, and records the first since it was put into force.
func (n *Network) feltMove(r *rule, conn string) {
	r.bites++
	if !r.told {
		r.told = true
		n.fire(r, conn, "felt")
	}
}
