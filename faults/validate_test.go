package faults

import (
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Values that no text makes, since they would print as the text of another value or cannot be printed at all.
func TestValuesThatNoTextMakesAreNotValid(t *testing.T) {
	portal, conn := netip.MustParseAddrPort(portalA), portalA+"#1"
	for field, f := range map[string]Fault{
		"nth":     {Verb: Reset, PDU: anyPDU, Nth: 1},
		"mask":    {Verb: Corrupt, PDU: anyPDU, Mask: 0xff},
		"dir":     {Verb: Silence, Dir: "sideways"},
		"conn":    {Verb: Reset, Scope: Scope{Conn: "a,#1"}},
		"portal":  {Verb: Reset, Scope: Scope{Portal: portal, Conn: conn}},
		"host":    {Verb: Reset, Scope: Scope{Host: "two words"}},
		"byte":    {Verb: Reset, PDU: anyPDU, Byte: Position{Region: AtEnd, Offset: 1}},
		"if":      {Verb: Reset, PDU: anyPDU, If: "itt=17"},
		"at":      {Verb: Reset, At: -1},
		"for":     {Verb: Refuse, For: math.MaxInt64},
		"times":   {Verb: Reset, PDU: anyPDU, Each: 1, Times: -1},
		"size":    {Verb: Split, Size: sizeMax + 1},
		"chance":  {Verb: Reset, PDU: anyPDU, Chance: math.NaN()},
		"to":      {Verb: Move, Scope: Scope{Portal: portal}, To: netip.MustParseAddrPort("[fe80::1%eth0]:3260")},
		"verb":    {Verb: "explode"},
		"pdu":     {Verb: Drop},
		"after":   {Verb: Reset, After: 1},
		"every":   {Verb: Reset, PDU: anyPDU, Every: time.Second},
		"by":      {Verb: Delay},
		"rate":    {Verb: Throttle},
		"offset":  {Verb: Reset, PDU: anyPDU, Byte: Position{Offset: -1}},
		"offset2": {Verb: Reset, PDU: anyPDU, Byte: Position{Region: "tail"}},
	} {
		var e *Error
		switch err := f.Validate(); {
		case !errors.As(err, &e):
			t.Errorf("%s: %v is valid", field, f)
		case e.Text != f.String() || e.Want == "":
			t.Errorf("%s: %v does not tell the fault and what was wanted", field, err)
		case e.Field != field && field != "offset" && field != "offset2":
			t.Errorf("%v is about %s, want %s", err, e.Field, field)
		}
		if _, err := Arm(f, 1); err == nil {
			t.Errorf("%v was armed", f)
		}
		if err := NewNetwork(1, nil, Options{}).Inject(f); err == nil && field != "at" { // Inject does not look at it
			t.Errorf("%v was injected", f)
		}
	}
	if _, err := Arm(Fault{Verb: Reset}, 1); err == nil {
		t.Error("a timed fault was armed")
	}
}

func TestOccurrencesAreThoseOfEveryAndTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := Fault{Verb: Reset, At: time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "at")), Every: time.Duration(rapid.Int64Range(1, 1e12).Draw(t, "every")),
			Times: rapid.IntRange(0, 50).Draw(t, "times")}
		n := 0
		for k := range 100 {
			at, more := f.Occurrence(k)
			if !more {
				break
			}
			if want := f.At + time.Duration(k)*f.Every; at != want {
				t.Fatalf("%s happens for the %d. time at %v, want %v", f, k, at, want)
			}
			n++
		}
		if want := f.Times; want > 0 && n != want || want == 0 && n != 100 {
			t.Errorf("%s happens %d times", f, n)
		}
		if last := (Plan{f}).Last(); f.Times > 0 && last != f.At+time.Duration(f.Times-1)*f.Every {
			t.Errorf("%s lasts until %v", f, last)
		}
	})
	for _, f := range []Fault{{Verb: Reset, PDU: anyPDU}, {Verb: Reset, At: 1}} {
		if _, more := f.Occurrence(1); more {
			t.Errorf("%s happens again", f)
		}
	}
	if _, more := (Fault{Verb: Reset, Every: time.Hour}).Occurrence(math.MaxInt); more {
		t.Error("there is an occurrence behind the end of time")
	}
}

func TestScopesTouchConnections(t *testing.T) {
	portal := netip.MustParseAddrPort(portalA)
	for text, want := range map[string]bool{
		"*": true, portalA: true, "10.0.0.1:3261": false, portalA + "#2": true, portalA + "#3": false, "array": true, "10.0.0.1": true, "10.0.1.1": true, "other": false,
	} {
		s, err := ParseScope(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Touches(portal, portalA+"#2", "array", "10.0.1.1"); got != want {
			t.Errorf("%s touches: %t, want %t", text, got, want)
		}
	}
}

func TestFaultsAreStringsInJSON(t *testing.T) {
	plan, err := ParsePlan(unruly)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	var back Plan
	if err := json.Unmarshal(b, &back); err != nil || back.String() != plan.String() {
		t.Errorf("%s came back as %s, %v", plan, back, err)
	}
	if err := json.Unmarshal([]byte(`["reset:at=never"]`), &back); err == nil {
		t.Error("nonsense was taken")
	}
}
