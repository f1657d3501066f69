package faults

import (
	"slices"
	"testing"
)

// FuzzParsePlan: a plan that is understood is written as one that is understood the same.
func FuzzParsePlan(f *testing.F) {
	f.Add("reset:portal=10.0.0.1:3260,at=12s\n# a remark\n")
	f.Add("fin:pdu=data-in,nth=3,byte=header+7\nsilence:for=5s,dir=to-target")
	f.Add("corrupt:pdu=any,byte=data+1")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePlan(text)
		if err != nil {
			_ = err.Error()
			return
		}
		if again, err := ParsePlan(p.String()); err != nil || !slices.Equal(again, p) {
			t.Errorf("%q gives %v, and that %v, %v", text, p, again, err)
		}
	})
}
