package reports

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/scenarios"
)

// coveredRun is the sample run beside checks of every target row and of the rows that the run has results of.
func coveredRun(t *testing.T) Run {
	t.Helper()
	run := sampleRun()
	ran := map[string]bool{}
	for _, r := range run.Results {
		ran[r.ID] = true
	}
	var suite scenarios.Suite
	for _, row := range scenarios.LoadCatalogue().Rows() {
		if row.Role == scenarios.RoleTarget || ran[row.ID] {
			suite.Checks = append(suite.Checks, scenarios.Check{ID: row.ID, Run: func(context.Context, *scenarios.Env) scenarios.Outcome { return scenarios.Outcome{} }})
		}
	}
	registry, err := scenarios.NewRegistry(scenarios.LoadCatalogue(), suite)
	if err != nil {
		t.Fatal(err)
	}
	run.Coverage = registry.Coverage()
	return run
}

func TestCoveragePage(t *testing.T) {
	run := coveredRun(t)
	var b bytes.Buffer
	if err := WriteCoverage(&b, run); err != nil {
		t.Fatal(err)
	}
	html := b.String()
	for _, outside := range []string{"http://", "https://", "src=", "@import", "url(\"", "//cdn"} {
		if strings.Contains(html, outside) {
			t.Errorf("the page is not self-contained: it has %s", outside)
		}
	}
	if strings.Contains(html, canary) || strings.Count(html, "<script>") != 1 {
		t.Error("texts of peers reach the page as markup")
	}
	c := run.Coverage.CoverCount
	standings, sum := map[string]int{}, 0
	for _, m := range regexp.MustCompile(`<li data-standing="([a-z-]+)"`).FindAllStringSubmatch(html, -1) {
		standings[m[1]]++
		sum++
	}
	if sum != c.Total || standings[standingNotYet] != c.NotYet || standings[standingUnseen] != c.Unseen {
		t.Errorf("%d statements on the page, by standing %v; the coverage counts %+v", sum, standings, c)
	}
	chips := 0
	for _, m := range regexp.MustCompile(`data-standing="([a-z-]+)"><span aria-hidden="true">.</span> [a-z ]+ <b>(\d+)</b>`).FindAllStringSubmatch(html, -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil || n != standings[m[1]] {
			t.Errorf("the chip %s says %s, and %d statements stand so", m[1], m[2], standings[m[1]])
		}
		chips += n
	}
	if chips != c.Total {
		t.Errorf("the chips add up to %d of %d", chips, c.Total)
	}
	if n := strings.Count(html, `class="why"`); n < c.Unseen {
		t.Errorf("%d reasons for %d statements that cannot be seen", n, c.Unseen)
	}
	for _, want := range []string{
		`<h3>RFC 7143, Section 4.2.1 <span>all 3 checked</span></h3>`, `href="index.html#target-login.basic.direct-operational"`,
		`<code>login.basic.security-then-operational</code>`, `IPsec lies below TCP`, `not checked yet`, `fail known`,
	} {
		if !strings.Contains(html, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
}

// TestCoveragePageLinksToChecks holds the two pages together: what coverage.html points at is on index.html, and back.
func TestCoveragePageLinksToChecks(t *testing.T) {
	run, folder := coveredRun(t), t.TempDir()
	if err := Write(folder, run); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	index, coverage := read(FileHTML), read(FileCoverage)
	links := regexp.MustCompile(`href="index\.html#([^"]+)"`).FindAllStringSubmatch(coverage, -1)
	if len(links) == 0 {
		t.Error("no statement points at a check of the run")
	}
	for _, m := range links {
		if !strings.Contains(index, `id="`+m[1]+`"`) {
			t.Errorf("%s is not on the page of checks", m[1])
		}
	}
	if !strings.Contains(index, `href="coverage.html"`) || !strings.Contains(coverage, `href="index.html"`) {
		t.Error("the two pages do not point at each other")
	}
	var report struct{ Coverage scenarios.CoverCount }
	if err := json.Unmarshal([]byte(read(FileJSON)), &report); err != nil || report.Coverage != run.Coverage.CoverCount {
		t.Errorf("report.json has the coverage %+v, %v", report.Coverage, err)
	}

	bare := t.TempDir()
	if err := Write(bare, sampleRun()); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(bare, FileHTML))
	if _, missing := os.Stat(filepath.Join(bare, FileCoverage)); !os.IsNotExist(missing) || err != nil || strings.Contains(string(page), FileCoverage) {
		t.Errorf("without a coverage there is a page of it, or a link: %v, %v", missing, err)
	}
}
