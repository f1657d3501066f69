package integrity

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios/sessions"
	"github.com/iscsispec/iscsispec/trace"
)

// plansInTest is how many random plans `go test` runs; `make plans` sets ISCSISPEC_PLANS.
const plansInTest = 300

// kept bounds the violations that a search looks for and shrinks.
const kept = 4

// number reads a variable of the environment.
func number(t *testing.T, name string, unset int) int {
	t.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv(name), strconv.Itoa(unset)))
	if err != nil || n < 1 {
		t.Fatalf("%s=%q: want a number above 0", name, os.Getenv(name))
	}
	return n
}

// mostPlans bounds the plans that are run for each one in which every fault fires.
const mostPlans = 4

// TestPlans holds the sound initiator, before sound arrays, to its data while random plans do what they can. ISCSISPEC_PLANS is how many plans have
// to have all their faults fire, ISCSISPEC_PLANS_FROM the number of the first, ISCSISPEC_PLANS_OUT the folder that failing ones are saved in.
func TestPlans(t *testing.T) {
	first, want := number(t, "ISCSISPEC_PLANS_FROM", 1), number(t, "ISCSISPEC_PLANS", plansInTest)
	began := time.Now()
	y := search(t, first, bounds{plans: mostPlans * want, whole: want, broken: kept}, nil)
	t.Logf("%v\n%v on the clock of this machine", y, time.Since(began).Round(time.Second))
	for _, n := range y.unclear {
		t.Logf("plan %d could not be judged within %v", n, judgePatience)
	}
	if 1000*len(y.unclear) > y.plans {
		t.Errorf("%d of %d plans could not be judged: want at most one of 1000", len(y.unclear), y.plans)
	}
	if y.whole < want && len(y.numbers) == 0 {
		t.Errorf("every fault fired in %d of %d plans only: want %d", y.whole, y.plans, want)
	}
	for _, n := range y.numbers {
		// Not the test's own folder: what failed is to outlive it.
		folder := cmp.Or(os.Getenv("ISCSISPEC_PLANS_OUT"), filepath.Join(os.TempDir(), "iscsispec-plans"))
		r := shrink(t, n, nil, 20*time.Second)
		keep(t, folder, fmt.Sprintf("plan-%d", n), r)
		t.Errorf("plan %d breaks a rule. Shrunk:\n%v", n, r)
	}
}

// Each array that plans are drawn for has the initiator log in and its data come back, so that random plans are about data.
func TestArraysTakeData(t *testing.T) {
	for _, profile := range profiles {
		plan := sessions.Plan{Arrays: []sessions.Array{{Profile: profile}}, Steps: []sessions.Step{{Label: "s", Do: sessions.Login{}},
			{Label: "w", Do: sessions.Write{Session: "s", LBA: firstBlock}}, {Label: "r", Do: sessions.Read{Session: "s", LBA: firstBlock, Content: true}}}}
		r := try(t, drawn{plan: plan, seed: 1})
		if r.err != nil || r.report.Acknowledged != 2 || r.report.Violated() {
			t.Errorf("%s: want a write and a read that end well: %v", profile, r)
		}
	}
}

// TestOneSeedLeavesOneTrace: a plan that is replayed leaves the same trace, byte for byte, also when it was read back from its line.
func TestOneSeedLeavesOneTrace(t *testing.T) {
	text := func(r result) []byte {
		if r.err != nil {
			t.Fatal(r.err)
		}
		var b bytes.Buffer
		if err := trace.WriteJSONL(&b, r.run.Events); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for n := range 40 {
		d := numbered(n + 1)
		first := tried(t, d, false)
		plan, err := sessions.ParsePlan([]byte(d.plan.Line()))
		if err != nil {
			t.Fatalf("plan %d: %v\n%s", n+1, err, d.plan.Line())
		}
		if again := tried(t, drawn{plan: plan, seed: d.seed}, false); !bytes.Equal(text(first), text(again)) {
			t.Errorf("plan %d leaves two traces\n%s", n+1, ReplayLine(d.plan, d.seed))
		}
	}
}
