package clocks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

// Never as a latency keeps devices for ever.
const Never time.Duration = -1

// Terms are what an initiator is held to.
type Terms struct {
	// Interval is the time from the start of one login attempt of a session to the start of its next; above 0.
	Interval time.Duration
	// Jitter is the largest share by which one such gap may differ from Interval, from 0 to below 1.
	Jitter float64
	// Latency is how long devices stay after a loss was noticed: 0 or more, or Never. BootLatency is that of boot devices.
	Latency, BootLatency time.Duration
	// FreshISID says that the initiator takes another ISID for each login.
	FreshISID bool
	// Tolerance is how far an instant may be from where it belongs, either way: zero in virtual time.
	Tolerance time.Duration
}

// Guideline are the terms that are recommended: attempts 5 s apart, devices that leave after 60 s, boot devices that stay. The tolerance is zero.
func Guideline() Terms {
	return Terms{Interval: 5 * time.Second, Latency: 60 * time.Second, BootLatency: Never}
}

// Judge holds every session of a trace to the three clocks. Each outage and each session leaves findings, passes among them; a trace without a
// session leaves none.
func Judge(events []trace.Event, t Terms) []scenarios.Finding {
	sessions := Sessions(events)
	var all []scenarios.Finding
	for _, s := range sessions {
		all = slices.Concat(all, Cadence(s, t), Removal(s, t))
	}
	return append(all, Identity(sessions, t)...)
}

// Faults are the findings that are no passes.
func Faults(findings []scenarios.Finding) []scenarios.Finding {
	var faults []scenarios.Finding
	for _, f := range findings {
		if f.Verdict != scenarios.Pass {
			faults = append(faults, f)
		}
	}
	return faults
}

// say makes a finding.
func say(ok bool, part, rule, expected, actual string, evidence ...trace.Event) scenarios.Finding {
	f := scenarios.Finding{Verdict: scenarios.Fail, Part: part, Rule: rule, Expected: []string{expected}, Actual: actual}
	if ok {
		f.Verdict, f.Reason = scenarios.Pass, fmt.Sprintf("%s: %s.", rule, actual)
	} else {
		f.Reason = fmt.Sprintf("%s: expected %s, got %s.", rule, expected, actual)
		f.Evidence = evidence[:min(len(evidence), scenarios.EvidenceMax)]
	}
	if len(evidence) > 0 {
		f.At = evidence[0].At
	}
	return f
}

// Gaps gives the times between one instant and the next.
func Gaps(at []time.Duration) []time.Duration {
	var gaps []time.Duration
	for i := 1; i < len(at); i++ {
		gaps = append(gaps, at[i]-at[i-1])
	}
	return gaps
}

// Durations prints instants or gaps for people, rounded to milliseconds; of many only the first and the last ones.
func Durations(ds []time.Duration) string {
	const most = 16
	var words []string
	for i, d := range ds {
		if len(ds) > most && i == most/2 {
			words = append(words, "...")
		}
		if len(ds) <= most || i < most/2 || i >= len(ds)-most/2 {
			words = append(words, d.Round(time.Millisecond).String())
		}
	}
	return strings.Join(words, " ")
}
