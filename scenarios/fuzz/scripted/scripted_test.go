package scripted

import (
	"context"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// A flow without steps is a sound login in every setup.
func TestEverySetupLogsIn(t *testing.T) {
	for _, setup := range Setups() {
		p, err := perform(t, fuzz.Flow{Role: fuzz.InitiatorRole, Setup: setup}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range p.judge(nil) {
			t.Errorf("%s: %v", setup, f)
		}
		if last := p.records[len(p.records)-1]; last.what != status {
			t.Errorf("%s: the last event is %v, want a session that is up", setup, last)
		}
	}
}

// flowsInTest is how many drawn flows `go test` runs; ISCSISPEC_FLOWS is how many instead, enough of which reach all that there is.
const flowsInTest = 3000

// flowsForAll reach everything of the plan.
const flowsForAll = 200000

func TestSearchFindsNothingInOurInitiator(t *testing.T) {
	flows := uint64(flowsInTest)
	if n, err := strconv.ParseUint(os.Getenv("ISCSISPEC_FLOWS"), 10, 64); err == nil && n > 0 {
		flows = n
	}
	s := Search{T: t, Seed: 1, Workers: 2, Flows: flows, Found: func(f fuzz.Found) bool {
		t.Errorf("%v\n%s", &f.Finding, fuzz.ReplayLine(f.Flow, ""))
		return false
	}}
	if err := s.Run(context.Background()); err != nil {
		t.Error(err)
	}
	if s.Done() != flows {
		t.Errorf("%d flows were run, want %d", s.Done(), flows)
	}
	reached, plan := s.Reached(), Plan()
	for _, part := range []struct {
		planned []string
		reached map[string]uint64
	}{{plan.States, reached.States}, {plan.Transitions, reached.Transitions}, {plan.Keys, reached.Keys}} {
		for _, name := range slices.Sorted(maps.Keys(part.reached)) {
			if !slices.Contains(part.planned, name) {
				t.Errorf("reached what is not planned: %s", name)
			}
		}
		if missed := fuzz.Missed(part.planned, part.reached); flows >= flowsForAll && len(missed) > 0 {
			t.Errorf("not reached: %q", missed)
		} else {
			t.Logf("%d of %d reached; not %q", len(part.planned)-len(missed), len(part.planned), missed)
		}
	}
}
