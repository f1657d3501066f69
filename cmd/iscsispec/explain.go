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
	return &cobra.Command{
		Use:   "explain ID",
		Short: "Explain one row of the catalogue: clause, stimulus, accepted outcomes, defect; or a profile of an initiator or array",
		Long: "explain tells all of one row of the catalogue, or of one shipped profile. ID may also be the path of a YAML file\n" +
			"that describes an array: it is held to all that a profile owes, then explained like one that is shipped.",
		Args:              one("ID"),
		ValidArgsFunction: p.completeRows,
		RunE: func(cmd *cobra.Command, args []string) error {
			registry, err := p.registry()
			if err != nil {
				return err
			}
			if slices.Contains(initiator.Profiles(), args[0]) {
				return explainProfile(cmd.OutOrStdout(), args[0])
			}
			if isPath(args[0]) || slices.Contains(simtarget.Builtins(), args[0]) {
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
			return explain(cmd.OutOrStdout(), registry, row)
		},
	}
}

// explain prints a row and what its checks add.
func explain(w io.Writer, registry *scenarios.Registry, row *scenarios.Row) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", row.ID)
	paragraph := func(title, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%s\n%s\n\n", title, wrap(text, "  ", 100))
		}
	}
	paragraph("Who and how strong", fmt.Sprintf("%s, group %s, level %s, tier %d", row.Role, row.Group, row.Level, row.Tier))
	paragraph("Clause", row.Clause)
	paragraph("Expects", row.Expects)
	paragraph("Stimulus", row.Stimulus)
	paragraph("Accepted outcomes", row.Verdict)
	paragraph("Leniency", row.Leniency)
	paragraph("Defect that the check must catch", row.Defect)
	paragraph("Seen elsewhere", row.Seen)
	var needs []string
	for _, need := range row.Requires {
		needs = append(needs, string(need))
	}
	paragraph("Needs", strings.Join(needs, ", "))
	paragraph("UNH-IOL tests on the same matter", strings.Join(row.UNH, ", "))
	entries := registry.Find(row.ID)
	if len(entries) == 0 {
		paragraph("Check", "No check covers this row yet.")
	}
	for _, e := range entries {
		paragraph("Checked by", fmt.Sprintf("iscsispec check %s --only %s (%s)", e.Suite, e.ID, e.Risk))
		if len(e.Accepts) > 0 {
			paragraph("Counts as a pass", strings.Join(e.Accepts, "; or "))
		}
		var names []string
		for _, d := range e.Deviations {
			names = append(names, d.Name)
		}
		paragraph("Proves itself by failing", strings.Join(names, ", "))
	}
	paragraph("In Wireshark", "Open captures/"+row.ID+".pcapng of a run's folder. Display filter: "+displayFilter(row))
	_, err := io.WriteString(w, strings.TrimRight(b.String(), "\n")+"\n")
	return err
}

// displayFilter names the PDUs that a row of that group is about, in the words of Wireshark's dissector.
func displayFilter(row *scenarios.Row) string {
	opcodes := map[string]string{
		"login": "iscsi.opcode == 0x03 || iscsi.opcode == 0x23", "negotiation": "iscsi.opcode == 0x03 || iscsi.opcode == 0x23",
		"keys": "iscsi.opcode == 0x03 || iscsi.opcode == 0x23", "auth": "iscsi.opcode == 0x03 || iscsi.opcode == 0x23",
		"redirect":  "iscsi.login.status == 0x0101 || iscsi.login.status == 0x0102 || iscsi.opcode == 0x03",
		"discovery": "iscsi.opcode == 0x04 || iscsi.opcode == 0x24", "text": "iscsi.opcode == 0x04 || iscsi.opcode == 0x24",
		"nop": "iscsi.opcode == 0x00 || iscsi.opcode == 0x20", "logout": "iscsi.opcode == 0x06 || iscsi.opcode == 0x26",
		"async": "iscsi.opcode == 0x32", "reject": "iscsi.opcode == 0x3f", "tmf": "iscsi.opcode == 0x02 || iscsi.opcode == 0x22",
		"data-in": "iscsi.opcode == 0x25", "data-out": "iscsi.opcode == 0x05 || iscsi.opcode == 0x31", "snack": "iscsi.opcode == 0x10",
	}
	if filter := opcodes[row.Group]; filter != "" {
		return filter
	}
	return "iscsi"
}
