package sessions

import (
	"fmt"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

// Slack is the tolerance of every instant on virtual time, as the catalogue's header has it.
const Slack = 50 * time.Millisecond

// Judge collects what is to be said about the runs of a check. Every expectation leaves a finding: a pass that says what was seen, or a failure
// that names all accepted outcomes and what came instead. A check passes when there is at least one finding and all are passes. A judge only
// looks: it is a pure function of the runs.
type Judge struct {
	part     string
	findings []scenarios.Finding
}

// In names the run that the following findings are about, and returns the judge.
func (j *Judge) In(r *Run) *Judge {
	j.part = r.Plan.Name
	return j
}

// Findings are those so far.
func (j *Judge) Findings() []scenarios.Finding { return j.findings }

func (j *Judge) add(v scenarios.Verdict, rule string, expected []string, actual string, evidence []trace.Event) bool {
	f := scenarios.Finding{Verdict: v, Part: j.part, Rule: rule, Expected: expected, Actual: actual}
	if v == scenarios.Pass {
		f.Reason = fmt.Sprintf("%s: %s.", rule, actual)
	} else {
		f.Reason = fmt.Sprintf("%s: expected %s, got %s.", rule, strings.Join(expected, " or "), actual)
		f.Evidence = evidence[:min(len(evidence), scenarios.EvidenceMax)]
	}
	if len(evidence) > 0 {
		f.At = evidence[0].At
	}
	j.findings = append(j.findings, f)
	return v == scenarios.Pass
}

// Want is the general expectation: ok tells whether it is met, rule what is looked at, expected all that is accepted, actual what came. The
// result is ok, so that what rests on it can be left out.
func (j *Judge) Want(ok bool, rule, expected, actual string, evidence ...trace.Event) bool {
	return j.WantOneOf(ok, rule, []string{expected}, actual, evidence...)
}

// WantOneOf is Want with several accepted outcomes.
func (j *Judge) WantOneOf(ok bool, rule string, expected []string, actual string, evidence ...trace.Event) bool {
	v := scenarios.Fail
	if ok {
		v = scenarios.Pass
	}
	return j.add(v, rule, expected, actual, evidence)
}

// Take adds what a judge over traces has found, and tells whether it is all as expected. No finding is a failure: the judge saw nothing.
func (j *Judge) Take(findings ...scenarios.Finding) bool {
	ok := len(findings) > 0
	for _, f := range findings {
		if j.part != "" {
			f.Part = j.part
		}
		j.findings = append(j.findings, f)
		ok = ok && f.Verdict == scenarios.Pass
	}
	if len(findings) == 0 {
		return j.Want(false, "what the judge looks at", "something in the trace", "nothing")
	}
	return ok
}

// Lenient records what the row calls a warning: accepted from others, a failure of the project's own initiator.
func (j *Judge) Lenient(rule, expected, actual string, evidence ...trace.Event) {
	j.add(scenarios.Warn, rule, []string{expected}, actual, evidence)
}

// Unclear says that the run did not bring about what was to be seen. It never turns a failure into anything better.
func (j *Judge) Unclear(rule, why string, evidence ...trace.Event) {
	j.add(scenarios.Inconclusive, rule, []string{"the situation that the row is about"}, why, evidence)
}

// Equal expects a value.
func (j *Judge) Equal(rule string, got, want any, evidence ...trace.Event) bool {
	return j.Want(fmt.Sprint(got) == fmt.Sprint(want), rule, fmt.Sprint(want), fmt.Sprint(got), evidence...)
}

// Count expects a number from least to most.
func (j *Judge) Count(rule string, got, least, most int, evidence ...trace.Event) bool {
	expected := fmt.Sprintf("%d to %d", least, most)
	if least == most {
		expected = fmt.Sprint(least)
	}
	return j.Want(least <= got && got <= most, rule, expected, fmt.Sprint(got), evidence...)
}

// Instant expects something at an instant, give or take Slack. Got is negative when it never came.
func (j *Judge) Instant(rule string, got, want time.Duration, evidence ...trace.Event) bool {
	return j.Within(rule, got, want-Slack, want+Slack, evidence...)
}

// Within expects something from one instant to another. Got is negative when it never came.
func (j *Judge) Within(rule string, got, from, to time.Duration, evidence ...trace.Event) bool {
	actual := got.String()
	if got < 0 {
		actual = "never"
	}
	return j.Want(got >= 0 && from <= got && got <= to, rule, fmt.Sprintf("from %v to %v", max(from, 0), to), actual, evidence...)
}

// Took expects a duration, give or take Slack.
func (j *Judge) Took(rule string, got, want time.Duration, evidence ...trace.Event) bool {
	return j.Within(rule, got, want-Slack, want+Slack, evidence...)
}

// Outcome expects one of the outcomes of an op.
func (j *Judge) Outcome(o OpRun, accepted ...string) bool {
	actual := o.Outcome
	if o.Err != "" {
		actual += " (" + o.Err + ")"
	}
	if o.Status != "" {
		actual += " with login status " + o.Status
	}
	if o.Sense != "" {
		actual += " with sense " + o.Sense
	}
	rule := o.Label
	if o.N > 1 {
		rule = fmt.Sprintf("%s (instance %d)", o.Label, o.N)
	}
	return j.WantOneOf(o.Is(accepted...), "outcome of "+rule, accepted, actual, o.Evidence()...)
}

// Outcomes expects one of the outcomes of every op, and at least one op. One finding stands for all that are as they should be.
func (j *Judge) Outcomes(rule string, ops []OpRun, accepted ...string) bool {
	bad := 0
	for _, o := range ops {
		if !o.Is(accepted...) {
			if bad++; bad <= 3 { // the first ones tell enough
				j.Outcome(o, accepted...)
			}
		}
	}
	actual := fmt.Sprintf("%d of %d", len(ops)-bad, len(ops))
	return j.WantOneOf(bad == 0 && len(ops) > 0, rule, accepted, actual+" as expected")
}

// None expects that something never happened.
func (j *Judge) None(rule, expected string, found []trace.Event) bool {
	actual := "none"
	if len(found) > 0 {
		actual = fmt.Sprintf("%d, the first at %v", len(found), found[0].At)
	}
	return j.Want(len(found) == 0, rule, expected, actual, found...)
}

// containsText tells whether a message names something, whatever its letters' case.
func containsText(message, part string) bool {
	return strings.Contains(strings.ToLower(message), strings.ToLower(part))
}
