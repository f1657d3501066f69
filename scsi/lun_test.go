package scsi

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestLUNForms(t *testing.T) {
	cases := []struct {
		lun    LUN
		wire   uint64
		method AddressMethod
		number uint32
		ok     bool
		text   string
	}{
		{PeripheralLUN(0), 0, Peripheral, 0, true, "0"},
		{PeripheralLUN(255), 0x00ff_0000_0000_0000, Peripheral, 255, true, "255"},
		{FlatLUN(5), 0x4005_0000_0000_0000, Flat, 5, true, "5"},
		{FlatLUN(256), 0x4100_0000_0000_0000, Flat, 256, true, "256"},
		{FlatLUN(16383), 0x7fff_0000_0000_0000, Flat, 16383, true, "16383"},
		{LUNOf(255), 0x00ff_0000_0000_0000, Peripheral, 255, true, "255"},
		{LUNOf(256), 0x4100_0000_0000_0000, Flat, 256, true, "256"},
		{LUNOf(16384), 0xd200_4000_0000_0000, Extended, 16384, true, "16384"},
		{LUN(0x0105_0000_0000_0000), 0x0105_0000_0000_0000, Peripheral, 5, false, "0x0105000000000000"}, // bus 1
		{LUN(0x0005_0001_0000_0000), 0x0005_0001_0000_0000, Peripheral, 5, false, "0x0005000100000000"}, // two levels
		{LUN(0x8005_0000_0000_0000), 0x8005_0000_0000_0000, LogicalUnit, 0, false, "0x8005000000000000"},
		{LUN(0xc101_0000_0000_0000), 0xc101_0000_0000_0000, Extended, 0x010000, false, "0xc101000000000000"}, // REPORT LUNS well known LU
	}
	for _, c := range cases {
		if uint64(c.lun) != c.wire {
			t.Errorf("wire form is %#016x, want %#016x", uint64(c.lun), c.wire)
		}
		n, ok := c.lun.Number()
		if c.lun.Method() != c.method || ok != c.ok || ok && n != c.number || c.lun.String() != c.text {
			t.Errorf("%#016x: method %d, number %d %v, text %s; want %d, %d %v, %s", uint64(c.lun), c.lun.Method(), n, ok, c.lun, c.method,
				c.number, c.ok, c.text)
		}
	}
}

func TestEveryNumberComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.Uint32Range(0, 1<<24-1).Draw(t, "number")
		if got, ok := LUNOf(want).Number(); !ok || got != want {
			t.Fatalf("LUNOf(%d).Number() is %d, %v", want, got, ok)
		}
	})
}

func TestLUNList(t *testing.T) {
	luns := []LUN{LUNOf(0), LUNOf(5), LUNOf(256)}
	want := []byte{
		0, 0, 0, 24, // LUN list length
		0, 0, 0, 0, // reserved
		0, 0, 0, 0, 0, 0, 0, 0,
		0, 5, 0, 0, 0, 0, 0, 0,
		0x41, 0, 0, 0, 0, 0, 0, 0,
	}
	data := AppendLUNList(nil, luns)
	if diff := cmp.Diff(want, data); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i := range len(data) + 1 {
		got, complete, err := ParseLUNList(data[:i])
		var bad *DataError
		if i < 8 {
			if !errors.As(err, &bad) {
				t.Errorf("the first %d bytes: got %v, want a DataError", i, err)
			}
			continue
		}
		if diff := cmp.Diff(luns[:(i-8)/8], got); diff != "" || complete != 32 || err != nil {
			t.Errorf("the first %d bytes: complete %d, %v (-want +got):\n%s", i, complete, err, diff)
		}
	}
	if _, _, err := ParseLUNList([]byte{0, 0, 0, 9, 0, 0, 0, 0, 1}); err == nil {
		t.Error("a list length of 9 is taken")
	}
}
