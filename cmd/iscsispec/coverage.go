package main

import (
	"fmt"
	"io"

	"github.com/iscsispec/iscsispec/scenarios"
)

// printCoverage tells, group by group, how many rows of the catalogue a check covers, and how much of the RFCs.
func printCoverage(w io.Writer, registry *scenarios.Registry) error {
	type count struct{ rows, checked, heart, heartChecked int }
	counts := map[string]*count{}
	var order []string
	for _, row := range registry.Catalogue().Rows() {
		key := fmt.Sprintf("%-9s  %s", row.Role, row.Group)
		c := counts[key]
		if c == nil {
			c = new(count)
			counts[key] = c
			order = append(order, key)
		}
		checked := 0
		if len(registry.Find(row.ID)) > 0 {
			checked = 1
		}
		c.rows++
		c.checked += checked
		if row.Tier == 1 {
			c.heart++
			c.heartChecked += checked
		}
	}
	if _, err := fmt.Fprintf(w, "%-32s  %11s  %11s\n", "role and group", "rows", "tier 1"); err != nil {
		return err
	}
	total := count{}
	line := func(name string, c count) error {
		_, err := fmt.Fprintf(w, "%-32s  %4d of %4d  %4d of %4d\n", name, c.checked, c.rows, c.heartChecked, c.heart)
		return err
	}
	for _, key := range order {
		c := *counts[key]
		total = count{total.rows + c.rows, total.checked + c.checked, total.heart + c.heart, total.heartChecked + c.heartChecked}
		if err := line(key, c); err != nil {
			return err
		}
	}
	if err := line("all", total); err != nil {
		return err
	}
	statements, checked := 0, 0
	for _, s := range scenarios.LoadStatements() {
		statements++
		for _, id := range s.Rows {
			if len(registry.Find(id)) > 0 {
				checked++
				break
			}
		}
	}
	_, err := fmt.Fprintf(w, "%d of %d normative statements of RFC 7143 and RFC 7144 have a check\n", checked, statements)
	return err
}
