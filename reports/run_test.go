package reports

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

// canary is text that must never reach a page as markup.
const canary = `<script>alert("x")</script>&`

// sampleRun has one result of every verdict and standing, two suites, and hostile texts.
func sampleRun() Run {
	run := Run{Header: scenarios.Header{
		Tool: scenarios.Build{Name: "iscsispec", Version: "v0.1.0", Commit: "0123456789abcdef", Modified: true, Go: "go1.26"}, Catalogue: "0000",
		Suites: []string{"sessions", "target"}, Peer: "a peer " + canary, Seed: 7, Command: []string{"iscsispec", "check"},
		Started: time.Date(2026, time.November, 21, 5, 0, 0, 0, time.UTC), DurationMS: 1234, Selected: 9, Strict: true, Shard: "1/2", Interrupted: true,
	}}
	plain := reconnecting(pdu.Digests{}, 40*time.Second).events
	add := func(id, suite string, v scenarios.Verdict, change func(*scenarios.Result)) {
		r := result(id, v, plain)
		r.Suite = suite
		if change != nil {
			change(r)
		}
		run.Results = append(run.Results, r)
	}
	add("session-id.assigned-at-login", "sessions", scenarios.Pass, func(r *scenarios.Result) { r.Capture = "captures/x.pcapng"; r.Actual = "session 1" })
	add("reconnect.cadence.five-seconds", "sessions", scenarios.Fail, func(r *scenarios.Result) {
		r.Reason, r.Accepted, r.Actual, r.Plan = canary, []string{"five " + canary, "or so"}, "six "+canary, "steps: "+canary
		r.Findings = []scenarios.Finding{
			{Reason: "too late " + canary, Rule: "cadence", Part: "plain", At: 18 * time.Second, Expected: []string{"5 s"}, Actual: "6 s", Evidence: plain[18:22], Clause: "C2"},
			{Verdict: scenarios.Warn, Reason: "and another thing"},
		}
		r.Faults = []scenarios.Fault{{Plan: "reset:at=1s", Fired: 1}, {Plan: "heal:at=2s", Fired: 2}, {Plan: "fin:at=3s", Optional: true}, {Plan: "cut:at=4s"}}
	})
	add("cache.inquiry-while-down", "sessions", scenarios.Warn, func(r *scenarios.Result) { r.Reason = "lenient" })
	add("login.basic.direct-operational", "target", scenarios.Skip, func(r *scenarios.Result) { r.Trace, r.Reason, r.Virtual = nil, "The peer lacks chap.", false })
	add("queue.bounded", "sessions", scenarios.Inconclusive, func(r *scenarios.Result) { r.Reason = "never fired" })
	add("queue.each-once", "sessions", scenarios.Broken, func(r *scenarios.Result) { r.Reason = "panic: \x00\xff" })
	add("queue.replayed-in-order", "sessions", scenarios.Fail, func(r *scenarios.Result) { r.Standing, r.Because = scenarios.Known, "known since ever" })
	add("queue.own-timeout-respected", "sessions", scenarios.Pass, func(r *scenarios.Result) { r.Standing, r.Because = scenarios.Fixed, "was broken" })
	add("queue.full-recovers", "sessions", scenarios.Warn, func(r *scenarios.Result) { r.Standing, r.Because = scenarios.Differs, "was a failure" })
	return run
}

func TestWriteDrawsAllFiles(t *testing.T) {
	folder := t.TempDir()
	if err := Write(folder, sampleRun()); err != nil {
		t.Fatal(err)
	}
	first := map[string][]byte{}
	for _, name := range []string{FileJSON, FileJUnit, FileHTML} {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || len(b) == 0 {
			t.Fatalf("%s: %d bytes, %v", name, len(b), err)
		}
		first[name] = b
	}
	if err := Write(folder, sampleRun()); err != nil {
		t.Fatal(err)
	}
	for name, want := range first {
		if got, _ := os.ReadFile(filepath.Join(folder, name)); !bytes.Equal(got, want) {
			t.Errorf("%s is not the same for the same records", name)
		}
	}
	if err := Write(filepath.Join(folder, "absent"), Run{}); err == nil || !strings.Contains(err.Error(), FileJSON) {
		t.Errorf("%v, want an error that names the file", err)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := WriteJSON(&b, sampleRun()); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Tool       map[string]any
		Peer       string
		Seed       uint64
		Started    time.Time
		DurationMS int64 `json:"duration_ms"`
		Summary    map[string]int
		Results    []map[string]any
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"total": 9, "pass": 2, "fail": 2, "warn": 2, "skip": 1, "inconclusive": 1, "broken": 1, "known": 1, "unexpected": 5}
	if diff := cmp.Diff(want, got.Summary); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if got.Seed != 7 || got.DurationMS != 1234 || got.Started.IsZero() || got.Tool["version"] != "v0.1.0" || !strings.Contains(got.Peer, "a peer") {
		t.Errorf("the head is %+v", got)
	}
	for _, field := range []string{"id", "role", "group", "level", "clause", "verdict", "reason", "duration_ms", "capture"} {
		for _, r := range got.Results {
			if _, ok := r[field]; !ok {
				t.Errorf("%v has no %s", r["id"], field)
			}
		}
	}
	if v := got.Results[0]; v["verdict"] != "pass" || v["capture"] != "captures/x.pcapng" || v["duration_ms"].(float64) < 40000 {
		t.Errorf("the first result is %v", v)
	}
	b.Reset()
	if err := WriteJSON(&b, Run{}); err != nil || !strings.Contains(b.String(), `"results": []`) {
		t.Errorf("an empty run gives %s, %v", b.String(), err)
	}
}

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := WriteJUnit(&b, sampleRun()); err != nil {
		t.Fatal(err)
	}
	var got junitSuites
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 9 || got.Failures != 2 || got.Errors != 2 || got.Skipped != 2 || len(got.Suites) != 2 || got.Suites[1].Name != "target" {
		t.Errorf("%d tests, %d failures, %d errors, %d skipped in %d suites", got.Tests, got.Failures, got.Errors, got.Skipped, len(got.Suites))
	}
	kinds := map[string]string{}
	for _, s := range got.Suites {
		for _, c := range s.Cases {
			id, title, _ := strings.Cut(c.Name, ": ")
			switch {
			case c.Failure != nil:
				kinds[id] = "failure " + c.Failure.Type
			case c.Error != nil:
				kinds[id] = "error " + c.Error.Type
			case c.Skipped != nil:
				kinds[id] = strings.TrimSpace("skipped " + c.Skipped.Type)
			case c.Output != "":
				kinds[id] = "output"
			default:
				kinds[id] = "plain"
			}
			if title == "" || c.Class == "" || len(c.Properties) < 6 || c.Properties[0].Name != "clause" {
				t.Errorf("%s: title %q, class %q, properties %v", id, title, c.Class, c.Properties)
			}
		}
	}
	want := map[string]string{
		"session-id.assigned-at-login": "plain", "reconnect.cadence.five-seconds": "failure fail", "cache.inquiry-while-down": "output",
		"login.basic.direct-operational": "skipped", "queue.bounded": "error inconclusive", "queue.each-once": "error harness",
		"queue.replayed-in-order": "skipped expected-failure", "queue.own-timeout-respected": "failure unexpected-pass", "queue.full-recovers": "output",
	}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	failure := got.Suites[0].Cases[1].Failure.Text
	for _, want := range []string{"expected: five", "or: or so", "actual:   six", "clause:", "replay:   iscsispec check"} {
		if !strings.Contains(failure, want) {
			t.Errorf("%q is not in\n%s", want, failure)
		}
	}
}

func page200(t *testing.T) (Run, string) {
	t.Helper()
	run := Run{}
	for i, row := range scenarios.LoadCatalogue().Rows()[:200] {
		s := reconnecting(pdu.Digests{}, 95*time.Second)
		for range 60 {
			s.ping()
			s.read(512)
		}
		v := scenarios.Pass
		if i%2 == 0 {
			v = scenarios.Fail
		}
		run.Results = append(run.Results, result(row.ID, v, trace.Fold(s.events, scenarios.TraceMax)))
	}
	var b strings.Builder
	if err := WriteHTML(&b, run); err != nil {
		t.Fatal(err)
	}
	return run, b.String()
}

func TestPageStaysSmall(t *testing.T) {
	_, html := page200(t)
	if n := len(html); n > 6<<20 {
		t.Errorf("a page of 200 checks, half of them failed, has %d bytes", n)
	}
	if !strings.Contains(html, "folded in this ladder") {
		t.Error("the page does not say that ladders were folded")
	}
}

func TestPage(t *testing.T) {
	run := sampleRun()
	var b strings.Builder
	if err := WriteHTML(&b, run); err != nil {
		t.Fatal(err)
	}
	html := b.String()
	if strings.Contains(html, canary) || strings.Count(html, "<script>") != 1 {
		t.Error("texts of peers reach the page as markup")
	}
	for _, outside := range []string{"http://", "https://", "src=", "@import", "url(\"", "//cdn"} {
		if strings.Contains(html, outside) {
			t.Errorf("the page is not self-contained: it has %s", outside)
		}
	}
	for _, r := range run.Results {
		if n := strings.Count(html, fmt.Sprintf("id=%q", r.Suite+"-"+r.ID)); n != 1 {
			t.Errorf("%s has %d sections", r.ID, n)
		}
		if n := strings.Count(html, fmt.Sprintf("href=%q", "#"+r.Suite+"-"+r.ID)); n != 1 {
			t.Errorf("%s has %d rows", r.ID, n)
		}
	}
	for _, want := range []string{
		"5 findings in 9 checks", "The run was interrupted: 9 of 9 checks", "Strict", "Shard 1/2", "another catalogue", "Came instead", "Verdict rule",
		"Stimulus", "fired once", "fired 2 times", "did not fire, and need not", "never fired", "captures/x.pcapng", "<dt>In Wireshark</dt>", "known since ever", "take the entry out",
		"came out differently", "cadence, at 18.000 s:", "expected 5 s", "<svg class=\"plot\"", "<ol class=\"ladder\"", "(0123456789ab…, modified)", "1.234s",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	first := strings.Index(html, `href="#sessions-reconnect.cadence.five-seconds"`)
	if pass := strings.Index(html, `href="#sessions-session-id.assigned-at-login"`); first > pass {
		t.Error("what failed does not come first")
	}
	if n := strings.Count(html, "\" open>"); n != 5 {
		t.Errorf("%d sections are open, want the 5 that fail the run", n)
	}
}

func TestHeadline(t *testing.T) {
	for want, s := range map[string]scenarios.Summary{
		"Nothing was checked":          {},
		"All 2 checks passed":          {Total: 2, Pass: 2},
		"Nothing failed in 2 checks":   {Total: 2, Pass: 1, Skip: 1},
		"No news in 3 checks, 1 known": {Total: 3, Pass: 2, Fail: 1, Known: 1},
		"1 finding in 1 check":         {Total: 1, Fail: 1, Unexpected: 1},
	} {
		if got, mood := headline(s); got != want || (mood == "bad") != (s.Unexpected > 0) {
			t.Errorf("%q, mood %q, want %q", got, mood, want)
		}
	}
}

func TestShortClause(t *testing.T) {
	for in, want := range map[string]string{
		"RFC 7143 §6.3; RFC 7143 §11.12.3":  "RFC 7143 §6.3, §11.12.3",
		"RFC 7143 §6.3; RFC 7144 §4":        "RFC 7143 §6.3; RFC 7144 §4",
		"LoginToTarget: until a logoff; C2": "LoginToTarget: until a logoff; C2",
	} {
		if got := shortClause(in); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
