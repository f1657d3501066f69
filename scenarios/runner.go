package scenarios

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/trace"
)

// Defaults of the runner's limits and of what a record keeps.
const (
	// RunLimitVirtual is a check's deadline in a bubble.
	RunLimitVirtual = 24 * time.Hour
	// RunLimitReal is a check's deadline on the wall clock.
	RunLimitReal = 60 * time.Second
	// WallLimit is the watchdog of a check that runs in a bubble, where every duration is virtual. Only one that never ends needs all of it: on a
	// busy machine, and under the race detector, a sound one may take minutes.
	WallLimit = 10 * time.Minute
	// wallGrace is what a check on the wall clock gets beyond its deadline to come back.
	wallGrace = 15 * time.Second
	// TraceMax is how many events a record keeps after folding.
	TraceMax = 400
)

// Runner works a list of checks off.
type Runner struct {
	// T lends its identity to bubbles; needed wherever a suite is virtual.
	T *testing.T
	// Workers run at once in virtual suites; 0 means one for each core. Checks of a real peer share that peer: there Suite.Sessions decides.
	Workers int
	// Seed of the whole run.
	Seed uint64
	// Strict asks for failures where the catalogue names a leniency, and where a SHOULD is broken.
	Strict bool
	// Allow is the gravest risk that may be taken against a peer that is not embedded.
	Allow Risk
	// Limits over the defaults.
	Limits Limits
	// Baseline may be nil.
	Baseline *Baseline
	// Replay makes the command line that runs one check again. May be nil.
	Replay func(e Entry) string

	// OnStart is told of each check when it is taken up, from the check's own goroutine. May be nil.
	OnStart func(e Entry)
	// OnEnd is told when the check has ended, from Run's goroutine; its result may have to wait for those before it in the list. May be nil.
	OnEnd func(e Entry)
	// OnResult gets every result in the order of the list, one after the other. An error ends the run. May be nil.
	OnResult func(r *Result) error
}

// Run runs the entries and returns their results in the order of the list, and behind them the rows that monitors found broken, each once. What
// a check found while others ran at the same peer counts only where it passed or was skipped, or where a baseline knows it: else the check runs
// again alone, and what it finds then counts. When ctx ends, no further check is taken up, results of checks that the end disturbed are
// dropped, and the error is ctx's cause. Any other error is OnResult's.
func (r *Runner) Run(ctx context.Context, entries []Entry) ([]*Result, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	type done struct {
		turn
		result *Result
	}
	finished := make(chan done)
	order, running := turnsOf(entries, r.Workers), 0
	doubtful := map[int]*Result{} // what came of checks in company that run again
	start := func() {
		for ctx.Err() == nil {
			now, may := order.next()
			if !may {
				return
			}
			running++
			first := doubtful[now.place] == nil
			go func() {
				if r.OnStart != nil && first {
					r.OnStart(entries[now.place])
				}
				finished <- done{now, r.one(ctx, entries[now.place], nil, now)}
			}()
		}
	}
	waiting := make([]*Result, len(entries))
	var results []*Result
	hand := 0
	var seen watch
	deliver := func(result *Result) {
		results = append(results, result)
		if r.OnResult != nil {
			if err := r.OnResult(result); err != nil {
				stop(err)
			}
		}
		seen.take(result)
		result.Whole = nil
	}
	for start(); running > 0; start() {
		d := <-finished
		running--
		if order.ended(d.turn, !d.result.settled()) {
			doubtful[d.place] = d.result
			continue
		}
		if first := doubtful[d.place]; first != nil && first.Verdict != d.result.Verdict {
			d.result.Beside = fmt.Sprintf("%v: %s", first.Verdict, first.Reason)
		}
		start()
		if r.OnEnd != nil {
			r.OnEnd(entries[d.place])
		}
		waiting[d.place] = d.result
		for ; hand < len(waiting) && waiting[hand] != nil; hand++ {
			deliver(waiting[hand])
			waiting[hand] = nil
		}
	}
	// Only an early end leaves results behind a gap; they are whole, so they are kept.
	for _, result := range waiting {
		if result != nil && result.Kind != "" {
			deliver(result)
		}
	}
	for _, result := range seen.results(r.Baseline) {
		deliver(result)
	}
	return results, context.Cause(ctx)
}

// One runs one check, with a deviation in the peer or, with nil, against the peer as it is. It always comes back: a check
// that outlasts the watchdog is left behind and reported as Broken.
func (r *Runner) One(ctx context.Context, e Entry, deviation *Deviation) *Result {
	return r.one(ctx, e, deviation, turn{})
}

// one runs one check in its turn.
func (r *Runner) one(ctx context.Context, e Entry, deviation *Deviation, now turn) *Result {
	env := &Env{T: r.T, Check: e.Check, Seed: SeedFor(r.Seed, e.ID), Virtual: e.Of.Virtual, Strict: r.Strict,
		Allow: r.Allow, Deviation: deviation, Abilities: e.Of.Abilities, Limits: r.limits(e), Beside: now.beside, Range: now.blocks}
	if now.beside && e.Unit == UnitShared {
		env.Ranges = e.Of.Ranges
	}
	var outcome Outcome
	if reason := r.Unfit(e); reason != "" {
		outcome = Skipped(reason)
	} else {
		outcome = r.guarded(ctx, e, env)
	}
	result := r.settle(e, env, outcome)
	result.Noticed = r.notice(e, result, outcome.Trace)
	r.Baseline.Judge(result)
	return result
}

// Unfit says why a check would be skipped without being tried; empty means it would be tried.
func (r *Runner) Unfit(e Entry) string {
	for _, need := range e.Needs {
		if ability, known := e.Of.Abilities[need]; known && !ability.Present {
			if ability.Reason == "" {
				return fmt.Sprintf("The peer lacks %s.", need)
			}
			return fmt.Sprintf("The peer lacks %s: %s.", need, ability.Reason)
		}
	}
	if e.Risk > r.Allow && !e.Of.Embedded {
		return fmt.Sprintf("The check is %s; --allow %s permits it.", e.Risk.adjective(), e.Risk)
	}
	return ""
}

// limits are the check's over the runner's over the defaults.
func (r *Runner) limits(e Entry) Limits {
	l := Limits{Run: RunLimitVirtual, Wall: WallLimit}
	if !e.Of.Virtual {
		l.Run = RunLimitReal
	}
	for _, over := range []Limits{r.Limits, e.Limits} {
		if over.Run > 0 {
			l.Run = over.Run
		}
		if over.Wall > 0 {
			l.Wall = over.Wall
		}
	}
	if !e.Of.Virtual {
		l.Wall = max(l.Wall, l.Run+wallGrace)
	}
	return l
}

// guarded runs the check on a goroutine of its own, so that neither a panic nor a hang reaches the run.
func (r *Runner) guarded(ctx context.Context, e Entry, env *Env) Outcome {
	// A bubble has a deadline of its own; its check only has to learn that the watchdog gave it up.
	limit := env.Limits.Wall
	if !env.Virtual {
		limit = env.Limits.Run
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	back := make(chan Outcome, 1)
	go func() {
		defer func() {
			if v := recover(); v != nil {
				back <- Outcome{Verdict: Broken, Reason: fmt.Sprintf("The check panicked: %v.", v), Actual: string(debug.Stack())}
			}
		}()
		back <- e.Of.Stage(ctx, env, runCaught(e.Check))
	}()
	watchdog := time.NewTimer(env.Limits.Wall)
	defer watchdog.Stop()
	select {
	case outcome := <-back:
		return outcome
	case <-watchdog.C:
		return Outcome{Verdict: Broken, Reason: fmt.Sprintf("The check did not come back within %v.", env.Limits.Wall), Actual: stacks()}
	}
}

// runCaught is the check's Run with its panics turned into Broken on the goroutine where they happen, since inside a
// bubble a panic would end the process.
func runCaught(c *Check) func(ctx context.Context, env *Env) Outcome {
	return func(ctx context.Context, env *Env) (outcome Outcome) {
		defer func() {
			if v := recover(); v != nil {
				outcome = Outcome{Verdict: Broken, Reason: fmt.Sprintf("The check panicked: %v.", v), Actual: string(debug.Stack())}
			}
		}()
		return c.Run(ctx, env)
	}
}

// stacks returns what all goroutines do, bounded.
func stacks() string {
	text := make([]byte, 64<<10)
	return string(text[:runtime.Stack(text, true)])
}

// adjective is how a sentence names the risk.
func (r Risk) adjective() string {
	switch r {
	case Safe:
		return "safe"
	case Writes:
		return "one that writes to the logical unit"
	case Disruptive:
		return "one that may disturb other initiators"
	}
	return "of unknown risk"
}

// settle makes the result of an outcome: level, strictness and faults have their say.
func (r *Runner) settle(e Entry, env *Env, o Outcome) *Result {
	result := &Result{Kind: "result", ID: e.ID, Suite: e.Suite, Role: e.Row.Role, Group: e.Row.Group, Level: e.Row.Level,
		Tier: e.Row.Tier, Clause: e.Row.Clause, Title: e.Row.Expects, Reason: o.Reason, Accepted: o.Accepted, Actual: o.Actual,
		Findings: o.Findings, Faults: o.Faults, Plan: o.Plan, doubtful: o.Doubtful, Seed: env.Seed, Virtual: env.Virtual, Duration: o.Duration,
		Whole: o.Trace, Trace: trace.Fold(o.Trace, TraceMax)}
	if result.Accepted == nil {
		result.Accepted = e.Accepts
	}
	Settlement{Level: e.Row.Level, Own: e.Of.Own, Strict: r.Strict}.settle(result, o)
	if r.Replay != nil {
		result.Replay = r.Replay(e)
	}
	return result
}
