package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/iscsispec/iscsispec/baselines"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/suite"
)

// TestEveryRowIsExplained holds explain to what it promises, for each row of the catalogue.
func TestEveryRowIsExplained(t *testing.T) {
	registry, err := suite.Registry()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range registry.Catalogue().Rows() {
		e, err := newExplanation(registry, row)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := e.print(&b); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		wants := []string{row.ID + "\n", "\nClause\n", "\nStimulus\n", "\nAccepted outcomes\n", "\nDefect that the check must catch\n", "\nKnown to differ\n",
			"\nIn Wireshark\n", e.Wireshark.Filter, "captures/" + row.ID + ".pcapng", "tshark -r "}
		if len(e.Checks) > 0 {
			wants = append(wants, "\nRun just it\n", "by failing\n")
		} else {
			wants = append(wants, "No check covers this row yet.")
		}
		for _, s := range e.Statements {
			wants = append(wants, s.Place+", "+s.Level)
		}
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not in\n%s", row.ID, want, text)
			}
		}
		checkExplainedChecks(t, registry, e)
		var back struct{ ID, Defect string }
		if text, err := json.Marshal(e); err != nil || json.Unmarshal(text, &back) != nil || back.ID != row.ID || back.Defect != row.Defect {
			t.Errorf("%s: the JSON does not read back: %v", row.ID, err)
		}
	}
}

// checkExplainedChecks runs the selection of each command line, and demands a deviation of each check.
func checkExplainedChecks(t *testing.T, registry *scenarios.Registry, e *explanation) {
	t.Helper()
	if len(e.Checks) != len(registry.Find(e.ID)) {
		t.Errorf("%s: %d checks are explained, %d there", e.ID, len(e.Checks), len(registry.Find(e.ID)))
	}
	for _, c := range e.Checks {
		if len(c.Deviations) == 0 {
			t.Errorf("%s: no deviation proves the check in suite %s", e.ID, c.Suite)
		}
		for _, run := range c.Run {
			words := strings.Fields(run)
			picked, err := scenarios.Selection{Only: []string{words[at(t, words, "--only")+1]}}.Pick(registry.Entries(words[2]))
			if err != nil || len(picked) != 1 || picked[0].ID != e.ID {
				t.Errorf("%s: %q picks %d checks: %v", e.ID, run, len(picked), err)
			}
		}
	}
}

func at(t *testing.T, words []string, word string) int {
	t.Helper()
	for i, w := range words {
		if w == word {
			return i
		}
	}
	t.Fatalf("%v has no %s", words, word)
	return 0
}

// TestKnownPeersAreExplained demands that nothing that is known of a peer or a profile is left out.
func TestKnownPeersAreExplained(t *testing.T) {
	registry, err := suite.Registry()
	if err != nil {
		t.Fatal(err)
	}
	told, profiles := map[string]int{}, map[string]bool{}
	for _, row := range registry.Catalogue().Rows() {
		e, err := newExplanation(registry, row)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range e.Peers {
			told[d.Peer]++
		}
		for _, d := range e.Profiles {
			profiles[d.Profile] = true
		}
	}
	for _, p := range baselines.Peers() {
		if told[p.Name] < len(p.Known) {
			t.Errorf("%s: %d of %d findings are told", p.Name, told[p.Name], len(p.Known))
		}
	}
	for _, name := range []string{"linux-iscsid", "second-session-kills-oldest", "perm-redirect-tpgt", "gateway-pair"} {
		if !profiles[name] {
			t.Errorf("no row tells of the profile %s", name)
		}
	}
}
