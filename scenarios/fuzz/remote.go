package fuzz

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios"
)

// hurtRule is the row that a target breaks which serves no login any more.
const hurtRule = "robustness.framing.mutated-pdu-fuzz"

// The bounds of a run against a target on the network.
const (
	remoteWait      = time.Second // the longest wait in a flow
	remoteShrink    = 100         // smaller flows that are tried
	remoteShrinkFor = 30 * time.Second
	// hurtTries is how often a flow is run again that hurt the target: some only do so now and then.
	hurtTries   = 5
	healthTries = 4
	healthPause = 2 * time.Second
	dialTime    = 5 * time.Second
)

// Remote looks for flows that a target on the network fails. It belongs to one goroutine.
type Remote struct {
	// URL names the target, with its credentials.
	URL iscsi.URL
	// Fresh, where not nil, gives a target that does not serve any more new life, and says where it is now.
	Fresh func(ctx context.Context) (iscsi.URL, error)
	// Seed makes the flows. Rate is how many a second there are at most, and Sessions how many connections a flow may have at once; 0 means no
	// limit, and ConnsMax.
	Seed     uint64
	Rate     int
	Sessions int
	// Found is told of every fault once, with the smallest flow for it.
	Found func(Found)
	// Tell is told after every flow.
	Tell func(flows uint64, c Coverage)

	run   run
	setup Setup
	seen  map[string]int
	total uint64
}

// HurtError tells that a target serves no login any more, and what it was that a plain login met.
type HurtError struct {
	Finding *Finding
	Err     error
}

// Error says how it is.
func (e *HurtError) Error() string {
	if e.Err != nil {
		return "the target does not serve a plain login any more: " + e.Err.Error()
	}
	return "the target does not serve a plain login any more: " + e.Finding.Got.String()
}

// Unwrap gives the error of the connection.
func (e *HurtError) Unwrap() error { return e.Err }

// Flows is how many flows were run, and Reached what they have covered.
func (x *Remote) Flows() uint64 { return x.total }

// Reached is what was covered so far.
func (x *Remote) Reached() Coverage {
	var c Coverage
	x.run.tally.addTo(&c)
	return c
}

// Counts tells how often each rule was broken, as rule and kind of outcome.
func (x *Remote) Counts() map[string]int { return x.seen }

// Learn dials the target and finds out whether it asks for authentication. The error is a *DialError or a *HurtError.
func (x *Remote) Learn(ctx context.Context) error {
	x.seen = map[string]int{}
	x.setup = Setup{Name: "plain", Target: x.URL.Target, Absent: absent, Initiators: [3]string{initiator1, initiator2, initiator3},
		User: x.URL.User, Secret: x.URL.Password.Reveal(), foreign: true}
	x.run.set, x.run.longest, x.run.hurried = &x.setup, remoteWait, true
	x.run.dial = func(portal string) (net.Conn, error) {
		if portal == "" {
			portal = x.URL.Portal.HostPort()
		}
		ctx, cancel := context.WithTimeout(ctx, dialTime)
		defer cancel()
		return new(net.Dialer).DialContext(ctx, "tcp", portal)
	}
	finding, err := x.run.health()
	if err == nil && finding != nil && x.setup.User != "" {
		x.setup.auth = required
		finding, err = x.run.health()
	}
	if err != nil || finding != nil {
		return &HurtError{finding, err}
	}
	x.run.tally = tally{}
	return nil
}

// Run searches until the context ends, or the target is hurt and nobody gives it new life. Learn comes first.
func (x *Remote) Run(ctx context.Context) error {
	began := time.Now()
	for i := uint64(0); ctx.Err() == nil; i++ {
		f := x.within(DrawTarget(NewSeeded(x.Seed, i), &x.setup))
		all, hurt := x.try(ctx, &f)
		if ctx.Err() != nil {
			return nil // What was cut short proves nothing.
		}
		x.total++
		for _, finding := range all {
			x.tell(ctx, f, *finding, i)
		}
		if x.Tell != nil {
			x.Tell(x.total, x.Reached())
		}
		if hurt != nil {
			if err := x.revive(ctx, hurt); err != nil {
				return err
			}
		}
		x.pace(ctx, began)
	}
	return nil
}

// within keeps a flow to the limits of the run.
func (x *Remote) within(f Flow) Flow {
	if x.Sessions > 0 {
		f.Steps = slices.DeleteFunc(f.Steps, func(s Step) bool { return s.Conn > x.Sessions })
	}
	return f
}

// pace waits as the rate wants it.
func (x *Remote) pace(ctx context.Context, began time.Time) {
	if x.Rate <= 0 {
		return
	}
	due := began.Add(time.Duration(x.total) * time.Second / time.Duration(x.Rate))
	select {
	case <-ctx.Done():
	case <-time.After(time.Until(due)):
	}
}

// Replay runs one flow, with a proof behind it that the target lives.
func (x *Remote) Replay(ctx context.Context, f Flow) ([]*Finding, error) {
	all, hurt := x.try(ctx, &f)
	if len(all) == 0 && hurt != nil {
		return nil, hurt
	}
	return all, nil
}

// try runs a flow and looks whether the target lives. A flow that hurts it has that as its finding.
func (x *Remote) try(ctx context.Context, f *Flow) ([]*Finding, *HurtError) {
	all, err := x.run.flow(f)
	var hurt *HurtError
	if err != nil {
		hurt = &HurtError{Err: err}
	}
	for n := 0; n < healthTries; n++ {
		if n > 0 {
			select {
			case <-ctx.Done():
				return all, nil
			case <-time.After(healthPause):
			}
		}
		broken, err := x.run.health()
		if err == nil && broken == nil {
			return all, nil
		}
		hurt = &HurtError{broken, err}
	}
	// What a target that has come to harm leaves unsaid is no finding of its own.
	all = slices.DeleteFunc(all, func(f *Finding) bool { return f.Got.Kind == Dropped || f.Got.Kind == Silent })
	return append(all, hurtFinding(hurt)), hurt
}

// hurtFinding is the finding of a target that does not serve any more.
func hurtFinding(hurt *HurtError) *Finding {
	f := &Finding{Rule: hurtRule, Got: Outcome{Kind: Dropped, Detail: hurt.Error()}, Want: []string{"plain logins are served after the flow"}}
	if row := scenarios.LoadCatalogue().Row(hurtRule); row != nil {
		f.Clause = row.Clause
	}
	return f
}

// revive gives the target new life.
func (x *Remote) revive(ctx context.Context, hurt *HurtError) error {
	if x.Fresh == nil {
		return hurt
	}
	u, err := x.Fresh(ctx)
	if err != nil {
		return errors.Join(hurt, err)
	}
	u.User, u.Password = x.URL.User, x.URL.Password
	x.URL = u
	if finding, err := x.run.health(); finding != nil || err != nil {
		return fmt.Errorf("after it was started again: %w", &HurtError{finding, err})
	}
	return nil
}

// tell shrinks what was found and tells of it, once for each rule and kind of outcome.
func (x *Remote) tell(ctx context.Context, f Flow, finding Finding, i uint64) {
	key := finding.Rule + " " + string(finding.Got.Kind)
	if x.seen[key]++; x.seen[key] > 1 || x.Found == nil {
		return
	}
	found := Found{Began: f, Flow: f, Finding: finding, Index: i}
	until := time.Now().Add(remoteShrinkFor)
	fails := func(f Flow) bool {
		if ctx.Err() != nil || time.Now().After(until) {
			return false
		}
		if finding.Rule == hurtRule && x.Fresh != nil {
			u, err := x.Fresh(ctx)
			if err != nil {
				return false
			}
			x.URL.Portal = u.Portal
		} else if finding.Rule == hurtRule {
			return false // It cannot be tried again without harm.
		}
		tries := 1
		if finding.Rule == hurtRule {
			tries = hurtTries
		}
		for range tries {
			again, _ := x.try(ctx, &f)
			for _, a := range again {
				if a.Same(&finding) {
					found.Finding = *a
					return true
				}
			}
		}
		return false
	}
	// What is silent may be slow: it is looked at again with all the patience that there is.
	leisurely := func(f Flow) bool {
		slow := x.run.slow
		x.run.hurried, x.run.slow = false, false
		is := fails(f)
		x.run.hurried, x.run.slow = true, slow
		return is
	}
	if finding.Got.Kind == Silent && !leisurely(f) {
		x.seen[key]--
		return
	}
	if found.Alone = fails(f); found.Alone {
		begins := f
		if begins.Steps = f.Steps[:max(finding.Step, 1)]; finding.Step > 0 && fails(begins) {
			f = begins
		}
		found.Flow = Shrink(f, remoteShrink, fails)
	}
	x.Found(found)
}
