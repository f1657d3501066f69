package proxy

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// rulesMax bounds the faults that are in force or armed at one time, and those whose counts are kept.
const rulesMax = 4096

// againMin is how soon, at the soonest, a fault begins again that repeats: a proxy has other things to do.
const againMin = time.Millisecond

// rule is a fault of a plan, or one that was injected. Proxy.mu guards it.
type rule struct {
	fault  faults.Fault
	armed  *faults.Armed // of a placed fault that counts PDUs
	count  bool          // it counts; not so what a placed silence leaves in force
	fired  int           // timed: put into force, or connections cut; placed: PDUs struck
	bites  int           // what felt it: see faults.Count
	felt   bool          // something has, since it was put into force
	by     *rule         // the placed silence of which it is what lasts
	ends   *time.Timer   // when it heals by itself
	begins *time.Timer   // when it begins, or begins again
}

// ErrTooManyFaults is what Run and Inject say when 4096 faults are in force or told of.
var ErrTooManyFaults = fmt.Errorf("proxy: more than %d faults", rulesMax)

// Run puts a plan into force: its instants count from now. Faults of one instant happen in the plan's order.
func (p *Proxy) Run(plan faults.Plan) error {
	rules, err := p.rulesOf(plan)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return ErrClosed
	}
	if len(p.told)+len(rules) > rulesMax {
		return ErrTooManyFaults
	}
	p.told = append(p.told, rules...)
	start := time.Now()
	for _, r := range rules {
		p.schedule(r, start, 0)
	}
	return nil
}

// Inject puts faults into force now; their At is not looked at. A placed fault counts PDUs from now on. It returns how many were injected.
func (p *Proxy) Inject(plan faults.Plan) (done int, err error) {
	now := slices.Clone(plan)
	for i := range now {
		now[i].At = 0
	}
	for _, f := range now {
		if err := p.Run(faults.Plan{f}); err != nil {
			return done, err
		}
		done++
	}
	return done, nil
}

// Heal ends every fault in scope that lasts. What was cut stays cut.
func (p *Proxy) Heal(s faults.Scope) error {
	_, err := p.Inject(faults.Plan{{Verb: faults.Heal, Scope: s}})
	return err
}

func (p *Proxy) rulesOf(plan faults.Plan) ([]*rule, error) {
	rules := make([]*rule, len(plan))
	for i, f := range plan {
		r := &rule{fault: f, count: true}
		if err := f.Validate(); err != nil {
			return nil, err
		}
		if f.Placed() {
			armed, err := faults.Arm(f, p.options.Seed)
			if err != nil {
				return nil, err
			}
			r.armed = armed
		}
		rules[i] = r
	}
	return rules, nil
}

// schedule lets a rule begin for the k-th time, counted from 0. The caller holds p.mu.
func (p *Proxy) schedule(r *rule, start time.Time, k int) {
	at, again := r.fault.At, k == 0
	if !r.fault.Placed() {
		at, again = r.fault.Occurrence(k)
	}
	if !again {
		return
	}
	begin := func() {
		p.begin(r)
		p.schedule(r, start, k+1)
	}
	wait := time.Until(start.Add(at))
	if k > 0 {
		wait = max(wait, againMin)
	}
	if wait > 0 {
		r.begins = time.AfterFunc(wait, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if !p.ended {
				begin()
			}
		})
		return
	}
	begin()
}

// begin puts a rule into force now. The caller holds p.mu.
func (p *Proxy) begin(r *rule) {
	f := r.fault
	switch {
	case f.Placed():
		p.armed = append(slices.DeleteFunc(p.armed, func(r *rule) bool { return r.armed.Spent() }), r)
		p.watched.Store(true)
	case f.Verb == faults.Reset || f.Verb == faults.Fin:
		for _, c := range p.sorted() {
			if p.touches(f.Scope, c) && c.cut(f.Verb) {
				p.fire(r, c.name, "cut")
			}
		}
	case f.Verb == faults.Heal:
		p.healed(f)
		p.fire(r, "", "in force")
	case len(p.inForce) == rulesMax:
		p.note("a fault is not put into force, since %d are: %s", rulesMax, f)
	default:
		p.inForce = append(p.inForce, r)
		r.felt = false
		if r.count && (f.Verb == faults.Refuse || serviceOf(f) != trace.LinkHeal) { // the others are told when something feels them
			p.fire(r, "", "in force")
		}
		if f.Verb == faults.Move {
			p.rehome(r, f.String())
		}
		if f.For > 0 {
			r.ends = time.AfterFunc(f.For, func() { p.lift(r) })
		}
		p.refresh(f.String())
	}
}

// healed ends what lasts within a scope, placed faults that repeat among it. A placed fault that strikes once still waits for its PDU.
func (p *Proxy) healed(heal faults.Fault) {
	p.armed = slices.DeleteFunc(p.armed, func(r *rule) bool {
		return (r.fault.Each > 0 || r.fault.Chance > 0) && p.heals(heal.Scope, r.fault.Scope)
	})
	p.discharge(heal.String(), func(r *rule) bool {
		return p.heals(heal.Scope, r.fault.Scope) || r.by != nil && p.heals(heal.Scope, r.by.fault.Scope)
	})
}

// lift ends one rule when its time is over.
func (p *Proxy) lift(r *rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.discharge("end of "+r.fault.String(), func(other *rule) bool { return other == r })
	}
}

// discharge ends rules. The caller holds p.mu.
func (p *Proxy) discharge(reason string, over func(*rule) bool) {
	var gone []*rule
	p.inForce = slices.DeleteFunc(p.inForce, func(r *rule) bool {
		if !over(r) {
			return false
		}
		if r.ends != nil {
			r.ends.Stop()
		}
		gone = append(gone, r)
		return true
	})
	p.refresh(reason)
	for _, r := range gone {
		if r.fault.Verb == faults.Move {
			p.rehome(r, reason)
		}
	}
}

// stop ends the timers of a rule.
func (r *rule) stop() {
	for _, t := range []*time.Timer{r.begins, r.ends} {
		if t != nil {
			t.Stop()
		}
	}
}

// holdFrom makes a placed silence last, for the one connection that it struck.
func (p *Proxy) holdFrom(c *conn, r *rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.begin(&rule{fault: faults.Fault{Verb: faults.Silence, Scope: faults.Scope{Conn: c.name}, Dir: r.fault.Dir, For: r.fault.For}, by: r})
	}
}

// fire counts one effect of a fault and leaves it in the trace. The caller holds p.mu.
func (p *Proxy) fire(r *rule, conn, what string) {
	r.fired++
	p.record(trace.Event{Kind: trace.KindFault, Node: trace.NodeNetwork, Conn: conn, State: r.fault.String(), Op: string(r.fault.Verb), Reason: what})
}

// candidates are the placed faults that may strike a PDU of a connection, and how much of the PDU they have to see.
func (p *Proxy) candidates(c *conn, dir faults.Direction, op pdu.Opcode) (list []*rule, need faults.Need) {
	if !p.watched.Load() {
		return nil, faults.NeedOpcode
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.armed {
		n, may := r.armed.May(dir, op)
		if !may || r.armed.Spent() || !p.touches(r.fault.Scope, c) {
			continue
		}
		list, need = append(list, r), max(need, n)
	}
	return list, need
}

// strikes asks each candidate whether it strikes a PDU, which counts for it.
func (p *Proxy) strikes(list []*rule, header, data []byte) []*rule {
	if len(list) == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var hits []*rule
	for _, r := range list {
		if r.armed.Strikes(header, data) {
			hits = append(hits, r)
		}
	}
	return hits
}

// struck counts a placed fault that has taken effect.
func (p *Proxy) struck(r *rule, c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fire(r, c.name, effect(r.fault.Verb))
}

// effect says in a word what a placed fault has done.
func effect(v faults.Verb) string {
	switch v {
	case faults.Drop:
		return "dropped"
	case faults.Truncate:
		return "truncated"
	case faults.Corrupt:
		return "corrupted"
	case faults.Delay:
		return "delayed"
	case faults.Split:
		return "split"
	case faults.Coalesce:
		return "coalesced"
	}
	return trace.LinkCut
}
