// Command array measures the simulated array beside tgt and gotgt, and beside a raw exchange of the same bytes over loopback TCP. It has
// three sections:
//
//	speed   reads and writes, by iscsi-perf and by a lean client of its own, round by round on each target in turn, so that what else the
//	        machine does meets all of them. The raw exchange is the lean client's in any case: beside iscsi-perf it makes that one's system
//	        calls, which are one write for each command, one read for the header of each answer and one for its data
//	idle    the memory that 10,000 idle sessions take
//	logins  100,000 logins and logouts in a row: the rate, and the memory of the target, at the start and at the end
//
// It takes about five minutes; whatever a target can draw out is bounded. Each target is a process of its own: `iscsispec serve plain`, built for the run; tgtd with a control socket and a port of its own; gotgt,
// the hidden child of iscsispec, which is given reads one at a time only, since it dies of its own map races otherwise.
//
//	go run ./scenarios/peers/bench/array [-section speed] [-rounds 7] [-time 1s] [-load "depth 32"] [-sessions 10000] [-logins 100000]
//
// What is printed is the median of the rounds, with the smallest and the largest; ratios are taken round by round. Where the machine is
// Linux, the processor time of the target's process for each request stands there too: it says more than rates do while other work goes on.
// What is not installed is left out, and said.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == rawVerb {
		os.Exit(serveRaw())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/array:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	section  string // Part of the name of the sections wanted.
	rounds   int
	time     time.Duration // Of one target's turn.
	load     string        // Part of the name of the workloads wanted.
	sessions int
	logins   int
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o := options{rounds: 7, time: time.Second, sessions: 10_000, logins: 100_000}
	flags := flag.NewFlagSet("array", flag.ContinueOnError)
	flags.StringVar(&o.section, "section", "", "only sections whose `name` holds this: speed, idle, logins")
	flags.IntVar(&o.rounds, "rounds", o.rounds, "how many `rounds`")
	flags.DurationVar(&o.time, "time", o.time, "how long each target has for a workload in a round; iscsi-perf counts whole seconds")
	flags.StringVar(&o.load, "load", "", "only workloads whose `name` holds this")
	flags.IntVar(&o.sessions, "sessions", o.sessions, "how many idle `sessions`, at most 16384")
	flags.IntVar(&o.logins, "logins", o.logins, "how many `logins` in a row")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || o.rounds < 1 || o.time < 100*time.Millisecond || o.sessions < 1 || o.logins < 10 {
		return fmt.Errorf("want no arguments, at least one round, 100ms, one session and ten logins; got %v, %d, %v, %d, %d",
			flags.Args(), o.rounds, o.time, o.sessions, o.logins)
	}
	if files, err := moreFiles(o.sessions + 512); err != nil {
		fmt.Fprintf(out, "open files: %v\n", err)
		o.sessions = max(1, min(o.sessions, files-512))
	}
	program, remove, err := build(ctx)
	if err != nil {
		return err
	}
	defer remove()
	for _, s := range []struct {
		name string
		run  func(context.Context, string, options, io.Writer) error
	}{{"speed", speed}, {"idle", idle}, {"logins", logins}} {
		if !strings.Contains(s.name, o.section) {
			continue
		}
		fmt.Fprintf(out, "== %s (load average %s)\n", s.name, load())
		if err := s.run(ctx, program, o, out); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// build makes the iscsispec whose verb serve is measured.
func build(ctx context.Context) (program string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "iscsispec-bench-")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	program = filepath.Join(dir, "iscsispec")
	said, err := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/iscsispec/iscsispec/cmd/iscsispec").CombinedOutput()
	if err != nil {
		remove()
		return "", nil, fmt.Errorf("go build: %w\n%s", err, said)
	}
	return program, remove, nil
}
