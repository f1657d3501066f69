package fuzz

import (
	"runtime"
	"testing"
)

// asTest runs f with a *testing.T, which bubbles want, from within a benchmark.
func asTest(b *testing.B, f func(t *testing.T)) {
	all := func(_, _ string) (bool, error) { return true, nil }
	if !testing.RunTests(all, []testing.InternalTest{{Name: b.Name(), F: f}}) {
		b.Fatal("the flows failed")
	}
}

// BenchmarkLoginFlows runs drawn flows against our own array in virtual time, on all cores: one operation is one flow.
func BenchmarkLoginFlows(b *testing.B) {
	b.ReportAllocs()
	asTest(b, func(t *testing.T) {
		took, err := RateOf(t, uint64(b.N), runtime.GOMAXPROCS(0))
		if err != nil {
			t.Error(err)
		}
		b.ReportMetric(float64(b.N)/took.Seconds(), "flows/s")
	})
}
