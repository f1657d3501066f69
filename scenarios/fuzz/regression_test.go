package fuzz

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/simtarget"
)

// flowOf reads a file of testdata: lines of comment, and one flow.
func flowOf(t *testing.T, path string) Flow {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			f, err := Parse(line)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			return f
		}
	}
	t.Fatalf("%s holds no flow", path)
	return Flow{}
}

// Flows that the array or the model once had wrong.
func TestNamedFlows(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.flow")
	if err != nil || len(paths) == 0 {
		t.Fatal("no flows", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".flow"), func(t *testing.T) {
			f := flowOf(t, path)
			if finding, err := RunTarget(f, Options{T: t}); finding != nil || err != nil {
				t.Errorf("%s\n%v %v", f, finding, err)
			}
		})
	}
}

// A flow finds the same each time that it is run.
func TestAFoundFlowReplaysEachTime(t *testing.T) {
	f, err := Parse("target plain; 1 walk; 2 walk tsih=c1 +InitiatorName={i3}; 1 command")
	if err != nil {
		t.Fatal(err)
	}
	var dev simtarget.Deviations
	dev.Login.TSIHAloneFindsSession = true
	first := ""
	for range 100 {
		finding, err := RunTarget(f, Options{T: t, Deviations: &dev})
		if err != nil || finding == nil {
			t.Fatal(finding, err)
		}
		if first == "" {
			first = finding.Error()
		}
		if finding.Error() != first {
			t.Fatalf("found\n%v\nand at first\n%s", finding, first)
		}
	}
}

// faulty are arrays with one fault each, and the rule that it breaks.
var faulty = []struct {
	rule string
	set  func(*simtarget.Deviations)
}{
	{"login.tsih.nonzero-on-final", func(d *simtarget.Deviations) { d.Login.ZeroTSIH = true }},
	{"login.tsih.existing-with-other-isid-refused", func(d *simtarget.Deviations) { d.Login.TSIHAloneFindsSession = true }},
	{"login.response.nonzero-status-closes", func(d *simtarget.Deviations) { d.Login.KeepOpenAfterRefusal = true }},
	{"login.params.missing-initiator-name", func(d *simtarget.Deviations) { d.Login.AcceptAnonymous = true }},
	{"negotiation.unknown-key.notunderstood", func(d *simtarget.Deviations) { d.Negotiation.IgnoreUnknownKeys = true }},
}

// The search finds single faults, and what it tells is small.
func TestSearchFindsFaults(t *testing.T) {
	for _, c := range faulty {
		var dev simtarget.Deviations
		c.set(&dev)
		var found []Found
		s := Search{T: t, Seed: 1, Workers: 1, Flows: 20000, Deviations: &dev, Found: func(f Found) bool {
			found = append(found, f)
			return f.Finding.Rule == c.rule
		}}
		if err := s.Run(t.Context()); err != nil {
			t.Error(c.rule, err)
		}
		at := slices.IndexFunc(found, func(f Found) bool { return f.Finding.Rule == c.rule })
		if at < 0 {
			t.Errorf("%s: not found, but %v", c.rule, found)
			continue
		}
		f := found[at]
		if f.Flow.PDUs() > 6 || !f.Alone {
			t.Errorf("%s: want at most 6 PDUs, got %s (alone: %v)", c.rule, f.Flow, f.Alone)
		}
		again, err := RunTarget(f.Flow, Options{T: t, Deviations: &dev})
		if err != nil || !f.Finding.Same(again) {
			t.Errorf("%s: the smallest flow %s finds %v (%v)", c.rule, f.Flow, again, err)
		}
	}
}

// Every rule that the model names is a row of the catalogue, so that every finding has a clause.
func TestRulesAreRows(t *testing.T) {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	groups := scenarios.LoadCatalogue().Groups()
	seen := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, quoted := range strings.Split(string(text), `"`) {
			group, _, dotted := strings.Cut(quoted, ".")
			if i%2 == 0 || !dotted || !slices.Contains(groups, group) || strings.ContainsAny(quoted, " /\n") {
				continue
			}
			seen++
			if scenarios.LoadCatalogue().Row(quoted) == nil {
				t.Errorf("%s: the catalogue has no row %s", path, quoted)
			}
		}
	}
	if seen < 50 {
		t.Errorf("found %d rules: the test has gone blind", seen)
	}
}
