package sessions

import (
	"bytes"
	"slices"
	"testing"

	"go.uber.org/goleak"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func registry(t *testing.T) *scenarios.Registry {
	t.Helper()
	r, err := scenarios.NewRegistry(scenarios.LoadCatalogue(), Suite())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Every check passes the sound initiator and catches each of its defects.
func TestChecksProveThemselves(t *testing.T) {
	runner := &scenarios.Runner{T: t, Seed: 1, Allow: scenarios.Disruptive}
	for _, e := range registry(t).Entries() {
		t.Run(e.ID, func(t *testing.T) {
			proof := runner.Prove(t.Context(), e)
			if proof.Sound.Verdict != scenarios.Pass {
				t.Errorf("the sound initiator: %v: %s", proof.Sound.Verdict, proof.Sound.Reason)
				tell(t, proof.Sound)
			}
			if len(proof.Caught) == 0 {
				t.Error("the check names no defect")
			}
			for _, c := range proof.Caught {
				if !c.Sighted() {
					t.Errorf("%s is not caught: %v: %s", c.Deviation, c.Result.Verdict, c.Result.Reason)
					tell(t, c.Result)
				}
			}
		})
	}
}

// tell prints what a check said, for whoever has to find out why.
func tell(t *testing.T, r *scenarios.Result) {
	t.Helper()
	for _, f := range r.Findings {
		t.Logf("%v %s %s", f.Verdict, f.Part, f.Reason)
	}
	for _, f := range r.Faults {
		if f.Fired == 0 {
			t.Logf("the fault %s never fired", f.Plan)
		}
	}
	if testing.Verbose() {
		var text bytes.Buffer
		if err := trace.WriteJSONL(&text, r.Trace); err != nil {
			t.Log(err)
		}
		t.Log(text.String())
	}
}

// often are the checks whose plans are run a hundred times: concurrent submitters, a replay, a redirect, many losses.
var often = []string{"queue.replayed-in-order", "redirect.temporary.followed", "removal.at-sixty-seconds"}

// The same seed leaves the same trace, whatever else the machine does meanwhile.
func TestOneSeedLeavesOneTrace(t *testing.T) {
	for _, c := range Checks() {
		runs := 3
		if slices.Contains(often, c.ID) {
			runs = 100
		}
		for _, p := range c.Runs {
			t.Run(c.ID+"/"+p.Name, func(t *testing.T) {
				t.Parallel()
				first := jsonl(t, p, 1)
				for again := range runs - 1 {
					if got := jsonl(t, p, 1); !bytes.Equal(first, got) {
						t.Fatalf("run %d left another trace, from line %d on", again+2, differs(first, got))
					}
				}
			})
		}
	}
}

func jsonl(t *testing.T, p Plan, seed uint64) []byte {
	t.Helper()
	r, err := Execute(p, Options{T: t, Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := trace.WriteJSONL(&text, r.Events); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// differs gives the first line, counted from 1, in which two texts are not the same.
func differs(a, b []byte) int {
	as, bs := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range min(len(as), len(bs)) {
		if !bytes.Equal(as[i], bs[i]) {
			return i + 1
		}
	}
	return min(len(as), len(bs)) + 1
}
