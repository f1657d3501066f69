package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/iscsispec/iscsispec/scenarios"
)

// groupCover counts the rows of one group of the catalogue, and how many of them have a check; tier 1 once more.
type groupCover struct {
	Role         scenarios.Role `json:"role,omitempty"`
	Group        string         `json:"group,omitempty"`
	Rows         int            `json:"rows"`
	Checked      int            `json:"checked"`
	Tier1        int            `json:"tier1"`
	Tier1Checked int            `json:"tier1_checked"`
}

// coverageReport is what list --coverage tells: the normative statements, section by section, and the rows, group by group.
type coverageReport struct {
	Statements scenarios.Coverage `json:"statements"`
	// Groups is empty where a selection picked statements.
	Groups []groupCover `json:"groups,omitempty"`
	Rows   groupCover   `json:"rows"`
}

// newCoverageReport holds catalogue and statements against the registry's checks.
func newCoverageReport(registry *scenarios.Registry, selection scenarios.Selection) (coverageReport, error) {
	report := coverageReport{Statements: registry.Coverage()}
	var err error
	if len(selection.Only)+len(selection.Skip) > 0 {
		if report.Statements, err = report.Statements.Pick(selection); err != nil {
			return report, err
		}
	}
	picked := report.Statements.Total < len(scenarios.LoadStatements())
	checked := map[string]bool{}
	for _, e := range registry.Entries() {
		checked[e.ID] = true
	}
	place := map[string]int{}
	for _, row := range registry.Catalogue().Rows() {
		key := string(row.Role) + " " + row.Group
		at, known := place[key]
		if !known {
			at = len(report.Groups)
			place[key] = at
			report.Groups = append(report.Groups, groupCover{Role: row.Role, Group: row.Group})
		}
		report.Groups[at].add(row, checked[row.ID])
		report.Rows.add(row, checked[row.ID])
	}
	if picked {
		report.Groups = nil
	}
	return report, nil
}

func (c *groupCover) add(row *scenarios.Row, checked bool) {
	c.Rows++
	if row.Tier == 1 {
		c.Tier1++
	}
	if checked {
		c.Checked++
		if row.Tier == 1 {
			c.Tier1Checked++
		}
	}
}

// printCoverage tells, statement by statement, what is checked by which rows, what is not yet, and what cannot be seen; then it counts, group by
// group, how many rows of the catalogue a check covers. The last line sums the statements up.
func printCoverage(w io.Writer, report coverageReport) error {
	var b strings.Builder
	for _, section := range report.Statements.Sections {
		fmt.Fprintf(&b, "%s: %s\n", section.Name, coverCounts(section.CoverCount))
		for _, s := range section.Statements {
			printStatement(&b, s)
		}
		fmt.Fprintln(&b)
	}
	line := func(name string, c groupCover) {
		fmt.Fprintf(&b, "%-32s  %4d of %4d  %4d of %4d\n", name, c.Checked, c.Rows, c.Tier1Checked, c.Tier1)
	}
	if len(report.Groups) > 0 {
		fmt.Fprintf(&b, "%-32s  %12s  %12s\n", "role and group", "rows", "tier 1")
	}
	for _, c := range report.Groups {
		line(fmt.Sprintf("%-9s  %s", c.Role, c.Group), c)
	}
	if len(report.Groups) > 0 {
		line("all", report.Rows)
		fmt.Fprintln(&b)
	}
	c := report.Statements.CoverCount
	fmt.Fprintf(&b, "%d of %d normative statements of RFC 7143 and RFC 7144 have a check, %d do not yet, %d cannot be seen on the wire\n",
		c.Checked, c.Total, c.NotYet, c.Unseen)
	_, err := io.WriteString(w, b.String())
	return err
}

// coverCounts says how many statements are in which state, the empty states left out.
func coverCounts(c scenarios.CoverCount) string {
	var parts []string
	for _, state := range scenarios.Covers() {
		if n := c.Of(state); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state.Words()))
		}
	}
	return strings.Join(parts, ", ")
}

// coverSigns stand before statements, so that a glance finds what is missing.
var coverSigns = map[scenarios.Cover]string{scenarios.Checked: "+", scenarios.NotYet: "?", scenarios.Unseen: "-"}

// printStatement tells one statement, whom it binds, and the rows or the reason.
func printStatement(b *strings.Builder, s scenarios.CoveredStatement) {
	about := wrap(s.About, "              ", 110)
	fmt.Fprintf(b, "  %s %-10s %s (%s)\n", coverSigns[s.State], s.Level, strings.TrimLeft(about, " "), s.Binds)
	detail := func(title, text string) {
		if text != "" {
			fmt.Fprintf(b, "      %s\n", strings.TrimLeft(wrap(title+text, "        ", 110), " "))
		}
	}
	detail("checked by ", strings.Join(s.Checks, ", "))
	detail("no check yet for ", strings.Join(s.Missing, ", "))
	switch s.State {
	case scenarios.Unseen:
		detail("cannot be seen on the wire: ", s.Unseen)
	case scenarios.NotYet:
		if len(s.Rows) == 0 { // notes beside rows tell how the rows came about
			detail("not yet: ", s.Note)
		}
	case scenarios.Checked:
	}
}
