package target

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// T is what one run of a check works with: a probe before the target, what is known about the target, and the judge. It belongs to the
// goroutine of the check.
type T struct {
	*probe.Prober
	// Facts are what is known about the target.
	Facts Facts

	env      *scenarios.Env
	part     string
	around   []*probe.Prober // those of the parts around the present one
	undo     []string        // hooks that have to be undone
	patience time.Duration   // 0 is as much as the rows ask for
	findings []scenarios.Finding
	passed   int  // parts that came to their end
	denied   bool // a login was not granted, as may be when others have the sessions
	touched  bool // a connection came about, so that a refused dial says something about the target
}

// stop is what ends a part of a check from the depth of its calls. It never leaves the package.
type stop struct{}

// run is the check as the registry calls it.
func (c Check) run(ctx context.Context, env *scenarios.Env) scenarios.Outcome {
	t := &T{env: env}
	opts := optionsFor(env.Peer.URL)
	switch peer := env.Peer.Control.(type) {
	case *simulation:
		t.Facts, opts.Tapped = peer.facts, true
	case *foreign:
		t.Facts, opts.InitiatorName, opts.Tapped = peer.facts, peer.asked.InitiatorName, peer.tapped
		opts.HeaderDigest, opts.DataDigest = peer.headerDigest, peer.dataDigest
		opts.QuietTime, opts.CloseTimeout, opts.AnswerTimeout = peer.asked.QuietTime, peer.asked.CloseTimeout, peer.asked.AnswerTimeout
		if t.patience = peer.asked.Patience; t.patience > 0 {
			opts.QuietTime = t.patient(cmp.Or(opts.QuietTime, probe.DefaultQuietTime))
		}
	}
	opts.Portal, opts.Unit = t.Facts.Portal, t.Facts.Unit
	opts.Dialer, opts.Log, opts.Seed, opts.Name = probe.DialFunc(t.dial), env.Log, env.Seed, env.Check.ID
	opts.First, opts.Own = ownBlocks(env, t.Facts.Unit)
	t.Prober = probe.New(ctx, opts)
	// How the sessions of the check end is no part of its verdict; they do end, even behind a panic.
	defer func() { _ = t.Close() }()
	t.guarded(func() { c.Run(t) })
	return t.restore(t.outcome())
}

func (t *T) dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	c, err = t.env.Peer.Dial(ctx, network, address)
	t.touched = t.touched || err == nil
	return c, err
}

// guarded calls f and takes a stop as its end.
func (t *T) guarded(f func()) {
	defer func() {
		if v := recover(); v != nil {
			if _, stopped := v.(stop); !stopped {
				panic(v)
			}
		}
	}()
	f()
}

// Part runs a variant of the check, whose findings carry the name. What ends it early ends only the part. It has a probe of its own,
// so that its sessions are gone when it ends; connections from outside go on working.
func (t *T) Part(name string, f func()) { t.PartWith(name, func(*probe.Options) {}, f) }

// PartWith is Part with other options for the probe: other credentials, another name, another portal.
func (t *T) PartWith(name string, change func(o *probe.Options), f func()) {
	part, prober := t.part, t.Prober
	opts := prober.Options()
	opts.Name += " " + name
	change(&opts)
	t.part, t.Prober, t.around = name, probe.New(prober.Context(), opts), append(t.around, prober)
	defer func() {
		// How the sessions of the part end is no part of its verdict.
		_ = t.Close()
		t.part, t.Prober, t.around = part, prober, t.around[:len(t.around)-1]
	}()
	t.guarded(func() {
		f()
		t.passed++
	})
}

// outcome joins the findings. A check of which every part was skipped is skipped.
func (t *T) outcome() scenarios.Outcome {
	skipped := 0
	for i, f := range t.findings {
		if f.Verdict == scenarios.Skip {
			skipped++
		}
		// A wait that the check's own deadline cut short says nothing about the target.
		if t.Context().Err() != nil && (f.Verdict == scenarios.Fail || f.Verdict == scenarios.Warn) {
			t.findings[i].Verdict, t.findings[i].Reason = scenarios.Inconclusive, "The check's own time was over: "+f.Reason
		}
	}
	o := scenarios.Conclude(t.findings)
	switch {
	case t.Context().Err() != nil && o.Verdict == scenarios.Pass:
		return scenarios.Unclear("The check's own time was over before it came to its end.")
	case skipped > 0 && skipped == len(t.findings) && t.passed == 0:
		o.Verdict, o.Reason = scenarios.Skip, t.findings[0].Reason
	}
	o.Doubtful = t.env.Beside && t.denied && o.Verdict == scenarios.Skip
	return o
}

// Embedded tells whether the target is the simulated array.
func (t *T) Embedded() bool {
	_, embedded := t.env.Peer.Control.(*simulation)
	return embedded
}

// MayWrite tells whether the logical unit under test may be written to. Where not, a check reads instead.
func (t *T) MayWrite() bool {
	return !t.Facts.ReadOnly && (t.Embedded() || t.env.Allow >= scenarios.Writes)
}

// Act does something to the simulated array, in the words of simtarget.Action. For a target on the network the stimulus needs a hook, and
// without one the check is skipped.
func (t *T) Act(actions ...simtarget.Action) {
	peer, embedded := t.env.Peer.Control.(*simulation)
	if !embedded {
		t.Skip("The stimulus needs an action outside the wire, for which no hook is configured.")
	}
	if err := peer.array.Apply(actions...); err != nil {
		panic(fmt.Sprintf("the simulated array does not do as told: %v", err))
	}
}

// Events are what was recorded so far, in canonical order.
func (t *T) Events() trace.Events { return t.env.Log.Events() }

// note adds a finding with the last PDUs as evidence.
func (t *T) note(v scenarios.Verdict, firm bool, reason, actual string, want []string) {
	f := scenarios.Finding{Verdict: v, Firm: firm, Part: t.part, Reason: reason, Expected: want, Actual: actual}
	t.findings = append(t.findings, f.SeenBy(t.env.Log, trace.NodeProbe))
}

// Fail notes that something came which the row does not accept, and ends the part.
func (t *T) Fail(actual any, want ...string) {
	t.Fault(actual, want...)
	panic(stop{})
}

// Fault is Fail, but the part goes on.
func (t *T) Fault(actual any, want ...string) {
	t.note(scenarios.Fail, false, scenarios.Unaccepted(actual, want), fmt.Sprint(actual), want)
}

// FailFirmly is Fail for rows of the level "should" whose verdict says "fails".
func (t *T) FailFirmly(actual any, want ...string) {
	t.note(scenarios.Fail, true, scenarios.Unaccepted(actual, want), fmt.Sprint(actual), want)
	panic(stop{})
}

// Warn notes a leniency, or a broken "should", and goes on.
func (t *T) Warn(reason string, actual any, want ...string) {
	t.note(scenarios.Warn, false, reason, fmt.Sprint(actual), want)
}

// Skip ends the part, since a precondition cannot be reached.
func (t *T) Skip(format string, args ...any) {
	t.findings = append(t.findings, scenarios.Finding{Verdict: scenarios.Skip, Part: t.part, Reason: fmt.Sprintf(format, args...)})
	panic(stop{})
}

// Unclear ends the part, since the check could not bring about what it wanted to see.
func (t *T) Unclear(format string, args ...any) {
	t.note(scenarios.Inconclusive, false, fmt.Sprintf(format, args...), "", nil)
	panic(stop{})
}

// Check fails with what a probe's error tells: a *probe.Mismatch has the accepted outcomes and what came instead. A nil error is
// accepted.
func (t *T) Check(err error, doing string) {
	var mismatch *probe.Mismatch
	switch {
	case err == nil:
		return
	case errors.As(err, &mismatch):
		t.Fail(doing+": "+mismatch.Got, mismatch.Want...)
	}
	var dial *probe.DialError
	if errors.As(err, &dial) && !t.touched {
		t.Unclear("The portal takes no connection, though nothing was done to it yet: %v.", err)
	}
	t.Fail(fmt.Sprintf("%s: %v", doing, err))
}
