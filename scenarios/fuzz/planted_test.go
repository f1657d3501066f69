package fuzz_test

import (
	"context"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/internal/planted"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
	"github.com/iscsispec/iscsispec/scenarios/fuzz/scripted"
	"github.com/iscsispec/iscsispec/simtarget"
)

// pdusMost is how many PDUs the smallest flow for a planted defect may have.
const pdusMost = 6

// flowsForDefect bounds `go test`; `make planted` bounds the search by time instead, in seconds, which ISCSISPEC_PLANTED says.
const flowsForDefect = 6000

// defects are the planted ones.
var defects = []struct {
	name   string
	target planted.Target
	of     planted.Initiator
	long   bool // left to make planted
}{
	{name: "target: ContinuationUncounted", target: planted.Target{ContinuationUncounted: true}},
	{name: "target: OnePastRange", target: planted.Target{OnePastRange: true}},
	{name: "target: ProofRemembered", target: planted.Target{ProofRemembered: true}, long: true},
	{name: "target: QualifierIgnored", target: planted.Target{QualifierIgnored: true}, long: true},
	{name: "target: EightAnswers", target: planted.Target{EightAnswers: true}, long: true},
	{name: "initiator: SilenceIsConsent", of: planted.Initiator{SilenceIsConsent: true}},
	{name: "initiator: ShortcutTaken", of: planted.Initiator{ShortcutTaken: true}, long: true},
	{name: "initiator: ContinuationUncounted", of: planted.Initiator{ContinuationUncounted: true}},
	{name: "initiator: AlgorithmUnoffered", of: planted.Initiator{AlgorithmUnoffered: true}},
	{name: "initiator: HotRetryAfterRedirect", of: planted.Initiator{HotRetryAfterRedirect: true}, long: true},
}

// TestPlantedDefectsAreFound plants ten defects into the login paths of our array and our initiator, one at a time: each is found, and
// shrunk to a few PDUs. The sound peers, searched in the same way, have none (TestSearchFindsNothing... of both packages).
func TestPlantedDefectsAreFound(t *testing.T) {
	ctx, flows := context.Background(), uint64(flowsForDefect)
	seconds, _ := strconv.Atoi(os.Getenv("ISCSISPEC_PLANTED"))
	for _, d := range defects {
		t.Run(d.name, func(t *testing.T) {
			if d.long && seconds == 0 {
				t.Skip("make planted searches for it")
			}
			ctx, workers := ctx, 1 // One worker finds the same each time.
			if seconds > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
				defer cancel()
				flows, workers = 0, 2
			}
			began := time.Now()
			var found *fuzz.Found
			take := func(f fuzz.Found) bool {
				if found == nil || f.Flow.PDUs() < found.Flow.PDUs() {
					found = &f
				}
				return true
			}
			var err error
			var done uint64
			if d.target != (planted.Target{}) {
				dev := new(simtarget.Deviations)
				dev.Plant(d.target)
				s := fuzz.Search{T: t, Seed: 1, Workers: workers, Flows: flows, Deviations: dev, Found: take}
				err, done = s.Run(ctx), s.Done()
			} else {
				dev := new(initiator.Deviations)
				dev.Plant(d.of)
				s := scripted.Search{T: t, Seed: 1, Workers: workers, Flows: flows, Deviations: dev, Found: take}
				err, done = s.Run(ctx), s.Done()
			}
			switch {
			case err != nil:
				t.Fatal(err)
			case found == nil:
				t.Fatalf("%d flows have not found it", done)
			}
			t.Logf("found by flow %d after %d flows and %v; %d PDUs: %v\n%v", found.Index, done, time.Since(began).Round(time.Millisecond), found.Flow.PDUs(), found.Flow, &found.Finding)
			if n := found.Flow.PDUs(); n > pdusMost {
				t.Errorf("the smallest flow has %d PDUs, want at most %d", n, pdusMost)
			}
		})
	}
}
