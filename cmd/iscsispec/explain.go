package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/simtarget"
)

func (p *program) explainCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "explain ID",
		Short: "Explain one row of the catalogue: clause, stimulus, accepted outcomes, defect, who differs, how to see it; or a profile",
		Long: `explain tells all of one row of the catalogue: its clause and the statements of the RFCs that it checks, the stimulus, the
accepted outcomes, the defect that its check must catch and the deviation that proves it, which peers are known to differ, how to run
just it, and how to see it in Wireshark.

ID may also be the name of a shipped profile, or the path of a YAML file that describes an array: it is held to all that a profile
owes, then explained like one that is shipped.

  iscsispec explain login.tsih.unknown-nonzero-refused
  iscsispec explain login.tsih.unknown-nonzero-refused --json
  iscsispec explain windows-like`,
		Args:              one("ID"),
		ValidArgsFunction: p.completeRows,
		RunE: func(cmd *cobra.Command, args []string) error {
			registry, err := p.registry()
			if err != nil {
				return err
			}
			isHost := slices.Contains(initiator.Profiles(), args[0])
			isArray := isPath(args[0]) || slices.Contains(simtarget.Builtins(), args[0])
			switch {
			case (isHost || isArray) && asJSON:
				return usageError("--json is for rows of the catalogue; %s is a profile", args[0])
			case isHost:
				return explainProfile(cmd.OutOrStdout(), args[0])
			case isArray:
				return explainArray(cmd.OutOrStdout(), args[0])
			}
			row := registry.Catalogue().Row(args[0])
			if row == nil {
				var ids []string
				ids = append(append(ids, initiator.Profiles()...), simtarget.Builtins()...)
				for _, r := range registry.Catalogue().Rows() {
					ids = append(ids, r.ID)
				}
				return &scenarios.EmptyError{Pattern: args[0], Nearest: scenarios.Nearest(args[0], ids, 3)}
			}
			e, err := newExplanation(registry, row)
			switch {
			case err != nil:
				return err
			case asJSON:
				return writeJSON(cmd.OutOrStdout(), e)
			}
			return e.print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// print writes an explanation for people. What is not known is left out, but for the peers that differ: there, silence would be ambiguous.
func (e *explanation) print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", e.ID)
	section := func(title string, lines ...string) {
		if len(lines) == 0 || lines[0] == "" {
			return
		}
		fmt.Fprintln(&b, title)
		for _, line := range lines {
			if line == "" {
				continue
			}
			fmt.Fprintf(&b, "  %s\n", strings.TrimLeft(wrap(line, "    ", 110), " "))
		}
		fmt.Fprintln(&b)
	}
	section("Who and how strong", fmt.Sprintf("%s, group %s, level %s, tier %d", e.Role, e.Group, e.Level, e.Tier))
	section("Clause", e.Clause)
	section("Expects", e.Expects)
	section("Stimulus", e.Stimulus)
	section("Accepted outcomes", e.Verdict)
	section("Leniency", e.Leniency)
	section("Defect that the check must catch", e.Defect)
	var needs []string
	for _, need := range e.Requires {
		needs = append(needs, string(need))
	}
	section("Needs", strings.Join(needs, ", "))
	var statements []string
	for _, s := range e.Statements {
		statements = append(statements, fmt.Sprintf("%s, %s: %s", s.Place, s.Level, s.About))
	}
	section("Statements of the RFCs that it checks", statements...)
	section("UNH-IOL tests on the same matter", strings.Join(e.UNH, ", "))
	if len(e.Checks) == 0 {
		section("Check", "No check covers this row yet.")
	}
	for _, c := range e.Checks {
		section("Counts as a pass in suite "+c.Suite, strings.Join(c.Accepts, "; or "))
		section("Proves itself in suite "+c.Suite+" by failing", strings.Join(c.Deviations, ", "))
	}
	section("Known to differ", e.differLines()...)
	section("Seen elsewhere", e.Seen, seenLegend(e.Row))
	var commands []string
	for _, c := range e.Checks {
		commands = append(commands, c.Run...)
	}
	if len(commands) > 0 {
		fmt.Fprintf(&b, "Run just it\n  %s\n\n", strings.Join(commands, "\n  "))
	}
	fmt.Fprintf(&b, "In Wireshark\n  Open %s with the display filter\n  %s\n", e.Wireshark.Capture, e.Wireshark.Filter)
	fmt.Fprintf(&b, "  Fields worth a column: %s\n  Or: %s\n", strings.Join(e.Wireshark.Fields, ", "), e.Wireshark.Command)
	_, err := io.WriteString(w, b.String())
	return err
}

// differLines tells who is known to differ, one peer a line.
func (e *explanation) differLines() []string {
	var lines []string
	for _, d := range e.Peers {
		lines = append(lines, fmt.Sprintf("%s: %s. %s", d.Peer, d.Verdict, d.Reason))
	}
	for _, d := range e.Profiles {
		lines = append(lines, fmt.Sprintf("profile %s: %s", d.Profile, d.Why))
	}
	if len(lines) == 0 {
		return []string{"No peer is known to."}
	}
	return lines
}

// seenLetters are the initiators that rows name by a letter, as the catalogue's header has them.
var seenLetters = []struct{ letter, name string }{
	{"L", "libiscsi"}, {"O", "open-iscsi in user space"}, {"K", "the Linux kernel's iscsi_tcp"}, {"U", "uiscsi"},
}

// seenLegend spells out the letters in what was seen of initiators.
func seenLegend(row *scenarios.Row) string {
	if row.Role != scenarios.RoleInitiator || row.Seen == "" {
		return ""
	}
	words := strings.FieldsFunc(row.Seen, func(r rune) bool { return strings.ContainsRune(" ,:;()", r) })
	var names []string
	for _, l := range seenLetters {
		if slices.Contains(words, l.letter) {
			names = append(names, l.letter+" is "+l.name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "(" + strings.Join(names, ", ") + "; read in the sources, not run)"
}
