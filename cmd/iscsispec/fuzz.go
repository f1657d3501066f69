package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
	"github.com/iscsispec/iscsispec/scenarios/fuzz/scripted"
)

// fuzzOptions are the flags of fuzz login.
type fuzzOptions struct {
	connectOptions
	long     time.Duration
	seed     uint64
	rate     int
	sessions int
	replay   string
	peer     string
	quiet    bool
}

func (p *program) fuzzCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fuzz",
		Short: "Try what nobody wrote by hand",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmd.Help(); err != nil {
				return err
			}
			return leave(exitUsage)
		},
	}
	cmd.AddCommand(p.fuzzLoginCommand())
	return cmd
}

func (p *program) fuzzLoginCommand() *cobra.Command {
	o := &fuzzOptions{}
	cmd := &cobra.Command{
		Use:   "login [URL]",
		Short: "Try random login flows against a target",
		Long: `fuzz login draws login flows from a seed: legal, nearly legal and hostile ones, on one connection and on several. A model of the
login phase says after each step which outcomes are lawful; anything else is a finding, which is told with the smallest
flow that shows it, the rule that it breaks, and the line that replays it. docs/fuzz.md says how flows are written.

Without a URL the simulated array is tried, set up in several ways, in virtual time and on all cores; with
iscsi://[user[%password]@]host[:port][/target] that target, over TCP. A target on the network has to serve a plain login
after each flow, so that the flow that hurt it is known. Sessions that flows have opened are logged out. No SCSI command
but TEST UNIT READY is sent. Targets that other initiators depend on should not be tried: flows can bring them down.

Exit status: 0 nothing was found, 1 findings, 2 usage, 3 the target could not be reached or came to harm that nothing
here explains, 130 interrupted.` + credentialsHelp,
		Example: `  iscsispec fuzz login --for 1m
  iscsispec fuzz login iscsi://192.0.2.10/iqn.2003-01.com.example:disk --for 10m --rate 50 --sessions 4
  iscsispec fuzz login --replay 'target plain; 1 walk; 2 walk tsih=c1 +InitiatorName={i2}'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return p.fuzzLogin(cmd, o, args) },
	}
	flags := cmd.Flags()
	flags.DurationVar(&o.long, "for", time.Minute, "how long to search")
	flags.Uint64Var(&o.seed, "seed", 1, "what flows are drawn from: the same seed draws the same flows")
	flags.IntVar(&o.rate, "rate", 100, "flows a second at most against a target on the network; 0 means no limit")
	flags.IntVar(&o.sessions, "sessions", fuzz.ConnsMax, "connections, and so sessions, that a flow may have at once at a target on the network")
	flags.StringVar(&o.replay, "replay", "", "run this one flow instead of a search")
	flags.StringVar(&o.peer, "peer", "", `"gotgt" starts that target in a child process on loopback and tries it`)
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "tell findings and their number only")
	flags.BoolVar(&o.asJSON, "json", false, "print JSON lines: findings, and at the end what was covered")
	o.initiator = toolName
	return cmd
}

func (p *program) fuzzLogin(cmd *cobra.Command, o *fuzzOptions, args []string) error {
	switch {
	case o.long <= 0:
		return usageError("--for %v: want more than 0", o.long)
	case o.rate < 0:
		return usageError("--rate %d: want 0 or more", o.rate)
	case o.sessions < 1 || o.sessions > fuzz.ConnsMax:
		return usageError("--sessions %d: want 1 to %d", o.sessions, fuzz.ConnsMax)
	case o.peer != "" && o.peer != peerGotgt:
		return usageError("--peer %q: want gotgt", o.peer)
	case o.peer != "" && len(args) > 0:
		return usageError("--peer and a URL exclude each other")
	}
	var flow *fuzz.Flow
	if o.replay != "" {
		f, err := fuzz.Parse(o.replay)
		if err != nil {
			return usageError("--replay: %w", err)
		}
		flow = &f
	}
	told := newFuzzVoice(cmd, o, p.fuzzPeer())
	if o.peer == "" && len(args) == 0 {
		return p.fuzzOwn(cmd.Context(), o, flow, told)
	}
	x := &fuzz.Remote{Seed: o.seed, Rate: o.rate, Sessions: o.sessions, Found: told.found}
	if o.peer == peerGotgt {
		stop, err := fuzzGotgt(cmd, x)
		if err != nil {
			return err
		}
		defer stop()
	} else {
		u, err := p.parseURL(cmd, args[0])
		if err != nil {
			return err
		}
		if x.URL, err = o.soleTarget(cmd.Context(), u); err != nil {
			return err
		}
	}
	return fuzzRemote(cmd.Context(), o, x, flow, told)
}

// fuzzPeer is what stands in a replay line for the peer.
func (p *program) fuzzPeer() string { return strings.Join(p.peerArgs(), " ") }

// fuzzOwn tries the simulated array and the initiator, each on half of the cores.
func (p *program) fuzzOwn(ctx context.Context, o *fuzzOptions, flow *fuzz.Flow, told *fuzzVoice) error {
	if flow != nil {
		if flow.Role == fuzz.InitiatorRole {
			all, err := scripted.Run(p.t, *flow, nil)
			return told.replayed(*flow, all, err)
		}
		finding, err := fuzz.RunTarget(*flow, fuzz.Options{T: p.t})
		if finding == nil {
			return told.replayed(*flow, nil, err)
		}
		return told.replayed(*flow, []*fuzz.Finding{finding}, err)
	}
	asked := ctx
	ctx, cancel := context.WithTimeout(ctx, o.long)
	defer cancel()
	found := func(f fuzz.Found) bool {
		told.found(f)
		return false
	}
	workers := max(runtime.GOMAXPROCS(0)/2, 1)
	arrays := &fuzz.Search{T: p.t, Seed: o.seed, Workers: workers, Found: found}
	initiators := &scripted.Search{T: p.t, Seed: o.seed, Workers: workers, Found: found}
	at := func() []fuzzStand {
		return []fuzzStand{{"array", arrays.Done(), arrays.Reached(), fuzz.TargetPlan()}, {"initiator", initiators.Done(), initiators.Reached(), scripted.Plan()}}
	}
	stop := told.beat(at)
	var failed error
	var both sync.WaitGroup
	both.Go(func() { failed = initiators.Run(ctx) })
	err := arrays.Run(ctx)
	both.Wait()
	stop()
	if err = errors.Join(err, failed); err != nil {
		return &statusError{exitDefect, err}
	}
	return interrupted(asked, told.ended(at(), nil))
}

// interrupted is how a search is left whose user has ended it; what it has found was told.
func interrupted(asked context.Context, otherwise error) error {
	if asked.Err() != nil {
		return leave(exitInterrupted)
	}
	return otherwise
}

// fuzzRemote tries a target on the network.
func fuzzRemote(ctx context.Context, o *fuzzOptions, x *fuzz.Remote, flow *fuzz.Flow, told *fuzzVoice) error {
	if err := x.Learn(ctx); err != nil {
		return unreachable("%w", err)
	}
	if flow != nil {
		all, err := x.Replay(ctx, *flow)
		return told.replayed(*flow, all, err)
	}
	asked := ctx
	ctx, cancel := context.WithTimeout(ctx, o.long)
	defer cancel()
	var mu sync.Mutex
	stand := fuzzStand{peer: "target", plan: fuzz.TargetPlan()}
	x.Tell = func(n uint64, c fuzz.Coverage) {
		mu.Lock()
		defer mu.Unlock()
		stand.flows, stand.reached = n, c
	}
	at := func() []fuzzStand {
		mu.Lock()
		defer mu.Unlock()
		return []fuzzStand{stand}
	}
	stop := told.beat(at)
	err := x.Run(ctx)
	stop()
	done := interrupted(asked, told.ended(at(), x.Counts()))
	var hurt *fuzz.HurtError
	if errors.As(err, &hurt) && told.findings > 0 {
		return done
	}
	if err != nil {
		return unreachable("%w", err)
	}
	return done
}

// replayed tells what came of one flow.
func (v *fuzzVoice) replayed(f fuzz.Flow, all []*fuzz.Finding, err error) error {
	var wrong *fuzz.ParseError
	var panicked *scenarios.PanicError
	var stuck *scenarios.DeadlockError
	switch {
	case errors.As(err, &wrong):
		return usageError("--replay: %w", err)
	case errors.As(err, &panicked), errors.As(err, &stuck):
		return &statusError{exitDefect, err}
	case err != nil:
		return unreachable("%w", err)
	case len(all) == 0:
		v.lawful(f)
		return nil
	}
	for _, finding := range all {
		v.found(fuzz.Found{Flow: f, Finding: *finding, Began: f, Alone: true})
	}
	return leave(exitFindings)
}

// fuzzURL is the URL of a child, in the form that Remote takes.
func fuzzURL(raw string) (iscsi.URL, error) {
	u, err := iscsi.ParseURL(raw)
	if err != nil {
		return u, &statusError{exitDefect, fmt.Errorf("the child's URL: %w", err)}
	}
	return u, nil
}
