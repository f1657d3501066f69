package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
)

// shardedRun leaves a run in a folder whole, and each of its n shards in another, as check does; the sixth check failed.
func shardedRun(t *testing.T, n int) (whole string, shards []string) {
	t.Helper()
	write := func(shard scenarios.Shard) string {
		folder := t.TempDir()
		run := Run{Header: scenarios.Header{Suites: []string{"target"}, Peer: "an array", Seed: 3, Catalogue: scenarios.LoadCatalogue().Hash(), DurationMS: 10,
			Started: time.Date(2026, time.November, 21, 5, shard.Index, 0, 0, time.UTC), Command: []string{"check", "target", "--shard", "x", "--strict"}}}
		if shard.Count > 0 {
			run.Header.Shard = fmt.Sprintf("%d/%d", shard.Index, shard.Count)
		}
		for i, row := range scenarios.LoadCatalogue().Rows()[:12] {
			if shard.Count > 0 && i%shard.Count != shard.Index-1 {
				continue
			}
			v := scenarios.Pass
			if i == 5 {
				v = scenarios.Fail
			}
			r := result(row.ID, v, reconnecting(pdu.Digests{}, 20*time.Second).events)
			r.Kind, r.Suite = "result", "target"
			if err := SaveCapture(folder, r); err != nil {
				t.Fatal(err)
			}
			run.Header.Selected++
			run.Results = append(run.Results, r)
		}
		writeRecords(t, folder, run)
		return folder
	}
	for i := range n {
		shards = append(shards, write(scenarios.Shard{Index: i + 1, Count: n}))
	}
	return write(scenarios.Shard{}), shards
}

func writeRecords(t *testing.T, folder string, run Run) {
	t.Helper()
	var b bytes.Buffer
	recorder, err := scenarios.NewRecorder(&b, run.Header)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range run.Results {
		if err := recorder.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, FileRecords), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// load reads runs back as parts without names.
func load(t *testing.T, folders ...string) []Part {
	t.Helper()
	var parts []Part
	for _, folder := range folders {
		run, from, err := Load(folder, false)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, Part{Folder: from, Run: run})
	}
	return parts
}

// contents reads all files of a folder but for the first line of records, which tells when and how.
func contents(t *testing.T, folder string, names ...string) map[string]string {
	t.Helper()
	read := map[string]string{}
	captures, err := filepath.Glob(filepath.Join(folder, FolderCaptures, "*.pcapng"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range captures {
		names = append(names, filepath.Join(FolderCaptures, filepath.Base(c)))
	}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		if name == FileRecords {
			_, text, _ = strings.Cut(text, "\n")
		}
		read[name] = text
	}
	return read
}

func TestShardsBecomeTheWholeRun(t *testing.T) {
	whole, shards := shardedRun(t, 3)
	slices.Reverse(shards)
	merged, err := Merge(load(t, shards...), false)
	if err != nil || len(merged) != 1 {
		t.Fatal(len(merged), err)
	}
	out := filepath.Join(t.TempDir(), "new")
	if err := WriteMerged(out, merged, scenarios.Coverage{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(contents(t, whole, FileRecords), contents(t, out, FileRecords)); diff != "" {
		t.Errorf("(-whole +merged):\n%.2000s", diff)
	}
	run, _, err := Load(out, true)
	if err != nil {
		t.Fatal(err)
	}
	h := run.Header
	if h.Selected != 12 || h.DurationMS != 30 || h.Shard != "" || h.Interrupted || h.Started.Minute() != 1 || strings.Join(h.Command, " ") != "check target --strict" {
		t.Errorf("the header is %+v", h)
	}
	for _, r := range run.Results {
		if r.Trace != nil {
			t.Errorf("%s keeps its trace although nobody wants it", r.ID)
		}
	}
	for _, name := range []string{FileHTML, FileJSON, FileJUnit} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMergeRefuses(t *testing.T) {
	whole, shards := shardedRun(t, 3)
	other := func(change func(*scenarios.Header)) []Part {
		parts := load(t, shards...)
		change(&parts[1].Header)
		return parts
	}
	named := load(t, whole)
	named[0].Name = "../up"
	for want, parts := range map[string][]Part{
		"lacks the shards 2/3":    load(t, shards[0], shards[2]),
		"stands in":               load(t, append(shards, whole)...),
		"differ in the catalogue": other(func(h *scenarios.Header) { h.Catalogue = "another" }),
		"differ in the seed":      other(func(h *scenarios.Header) { h.Seed = 4 }),
		"differ in --strict":      other(func(h *scenarios.Header) { h.Strict = true }),
		"differ in --allow":       other(func(h *scenarios.Header) { h.Allow = "writes" }),
		"the build of the tool":   other(func(h *scenarios.Header) { h.Tool.Commit = "0" }),
		"names no run":            named,
	} {
		if _, err := Merge(parts, false); !errors.Is(err, ErrMerge) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
	merged, err := Merge(load(t, shards[0], shards[2]), true)
	if err != nil || len(merged) != 1 || !merged[0].Header.Interrupted || len(merged[0].Results) != 8 {
		t.Errorf("a partial merge: %v", err)
	}
}

func TestRunsStandSideBySide(t *testing.T) {
	whole, _ := shardedRun(t, 1)
	parts := load(t, whole, whole)
	parts[0].Name, parts[1].Name = "before", "after"
	parts[1].Results = parts[1].Results[:8]
	parts[1].Results[5].Verdict, parts[1].Results[5].Reason = scenarios.Pass, canary
	parts[1].Results[6].Verdict, parts[1].Results[6].Reason = scenarios.Warn, canary
	merged, err := Merge(parts, false)
	if err != nil || len(merged) != 2 {
		t.Fatal(len(merged), err)
	}
	out := t.TempDir()
	if err := WriteMerged(out, merged, scenarios.Coverage{}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(out, FileHTML))
	if err != nil {
		t.Fatal(err)
	}
	html := string(b)
	if strings.Contains(html, canary) || strings.Count(html, "<script>") != 1 || strings.Contains(html, "src=") || strings.Contains(html, "http") {
		t.Error("the page is not self-contained, or takes texts for markup")
	}
	for word, want := range map[string]int{"differ": 2, "alike": 6, "partial": 4} {
		if n := strings.Count(html, `<tr data-across="`+word+`"`); n != want {
			t.Errorf("%d rows are %s, want %d", n, word, want)
		}
	}
	failed := parts[0].Results[5]
	if link := `href="before/index.html#` + anchorOf(failed) + `"`; !strings.Contains(html, link) {
		t.Errorf("the page lacks %s", link)
	}
	var report struct {
		Runs []struct {
			Name    string
			Summary scenarios.Summary
		}
		Rows []struct {
			ID       string
			Across   string
			Verdicts map[string]*string
		}
	}
	b, err = os.ReadFile(filepath.Join(out, FileJSON))
	if err != nil || json.Unmarshal(b, &report) != nil {
		t.Fatal(err, string(b))
	}
	row := report.Rows[5]
	if len(report.Runs) != 2 || report.Runs[0].Summary.Fail != 1 || row.ID != failed.ID || *row.Verdicts["before"] != "fail" || *row.Verdicts["after"] != "pass" ||
		report.Rows[9].Verdicts["after"] != nil || report.Rows[9].Across != "partial" {
		t.Errorf("%+v", report)
	}
	for _, name := range []string{"before", "after"} {
		if _, _, err := Load(filepath.Join(out, name), true); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(out, name, FolderCaptures, failed.ID+".pcapng")); err != nil {
			t.Error(err)
		}
	}
	junit, err := os.ReadFile(filepath.Join(out, FileJUnit))
	if err != nil || !strings.Contains(string(junit), `<testsuite name="before/target"`) {
		t.Errorf("%v\n%.300s", err, junit)
	}
	if _, _, err := Load(out, true); !errors.Is(err, ErrRecords) {
		t.Errorf("a folder of several runs reads as one: %v", err)
	}
}

// TestMonitorsAreJoined merges what monitors found of one row in two shards.
func TestMonitorsAreJoined(t *testing.T) {
	_, shards := shardedRun(t, 2)
	parts := load(t, shards...)
	for i := range parts {
		r := *parts[i].Results[0]
		r.ID, r.Verdict, r.Monitored = "login.response.header-echo", scenarios.Warn, &scenarios.Monitored{Check: r.ID, Checks: i + 1, Times: 10}
		r.Findings = []scenarios.Finding{{Verdict: scenarios.Warn, Reason: fmt.Sprintf("seen in part %d", i)}}
		if i == 1 {
			r.Verdict = scenarios.Fail
		}
		parts[i].Results = append(parts[i].Results, &r)
	}
	merged, err := Merge(parts, false)
	if err != nil || len(merged) != 1 {
		t.Fatal(err)
	}
	last := merged[0].Results[len(merged[0].Results)-1]
	want := &scenarios.Monitored{Check: parts[1].Results[0].ID, Checks: 3, Times: 20}
	if diff := cmp.Diff(want, last.Monitored); diff != "" || last.Verdict != scenarios.Fail || len(merged[0].Results) != 13 || !strings.Contains(last.Reason, "3 checks") {
		t.Errorf("%+v\n%s", last, diff)
	}
	if merged[0].folders[last] != shards[1] {
		t.Errorf("its capture is looked for in %s", merged[0].folders[last])
	}
}

// TestCapturesStayInTheirFolder gives records that name files elsewhere, as only a stranger's do.
func TestCapturesStayInTheirFolder(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"../secret", "secret", "captures/../secret", "/etc/passwd", "captures/none.pcapng", "captures/x.txt"} {
		r := &scenarios.Result{Capture: path}
		if err := CopyCapture(to, from, r, map[string]bool{}); err != nil || r.Capture != "" {
			t.Errorf("%s: %v, still names %q", path, err, r.Capture)
		}
	}
	if entries, err := os.ReadDir(to); err != nil || len(entries) > 0 {
		t.Errorf("%v was copied, %v", entries, err)
	}
}
