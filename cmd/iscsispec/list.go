package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iscsispec/iscsispec/scenarios"
)

// listed is one line of the list.
type listed struct {
	*scenarios.Row
	// Suites in which the row is checked; empty where it is not checked yet.
	Suites []string `json:"suites"`
}

func (p *program) listCommand() *cobra.Command {
	asJSON, all, coverage, profiles := false, false, false, false
	var only, skip []string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the checks, with --all every row of the catalogue, with --coverage the RFCs' statements, or with --profiles the profiles",
		Long: `list prints the checks: id, level, tier, suites, clause. With --all it prints every row of the catalogue.

--coverage goes through the normative statements of RFC 7143 and RFC 7144, section by section: each is checked (+, and by which
rows), not checked yet (?, and what a check would take), or cannot be seen on the wire (-, and why). With it, --only and --skip
take sections, levels, whom a statement binds (target, initiator, both), checked, not-yet and unseen, groups, and ids of rows.

  iscsispec list --only login
  iscsispec list --coverage --only rfc7143/6.2
  iscsispec list --coverage --only not-yet,unseen
  iscsispec list --coverage --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if profiles {
				return printProfiles(cmd.OutOrStdout(), asJSON)
			}
			registry, err := p.registry()
			if err != nil {
				return err
			}
			if coverage {
				report, err := newCoverageReport(registry, scenarios.Selection{Only: only, Skip: skip})
				switch {
				case err != nil:
					return err
				case asJSON:
					return writeJSON(cmd.OutOrStdout(), report)
				}
				return printCoverage(cmd.OutOrStdout(), report)
			}
			entries := registry.Entries()
			if all {
				entries = rowsAsEntries(registry)
			}
			if len(entries) > 0 || len(only)+len(skip) > 0 {
				if entries, err = (scenarios.Selection{Only: only, Skip: skip}).Pick(entries); err != nil {
					return err
				}
			}
			return printList(cmd, list(registry, entries), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&all, "all", false, "also rows that no check covers yet")
	cmd.Flags().BoolVar(&coverage, "coverage", false, "tell of each normative statement of the RFCs which checks cover it, and count")
	cmd.Flags().BoolVar(&profiles, "profiles", false, "list the initiators that the tool can be like, and the arrays that it can serve")
	p.selectionFlags(cmd, &only, &skip)
	cmd.MarkFlagsMutuallyExclusive("all", "coverage", "profiles")
	return cmd
}

// rowsAsEntries lets the selection pick from the whole catalogue.
func rowsAsEntries(registry *scenarios.Registry) []scenarios.Entry {
	var entries []scenarios.Entry
	for _, row := range registry.Catalogue().Rows() {
		entries = append(entries, scenarios.Entry{Check: &scenarios.Check{ID: row.ID, Row: row}})
	}
	return entries
}

// list joins entries of one row.
func list(registry *scenarios.Registry, entries []scenarios.Entry) []listed {
	var rows []listed
	for i, e := range entries {
		if i > 0 && entries[i-1].ID == e.ID {
			continue
		}
		row := listed{Row: e.Row, Suites: []string{}}
		for _, found := range registry.Find(e.ID) {
			row.Suites = append(row.Suites, found.Suite)
		}
		rows = append(rows, row)
	}
	return rows
}

func printList(cmd *cobra.Command, rows []listed, asJSON bool) error {
	out := cmd.OutOrStdout()
	if asJSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(rows)
	}
	width := 0
	for _, r := range rows {
		width = max(width, len(r.ID))
	}
	checked := 0
	for _, r := range rows {
		suites := strings.Join(r.Suites, ",")
		if suites == "" {
			suites = "-"
		} else {
			checked++
		}
		if _, err := fmt.Fprintf(out, "%-*s  %-8s  %d  %-8s  %s\n", width, r.ID, r.Level, r.Tier, suites, r.Clause); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(cmd.ErrOrStderr(), "%d rows, %d of them checked; columns: id, level, tier, suite, clause\n", len(rows), checked)
	return err
}
