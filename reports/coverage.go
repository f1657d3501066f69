package reports

import (
	_ "embed" // the page's parts
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/scenarios"
)

//go:embed assets/coverage.html
var coverageTemplate string

//go:embed assets/coverage.js
var coverageScript string

var coveragePage = newPage("coverage", coverageTemplate)

// The standings of statements that no verdict of this run speaks of.
const (
	standingNotRun = "not-run" // a check covers it, and was not run
	standingNotYet = string(scenarios.NotYet)
	standingUnseen = string(scenarios.Unseen)
)

// coverageStandings lists what a statement can come to in a run, in the order of the page's chips, with the signs of the verdicts.
func coverageStandings() []pageCount {
	var all []pageCount
	for _, v := range scenarios.Verdicts() {
		all = append(all, pageCount{Word: v.String(), Sign: v.Sign()})
	}
	return append(all, pageCount{Word: standingNotRun, Sign: "."}, pageCount{Word: standingNotYet, Sign: "o"}, pageCount{Word: standingUnseen, Sign: "~"})
}

// coverageData is what the template of the coverage page draws.
type coverageData struct {
	Style                        template.CSS
	Script                       template.JS
	Headline, Subline, Mood      string
	Peer, Suites, Started, Index string
	BarLabel                     string
	Counts                       []pageCount
	Sections                     []coverageSection
	Total                        int
}

// coverageSection is one section of an RFC as the page shows it.
type coverageSection struct {
	Anchor, Name, Counts string
	Statements           []coverageStatement
}

// coverageStatement is one normative statement as the page shows it.
type coverageStatement struct {
	Standing, Label, Sign string
	Level, Binds, About   string
	Checks                []coverageCheck
	Missing               []string
	Why                   string // where it cannot be seen, or what a check would take
}

// coverageCheck is one row that checks a statement, with this run's verdict; the link is empty where it was not run.
type coverageCheck struct{ ID, Verdict, Sign, Note, Link string }

// WriteCoverage writes coverage.html: section by section, which normative statement is checked by which rows, with the verdicts of this run,
// which one is not checked yet, and which one cannot be seen on the wire and why. It is one file, with links to index.html beside it.
func WriteCoverage(w io.Writer, run Run) error {
	results := resultsByRow(run.Results)
	count := map[string]int{}
	data := coverageData{Style: template.CSS(pageStyle), Script: scriptOf(coverageScript), Peer: run.Header.Peer, Suites: strings.Join(run.Header.Suites, ", "),
		Started: run.Header.Started.UTC().Format("2006-01-02 15:04:05 UTC"), Index: FileHTML, Total: run.Coverage.Total}
	for _, section := range run.Coverage.Sections {
		s := coverageSection{Anchor: strings.ReplaceAll(section.Key, "/", "-"), Name: section.Name, Counts: sectionCounts(section.CoverCount)}
		for _, statement := range section.Statements {
			drawn := newCoverageStatement(statement, results)
			count[drawn.Standing]++
			s.Statements = append(s.Statements, drawn)
		}
		data.Sections = append(data.Sections, s)
	}
	var parts []string
	for _, c := range coverageStandings() {
		if c.N = count[c.Word]; c.N > 0 {
			data.Counts = append(data.Counts, c)
			parts = append(parts, fmt.Sprintf("%d %s", c.N, standingWords(c.Word)))
		}
	}
	data.BarLabel = strings.Join(parts, ", ")
	c := run.Coverage.CoverCount
	data.Headline = fmt.Sprintf("%d of %d normative statements have a check", c.Checked, c.Total)
	data.Subline = coverageSubline(c, judged(count))
	return coveragePage.Execute(w, data)
}

// coverageSubline says what becomes of the statements without a check, and how many the run spoke of.
func coverageSubline(c scenarios.CoverCount, judged int) string {
	others := fmt.Sprintf("Of the other %d, %d have none yet, and %d cannot be seen on the wire.", c.Total-c.Checked, c.NotYet, c.Unseen)
	if c.NotYet == 0 {
		others = fmt.Sprintf("The other %d cannot be seen on the wire.", c.Unseen)
	}
	return fmt.Sprintf("%s This run judged %d.", others, judged)
}

// judged counts the statements about which the run found something out.
func judged(count map[string]int) int {
	n := 0
	for _, v := range scenarios.Verdicts() {
		if v != scenarios.Skip {
			n += count[v.String()]
		}
	}
	return n
}

// standingWords is a standing as a reader wants it.
func standingWords(standing string) string {
	switch standing {
	case standingNotRun:
		return "not run"
	case standingNotYet:
		return "not yet"
	case standingUnseen:
		return "cannot be seen"
	case "partial":
		return "not in all"
	}
	return standing
}

// Words is the count's name on the page.
func (c pageCount) Words() string { return standingWords(c.Word) }

// sectionCounts says how many statements of a section are in which state, the empty states left out.
func sectionCounts(c scenarios.CoverCount) string {
	var parts []string
	for _, state := range scenarios.Covers() {
		switch n := c.Of(state); {
		case n == 0:
		case n == c.Total && n > 1:
			return "all " + fmt.Sprint(n) + " " + state.Words()
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n, state.Words()))
		}
	}
	return strings.Join(parts, ", ")
}

// resultsByRow finds the results of a row; one row can be checked in several suites.
func resultsByRow(results []*scenarios.Result) map[string][]*scenarios.Result {
	byRow := map[string][]*scenarios.Result{}
	for _, r := range results {
		byRow[r.ID] = append(byRow[r.ID], r)
	}
	return byRow
}

// newCoverageStatement puts the run's verdicts beside a statement. Its standing is the worst of them.
func newCoverageStatement(s scenarios.CoveredStatement, results map[string][]*scenarios.Result) coverageStatement {
	drawn := coverageStatement{Level: s.Level, Binds: s.Binds, About: s.About, Missing: s.Missing, Standing: string(s.State)}
	switch s.State {
	case scenarios.Unseen:
		drawn.Why = s.Unseen
	case scenarios.NotYet:
		if len(s.Rows) == 0 {
			drawn.Why = s.Note
		}
	case scenarios.Checked:
		drawn.Standing = standingNotRun
		worst := scenarios.Skip
		for _, id := range s.Checks {
			if len(results[id]) == 0 {
				drawn.Checks = append(drawn.Checks, coverageCheck{ID: id, Verdict: standingNotRun, Sign: ".", Note: "not run"})
			}
			for _, r := range results[id] {
				worst = scenarios.Worse(worst, r.Verdict)
				drawn.Standing = worst.String()
				drawn.Checks = append(drawn.Checks, coverageCheck{ID: id, Verdict: r.Verdict.String(), Sign: r.Verdict.Sign(),
					Note: coverageNote(r), Link: FileHTML + "#" + anchorOf(r)})
			}
		}
	}
	standings := coverageStandings()
	at := slices.IndexFunc(standings, func(c pageCount) bool { return c.Word == drawn.Standing })
	drawn.Sign, drawn.Label = standings[at].Sign, standingWords(drawn.Standing)
	return drawn
}

// coverageNote is the verdict in words, with what has to be known of it.
func coverageNote(r *scenarios.Result) string {
	note := strings.TrimSpace(r.Verdict.String() + " " + string(r.Standing))
	if r.Monitored != nil {
		note += ", seen by a monitor"
	}
	return note
}
