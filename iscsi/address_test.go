package iscsi_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi"
)

func TestParseAddress(t *testing.T) {
	for _, c := range []struct{ text, host, hostPort, back string }{
		{"10.0.0.1", "10.0.0.1", "10.0.0.1:3260", "10.0.0.1"},
		{"10.0.0.1:860", "10.0.0.1", "10.0.0.1:860", "10.0.0.1:860"},
		{"array.example.com:3261", "array.example.com", "array.example.com:3261", "array.example.com:3261"},
		{"my_host", "my_host", "my_host:3260", "my_host"},
		{"[2001:db8::1]", "2001:db8::1", "[2001:db8::1]:3260", "[2001:db8::1]"},
		{"[2001:db8::1]:5000", "2001:db8::1", "[2001:db8::1]:5000", "[2001:db8::1]:5000"},
		{"[fe80::1%eth0]:3260", "fe80::1%eth0", "[fe80::1%eth0]:3260", "[fe80::1%eth0]:3260"},
		{"2001:db8::1", "2001:db8::1", "[2001:db8::1]:3260", "[2001:db8::1]"},
	} {
		a, err := iscsi.ParseAddress(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if a.Host != c.host || a.HostPort() != c.hostPort || a.String() != c.back {
			t.Errorf("%q: host %q, HostPort %q, String %q", c.text, a.Host, a.HostPort(), a.String())
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	for _, bad := range []string{
		"", ":3260", "host:", "host:0", "host:65536", "host:+1", "host:0x10", "host:12a", "a:b:c", "[::1", "[::1]x", "[::1]:", "[10.0.0.1]",
		"[host]", "ho st", "host/x", "user@host", "host\x00", strings.Repeat("h", 256), "host,1",
	} {
		a, err := iscsi.ParseAddress(bad)
		var addressError *iscsi.AddressError
		if !errors.As(err, &addressError) {
			t.Errorf("ParseAddress(%q) = %v, %v, want an *AddressError", bad, a, err)
		}
	}
}

func TestParseTargetAddress(t *testing.T) {
	for _, c := range []struct {
		text   string
		port   uint16
		tag    uint16
		hasTag bool
	}{
		{"10.0.0.1", 0, 0, false}, {"10.0.0.1,1", 0, 1, true}, {"10.0.0.1:5003,2", 5003, 2, true},
		{"[2001:db8::1]:5003,65535", 5003, 65535, true}, {"host.example:1,0", 1, 0, true},
	} {
		a, err := iscsi.ParseTargetAddress(c.text)
		if err != nil || a.Port != c.port || a.Tag != c.tag || a.HasTag != c.hasTag || a.String() != c.text {
			t.Errorf("%q: %+v, %v", c.text, a, err)
		}
	}
	if a, err := iscsi.ParseTargetAddress("10.0.0.1,0x10"); err != nil || a.Tag != 16 {
		t.Errorf("a hexadecimal tag: %+v, %v", a, err)
	}
	for _, bad := range []string{"", ",1", "10.0.0.1,", "10.0.0.1,65536", "10.0.0.1,-1", "10.0.0.1,+1", "10.0.0.1,1_0", "10.0.0.1,x", "2001:db8::1,1", "::1", "10.0.0.1,1,2"} {
		if a, err := iscsi.ParseTargetAddress(bad); err == nil {
			t.Errorf("ParseTargetAddress(%q) = %+v, want an error", bad, a)
		}
	}
}

func TestAddressTextForms(t *testing.T) {
	var a iscsi.Address
	if err := a.UnmarshalText([]byte("[::1]:1")); err != nil || a.Host != "::1" || a.Port != 1 || a.IsZero() {
		t.Errorf("%+v, %v", a, err)
	}
	if err := a.UnmarshalText(nil); err != nil || !a.IsZero() {
		t.Errorf("%+v, %v", a, err)
	}
	if err := a.UnmarshalText([]byte("a b")); err == nil {
		t.Error("took nonsense")
	}
	var target iscsi.TargetAddress
	if err := target.UnmarshalText([]byte("h:1,2")); err != nil || target.String() != "h:1,2" {
		t.Errorf("%+v, %v", target, err)
	}
	text, err := target.MarshalText()
	if err != nil || string(text) != "h:1,2" {
		t.Errorf("%q, %v", text, err)
	}
}

func FuzzParseTargetAddress(f *testing.F) {
	for _, seed := range []string{"10.0.0.1:3260,1", "[::1]:1,2", "host", "[fe80::1%0]:1", "::1", "a,b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := iscsi.ParseTargetAddress(text)
		if err != nil {
			return
		}
		again, err := iscsi.ParseTargetAddress(a.String())
		if err != nil || again != a {
			t.Errorf("%q gives %+v, which prints as %q and parses to %+v, %v", text, a, a.String(), again, err)
		}
	})
}
