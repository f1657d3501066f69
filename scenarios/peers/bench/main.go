// Command bench measures package initiator beside libiscsi on the same targets: tgt, and an array of package simtarget in a process of its
// own. Both sides do each workload in turn, round by round, so that what else the machine does meets both; the one that begins changes
// with the round. What is printed is the median of the rounds, with the smallest and the largest, and the ratio of the two sides: its
// median over the rounds, again with the smallest and the largest.
//
//	go run ./scenarios/peers/bench [-rounds 7] [-time 1s] [-only tgt] [-load "4 KiB"]
//
// The reads of libiscsi are iscsi-perf's; its logins are those of libiscsi/login.c, which is compiled for the run and needs a C compiler
// and libiscsi's headers. What is not installed is left out, and said.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == arrayVerb {
		os.Exit(serveArray())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	rounds int
	time   time.Duration // Of one side's turn.
	only   string        // Part of the name of the targets wanted.
	load   string        // Part of the name of the workloads wanted.
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o := options{rounds: 7, time: time.Second}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&o.rounds, "rounds", o.rounds, "how many `rounds`")
	flags.DurationVar(&o.time, "time", o.time, "how long each side has for a workload in a round; iscsi-perf counts whole seconds")
	flags.StringVar(&o.only, "only", "", "only targets whose `name` holds this")
	flags.StringVar(&o.load, "load", "", "only workloads whose `name` holds this")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || o.rounds < 1 || o.time < 100*time.Millisecond {
		return fmt.Errorf("want no arguments, at least one round and at least 100ms; got %v, %d, %v", flags.Args(), o.rounds, o.time)
	}
	tool, err := newLibiscsi(ctx)
	if err != nil {
		fmt.Fprintf(out, "libiscsi: %v\n", err)
	}
	defer tool.remove()
	fmt.Fprintf(out, "median [smallest to largest] of %d rounds of %v\n\n", o.rounds, o.time)
	for _, t := range targets {
		if !strings.Contains(t.name, o.only) {
			continue
		}
		if err := measureTarget(ctx, t, tool, o, out); err != nil {
			return err
		}
	}
	return nil
}

// measureTarget starts a target and prints its lines. A target that is not installed is left out.
func measureTarget(ctx context.Context, t target, tool *libiscsi, o options, out io.Writer) error {
	url, stop, err := t.start(ctx)
	if err != nil {
		fmt.Fprintf(out, "%s: left out: %v\n", t.name, err)
		return nil
	}
	defer stop()
	fmt.Fprintf(out, "%-31s  %-29s  %-29s  %s\n", t.name, "libiscsi", "iscsispec", "ratio")
	for _, w := range workloads {
		if !strings.Contains(w.name, o.load) {
			continue
		}
		line, err := measure(ctx, url, w, tool, o)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", t.name, w.name, err)
		}
		fmt.Fprintf(out, "  %-29s  %s\n", w.name, line)
	}
	fmt.Fprintln(out)
	return nil
}

// measure runs the rounds of one workload.
func measure(ctx context.Context, url string, w workload, tool *libiscsi, o options) (string, error) {
	var theirs, ours, ratios []float64
	for round := range o.rounds {
		var pair [2]float64
		for turn := range pair {
			side := (round + turn) % 2
			run := tool.run
			if side == 1 {
				run = runOurs
			}
			if side == 0 && tool.lacks(w) != "" {
				continue
			}
			n, err := run(ctx, url, w, o.time)
			if err != nil {
				return "", fmt.Errorf("%s: %w", []string{"libiscsi", "iscsispec"}[side], err)
			}
			pair[side] = n
		}
		ours = append(ours, pair[1])
		if pair[0] > 0 {
			theirs, ratios = append(theirs, pair[0]), append(ratios, pair[1]/pair[0])
		}
	}
	return fmt.Sprintf("%-29s  %-29s  %s", spread(theirs, w.unit, tool.lacks(w)), spread(ours, w.unit, ""), spread(ratios, "", "")), nil
}
