package fuzz

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

func TestSearchFindsNothingInOurArray(t *testing.T) {
	n := uint64(2000)
	if s := os.Getenv("SCRATCH"); s != "" {
		fmt.Sscan(s, &n)
	}
	s := Search{T: t, Seed: 1, Workers: 2, Flows: n, Found: func(f Found) bool {
		t.Errorf("flow %d (alone: %v): %s\n%s", f.Index, f.Alone, ReplayLine(f.Flow, ""), f.Finding.Error())
		return false
	}}
	began := time.Now()
	if err := s.Run(context.Background()); err != nil {
		t.Error(err)
	}
	c := s.Reached()
	t.Log(s.Done(), float64(s.Done())/time.Since(began).Seconds(), len(c.States), len(c.Transitions), len(c.Keys))
}
