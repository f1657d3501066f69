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

// judgeLimit bounds the judging of one block. Histories of random plans take far less.
const judgeLimit = 10 * time.Second

// result is a plan that was run and judged.
type result struct {
	drawn
	run    *sessions.Run
	report *Report
	err    error
}

// try runs a plan and judges it.
func try(t *testing.T, d drawn) result {
	run, err := sessions.Execute(d.plan, sessions.Options{T: t, Seed: d.seed})
	if err != nil {
		return result{drawn: d, run: run, err: err}
	}
	return result{drawn: d, run: run, report: Judge(run, judgeLimit)}
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
	mu                                     sync.Mutex
	plans, requests, acknowledged, again   int
	overtaken, unclear, unplanned, unfired int
	fired                                  map[faults.Verb]int
	whole                                  int // plans in which every fault fired
	violations                             []result
	numbers                                []int // of the plans in violations
}

// count takes a result in.
func (y *tally) count(number int, r result) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.plans++
	if r.broken() != "" {
		y.violations, y.numbers = append(y.violations, r), append(y.numbers, number)
	}
	if r.err != nil {
		return
	}
	y.requests += r.report.Requests
	y.acknowledged += r.report.Acknowledged
	y.again += r.report.Again
	y.overtaken += min(1, len(r.report.Overtaken))
	y.unclear += min(1, len(r.report.Unclear))
	y.unplanned += min(1, len(r.run.Trouble))
	whole := 1
	for i, f := range r.plan.Faults { // Those of steps stand behind them.
		y.fired[f.Verb] += r.run.Faults[i].Fired
		if r.run.Faults[i].Fired == 0 {
			y.unfired++
			whole = 0
		}
	}
	y.whole += whole
}

// String is the report of a search: numbers that were counted.
func (y *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d plans run: %d requests, %d acknowledged, %d writes sent again after a loss\n", y.plans, y.requests, y.acknowledged, y.again)
	fmt.Fprintf(&b, "faults fired:")
	for _, verb := range slices.Sorted(maps.Keys(y.fired)) {
		fmt.Fprintf(&b, " %s %d", verb, y.fired[verb])
	}
	fmt.Fprintf(&b, "\nplans in which every fault fired: %d; faults that never fired: %d\n", y.whole, y.unfired)
	fmt.Fprintf(&b, "plans in which a write that was sent again overtook another: %d; not as planned: %d; not judged in time: %d\n", y.overtaken, y.unplanned, y.unclear)
	fmt.Fprintf(&b, "violations: %d", len(y.violations))
	return b.String()
}

// search runs the plans with the numbers from first on, as many at once as there are cores, until there are count of them or most have broken a
// rule. change, when not nil, alters each.
func search(t *testing.T, first, count, most int, change func(d *drawn)) *tally {
	y := &tally{fired: map[faults.Verb]int{}}
	var next, bad atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= count || int(bad.Load()) >= most {
					return
				}
				d := numbered(first + i)
				if change != nil {
					change(&d)
				}
				r := try(t, d)
				if r.broken() != "" {
					bad.Add(1)
				}
				y.count(first+i, r)
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
