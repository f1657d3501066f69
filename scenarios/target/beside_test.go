package target

import (
	"testing"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// What runs beside others is a check of the suite, and none that may disturb other initiators.
func TestBesideNamesChecksThatDisturbNobody(t *testing.T) {
	byID := map[string]Check{}
	for _, c := range Checks() {
		byID[c.ID] = c
	}
	for id, sessions := range beside {
		switch c, known := byID[id]; {
		case !known:
			t.Errorf("%s is no check of the suite", id)
		case c.Risk > scenarios.Writes:
			t.Errorf("%s is %v", id, c.Risk)
		case sessions < 1 || sessions > probe.SessionsMax:
			t.Errorf("%s has %d sessions: want 1 to %d", id, sessions, probe.SessionsMax)
		}
	}
}
