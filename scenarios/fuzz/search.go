package fuzz

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// batch is how many flows one array serves before it is made anew.
const batch = 256

// overhear says that of so many flows the monitors listen to one: they cost more than all the rest.
const overhear = 64

// Search looks for flows that our own array fails, in virtual time on several cores.
type Search struct {
	// T lends its identity to the bubbles. Required.
	T *testing.T
	// Seed makes the flows; Workers run them, 0 means one.
	Seed    uint64
	Workers int
	// Flows is how many are run, 0 without end: then until the context ends.
	Flows uint64
	// Deviations make the array faulty; nil is a sound one.
	Deviations *simtarget.Deviations
	// Setups are those that are tried; nil means all.
	Setups []*Setup
	// Found is told of every fault once, with the smallest flow for it. It is called by one worker at a time. When it reports true the
	// search ends.
	Found func(Found) (stop bool)

	done  atomic.Uint64
	mu    sync.Mutex
	seen  map[string]int
	total Coverage
	stop  context.CancelFunc
}

// Found is a fault: the smallest flow that shows it, and what it does.
type Found struct {
	Flow    Flow
	Finding Finding
	// Began is the flow as it was drawn; Index is its number.
	Began Flow
	Index uint64
	// Alone tells that the flow shows it with nothing before it. Otherwise it needs what an array keeps of flows before.
	Alone bool
}

// Done is how many flows were run so far. It may be asked at any time.
func (s *Search) Done() uint64 { return s.done.Load() }

// Reached is what was covered so far. It may be asked at any time.
func (s *Search) Reached() Coverage {
	s.mu.Lock()
	defer s.mu.Unlock()
	var c Coverage
	c.Add(&s.total)
	return c
}

// Run searches until the context ends, the flows are run, or Found wants no more. The error tells of a defect of the harness or of the array: a
// *scenarios.PanicError or *scenarios.DeadlockError, or a *LeftoverError.
func (s *Search) Run(ctx context.Context) error {
	if s.Setups == nil {
		s.Setups = Setups()
	}
	s.seen = map[string]int{}
	ctx, s.stop = context.WithCancel(ctx)
	defer s.stop()
	var next atomic.Uint64
	errs := make([]error, max(s.Workers, 1))
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			for ctx.Err() == nil && errs[w] == nil {
				b := next.Add(1) - 1
				if s.Flows > 0 && b*batch >= s.Flows {
					return
				}
				errs[w] = s.batch(ctx, b)
			}
			s.stop()
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// batch runs flows of one setup against one array. A flow that finds something ends it.
func (s *Search) batch(ctx context.Context, b uint64) error {
	set := s.Setups[b%uint64(len(s.Setups))]
	var r run
	var found *Found
	var ran error
	err := scenarios.Bubble(s.T, 0, func(context.Context) {
		var p pair
		if ran = p.start(set, s.Deviations, &r); ran != nil {
			return
		}
		defer func() { ran = errors.Join(ran, p.array.Close()) }()
		for i := b * batch; i < (b+1)*batch && (s.Flows == 0 || i < s.Flows) && ctx.Err() == nil; i++ {
			f := DrawTarget(NewSeeded(s.Seed, i), set)
			if p.log = nil; i%overhear == 0 {
				p.log = trace.NewLimitedLog(listening)
			}
			var finding *Finding
			var all []*Finding
			if all, ran = r.flow(&f); len(all) > 0 {
				finding = all[0]
			} else if ran == nil {
				if p.log.Enabled() {
					finding = p.overheard()
				}
				ran = p.clear()
			}
			s.done.Add(1)
			if finding != nil || ran != nil {
				found = &Found{Began: f, Flow: f, Index: i}
				if finding != nil {
					found.Finding = *finding
				}
				return
			}
		}
		var finding *Finding
		if finding, ran = r.health(); finding != nil {
			found = &Found{Began: healthy, Flow: healthy, Index: b * batch, Finding: *finding}
		}
	})
	s.mu.Lock()
	r.tally.addTo(&s.total)
	s.mu.Unlock()
	switch {
	case err != nil:
		return err
	case found != nil && ran == nil:
		s.tell(found)
	}
	return ran
}

// sameMost bounds how often one rule is shrunk and told of.
const sameMost = 1

// tell shrinks what was found and tells of it, once for each rule and kind of outcome.
func (s *Search) tell(found *Found) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := found.Finding.Rule + string(found.Finding.Got.Kind)
	if s.seen[key]++; s.seen[key] > sameMost {
		return
	}
	fails := func(f Flow) bool {
		finding, err := RunTarget(f, Options{T: s.T, Deviations: s.Deviations})
		if err != nil || finding == nil || !finding.Same(&found.Finding) {
			return false
		}
		found.Finding = *finding
		return true
	}
	if found.Alone = fails(found.Began); found.Alone {
		found.Flow = Shrink(found.Began, 0, fails)
		if plain := healthy; len(found.Flow.Steps) == 0 {
			plain.Setup = found.Flow.Setup
			if fails(plain) {
				found.Flow = plain // What serves every other flow as the proof that the target lives fails by itself.
			}
		}
	}
	if s.Found != nil && s.Found(*found) {
		s.stop()
	}
}

// RateOf runs flows for a benchmark on so many workers and gives the time that they took.
func RateOf(t *testing.T, flows uint64, workers int) (time.Duration, error) {
	s := Search{T: t, Seed: 1, Workers: workers, Flows: flows}
	began := time.Now()
	err := s.Run(context.Background())
	return time.Since(began), err
}
