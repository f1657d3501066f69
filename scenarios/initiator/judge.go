package initiator

import (
	"fmt"
	"strings"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/trace"
)

// outcome joins the findings. A check of which every part was skipped is skipped.
func (t *T) outcome() scenarios.Outcome {
	skipped := 0
	for i, f := range t.findings {
		if f.Verdict == scenarios.Skip {
			skipped++
		}
		// A wait that the check's own deadline cut short says nothing about the initiator.
		if t.ctx.Err() != nil && (f.Verdict == scenarios.Fail || f.Verdict == scenarios.Warn) {
			t.findings[i].Verdict, t.findings[i].Reason = scenarios.Inconclusive, "The check's own time was over: "+f.Reason
		}
	}
	o := scenarios.Conclude(t.findings)
	switch {
	case t.ctx.Err() != nil && o.Verdict == scenarios.Pass:
		return scenarios.Unclear("The check's own time was over before it came to its end.")
	case skipped > 0 && skipped == len(t.findings) && t.passed == 0:
		o.Verdict, o.Reason = scenarios.Skip, t.findings[0].Reason
	}
	return o
}

// note adds a finding with the last PDUs as evidence.
func (t *T) note(v scenarios.Verdict, firm bool, reason, actual string, want []string) {
	f := scenarios.Finding{Verdict: v, Firm: firm, Part: t.part, Reason: reason, Expected: want, Actual: actual}
	t.findings = append(t.findings, f.SeenBy(t.env.Log, trace.NodeTarget))
}

// Fail notes that something came which the row does not accept, and ends the part. That nothing came of an external initiator which has
// done what it wanted is no failure but a skip.
func (t *T) Fail(actual any, want ...string) {
	if e, is := actual.(probe.Event); is && e.Kind != probe.Arrived && t.satisfied() {
		t.Skip("NOT-TESTABLE: the command has ended with all that it wanted, before %s.", strings.Join(want, " or "))
	}
	t.Fault(actual, want...)
	panic(stop{})
}

// Fault is Fail, but the part goes on.
func (t *T) Fault(actual any, want ...string) {
	t.note(scenarios.Fail, false, scenarios.Unaccepted(actual, want), fmt.Sprint(actual), want)
}

// FailFirmly is Fail for rows of the level "should" whose verdict says that this fails.
func (t *T) FailFirmly(actual any, want ...string) {
	t.note(scenarios.Fail, true, scenarios.Unaccepted(actual, want), fmt.Sprint(actual), want)
	panic(stop{})
}

// Warn notes a leniency, or a broken "should", and goes on. For the own initiator it is a failure.
func (t *T) Warn(reason string, actual any, want ...string) {
	t.note(scenarios.Warn, false, reason, fmt.Sprint(actual), want)
}

// Allow notes a leniency that the row grants to the own initiator too, and goes on.
func (t *T) Allow(reason string, actual any, want ...string) {
	t.note(scenarios.Warn, true, reason, fmt.Sprint(actual), want)
}

// Skip ends the part, since a precondition cannot be reached.
func (t *T) Skip(format string, args ...any) {
	t.findings = append(t.findings, scenarios.Finding{Verdict: scenarios.Skip, Part: t.part, Reason: fmt.Sprintf(format, args...)})
	panic(stop{})
}

// Unclear ends the part, since the check could not bring about what it wanted to see.
func (t *T) Unclear(format string, args ...any) {
	t.note(scenarios.Inconclusive, false, fmt.Sprintf(format, args...), "", nil)
	panic(stop{})
}

// Check fails unless ok.
func (t *T) Check(ok bool, actual any, want ...string) {
	if !ok {
		t.Fail(actual, want...)
	}
}

// Equal fails unless what came is what was wanted.
func (t *T) Equal(what string, got, want any) {
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fail(fmt.Sprintf("%s %v", what, got), fmt.Sprintf("%s %v", what, want))
	}
}
