package iscsi_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/iscsi"
)

func TestISIDFormats(t *testing.T) {
	for _, c := range []struct {
		name   string
		isid   iscsi.ISID
		want   string
		format iscsi.ISIDFormat
	}{
		{"OUI 00-02-3d", iscsi.OUIISID(0x00023d, 0x000001), "00023d000001", iscsi.ISIDFormatOUI},
		{"OUI with upper bits", iscsi.OUIISID(0xfc0102, 0xaabbcc), "3f0102aabbcc", iscsi.ISIDFormatOUI},
		{"enterprise", iscsi.ENISID(0x000137, 0x1234), "400001371234", iscsi.ISIDFormatEnterprise},
		{"random", iscsi.RandomISID(0xabcdef, 0x0102), "80abcdef0102", iscsi.ISIDFormatRandom},
		{"random takes 24 bits", iscsi.RandomISID(0xffabcdef, 0), "80abcdef0000", iscsi.ISIDFormatRandom},
		{"reserved", iscsi.ISID{0xc0}, "c00000000000", iscsi.ISIDFormatReserved},
	} {
		if got := c.isid.String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
		if got := c.isid.Format(); got != c.format {
			t.Errorf("%s: format %d, want %d", c.name, got, c.format)
		}
	}
}

func TestParseISID(t *testing.T) {
	for _, good := range []string{"00023d000001", "0x00023d000001", "0X00023D000001"} {
		if isid, err := iscsi.ParseISID(good); err != nil || isid.String() != "00023d000001" {
			t.Errorf("ParseISID(%q) = %v, %v", good, isid, err)
		}
	}
	for _, bad := range []string{"", "00023d00000", "00023d0000011", "00023d00000g", "0x", "0x00023d0000", "00023d 00001"} {
		if isid, err := iscsi.ParseISID(bad); err == nil {
			t.Errorf("ParseISID(%q) = %v, want an error", bad, isid)
		}
	}
}

func TestISIDTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := iscsi.ISID(rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "isid"))
		text, err := want.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var got iscsi.ISID
		if err := got.UnmarshalText(text); err != nil || got != want {
			t.Fatalf("got %v, %v, want %v", got, err, want)
		}
	})
	var isid iscsi.ISID
	if err := isid.UnmarshalText([]byte("nothing")); err == nil {
		t.Error("UnmarshalText took nonsense")
	}
}
