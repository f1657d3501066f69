package suite

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/scenarios/sessions"
)

// thin is which share of the places is tried where ISCSISPEC_EXHAUSTIVE is not set: a prime, so that every kind of PDU and
// every place within PDUs has its turn.
const thin = 71

// TestExhaustiveCuts runs each workload once for every place at which its connection can be cut once the session is there,
// in each of three ways, and holds what is never to break: the session keeps its ID and comes back, no device leaves,
// every request ends well, and what was written is read again. `make exhaustive` tries all places.
func TestExhaustiveCuts(t *testing.T) {
	every := thin
	if os.Getenv("ISCSISPEC_EXHAUSTIVE") == "1" {
		every = 1
	}
	for _, c := range []struct {
		name string
		plan func() sessions.Plan
	}{{"plain", workload}, {"digests", digests}, {"redirecting", redirecting}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			whole := execute(t, c.plan())
			judgeCut(t, "no cut", whole)
			for _, verb := range []faults.Verb{faults.Reset, faults.Fin, faults.Silence} {
				tried := 0
				for i, cut := range faults.Cuts(whole.Events, verb) {
					// A first login that is cut leaves nothing behind, so there is nothing to hold.
					if strings.HasPrefix(cut.PDU, "login-") || i%every != 0 {
						continue
					}
					tried++
					judgeCut(t, cut.String(), execute(t, c.plan(), cut))
				}
				t.Logf("%v: %d places", verb, tried)
			}
		})
	}
}

// workload logs in, writes and reads in small and in large, and looks at what is left when whatever was cut has had the
// time to come back.
func workload() sessions.Plan {
	return sessions.Plan{
		Steps: []sessions.Step{
			{Label: "s", Do: sessions.Login{}},
			{Label: "load", At: 25 * time.Second, Async: true, Do: sessions.Load{Session: "s", Workers: 2, Every: 250 * time.Millisecond,
				For: time.Second, Write: true, Verify: true}},
			{Label: "large", At: 25500 * time.Millisecond, Do: sessions.Write{Session: "s", LBA: 8192, Blocks: 600}},
			{Label: "again", Do: sessions.Read{Session: "s", LBA: 8192, Blocks: 600}},
			{Label: "probe", At: 70 * time.Second, Do: sessions.Probe{Session: "s"}},
		},
		Until: 75 * time.Second,
	}
}

// digests is the workload with CRC32C over headers and data, so that cuts fall into digests too.
func digests() sessions.Plan {
	plan := workload()
	plan.Initiator.Login.HeaderDigest = []string{"CRC32C"}
	plan.Initiator.Login.DataDigest = []string{"CRC32C"}
	return plan
}

// redirecting is the workload before the single-port array that sends every login on.
func redirecting() sessions.Plan {
	plan := workload()
	plan.Arrays = []sessions.Array{{Profile: "single-port-redirect-temporary", Change: "login: {redirect: {keep_first: false}}"}}
	return plan
}

// execute runs the plan with faults, each of which has to fire.
func execute(t *testing.T, plan sessions.Plan, planned ...faults.Fault) *sessions.Run {
	t.Helper()
	plan.Faults = planned
	run, err := sessions.Execute(plan, sessions.Options{T: t, Seed: 1})
	if err != nil {
		t.Fatalf("%v\n%s", err, plan)
	}
	for _, f := range run.Faults {
		if f.Fired == 0 {
			t.Errorf("%s never fired", f.Plan)
		}
	}
	return run
}

func judgeCut(t *testing.T, cut string, run *sessions.Run) {
	t.Helper()
	for _, trouble := range run.Trouble {
		t.Errorf("%s: %s", cut, trouble)
	}
	id := run.Session("s")
	if id == 0 || len(run.IDs()) != 1 {
		t.Errorf("%s: session %d of %v, want one session with one ID", cut, id, run.IDs())
	}
	if gone := run.Devices(id, sessions.DeviceGone); len(gone) > 0 {
		t.Errorf("%s: %d devices left the stack", cut, len(gone))
	}
	load := run.Ops("load")
	for _, op := range append(load, run.Op("large"), run.Op("again"), run.Op("probe")) {
		if op.Name != "load" && op.Outcome != sessions.Good {
			t.Errorf("%s: %s %d came to %q %s", cut, op.Label, op.N, op.Outcome, op.Err)
		}
	}
	if large, again := run.Op("large"), run.Op("again"); large.Digest != again.Digest {
		t.Errorf("%s: wrote %s and read %s", cut, large.Digest, again.Digest)
	}
	// Two workers, each with a write and a read under way: a long silence leaves them time for no more.
	if len(load) < 4 {
		t.Errorf("%s: %d requests, want at least 4", cut, len(load))
	}
}
