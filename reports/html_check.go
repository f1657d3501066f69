package reports

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/iscsispec/iscsispec/scenarios"
)

// The rows that all ladders of a page share, so that it stays within some megabytes however many checks there are.
const (
	rowsOfFindings = 6000 // for checks that did not come out as they should
	rowsOfOthers   = 9000
	maxRowsFinding = 160 // in one ladder
	maxRowsOther   = 90
	minRows        = 12
	maxPlanBytes   = 8 << 10
)

// pageCheck is one check as the page shows it.
type pageCheck struct {
	Anchor, ID, Title, Group, Level, Clause, Time string
	Verdict, Sign                                 string
	Open                                          bool
	Reason, Standing                              string
	Stimulus, Rule                                string
	Accepted                                      []string
	Actual                                        string
	Findings                                      []pageFinding
	Noticed                                       []pageNoticed
	Monitored                                     bool
	AsExpected                                    []pageFinding // of verdict pass
	Faults                                        []pageFault
	Replay, Capture, Plan                         string
	Filter                                        string // for Wireshark, where there is a capture
	Plot, Ladder                                  template.HTML
	Omitted, Folded                               string
}

// pageFinding is one finding of a judge.
type pageFinding struct {
	Verdict, Sign, Label, Reason, Clause, Expected, Actual, Evidence string
}

// pageNoticed is a row that a monitor saw broken in the check's trace.
type pageNoticed struct{ Verdict, Sign, Row, Anchor, Reason string }

// pageFault is one planned fault and what became of it.
type pageFault struct{ Plan, Fired string }

// rowLimits says how long ladders may be.
type rowLimits struct{ finding, other int }

func newRowLimits(results []*scenarios.Result) rowLimits {
	findings := 0
	for _, r := range results {
		if worthOpening(r) {
			findings++
		}
	}
	return rowLimits{
		finding: min(max(rowsOfFindings/max(findings, 1), minRows), maxRowsFinding),
		other:   min(max(rowsOfOthers/max(len(results)-findings, 1), minRows), maxRowsOther),
	}
}

// worthOpening tells whether a reader comes for this check.
func worthOpening(r *scenarios.Result) bool {
	return r.Verdict != scenarios.Pass && r.Verdict != scenarios.Skip
}

func newPageCheck(r *scenarios.Result, limits rowLimits) pageCheck {
	c := pageCheck{
		Anchor: anchorOf(r), ID: r.ID, Title: r.Title, Group: r.Group, Level: string(r.Level), Clause: shortClause(r.Clause),
		Verdict: r.Verdict.String(), Sign: r.Verdict.Sign(), Open: !r.Expected(), Reason: r.Reason, Standing: standing(r),
		Accepted: r.Accepted, Actual: r.Actual, Replay: r.Replay, Capture: r.Capture, Plan: r.Plan,
		Time: fmt.Sprintf("%.3f s", r.Duration.Seconds()) + pick(r.Virtual, " virtual", ""),
	}
	if len(c.Plan) > maxPlanBytes {
		c.Plan = c.Plan[:maxPlanBytes] + "\n... the rest is in the records"
	}
	if row := scenarios.LoadCatalogue().Row(r.ID); row != nil {
		c.Stimulus, c.Rule = row.Stimulus, row.Verdict
		if r.Capture != "" {
			c.Filter = ViewOf(row).Filter
		}
	}
	for _, f := range r.Findings {
		if f.Verdict != scenarios.Pass {
			c.Findings = append(c.Findings, newPageFinding(r, f))
			continue
		}
		c.AsExpected = append(c.AsExpected, newPageFinding(r, f))
		if r.Verdict == scenarios.Pass && f.Reason == r.Reason {
			c.Reason = "" // the first of many things that were looked at is no reason
		}
	}
	c.Monitored = r.Monitored != nil
	for _, f := range r.Noticed {
		c.Noticed = append(c.Noticed, pageNoticed{Verdict: f.Verdict.String(), Sign: f.Verdict.Sign(), Row: f.Row,
			Anchor: anchorOf(&scenarios.Result{Suite: r.Suite, ID: f.Row, Monitored: &scenarios.Monitored{}}), Reason: f.Reason})
	}
	c.Faults = pageFaults(r.Faults)
	c.draw(r, limits)
	return c
}

// draw adds the timing plot and the ladder.
func (c *pageCheck) draw(r *scenarios.Result, limits rowLimits) {
	if len(r.Trace) == 0 {
		return
	}
	if t := newTiming(r.Trace); t != nil {
		c.Plot = template.HTML(t.svg()) // its texts are escaped where they are written
		c.Omitted = strings.Join(t.omitted, ", ")
	}
	limit := limits.other
	if worthOpening(r) {
		limit = limits.finding
	}
	l := newLadder(r.Trace, limit)
	if len(l.rows) == 0 {
		return
	}
	c.Ladder = template.HTML(l.html()) // likewise
	if l.folded > 0 {
		c.Folded = fmt.Sprintf("%s folded in this ladder; the whole is in records.jsonl.", count(l.folded, "line"))
	}
}

func newPageFinding(r *scenarios.Result, f scenarios.Finding) pageFinding {
	p := pageFinding{Verdict: f.Verdict.String(), Sign: f.Verdict.Sign(), Reason: f.Reason, Clause: f.Clause, Label: findingLabel(f)}
	if f.Verdict == scenarios.Pass {
		return p // what was as expected needs no more words
	}
	if expected := strings.Join(f.Expected, " or "); expected != strings.Join(r.Accepted, " or ") {
		p.Expected = expected
	}
	if f.Actual != r.Actual {
		p.Actual = f.Actual
	}
	if len(f.Evidence) > 0 {
		var b strings.Builder
		_ = WriteLadder(&b, f.Evidence, 0) // a strings.Builder takes everything
		p.Evidence = b.String()
	}
	return p
}

// shortClause names an RFC once where several of its sections follow each other: "RFC 7143 §6.3, §11.12.3".
func shortClause(clause string) string {
	var b strings.Builder
	last := ""
	for i, part := range strings.Split(clause, "; ") {
		document, section, ok := strings.Cut(part, " §")
		switch {
		case i > 0 && ok && document == last:
			b.WriteString(", §" + section)
		case i > 0:
			b.WriteString("; " + part)
		default:
			b.WriteString(part)
		}
		last = document
	}
	return b.String()
}

// findingLabel names variant, rule and instant, as far as the reason does not begin with them.
func findingLabel(f scenarios.Finding) string {
	var label []string
	for _, s := range []string{f.Part, f.Rule} {
		if s != "" && !strings.HasPrefix(f.Reason, s) {
			label = append(label, s)
		}
	}
	if f.At > 0 {
		label = append(label, "at "+seconds(f.At))
	}
	if len(label) == 0 {
		return ""
	}
	return strings.Join(label, ", ") + ":"
}

// pageFaults lists planned faults, each form once however often it was planned.
func pageFaults(faults []scenarios.Fault) []pageFault {
	times := map[pageFault]int{}
	var order []pageFault
	for _, f := range faults {
		p := pageFault{f.Plan, firedText(f)}
		if times[p] == 0 {
			order = append(order, p)
		}
		times[p]++
	}
	for i, p := range order {
		if n := times[p]; n > 1 {
			order[i].Fired = fmt.Sprintf("planned %d times, each %s", n, p.Fired)
		}
	}
	return order
}

func firedText(f scenarios.Fault) string {
	switch {
	case f.Fired == 0 && f.Optional:
		return "did not fire, and need not"
	case f.Fired == 0:
		return "never fired"
	case f.Fired == 1:
		return "fired once"
	}
	return fmt.Sprintf("fired %d times", f.Fired)
}

func standing(r *scenarios.Result) string {
	switch r.Standing {
	case scenarios.Known:
		return "Known, and listed in the baseline: " + r.Because
	case scenarios.Fixed:
		return "Listed in the baseline and passes now: take the entry out. It said: " + r.Because
	case scenarios.Differs:
		return "Listed in the baseline, but came out differently. It said: " + r.Because
	}
	return ""
}
