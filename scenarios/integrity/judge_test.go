package integrity

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios/sessions"
	"github.com/iscsispec/iscsispec/trace"
)

// told is a request of a hand-made history, on block 7 of unit 0 through session 1.
type told struct {
	label    string // the requester; its requests are counted
	write    bool
	from, to int    // seconds; to is 0 for one that never ended
	outcome  string // "" for GOOD
	content  string // what was read
	start    int    // when it was handed to a connection; 0 for at once
	lost     int    // when that connection was lost; 0 for never
	again    int    // when it was sent again
}

func w(label string, from, to int) told { return told{label: label, write: true, from: from, to: to} }
func r(label string, from, to int, content string) told {
	return told{label: label, from: from, to: to, content: content}
}

// runOf makes the run that a history would have left.
func runOf(history []told, more ...trace.Event) *sessions.Run {
	run := &sessions.Run{Ended: 100 * time.Second}
	counts := map[string]int{}
	for i, h := range history {
		counts[h.label]++
		name, at, end := "read", time.Duration(h.from)*time.Second, time.Duration(h.to)*time.Second
		if h.write {
			name = "write"
		}
		attrs := []trace.Attr{trace.A("label", h.label), trace.A("n", counts[h.label])}
		cdb := trace.A("cdb", fmt.Sprintf("%x", i))
		op := trace.Event{At: at, Kind: trace.KindOp, Node: trace.NodeDriver, State: trace.OpBegin, Op: name, Request: uint64(i + 1), Session: 1, LUN: new(uint64(0)),
			Attrs: append(attrs, cdb, trace.A("lba", 7), trace.A("blocks", 1))}
		run.Events = append(run.Events, op, trace.Event{At: at, Kind: trace.KindRequest, Node: trace.NodeInitiator, State: sessions.RequestSubmitted,
			Session: 1, Request: uint64(i + 1), Attrs: []trace.Attr{cdb}})
		step := func(state string, at int) {
			if at > 0 {
				run.Events = append(run.Events, trace.Event{At: time.Duration(at) * time.Second, Kind: trace.KindRequest, Node: trace.NodeInitiator, State: state, Session: 1, Request: uint64(i + 1)})
			}
		}
		step(sessions.RequestSent, max(h.from, h.start))
		step(sessions.RequestRequeued, h.lost)
		step(sessions.RequestSent, h.again)
		if h.to == 0 {
			continue
		}
		outcome := h.outcome
		if outcome == "" {
			outcome = sessions.Good
		}
		if h.content != "" {
			attrs = append(attrs, trace.A("content", h.content))
		}
		run.Events = append(run.Events, trace.Event{At: end, Kind: trace.KindOp, Node: trace.NodeDriver, State: trace.OpEnd, Op: name, Reason: outcome,
			Request: uint64(i + 1), Session: 1, Attrs: attrs})
	}
	run.Events = append(run.Events, more...)
	return run
}

func TestJudge(t *testing.T) {
	gone := trace.Event{At: 50 * time.Second, Kind: trace.KindDevice, Node: trace.NodeInitiator, State: sessions.DeviceGone, Session: 1, LUN: new(uint64(0))}
	twice := trace.Event{At: 9 * time.Second, Kind: trace.KindOp, Node: trace.NodeDriver, State: trace.OpEnd, Op: "write", Reason: sessions.Good, Request: 1, Session: 1}
	for _, c := range []struct {
		name    string
		history []told
		more    []trace.Event
		rule    string // "" for none
	}{
		{"one after the other", []told{r("a", 1, 2, "old"), w("a", 3, 4), r("b", 5, 6, "a.2@7")}, nil, ""},
		{"a stale read", []told{w("a", 1, 2), w("b", 3, 4), r("c", 5, 6, "a.1@7")}, nil, RuleOrder},
		{"a lost write", []told{r("a", 1, 2, "old"), w("a", 3, 4), r("b", 5, 6, "old")}, nil, RuleOrder},
		{"a torn block", []told{w("a", 1, 2), r("b", 3, 4, "0123456789abcdef")}, nil, RuleOrder},
		{"two at once, either way", []told{w("a", 1, 9), w("b", 2, 8), r("c", 10, 11, "a.1@7")}, nil, ""},
		{"two at once, both ways", []told{w("a", 1, 9), w("b", 2, 8), r("c", 10, 11, "a.1@7"), r("c", 12, 13, "b.1@7")}, nil, RuleOrder},
		{"unknown, and executed late", []told{{label: "a", write: true, from: 1, to: 2, outcome: sessions.Timeout}, w("b", 3, 4), r("c", 5, 6, "b.1@7"), r("c", 7, 8, "a.1@7")}, nil, ""},
		{"unknown, and never executed", []told{{label: "a", write: true, from: 1, to: 2, outcome: sessions.LoggedOut}, w("b", 3, 4), r("c", 5, 6, "b.1@7")}, nil, ""},
		{"unknown, and executed before it was asked for", []told{w("b", 1, 2), r("c", 3, 4, "a.1@7"), {label: "a", write: true, from: 5, to: 6, outcome: sessions.Timeout}}, nil, RuleOrder},
		{"unknown, and executed twice", []told{{label: "a", write: true, from: 1, to: 2, outcome: sessions.Timeout}, r("c", 3, 4, "a.1@7"), w("b", 5, 6), r("c", 7, 8, "b.1@7"), r("c", 9, 10, "a.1@7")}, nil, RuleOrder},
		{"refused, and executed", []told{w("b", 1, 2), {label: "a", write: true, from: 3, to: 4, outcome: sessions.QueueFull}, r("c", 5, 6, "a.1@7")}, nil, RuleOrder},
		{"sent again, both with the target at the loss", []told{{label: "a", write: true, from: 1, to: 10, lost: 8, again: 9}, r("c", 2, 3, "a.1@7"), w("b", 4, 5), r("c", 6, 7, "b.1@7"), r("c", 11, 12, "a.1@7")}, nil, ""},
		{"sent again, the other one before", []told{w("b", 1, 2), {label: "a", write: true, from: 3, to: 10, lost: 8, again: 9}, r("c", 4, 5, "a.1@7"), r("c", 6, 7, "b.1@7"), r("c", 11, 12, "a.1@7")}, nil, RuleOrder},
		{"overtaken by a write", []told{{label: "a", write: true, from: 1, to: 9, lost: 3, again: 7}, w("b", 4, 5)}, nil, RuleDoubt},
		{"overtaken by a read", []told{{label: "a", write: true, from: 1, to: 9, lost: 3, again: 7}, r("b", 4, 5, "old")}, nil, RuleDoubt},
		{"overtaken while it was sent again", []told{{label: "a", write: true, from: 1, to: 9, lost: 3, again: 7}, w("b", 8, 10)}, nil, RuleDoubt},
		{"waited for, and sent at its end", []told{{label: "a", write: true, from: 1, to: 9, lost: 3, again: 7}, {label: "b", write: true, from: 4, to: 10, start: 9}, r("c", 11, 12, "b.1@7")}, nil, ""},
		{"waited for until it was given up", []told{{label: "a", write: true, from: 1, to: 9, lost: 3, outcome: sessions.Timeout}, {label: "b", write: true, from: 4, to: 10, start: 9}}, nil, ""},
		{"not waited for until it was given up", []told{{label: "a", write: true, from: 1, to: 9, lost: 3, outcome: sessions.Timeout}, {label: "b", write: true, from: 4, to: 10, start: 8}}, nil, RuleDoubt},
		{"given up after it was sent again", []told{{label: "a", write: true, from: 1, to: 9, lost: 3, again: 5, outcome: sessions.Timeout}, r("c", 2, 3, "a.1@7"), w("b", 10, 11), r("c", 12, 13, "b.1@7"),
			r("c", 14, 15, "a.1@7")}, nil, ""},
		{"sent again after its answer", []told{{label: "a", write: true, from: 1, to: 3, lost: 4, again: 5}, w("b", 4, 5), r("c", 10, 11, "a.1@7")}, nil, RuleOrder},
		{"under way at the end", []told{w("a", 1, 0), r("c", 5, 6, "a.1@7")}, nil, ""},
		{"forgotten at removal", []told{w("a", 1, 0)}, []trace.Event{gone}, RuleAnswer},
		{"begun after the removal", []told{w("a", 60, 0)}, []trace.Event{gone}, ""},
		{"answered twice", []told{w("a", 1, 2)}, []trace.Event{twice}, RuleOnce},
		{"a short read", []told{r("a", 1, 2, "x y")}, nil, RuleLength},
	} {
		t.Run(c.name, func(t *testing.T) {
			report := Judge(runOf(c.history, c.more...), judgeLimit)
			got := ""
			if report.Violated() {
				got = report.Violations[0].Rule
			}
			if got != c.rule || len(report.Unclear) > 0 {
				t.Errorf("broken: %q, want %q\n%v", got, c.rule, report)
			}
			var page strings.Builder
			if err := report.Picture(&page); err != nil || !strings.Contains(page.String(), "<html") && !strings.Contains(page.String(), "<!DOCTYPE") {
				t.Errorf("the picture is no page: %v, %d bytes", err, page.Len())
			}
		})
	}
}

// What one execution of each write would not explain is told apart.
func TestOvertaken(t *testing.T) {
	again := []told{{label: "a", write: true, from: 1, to: 10, lost: 8, again: 9}, r("c", 2, 3, "a.1@7"), w("b", 4, 5), r("c", 6, 7, "b.1@7"), r("c", 11, 12, "a.1@7")}
	if report := Judge(runOf(again), judgeLimit); len(report.Overtaken) != 1 || report.Again != 1 {
		t.Errorf("overtaken %v, %d sent again: want block 7 and 1", report.Overtaken, report.Again)
	}
	harmless := []told{{label: "a", write: true, from: 1, to: 9, lost: 6, again: 7}, r("c", 10, 11, "a.1@7")}
	if report := Judge(runOf(harmless), judgeLimit); len(report.Overtaken) != 0 || report.Again != 1 {
		t.Errorf("overtaken %v, %d sent again: want none and 1", report.Overtaken, report.Again)
	}
}

// A history that takes too long, or is too long, is never sound.
func TestUnclear(t *testing.T) {
	var many []told
	for i := range 60 { // all at once, and a read of what nobody wrote: every order has to be tried
		many = append(many, w(fmt.Sprintf("w%d", i), 1, 50), r(fmt.Sprintf("r%d", i), 1, 50, fmt.Sprintf("w%d.1@7", i)))
	}
	many = append(many, r("x", 1, 50, "nobody's"))
	report := Judge(runOf(many), 10*time.Millisecond)
	if len(report.Unclear) != 1 || report.Violated() {
		t.Errorf("want one block that could not be judged in time: %v", report)
	}
	var long []told
	for i := range accessesMax + 1 {
		long = append(long, w("w", i+1, i+1))
	}
	run := runOf(long)
	if report := Judge(run, 0); len(report.Unclear) != 1 {
		t.Errorf("want one block that has too long a history: %v", report)
	}
}

// A line is quoted for a shell, and reads back.
func TestReplayLine(t *testing.T) {
	plan := sessions.Plan{Name: "it's", Steps: []sessions.Step{{Do: sessions.Login{}}}}
	want := `iscsispec check sessions --seed 3 --plan '{name: "it'\''s", steps: [{do: login}]}'`
	if got := ReplayLine(plan, 3); got != want && got != strings.ReplaceAll(want, `"`, "") {
		t.Errorf("%s\nwant %s", got, want)
	}
}
