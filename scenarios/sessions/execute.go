package sessions

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

const (
	// patience is how long the driver waits for a step that nobody else bounds, before it goes on without it.
	patience = 10 * time.Minute
	// eventsMax bounds the trace of a run: an outage of a day leaves half of it.
	eventsMax = 150_000
	// troubleMax is how much of what did not go as planned is kept.
	troubleMax = 16
	// guardEvery is how often somebody looks whether a run has run away.
	guardEvery = 5 * time.Second
	// late is how far behind its instant a step may begin before the run counts as gone wrong.
	late = Slack
)

// Options are what a run needs beside its plan.
type Options struct {
	// T lends its identity to the bubble. Nothing asserts through it.
	T *testing.T
	// Seed is that of the check; the same seed and plan leave the same trace.
	Seed uint64
	// Name tells the runs of one check apart, so that each draws its own jitter.
	Name string
	// Deviations are the initiator's defects; nil means none.
	Deviations *initiator.Deviations
	// Quiet leaves what passes the wire out of the trace: no PDUs, dials and link events. All else goes and is recorded as it would be.
	Quiet bool
}

// Execute runs a plan in a bubble of its own and returns what it left. The error is that of the bubble (a panic or a deadlock, in
// which case the run holds what there is), or says that the plan cannot be run at all.
func Execute(p Plan, o Options) (*Run, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	o.Seed = scenarios.SeedFor(o.Seed, "run "+o.Name)
	x := &execution{plan: p, opts: o, handles: map[string]initiator.SessionID{}, steps: map[string]*call{}, requests: map[string][]submission{}, counts: map[string]int{}}
	run := &Run{Plan: p}
	var wrong error
	err := scenarios.Bubble(o.T, 0, func(ctx context.Context) {
		wrong = x.run(ctx, run)
	})
	if err != nil {
		run.Events, run.Ended = x.log.Events(), x.log.Now()
	}
	return run, errors.Join(err, wrong)
}

// execution is a plan being run. The driver's goroutine owns all fields but those behind mu.
type execution struct {
	plan    Plan
	opts    Options
	log     *trace.Log
	network *faults.Network
	arrays  []*station
	manager *initiator.Manager
	ctx     context.Context // ends when the run does
	beside  sync.WaitGroup  // asynchronous steps

	mu       sync.Mutex
	over     bool           // the run has ended: what still happens is the teardown
	ended    time.Duration  // when it did
	events   trace.Events   // what it left by then
	seq      uint64         // of the last op begun
	drivers  int            // started so far, beside the main one
	counts   map[string]int // instances of each label
	handles  map[string]initiator.SessionID
	latest   initiator.SessionID
	steps    map[string]*call
	under    int // asynchronous steps under way
	idle     chan struct{}
	requests map[string][]submission
	trouble  []string
	late     []string
	planned  []*faults.Injection // of faults that have to fire
}

// run does everything, from putting up the arrays to taking all down again.
func (x *execution) run(ctx context.Context, run *Run) error {
	var cancel context.CancelFunc
	x.ctx, cancel = context.WithCancel(ctx)
	x.log = trace.NewLog()
	wire := x.log
	if x.opts.Quiet {
		wire = nil
	}
	x.network = faults.NewNetwork(scenarios.SeedFor(x.opts.Seed, "network"), wire, faults.Options{})
	defer x.takeDown(cancel)
	if err := x.stand(); err != nil {
		return err
	}
	if err := x.configure(); err != nil {
		return err
	}
	if len(x.plan.Faults) > 0 {
		x.inject(x.plan.Faults...)
	}
	x.beside.Go(func() { x.guard(cancel) })
	d := &driver{x: x}
	d.breathe()
	d.do(x.plan.Steps, true)
	x.finish(d)
	x.seal()
	run.Ended, run.Events, run.Trouble = x.ended, x.events, x.trouble
	run.Late = x.late
	for _, p := range x.planned {
		for _, c := range p.Counts() {
			run.Faults = append(run.Faults, scenarios.Fault{Plan: c.Fault.String(), Fired: c.Fired})
		}
	}
	return nil
}

// seal ends the run as far as anybody can see: what happens from now on is the teardown.
func (x *execution) seal() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return
	}
	x.over, x.ended, x.events = true, x.log.Now(), x.log.Events()
}

// guard ends a run that has run away, such as that of an initiator which logs in again and again without a pause. What it left until then can be judged.
func (x *execution) guard(cancel context.CancelFunc) {
	for !awaitEnd(x.ctx.Done(), guardEvery) {
		if n := x.log.Len(); n > eventsMax {
			x.complain("the run was ended at %v with %d events: want at most %d", x.log.Now(), n, eventsMax)
			x.seal()
			cancel()
			return
		}
	}
}

// takeDown ends everything that runs, so that the bubble can end.
func (x *execution) takeDown(cancel context.CancelFunc) {
	cancel()
	if x.manager != nil {
		x.manager.Close()
	}
	for _, s := range x.arrays {
		_ = s.array.Close() // the run is over: nobody is left to be told
	}
	x.network.Close()
	x.beside.Wait()
}

// finish waits until the run may end.
func (x *execution) finish(d *driver) {
	if x.plan.Until > 0 {
		d.sleepUntil(x.plan.Until)
		return
	}
	x.mu.Lock()
	idle := x.idle
	x.mu.Unlock()
	if idle != nil {
		x.await(idle, patience)
	}
}

// awaitEnd waits for a channel to be closed, but no longer than limit.
func awaitEnd(done <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// await waits for a channel to be closed, but no longer than limit and not beyond the end of the run.
func (x *execution) await(done <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-x.ctx.Done():
	case <-timer.C:
	}
	return false
}

// complain notes why the run is not what was planned.
func (x *execution) complain(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.trouble) < troubleMax {
		x.trouble = append(x.trouble, fmt.Sprintf(format, args...))
	}
}

// complainLate notes that a step begins late.
func (x *execution) complainLate(s Step, due time.Duration) {
	why := fmt.Sprintf("step %s was due at %v and began at %v", name(s), due, x.log.Now())
	x.complain("%s", why)
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.late) < troubleMax {
		x.late = append(x.late, why)
	}
}
