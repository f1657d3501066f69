package faults

import (
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawFault draws a value of which every field may be set; most are no valid faults.
func drawFault(t *rapid.T) Fault {
	maybe := func(label string, one func()) {
		if rapid.IntRange(0, 3).Draw(t, "with "+label) == 0 {
			one()
		}
	}
	duration := func(label string) time.Duration {
		return time.Duration(rapid.Int64Range(1, int64(48*time.Hour)).Draw(t, label))
	}
	f := Fault{
		Verb: rapid.SampledFrom(Verbs()).Draw(t, "verb"),
		Scope: rapid.SampledFrom([]Scope{Everything, {Portal: netip.MustParseAddrPort(portalA)}, {Conn: portalA + "#7"},
			{Host: "array"}, {Portal: netip.MustParseAddrPort("[fd00::2]:860")}}).Draw(t, "scope"),
	}
	maybe("at", func() { f.At = duration("at") })
	maybe("for", func() { f.For = duration("for") })
	maybe("dir", func() { f.Dir = rapid.SampledFrom([]Direction{ToInitiator, ToTarget}).Draw(t, "dir") })
	if rapid.Bool().Draw(t, "placed") {
		drawPlace(t, &f, maybe)
	} else {
		maybe("every", func() { f.Every = f.For + duration("every") })
	}
	if f.Every != 0 || f.Each != 0 || f.Chance != 0 {
		maybe("times", func() { f.Times = rapid.IntRange(1, 1000).Draw(t, "times") })
	}
	switch f.Verb {
	case Delay, Jitter, Coalesce:
		f.By = duration("by")
	case Throttle:
		f.Rate = rapid.IntRange(1, rateMax).Draw(t, "rate")
	case Move:
		f.To = netip.MustParseAddrPort("10.0.0.3:3260")
	case Corrupt:
		f.Mask = rapid.ByteRange(0, 0xfe).Draw(t, "mask")
	case Stall:
		f.After = rapid.IntRange(0, countMax).Draw(t, "after")
	}
	if f.Verb == Split && f.Byte == (Position{}) || f.Verb == Coalesce {
		f.Size = rapid.IntRange(1, sizeMax).Draw(t, "size")
	}
	return f
}

func drawPlace(t *rapid.T, f *Fault, maybe func(string, func())) {
	f.PDU = rapid.SampledFrom(append(PDUNames(), anyPDU)).Draw(t, "pdu")
	maybe("nth", func() { f.Nth = rapid.IntRange(2, countMax).Draw(t, "nth") })
	maybe("each", func() { f.Each = rapid.IntRange(1, countMax).Draw(t, "each") })
	maybe("chance", func() { f.Chance = rapid.Float64Range(1e-300, 1).Draw(t, "chance") })
	maybe("if", func() { f.If = drawPredicate(t) })
	maybe("byte", func() {
		f.Byte.Region = rapid.SampledFrom([]Region{FromStart, FromAHS, HeaderDigest, FromData, FromPadding, DataDigest, AtEnd}).Draw(t, "region")
		if f.Byte.Region != AtEnd {
			f.Byte.Offset = rapid.IntRange(0, sizeMax).Draw(t, "offset")
		}
	})
}

// drawPredicate draws a predicate that is written as ParsePredicate writes it.
func drawPredicate(t *rapid.T) Predicate {
	text := ""
	for i := range rapid.IntRange(1, 4).Draw(t, "conditions") {
		c := condition{field: rapid.SampledFrom(append(PredicateFields(), keyPrefix)).Draw(t, "field")}
		f, known := headerFieldNamed(c.field)
		switch {
		case !known:
			c.field += rapid.StringN(1, 20, 60).Draw(t, "key")
			if c.op = rapid.SampledFrom([]string{"", "=", "!="}).Draw(t, "op"); c.op != "" {
				c.text = rapid.StringN(0, 20, 60).Draw(t, "value")
			} else {
				c.not = rapid.Bool().Draw(t, "not")
			}
		case f.flag:
			c.not = rapid.Bool().Draw(t, "not")
		default:
			c.op = rapid.SampledFrom(comparisons).Draw(t, "op")
			c.value = rapid.Uint64().Draw(t, "value")
		}
		if i > 0 {
			text += "&"
		}
		text += c.String()
	}
	return Predicate(text)
}

func TestEveryValidFaultReadsBackAsItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFault(t)
		back, err := Parse(f.String())
		if bad := f.Validate(); bad != nil {
			if err == nil && back == f {
				t.Fatalf("%s is not valid (%v), and is read all the same", f, bad)
			}
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if back != f {
			t.Fatalf("%#v came back as %#v", f, back)
		}
	})
}

func TestEveryPredicateReadsBackAsItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPredicate(t)
		back, err := ParsePredicate(string(p))
		if err != nil || back != p {
			t.Fatalf("%q came back as %q, %v", p, back, err)
		}
	})
}
