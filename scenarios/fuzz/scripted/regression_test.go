package scripted

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// flowOf reads a file of testdata: a line of comment, and one flow.
func flowOf(t *testing.T, path string) fuzz.Flow {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(b), "\n")
	f, err := fuzz.Parse(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return f
}

// Flows that the initiator or the model once had wrong, or that have to stay right.
func TestNamedFlows(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.flow")
	if err != nil || len(paths) == 0 {
		t.Fatal("no flows", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".flow"), func(t *testing.T) {
			f := flowOf(t, path)
			findings, err := Run(t, f, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, finding := range findings {
				t.Errorf("%s\n%v", f, finding)
			}
		})
	}
}

// faulty are initiators with one fault of the catalogue's each, a flow that shows it, and the row that it breaks.
var faulty = []struct {
	flow, row string
	set       func(*ini.Deviations)
}{
	{"initiator plain; 1 answer csg=1", "login.stage-mismatch", func(d *ini.Deviations) { d.Login.IgnoreStage = true }},
	{"initiator plain; 1 hush", "login.timeout-silent-target", func(d *ini.Deviations) { d.Login.NoDeadline = true }},
	{"initiator mutual; 1 answer; 1 answer; 1 answer +CHAP_R={chap.flipped}", "auth.chap-r.wrong-from-target", func(d *ini.Deviations) { d.Auth.CHAP.Unverified = true }},
	{"initiator plain; 1 answer; 1 answer +MaxRecvDataSegmentLength", "negotiation.defaults-when-silent", func(d *ini.Deviations) { d.Negotiation.LargePeer = true }},
	{"initiator plain; 1 answer; 1 answer; 1 reset; 2 answer status=0x0101 +TargetAddress=10.0.1.8:3260", "redirect.temporary.not-sticky",
		func(d *ini.Deviations) { d.Reconnect.DeadRedirectSticks = true }},
	{"initiator plain-loop; 1 answer status=0x0101 +TargetAddress={A}", "redirect.loop-bounded", func(d *ini.Deviations) { d.Redirect.NoLimit = true }},
	{"initiator plain; 1 answer status=0x0203", "login.status.no-go-on", func(d *ini.Deviations) { d.Login.RefusalsAlike = true }},
	{"initiator plain; 1 answer +X-org.example.k=1", "negotiation.answer-every-offer", func(d *ini.Deviations) { d.Negotiation.IgnoreUnknownKeys = true }},
}

// Each fault is found by its row, the same each time that the flow is run, and the sound initiator passes the flow.
func TestAFoundFlowReplaysEachTime(t *testing.T) {
	const times = 100
	for i, c := range faulty {
		f, err := fuzz.Parse(c.flow)
		if err != nil {
			t.Fatal(err)
		}
		dev := new(ini.Deviations)
		c.set(dev)
		first := ""
		for range max(1, times>>(3*i)) { // the first of them as often as is promised
			findings, err := run(t, f, nil, dev)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(findings, func(f *fuzz.Finding) bool { return f.Rule == c.row }) {
				t.Fatalf("%s: want %s, got %v", c.flow, c.row, findings)
			}
			if first == "" {
				first = findings[0].Error()
			}
			if findings[0].Error() != first {
				t.Fatalf("%s: found\n%v\nand at first\n%s", c.flow, findings[0], first)
			}
		}
		if findings, err := Run(t, f, nil); err != nil || len(findings) > 0 {
			t.Errorf("%s: the sound initiator: %v %v", c.flow, findings, err)
		}
	}
}

// Every rule that the model names is a row of the catalogue, so that every finding has a clause.
func TestRulesAreRows(t *testing.T) {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	catalogue, seen := scenarios.LoadCatalogue(), 0
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, quoted := range strings.Split(string(source), `"`) {
			group, _, dotted := strings.Cut(quoted, ".")
			if i%2 == 0 || !dotted || !slices.Contains(catalogue.Groups(), group) || strings.ContainsAny(quoted, " /\n") {
				continue
			}
			if seen++; catalogue.Row(quoted) == nil {
				t.Errorf("%s: the catalogue has no row %s", path, quoted)
			}
		}
	}
	if seen < 50 {
		t.Errorf("found %d rules: the test has gone blind", seen)
	}
}
