package iscsi_test

import (
	"testing"

	"github.com/iscsispec/iscsispec/iscsi"
)

// FuzzParseAddress and FuzzParseISID: what is understood is written so that it is understood the same again.
func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"10.0.0.1:3260", "[fe80::1]:3260", "[::1]", "array.example", "array.example:0", "::1", "::%eth0", "::0%0]", "host:99999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := iscsi.ParseAddress(s)
		if err != nil {
			_ = err.Error()
			return
		}
		if again, err := iscsi.ParseAddress(a.String()); err != nil || again != a {
			t.Errorf("%q gives %+v, and %q gives %+v, %v", s, a, a, again, err)
		}
	})
}

func FuzzParseISID(f *testing.F) {
	for _, seed := range []string{"0x800000000000", "800000000000", "", "0x", "80:00:00:00:00:00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := iscsi.ParseISID(s)
		if err != nil {
			return
		}
		if again, err := iscsi.ParseISID(id.String()); err != nil || again != id {
			t.Errorf("%q gives %v, and that %v, %v", s, id, again, err)
		}
	})
}
