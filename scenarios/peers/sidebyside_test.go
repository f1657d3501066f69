package peers

import (
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/target"
)

// waiting are checks that run side by side at a real peer, but those that wait longer than some seconds.
var waiting = []string{
	"ffp-sequencing.cmdsn.gap-holds-later-commands", "nop.no-response.*", "nop.response.*", "recovery.connection-reinstatement.*", "reject.format.*",
	"tmf.abort-task*", "tmf.immediate.*", "login.basic.*",
}

// verdicts runs the waiting checks with so many sessions at once, and tells each verdict in the order of the results.
func verdicts(t *testing.T, f target.Foreign, sessions int) string {
	t.Helper()
	suite, abilities, err := target.Against(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	if suite.Sessions != abilities.Sessions || suite.Sessions < 2 {
		t.Fatalf("the suite has %d sessions, and the target grants %d", suite.Sessions, abilities.Sessions)
	}
	suite.Sessions = sessions
	registry, err := scenarios.NewRegistry(scenarios.LoadCatalogue(), suite)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := scenarios.Selection{Only: waiting}.Pick(registry.Entries())
	if err != nil {
		t.Fatal(err)
	}
	results, err := (&scenarios.Runner{T: t, Seed: 1, Allow: scenarios.Disruptive}).Run(t.Context(), entries)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range results {
		b.WriteString(r.ID + " " + r.Verdict.String() + "\n")
	}
	return b.String()
}

// Whether checks run side by side is nothing that their verdicts or their order show.
func TestVerdictsSideBySide(t *testing.T) {
	t.Parallel()
	t.Run("simulated array", func(t *testing.T) {
		t.Parallel()
		array, _ := shipped(t, "multi-portal")
		alike(t, sound(t, array.URLs()[0].String()))
	})
	t.Run("tgt", func(t *testing.T) {
		t.Parallel()
		tgt := TGTFor(t, TGTConfig{})
		alike(t, quick(t, tgt.URL(0, 0)))
		for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) { // tgtd hears of the last connection's end in its own time
			left, err := tgt.Admin(t.Context(), "--lld", "iscsi", "--mode", "conn", "--op", "show", "--tid", "1")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(left, "Session") {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("sessions are left behind:\n%s", left)
			}
		}
	})
}

// alike compares runs side by side with one that runs one check at a time.
func alike(t *testing.T, f target.Foreign) {
	t.Helper()
	alone := verdicts(t, f, 0)
	for range 3 {
		if got := verdicts(t, f, 12); got != alone {
			t.Errorf("side by side:\n%s\none after the other:\n%s", got, alone)
		}
	}
}
