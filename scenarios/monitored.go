package scenarios

import (
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/iscsispec/iscsispec/trace"
)

// Monitor looks for invariants that hold on any traffic, in the trace of a check, whatever the check itself was about. Each of its findings names
// its row (Finding.Row). It may be called from several goroutines at once.
type Monitor func(events []trace.Event) []Finding

// Monitored tells where monitors saw a row broken.
type Monitored struct {
	// Check is the first one whose trace shows it, in the order of the list.
	Check string `json:"check"`
	// Checks counts all of them, Times how often they show it.
	Checks int `json:"checks"`
	Times  int `json:"times"`
}

// notice lets the suite's monitor look at a result's trace and settles what it found by the levels of the rows. A monitor that panics is a defect of
// the harness, as a check is.
func (r *Runner) notice(e Entry, result *Result, events []trace.Event) (noticed []Finding) {
	if e.Of.Monitor == nil || len(events) == 0 {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			result.Verdict, result.Reason, result.Actual = Broken, fmt.Sprintf("A monitor panicked: %v.", v), string(debug.Stack())
		}
	}()
	for _, f := range e.Of.Monitor(events) {
		row := LoadCatalogue().Row(f.Row)
		if row == nil {
			panic(fmt.Sprintf("a monitor names the row %q, which the catalogue lacks", f.Row))
		}
		f.Verdict = Settlement{Level: row.Level, Own: e.Of.Own, Strict: r.Strict}.Verdict(f.Verdict, f.Firm)
		f.Evidence = f.Evidence[:min(len(f.Evidence), EvidenceMax)]
		noticed = append(noticed, f)
	}
	return noticed
}

// watch gathers what monitors found in the traces of one run.
type watch struct {
	bySuite map[string]map[string]*Result
	order   []*Result
}

// take adds what was found in the trace of one check. Results come in the order of the list.
func (w *watch) take(r *Result) {
	for _, f := range r.Noticed {
		if w.bySuite == nil {
			w.bySuite = map[string]map[string]*Result{}
		}
		rows := w.bySuite[r.Suite]
		if rows == nil {
			rows = map[string]*Result{}
			w.bySuite[r.Suite] = rows
		}
		first := rows[f.Row]
		if first == nil {
			first = monitored(r, f)
			rows[f.Row] = first
			w.order = append(w.order, first)
		}
		first.Monitored.Checks++
		first.Monitored.Times += max(1, f.Times)
		if first.Verdict != f.Verdict && Worse(first.Verdict, f.Verdict) == f.Verdict { // a graver sighting takes the first one's place
			graver := monitored(r, f)
			graver.Monitored.Checks, graver.Monitored.Times = first.Monitored.Checks, first.Monitored.Times
			*first = *graver
		}
	}
}

// results are the rows that were found broken, suite by suite in the order of the list, each row once.
func (w *watch) results(b *Baseline) []*Result {
	for _, r := range w.order {
		r.tellMonitored()
		b.Judge(r)
	}
	return slices.Clone(w.order)
}

// monitored makes the result of a row from its first sighting.
func monitored(r *Result, f Finding) *Result {
	row := LoadCatalogue().Row(f.Row)
	return &Result{Kind: "result", ID: row.ID, Suite: r.Suite, Role: row.Role, Group: row.Group, Level: row.Level, Tier: row.Tier,
		Clause: row.Clause, Title: row.Expects, Verdict: f.Verdict, Findings: []Finding{f}, Seed: r.Seed, Virtual: r.Virtual, Duration: r.Duration,
		Capture: r.Capture, Replay: r.Replay, Monitored: &Monitored{Check: r.ID}}
}

// tellMonitored says where monitors saw the row broken.
func (r *Result) tellMonitored() {
	m := r.Monitored
	r.Actual = r.Findings[0].Reason
	r.Reason = fmt.Sprintf("A monitor saw it in the trace of %s: %s.", m.Check, r.Actual)
	if m.Checks > 1 {
		r.Reason = fmt.Sprintf("A monitor saw it in the traces of %d checks, first in %s: %s.", m.Checks, m.Check, r.Actual)
	}
}

// JoinMonitored makes one result of what monitors found of one row in several parts of a run, the first graver one of them with the sums of
// all. The parts stay as they are; a part without findings, as only foreign records hold, is counted and no more.
func JoinMonitored(parts []*Result) *Result {
	joined := *parts[0]
	var sum Monitored
	for _, p := range parts {
		if joined.Verdict != p.Verdict && Worse(joined.Verdict, p.Verdict) == p.Verdict {
			joined = *p
		}
		sum.Checks += p.Monitored.Checks
		sum.Times += p.Monitored.Times
	}
	sum.Check = joined.Monitored.Check
	joined.Monitored = &sum
	if len(joined.Findings) > 0 {
		joined.tellMonitored()
	}
	return &joined
}
