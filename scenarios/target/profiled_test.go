package target

import (
	"path"
	"testing"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/prooftest"
	"github.com/iscsispec/iscsispec/simtarget"
)

// Each shipped profile answers all rows as a sound array does, except those that it names; of those at least one for each entry it does
// answer otherwise.
func TestProfilesAnswerTheSuiteAsTheySay(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute of processor time")
	}
	prooftest.SkipRepetition(t)
	for _, name := range simtarget.Builtins() {
		t.Run(name, func(t *testing.T) {
			p, err := simtarget.Builtin(name)
			if err != nil {
				t.Fatal(err)
			}
			suite, _, err := OnProfile(t, p, 1)
			if err != nil {
				t.Fatal(err)
			}
			runner := &scenarios.Runner{T: t, Seed: 1, Allow: scenarios.Disruptive}
			results, err := runner.Run(t.Context(), prooftest.Registry(t, suite).Entries())
			if err != nil {
				t.Fatal(err)
			}
			heldTo(t, p, results)
		})
	}
}

// heldTo compares what a profile says about rows with what it did.
func heldTo(t *testing.T, p *simtarget.Profile, results []*scenarios.Result) {
	t.Helper()
	seen := make([]int, len(p.Differs))
	count := map[scenarios.Verdict]int{}
	for _, r := range results {
		count[r.Verdict]++
		if r.Verdict == scenarios.Pass || r.Verdict == scenarios.Skip || r.Verdict == scenarios.Warn {
			continue
		}
		named := false
		for i, d := range p.Differs {
			if match, _ := path.Match(d.Row, r.ID); match {
				named = true
				seen[i]++
			}
		}
		if !named {
			t.Errorf("%s: %v: %s; got: %s", r.ID, r.Verdict, r.Reason, r.Actual)
		}
	}
	for i, d := range p.Differs {
		if seen[i] == 0 {
			t.Errorf("%s is said to differ, and no such row does", d.Row)
		}
	}
	t.Logf("%d rows: %d passed, %d failed, %d were skipped", len(results), count[scenarios.Pass], count[scenarios.Fail], count[scenarios.Skip])
}
