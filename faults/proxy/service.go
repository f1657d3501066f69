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
func (p *Proxy) destination(f *front) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.inForce) - 1; i >= 0; i-- {
		if r := p.inForce[i]; r.fault.Verb == faults.Move && p.touchesPortal(r.fault.Scope, f) {
			return r.fault.To.String()
		}
	}
	return f.key
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
	over, array := c.ended, c.array
	c.mu.Unlock()
	if over {
		return
	}
	for _, f := range []*flow{c.out, c.in} {
		var s shape
		var stalls []*rule
		for _, r := range c.proxy.inForce {
			if covers(r.fault.Dir, f.dir) && c.proxy.touches(r.fault.Scope, c) {
				if r.fault.Verb == faults.Stall {
					stalls = append(stalls, r)
				}
				s.add(r.fault, array)
			}
		}
		f.carrier.reshape(s, stalls)
	}
}

// add brings one more fault in force into a shape. array is where the array was reached.
func (s *shape) add(f faults.Fault, array string) {
	switch f.Verb {
	case faults.Blackhole, faults.Silence:
		s.held = true
	case faults.Move: // the machine that the connection leads to is gone
		s.held = s.held || array != "" && array != f.To.String()
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
	c.out.carrier.reshape(shape{}, nil)
	c.in.carrier.reshape(shape{}, nil)
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
