package faults

import (
	"net/netip"
	"time"

	"github.com/iscsispec/iscsispec/trace"
)

// The states of a portal and of a connection in the network's "link" events.
const (
	stateUp        = trace.LinkHeal   // portal: requests are answered by whoever listens
	stateListening = "listening"      // portal: the same, for the first time
	stateDown      = "down"           // portal: nobody listens any more
	stateRefused   = trace.LinkRefuse // portal: every request is refused
	stateSilent    = trace.LinkSilent // portal: nothing passes, in at least one direction
	stateCut       = trace.LinkCut    // connection: a fault has ended it
)

// rule is a fault in force, or one that waits for its place in the protocol.
type rule struct {
	fault Fault
	fired int // how often the fault was put into force or struck
	bites int // dials refused or left unanswered by it
	seen  int // PDUs that matched so far
}

// bite counts a dial that the rule refused or left unanswered. A nil rule is the weather: no listener, a full backlog.
func (r *rule) bite() {
	if r != nil {
		r.bites++
	}
}

// fire counts one effect of a fault and leaves it in the trace.
func (n *Network) fire(r *rule, conn, what string) {
	r.fired++
	n.record(trace.Event{Kind: kindFault, Node: nodeNetwork, Conn: conn, State: r.fault.String(), Op: string(r.fault.Verb), Reason: what})
}

// Inject puts a fault into force now; its At is not looked at. A placed fault counts PDUs from now on.
func (n *Network) Inject(f Fault) error {
	if err := f.Validate(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.inject(&rule{fault: f})
	return nil
}

// Sever resets every connection in scope, at both ends.
func (n *Network) Sever(s Scope) error { return n.Inject(Fault{Verb: Reset, Scope: s}) }

// Fin ends every connection in scope in order, at both ends.
func (n *Network) Fin(s Scope) error { return n.Inject(Fault{Verb: Fin, Scope: s}) }

// Silence holds back what is sent in a direction, until healed.
func (n *Network) Silence(s Scope, d Direction) error {
	return n.Inject(Fault{Verb: Silence, Scope: s, Dir: d})
}

// Refuse makes new connections fail with ECONNREFUSED, until healed.
func (n *Network) Refuse(s Scope) error { return n.Inject(Fault{Verb: Refuse, Scope: s}) }

// Blackhole lets nothing pass, until healed.
func (n *Network) Blackhole(s Scope) error { return n.Inject(Fault{Verb: Blackhole, Scope: s}) }

// Delay makes deliveries take longer by d, until healed.
func (n *Network) Delay(s Scope, dir Direction, d time.Duration) error {
	return n.Inject(Fault{Verb: Delay, Scope: s, Dir: dir, By: d})
}

// Heal ends every fault in scope. A connection that was cut stays cut.
func (n *Network) Heal(s Scope) error { return n.Inject(Fault{Verb: Heal, Scope: s}) }

// inject puts a rule into force. The caller holds n.mu.
func (n *Network) inject(r *rule) {
	f := r.fault
	if n.closed {
		return
	}
	if f.PDU != "" {
		n.armed = append(n.armed, r)
		return
	}
	switch f.Verb {
	case Reset, Fin:
		for _, c := range n.conns {
			if f.Scope.hasLink(c) && c.cut(f.Verb) {
				n.fire(r, c.name, stateCut)
				n.record(trace.Event{Kind: kindLink, Node: nodeNetwork, Conn: c.name, To: c.portal.String(), State: stateCut, Reason: string(f.Verb)})
			}
		}
	case Heal:
		kept := n.rules[:0]
		for _, old := range n.rules {
			if !f.Scope.Covers(old.fault.Scope) {
				kept = append(kept, old)
			}
		}
		clear(n.rules[len(kept):])
		n.rules = kept
		n.fire(r, "", "in force")
		n.refresh(f.String())
	default:
		if len(n.rules) == rulesMax {
			return
		}
		n.rules = append(n.rules, r)
		n.fire(r, "", "in force")
		n.refresh(f.String())
		if f.For > 0 {
			n.schedule(n.now()+f.For, func() { n.lift(r) })
		}
	}
}

// holdFrom makes a placed silence last: a rule of its own for the one connection, until healed.
func (n *Network) holdFrom(s *stream, r *rule) {
	if len(n.rules) < rulesMax {
		n.rules = append(n.rules, &rule{fault: Fault{Verb: Silence, Scope: Scope{Conn: s.link.name}, Dir: r.fault.Dir}})
		n.refresh(r.fault.String())
	}
}

// lift ends one rule when its time is over.
func (n *Network) lift(r *rule) {
	for i, other := range n.rules {
		if other == r {
			n.rules = append(n.rules[:i], n.rules[i+1:]...)
			n.refresh("end of " + r.fault.String())
			return
		}
	}
}

// refresh brings connections and portals in line with the rules.
func (n *Network) refresh(reason string) {
	for _, c := range n.conns {
		n.hold(c)
	}
	var named []netip.AddrPort
	for _, r := range n.rules {
		if r.fault.Scope.Portal.IsValid() {
			named = append(named, r.fault.Scope.Portal)
		}
	}
	n.notePortals(reason, named...)
}

// hold holds back the streams of a connection, or lets them go, as the rules in force say.
func (n *Network) hold(c *link) {
	for _, s := range []*stream{c.dialer.in, c.acceptor.in} {
		held := false
		for _, r := range n.rules {
			f := r.fault
			held = held || (f.Verb == Blackhole || f.Verb == Silence) && f.Dir.covers(s.dir) && f.Scope.hasLink(c)
		}
		if !s.lost {
			s.hold(held)
		}
	}
}

// slowness is how much longer deliveries of a stream take by the rules in force.
func (n *Network) slowness(s *stream) time.Duration {
	total := time.Duration(0)
	for _, r := range n.rules {
		if f := r.fault; f.Verb == Delay && f.Dir.covers(s.dir) && f.Scope.hasLink(s.link) {
			total += f.By
		}
	}
	return total
}

// service is what a connection request meets, and the rule that decides. The latest rule counts.
func (n *Network) service(d *dialing) (string, *rule) {
	var listening *Host
	if l := n.listeners[d.portal]; l != nil {
		listening = l.host
	}
	for i := len(n.rules) - 1; i >= 0; i-- {
		r := n.rules[i]
		if !r.fault.Scope.hasDial(d, listening) {
			continue
		}
		if state := r.state(); state != stateUp { // the handshake needs both directions
			return state, r
		}
	}
	return stateUp, nil
}

// state is what the rule does to a portal.
func (r *rule) state() string {
	switch r.fault.Verb {
	case Refuse:
		return stateRefused
	case Blackhole, Silence:
		return stateSilent
	}
	return stateUp
}

// notePortals records every change of a portal's service; the named portals become known if they were not.
func (n *Network) notePortals(reason string, named ...netip.AddrPort) {
	for _, addr := range named {
		if n.portalAt(addr) == nil && len(n.portals) < portalsMax {
			n.portals = append(n.portals, &portal{addr: addr})
		}
	}
	for _, p := range n.portals {
		was := p.state
		if p.state = n.portalState(p); p.state == was {
			continue
		}
		state := p.state
		if was == "" && state == stateUp {
			state = stateListening
		}
		n.record(trace.Event{Kind: kindLink, Node: nodeNetwork, To: p.addr.String(), State: state, Was: was, Reason: reason})
	}
}

func (n *Network) portalAt(addr netip.AddrPort) *portal {
	for _, p := range n.portals {
		if p.addr == addr {
			return p
		}
	}
	return nil
}

func (n *Network) portalState(p *portal) string {
	l := n.listeners[p.addr]
	var listening *Host
	if l != nil {
		listening = l.host
	}
	for i := len(n.rules) - 1; i >= 0; i-- {
		if r := n.rules[i]; r.fault.Scope.hasPortal(p.addr, listening) && r.state() != stateUp {
			return r.state()
		}
	}
	if l != nil {
		return stateUp
	}
	return stateDown
}

// cut ends a connection at both ends. It reports false when there was nothing left to cut.
func (c *link) cut(v Verb) bool {
	if c.dialer.closed && c.acceptor.closed || c.dialer.in.lost && c.acceptor.in.lost {
		return false
	}
	for _, s := range []*stream{c.dialer.in, c.acceptor.in} {
		s.sever(v)
	}
	return true
}

// sever ends a stream: nothing that is written from now on arrives. With Fin, what was on its way still does.
func (s *stream) sever(v Verb) {
	s.hold(false)
	if v == Fin {
		s.push(segment{kind: segmentFin})
		s.lost, s.ended = true, true
		return
	}
	s.drop()
	s.lost = true
	s.queue = append(s.queue, segment{kind: segmentReset})
	s.scheduleDelivery(s.link.network.now())
}
