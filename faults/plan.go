package faults

import (
	"fmt"
	"strings"
	"time"
)

// Plan is a list of faults, in the order in which they were thought of; their instants decide when they happen.
type Plan []Fault

// ParsePlan reads one fault a line; empty lines and lines that begin with # are passed over.
func ParsePlan(text string) (Plan, error) {
	var p Plan
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		f, err := Parse(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		p = append(p, f)
	}
	return p, nil
}

// String is one fault a line.
func (p Plan) String() string {
	var b strings.Builder
	for _, f := range p {
		b.WriteString(f.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Injection is a plan in force: it counts what really happened.
type Injection struct {
	network *Network
	rules   []*rule
}

// Count is how often one fault of a plan took effect.
//
// Fired counts what really happened. Of a timed reset or fin it is the connections cut; of a silence, refuse, blackhole or heal, the times that it was put
// into force; of a delay, jitter, throttle, split, coalesce, stall or move, the times that it was put into force and then felt by at least one delivery,
// connection or dial; of a placed fault, the PDUs struck, and of a placed coalesce those that something travelled along with. A PDU that has no such byte as the
// fault names is not struck.
type Count struct {
	Fault Fault
	Fired int
	Bites int // lasting faults: dials refused, left unanswered or diverted, connections cut by a move or stalled, deliveries held back or shaped
}

// Run puts a plan into force: its instants count from now. Faults of one instant happen in the plan's order. A plan of which one fault is not valid is refused as
// a whole, with that fault's *[Error].
func (n *Network) Run(p Plan) (*Injection, error) {
	in := &Injection{network: n}
	for _, f := range p {
		r, err := n.newRule(f)
		if err != nil {
			return nil, err
		}
		in.rules = append(in.rules, r)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	start := n.now()
	for _, r := range in.rules {
		n.begin(r, start, 0)
	}
	return in, nil
}

// begin lets a rule begin for the k-th time, counted from 0, when its time comes, and so on.
func (n *Network) begin(r *rule, start time.Duration, k int) {
	at, more := r.fault.At, k == 0
	if !r.fault.Placed() {
		at, more = r.fault.Occurrence(k)
	}
	if !more {
		return
	}
	if start+at <= n.now() {
		n.inject(r)
		n.begin(r, start, k+1)
		return
	}
	n.schedule(start+at, func() {
		n.inject(r)
		n.begin(r, start, k+1)
	})
}

// Counts tells for each fault of the plan, in the plan's order, how often it took effect so far.
func (in *Injection) Counts() []Count {
	in.network.mu.Lock()
	defer in.network.mu.Unlock()
	counts := make([]Count, len(in.rules))
	for i, r := range in.rules {
		counts[i] = Count{Fault: r.fault, Fired: r.fired, Bites: r.bites}
	}
	return counts
}

// Unfired lists the faults that have had no effect so far. A run that ends with any has proved nothing about them.
func (in *Injection) Unfired() []Fault {
	var idle []Fault
	for _, c := range in.Counts() {
		if c.Fired == 0 {
			idle = append(idle, c.Fault)
		}
	}
	return idle
}

// Last is the latest instant that the plan names, so that a run knows how long it must last to see all of it. Of a fault that repeats without end it is
// the end of the first time.
func (p Plan) Last() time.Duration {
	last := time.Duration(0)
	for _, f := range p {
		at := f.At
		if f.Every > 0 && f.Times > 1 {
			at += time.Duration(min(f.Times-1, int((instantMax-f.At)/f.Every))) * f.Every
		}
		last = max(last, at+f.For)
	}
	return last
}
