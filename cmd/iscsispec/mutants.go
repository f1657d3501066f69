package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/scenarios"
)

// mutantsCommand is hidden: it is what the project reports about itself, for those who work on it.
func (p *program) mutantsCommand() *cobra.Command {
	var only, skip []string
	seed := uint64(1)
	cmd := &cobra.Command{
		Use:    "mutants",
		Short:  "Prove the checks: each passes the sound peer and fails the peer with its row's defect",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			registry, err := p.registry()
			if err != nil {
				return err
			}
			entries, err := scenarios.Selection{Only: only, Skip: skip}.Pick(registry.Entries())
			if err != nil {
				return err
			}
			runner := &scenarios.Runner{T: p.t, Seed: seed}
			return p.prove(cmd.Context(), cmd.OutOrStdout(), runner, entries)
		},
	}
	p.selectionFlags(cmd, &only, &skip)
	cmd.Flags().Uint64Var(&seed, "seed", 1, "seed of every random choice")
	return cmd
}

// prove prints the table of rows against defects, and leaves with findings where a check does not prove itself.
func (p *program) prove(ctx context.Context, w io.Writer, runner *scenarios.Runner, entries []scenarios.Entry) error {
	con := newConsole(w, p.color)
	fallen, deviations := 0, 0
	err := runner.ProveAll(ctx, entries, func(proof scenarios.Proof) {
		deviations += len(proof.Caught)
		sign, word := scenarios.Pass.Sign(), con.paint(sgrGreen, "proven")
		if !proof.Stands() {
			fallen++
			sign, word = scenarios.Fail.Sign(), con.paint(sgrRed, "UNPROVEN")
		}
		con.line("%s %s  %s  sound: %s%s", sign, word, proof.ID, proof.Sound.Verdict, caught(proof))
		if proof.Sound.Verdict != scenarios.Pass {
			con.line("    sound peer: %s", firstSentence(proof.Sound))
		}
		for _, c := range proof.Caught {
			if !c.Sighted() {
				con.line("    %s: %s", c.Deviation, firstSentence(c.Result))
			}
			if rows := noticed(c.Result); rows != "" {
				con.line("    %s: monitors also see %s", c.Deviation, rows)
			}
		}
	})
	if err != nil {
		return err
	}
	con.line("%d checks, %d deviations, %d checks do not prove themselves", len(entries), deviations, fallen)
	if fallen > 0 {
		return leave(exitFindings)
	}
	return nil
}

// noticed lists the rows that monitors saw broken.
func noticed(r *scenarios.Result) string {
	var rows []string
	for _, f := range r.Noticed {
		rows = append(rows, f.Row)
	}
	return strings.Join(rows, ", ")
}

// caught lists the deviations with their verdicts.
func caught(proof scenarios.Proof) string {
	if len(proof.Caught) == 0 {
		return "; no deviation"
	}
	var parts []string
	for _, c := range proof.Caught {
		parts = append(parts, fmt.Sprintf("%s: %s", c.Deviation, c.Result.Verdict))
	}
	return "; " + strings.Join(parts, ", ")
}
