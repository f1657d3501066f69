package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/scenarios"
)

// heartbeat is how often a run on the wall clock that prints no status line says that it lives.
const heartbeat = 30 * time.Second

// runChecks is what all check verbs come to: select, run, record, report.
func (p *program) runChecks(cmd *cobra.Command, o *checkOptions, registry *scenarios.Registry, suites []string) error {
	allow, err := o.allowed()
	if err != nil {
		return err
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
	folder, err := openFolder(o.out, p.header(o, registry, runner, entries, started))
	if err != nil {
		return &statusError{exitUsage, err}
	}
	defer folder.close()
	con := newConsole(cmd.OutOrStdout(), p.color)
	show := newProgress(con, len(entries), o.quiet)
	defer show.end()
	runner.OnStart = show.started
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
	tell(con, o.out, results, wall)
	annotate(cmd.OutOrStdout(), results)
	if interrupted {
		fmt.Fprintf(cmd.ErrOrStderr(), "iscsispec: interrupted: %d of %d checks are recorded\n", len(results), len(entries))
		return leave(exitInterrupted)
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
		}
	}
	h.Peer = strings.Join(peers, "; ")
	if h.Workers == 0 {
		h.Workers = runtime.GOMAXPROCS(0)
	}
	return h
}

// progress tells how a run goes: one status line on a terminal, a line a check elsewhere.
type progress struct {
	con   *console
	total int
	quiet bool
	stop  func()
	once  sync.Once

	mu      sync.Mutex
	summary scenarios.Summary
	current string
}

func newProgress(con *console, total int, quiet bool) *progress {
	ctx, stop := context.WithCancel(context.Background())
	p := &progress{con: con, total: total, quiet: quiet, stop: stop}
	if !con.live && !quiet {
		go p.beat(ctx)
	}
	return p
}

// beat prints a line every now and then, so that a log without a terminal shows where a long run stands.
func (p *progress) beat(ctx context.Context) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			p.mu.Lock()
			text := p.text()
			p.mu.Unlock()
			p.con.line("%s", text)
		}
	}
}

func (p *progress) text() string {
	s := p.summary
	text := fmt.Sprintf("[%d/%d] %d pass", s.Total, p.total, s.Pass)
	for _, v := range scenarios.Verdicts()[1:] {
		if n := s.Count(v); n > 0 {
			text += fmt.Sprintf(", %d %s", n, v)
		}
	}
	return text + " ... " + p.current
}

func (p *progress) started(e scenarios.Entry) {
	p.mu.Lock()
	p.current = e.ID
	text := p.text()
	p.mu.Unlock()
	p.con.setStatus(text)
}

func (p *progress) finished(r *scenarios.Result) {
	p.mu.Lock()
	p.summary.Add(r)
	text := p.text()
	p.mu.Unlock()
	if !p.quiet && (!p.con.live || r.Verdict != scenarios.Pass) || !r.Expected() {
		reason := ""
		if r.Verdict != scenarios.Pass || r.Standing != "" {
			reason = "  " + firstSentence(r)
		}
		p.con.line("%s %s (%s)%s", p.con.verdict(r), r.ID, lasted(r), reason)
	}
	p.con.setStatus(text)
}

// end takes the status line away.
func (p *progress) end() {
	p.once.Do(func() {
		p.stop()
		p.con.setStatus("")
	})
}

// lasted gives the check's duration, and says where it is virtual.
func lasted(r *scenarios.Result) string {
	d := r.Duration.Round(time.Millisecond)
	if r.Virtual {
		return fmt.Sprintf("%v virtual", d)
	}
	return d.String()
}

// firstSentence is the reason in one line.
func firstSentence(r *scenarios.Result) string {
	reason := r.Reason
	if r.Standing != "" {
		reason = r.Because
	}
	reason, _, _ = strings.Cut(reason, "\n")
	const most = 160
	if len(reason) > most {
		reason = reason[:most] + "..."
	}
	return reason
}
