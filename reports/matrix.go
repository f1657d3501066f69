package reports

import (
	"cmp"
	_ "embed" // the page's parts
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"

	"github.com/iscsispec/iscsispec/scenarios"
)

//go:embed assets/matrix.html
var matrixTemplate string

//go:embed assets/matrix.js
var matrixScript string

var matrixPage = newPage("matrix", matrixTemplate)

// matrixRow is one check with what it came to in each run.
type matrixRow struct {
	ID    string         `json:"id"`
	Suite string         `json:"suite"`
	Group string         `json:"group"`
	Level string         `json:"level"`
	Title string         `json:"-"`
	Cells []*matrixCell  `json:"-"`
	Words map[string]any `json:"verdicts"`
	// Across is "differ" where verdicts differ, "partial" where not every run has the check and those that do agree, else "alike".
	Across string `json:"across"`
	// Monitored tells that monitors found the row broken in the traces of other checks.
	Monitored bool `json:"monitored,omitempty"`
}

// matrixCell is one result; nil where the run did not have the check.
type matrixCell struct{ Verdict, Sign, Standing, Reason, Link string }

// matrixRun is the head of one column.
type matrixRun struct {
	Name, Peer, Headline, Mood, Link, Started string
	Counts                                    []pageCount
}

type matrixData struct {
	Style    template.CSS
	Script   template.JS
	Headline string
	Runs     []matrixRun
	Rows     []matrixRow
	Groups   []string
	Counts   []pageCount
	Notes    []string
}

// matrixRows lines the results of all runs up by suite and row, in the order of the catalogue; what monitors found of a row stands behind its
// check.
func matrixRows(merged []*Merged) []matrixRow {
	type key struct {
		suite, id string
		monitored bool
	}
	byKey := map[key][]*scenarios.Result{}
	var order []*scenarios.Result
	for i, m := range merged {
		for _, r := range m.Results {
			k := key{r.Suite, r.ID, r.Monitored != nil}
			if byKey[k] == nil {
				byKey[k] = make([]*scenarios.Result, len(merged))
				order = append(order, r)
			}
			byKey[k][i] = r
		}
	}
	var suites []string
	for _, m := range merged {
		suites = append(suites, m.Header.Suites...)
	}
	inOrder(order, unique(suites))
	var rows []matrixRow
	for _, first := range order {
		results := byKey[key{first.Suite, first.ID, first.Monitored != nil}]
		row := matrixRow{ID: first.ID, Suite: first.Suite, Group: first.Group, Level: string(first.Level), Title: first.Title, Across: across(results),
			Words: map[string]any{}, Monitored: first.Monitored != nil}
		for i, r := range results {
			if r == nil {
				row.Cells = append(row.Cells, nil)
				row.Words[merged[i].Name] = nil
				continue
			}
			row.Words[merged[i].Name] = r.Verdict
			row.Cells = append(row.Cells, &matrixCell{Verdict: r.Verdict.String(), Sign: r.Verdict.Sign(), Standing: string(r.Standing),
				Reason: shorten(r.Reason, 200), Link: merged[i].Name + "/" + FileHTML + "#" + anchorOf(r)})
		}
		rows = append(rows, row)
	}
	return rows
}

// fails tells that a run failed the check, whoever explains it.
func (r matrixRow) fails() bool {
	return slices.ContainsFunc(r.Cells, func(c *matrixCell) bool {
		return c != nil && (c.Verdict == scenarios.Fail.String() || c.Verdict == scenarios.Broken.String())
	})
}

// across compares the verdicts of one check in all runs.
func across(results []*scenarios.Result) string {
	var first *scenarios.Result
	ran := 0
	for _, r := range results {
		switch {
		case r == nil:
			continue
		case first == nil:
			first = r
		case r.Verdict != first.Verdict:
			return "differ"
		}
		ran++
	}
	if ran < len(results) {
		return "partial"
	}
	return "alike"
}

// WriteMatrix writes a page that shows several runs side by side: a row a check, a column a run. It is one file, with links to the reports of
// the runs in the folders of their names.
func WriteMatrix(w io.Writer, merged []*Merged) error {
	data := matrixData{Style: template.CSS(pageStyle), Script: scriptOf(matrixScript), Rows: matrixRows(merged), Notes: Unlike(merged)}
	for _, m := range merged {
		summary := scenarios.Summarize(m.Results)
		run := matrixRun{Name: m.Name, Peer: m.Header.Peer, Link: m.Name + "/" + FileHTML, Started: m.Header.Started.UTC().Format("2006-01-02 15:04 UTC")}
		run.Headline, run.Mood = headline(summary)
		for _, v := range scenarios.Verdicts() {
			if n := summary.Count(v); n > 0 {
				run.Counts = append(run.Counts, pageCount{v.String(), v.Sign(), n})
			}
		}
		data.Runs = append(data.Runs, run)
	}
	// What failed anywhere comes first, as on the page of a single run.
	slices.SortStableFunc(data.Rows, func(a, b matrixRow) int { return cmp.Compare(pick(a.fails(), 0, 1), pick(b.fails(), 0, 1)) })
	times := map[string]int{}
	for _, row := range data.Rows {
		times[row.Across]++
		if !slices.Contains(data.Groups, row.Group) {
			data.Groups = append(data.Groups, row.Group)
		}
	}
	slices.Sort(data.Groups)
	data.Headline = fmt.Sprintf("%s side by side: %s, %d differ", count(len(merged), "run"), count(len(data.Rows), "check"), times["differ"])
	for _, c := range []pageCount{{"differ", "≠", 0}, {"alike", "=", 0}, {"partial", ".", 0}} {
		if c.N = times[c.Word]; c.N > 0 {
			data.Counts = append(data.Counts, c)
		}
	}
	return matrixPage.Execute(w, data)
}

// Unlike says in what runs that stand side by side differ although a comparison wants them alike.
func Unlike(merged []*Merged) []string {
	var notes []string
	for _, m := range merged[1:] {
		if what := unlike(merged[0].Header, m.Header); what != "" {
			notes = append(notes, fmt.Sprintf("%s and %s differ in %s.", merged[0].Name, m.Name, what))
		}
	}
	return notes
}

// writeMatrixJSON writes report.json for several runs: the head of each, and every check's verdict in each.
func writeMatrixJSON(w io.Writer, merged []*Merged) error {
	var report struct {
		Runs  []json.RawMessage `json:"runs"`
		Notes []string          `json:"notes,omitempty"`
		Rows  []matrixRow       `json:"rows"`
	}
	for _, m := range merged {
		head, err := json.Marshal(struct {
			Name    string            `json:"name"`
			Folder  string            `json:"folder"`
			Peer    string            `json:"peer"`
			Seed    uint64            `json:"seed"`
			Summary scenarios.Summary `json:"summary"`
		}{m.Name, m.Name, m.Header.Peer, m.Header.Seed, scenarios.Summarize(m.Results)})
		if err != nil {
			return err
		}
		report.Runs = append(report.Runs, head)
	}
	report.Notes, report.Rows = Unlike(merged), matrixRows(merged)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(report)
}

// anchorOf is the place of a result on a run's page.
func anchorOf(r *scenarios.Result) string {
	if r.Monitored != nil {
		return r.Suite + "-" + r.ID + "-monitored"
	}
	return r.Suite + "-" + r.ID
}
