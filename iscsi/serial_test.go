package iscsi_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/iscsi"
)

func TestSNLessAcrossTheWrap(t *testing.T) {
	for _, c := range []struct {
		a, b uint32
		want bool
	}{
		{0, 0, false}, {0, 1, true}, {1, 0, false},
		{0xffffffff, 0, true}, {0, 0xffffffff, false}, {0xfffffffe, 1, true},
		{0, 0x7fffffff, true}, {0, 0x80000000, false}, {0x80000000, 0, false}, {0, 0x80000001, false},
	} {
		if got := iscsi.SNLess(c.a, c.b); got != c.want {
			t.Errorf("SNLess(%#x, %#x) = %t, want %t", c.a, c.b, got, c.want)
		}
	}
}

func TestSerialOrderIsShiftInvariant(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, distance, shift := rapid.Uint32().Draw(t, "a"), rapid.Uint32Range(1, 1<<31-1).Draw(t, "distance"), rapid.Uint32().Draw(t, "shift")
		b := a + distance
		if !iscsi.SNLess(a, b) || iscsi.SNLess(b, a) || !iscsi.SNLess(a+shift, b+shift) {
			t.Fatalf("%#x does not precede %#x", a, b)
		}
		if iscsi.SNMax(a, b) != b || iscsi.SNMax(b, a) != b || iscsi.SNMax(a, a) != a {
			t.Fatalf("SNMax(%#x, %#x)", a, b)
		}
		if !iscsi.SNLessEq(a, a) || !iscsi.SNLessEq(a, b) || iscsi.SNLessEq(b, a) {
			t.Fatalf("SNLessEq(%#x, %#x)", a, b)
		}
	})
}
