package cuts

import (
	"fmt"
	"testing"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/sessions"
	"github.com/iscsispec/iscsispec/trace"
)

// Survey is a scenario before an array: the run without cuts, and all single cuts that come of it.
type Survey struct {
	// Clean is the run without cuts. Its verdict must be pass.
	Clean Result
	// Refused is why the array is no place for the scenario; "" where it is one. There are no cuts then.
	Refused string
	// Note says what the array does in the scenario that others do not; cuts are tried all the same.
	Note string
	// Positions is how many places the subject has.
	Positions int
	// Cuts are the cases to run, one for each class of places that are alike and each kind; Stands tells for how many plans each of them stands.
	Cuts   []Case
	Stands []int
}

// Plans is the number of single cuts, those that are alike counted each.
func (s Survey) Plans() int {
	n := 0
	for _, stands := range s.Stands {
		n += stands
	}
	return n
}

// NewSurvey runs a scenario without cuts, and lists the cuts.
func NewSurvey(t *testing.T, at Station, sc Scenario, seed uint64) Survey {
	s := Survey{Clean: Case{Station: at, Scenario: sc, Seed: seed}.Do(t, nil, false)}
	if s.Clean.Run == nil {
		return s
	}
	if sc.fits != nil {
		if s.Refused = sc.fits(s.Clean.Run); s.Refused != "" {
			return s
		}
	}
	if o := s.Clean.Run.Op(stake); len(s.Clean.Broken) == 0 && o.Status != "" {
		s.Note = fmt.Sprintf("refused with %s", o.Status)
	}
	places := sc.Places(s.Clean.Run)
	s.Positions = len(places)
	for _, kind := range Kinds() {
		s.list(places, kind)
	}
	s.Clean.Run = withoutWire(s.Clean.Run)
	return s
}

// withoutWire is what judges compare a run with: there are many surveys, and PDUs are large.
func withoutWire(r *sessions.Run) *sessions.Run {
	return &sessions.Run{Plan: r.Plan, Ended: r.Ended, Faults: r.Faults, Trouble: r.Trouble,
		Events: r.Events.Where(func(e *trace.Event) bool { return e.PDU == nil })}
}

// list adds the cuts of one kind.
func (s *Survey) list(places []faults.Place, kind faults.Fault) {
	known := map[likeness]int{}
	for _, p := range places {
		f, fits := p.Fault(kind)
		if !fits {
			continue
		}
		k := likenessOf(p, kind)
		if i, is := known[k]; is {
			s.Stands[i]++
			continue
		}
		known[k] = len(s.Cuts)
		c := s.Clean.Case
		c.Faults = []faults.Fault{f}
		s.Cuts, s.Stands = append(s.Cuts, c), append(s.Stands, 1)
	}
}

// Run runs a case of the survey and judges it beside the run without cuts. The result does not hold the run, so that many fit into memory.
func (s Survey) Run(t *testing.T, c Case) Result {
	r := c.Do(t, s.Clean.Run, true)
	r.Run = nil
	return r
}

// Count adds up the verdicts of results, one for each of s.Cuts, over all the plans that each stands for.
func (s Survey) Count(results []Result) map[scenarios.Verdict]int {
	count := map[scenarios.Verdict]int{}
	for i, r := range results {
		count[r.Verdict] += s.Stands[i]
	}
	return count
}
