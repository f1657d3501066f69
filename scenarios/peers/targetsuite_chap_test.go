package peers

import (
	"context"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The accounts that tgt and the simulated array ask for here; the secrets are for everybody to know.
const (
	chapUser, chapSecret       = "iscsispec", "iscsispec-secret"
	chapArray, chapArraySecret = "array", "iscsispec-array-secret"
)

// authOnly are the checks of authentication.
var authOnly = scenarios.Selection{Only: []string{"auth"}}

// What the suite finds in tgt that asks for CHAP, in one and in both directions, is known.
func TestTargetSuiteAgainstTGTWithCHAP(t *testing.T) {
	t.Parallel()
	for _, mutual := range []bool{false, true} {
		name, target := "one-way", TGTTarget{User: chapUser, Password: chapSecret}
		if mutual {
			name, target.OutUser, target.OutPass = "mutual", chapArray, chapArraySecret
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := TGTConfig{Targets: []TGTTarget{target}}
			tgt := TGTFor(t, config)
			url := func() string {
				u := tgt.URL(0, 0)
				if mutual {
					u += "?target_user=" + chapArray + "&target_password=" + chapArraySecret
				}
				return u
			}
			f := quick(t, url())
			f.Fresh = func(ctx context.Context) (iscsi.URL, error) {
				if tgt.Ended(ctx) {
					tgt = TGTFor(t, config)
				}
				return iscsi.ParseURL(url())
			}
			results := judgeOther(t, f, "../../baselines/tgt-chap.yaml", authOnly)
			report(t, results)
			ran(t, results, mutual)
		})
	}
}

// The simulated array is sound in both directions over TCP.
func TestAuthenticationOverTCP(t *testing.T) {
	t.Parallel()
	for _, mutual := range []bool{false, true} {
		profile, err := simtarget.Builtin("chap")
		if err != nil {
			t.Fatal(err)
		}
		if !mutual {
			profile.Login.CHAP.Own = simtarget.CHAPUser{}
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
		f := sound(t, array.URLs()[0].String())
		user, own := profile.Login.CHAP.Users[0], profile.Login.CHAP.Own
		f.URL.User, f.URL.Password = user.Name, iscsi.Secret(user.Secret)
		f.URL.TargetUser, f.URL.TargetPassword = own.Name, iscsi.Secret(own.Secret)
		results := judge(t, f, "", authOnly)
		report(t, results)
		ran(t, results, mutual)
		for _, r := range results {
			if r.Verdict == scenarios.Warn {
				t.Errorf("mutual %t: %s: warn: %s", mutual, r.ID, r.Reason)
			}
		}
	}
}

// ran makes sure that the credentials reached the checks.
func ran(t *testing.T, results []*scenarios.Result, mutual bool) {
	t.Helper()
	for _, r := range results {
		needs := r.ID == "auth.chap.one-way-success" || mutual && r.ID == "auth.chap.mutual-success"
		if needs && r.Verdict == scenarios.Skip {
			t.Errorf("%s: skip: %s", r.ID, r.Reason)
		}
	}
}
