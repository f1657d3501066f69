package fuzz

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawAny draws any flow that has a text form, sensible or not.
func drawAny(t *rapid.T) Flow {
	f := Flow{Role: rapid.SampledFrom([]Role{TargetRole, InitiatorRole}).Draw(t, "role"), Setup: rapid.StringMatching(`[a-z0-9-]{1,12}`).Draw(t, "setup")}
	template := rapid.Custom(func(t *rapid.T) string {
		return rapid.OneOf(rapid.Map(rapid.String(), Escape), rapid.SampledFrom([]string{"{target}", "{chap.r:hex}", "x{a*20}", "%00{%00*3}"})).Draw(t, "template")
	})
	f.Steps = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Step {
		s := Step{Conn: rapid.IntRange(1, ConnsMax).Draw(t, "conn"), Verb: rapid.SampledFrom(Verbs()).Draw(t, "verb")}
		s.Transit, s.Continue = rapid.Bool().Draw(t, "T"), rapid.Bool().Draw(t, "C")
		for _, n := range s.numbers() {
			n.set(rapid.Uint64Range(0, 1<<n.bits-1).Draw(t, n.name))
		}
		s.TSIH = rapid.SampledFrom([]string{"", "wrong", "zero", "c1", "c8"}).Draw(t, "tsih")
		s.Status = rapid.Uint16().Draw(t, "status")
		s.Form = rapid.SampledFrom([]Form{FormPlain, FormNoLastNUL, FormMoreNULs, FormHalf, FormHuge}).Draw(t, "form")
		if rapid.Bool().Draw(t, "cut") {
			s.Cut = Cut{rapid.SampledFrom([]Ending{EndReset, EndClose, EndSilence}).Draw(t, "end"), rapid.IntRange(0, 1<<20).Draw(t, "at")}
		}
		s.For = time.Duration(rapid.Int64Range(0, int64(10*time.Minute)).Draw(t, "for"))
		for range rapid.IntRange(0, 3).Draw(t, "pairs") {
			key, _, _ := cutEqual(template.Draw(t, "key"))
			p := Pair{Key: key, Bare: rapid.Bool().Draw(t, "bare")}
			if !p.Bare {
				p.Value = template.Draw(t, "value")
			}
			s.Pairs = append(s.Pairs, p)
		}
		return s
	}), 0, 5).Draw(t, "steps")
	if len(f.Steps) == 0 {
		f.Steps = nil
	}
	return f
}

func cutEqual(s string) (string, string, bool) {
	for i := range len(s) {
		if s[i] == '=' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func TestFlowPrintsAndParsesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawAny(t)
		line := f.String()
		back, err := Parse(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if !reflect.DeepEqual(f, back) {
			t.Fatalf("%s\nread back as\n%s", line, back)
		}
	})
}

// FuzzParse holds the parser to its word: it never panics, and what it takes prints as something that it takes as the same.
func FuzzParse(f *testing.F) {
	f.Add("target chap; 1 login nsg=1 T +InitiatorName={i1} +TargetName={target} +AuthMethod=CHAP; 1 walk; 1 command")
	f.Add("initiator plain; 1 answer status=0x0101 T nsg=3 +TargetAddress=10.0.0.1:3260; 2 answer cut=silence@20 tsih=zero")
	f.Add("target plain; 3 wait for=1m0s; 1 login C half itt=4294967295 +X-{a*60}=%00")
	f.Fuzz(func(t *testing.T, line string) {
		flow, err := Parse(line)
		if err != nil {
			return
		}
		back, err := Parse(flow.String())
		if err != nil || !reflect.DeepEqual(flow, back) {
			t.Fatalf("%q reads as %s, which reads as %s (%v)", line, flow, back, err)
		}
	})
}

func TestParseTellsWhatIsWrong(t *testing.T) {
	for _, line := range []string{
		"", "target", "both plain", "target plain;", "target plain; 9 login", "target plain; 1 sing", "target plain; 1 login csg=4",
		"target plain; 1 login csg=0", "target plain; 1 login +a=%zz", "target plain; 1 login +a={", "target plain; 1 login +{aa*2}",
		"target plain; 1 wait for=11m0s", "target plain; 1 login cut=faint@1", "target plain; 1 login tsih=c9", "target plain; 1 login status=0x0",
	} {
		if f, err := Parse(line); err == nil {
			t.Errorf("%q reads as %s", line, f)
		}
	}
}
