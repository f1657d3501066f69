package main

import (
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios/peers"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values        []float64
		unit, missing string
		want          string
	}{
		{[]float64{3, 1, 2}, "IOPS", "", "2 IOPS [1 to 3]"},
		{[]float64{4, 1}, "", "", "2.50 [1.00 to 4.00]"},
		{nil, "IOPS", "not installed", "not installed"},
	} {
		if got := spread(c.values, c.unit, c.missing); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	sequential := workload{blocks: 128, unit: "MiB/s"}
	if got := sequential.rate(16); got != 1 {
		t.Errorf("16 reads of 64 KiB a second are %v MiB/s, want 1", got)
	}
}

// Both sides do every workload on tgt, however fast.
func TestBothSidesDoTheWork(t *testing.T) {
	peers.Need(t, "tgtd", "tgtadm", "iscsi-perf")
	p := peers.TGTFor(t, peers.TGTConfig{})
	tool, err := newLibiscsi(t.Context())
	defer tool.remove()
	t.Log("compiling login.c: ", err)
	for _, w := range workloads {
		line, err := measure(t.Context(), p.URL(0, 0), w, tool, options{rounds: 1, time: 100 * time.Millisecond})
		if err != nil || strings.Count(line, w.unit) != 2 && tool.lacks(w) == "" {
			t.Errorf("%s: %q, %v", w.name, line, err)
		}
	}
}
