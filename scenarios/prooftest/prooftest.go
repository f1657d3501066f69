// Package prooftest holds a suite's checks to two promises in go test: each check passes the sound peer and catches each of its
// deviations, and one seed leaves one trace.
package prooftest

import (
	"bytes"
	"slices"
	"testing"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

// Registry returns the suite's checks, tied to their rows of the catalogue.
func Registry(t testing.TB, suite scenarios.Suite) *scenarios.Registry {
	t.Helper()
	r, err := scenarios.NewRegistry(scenarios.LoadCatalogue(), suite)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Prove runs each check of the suite, as a subtest with the row's id, on the sound peer and on one peer for each deviation. Where a
// surprise is told with -v, it comes with the PDUs that node has recorded. What allow says, the checks may do.
//
// Where the suite has monitors, they find nothing in the sound peer. The rows that they find broken in deviating ones are returned, with the name
// of the first deviation; nil where not every check ran.
func Prove(t *testing.T, suite scenarios.Suite, allow scenarios.Risk, node string) map[string]string {
	runner := &scenarios.Runner{T: t, Seed: 1, Allow: allow}
	noticed, ran := map[string]string{}, 0
	entries := Registry(t, suite).Entries()
	for _, e := range entries {
		t.Run(e.ID, func(t *testing.T) {
			ran++
			proof := runner.Prove(t.Context(), e)
			for _, f := range proof.Sound.Noticed {
				t.Errorf("a monitor blames the sound peer: %s: %v: %s", f.Row, f.Verdict, f.Reason)
			}
			if proof.Sound.Verdict != scenarios.Pass {
				t.Errorf("the sound peer: %v: %s", proof.Sound.Verdict, proof.Sound.Reason)
				tell(t, proof.Sound, node)
			}
			if len(proof.Caught) == 0 {
				t.Errorf("no deviation to prove the check by; the row's defect is: %s", proof.Defect)
			}
			for _, c := range proof.Caught {
				for _, f := range c.Result.Noticed {
					if noticed[f.Row] == "" {
						noticed[f.Row] = c.Deviation
					}
				}
				if c.Deviation == "" {
					t.Error("a deviation that has no name: it sets nothing")
				}
				if !c.Sighted() {
					t.Errorf("%s is not caught: %v: %s", c.Deviation, c.Result.Verdict, c.Result.Reason)
					tell(t, c.Result, node)
				}
			}
		})
	}
	if ran < len(entries) {
		return nil
	}
	return noticed
}

// Notices holds monitors to their proof: of the rows that they watch, each was found broken in some deviating peer but those that are proved by
// hand. A nil noticed, from a run of a part of the checks, holds them to nothing.
func Notices(t *testing.T, noticed map[string]string, rows, byHand []string) {
	t.Helper()
	for _, row := range rows {
		if noticed != nil && noticed[row] == "" && !slices.Contains(byHand, row) {
			t.Errorf("%s: monitors see it broken in no deviating peer", row)
		}
	}
}

// tell prints what a check said, for whoever has to find out why.
func tell(t *testing.T, r *scenarios.Result, node string) {
	t.Helper()
	t.Log(r.Actual)
	for _, f := range r.Findings {
		t.Logf("%v %s %s; got: %s; want: %v", f.Verdict, f.Part, f.Reason, f.Actual, f.Expected)
	}
	for _, f := range r.Faults {
		if f.Fired == 0 {
			t.Logf("the fault %s never fired", f.Plan)
		}
	}
	if testing.Verbose() {
		for e, p := range trace.Events(r.Trace).OfNode(node).PDUs() {
			t.Logf("%v %s %s %T %+v", e.At, e.Conn, e.Kind, p, p)
		}
	}
}

// SkipRepetition ends a test that only repeats checks where the race detector runs.
func SkipRepetition(t *testing.T) {
	t.Helper()
	if detecting {
		t.Skip("Repeating every check is slow under the race detector, which sees each of them in the proofs; without it traces are held alike.")
	}
}

// OneTrace runs each check of the suite again, as often as runs says for its id, with one seed, whatever else the machine does meanwhile.
func OneTrace(t *testing.T, suite scenarios.Suite, allow scenarios.Risk, runs func(id string) int) {
	SkipRepetition(t)
	runner := &scenarios.Runner{T: t, Seed: 7, Allow: allow}
	for _, e := range Registry(t, suite).Entries() {
		t.Run(e.ID, func(t *testing.T) {
			first := jsonl(t, runner.One(t.Context(), e, nil))
			for again := range runs(e.ID) - 1 {
				if got := jsonl(t, runner.One(t.Context(), e, nil)); !bytes.Equal(first, got) {
					line, was, is := differs(first, got)
					t.Fatalf("run %d left another trace, from line %d on:\n%.400s\n%.400s", again+2, line, was, is)
				}
			}
		})
	}
}

func jsonl(t *testing.T, r *scenarios.Result) []byte {
	t.Helper()
	var text bytes.Buffer
	if err := trace.WriteJSONL(&text, r.Whole); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// differs gives the first line, counted from 1, in which two texts are not the same, and what either has there.
func differs(a, b []byte) (line int, was, is []byte) {
	as, bs := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range min(len(as), len(bs)) {
		if !bytes.Equal(as[i], bs[i]) {
			return i + 1, as[i], bs[i]
		}
	}
	n := min(len(as), len(bs))
	return n + 1, bytes.Join(as[n:], []byte("\n")), bytes.Join(bs[n:], []byte("\n"))
}
