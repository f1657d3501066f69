package peers

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios"
	suites "github.com/iscsispec/iscsispec/scenarios/suite"
	"github.com/iscsispec/iscsispec/scenarios/target"
)

// quick are waits that are long enough for a target on the same machine.
func quick(t *testing.T, url string) target.Foreign {
	t.Helper()
	u, err := iscsi.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return target.Foreign{URL: u, Seed: 1, QuietTime: time.Second, CloseTimeout: 2 * time.Second, AnswerTimeout: 2 * time.Second,
		Patience: 5 * time.Second}
}

// sound are waits for a target that answers whatever has to be answered: only the silences take time, and the others may be those of any user.
func sound(t *testing.T, url string) target.Foreign {
	t.Helper()
	f := quick(t, url)
	f.CloseTimeout, f.AnswerTimeout = 0, 0
	return f
}

// patientRun is a check's deadline where its waits are those of users.
const patientRun = 5 * time.Minute

// judgeOther runs what is selected of the target suite on somebody else's target. What is not as its baseline says is run once more by itself,
// with the waits that users have, and that counts: on a busy machine two seconds may be too short for an answer, or for a target that the check
// before has felled to be seen to have gone.
func judgeOther(t *testing.T, f target.Foreign, baseline string, selection scenarios.Selection) []*scenarios.Result {
	t.Helper()
	results := judge(t, f, baseline, selection)
	f.QuietTime, f.CloseTimeout, f.AnswerTimeout = 0, 0, 0
	for i, r := range results {
		if r.Expected() || r.Monitored != nil { // what monitors saw rests on no wait
			continue
		}
		t.Logf("%s at first: %v %s: %s", r.ID, r.Verdict, r.Standing, r.Reason)
		if f.Fresh != nil {
			var err error
			if f.URL, err = f.Fresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, again := range judge(t, f, baseline, scenarios.Selection{Only: []string{r.ID}}) {
			if again.ID == r.ID {
				results[i] = again
			}
		}
	}
	return results
}

// judge runs what is selected of the target suite, with a baseline when its file is named.
func judge(t *testing.T, f target.Foreign, baseline string, selection scenarios.Selection) []*scenarios.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	suite, _, err := target.Against(ctx, f)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := scenarios.NewRegistry(scenarios.LoadCatalogue(), suites.Monitored(suite))
	if err != nil {
		t.Fatal(err)
	}
	runner := &scenarios.Runner{T: t, Seed: 1, Allow: scenarios.Disruptive}
	if f.AnswerTimeout == 0 { // who waits as users do has time for it
		runner.Limits.Run = patientRun
	}
	if baseline != "" {
		if runner.Baseline, err = scenarios.LoadBaseline(baseline, registry, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	// In a bubble the lengthy ones prove themselves anyway.
	selection.Skip = append(selection.Skip, target.Lengthy()...)
	entries, err := selection.Pick(registry.Entries())
	if err != nil {
		t.Fatal(err)
	}
	results, err := runner.Run(ctx, entries)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// report fails the test for every result that is not as expected.
func report(t *testing.T, results []*scenarios.Result) {
	t.Helper()
	for _, r := range results {
		if r.Expected() {
			continue
		}
		t.Errorf("%s: %v %s: %s; got: %s", r.ID, r.Verdict, r.Standing, r.Reason, r.Actual)
		for _, f := range r.Findings {
			t.Logf("%s: %v %s; got: %s; want: %q", r.ID, f.Verdict, f.Reason, f.Actual, f.Expected)
		}
	}
}

// parts is how many peers of a kind share the checks: nearly all of their time goes into waiting for what a target must not do.
const parts = 8

// shared runs the checks in parts, each with a peer of its own.
func shared(t *testing.T, one func(t *testing.T, part scenarios.Shard)) {
	for part := range parts {
		t.Run(fmt.Sprintf("part %d of %d", part+1, parts), func(t *testing.T) {
			t.Parallel()
			one(t, scenarios.Shard{Index: part + 1, Count: parts})
		})
	}
}

// The simulated array is as sound over TCP as in a bubble.
func TestTargetSuiteOverTCP(t *testing.T) {
	t.Parallel()
	t.Run("multi-portal", func(t *testing.T) {
		t.Parallel()
		shared(t, func(t *testing.T, part scenarios.Shard) {
			overTCP(t, "multi-portal", scenarios.Selection{Shard: part})
		})
	})
	t.Run("chap", func(t *testing.T) {
		t.Parallel()
		overTCP(t, "chap", scenarios.Selection{Only: []string{"login", "negotiation", "keys", "auth", "discovery", "digest"}})
	})
}

func overTCP(t *testing.T, name string, selection scenarios.Selection) {
	array, profile := shipped(t, name)
	f := sound(t, array.URLs()[0].String())
	if users := profile.Login.CHAP.Users; len(users) > 0 {
		f.URL.User, f.URL.Password = users[0].Name, iscsi.Secret(users[0].Secret)
	}
	results := judge(t, f, "", selection)
	report(t, results)
	for _, r := range results {
		if r.Verdict == scenarios.Warn {
			t.Errorf("%s: warn: %s", r.ID, r.Reason)
		}
	}
}

// What the suite finds in tgt is known.
func TestTargetSuiteAgainstTGT(t *testing.T) {
	t.Parallel()
	f, ids := fleetOf(t, fleetSize, scenarios.Selection{Skip: slices.Concat(corrupting, racing, target.Lengthy())})
	results, err := f.run(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if slices.ContainsFunc(results[id], func(r *scenarios.Result) bool { return !r.Expected() }) {
			t.Logf("%s met a tgtd that had met %q before", id, f.met[id])
			results[id] = judgeOther(t, anyTGT(t), "../../baselines/tgt.yaml", scenarios.Selection{Only: []string{id}})
		}
		report(t, results[id])
	}
	left, err := f.left(t.Context())
	if err != nil || left != "" {
		t.Errorf("sessions are left behind: %v\n%s", err, left)
	}
}

// anyTGT is a tgt that a check may fell: the next one finds another.
func anyTGT(t *testing.T) target.Foreign {
	t.Helper()
	return laterTGT(t, TGTFor(t, TGTConfig{}))
}

// laterTGT is a tgt, and others where it is felled.
func laterTGT(t *testing.T, tgt *TGT) target.Foreign {
	t.Helper()
	f := quick(t, tgt.URL(0, 0))
	f.Fresh = func(ctx context.Context) (iscsi.URL, error) {
		if tgt.Ended(ctx) {
			tgt = TGTFor(t, TGTConfig{})
		}
		return iscsi.ParseURL(tgt.URL(0, 0))
	}
	return f
}

// corrupting are the checks behind which tgtd goes on with memory that it has written beyond its buffers: what it does then says nothing about
// the checks that follow.
var corrupting = []string{"data-out.solicited.wrong-buffer-offset", "data-out.immediate.exceeds-edtl"}

// What has tgtd write beyond its buffers meets one of its own.
func TestTargetSuiteCorruptingTGT(t *testing.T) {
	t.Parallel()
	for _, id := range corrupting {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			report(t, judgeOther(t, anyTGT(t), "../../baselines/tgt.yaml", scenarios.Selection{Only: []string{id}}))
		})
	}
}

// racing are the checks in which tgtd is felled, or not, by what comes first. A write for which it has an R2T to send stands in the list of what is to
// be sent; the last Data-Out PDU that came unasked puts it there once more (iscsid.c, iscsi_data_out_rx_done and iscsi_scsi_cmd_execute), which
// breaks the list where the R2T is not on its way yet: on a busy machine, where both PDUs are there before tgtd reads.
var racing = []string{"data-out.unsolicited.in-r2t-mode"}

// What may fell tgtd by its own race is as its baseline says, or has felled it.
func TestTargetSuiteRacingTGT(t *testing.T) {
	t.Parallel()
	for _, id := range racing {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			tgt := TGTFor(t, TGTConfig{})
			for _, r := range judge(t, laterTGT(t, tgt), "../../baselines/tgt.yaml", scenarios.Selection{Only: []string{id}}) {
				if r.Expected() {
					continue
				}
				if tgt.Ended(t.Context()) {
					t.Logf("%s has felled tgtd: %s", r.ID, r.Reason)
					continue
				}
				report(t, []*scenarios.Result{r})
			}
		})
	}
}
