package reports

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/scenarios"
)

// Change is how one check came out in two runs.
type Change struct {
	ID    string `json:"id"`
	Suite string `json:"suite"`
	Title string `json:"title"`
	// Monitored tells that it is about what monitors found of the row in the traces of other checks.
	Monitored bool `json:"monitored,omitempty"`
	// Old and New are the verdicts' words, empty where the run does not have the check; "known" stands behind what its baseline explains.
	Old string `json:"old"`
	New string `json:"new"`
	// Reason is the new run's, or where that passes now the old one's; Was is the old run's, where both have one and they differ.
	Reason string `json:"reason,omitempty"`
	Was    string `json:"was,omitempty"`
}

// Diff is what became otherwise from one run to another. Every check of either run is counted once.
type Diff struct {
	// NewFails fail now, and did not before; what the new run's baseline explains is not among them. Mended failed before, and pass or
	// warn now. Doubtful are newly inconclusive. Changed have another verdict in any other way.
	NewFails []Change `json:"new_fails"`
	Mended   []Change `json:"mended"`
	Doubtful []Change `json:"doubtful"`
	Changed  []Change `json:"changed"`
	// Reasons have the same verdict, which is neither pass nor skip, for another reason.
	Reasons []Change `json:"reasons"`
	// Gone are checks of the old run that the new one does not have, Added the reverse, but for those that fail.
	Gone  []Change `json:"gone"`
	Added []Change `json:"added"`
	// Same counts the others.
	Same int `json:"same"`
	// Notes say in what the runs differ although a comparison wants them alike.
	Notes []string `json:"notes"`
}

// DiffRuns holds a new run against an old one.
func DiffRuns(before, after Run) Diff {
	type key struct {
		suite, id string
		monitored bool
	}
	d := Diff{NewFails: []Change{}, Mended: []Change{}, Doubtful: []Change{}, Changed: []Change{}, Reasons: []Change{}, Gone: []Change{}, Added: []Change{}, Notes: []string{}}
	was := map[key]*scenarios.Result{}
	for _, r := range before.Results {
		was[key{r.Suite, r.ID, r.Monitored != nil}] = r
	}
	seen := map[key]bool{}
	for _, r := range after.Results {
		k := key{r.Suite, r.ID, r.Monitored != nil}
		seen[k] = true
		d.put(was[k], r)
	}
	for _, r := range before.Results {
		if k := (key{r.Suite, r.ID, r.Monitored != nil}); !seen[k] {
			d.put(r, nil)
		}
	}
	for _, pair := range []struct{ what, old, new string }{
		{"who was judged", before.Header.Peer, after.Header.Peer}, {"the catalogue", before.Header.Catalogue, after.Header.Catalogue},
		{"the seed", fmt.Sprint(before.Header.Seed), fmt.Sprint(after.Header.Seed)}, {"--strict", fmt.Sprint(before.Header.Strict), fmt.Sprint(after.Header.Strict)},
		{"--allow", before.Header.Allow, after.Header.Allow}, {"--shard", before.Header.Shard, after.Header.Shard},
		{"being interrupted", fmt.Sprint(before.Header.Interrupted), fmt.Sprint(after.Header.Interrupted)},
	} {
		if pair.old != pair.new {
			d.Notes = append(d.Notes, fmt.Sprintf("The runs differ in %s: %q before, %q now.", pair.what, pair.old, pair.new))
		}
	}
	d.Notes = append(d.Notes, abilityNotes(before.Header.Abilities, after.Header.Abilities)...)
	return d
}

// abilityNotes tells of abilities of a peer outside that came or went: checks that need them are skipped.
func abilityNotes(before, after scenarios.Abilities) []string {
	var notes []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		was, known := before[name]
		switch {
		case !known || was.Present == after[name].Present:
		case was.Present:
			notes = append(notes, fmt.Sprintf("The peer lacks %s now, and did not before.", name))
		default:
			notes = append(notes, fmt.Sprintf("The peer has %s now, and had not before.", name))
		}
	}
	return notes
}

// put sorts one check under what became of it.
func (d *Diff) put(before, after *scenarios.Result) {
	change := newChange(before, after)
	switch {
	case after == nil && before.Monitored != nil && bad(before): // monitors found nothing any more
		d.Mended = append(d.Mended, change)
	case after == nil:
		d.Gone = append(d.Gone, change)
	case bad(after) && (before == nil || !bad(before)) && after.Standing != scenarios.Known:
		d.NewFails = append(d.NewFails, change)
	case before == nil:
		d.Added = append(d.Added, change)
	case bad(before) && (after.Verdict == scenarios.Pass || after.Verdict == scenarios.Warn):
		d.Mended = append(d.Mended, change)
	case after.Verdict == scenarios.Inconclusive && before.Verdict != scenarios.Inconclusive:
		d.Doubtful = append(d.Doubtful, change)
	case change.Old != change.New:
		d.Changed = append(d.Changed, change)
	case change.Was != "":
		d.Reasons = append(d.Reasons, change)
	default:
		d.Same++
	}
}

// bad tells that a result is a failure, whoever explains it.
func bad(r *scenarios.Result) bool {
	return r.Verdict == scenarios.Fail || r.Verdict == scenarios.Broken
}

func newChange(before, after *scenarios.Result) Change {
	c := Change{}
	for _, r := range []*scenarios.Result{before, after} {
		if r != nil {
			c.ID, c.Suite, c.Title, c.Monitored = r.ID, r.Suite, r.Title, r.Monitored != nil
		}
	}
	var old string
	if before != nil {
		c.Old, old = standingVerdict(before), before.Reason
	}
	if after != nil {
		c.New, c.Reason = standingVerdict(after), after.Reason
	}
	talks := after != nil && after.Verdict != scenarios.Pass && after.Verdict != scenarios.Skip
	if before != nil && after != nil && talks && old != c.Reason {
		c.Was = old
	}
	if c.Reason == "" && after != nil {
		c.Reason = old
	}
	return c
}

// standingVerdict is the verdict's word, and "known" where the run's baseline explains it.
func standingVerdict(r *scenarios.Result) string {
	if r.Standing == scenarios.Known {
		return r.Verdict.String() + " (known)"
	}
	return r.Verdict.String()
}

// diffPart is one list of a Diff with its title.
type diffPart struct {
	title   string
	changes []Change
}

func (d Diff) parts() []diffPart {
	return []diffPart{
		{"Newly failing", d.NewFails}, {"Mended", d.Mended}, {"Newly inconclusive", d.Doubtful}, {"Another verdict", d.Changed},
		{"The same verdict for another reason", d.Reasons}, {"Only in the old run", d.Gone}, {"Only in the new run", d.Added},
	}
}

// Summary says in one line how much became otherwise.
func (d Diff) Summary() string {
	return fmt.Sprintf("%d newly failing, %d mended, %d newly inconclusive, %d with another verdict, %d with another reason, %d gone, %d added, %d the same",
		len(d.NewFails), len(d.Mended), len(d.Doubtful), len(d.Changed), len(d.Reasons), len(d.Gone), len(d.Added), d.Same)
}

// WriteText writes the difference for people, and WriteMarkdown for a page of a pipeline's run.
func (d Diff) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, note := range d.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	if len(d.Notes) > 0 {
		fmt.Fprintln(&b)
	}
	for _, part := range d.parts() {
		if len(part.changes) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s: %d\n", part.title, len(part.changes))
		for _, c := range part.changes {
			fmt.Fprintf(&b, "  %s (%s)  %s\n", c.ID, c.where(), c.verdicts())
			if reason := firstLine(c.Reason, 200); reason != "" {
				fmt.Fprintf(&b, "      %s\n", reason)
			}
			if was := firstLine(c.Was, 200); was != "" {
				fmt.Fprintf(&b, "      was: %s\n", was)
			}
		}
		fmt.Fprintln(&b)
	}
	fmt.Fprintln(&b, d.Summary())
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteMarkdown writes tables, as GitHub and GitLab show them.
func (d Diff) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n", d.Summary())
	for _, note := range d.Notes {
		fmt.Fprintf(&b, "\n> %s\n", markdownText(note))
	}
	for _, part := range d.parts() {
		if len(part.changes) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s: %d\n\n| check | verdict | reason |\n|---|---|---|\n", part.title, len(part.changes))
		for _, c := range part.changes {
			fmt.Fprintf(&b, "| `%s` (%s) | %s | %s |\n", c.ID, c.where(), c.verdicts(), markdownText(firstLine(c.Reason, 200)))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (c Change) where() string {
	if c.Monitored {
		return c.Suite + ", seen by a monitor"
	}
	return c.Suite
}

// verdicts says what it was and is.
func (c Change) verdicts() string {
	switch {
	case c.Old == "":
		return c.New
	case c.New == "":
		return "was " + c.Old
	case c.Old == c.New:
		return c.New
	}
	return c.Old + " -> " + c.New
}

func firstLine(text string, most int) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return shorten(line, most)
}

// markdownText keeps what peers said from becoming markup.
func markdownText(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "`", "'", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`).Replace(text)
}
