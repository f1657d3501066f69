package scenarios

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/trace"
)

// monitoredRow is a must of the target's, which the monitor of these tests finds in every trace.
const monitoredRow = "ffp-sequencing.statsn.increments-per-response"

// watched runs two checks that pass and leave a trace, under a monitor that finds something in each.
func watched(t *testing.T, baseline string, found Finding) []*Result {
	t.Helper()
	run := func(context.Context, *Env) Outcome {
		return Outcome{Verdict: Pass, Trace: []trace.Event{{Kind: trace.KindNote, Reason: "something"}}}
	}
	registry, err := NewRegistry(LoadCatalogue(), Suite{Name: "target", Checks: []Check{{ID: "login.basic.direct-operational", Run: run},
		{ID: monitoredRow, Run: run}}, Monitor: func([]trace.Event) []Finding { return []Finding{found} }})
	if err != nil {
		t.Fatal(err)
	}
	runner := &Runner{T: t, Seed: 1}
	if baseline != "" {
		if runner.Baseline, err = ParseBaseline([]byte(baseline), registry, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	results, err := runner.Run(t.Context(), registry.Entries())
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func TestARowThatMonitorsSeeBrokenIsAResultOfItsOwn(t *testing.T) {
	results := watched(t, "", Finding{Row: monitoredRow, Reason: "a gap", Times: 2})
	if len(results) != 3 || results[0].Verdict != Pass || results[1].Verdict != Pass || len(results[0].Noticed) != 1 {
		t.Fatalf("%d results", len(results))
	}
	r := results[2]
	if r.ID != monitoredRow || r.Verdict != Fail || r.Expected() || r.Monitored.Check != "login.basic.direct-operational" || r.Monitored.Checks != 2 ||
		r.Monitored.Times != 4 || !strings.Contains(r.Reason, "2 checks, first in login.basic.direct-operational") {
		t.Errorf("%+v %+v", r, r.Monitored)
	}
	if s := Summarize(results); s.Total != 2 || s.Pass != 2 || s.Fail != 0 || s.Monitored != 1 || s.Unexpected != 1 {
		t.Errorf("%+v", s)
	}
	if text := string(SuggestBaseline(results)); !strings.Contains(text, "monitored: true") {
		t.Errorf("%s", text)
	}
}

// The level of the row decides, not that of the check.
func TestTheRowOfAMonitorDecidesHowGraveItIs(t *testing.T) {
	results := watched(t, "", Finding{Row: "data-in.length.no-empty-pdus", Reason: "an empty one"})
	if r := results[len(results)-1]; r.Verdict != Warn || !r.Expected() {
		t.Errorf("%v", r.Verdict)
	}
}

// A monitor that panics, or that names a row which is none, is the harness's own defect.
func TestAMonitorThatIsBroken(t *testing.T) {
	for _, r := range watched(t, "", Finding{Row: "no.such.row"}) {
		if r.Verdict != Broken || !strings.Contains(r.Reason, "no.such.row") {
			t.Errorf("%v: %s", r.Verdict, r.Reason)
		}
	}
}

func TestBaselinesOfMonitors(t *testing.T) {
	found := Finding{Row: monitoredRow, Reason: "a gap"}
	own := watched(t, "known:\n- id: "+monitoredRow+"\n  monitored: true\n  verdict: fail\n  reason: It is known that it leaves gaps.\n", found)
	if own[1].Standing != "" || own[2].Standing != Known {
		t.Errorf("%q, %q", own[1].Standing, own[2].Standing)
	}
	// An entry for the check explains what monitors see of its row; the check itself passes, so that the entry has to go.
	check := watched(t, "known:\n- id: "+monitoredRow+"\n  verdict: fail\n  reason: It is known that it leaves gaps.\n", found)
	if check[1].Standing != Fixed || check[2].Standing != Known {
		t.Errorf("%q, %q", check[1].Standing, check[2].Standing)
	}
	milder := watched(t, "known:\n- id: "+monitoredRow+"\n  verdict: warn\n  reason: It is known that it leaves gaps.\n", found)
	if milder[2].Standing != "" {
		t.Errorf("a warning explains a failure: %q", milder[2].Standing)
	}
}
