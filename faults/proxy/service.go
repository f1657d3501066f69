package proxy

import (
	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/trace"
)

// serviceOf is what a fault in force makes of connections that come: they are refused, they are left unanswered, or they are let in.
func serviceOf(f faults.Fault) string {
	switch f.Verb {
	case faults.Refuse:
		return trace.LinkRefuse
	case faults.Blackhole, faults.Silence: // opening a connection needs both directions
		return trace.LinkSilent
	}
	return trace.LinkHeal
}

// service is what a new connection meets, and the rule that decides: the latest counts. The caller holds p.mu.
func (p *Proxy) service(c *conn) (string, *rule) {
	for i := len(p.inForce) - 1; i >= 0; i-- {
		r := p.inForce[i]
		if state := serviceOf(r.fault); state != trace.LinkHeal && p.touches(r.fault.Scope, c) {
			return state, r
		}
	}
	return trace.LinkHeal, nil
}

// silenced tells whether the array must not be dialled yet for a connection, and what to wait for then.
func (p *Proxy) silenced(c *conn) (bool, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	state, _ := p.service(c)
	return state == trace.LinkSilent, p.changed
}

// destination is where the array is dialled for a front: where its portal has moved to, if it has.
func (p *Proxy) destination(c *conn) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	to, by := p.answering(c.front)
	if by != nil {
		p.feel(by, c)
	}
	return to
}

// answering is what answers for a front's portal, and the move by which it does, nil when it is the portal itself. The latest move counts.
func (p *Proxy) answering(f *front) (string, *rule) {
	for i := len(p.inForce) - 1; i >= 0; i-- {
		if r := p.inForce[i]; r.fault.Verb == faults.Move && p.touchesPortal(r.fault.Scope, f) {
			return r.fault.To.String(), r
		}
	}
	return f.key, nil
}

// rehome resets the connections of a portal for which another machine answers from now on, since that one knows nothing of them. The rule is
// the move that began or ended. The caller holds p.mu.
func (p *Proxy) rehome(r *rule, reason string) {
	for _, f := range p.fronts {
		if !p.touchesPortal(r.fault.Scope, f) {
			continue
		}
		to, _ := p.answering(f)
		p.record(trace.Event{Kind: trace.KindLink, Node: trace.NodeNetwork, To: f.key, State: "moved", Reason: "answered by " + to + ": " + reason})
		for _, c := range p.sorted() {
			if c.front == f && c.dialled() != "" && c.dialled() != to && c.cut(faults.Reset) {
				p.feel(r, c)
			}
		}
	}
}

// feel counts what has felt a fault in force, which has fired when the first has. The caller holds p.mu.
func (p *Proxy) feel(r *rule, c *conn) {
	r.bites++
	if !r.felt && (shapes(r.fault.Verb) || r.fault.Verb == faults.Move) && serviceOf(r.fault) == trace.LinkHeal {
		p.fire(r, c.name, "felt")
	}
	r.felt = true
}

// refresh brings connections and portals in line with the faults in force. The caller holds p.mu.
func (p *Proxy) refresh(reason string) {
	for _, c := range p.sorted() {
		c.reshape()
	}
	for _, f := range p.fronts {
		p.refreshPortal(f, reason)
		if f.state == trace.LinkRefuse && !p.options.RefuseByReset {
			f.shut()
		} else {
			f.reopen()
		}
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// reshape brings a connection in line with the faults in force. The caller holds proxy.mu.
func (c *conn) reshape() {
	c.mu.Lock()
	over := c.ended
	c.mu.Unlock()
	if over {
		return
	}
	for _, f := range []*flow{c.out, c.in} {
		var rules []*rule
		for _, r := range c.proxy.inForce {
			if covers(r.fault.Dir, f.dir) && c.proxy.touches(r.fault.Scope, c) && shapes(r.fault.Verb) {
				rules = append(rules, r)
			}
		}
		f.carrier.reshape(rules)
	}
}

// shapes tells whether a verb in force changes how open connections carry what is sent.
func shapes(v faults.Verb) bool { return v.Lasting() && v != faults.Refuse && v != faults.Move }

// add brings one more fault in force into a shape. Stalls are counted elsewhere.
func (s *shape) add(f faults.Fault) {
	switch f.Verb {
	case faults.Blackhole, faults.Silence:
		s.held = true
	case faults.Delay:
		s.delay += f.By
	case faults.Jitter:
		s.jitter += f.By
	case faults.Throttle:
		if s.rate == 0 || f.Rate < s.rate {
			s.rate = f.Rate
		}
	case faults.Split:
		if s.split == 0 || f.Size < s.split {
			s.split = f.Size
		}
		s.pause = max(s.pause, f.By)
	case faults.Coalesce:
		s.coalesce, s.enough = max(s.coalesce, f.By), max(s.enough, f.Size)
	}
}

// release lets a connection go that a fault has ended, so that it hears of its end.
func (c *conn) release() {
	c.out.carrier.reshape(nil)
	c.in.carrier.reshape(nil)
}

// covers tells whether a fault's direction takes in another.
func covers(d, other faults.Direction) bool { return d == faults.Both || d == other }

// touches tells whether a scope takes in a connection: a portal may be called by the array's address or by the proxy's.
func (p *Proxy) touches(s faults.Scope, c *conn) bool {
	f := c.front
	return s.Touches(f.arrayAddr(), c.name, c.initiator.Addr().String()) ||
		s.Portal.IsValid() && s.Portal == f.listens || s.Host != "" && s.Host == f.array.Host
}

// touchesPortal tells whether a scope takes in a whole portal, for whoever dials it.
func (p *Proxy) touchesPortal(s faults.Scope, f *front) bool {
	if s.Conn != "" {
		return false
	}
	return s.Touches(f.arrayAddr(), "") || s.Portal.IsValid() && s.Portal == f.listens || s.Host != "" && s.Host == f.array.Host
}

// heals tells whether healing one scope also heals what another has broken.
func (p *Proxy) heals(s, other faults.Scope) bool {
	if s.Covers(other) {
		return true
	}
	for _, f := range p.fronts { // a portal has two names
		a, b := faults.Scope{Portal: f.arrayAddr()}, faults.Scope{Portal: f.listens}
		if s == a && b == other || s == b && a.Covers(other) {
			return true
		}
	}
	return false
}
