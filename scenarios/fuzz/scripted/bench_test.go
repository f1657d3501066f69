package scripted

import (
	"runtime"
	"testing"
)

// BenchmarkLoginFlows runs drawn flows against our own initiator in virtual time, on all cores: one operation is one flow, with all the
// logins that it leads to.
func BenchmarkLoginFlows(b *testing.B) {
	b.ReportAllocs()
	flows := func(t *testing.T) {
		took, err := RateOf(t, uint64(b.N), runtime.GOMAXPROCS(0))
		if err != nil {
			t.Error(err)
		}
		b.ReportMetric(float64(b.N)/took.Seconds(), "flows/s")
	}
	all := func(_, _ string) (bool, error) { return true, nil }
	if !testing.RunTests(all, []testing.InternalTest{{Name: b.Name(), F: flows}}) {
		b.Fatal("the flows failed")
	}
}
