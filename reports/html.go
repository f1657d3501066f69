package reports

import (
	"cmp"
	_ "embed" // the page's parts
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
)

//go:embed assets/page.html
var pageTemplate string

//go:embed assets/page.js
var pageScript string

var page = newPage("page", pageTemplate)

// pageData is what the page's template draws.
type pageData struct {
	Style        template.CSS
	Script       template.JS
	Header       scenarios.Header
	Headline     string
	Subline      string
	Mood         string // "bad" where the run fails, else ""
	Suites       string
	Started      string
	Took         string
	Tool         string
	Command      string
	BarLabel     string
	Counts       []pageCount
	Groups       []string
	Coverage     string // how much of the RFCs the tool checks; empty without a coverage page
	CoverageFile string
	Checks       []pageCheck
}

// pageCount is how many results have a verdict.
type pageCount struct {
	Word, Sign string
	N          int
}

// WriteHTML writes index.html: one file without any reference to another one, except the links to captures. It shows a summary, a table
// of checks that can be filtered, and for each check what was asked, what was accepted, what came, how to run it again, a ladder, and a
// timing plot where something took time. Long ladders are folded to keep the page small.
func WriteHTML(w io.Writer, run Run) error {
	h := run.Header
	summary := scenarios.Summarize(run.Results)
	data := pageData{
		Style: template.CSS(pageStyle), Script: scriptOf(pageScript), Header: h, Suites: strings.Join(h.Suites, ", "),
		Started: h.Started.UTC().Format("2006-01-02 15:04:05 UTC"), Took: wallClock(h.DurationMS), Tool: toolLine(h),
		Command: strings.Join(h.Command, " "),
	}
	data.Headline, data.Mood = headline(summary)
	data.Subline = subline(h, summary)
	var parts []string
	for _, v := range scenarios.Verdicts() {
		n := summary.Count(v)
		data.Counts = append(data.Counts, pageCount{v.String(), v.Sign(), n})
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	data.BarLabel = strings.Join(parts, ", ")
	if c := run.Coverage.CoverCount; c.Total > 0 {
		data.CoverageFile = FileCoverage
		data.Coverage = fmt.Sprintf("%d of %d statements of the RFCs", c.Checked, c.Total)
	}
	limits := newRowLimits(run.Results)
	for _, r := range findingsFirst(run.Results) {
		data.Checks = append(data.Checks, newPageCheck(r, limits))
		if !slices.Contains(data.Groups, r.Group) {
			data.Groups = append(data.Groups, r.Group)
		}
	}
	slices.Sort(data.Groups)
	return page.Execute(w, data)
}

// findingsFirst puts what fails the run before all else, and otherwise keeps the order of the records.
func findingsFirst(results []*scenarios.Result) []*scenarios.Result {
	sorted := slices.Clone(results)
	slices.SortStableFunc(sorted, func(a, b *scenarios.Result) int {
		return cmp.Compare(pick(a.Expected(), 1, 0), pick(b.Expected(), 1, 0))
	})
	return sorted
}

// headline says in one sentence what a reader wants to know first.
func headline(s scenarios.Summary) (text, mood string) {
	switch {
	case s.Total == 0:
		return "Nothing was checked", ""
	case s.Unexpected == 0 && s.Known > 0:
		return fmt.Sprintf("No news in %s, %d known", count(s.Total, "check"), s.Known), ""
	case s.Unexpected == 0 && s.Pass == s.Total:
		if s.Total == 1 {
			return "The one check passed", ""
		}
		return fmt.Sprintf("All %s passed", count(s.Total, "check")), ""
	case s.Unexpected == 0:
		return fmt.Sprintf("Nothing failed in %s", count(s.Total, "check")), ""
	}
	return fmt.Sprintf("%s in %s", count(s.Unexpected, "finding"), count(s.Total, "check")), "bad"
}

func subline(h scenarios.Header, s scenarios.Summary) string {
	var words []string
	if h.Interrupted {
		words = append(words, fmt.Sprintf("The run was interrupted: %d of %d checks have a result.", s.Total, h.Selected))
	}
	if h.Strict {
		words = append(words, "Strict: every leniency counts as a failure.")
	}
	if h.Shard != "" {
		words = append(words, "Shard "+h.Shard+" of the selection.")
	}
	if h.Catalogue != "" && h.Catalogue != scenarios.LoadCatalogue().Hash() {
		words = append(words, "The records are of another catalogue than the one that explains the checks here.")
	}
	return strings.Join(words, " ")
}

func toolLine(h scenarios.Header) string {
	s := strings.TrimSpace(h.Tool.Name + " " + h.Tool.Version)
	if h.Tool.Commit != "" {
		s += " (" + shorten(h.Tool.Commit, 13) + pick(h.Tool.Modified, ", modified", "") + ")"
	}
	for _, part := range []string{h.Tool.Go, h.Host} {
		if part != "" {
			s += ", " + part
		}
	}
	return s
}

func wallClock(ms int64) string {
	if ms <= 0 {
		return "unknown"
	}
	return (time.Duration(ms) * time.Millisecond).String()
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
