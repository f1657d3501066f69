package suite

import (
	"bytes"
	"testing"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/prooftest"
)

// TestTheSameSeedGivesTheSameRecords runs everything with one worker and with several.
func TestTheSameSeedGivesTheSameRecords(t *testing.T) {
	prooftest.SkipRepetition(t)
	record := func(workers int) []byte {
		var text bytes.Buffer
		recorder, err := scenarios.NewRecorder(&text, scenarios.Header{})
		if err != nil {
			t.Fatal(err)
		}
		runner := &scenarios.Runner{T: t, Seed: 7, Workers: workers, OnResult: recorder.Write}
		if _, err := runner.Run(t.Context(), entries(t)); err != nil {
			t.Fatal(err)
		}
		return text.Bytes()
	}
	one, many := bytes.Split(record(1), []byte("\n")), bytes.Split(record(4), []byte("\n"))
	if len(one) != len(many) {
		t.Fatalf("%d lines with one worker, %d with four", len(one), len(many))
	}
	for i := range one {
		if !bytes.Equal(one[i], many[i]) {
			t.Errorf("line %d differs from the first byte at %d on:\n%.300s\n%.300s", i+1, differs(one[i], many[i]),
				one[i][differs(one[i], many[i]):], many[i][differs(one[i], many[i]):])
		}
	}
}

// differs returns the place of the first byte in which two lines differ.
func differs(a, b []byte) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func entries(t *testing.T) []scenarios.Entry {
	t.Helper()
	registry, err := Registry()
	if err != nil {
		t.Fatal(err)
	}
	return registry.Entries()
}

// TestEveryStatementIsAccountedFor holds what the tool says of itself to the registry: no statement of the RFCs is lost between checked, not
// yet, and cannot be seen.
func TestEveryStatementIsAccountedFor(t *testing.T) {
	registry, err := Registry()
	if err != nil {
		t.Fatal(err)
	}
	c := registry.Coverage()
	if c.Total != len(scenarios.LoadStatements()) || c.Checked+c.NotYet+c.Unseen != c.Total {
		t.Errorf("the counts do not add up: %+v", c.CoverCount)
	}
	if c.Checked < 666 {
		t.Errorf("%d statements have a check, and 666 had one: a row lost its check, or a statement its row", c.Checked)
	}
	for _, section := range c.Sections {
		for _, s := range section.Statements {
			for _, id := range s.Checks {
				if len(registry.Find(id)) == 0 {
					t.Errorf("%s: %s counts as a check", s.Section, id)
				}
			}
		}
	}
}
