package iscsi_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi"
)

func longName(n int) string {
	return "iqn.2001-04.com.example:" + strings.Repeat("a", n-len("iqn.2001-04.com.example:"))
}

func TestValidName(t *testing.T) {
	for _, good := range []string{
		"iqn.2001-04.com.example", "iqn.2001-04.com.example:storage.disk1", "iqn.1992-01.com.example:storage:diskarrays-sn-a8675309",
		"iqn.2001-04.com.example:bücher", "eui.02004567A425678D", "eui.02004567a425678d", "naa.52004567BA64678D",
		"naa.62004567BA64678D0123456789ABCDEF", longName(223),
	} {
		if err := iscsi.ValidName(good); err != nil {
			t.Errorf("ValidName(%q): %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "iqn", "iqn.", "iqn.2001-04", "iqn.2001-04.", "iqn.2001-04..com", "iqn.2001-04.com.", "iqn.2001-04.:x", "iqn.2001-00.com",
		"iqn.2001-13.com", "iqn.200104.com.example", "iqn.20a1-04.com.example", "iqn.2001-04.com.Example", "iqn.2001-04.com.example:a b",
		"iqn.2001-04.com.example:a_b", "iqn.2001-04.com.example:\xff", "iqn.2001-04.com.example:É", "IQN.2001-04.com.example",
		"eui.", "eui.02004567A425678", "eui.02004567A425678DD", "eui.02004567A425678G", "eui.\x10\x1104567A425678D", "naa.52004567BA64678",
		"naa.52004567BA64678Z", "naa.52004567BA64678D0", "com.example", longName(224),
	} {
		err := iscsi.ValidName(bad)
		var nameError *iscsi.NameError
		if !errors.As(err, &nameError) || !strings.HasPrefix(nameError.Clause, "RFC 7143, Section 4.2.7") {
			t.Errorf("ValidName(%q) = %v, want a *NameError with its clause", bad, err)
		}
	}
}

func TestNameErrorIsBounded(t *testing.T) {
	if text := iscsi.ValidName(strings.Repeat("x", 1<<20)).Error(); len(text) > 600 {
		t.Errorf("the error has %d bytes", len(text))
	}
}

func FuzzValidName(f *testing.F) {
	for _, seed := range []string{"iqn.2001-04.com.example:x", "eui.02004567A425678D", "naa.52004567BA64678D", "iqn.2001-04.", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if iscsi.ValidName(name) != nil {
			return
		}
		if len(name) > iscsi.MaxNameLength || strings.ContainsAny(name, "\x00 ,=") {
			t.Errorf("%q is valid", name)
		}
	})
}

func TestNormalName(t *testing.T) {
	for name, want := range map[string]string{
		"IQN.2026-01.ORG.Example:Host": "iqn.2026-01.org.example:host", "iqn.2026-01.org.example:h\u00c4": "iqn.2026-01.org.example:h\u00e4",
		"Eui.02004567A425678D": "eui.02004567A425678D", "naa.52004567BA64678D": "naa.52004567BA64678D", "HOST": "host", "": "",
	} {
		if got := iscsi.NormalName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
