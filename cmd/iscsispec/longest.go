package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
)

// longestMost is how many checks are told that lasted longest, and longestLeast how long a check has to last to be worth it.
const (
	longestMost  = 12
	longestLeast = time.Second
)

// tellLongest says which checks on the wall clock lasted longest and what they waited for, which is what a run cannot be shorter than. Without
// verbose it is the longest one, where that has lasted for long.
func tellLongest(con *console, entries []scenarios.Entry, results []*scenarios.Result, verbose bool) {
	waits := map[string]string{}
	for _, e := range entries {
		waits[e.ID] = e.WaitsFor
	}
	var long []*scenarios.Result
	for _, r := range results {
		if !r.Virtual && r.Duration >= longestLeast {
			long = append(long, r)
		}
	}
	slices.SortStableFunc(long, func(a, b *scenarios.Result) int { return int(b.Duration - a.Duration) })
	switch {
	case len(long) == 0 || !verbose && long[0].Duration < heartbeat:
		return
	case !verbose:
		con.line("longest: %s%s", long[0].ID, waited(long[0], waits))
		return
	}
	con.line("\nThe checks that lasted longest, some of them side by side:")
	for _, r := range long[:min(len(long), longestMost)] {
		con.line("  %s%s", r.ID, waited(r, waits))
	}
	if more := len(long) - longestMost; more > 0 {
		con.line("  and %d more of %v or longer", more, longestLeast)
	}
}

// waited tells how long a check has lasted, and what for.
func waited(r *scenarios.Result, waits map[string]string) string {
	text := fmt.Sprintf(" (%v)", r.Duration.Round(100*time.Millisecond))
	if why := waits[r.ID]; why != "" {
		text += ": " + why
	}
	return text
}
