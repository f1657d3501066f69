package fuzz

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/monitor"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// pair is our own array with a run before it, in a bubble.
type pair struct {
	array *simtarget.Array
	net   exchange
	// log, where not nil, records what passes, for the monitors.
	log *trace.Log
}

// start makes an array of a setup. It is to be called in a bubble, and closed there.
func (p *pair) start(set *Setup, dev *simtarget.Deviations, r *run) error {
	profile, err := set.profile()
	if err != nil {
		return err
	}
	if p.array, err = simtarget.New(profile, simtarget.Options{Seed: 1, Deviations: dev}); err != nil {
		return err
	}
	if err := p.array.Start(p.net.listen); err != nil {
		return err
	}
	r.set = set
	dialled := 0
	r.dial = func(portal string) (net.Conn, error) {
		if portal == "" {
			portal = profile.Portals[0].Address
		}
		raw, err := p.net.dial(portal)
		if err != nil || !p.log.Enabled() {
			return raw, err
		}
		dialled++
		return p.log.Tap(raw, trace.NodeProbe, fmt.Sprintf("%s#%d", portal, dialled)), nil
	}
	return nil
}

// forgetMost bounds how long an array may keep what flows have left: the longest Time2Wait and Time2Retain that can be negotiated.
const forgetMost = 3 * time.Hour

// LeftoverError tells that an array keeps sessions for good whose connections have gone.
type LeftoverError struct{ Sessions int }

// Error says how many.
func (e *LeftoverError) Error() string {
	return fmt.Sprintf("the array keeps %d sessions whose connections have gone", e.Sessions)
}

// clear waits until the array has forgotten what a flow has left. It costs virtual time only.
func (p *pair) clear() error {
	step := time.Microsecond
	for waited := time.Duration(0); waited < forgetMost; waited += step {
		time.Sleep(step)
		if _, sessions := p.array.SessionStatuses(0); sessions == 0 {
			return nil
		}
		step = min(4*step+time.Second, time.Minute)
	}
	return &LeftoverError{len(p.array.Sessions())}
}

// Options say how a flow is run.
type Options struct {
	// T lends its identity to the bubble. Required for our own pair.
	T *testing.T
	// Deviations make our own array faulty; nil is a sound one.
	Deviations *simtarget.Deviations
	// Coverage, where not nil, counts what the flow reaches.
	Coverage *Coverage
}

// RunTarget runs a flow against our own array, which is made for it alone, in virtual time. Afterwards the array has to serve a plain
// login. The finding is nil where everything was lawful; an error is a flow that cannot be run, a *scenarios.PanicError or a
// *scenarios.DeadlockError.
func RunTarget(f Flow, o Options) (finding *Finding, err error) {
	set := SetupNamed(f.Setup)
	if set == nil || f.Role != TargetRole {
		return nil, &ParseError{Got: string(f.Role) + " " + f.Setup, Want: "target and the name of a setup"}
	}
	var r run
	var ran error
	err = scenarios.Bubble(o.T, 0, func(context.Context) {
		p := pair{log: trace.NewLimitedLog(listening)}
		if ran = p.start(set, o.Deviations, &r); ran != nil {
			return
		}
		defer func() { ran = errors.Join(ran, p.array.Close()) }()
		var all []*Finding
		if all, ran = r.flow(&f); ran == nil && len(all) > 0 {
			finding = all[0]
		} else if ran == nil {
			finding = p.overheard()
		}
		if ran != nil || finding != nil {
			return
		}
		if ran = p.clear(); ran == nil {
			finding, ran = r.health()
		}
	})
	if o.Coverage != nil {
		r.tally.addTo(o.Coverage)
	}
	if err == nil {
		err = ran
	}
	return finding, err
}

// listening bounds what is recorded of one flow.
var listening = trace.Limits{MaxEvents: 4096}

// overheard is what the monitors have to say of what passed, nil when nothing is amiss.
func (p *pair) overheard() *Finding {
	return listened(p.log.Events())
}

// listened holds traffic against the monitors' rules: what is true of any traffic.
func listened(events trace.Events) *Finding {
	for _, f := range monitor.Judge(events, monitor.Options{Judge: scenarios.RoleTarget, At: []string{trace.NodeProbe}}) {
		row := scenarios.LoadCatalogue().Row(f.Row)
		if f.Verdict != scenarios.Fail || row == nil || row.Level != scenarios.Must && row.Level != scenarios.MustNot {
			continue
		}
		return &Finding{Rule: f.Row, Clause: row.Clause, Got: Outcome{Kind: Answered, Detail: f.Reason + ": " + f.Actual}, Want: f.Expected}
	}
	return nil
}

// healthy is the flow that a target has to serve after every other one.
var healthy = Flow{Role: TargetRole, Setup: "plain", Steps: []Step{{Conn: 1, Verb: VerbWalk, Header: Header{CSG: 1}},
	{Conn: 1, Verb: VerbCommand}, {Conn: 1, Verb: VerbLogout}}}

// health looks whether the target still serves a plain login, a command and a logout.
func (r *run) health() (*Finding, error) {
	f := healthy
	if r.set.redirect {
		f.Steps = append([]Step{f.Steps[0]}, f.Steps...)
	}
	all, err := r.flow(&f)
	for _, finding := range all {
		if dead := finding.Got.Kind != Answered; dead || !r.set.foreign {
			finding.Step, finding.Want = 0, []string{"a plain login after the flow, which is served"}
			return finding, err
		}
	}
	return nil, err
}
