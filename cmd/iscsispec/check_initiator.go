package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/initiator"
	"github.com/iscsispec/iscsispec/scenarios/lifecycle"
	suites "github.com/iscsispec/iscsispec/scenarios/suite"
)

// initiatorOptions are the flags of check initiator alone.
type initiatorOptions struct {
	checkOptions
	has       []string
	lifecycle bool
	watch     time.Duration
}

func (p *program) checkInitiatorCommand() *cobra.Command {
	options := &initiatorOptions{}
	cmd := &cobra.Command{
		Use:   "initiator [-- COMMAND [ARGUMENT...]]",
		Short: "Check what an initiator puts on the wire, before a target that is played PDU by PDU",
		Long: `check initiator runs the wire checks of initiators: without a command of the project's own initiator, in virtual time.

Behind -- stands the command line of another initiator. It is run for each check, and its words {url}, {portal} and
{target} become the scripted target's, which listens on 127.0.0.1; where it has neither {url} nor {portal}, the URL is
its last word. It does what it does: checks of what it never does are skipped, and say so. What cannot be found out by
looking, such as whether it re-establishes sessions, --has tells.

--lifecycle measures instead what the command does when its link is cut: reset, closed, silent, refused for a while, logged out on the target's
request, redirected, redirected to nowhere. Most of that is policy, so it is a report: lifecycle.json and captures under
--out, and a table. docs/lifecycle.md says how to read it, and how to measure a host that is no command.

  iscsispec check initiator -- iscsi-inq
  iscsispec check initiator --has chap,mutual-chap -- iscsi-perf -t 5 {url}
  iscsispec check initiator --lifecycle -- iscsi-perf -t 40 {url}`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.checkInitiator(cmd, options, args)
		},
	}
	p.checkFlags(cmd, &options.checkOptions)
	cmd.Flags().BoolVar(&options.lifecycle, "lifecycle", false, "measure what the command does when its link is cut")
	cmd.Flags().DurationVar(&options.watch, "watch", lifecycle.DefaultWatch, "with --lifecycle: how long to watch after each cut")
	cmd.Flags().StringSliceVar(&options.has, "has", nil, "what the command can: "+join(initiator.Askable()))
	return cmd
}

func join(capabilities []scenarios.Capability) string {
	var words []string
	for _, c := range capabilities {
		words = append(words, string(c))
	}
	return strings.Join(words, ", ")
}

func (p *program) checkInitiator(cmd *cobra.Command, o *initiatorOptions, args []string) error {
	embedded, err := p.registry()
	if err != nil {
		return err
	}
	switch dash := cmd.ArgsLenAtDash(); {
	case dash < 0 && len(args) > 0, dash > 0:
		return usageError("unexpected argument %q: the command of an initiator stands behind --", args[0])
	case len(args) == 0 && dash == 0:
		return usageError("no command behind --")
	case len(args) == 0 && o.lifecycle:
		return usageError("--lifecycle is for the command behind --")
	case len(args) == 0 && len(o.has) > 0:
		return usageError("--has is for the command behind --")
	case len(args) == 0:
		return p.runChecks(cmd, &o.checkOptions, embedded, []string{initiator.Name})
	}
	if o.lifecycle {
		return measureLifecycle(cmd, o, args)
	}
	// What is wrong with the command line is told before anything is run.
	selection, err := o.selection()
	if err != nil {
		return err
	}
	if _, err := selection.Pick(embedded.Entries(initiator.Name)); err != nil {
		return err
	}
	f := initiator.Foreign{Command: args, Seed: o.seed}
	for _, word := range o.has {
		if !slices.Contains(initiator.Askable(), scenarios.Capability(word)) {
			return usageError("--has %q: want %s", word, join(initiator.Askable()))
		}
		f.Has = append(f.Has, scenarios.Capability(word))
	}
	started := time.Now()
	suite, seen, err := initiator.Against(cmd.Context(), f)
	switch {
	case cmd.Context().Err() != nil:
		return leave(exitInterrupted)
	case err != nil:
		return unreachable("the initiator cannot be judged: %w", err)
	}
	if !o.quiet {
		fmt.Fprintf(cmd.OutOrStdout(), "initiator %s, %v commands %v, %v\n", seen.Name, len(seen.Commands), seen.Commands, time.Since(started).Round(time.Millisecond))
	}
	registry, err := scenarios.NewRegistry(scenarios.LoadCatalogue(), suites.Monitored(suite))
	if err != nil {
		return err
	}
	return p.runChecks(cmd, &o.checkOptions, registry, []string{initiator.Name})
}
