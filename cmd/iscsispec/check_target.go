package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/cmd/iscsispec/gotgt"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios"
	suites "github.com/iscsispec/iscsispec/scenarios/suite"
	"github.com/iscsispec/iscsispec/scenarios/target"
)

// learnLimit bounds the logins that find out what a target can do, on the wall clock.
const learnLimit = 60 * time.Second

// gotgtSize is the disk of the gotgt child, in bytes.
const gotgtSize = 16 << 20

// peerGotgt is the value of --peer for the target in a child process.
const peerGotgt = "gotgt"

// targetOptions are the flags of check target alone.
type targetOptions struct {
	checkOptions
	peer      string
	profile   string
	initiator string
	sessions  int
	patience  time.Duration
	abilities string
	ability   []string
	hook      []string
}

func (p *program) checkTargetCommand() *cobra.Command {
	options := &targetOptions{}
	cmd := &cobra.Command{
		Use:   "target [URL]",
		Short: "Check a target against RFC 7143",
		Long: `check target runs the target suite: without a URL against the simulated array, in virtual time; with
iscsi://[user[%password]@]host[:port]/target[/lun] against that target, over TCP. Without a target in the URL the first
one that discovery lists is judged.

Nothing is written to a logical unit without --allow writes, and nothing that may disturb other initiators is done
without --allow disruptive. Credentials are better given as ISCSISPEC_CHAP_USERNAME and ISCSISPEC_CHAP_PASSWORD (and
_TARGET_USERNAME, _TARGET_PASSWORD for mutual CHAP) than in the URL, which other users of the machine can see.

Against a target on the network, checks run side by side on sessions of their own, as many sessions as the target was
seen to grant, 32 at most. --sessions sets that number, where other initiators need theirs or a target bears more; with 1
no two checks run at a time. What a check finds while others run counts only when it finds it alone as well, so verdicts
and the order of the records do not depend on it.

A run lasts as long as its longest waits: some rows hold a command for minutes, to see that nothing else suffers.
--patience bounds all waits for what ought not to happen; a pass then proves less, and no sound target fails for it.
docs/check-target.md has the numbers.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.checkTarget(cmd, options, args)
		},
	}
	p.checkFlags(cmd, &options.checkOptions)
	cmd.Flags().StringVar(&options.profile, "profile", "", "check a simulated array of this profile, in virtual time: a name or the path of a YAML file")
	cmd.Flags().StringVar(&options.peer, "peer", "", `"gotgt" starts that target in a child process on loopback and checks it`)
	cmd.Flags().StringVar(&options.initiator, "initiator", "", "iSCSI name to log in with, where the target admits only known ones")
	cmd.Flags().IntVar(&options.sessions, "sessions", 0, "sessions that checks may have at once at a target on the network; 0 means as many as it was seen to grant, 1 one check at a time")
	cmd.Flags().StringVar(&options.abilities, "abilities", "", "YAML file of what the target can do, in the place of what is seen of it; a run leaves one as abilities.yaml")
	cmd.Flags().StringArrayVar(&options.ability, "ability", nil, "CAPABILITY=yes or =no, in the place of what is seen, such as erl2=no; repeatable")
	cmd.Flags().StringArrayVar(&options.hook, "hook", nil, "NAME=COMMAND: shell command that brings about what the wire cannot, such as async-logout=...; repeatable, names in docs/check-target.md")
	cmd.Flags().DurationVar(&options.patience, "patience", 0, "longest wait for what ought not to happen at a target on the network, such as 10s; 0 means as long as each row says")
	return cmd
}

func (p *program) checkTarget(cmd *cobra.Command, o *targetOptions, args []string) error {
	// What is wrong with the command line is told before anything is dialled.
	if _, err := o.allowed(); err != nil {
		return err
	}
	if o.sessions < 0 {
		return usageError("--sessions %d: want 0 or more", o.sessions)
	}
	if o.patience < 0 {
		return usageError("--patience %v: want 0 or more", o.patience)
	}
	if o.initiator != "" {
		if err := iscsi.ValidName(o.initiator); err != nil {
			return usageError("--initiator: %w", err)
		}
	}
	embedded, err := p.registry()
	if err != nil {
		return err
	}
	selection, err := o.selection()
	if err != nil {
		return err
	}
	if _, err := selection.Pick(embedded.Entries(target.Name)); err != nil {
		return err
	}
	switch {
	case o.peer != "" && o.peer != peerGotgt:
		return usageError("--peer %q: want gotgt", o.peer)
	case o.peer != "" && len(args) > 0:
		return usageError("--peer and a URL exclude each other")
	case o.profile != "" && (o.peer != "" || len(args) > 0):
		return usageError("--profile excludes --peer and a URL")
	case o.profile != "":
		return p.checkProfile(cmd, o)
	case o.peer == peerGotgt:
		return p.checkGotgt(cmd, o)
	case len(args) == 0:
		return p.runChecks(cmd, &o.checkOptions, embedded, []string{target.Name})
	}
	u, err := p.parseURL(cmd, args[0])
	if err != nil {
		return err
	}
	told, err := o.told()
	if err != nil {
		return err
	}
	hooks, err := o.hooks()
	if err != nil {
		return err
	}
	return p.checkForeign(cmd, o, target.Foreign{URL: u, Told: told, Hooks: hooks})
}

// checkGotgt runs the suite against a gotgt child, whose disk nobody misses.
func (p *program) checkGotgt(cmd *cobra.Command, o *targetOptions) error {
	self, err := os.Executable()
	if err != nil {
		return &statusError{exitDefect, fmt.Errorf("finding the own executable: %w", err)}
	}
	kept, err := gotgt.Keep(cmd.Context(), self, gotgtSize)
	if err != nil {
		return unreachable("%w", err)
	}
	defer kept.Stop()
	child := kept.Child()
	if !child.LoopbackOnly {
		fmt.Fprintln(cmd.ErrOrStderr(), "iscsispec: warning: the gotgt child can be reached from other machines while it runs")
	}
	u, err := iscsi.ParseURL(child.URL)
	if err != nil {
		return &statusError{exitDefect, err}
	}
	if !cmd.Flags().Changed("allow") {
		o.allow = scenarios.Disruptive.String()
	}
	return p.checkForeign(cmd, o, target.Foreign{URL: u, Fresh: kept.Fresh})
}

// checkProfile judges an array of a profile as if it were a target on the network.
func (p *program) checkProfile(cmd *cobra.Command, o *targetOptions) error {
	profile, err := findArray(o.profile)
	if err != nil {
		return err
	}
	suite, abilities, err := target.OnProfile(p.t, profile, o.seed)
	if err != nil {
		return unreachable("an array of profile %s cannot be judged: %w", profile.Name, err)
	}
	if !o.quiet {
		fmt.Fprintf(cmd.OutOrStdout(), "profile %s, target %s, unit %s\n", profile.Name, abilities.Target, strings.TrimSpace(abilities.Identity))
		for _, d := range profile.Differs {
			fmt.Fprintf(cmd.OutOrStdout(), "note: differs at %s: %s\n", d.Row, d.Why)
		}
	}
	registry, err := scenarios.NewRegistry(scenarios.LoadCatalogue(), suites.Monitored(suite))
	if err != nil {
		return err
	}
	return p.runChecks(cmd, &o.checkOptions, registry, []string{target.Name})
}

// checkForeign finds out what a target can do, and judges it.
func (p *program) checkForeign(cmd *cobra.Command, o *targetOptions, f target.Foreign) error {
	f.InitiatorName, f.Seed, f.Patience = o.initiator, o.seed, o.patience
	ctx, cancel := context.WithTimeout(cmd.Context(), learnLimit)
	defer cancel()
	suite, abilities, err := target.Against(ctx, f)
	switch {
	case cmd.Context().Err() != nil:
		return leave(exitInterrupted)
	case err != nil:
		return unreachable("%s cannot be judged: %w", f.URL, err)
	}
	if !o.quiet {
		fmt.Fprint(cmd.OutOrStdout(), abilities, tellCompany(suite))
	}
	o.known = target.DescribeAbilities(abilities, suite.Abilities)
	registry, err := scenarios.NewRegistry(scenarios.LoadCatalogue(), suites.Monitored(suite))
	if err != nil {
		return err
	}
	return p.runChecks(cmd, &o.checkOptions, registry, []string{target.Name})
}
