package main

import (
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/scenarios"
)

// runChecks is what all check verbs come to: select, run, record, report.
func (p *program) runChecks(cmd *cobra.Command, o *checkOptions, registry *scenarios.Registry, suites []string) error {
	allow, err := o.allowed()
	if err != nil {
		return err
	}
	if o.workers < 0 {
		return usageError("--workers %d: want 0 or more", o.workers)
	}
	selection, err := o.selection()
	if err != nil {
		return err
	}
	entries, err := selection.Pick(registry.Entries(suites...))
	if err != nil {
		return err
	}
	runner := &scenarios.Runner{T: p.t, Workers: o.workers, Seed: o.seed, Strict: o.strict, Allow: allow, Replay: p.replay(o)}
	if o.baseline != "" {
		known, err := p.registry()
		if err != nil {
			return err
		}
		if runner.Baseline, err = scenarios.LoadBaseline(o.baseline, known, time.Now()); err != nil {
			return err
		}
	}
	if o.dryRun {
		return dryRun(cmd, runner, entries)
	}
	return p.record(cmd, o, registry, runner, entries)
}

// dryRun says what would run.
func dryRun(cmd *cobra.Command, runner *scenarios.Runner, entries []scenarios.Entry) error {
	skips := 0
	for _, e := range entries {
		if reason := runner.Unfit(e); reason != "" {
			skips++
			fmt.Fprintf(cmd.OutOrStdout(), "skip  %s  %s\n", e.ID, reason)
			continue
		}
		fmt.Fprintf(cmd.OutOrStdout(), "run   %s  (%s, %s)\n", e.ID, e.Suite, e.Risk)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%d checks would run, %d would be skipped\n", len(entries)-skips, skips)
	return nil
}

// record runs the entries, writes the run's folder and tells the summary.
func (p *program) record(cmd *cobra.Command, o *checkOptions, registry *scenarios.Registry, runner *scenarios.Runner, entries []scenarios.Entry) error {
	started := time.Now()
	// What the tool can check does not depend on who is judged: a run before one target has the target suite alone.
	known, err := p.registry()
	if err != nil {
		return err
	}
	folder, err := openFolder(o.out, p.header(o, registry, runner, entries, started), known.Coverage())
	if err != nil {
		return &statusError{exitUsage, err}
	}
	defer folder.abandon()
	if err := folder.keep(o.known); err != nil {
		return &statusError{exitUsage, err}
	}
	con := newConsole(cmd.OutOrStdout(), p.color)
	show := newProgress(con, len(entries), o.quiet)
	defer show.end()
	runner.OnStart, runner.OnEnd = show.started, show.ended
	runner.OnResult = func(r *scenarios.Result) error {
		if err := folder.write(r); err != nil {
			return err
		}
		show.finished(r)
		return nil
	}
	results, err := runner.Run(cmd.Context(), entries)
	interrupted := cmd.Context().Err() != nil
	if err != nil && !interrupted {
		return &statusError{exitDefect, fmt.Errorf("writing the records: %w", err)}
	}
	wall := time.Since(started)
	show.end()
	if err := folder.finish(results, wall, interrupted); err != nil {
		return &statusError{exitDefect, fmt.Errorf("writing the reports: %w", err)}
	}
	tellLongest(con, entries, results, o.verbose)
	tell(con, o.out, results, wall)
	annotate(cmd.OutOrStdout(), results)
	if interrupted {
		fmt.Fprintf(cmd.ErrOrStderr(), "iscsispec: interrupted: %d of %d checks are recorded\n", len(results), len(entries))
		return leave(exitInterrupted)
	}
	// A part of a list may well hold nothing but skips; a whole run that does has found out nothing.
	if allSkipped(results) && o.shard == "" {
		return unreachable("nothing was judged: all %d checks were skipped", len(results))
	}
	return leave(statusOfRun(results))
}

// header gathers all that depends on the clock, the machine and the build.
func (p *program) header(o *checkOptions, registry *scenarios.Registry, runner *scenarios.Runner, entries []scenarios.Entry, started time.Time) scenarios.Header {
	h := scenarios.Header{Tool: build(), Catalogue: registry.Catalogue().Hash(), Seed: o.seed, Command: p.safeArgs(), Strict: o.strict,
		Allow: o.allow, Shard: o.shard, Selected: len(entries), Workers: runner.Workers, Host: runtime.GOOS + "/" + runtime.GOARCH, Started: started}
	seen := map[string]bool{}
	var peers []string
	for _, e := range entries {
		if !seen[e.Suite] {
			seen[e.Suite] = true
			h.Suites = append(h.Suites, e.Suite)
			if e.Of.Peer != "" {
				peers = append(peers, e.Of.Peer)
			}
			if !e.Of.Embedded {
				h.Abilities = e.Of.Abilities
			}
		}
	}
	h.Peer = strings.Join(peers, "; ")
	if h.Workers == 0 {
		h.Workers = runtime.GOMAXPROCS(0)
	}
	return h
}
