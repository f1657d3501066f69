package scenarios

import (
	"fmt"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/trace"
)

// Finding is one thing that a judge or a check has to say. A judge returns findings, never a verdict over the whole.
type Finding struct {
	// Verdict before the row's level has its say. The zero value is Fail.
	Verdict Verdict `json:"verdict"`
	// Firm keeps the verdict as it is: the row's own words decide, whatever its level.
	Firm bool `json:"firm,omitempty"`
	// Row is the catalogue's row that it belongs to, where that is not the check's own: a monitor found it.
	Row string `json:"row,omitempty"`
	// Times is how often it was seen, where it was counted.
	Times int `json:"times,omitempty"`
	// Part names the variant of the check that it comes from, where the check has several.
	Part string `json:"part,omitempty"`
	// Rule names what was looked at, where it is narrower than the row: "StatSN steps by one".
	Rule string `json:"rule,omitempty"`
	// Reason is one sentence about what was seen and why it matters.
	Reason string `json:"reason"`
	// Clause is narrower than the row's, where it helps.
	Clause string `json:"clause,omitempty"`
	// Expected lists the accepted outcomes; Actual is what came instead.
	Expected []string `json:"expected,omitempty"`
	Actual   string   `json:"actual,omitempty"`
	// At is when, since the start of the run. Zero where no instant applies.
	At time.Duration `json:"at,omitempty"`
	// Evidence holds the events that show it, at most EvidenceMax.
	Evidence []trace.Event `json:"evidence,omitempty"`
}

// EvidenceMax is how many events a finding keeps.
const EvidenceMax = 8

// SeenBy completes a finding that is made while a check runs: the instant is now, the reason names the part, and the evidence is the last that
// a node has recorded of its connections.
func (f Finding) SeenBy(log *trace.Log, node string) Finding {
	f.At = log.Now()
	if f.Part != "" {
		f.Reason = f.Part + ": " + f.Reason
	}
	seen := log.Events().OfNode(node).OfKind(trace.KindPDUSent, trace.KindPDUReceived, trace.KindBytes, trace.KindConnClosed)
	f.Evidence = seen[max(0, len(seen)-EvidenceMax):]
	return f
}

// Unaccepted puts into one sentence what was wanted and what came instead; the finding has both whole.
func Unaccepted(actual any, want []string) string {
	came, _, _ := strings.Cut(fmt.Sprint(actual), "\n")
	came = strings.TrimSuffix(came, ".")
	if len(want) == 0 {
		return "Not accepted: " + came + "."
	}
	return "Wanted " + strings.Join(want, " or ") + "; got " + came + "."
}

// Fault tells of one planned fault of a run.
type Fault struct {
	// Plan is the fault's text form, as it is parsed.
	Plan string `json:"plan"`
	// Fired counts how often it really happened. A planned fault that never fired makes a pass inconclusive.
	Fired int `json:"fired"`
	// Optional marks a fault that need not fire.
	Optional bool `json:"optional,omitempty"`
}

// Outcome is what one run of a check saw. The zero value is a failure: nothing accepted was seen.
type Outcome struct {
	// Verdict before the row's level has its say; the graver of it and of the findings' counts.
	Verdict Verdict
	// Firm keeps the verdict as it is, whatever the row's level: the row's own words decide.
	Firm bool
	// Reason is one sentence.
	Reason string
	// Accepted overrides Check.Accepts where not nil.
	Accepted []string
	// Actual is what was seen, in words that can stand beside Accepted.
	Actual string
	// Findings are what judges said.
	Findings []Finding
	// Trace is what the run left, in canonical order.
	Trace []trace.Event
	// Duration of the run on the clock that the check saw.
	Duration time.Duration
	// Faults that were planned.
	Faults []Fault
	// Plan is a text form of what was run, where there is one.
	Plan string
	// Doubtful tells that other checks of the same peer may be the reason for a skip, where some ran meanwhile.
	Doubtful bool
}

// Passed is the outcome of a check that saw what it accepts.
func Passed(actual string) Outcome { return Outcome{Verdict: Pass, Actual: actual} }

// Failed is the outcome of a check that saw something else.
func Failed(actual string) Outcome {
	return Outcome{Verdict: Fail, Reason: "No accepted outcome was seen.", Actual: actual}
}

// Warned is the outcome of a check that saw a leniency which the row names.
func Warned(reason, actual string) Outcome {
	return Outcome{Verdict: Warn, Reason: reason, Actual: actual}
}

// Skipped is the outcome of a check that lacks a capability; the reason says which.
func Skipped(reason string) Outcome { return Outcome{Verdict: Skip, Reason: reason} }

// Unclear is the outcome of a check that could not bring about what it wanted to see.
func Unclear(reason string) Outcome { return Outcome{Verdict: Inconclusive, Reason: reason} }

// Conclude is the outcome of judges: a pass where there is no finding, else the gravest of them.
func Conclude(findings []Finding) Outcome {
	o := Outcome{Verdict: Pass, Findings: findings}
	for _, f := range findings {
		o.Verdict = Worse(o.Verdict, f.Verdict)
	}
	if o.Verdict == Pass { // the check's own accepted outcomes stand, and the findings tell the rest
		o.Actual = fmt.Sprintf("%d of %d expectations met", len(findings), len(findings))
		return o
	}
	for _, f := range findings {
		if f.Verdict == o.Verdict {
			o.Reason, o.Actual, o.Accepted = f.Reason, f.Actual, f.Expected
			break
		}
	}
	return o
}
