package sessions

import (
	"context"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/trace"
)

// driver does steps one after the other. The main driver does the plan's; each asynchronous Poll, Repeat or Load has one of its own.
//
// Each driver acts at instants of its own, which no delivery of the network shares (see faults.Grain): the main driver at multiples of the
// grain, the others at the last nanosecond before one, each in a class of its own. So nothing that two of them do ever ties.
type driver struct {
	x     *execution
	class int // 0 for the main driver
}

// driverClasses is how many drivers beside the main one have instants of their own.
const driverClasses = 128

// driverBeside makes a driver that runs beside the others.
func (x *execution) driverBeside() *driver {
	x.mu.Lock()
	defer x.mu.Unlock()
	d := &driver{x: x, class: x.drivers%driverClasses + 1}
	x.drivers++
	return d
}

// next is the driver's first instant that is not before t.
func (d *driver) next(t time.Duration) time.Duration {
	period, residue := time.Duration(faults.Grain), time.Duration(0)
	if d.class > 0 {
		period, residue = driverClasses*faults.Grain, time.Duration(d.class*faults.Grain-1)
	}
	at := t - t%period + residue
	if at < t {
		at += period
	}
	return at
}

// breathe lets everybody else work off what the driver did, and moves on to its next instant.
func (d *driver) breathe() {
	now := d.x.log.Now()
	awaitEnd(d.x.ctx.Done(), d.next(now+1)-now)
}

// sleepUntil moves on to the driver's first instant at or after at.
func (d *driver) sleepUntil(at time.Duration) {
	now := d.x.log.Now()
	awaitEnd(d.x.ctx.Done(), d.next(max(at, now))-now)
}

// do does steps one after the other. Absolute instants count in the first round only.
func (d *driver) do(steps []Step, first bool) {
	for _, s := range steps {
		if d.x.ctx.Err() != nil {
			return
		}
		d.await(s, first)
		d.step(s)
		d.breathe()
	}
}

// await waits until a step is due.
func (d *driver) await(s Step, first bool) {
	at := s.At
	if s.After == "" && (!first || at == 0) {
		return
	}
	if s.After != "" {
		c := d.x.latestOf(s.After)
		if c == nil || !d.x.await(c.done, patience) {
			d.x.complain("step %s waited %v for the end of %s", name(s), patience, s.After)
			return
		}
		at += c.ended
	}
	if behind := d.x.log.Now() - at; behind > late {
		d.x.complainLate(s, at)
	}
	d.sleepUntil(at)
}

// call is one instance of a step.
type call struct {
	driver *driver
	step   Step
	op     Op
	n      int    // of its label, from 1
	seq    uint64 // pairs its events
	ctx    context.Context
	done   chan struct{} // closed when it has ended
	ended  time.Duration // set before done is closed
}

// begin makes an instance of a step and makes it known under its label.
func (d *driver) begin(s Step, op Op) *call {
	c := d.part(s, op)
	d.x.mu.Lock()
	defer d.x.mu.Unlock()
	if s.Label != "" {
		d.x.steps[s.Label] = c
	}
	return c
}

// part makes an instance of a step that is a part of another one, under whose label it goes.
func (d *driver) part(s Step, op Op) *call {
	x := d.x
	x.mu.Lock()
	defer x.mu.Unlock()
	c := &call{driver: d, step: s, op: op, ctx: x.ctx, done: make(chan struct{})}
	if _, parts := op.(composite); !parts {
		x.seq++
		x.counts[s.Label]++
		c.seq, c.n = x.seq, x.counts[s.Label]
	}
	if x.under == 0 {
		x.idle = make(chan struct{})
	}
	x.under++
	return c
}

// end marks an instance as ended.
func (x *execution) end(c *call) {
	x.mu.Lock()
	defer x.mu.Unlock()
	c.ended = x.log.Now()
	close(c.done)
	if x.under--; x.under == 0 {
		close(x.idle)
		x.idle = nil
	}
}

func (x *execution) latestOf(label string) *call {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.steps[label]
}

// step does one step, or starts it and goes on.
func (d *driver) step(s Step) {
	c := d.begin(s, s.Do)
	switch op := s.Do.(type) {
	case composite:
		d.compose(c, op)
		return
	case command:
		d.x.submit(c, op)
	case action:
		d.x.beside.Go(func() { d.x.perform(c, op) })
	default:
		d.x.complain("%s is nothing that a driver can do", name(s))
		d.x.end(c)
		return
	}
	if !s.Async {
		d.wait(c)
	}
}

// compose does a step that is made of others. It has ended when its parts have.
func (d *driver) compose(c *call, op composite) {
	join := func(parts []*call) {
		for _, p := range parts {
			d.wait(p)
		}
		d.x.end(c)
	}
	switch {
	case !c.step.Async:
		join(op.compose(c))
	case op.takesTime():
		c.driver = d.x.driverBeside()
		d.x.beside.Go(func() {
			c.driver.breathe() // Its first act has an instant of its own too: faults may be planned for this one.
			join(op.compose(c))
		})
	default:
		parts := op.compose(c)
		d.x.beside.Go(func() { join(parts) })
	}
}

// wait waits for a step, but not for ever.
func (d *driver) wait(c *call) {
	if limit := patience + c.step.Deadline; !d.x.await(c.done, limit) && d.x.ctx.Err() == nil {
		d.x.complain("step %s did not end within %v", name(c.step), limit)
	}
}

// composite is for ops that are made of others, and leave no events of their own.
type composite interface {
	Op
	// takesTime tells whether starting the parts takes time, so that an asynchronous step needs a driver of its own.
	takesTime() bool
	// compose does or starts the parts, with c.driver, and returns those that are under way.
	compose(c *call) []*call
}

// action is for ops that are neither commands nor made of others. It returns when it is done.
type action interface {
	Op
	perform(x *execution, c *call) outcome
}

// perform does an action and records it.
func (x *execution) perform(c *call, op action) {
	defer x.end(c)
	x.recordBegin(c, trace.Event{})
	var cancel context.CancelFunc
	c.ctx, cancel = context.WithCancel(x.ctx)
	if c.step.Deadline > 0 {
		c.ctx, cancel = context.WithTimeout(x.ctx, c.step.Deadline)
	}
	defer cancel()
	x.recordEnd(c, op.perform(x, c))
}

// name is how messages call a step.
func name(s Step) string {
	if s.Label != "" {
		return fmt.Sprintf("%s (%s)", s.Label, s.Do.OpName())
	}
	return s.Do.OpName()
}
