package fuzz

import (
	"context"
	"fmt"
	"os"
	"testing"
)

func TestSearchFindsNothingInOurArray(t *testing.T) {
	n := uint64(2000)
	if more := os.Getenv("ISCSISPEC_FLOWS"); more != "" {
		if _, err := fmt.Sscan(more, &n); err != nil {
			t.Fatal(err)
		}
	}
	s := Search{T: t, Seed: 1, Workers: 2, Flows: n, Found: func(f Found) bool {
		t.Errorf("flow %d (alone: %v): %s\n%s", f.Index, f.Alone, ReplayLine(f.Flow, ""), f.Finding.Error())
		return false
	}}
	if err := s.Run(context.Background()); err != nil {
		t.Error(err)
	}
	c := s.Reached()
	if s.Done() != n {
		t.Errorf("%d flows were run, want %d", s.Done(), n)
	}
	if missed := Missed(TargetPlan().States, c.States); len(missed) > 0 {
		t.Errorf("states not reached: %q", missed)
	}
	if beyond := beyondPlan(&c); len(beyond) > 0 {
		t.Errorf("transitions that the plan does not know: %q", beyond)
	}
}
