package scripted

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// Search looks for flows that the project's own initiator answers unlawfully, in virtual time on several cores. It is fuzz.Search for the other
// role.
type Search struct {
	// T lends its identity to the bubbles. Required.
	T *testing.T
	// Seed makes the flows; Workers run them, 0 means one.
	Seed    uint64
	Workers int
	// Flows is how many are run, 0 without end: then until the context ends.
	Flows uint64
	// Deviations make the initiator faulty; nil is a sound one.
	Deviations *ini.Deviations
	// Found is told of every fault once, with the smallest flow for it. It is called by one worker at a time. When it reports true the
	// search ends.
	Found func(fuzz.Found) (stop bool)

	done  atomic.Uint64
	mu    sync.Mutex
	seen  map[string]bool
	total fuzz.Coverage
	stop  context.CancelFunc
}

// Done is how many flows were run so far. It may be asked at any time.
func (s *Search) Done() uint64 { return s.done.Load() }

// Reached is what was covered so far. It may be asked at any time.
func (s *Search) Reached() fuzz.Coverage {
	s.mu.Lock()
	defer s.mu.Unlock()
	var c fuzz.Coverage
	c.Add(&s.total)
	return c
}

// share is how many flows a worker runs before it hands its coverage in.
const share = 64

// Run searches until the context ends, the flows are run, or Found wants no more. The error tells that a flow could not be run.
func (s *Search) Run(ctx context.Context) error {
	s.seen = map[string]bool{}
	ctx, s.stop = context.WithCancel(ctx)
	defer s.stop()
	var next atomic.Uint64
	errs := make([]error, max(s.Workers, 1))
	var workers sync.WaitGroup
	for w := range errs {
		workers.Go(func() {
			for ctx.Err() == nil && errs[w] == nil {
				from := next.Add(share) - share
				if s.Flows > 0 && from >= s.Flows {
					return
				}
				errs[w] = s.run(ctx, from)
			}
		})
	}
	workers.Wait()
	return errors.Join(errs...)
}

// run runs the flows of one share.
func (s *Search) run(ctx context.Context, from uint64) error {
	var cover fuzz.Coverage
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.total.Add(&cover)
	}()
	for i := from; i < from+share && (s.Flows == 0 || i < s.Flows) && ctx.Err() == nil; i++ {
		f := Draw(fuzz.NewSeeded(s.Seed, i))
		findings, err := run(s.T, f, &cover, s.Deviations)
		s.done.Add(1)
		if err != nil {
			return err
		}
		if len(findings) > 0 {
			s.tell(fuzz.Found{Flow: f, Began: f, Index: i, Finding: *findings[0], Alone: true})
		}
	}
	return nil
}

// tell shrinks what was found and tells of it, once for each rule and kind of outcome.
func (s *Search) tell(found fuzz.Found) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := found.Finding.Rule + " " + string(found.Finding.Got.Kind)
	if s.seen[key] {
		return
	}
	s.seen[key] = true
	found.Flow, found.Finding = shrink(s.T, found, s.Deviations)
	if s.Found != nil && s.Found(found) {
		s.stop()
	}
}

// shrinkMost bounds how many smaller flows are tried for one fault.
const shrinkMost = 4000

// shrink gives the smallest flow that shows a fault, and what it shows.
func shrink(t *testing.T, found fuzz.Found, dev *ini.Deviations) (fuzz.Flow, fuzz.Finding) {
	last := found.Finding
	fails := func(f fuzz.Flow) bool {
		findings, err := run(t, f, nil, dev)
		if err != nil || len(findings) == 0 || !findings[0].Same(&found.Finding) {
			return false
		}
		last = *findings[0]
		return true
	}
	best := found.Began
	for conn := best.Conns(); conn > 0; conn-- {
		if less := without(best, conn); fails(less) {
			best = less
		}
	}
	best = fuzz.Shrink(best, shrinkMost, fails)
	for _, name := range []string{"plain", strings.TrimSuffix(best.Setup, loopSuffix)} {
		if plain := best; name != best.Setup {
			if plain.Setup = name; fails(plain) {
				best = fuzz.Shrink(plain, shrinkMost, fails)
				break
			}
		}
	}
	return best, last
}

// without is a flow without one of its connections; those behind it move up.
func without(f fuzz.Flow, conn int) fuzz.Flow {
	less := fuzz.Flow{Role: f.Role, Setup: f.Setup}
	for _, s := range f.Steps {
		if s.Conn == conn {
			continue
		}
		if s.Conn > conn {
			s.Conn--
		}
		less.Steps = append(less.Steps, s)
	}
	return less
}

// RateOf runs flows for a benchmark on so many workers and gives the time that they took.
func RateOf(t *testing.T, flows uint64, workers int) (time.Duration, error) {
	s := Search{T: t, Seed: 1, Workers: workers, Flows: flows}
	began := time.Now()
	err := s.Run(context.Background())
	return time.Since(began), err
}
