package target

import (
	"context"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/chap"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// TargetName and OtherName are the targets of the simulated array.
const (
	TargetName = "iqn.2026-01.io.iscsispec:under-test"
	OtherName  = "iqn.2026-01.io.iscsispec:other"
)

// The credentials of arrays that WithCHAP was applied to; the secrets are for everybody to know.
var (
	initiatorAccount = chap.Credentials{Name: "iscsispec", Secret: "iscsispec-secret"}
	targetAccount    = chap.Credentials{Name: "array", Secret: "iscsispec-array-secret"}
)

// Profile returns the simulated array that checks run against unless they change it: portals A and B with the tag 2 and C with the tag 1,
// of which A is under test; two targets, of which the second is under test; LUNs 0 and 1 of 512 bytes a block, and LUN 5 of 4096.
func Profile() *simtarget.Profile {
	p := simtarget.NewProfile()
	p.Name, p.Description = "under-test", "What the checks of targets prove themselves on."
	p.Portals = []simtarget.Portal{
		{Name: "A", Address: "10.0.1.1:3260", Tag: 2},
		{Name: "B", Address: "10.0.1.2:3260", Tag: 2},
		{Name: "C", Address: "10.0.1.3:3260", Tag: 1},
	}
	p.Targets = []simtarget.Target{
		{Name: OtherName, Alias: "other", LUNs: []simtarget.LUN{{Number: 0, Size: 1 << 20}}},
		{Name: TargetName, Alias: "under test", LUNs: []simtarget.LUN{
			{Number: 0, Size: 16 << 20}, {Number: 1, Size: 16 << 20}, {Number: 5, Size: 4 << 20, BlockSize: 4096}}},
	}
	return p
}

// WithCHAP makes the array ask for authentication, and prove itself to who asks.
func WithCHAP(p *simtarget.Profile) {
	p.Login.CHAP.Users = []simtarget.CHAPUser{{Name: initiatorAccount.Name, Secret: initiatorAccount.Secret.Reveal()}}
	p.Login.CHAP.Own = simtarget.CHAPUser{Name: targetAccount.Name, Secret: targetAccount.Secret.Reveal()}
}

// WithRedirect hides portals B and C and makes A send every login there in turn.
func WithRedirect(p *simtarget.Profile) {
	for i := range p.Portals[1:] {
		p.Portals[i+1].Hidden = true
	}
	p.Login.Redirect = simtarget.RedirectPolicy{Mode: simtarget.RedirectTemporary, From: []string{"A"}, Pick: simtarget.PickRoundRobin}
}

// simulation is the Peer.Control of a simulated array.
type simulation struct {
	array *simtarget.Array
	facts Facts
}

// onArrays is the stage of checks on the simulated array: a bubble, an in-memory network, and an array that has the deviation.
func onArrays(checks map[string]Check) scenarios.Stage {
	return func(_ context.Context, env *scenarios.Env, run func(context.Context, *scenarios.Env) scenarios.Outcome) scenarios.Outcome {
		var outcome scenarios.Outcome
		err := scenarios.Bubble(env.T, env.Limits.Run, func(ctx context.Context) {
			outcome = onArray(ctx, env, checks[env.Check.ID], run)
		})
		if err != nil {
			o := scenarios.BubbleOutcome(err)
			o.Trace, o.Duration = env.Log.Events(), outcome.Duration
			return o
		}
		return outcome
	}
}

func onArray(ctx context.Context, env *scenarios.Env, c Check, run func(context.Context, *scenarios.Env) scenarios.Outcome) (outcome scenarios.Outcome) {
	env.Log = trace.NewLog()
	profile := Profile()
	if c.Array != nil {
		c.Array(profile)
	}
	facts, err := profiled(profile)
	if err != nil {
		return broken(err)
	}
	network := faults.NewNetwork(env.Seed, env.Log, faults.Options{})
	defer network.Close()
	if err := named(network, profile); err != nil {
		return broken(err)
	}
	options := simtarget.Options{Log: env.Log, Seed: env.Seed}
	if env.Deviation != nil {
		set, ok := env.Deviation.Apply.(func(*simtarget.Deviations))
		if !ok {
			return scenarios.Outcome{Verdict: scenarios.Broken, Reason: "The deviation is not one of this suite."}
		}
		options.Deviations = new(simtarget.Deviations)
		set(options.Deviations)
	}
	array, err := simtarget.New(profile, options)
	if err != nil {
		return broken(err)
	}
	host := network.Host(trace.NodeTarget, "10.0.2.1")
	if err := array.Start(host.Listen); err != nil {
		return broken(err)
	}
	defer func() {
		if err := array.Close(); err != nil && outcome.Verdict == scenarios.Pass {
			outcome = broken(err)
		}
	}()
	url := iscsi.URL{Portal: facts.Front, Target: underTest(profile).Name, HasLUN: true}
	if users := profile.Login.CHAP.Users; len(users) > 0 {
		url.User, url.Password = users[0].Name, iscsi.Secret(users[0].Secret)
		url.TargetUser, url.TargetPassword = profile.Login.CHAP.Own.Name, iscsi.Secret(profile.Login.CHAP.Own.Secret)
	}
	dialer := network.Host(trace.NodeProbe, "10.0.9.1")
	env.Peer = &scenarios.Peer{URL: url, Dial: dialer.DialContext, Control: &simulation{array: array, facts: facts}}
	outcome = run(ctx, env)
	outcome.Trace, outcome.Duration = env.Log.Events(), env.Log.Now()
	return outcome
}

// named makes the DNS names that portals are advertised under resolve to their addresses.
func named(network *faults.Network, profile *simtarget.Profile) error {
	for _, p := range profile.Portals {
		if p.Advertised == "" {
			continue
		}
		name, err := iscsi.ParseAddress(p.Advertised)
		if err != nil {
			return err
		}
		real, err := iscsi.ParseAddress(p.Address)
		if err != nil {
			return err
		}
		if err := network.Name(name.Host, real.Host); err != nil {
			return err
		}
	}
	return nil
}

func broken(err error) scenarios.Outcome {
	return scenarios.Outcome{Verdict: scenarios.Broken, Reason: err.Error()}
}
