package scenarios

import (
	"time"

	"github.com/iscsispec/iscsispec/trace"
)

// Standing is how a result compares with the baseline.
type Standing string

// The standings. A result without a baseline entry has none.
const (
	// Known: listed, and came out as listed.
	Known Standing = "known"
	// Fixed: listed, and passes now: the entry has to go.
	Fixed Standing = "fixed"
	// Differs: listed, but came out neither as listed nor as a pass.
	Differs Standing = "differs"
)

// Result is what a run says about one check. It marshals to one line of records.jsonl.
type Result struct {
	// Kind is always "result"; the first line of the records is a "run".
	Kind   string `json:"kind"`
	ID     string `json:"id"`
	Suite  string `json:"suite"`
	Role   Role   `json:"role"`
	Group  string `json:"group"`
	Level  Level  `json:"level"`
	Tier   int    `json:"tier"`
	Clause string `json:"clause"`
	Title  string `json:"title"`
	// Verdict after level, strictness and faults had their say.
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason,omitempty"`
	// Accepted lists all accepted outcomes; Actual is what was seen.
	Accepted []string  `json:"accepted,omitempty"`
	Actual   string    `json:"actual,omitempty"`
	Findings []Finding `json:"findings,omitempty"`
	// Noticed is what monitors found in the trace, each with its own row. It changes nothing about the check: see Monitored.
	Noticed []Finding `json:"noticed,omitempty"`
	// Monitored tells that the result is a row that monitors found broken, and in the traces of which checks. It is nil for a check.
	Monitored *Monitored `json:"monitored,omitempty"`
	Faults    []Fault    `json:"faults,omitempty"`
	Plan      string     `json:"plan,omitempty"`
	// Seed is the check's own.
	Seed uint64 `json:"seed"`
	// Virtual tells that Duration and Trace are in virtual time.
	Virtual bool `json:"virtual"`
	// Duration in nanoseconds on the clock that the check saw.
	Duration time.Duration `json:"duration_ns"`
	// Standing and Because (the entry's reason) come from the baseline.
	Standing Standing `json:"standing,omitempty"`
	Because  string   `json:"because,omitempty"`
	// Beside is what the check came to when it ran beside others, where that was another verdict than this one, which it came to alone.
	Beside string `json:"beside,omitempty"`
	// Capture is the path of the pcapng file, relative to the run's folder; empty where no PDU was seen.
	Capture string `json:"capture,omitempty"`
	// Replay is the command line that runs this check alone again. It holds no secret.
	Replay string `json:"replay"`
	// Trace is folded for the records: repeated happenings are thinned.
	Trace []trace.Event `json:"trace,omitempty"`

	// Whole is the trace before folding, for captures and ladders drawn while the run goes on. It is no part of the
	// records, and the runner lets go of it once the result was handed out.
	Whole []trace.Event `json:"-"`

	doubtful bool // see Outcome.Doubtful
}

// Expected tells whether the result is no reason to fail the run: it passed, was skipped, only warned, or is known.
func (r *Result) Expected() bool {
	switch r.Standing {
	case Known:
		return true
	case Fixed, Differs:
		return false
	}
	return r.Verdict == Pass || r.Verdict == Warn || r.Verdict == Skip
}

// settled tells whether a result of a check that ran beside others is beyond doubt: others cannot have brought it about.
func (r *Result) settled() bool {
	return r.Standing == Known || r.Standing == "" && (r.Verdict == Pass || r.Verdict == Skip && !r.doubtful)
}

// Summary counts the results of checks. Rows that monitors found broken are counted by themselves.
type Summary struct {
	Total        int `json:"total"`
	Pass         int `json:"pass"`
	Fail         int `json:"fail"`
	Warn         int `json:"warn"`
	Skip         int `json:"skip"`
	Inconclusive int `json:"inconclusive"`
	Broken       int `json:"broken"`
	// Known counts results that a baseline entry explains; they are counted by verdict too.
	Known int `json:"known"`
	// Unexpected counts the results that fail the run: see Result.Expected. It includes those of monitors.
	Unexpected int `json:"unexpected"`
	// Monitored counts the rows that monitors found broken, and MonitoredKnown those of them that a baseline entry explains.
	Monitored      int `json:"monitored,omitempty"`
	MonitoredKnown int `json:"monitored_known,omitempty"`
}

// Add counts one result.
func (s *Summary) Add(r *Result) {
	if r.Monitored != nil {
		s.Monitored++
		if r.Standing == Known {
			s.MonitoredKnown++
		}
		if !r.Expected() {
			s.Unexpected++
		}
		return
	}
	s.Total++
	switch r.Verdict {
	case Pass:
		s.Pass++
	case Fail:
		s.Fail++
	case Warn:
		s.Warn++
	case Skip:
		s.Skip++
	case Inconclusive:
		s.Inconclusive++
	case Broken:
		s.Broken++
	}
	if r.Standing == Known {
		s.Known++
	}
	if !r.Expected() {
		s.Unexpected++
	}
}

// Count returns the number of results with that verdict.
func (s Summary) Count(v Verdict) int {
	switch v {
	case Pass:
		return s.Pass
	case Fail:
		return s.Fail
	case Warn:
		return s.Warn
	case Skip:
		return s.Skip
	case Inconclusive:
		return s.Inconclusive
	case Broken:
		return s.Broken
	}
	return 0
}

// Summarize counts all results.
func Summarize(results []*Result) Summary {
	var s Summary
	for _, r := range results {
		s.Add(r)
	}
	return s
}
