package scenarios

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/trace"
)

func run(t *testing.T, r Runner, suite Suite) []*Result {
	t.Helper()
	r.T = t
	results, err := r.Run(t.Context(), registry(t, suite).Entries())
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// only runs one check of the row and returns its result.
func only(t *testing.T, r Runner, suite Suite, id string, f func(context.Context, *Env) Outcome) *Result {
	t.Helper()
	suite.Name, suite.Checks = "sample", []Check{{ID: id, Run: f, Accepts: []string{"this"}}}
	return run(t, r, suite)[0]
}

func outcome(o Outcome) func(context.Context, *Env) Outcome {
	return func(context.Context, *Env) Outcome { return o }
}

// rowAt returns some row of that role and level.
func rowAt(t *testing.T, role Role, level Level) string {
	t.Helper()
	for _, r := range LoadCatalogue().Rows() {
		if r.Role == role && r.Level == level && len(r.Requires) == 0 {
			return r.ID
		}
	}
	t.Fatalf("no %s row of level %s", role, level)
	return ""
}

func TestLevelsDecideHowGraveAFindingIs(t *testing.T) {
	must, should, own := rowAt(t, RoleTarget, Must), rowAt(t, RoleTarget, Should), rowAt(t, RoleInitiator, Should)
	fail := Outcome{Verdict: Fail}
	for _, c := range []struct {
		name    string
		id      string
		outcome Outcome
		own     bool
		strict  bool
		want    Verdict
	}{
		{"a broken must", must, fail, false, false, Fail},
		{"a broken should", should, fail, false, false, Warn},
		{"a broken should, strictly", should, fail, false, true, Fail},
		{"a broken should, firm", should, Outcome{Firm: true}, false, false, Fail},
		{"a broken should of our own", own, fail, true, false, Fail},
		{"a leniency", must, Warned("a", "b"), false, false, Warn},
		{"a leniency, strictly", must, Warned("a", "b"), false, true, Fail},
		{"a leniency of our own", own, Warned("a", "b"), true, false, Fail},
		{"a firm leniency of our own", own, Outcome{Verdict: Warn, Firm: true}, true, false, Warn},
		{"a finding under a pass", must, Outcome{Verdict: Pass, Findings: []Finding{{}}}, false, false, Fail},
		{"a finding that warns", must, Outcome{Verdict: Pass, Findings: []Finding{{Verdict: Warn}}}, false, false, Warn},
		{"a should by findings", should, Conclude([]Finding{{Reason: "x"}}), false, false, Warn},
		{"a skip", must, Skipped("none"), false, false, Skip},
		{"a doubt", must, Unclear("none"), false, false, Inconclusive},
		{"nothing said", must, Outcome{}, false, false, Fail},
		{"a fault that never fired", must, Outcome{Verdict: Pass, Faults: []Fault{{Plan: "reset"}}}, false, false, Inconclusive},
		{"a fault that need not", must, Outcome{Verdict: Pass, Faults: []Fault{{Plan: "reset", Optional: true}}}, false, false, Pass},
		{"a failure though a fault never fired", must, Outcome{Faults: []Fault{{Plan: "reset"}}}, false, false, Fail},
	} {
		got := only(t, Runner{Strict: c.strict}, Suite{Own: c.own}, c.id, outcome(c.outcome))
		if got.Verdict != c.want {
			t.Errorf("%s: %v, want %v", c.name, got.Verdict, c.want)
		}
	}
}

func TestCapabilitiesAndRiskSkipWithAReason(t *testing.T) {
	check := passing(rowDirect)
	check.Needs = []Capability{"chap"}
	check.Risk = Writes
	suite := Suite{Name: "sample", Checks: []Check{check}, Abilities: Abilities{"chap": {Reason: "no secret is configured"}}}
	got := run(t, Runner{}, suite)[0]
	if got.Verdict != Skip || got.Reason != "The peer lacks chap: no secret is configured." {
		t.Errorf("%v %q", got.Verdict, got.Reason)
	}
	suite.Abilities = nil
	if got := run(t, Runner{}, suite)[0]; got.Verdict != Skip || !strings.Contains(got.Reason, "--allow writes") {
		t.Errorf("%v %q", got.Verdict, got.Reason)
	}
	if got := run(t, Runner{Allow: Writes}, suite)[0]; got.Verdict != Pass {
		t.Errorf("%v %q", got.Verdict, got.Reason)
	}
	suite.Embedded = true
	if got := run(t, Runner{}, suite)[0]; got.Verdict != Pass {
		t.Errorf("%v %q", got.Verdict, got.Reason)
	}
}

func TestPanicsAndHangsAreDefectsOfTheHarness(t *testing.T) {
	got := only(t, Runner{}, Suite{}, rowDirect, func(context.Context, *Env) Outcome { panic("ouch") })
	if got.Verdict != Broken || !strings.Contains(got.Reason, "ouch") {
		t.Errorf("panic: %v %q", got.Verdict, got.Reason)
	}
	over := make(chan struct{})
	got = only(t, Runner{Limits: Limits{Wall: time.Nanosecond}}, Suite{Virtual: true}, rowDirect, func(context.Context, *Env) Outcome {
		<-over
		return Passed("")
	})
	close(over)
	if got.Verdict != Broken || !strings.Contains(got.Reason, "did not come back") || !strings.Contains(got.Actual, "goroutine") {
		t.Errorf("hang: %v %q", got.Verdict, got.Reason)
	}
}

func TestBubble(t *testing.T) {
	var lasted time.Duration
	err := Bubble(t, time.Minute, func(ctx context.Context) {
		start := time.Now()
		<-ctx.Done()
		lasted = time.Since(start)
	})
	if err != nil || lasted != time.Minute {
		t.Errorf("err %v after %v", err, lasted)
	}
	var panicked *PanicError
	if err := Bubble(t, 0, func(context.Context) { panic("ouch") }); !errors.As(err, &panicked) || panicked.Value != "ouch" {
		t.Errorf("panic: %v", err)
	}
	var deadlock *DeadlockError
	if err := Bubble(t, 0, waitForEver); !errors.As(err, &deadlock) || !strings.Contains(deadlock.State, "waitForEver") {
		t.Errorf("deadlock: %v", err)
	}
	if o := BubbleOutcome(deadlock); o.Verdict != Broken {
		t.Errorf("deadlock comes to %v", o.Verdict)
	}
}

// waitForEver blocks a bubble whose goroutines then stay, as nothing can end them.
func waitForEver(context.Context) { select {} }

func TestBubblesRunSideBySide(t *testing.T) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			err := Bubble(t, 0, func(context.Context) { time.Sleep(time.Hour) })
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestRecordsAreInOrderAndAFunctionOfTheSeed(t *testing.T) {
	record := func(workers int) string {
		var text bytes.Buffer
		recorder, err := NewRecorder(&text, Header{Peer: "embedded"})
		if err != nil {
			t.Fatal(err)
		}
		var checks []Check
		for i, r := range LoadCatalogue().Rows()[:60] {
			checks = append(checks, Check{ID: r.ID, Run: func(_ context.Context, env *Env) Outcome {
				o := Passed("done")
				err := Bubble(env.T, 0, func(context.Context) {
					time.Sleep(time.Duration(60-i) * time.Second)
					o.Trace = []trace.Event{{Kind: trace.KindNote, Reason: "seed"}}
				})
				if err != nil {
					return BubbleOutcome(err)
				}
				return o
			}})
		}
		run(t, Runner{Workers: workers, Seed: 7, OnResult: recorder.Write}, Suite{Name: "s", Virtual: true, Checks: checks})
		return text.String()
	}
	one, many := record(1), record(7)
	if diff := cmp.Diff(one, many); diff != "" {
		t.Errorf("one worker against seven: %s", diff)
	}
	header, results, err := ReadRecords(strings.NewReader(one))
	if err != nil || header.Peer != "embedded" || len(results) != 60 || results[3].ID != LoadCatalogue().Rows()[3].ID {
		t.Errorf("read back: %v %d %v", header, len(results), err)
	}
	// A killed run leaves a torn line, which is dropped.
	_, results, err = ReadRecords(strings.NewReader(one[:len(one)-5]))
	if err != nil || len(results) != 59 {
		t.Errorf("torn: %d %v", len(results), err)
	}
}

func TestAnEarlyEndKeepsWholeResults(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	why := errors.New("enough")
	r := Runner{T: t, OnResult: func(r *Result) error {
		if r.ID == rowThree {
			stop(why)
		}
		return nil
	}}
	results, err := r.Run(ctx, sample(t))
	if !errors.Is(err, why) || len(results) < 2 || len(results) == 4 && results[3] == nil {
		t.Errorf("%d results, %v", len(results), err)
	}
}

func TestProofs(t *testing.T) {
	check := passing(rowDirect)
	check.Deviations = []Deviation{{Name: "bad"}, {Name: "worse"}}
	check.Run = func(_ context.Context, env *Env) Outcome {
		if env.Deviation != nil && env.Deviation.Name == "bad" {
			return Failed("bad")
		}
		return Passed("good")
	}
	r := Runner{T: t}
	p := r.Prove(t.Context(), registry(t, Suite{Name: "s", Checks: []Check{check}}).Entries()[0])
	if p.Stands() || !p.Caught[0].Sighted() || p.Caught[1].Sighted() {
		t.Errorf("%+v", p)
	}
}

func TestProofsComeInOrder(t *testing.T) {
	var checks []Check
	for _, row := range LoadCatalogue().Rows()[:30] {
		checks = append(checks, passing(row.ID))
	}
	var told []string
	r := Runner{T: t, Workers: 4}
	entries := registry(t, Suite{Name: "s", Virtual: true, Checks: checks}).Entries()
	if err := r.ProveAll(t.Context(), entries, func(p Proof) { told = append(told, p.ID) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ids(entries), told); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := r.ProveAll(ctx, entries, func(Proof) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("after an interruption: %v", err)
	}
}
