package peers

import (
	"context"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/target"
	"github.com/iscsispec/iscsispec/simtarget"
)

// quick are waits that are long enough for a target on the same machine.
func quick(t *testing.T, url string) target.Foreign {
	t.Helper()
	u, err := iscsi.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	return target.Foreign{URL: u, Seed: 1, QuietTime: time.Second, CloseTimeout: 2 * time.Second, AnswerTimeout: 2 * time.Second}
}

// judge runs the target suite, or the named groups of it, with a baseline when its file is named.
func judge(t *testing.T, f target.Foreign, baseline string, groups ...string) []*scenarios.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	suite, _, err := target.Against(ctx, f)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := scenarios.NewRegistry(scenarios.LoadCatalogue(), suite)
	if err != nil {
		t.Fatal(err)
	}
	runner := &scenarios.Runner{T: t, Seed: 1, Allow: scenarios.Disruptive}
	if baseline != "" {
		if runner.Baseline, err = scenarios.LoadBaseline(baseline, registry, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	// In a bubble the lengthy ones prove themselves anyway.
	entries, err := scenarios.Selection{Only: groups, Skip: target.Lengthy()}.Pick(registry.Entries())
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

// The simulated array is as sound over TCP as in a bubble.
func TestTargetSuiteOverTCP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		profile string
		groups  []string // none means all
	}{
		{"multi-portal", nil},
		{"chap", []string{"login", "negotiation", "keys", "auth", "discovery", "digest"}},
	} {
		t.Run(c.profile, func(t *testing.T) {
			t.Parallel()
			profile, err := simtarget.Builtin(c.profile)
			if err != nil {
				t.Fatal(err)
			}
			array, err := simtarget.New(profile, simtarget.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := array.Start(simtarget.ListenLoopback); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := array.Close(); err != nil {
					t.Error(err)
				}
			})
			f := quick(t, array.URLs()[0].String())
			if users := profile.Login.CHAP.Users; len(users) > 0 {
				f.URL.User, f.URL.Password = users[0].Name, iscsi.Secret(users[0].Secret)
			}
			results := judge(t, f, "", c.groups...)
			report(t, results)
			for _, r := range results {
				if r.Verdict == scenarios.Warn {
					t.Errorf("%s: warn: %s", r.ID, r.Reason)
				}
			}
		})
	}
}

// What the suite finds in tgt is known.
func TestTargetSuiteAgainstTGT(t *testing.T) {
	t.Parallel()
	tgt := TGTFor(t, TGTConfig{})
	f := quick(t, tgt.URL(0, 0))
	// A check may fell tgtd, and the next one finds another.
	f.Fresh = func(context.Context) (iscsi.URL, error) {
		if tgt.Ended() {
			tgt = TGTFor(t, TGTConfig{})
		}
		return iscsi.ParseURL(tgt.URL(0, 0))
	}
	report(t, judge(t, f, "../../baselines/tgt.yaml"))
}
