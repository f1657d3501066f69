package text_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/iscsi/text"
)

func TestParseByHand(t *testing.T) {
	for _, c := range []struct {
		bytes  string
		want   text.Pairs
		offset int // of the fault; -1 for none
	}{
		{"", nil, -1},
		{"A=1\x00", text.Pairs{{Key: "A", Value: "1"}}, -1},
		{"A=1\x00B=\x00", text.Pairs{{Key: "A", Value: "1"}, {Key: "B"}}, -1},
		{"A=1=2\x00", text.Pairs{{Key: "A", Value: "1=2"}}, -1},
		{"A=1\x00\x00\x00A=2\x00\x00\x00\x00", text.Pairs{{Key: "A", Value: "1"}, {Key: "A", Value: "2"}}, -1},
		{"\x00", nil, -1},
		{"A=1\x00B=2", text.Pairs{{Key: "A", Value: "1"}, {Key: "B", Value: "2"}}, 4},
		{"A=1\x00Garbage\x00B=2\x00", text.Pairs{{Key: "A", Value: "1"}, {Key: "B", Value: "2"}}, 4},
		{"=1\x00B=2\x00", text.Pairs{{Key: "B", Value: "2"}}, 0},
		{"Garbage", nil, 0},
	} {
		got, err := text.Parse([]byte(c.bytes))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q: %s", c.bytes, diff)
		}
		var format *text.FormatError
		switch {
		case c.offset < 0 && err != nil:
			t.Errorf("%q: %v", c.bytes, err)
		case c.offset >= 0 && (!errors.As(err, &format) || format.Offset != c.offset):
			t.Errorf("%q: %v, want a *FormatError at byte %d", c.bytes, err, c.offset)
		}
	}
}

func TestParseIsBounded(t *testing.T) {
	pairs, err := text.Parse([]byte(strings.Repeat("A=1\x00", text.MaxPairs+1)))
	var limit *text.LimitError
	if !errors.As(err, &limit) || limit.Limit != text.MaxPairs || len(pairs) != text.MaxPairs {
		t.Errorf("%d pairs, %v", len(pairs), err)
	}
}

func TestPairsLookups(t *testing.T) {
	p := text.Pairs{{Key: "A", Value: "1"}, {Key: "B", Value: "2"}, {Key: "A", Value: "3"}}
	if v, ok := p.Get("A"); !ok || v != "1" {
		t.Errorf("Get: %q, %t", v, ok)
	}
	if _, ok := p.Get("a"); ok {
		t.Error("keys are case-sensitive")
	}
	if diff := cmp.Diff([]string{"1", "3"}, p.Values("A")); diff != "" {
		t.Error(diff)
	}
	if got := p.Without("A").String(); got != "B=2" {
		t.Error(got)
	}
	p.Set("A", "9")
	p.Set("C", "7")
	if got := p.String(); got != "A=9 B=2 C=7" {
		t.Error(got)
	}
	security, others := text.CutSecurity(text.Pairs{{Key: "AuthMethod", Value: "CHAP"}, {Key: "CHAP_A", Value: "5"}, {Key: "X-y", Value: "1"}})
	if security.String() != "CHAP_A=5" || others.String() != "AuthMethod=CHAP X-y=1" {
		t.Errorf("%v | %v", security, others)
	}
}

// pairs draws lawful pairs: what can travel.
func pairs(t *rapid.T) text.Pairs {
	var p text.Pairs
	for range rapid.IntRange(0, 12).Draw(t, "count") {
		p.Add(rapid.StringMatching(`[A-Z][a-zA-Z0-9.+@_-]{0,20}`).Draw(t, "key"), rapid.StringMatching(`[ -~]{0,40}`).Draw(t, "value"))
	}
	return p
}

func TestSplitAndAssembleAreInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := pairs(t)
		if n := len(want.Append(nil)); n != want.Length() {
			t.Fatalf("Length is %d, Append wrote %d", want.Length(), n)
		}
		most := rapid.IntRange(1, 100).Draw(t, "most")
		parts := text.Split(want, most)
		var assembler text.Assembler
		for i, part := range parts {
			last := i == len(parts)-1
			if len(part) > most || len(part) == 0 && len(want) > 0 {
				t.Fatalf("part %d has %d bytes of at most %d", i, len(part), most)
			}
			got, done, err := assembler.Add(part, !last)
			if err != nil || done != last {
				t.Fatalf("part %d: done %t, %v", i, done, err)
			}
			if last {
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatal(diff)
				}
			}
		}
		if assembler.Pending() != 0 {
			t.Fatalf("%d bytes are left", assembler.Pending())
		}
	})
}

func TestEveryProperPrefixIsToldOrShorter(t *testing.T) {
	whole := text.Pairs{{Key: "InitiatorName", Value: "iqn.x"}, {Key: "HeaderDigest", Value: "CRC32C,None"}}
	b := whole.Append(nil)
	for n := range b {
		pairs, err := text.Parse(b[:n])
		border := n == 0 || b[n-1] == 0
		if (err == nil) != border {
			t.Errorf("prefix of %d bytes: %v, %v", n, pairs, err)
		}
	}
}

func TestAssemblerLimits(t *testing.T) {
	a := text.Assembler{MaxBytes: 8, MaxParts: 2}
	if _, _, err := a.Add(make([]byte, 9), true); err == nil {
		t.Error("took 9 bytes of at most 8")
	}
	for _, part := range []string{"A=1\x00", "B="} {
		if _, _, err := a.Add([]byte(part), true); err != nil {
			t.Fatal(err)
		}
	}
	var limit *text.LimitError
	if _, _, err := a.Add([]byte("\x00"), false); !errors.As(err, &limit) || limit.What != "parts" {
		t.Errorf("a third part: %v", err)
	}
	if pairs, done, err := a.Add([]byte("C=3\x00"), false); err != nil || !done || pairs.String() != "C=3" {
		t.Errorf("after an error: %v, %t, %v", pairs, done, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "A=1\x00", "A=1", "Garbage\x00", "=\x00", "\x00\x00A=\x00", "A==\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		pairs, err := text.Parse(b)
		again, _ := text.Parse(pairs.Append(nil))
		if diff := cmp.Diff(pairs, again); diff != "" {
			t.Errorf("%q, %v: %s", b, err, diff)
		}
	})
}
