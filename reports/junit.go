package reports

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/iscsispec/iscsispec/scenarios"
)

// The elements of JUnit's XML, as Jenkins and GitLab read it. A test suite is a suite of checks, a test case is a check.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Time       string          `xml:"time,attr"`
		Timestamp  string          `xml:"timestamp,attr"`
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name       string          `xml:"name,attr"`
		Class      string          `xml:"classname,attr"`
		Time       string          `xml:"time,attr"`
		Properties []junitProperty `xml:"properties>property"`
		Failure    *junitOutcome   `xml:"failure"`
		Error      *junitOutcome   `xml:"error"`
		Skipped    *junitOutcome   `xml:"skipped"`
		Output     string          `xml:"system-out,omitempty"`
	}
	junitOutcome struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes junit.xml. A failure is a failure; inconclusive and broken checks are errors, so that they count as neither passed nor
// failed; a skip and a known finding are skipped with their reason; a finding that the baseline lists and that is gone is a failure.
// Durations are those on the clock that the check saw, in seconds.
func WriteJUnit(w io.Writer, run Run) error {
	doc := junitSuites{Name: "iscsispec", Time: fmt.Sprintf("%.3f", float64(run.Header.DurationMS)/1000)}
	bySuite := map[string]int{}
	var spans []time.Duration
	for _, r := range run.Results {
		i, ok := bySuite[r.Suite]
		if !ok {
			i = len(doc.Suites)
			bySuite[r.Suite] = i
			doc.Suites = append(doc.Suites, newJUnitSuite(run.Header, r.Suite))
			spans = append(spans, 0)
		}
		spans[i] += r.Duration
		doc.Suites[i].add(junitCaseOf(r, run.Header.Peer))
	}
	for i := range doc.Suites {
		s := &doc.Suites[i]
		s.Time = fmt.Sprintf("%.3f", spans[i].Seconds())
		doc.Tests += s.Tests
		doc.Failures += s.Failures
		doc.Errors += s.Errors
		doc.Skipped += s.Skipped
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func newJUnitSuite(h scenarios.Header, name string) junitSuite {
	return junitSuite{Name: name, Timestamp: h.Started.UTC().Format("2006-01-02T15:04:05"), Properties: []junitProperty{
		{"peer", h.Peer}, {"seed", fmt.Sprint(h.Seed)}, {"tool", h.Tool.Name + " " + h.Tool.Version}, {"catalogue", h.Catalogue},
	}}
}

func (s *junitSuite) add(c junitCase) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
}

func junitCaseOf(r *scenarios.Result, peer string) junitCase {
	c := junitCase{
		Name: xmlText(r.ID + ": " + r.Title), Class: r.Group, Time: fmt.Sprintf("%.3f", r.Duration.Seconds()),
		Properties: []junitProperty{
			{"clause", xmlText(r.Clause)}, {"level", string(r.Level)}, {"seed", fmt.Sprint(r.Seed)}, {"peer", xmlText(peer)},
			{"verdict", r.Verdict.String()}, {"replay", xmlText(r.Replay)},
		},
	}
	if r.Monitored != nil {
		c.Name = xmlText(r.ID + " (monitor): " + r.Title)
		c.Properties = append(c.Properties, junitProperty{"monitored", r.Monitored.Check})
	}
	if r.Capture != "" {
		c.Properties = append(c.Properties, junitProperty{"capture", r.Capture})
	}
	outcome := &junitOutcome{Message: xmlText(r.Reason), Type: r.Verdict.String(), Text: xmlText(explanation(r))}
	switch r.Standing {
	case scenarios.Known:
		outcome.Type, outcome.Message = "expected-failure", xmlText(r.Because)
		c.Skipped = outcome
		return c
	case scenarios.Fixed:
		outcome.Type, outcome.Message = "unexpected-pass", "fixed: take the entry out of the baseline"
		c.Failure = outcome
		return c
	case scenarios.Differs:
	}
	switch r.Verdict {
	case scenarios.Fail:
		c.Failure = outcome
	case scenarios.Inconclusive:
		c.Error = outcome
	case scenarios.Broken:
		outcome.Type = "harness"
		c.Error = outcome
	case scenarios.Skip:
		outcome.Type, outcome.Text = "", ""
		c.Skipped = outcome
	case scenarios.Warn:
		c.Output = "warn: " + outcome.Text
	case scenarios.Pass:
	}
	return c
}

// explanation is what stands inside a failure: what would have been accepted, what came, and how to see it again.
func explanation(r *scenarios.Result) string {
	var b strings.Builder
	say := func(label, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-9s %s\n", label+":", text)
		}
	}
	say("reason", r.Reason)
	say("expected", strings.Join(r.Accepted, "\n      or: "))
	say("actual", r.Actual)
	for _, f := range r.Findings {
		say("finding", f.Reason)
	}
	say("clause", r.Clause)
	say("capture", r.Capture)
	say("replay", r.Replay)
	return b.String()
}

// xmlText takes out what XML 1.0 cannot hold.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || r < ' ' && r != '\n' && r != '\t' || r == 0xfffe || r == 0xffff {
			return '?'
		}
		return r
	}, s)
}
