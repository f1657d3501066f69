package faults

import (
	"net/netip"
	"slices"
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
	stateMoved     = "moved"          // portal: another machine answers from now on
	stateCut       = trace.LinkCut    // connection: a fault has ended it
)

// rule is a fault in force, or one that waits for its place in the protocol.
type rule struct {
	fault Fault
	armed *Armed // of a placed fault
	by    *rule  // the placed silence or the stall whose silence this is
	fired int    // how often the fault was put into force, was felt or struck
	bites int    // dials, connections and deliveries touched by it
	told  bool   // what it shapes or moves was felt since it was put into force
}

// newRule makes a valid fault a rule.
func (n *Network) newRule(f Fault) (*rule, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	r := &rule{fault: f}
	if f.Placed() {
		var err error
		if r.armed, err = Arm(f, n.seed); err != nil {
			return nil, err
		}
	}
	return r, nil
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

// Inject puts a fault into force now, and again if it repeats; its At is not looked at. A placed fault counts PDUs from now on.
func (n *Network) Inject(f Fault) error {
	f.At = 0
	_, err := n.Run(Plan{f})
	return err
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
	if f.Placed() {
		n.await(r)
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
		n.fire(r, "", "in force")
		n.heal(f)
	default:
		if len(n.rules) >= rulesMax {
			return
		}
		n.rules = append(n.rules, r)
		r.told = false
		if !r.shapes() && f.Verb != Move { // those are told when something feels them
			n.fire(r, "", "in force")
		}
		n.refresh(f.String())
		if f.Verb == Move {
			n.rehome(r, f.To, f.String())
		}
		if f.For > 0 {
			n.schedule(n.now()+f.For, func() { n.lift("end of "+f.String(), func(other *rule) bool { return other == r || other.by == r }) })
		}
	}
}

// await makes a placed fault count PDUs. Those that are spent make room.
func (n *Network) await(r *rule) {
	n.armed = slices.DeleteFunc(n.armed, func(old *rule) bool { return old.armed.Spent() })
	if len(n.armed) < rulesMax {
		n.armed = append(n.armed, r)
	}
}

// heal ends what is in force in a scope, placed faults that repeat among it. A placed fault that strikes once still waits for its PDU.
func (n *Network) heal(f Fault) {
	n.armed = slices.DeleteFunc(n.armed, func(r *rule) bool {
		return (r.fault.Each > 0 || r.fault.Chance > 0) && f.Scope.Covers(r.fault.Scope)
	})
	n.lift(f.String(), func(r *rule) bool {
		return f.Scope.Covers(r.fault.Scope) || r.by != nil && f.Scope.Covers(r.by.fault.Scope)
	})
}

// holdFrom makes a placed silence or a stall last: a rule of its own for the one connection, until healed.
func (n *Network) holdFrom(s *stream, r *rule) {
	if len(n.rules) >= rulesMax || r.fault.Verb == Stall && !slices.Contains(n.rules, r) { // healed before its place came
		return
	}
	dir := r.fault.Dir
	if r.fault.Verb == Stall {
		dir = s.dir
	}
	hold := &rule{fault: Fault{Verb: Silence, Scope: Scope{Conn: s.link.name}, Dir: dir}, by: r}
	n.rules = append(n.rules, hold)
	n.refresh(r.fault.String())
	if r.fault.Placed() && r.fault.For > 0 {
		n.schedule(n.now()+r.fault.For, func() { n.lift("end of "+r.fault.String(), func(other *rule) bool { return other == hold }) })
	}
}

// lift ends rules.
func (n *Network) lift(reason string, over func(*rule) bool) {
	var moves []*rule
	n.rules = slices.DeleteFunc(n.rules, func(r *rule) bool {
		if !over(r) {
			return false
		}
		if r.fault.Verb == Move {
			moves = append(moves, r)
		}
		return true
	})
	n.refresh(reason)
	for _, r := range moves {
		n.rehome(r, r.fault.Scope.Portal, reason)
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
		var by *rule
		for _, r := range n.rules {
			if f := r.fault; by == nil && (f.Verb == Blackhole || f.Verb == Silence) && f.Dir.covers(s.dir) && f.Scope.hasLink(c) {
				by = r
			}
		}
		s.reshape()
		if !s.lost || by == nil { // what a cut has left on its way still comes when the silence is over
			s.hold(by)
		}
	}
}

// service is what a connection request meets at the portal that it was sent to, and if that one has moved then at the other too, and the rule that
// decides. The latest rule counts.
func (n *Network) service(d *dialing) (string, *rule) {
	state, r := n.serviceAt(d, d.portal)
	if l, move := n.answering(d.portal); state == stateUp && move != nil && l != nil {
		return n.serviceAt(d, l.portal)
	}
	return state, r
}

func (n *Network) serviceAt(d *dialing, portal netip.AddrPort) (string, *rule) {
	listening := n.hostAt(portal)
	for i := len(n.rules) - 1; i >= 0; i-- {
		r := n.rules[i]
		if !r.fault.Scope.hasDial(d, portal, listening) {
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
	listening := n.hostAt(p.addr)
	for i := len(n.rules) - 1; i >= 0; i-- {
		if r := n.rules[i]; r.fault.Scope.hasPortal(p.addr, listening) && r.state() != stateUp {
			return r.state()
		}
	}
	if listening != nil {
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
	s.hold(nil)
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
