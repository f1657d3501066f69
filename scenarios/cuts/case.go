package cuts

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/sessions"
)

// Case is one run: a scenario before an array, and what happens to its links.
type Case struct {
	Station  Station
	Scenario Scenario
	Faults   []faults.Fault
	Seed     uint64
	// Deviations are the initiator's defects, for proofs that the laws bite; nil means none. The line of a case does not tell them.
	Deviations *initiator.Deviations
}

// String is the line that replays the case; ParseCase reads it.
func (c Case) String() string {
	words := make([]string, len(c.Faults))
	for i, f := range c.Faults {
		words[i] = f.String()
	}
	return fmt.Sprintf("profile=%s scenario=%s seed=%d faults=%s", c.Station.Profile, c.Scenario.Name, c.Seed, strings.Join(words, ";"))
}

// ParseCase is the inverse of Case.String. Its errors say which word is wrong.
func ParseCase(line string) (Case, error) {
	var c Case
	for _, word := range strings.Fields(line) {
		key, value, _ := strings.Cut(word, "=")
		var err error
		switch key {
		case "profile":
			c.Station, err = NewStation(value)
		case "scenario":
			known := false
			if c.Scenario, known = Named(value); !known {
				err = fmt.Errorf("no such scenario")
			}
		case "seed":
			_, err = fmt.Sscanf(value, "%d", &c.Seed)
		case "faults":
			for _, text := range strings.FieldsFunc(value, func(r rune) bool { return r == ';' }) {
				var f faults.Fault
				if f, err = faults.Parse(text); err != nil {
					break
				}
				c.Faults = append(c.Faults, f)
			}
		default:
			err = fmt.Errorf("want profile, scenario, seed or faults")
		}
		if err != nil {
			return Case{}, fmt.Errorf("cuts: %q: %w", word, err)
		}
	}
	if c.Station.Profile == "" || c.Scenario.Name == "" {
		return Case{}, fmt.Errorf("cuts: %q: want a profile and a scenario", line)
	}
	return c, nil
}

// Result is what came of a case.
type Result struct {
	Case    Case
	Verdict scenarios.Verdict
	// Broken tells which laws were broken; Unfired which faults were planned and never fired.
	Broken, Unfired []string
	Run             *sessions.Run
}

// Do runs a case in a bubble of its own and judges it beside the run without cuts, which is nil when this is it. quiet leaves the wire out of the
// trace. t lends its identity and is never failed.
func (c Case) Do(t *testing.T, clean *sessions.Run, quiet bool) Result {
	run, err := sessions.Execute(c.Scenario.Plan(c.Station, c.Faults...), sessions.Options{T: t, Seed: c.Seed, Quiet: quiet, Deviations: c.Deviations})
	res := Result{Case: c, Run: run, Verdict: scenarios.Pass}
	if err != nil {
		res.Verdict, res.Broken = scenarios.Fail, []string{fmt.Sprintf("the run could not be ended: %v", err)}
		return res
	}
	l := &laws{clean: clean, loses: c.loses(), blind: c.loses() && len(c.Station.login.DataDigest) == 0, deaf: c.deaf(), twice: len(c.Faults) > 1}
	l.common(run)
	c.Scenario.judge(l, run)
	res.Broken = l.broken
	for _, f := range run.Faults {
		if f.Fired == 0 && strings.Contains(f.Plan, "pdu=") {
			res.Unfired = append(res.Unfired, f.Plan)
		}
	}
	switch {
	case len(res.Broken) > 0:
		res.Verdict = scenarios.Fail
	case len(res.Unfired) > 0:
		res.Verdict = scenarios.Inconclusive
	}
	return res
}

// loses tells whether bytes vanish from a stream that lives on.
func (c Case) loses() bool {
	return slices.ContainsFunc(c.Faults, func(f faults.Fault) bool { return f.Verb == faults.Truncate })
}

// deaf tells whether an array that pings by itself cannot hear the initiator.
func (c Case) deaf() bool {
	return c.Station.pings && slices.ContainsFunc(c.Faults, func(f faults.Fault) bool { return f.Verb == faults.Silence && f.Dir == faults.ToTarget })
}
