package sessions

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

func TestAJudgeWithNothingToSayFails(t *testing.T) {
	c := Check{ID: "x", Judge: func(*Judge, []*Run) {}}
	if o := c.Judged([]*Run{{}}); o.Verdict != scenarios.Fail {
		t.Errorf("verdict %v, want fail", o.Verdict)
	}
}

func TestExpectations(t *testing.T) {
	event := trace.Event{At: time.Second, Kind: trace.KindNote}
	for name, tt := range map[string]struct {
		ok, bad func(j *Judge) bool
	}{
		"want":     {func(j *Judge) bool { return j.Want(true, "r", "a", "a") }, func(j *Judge) bool { return j.Want(false, "r", "a", "b") }},
		"equal":    {func(j *Judge) bool { return j.Equal("r", 7, uint64(7)) }, func(j *Judge) bool { return j.Equal("r", 7, 8) }},
		"count":    {func(j *Judge) bool { return j.Count("r", 12, 11, 13) }, func(j *Judge) bool { return j.Count("r", 14, 11, 13) }},
		"instant":  {func(j *Judge) bool { return j.Instant("r", seconds(60.04), seconds(60)) }, func(j *Judge) bool { return j.Instant("r", seconds(60.06), seconds(60)) }},
		"never":    {func(j *Judge) bool { return j.Within("r", 0, 0, 0) }, func(j *Judge) bool { return j.Within("r", -1, -5, seconds(9)) }},
		"took":     {func(j *Judge) bool { return j.Took("r", seconds(5), seconds(5)) }, func(j *Judge) bool { return j.Took("r", seconds(4), seconds(5)) }},
		"outcome":  {func(j *Judge) bool { return j.Outcome(OpRun{Outcome: Good}, Good, Busy) }, func(j *Judge) bool { return j.Outcome(OpRun{Outcome: Timeout}, Good) }},
		"outcomes": {func(j *Judge) bool { return j.Outcomes("r", []OpRun{{Outcome: Good}}, Good) }, func(j *Judge) bool { return j.Outcomes("r", nil, Good) }},
		"none":     {func(j *Judge) bool { return j.None("r", "none", nil) }, func(j *Judge) bool { return j.None("r", "none", []trace.Event{event}) }},
	} {
		t.Run(name, func(t *testing.T) {
			good, bad := new(Judge), new(Judge)
			if !tt.ok(good) || scenarios.Conclude(good.Findings()).Verdict != scenarios.Pass {
				t.Errorf("what is as expected: %+v", good.Findings())
			}
			if tt.bad(bad) || scenarios.Conclude(bad.Findings()).Verdict != scenarios.Fail {
				t.Errorf("what is not as expected: %+v", bad.Findings())
			}
		})
	}
}

func TestTroubleMakesAPassInconclusiveAndHidesNoFailure(t *testing.T) {
	for _, ok := range []bool{true, false} {
		c := Check{ID: "x", Judge: func(j *Judge, runs []*Run) { j.In(runs[0]).Want(ok, "r", "a", "b") }}
		o := c.Judged([]*Run{{Plan: Plan{Name: "one"}, Trouble: []string{"a step was late"}}})
		worst := o.Verdict
		for _, f := range o.Findings {
			worst = scenarios.Worse(worst, f.Verdict)
		}
		want := scenarios.Inconclusive
		if !ok {
			want = scenarios.Fail
		}
		if worst != want {
			t.Errorf("met %v: %v, want %v", ok, worst, want)
		}
	}
}

// opEvents are the events of one op.
func opEvents(label string, n string, request uint64, begin, end time.Duration, outcome string) []trace.Event {
	attrs := []trace.Attr{trace.A(attrLabel, label), trace.A(attrNumber, n)}
	events := []trace.Event{{At: begin, Kind: trace.KindOp, Op: "read", State: trace.OpBegin, Request: request, Session: 4, LUN: new(uint64(1)),
		Attrs: append(attrs, trace.A(attrLBA, 77), trace.A(attrBlocks, 2))}}
	if outcome != "" {
		events = append(events, trace.Event{At: end, Kind: trace.KindOp, Op: "read", State: trace.OpEnd, Request: request, Reason: outcome,
			Attrs: append(attrs, trace.A(attrLength, 512), trace.A(attrDigest, "abcd"))})
	}
	return events
}

func TestOpsOfATrace(t *testing.T) {
	r := &Run{Ended: seconds(9)}
	r.Events = append(r.Events, opEvents("a", "1", 1, seconds(1), seconds(3), Good)...)
	r.Events = append(r.Events, opEvents("b", "1", 2, seconds(2), 0, "")...)
	r.Events = append(r.Events, opEvents("a", "2", 3, seconds(4), seconds(5), TransportLost)...)
	a := r.Ops("a")
	if len(a) != 2 || a[0].Took() != seconds(2) || a[1].N != 2 || !a[1].Is(Good, TransportLost) || a[0].LUN != 1 || a[0].LBA != 77 || a[0].Length != 512 {
		t.Errorf("ops of a: %+v", a)
	}
	if b := r.Op("b"); b.Outcome != Pending || b.End != seconds(9) || len(b.Evidence()) != 1 {
		t.Errorf("op b: %+v", b)
	}
	if c := r.Op("c"); c.Outcome != "" || c.End != seconds(9) || c.Evidence() != nil {
		t.Errorf("an op that never ran: %+v", c)
	}
}

func TestDialsOfATrace(t *testing.T) {
	note := func(at float64, kind trace.Kind, conn, state string) trace.Event {
		return trace.Event{At: seconds(at), Kind: kind, Node: trace.NodeInitiator, Conn: conn, To: PortalAddress(conn[:1]), State: state}
	}
	r := &Run{Events: trace.Events{
		{At: seconds(1), Kind: trace.KindSession, Op: "attempt", Session: 5, To: PortalAddress("A"), Node: trace.NodeInitiator},
		note(1, trace.KindDial, "A#1", ""), note(1.1, trace.KindConnUp, "A#1", ""), note(3, trace.KindConnClosed, "A#1", trace.CloseRSTReceived),
		note(2, trace.KindDial, "B#1", ""), note(2.5, trace.KindDialFailed, "B#1", ""),
		note(8, trace.KindDial, "A#2", ""),
	}}
	dials := r.Dials()
	if len(dials) != 3 || dials[0].Session != 5 || dials[0].Closed != seconds(3) || dials[1].Failed != seconds(2.5) || dials[2].Up != -1 {
		t.Errorf("dials: %+v", dials)
	}
	if !dials[0].Open(seconds(2)) || dials[0].Open(seconds(3)) || dials[1].Open(seconds(2)) {
		t.Error("a connection is open from its being up to its end")
	}
	if pairs := Overlapping(dials); len(pairs) != 1 || pairs[0][1].Conn != "B#1" {
		t.Errorf("overlapping: %+v", pairs)
	}
	if at := r.Dials(DialledTo("A"), DialledFrom(seconds(2)), DialledBefore(seconds(9)), DialledBy(5)); len(at) != 1 || at[0].Conn != "A#2" {
		t.Errorf("filtered: %+v", at)
	}
	if diff := cmp.Diff([]time.Duration{seconds(1), seconds(6)}, Gaps(Starts(dials))); diff != "" {
		t.Error(diff)
	}
	if text := Durations(make([]time.Duration, 100)); !strings.Contains(text, "...") {
		t.Errorf("a long list prints as %s", text)
	}
}

func TestListingsReadBack(t *testing.T) {
	row := deviceRow(trace.Event{Device: "naa.5", Attrs: []trace.Attr{trace.A("paths", "3/5,4/5/blocked"), trace.A(attrBlocks, 131072)}})
	if diff := cmp.Diff([]Path{{Session: 3, LUN: 5}, {Session: 4, LUN: 5, Blocked: true}}, row.Paths); diff != "" || row.Blocks != 131072 {
		t.Errorf("%+v\n%s", row, diff)
	}
	r := &Run{Events: trace.Events{
		{Kind: trace.KindOp, Op: "login-all", State: trace.OpBegin, Request: 1, Attrs: []trace.Attr{trace.A(attrLabel, "all")}},
		{Kind: trace.KindOp, Op: "login-all", State: stateRow, Request: 1, Session: 8},
		{Kind: trace.KindOp, Op: "login-all", State: stateRow, Request: 1, Session: 9},
		{Kind: trace.KindOp, Op: "login-all", State: trace.OpEnd, Request: 1, Reason: OK},
	}}
	if r.Session("all.2") != 9 || r.Session("all.3") != 0 || r.Session("other") != 0 {
		t.Error("sessions of a login-all are numbered from 1")
	}
}
