package faults

import (
	"slices"
	"testing"
)

// FuzzParsePlan: a plan that is understood is written as one that is understood the same.
func FuzzParsePlan(f *testing.F) {
	f.Add("reset:portal=10.0.0.1:3260,at=12s\n# a remark\n")
	f.Add("fin:pdu=data-in,nth=3,byte=header+7\nsilence:for=5s,dir=to-target")
	f.Add("corrupt:pdu=any,byte=data+1,bit=3")
	f.Add("drop:pdu=login-request,if=csg=1&!transit&key.A%3d!=%2c,each=2,times=3")
	f.Add("move:portal=10.0.0.1:3260,at=1s,for=2s,every=3s,to=[::1]:3260\nthrottle:at=0s,rate=7")
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
