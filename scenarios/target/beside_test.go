package target

import (
	"path"
	"slices"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scenarios/prooftest"
	"github.com/iscsispec/iscsispec/trace"
)

// Each line of the table is about some check, says why a check runs alone or seizes the unit, and asks for no more sessions than are tried.
func TestMannersAreAboutChecks(t *testing.T) {
	for _, m := range manners {
		found := false
		for _, c := range Checks() {
			fits, err := path.Match(m.ids, c.ID)
			found = found || fits && err == nil
			if company := mannerOf(c.ID); company == m && fits && m.sessions > 0 && c.Risk > scenarios.Writes {
				t.Errorf("%s is %v, and has company", c.ID, c.Risk)
			}
		}
		switch {
		case !found:
			t.Errorf("%s is no check of the suite", m.ids)
		case (m.sessions == 0 || m.unit == scenarios.UnitSeized) && m.why == "":
			t.Errorf("%s: why?", m.ids)
		case m.sessions < 0 || m.sessions > probe.SessionsMax:
			t.Errorf("%s has %d sessions: want 0 to %d", m.ids, m.sessions, probe.SessionsMax)
		}
	}
}

// No check that has company has more connections in sessions at once than it says, and none lasts for seconds that is not among the waits.
func TestChecksKeepToWhatTheySayOfThemselves(t *testing.T) {
	suite := Suite()
	unpublished := map[string]int{ // connections that log in, where most of them do not
		"robustness.framing.random-bytes-before-login": 1,
		"robustness.length.huge-declared-never-sent":   hugeAlone + 1,
	}
	runner := &scenarios.Runner{T: t, Seed: 1, Allow: scenarios.Disruptive, OnResult: func(r *scenarios.Result) error {
		declared := mannerOf(r.ID).sessions
		if n, is := unpublished[r.ID]; is {
			declared = n
		}
		if most := connectionsAtOnce(r.Whole); most > declared {
			t.Errorf("%s has %d connections at once, and says %d", r.ID, most, declared)
		}
		if lasts := waitOf(r.ID).lasts; lasts == 0 && r.Duration > 5*time.Second {
			t.Errorf("%s lasts %v, and is not among the waits", r.ID, r.Duration)
		}
		return nil
	}}
	registry := prooftest.Registry(t, suite)
	entries := slices.DeleteFunc(registry.Entries(), func(e scenarios.Entry) bool { return e.Sessions == 0 })
	if _, err := runner.Run(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	for id := range waits {
		if registry.Find(id) == nil {
			t.Errorf("%s waits, and is no check of the suite", id)
		}
	}
}

// connectionsAtOnce is how many connections of the probe were logged in at the same time.
func connectionsAtOnce(events trace.Events) (most int) {
	open := map[string]bool{}
	for _, e := range events.OfNode(trace.NodeProbe) {
		switch e.Kind {
		case trace.KindPDUSent, trace.KindPDUReceived:
			open[e.Conn] = true
		case trace.KindConnClosed:
			delete(open, e.Conn)
		}
		most = max(most, len(open))
	}
	return most
}
