package integrity

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/scenarios/sessions"
	"github.com/iscsispec/iscsispec/trace"
)

// judgeLimit bounds the judging of one block, and judgePatience that of one that took longer: the search for an order is exponential at worst, and a busy
// machine has little time for it. Histories of random plans take far less.
const (
	judgeLimit    = 10 * time.Second
	judgePatience = time.Minute
)

// result is a plan that was run and judged.
type result struct {
	drawn
	run    *sessions.Run
	report *Report
	err    error
}

// try runs a plan and judges it. What passes the wire is left out of the trace, since no judge of data asks for it.
func try(t *testing.T, d drawn) result { return tried(t, d, true) }

// tried runs a plan and judges it.
func tried(t *testing.T, d drawn, quiet bool) result {
	run, err := sessions.Execute(d.plan, sessions.Options{T: t, Seed: d.seed, Quiet: quiet})
	if err != nil {
		return result{drawn: d, run: run, err: err}
	}
	report := Judge(run, judgeLimit)
	if len(report.Unclear) > 0 && !report.Violated() {
		report = Judge(run, judgePatience)
	}
	return result{drawn: d, run: run, report: report}
}

// broken names what a plan breaks: a rule, or that its run came to no end. It is "" for none.
func (r result) broken() string {
	switch {
	case r.err != nil:
		return "the run comes to its end"
	case r.report.Violated():
		return r.report.Violations[0].Rule
	}
	return ""
}

// String tells what is broken, how to see it again, and the plan's number for who draws it again.
func (r result) String() string {
	if r.err != nil {
		return fmt.Sprintf("%v\n%s", r.err, ReplayLine(r.plan, r.seed))
	}
	return fmt.Sprintf("%v%s", r.report, ReplayLine(r.plan, r.seed))
}

// tally is what a search came to.
type tally struct {
	mu sync.Mutex
	// plans are those that were run, and whole those of them in which every fault fired. The others prove less than was planned, and are not
	// counted as passed; what they violate counts.
	plans, whole                         int
	unfired                              int // faults that never fired, in plans that are not whole
	requests, acknowledged, again, final int
	overtaken, unplanned                 int
	unclear                              []int // the numbers of plans that were not judged within judgeLimit, nor within judgePatience; they are not whole
	fired                                map[faults.Verb]int
	violations                           []result
	numbers                              []int // of the plans in violations
}

// toldEvery is after how many plans a search tells how far it is.
const toldEvery = 10_000

// count takes a result in, and tells what the search has come to by then.
func (y *tally) count(number int, r result) (plans, whole, broken int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.plans++
	if r.broken() != "" {
		y.violations, y.numbers = append(y.violations, r), append(y.numbers, number)
	}
	if r.err == nil {
		y.add(number, r)
	}
	return y.plans, y.whole, len(y.numbers)
}

// add counts what a run was. The mutex is held.
func (y *tally) add(number int, r result) {
	y.requests += r.report.Requests
	y.acknowledged += r.report.Acknowledged
	y.again += r.report.Again
	y.overtaken += min(1, len(r.report.Overtaken))
	y.unplanned += min(1, len(r.run.Trouble))
	if slices.ContainsFunc(r.run.Ops(lastRead), func(o sessions.OpRun) bool { return o.Is(sessions.Good) }) {
		y.final++
	}
	missed := 0
	for i, f := range r.plan.Faults { // Those of steps stand behind them.
		y.fired[f.Verb] += r.run.Faults[i].Fired
		if r.run.Faults[i].Fired == 0 {
			missed++
		}
	}
	y.unfired += missed
	switch {
	case len(r.report.Unclear) > 0:
		y.unclear = append(y.unclear, number)
	case missed == 0:
		y.whole++
	}
}

// String is the report of a search: numbers that were counted.
func (y *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d plans in which every fault fired, and %d more in which %d faults never did: those are not counted as passed\n", y.whole,
		y.plans-y.whole-len(y.unclear), y.unfired)
	fmt.Fprintf(&b, "%d requests, %d acknowledged, %d writes sent again after a loss; in %d plans what is left was read at the end\n", y.requests, y.acknowledged, y.again, y.final)
	fmt.Fprintf(&b, "faults fired:")
	for _, verb := range slices.Sorted(maps.Keys(y.fired)) {
		fmt.Fprintf(&b, " %s %d", verb, y.fired[verb])
	}
	fmt.Fprintf(&b, "\nplans in which a write that was sent again overtook another: %d; not as planned: %d; not judged in time, and not counted as passed: %d\n",
		y.overtaken, y.unplanned, len(y.unclear))
	fmt.Fprintf(&b, "violations: %d", len(y.violations))
	return b.String()
}

// bounds say when a search ends: when so many plans were run, every fault fired in so many of them, or so many broke a rule. 0 is no bound.
type bounds struct{ plans, whole, broken int }

// reached tells whether a search that came so far ends.
func (b bounds) reached(y *tally) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	return b.plans > 0 && y.plans >= b.plans || b.whole > 0 && y.whole >= b.whole || b.broken > 0 && len(y.numbers) >= b.broken
}

// search runs the plans with the numbers from first on, as many at once as there are cores. change, when not nil, alters each.
func search(t *testing.T, first int, until bounds, change func(d *drawn)) *tally {
	y := &tally{fired: map[faults.Verb]int{}}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for !until.reached(y) {
				n := first + int(next.Add(1)) - 1
				r := try(t, changed(numbered(n), change))
				if plans, whole, broken := y.count(n, r); plans%toldEvery == 0 {
					t.Logf("%d plans: every fault fired in %d of them, %d violations", plans, whole, broken)
				}
			}
		})
	}
	workers.Wait()
	return y
}

// keep saves a result where its finder can look at it: the plan, its trace, and the history as porcupine draws it.
func keep(t *testing.T, folder, name string, r result) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path+".yaml", []byte(r.plan.String()), 0o644); err != nil {
		t.Error(err)
	}
	if r.run == nil {
		return
	}
	r = tried(t, r.drawn, false)
	events, err := os.Create(path + ".jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	if err := trace.WriteJSONL(events, r.run.Events); err != nil {
		t.Error(err)
	}
	if r.report == nil {
		return
	}
	picture, err := os.Create(path + ".html")
	if err != nil {
		t.Fatal(err)
	}
	defer picture.Close()
	if err := r.report.Picture(picture); err != nil {
		t.Error(err)
	}
	t.Logf("%s has the plan, .jsonl its trace, .html the history as a picture", path+".yaml")
}
