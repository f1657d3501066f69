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
type Count struct {
	Fault Fault
	Fired int // timed: put into force, or connections cut; placed: PDUs struck
	Bites int // refuse, blackhole, silence: dials that it refused or left unanswered
}

// Run puts a plan into force: its instants count from now. Faults of one instant happen in the plan's order.
func (n *Network) Run(p Plan) (*Injection, error) {
	for _, f := range p {
		if err := f.Validate(); err != nil {
			return nil, err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	in := &Injection{network: n}
	start := n.now()
	for _, f := range p {
		r := &rule{fault: f}
		in.rules = append(in.rules, r)
		if f.At == 0 {
			n.inject(r)
			continue
		}
		n.schedule(start+f.At, func() { n.inject(r) })
	}
	return in, nil
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

// Last is the latest instant that the plan names, so that a run knows how long it must last to see all of it.
func (p Plan) Last() time.Duration {
	last := time.Duration(0)
	for _, f := range p {
		last = max(last, f.At+f.For)
	}
	return last
}
