package target

import (
	"context"
	"errors"
	"testing"

	"github.com/iscsispec/iscsispec/faults"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// OnProfile returns the suite that judges an array of a profile as if it were a target on the network: in bubbles, each check on an array of
// its own. The profile's script is left out, since what an array does on its own account would disturb the checks, which are about what it
// answers. What the array can do is learned once; the abilities are for whoever wants to print them. t lends its identity to bubbles.
func OnProfile(t *testing.T, profile *simtarget.Profile, seed uint64) (scenarios.Suite, *probe.Abilities, error) {
	p := *profile
	p.Failover.Script = nil
	f := Foreign{Seed: seed}
	var err error
	if f.URL, err = urlOf(&p); err != nil {
		return scenarios.Suite{}, nil, err
	}
	var abilities *probe.Abilities
	bubble := scenarios.Bubble(t, learnLimit, func(ctx context.Context) {
		err = onProfiled(&p, seed, trace.NewLog(), func(network *faults.Network) error {
			f.Dial = network.Host(trace.NodeProbe, proberAddress).DialContext
			abilities, err = f.learn(ctx)
			return err
		})
	})
	if err := errors.Join(bubble, err); err != nil {
		return scenarios.Suite{}, nil, err
	}
	suite := Suite()
	suite.Embedded, suite.Peer, suite.Abilities = true, "the simulated array "+p.Name, abilities.Known()
	suite.Stage = profileStage(&p, f, abilities)
	return suite, abilities, nil
}

// learnLimit bounds the logins that find out what an array of a profile can do, in virtual time.
const learnLimit = 4 * scenarios.RunLimitReal

// proberAddress is where the probe's host stands on the in-memory network; arrayAddress the array's.
const proberAddress, arrayAddress = "10.0.9.1", "10.0.8.1"

// urlOf names the last target of a profile at the first portal where initiators are meant to find it.
func urlOf(p *simtarget.Profile) (iscsi.URL, error) {
	t := p.Targets[len(p.Targets)-1]
	u := iscsi.URL{Target: t.Name, HasLUN: true}
	if len(t.LUNs) > 0 {
		u.LUN = uint16(t.LUNs[0].Number)
	}
	if users := p.Login.CHAP.Users; len(users) > 0 {
		u.User, u.Password = users[0].Name, iscsi.Secret(users[0].Secret)
		u.TargetUser, u.TargetPassword = p.Login.CHAP.Own.Name, iscsi.Secret(p.Login.CHAP.Own.Secret)
	}
	for _, portal := range p.Portals {
		if exports(t, portal.Name) && !portal.Hidden && !portal.Down && !portal.Silent {
			var err error
			u.Portal, err = iscsi.ParseAddress(portal.Address)
			return u, err
		}
	}
	return u, errors.New("the last target has no portal in service that is advertised")
}

// onProfiled stands up an array on a network of its own for as long as f runs.
func onProfiled(p *simtarget.Profile, seed uint64, log *trace.Log, f func(network *faults.Network) error) (err error) {
	network := faults.NewNetwork(seed, log, faults.Options{})
	defer network.Close()
	if err := named(network, p); err != nil {
		return err
	}
	array, err := simtarget.New(p, simtarget.Options{Log: log, Seed: seed})
	if err != nil {
		return err
	}
	if err := array.Start(network.Host(trace.NodeTarget, arrayAddress).Listen); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, array.Close()) }()
	return f(network)
}

// profileStage puts a fresh array of the profile before each check.
func profileStage(p *simtarget.Profile, f Foreign, a *probe.Abilities) scenarios.Stage {
	facts := learned(f.URL.Portal, a)
	return func(_ context.Context, env *scenarios.Env, run func(context.Context, *scenarios.Env) scenarios.Outcome) scenarios.Outcome {
		var outcome scenarios.Outcome
		var err error
		bubble := scenarios.Bubble(env.T, env.Limits.Run, func(ctx context.Context) {
			env.Log = trace.NewLog()
			err = onProfiled(p, env.Seed, env.Log, func(network *faults.Network) error {
				here := f
				here.Dial = network.Host(trace.NodeProbe, proberAddress).DialContext
				env.Peer = &scenarios.Peer{URL: f.URL, Dial: here.Dial, Control: &foreign{facts: facts, asked: here, tapped: true,
					headerDigest: demanded(a.DemandsHeaderDigest), dataDigest: demanded(a.DemandsDataDigest)}}
				outcome = run(ctx, env)
				outcome.Trace, outcome.Duration = env.Log.Events(), env.Log.Now()
				return nil
			})
		})
		switch {
		case bubble != nil:
			outcome = scenarios.BubbleOutcome(bubble)
			outcome.Trace = env.Log.Events()
		case err != nil && outcome.Verdict == scenarios.Pass:
			outcome = broken(err)
		}
		return outcome
	}
}
