package integrity

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios/sessions"
)

// plansForBug is how many random plans may pass before a bug is found.
const plansForBug = 1000

// unstored makes an array answer writes before it stores them, in the words of its profile.
const unstored = "defects: [Recovery.LoseAcknowledgedData]\n"

// TestBugsAreFound puts bugs into an array and into the initiator: each is found within plansForBug plans, its plan is shrunk, and the shrunk
// plan, read back from its line, breaks the same rule.
func TestBugsAreFound(t *testing.T) {
	initiator := func(name string) func(d *drawn) {
		return func(d *drawn) { d.plan.Initiator.Defects = []string{name} }
	}
	for _, bug := range []struct {
		name, rule string
		put        func(d *drawn)
	}{
		{"acknowledge before the write is stored", RuleOrder, func(d *drawn) {
			if len(d.plan.Arrays) == 0 {
				d.plan.Arrays = []sessions.Array{{}}
			}
			a := &d.plan.Arrays[0]
			a.Change = unstored + a.Change
		}},
		{"replay a queued write twice", RuleOrder, initiator("Queue.ReplayFinished")},
		{"forget one queued request at removal", RuleAnswer, initiator("Queue.ForgetAtRemoval")},
		{"overtake a write of unknown outcome", RuleDoubt, initiator("Queue.OvertakeDoubt")},
	} {
		t.Run(bug.name, func(t *testing.T) {
			y := search(t, 1, bounds{plans: plansForBug, broken: 1}, bug.put)
			if len(y.numbers) == 0 {
				t.Fatalf("%d plans have not found it", y.plans)
			}
			first := slices.Min(y.numbers)
			least := shrink(t, first, bug.put, 2*time.Second)
			t.Logf("found by plan %d; shrunk:\n%v", first, least)
			if got := least.broken(); got != bug.rule {
				t.Errorf("it breaks the rule %q, want %q", got, bug.rule)
			}
			plan, err := sessions.ParsePlan([]byte(least.plan.Line()))
			if err != nil {
				t.Fatal(err)
			}
			if again := try(t, drawn{plan: plan, seed: least.seed}); again.String() != least.String() {
				t.Errorf("replayed, it is another:\n%v", again)
			}
			sound := least.drawn
			sound.plan.Initiator.Defects = nil
			if len(sound.plan.Arrays) > 0 {
				array := sound.plan.Arrays[0]
				array.Change = strings.TrimPrefix(array.Change, unstored)
				sound.plan.Arrays = []sessions.Array{array}
			}
			if r := try(t, sound); r.broken() != "" {
				t.Errorf("it fails without the bug too:\n%v", r)
			}
		})
	}
}
