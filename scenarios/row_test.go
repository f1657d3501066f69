package scenarios

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCatalogueHoldsTogether(t *testing.T) {
	c := LoadCatalogue()
	rows := c.Rows()
	count := map[Role]int{}
	for _, r := range rows {
		count[r.Role]++
		if c.Row(r.ID) != r {
			t.Errorf("%s is not found by its ID", r.ID)
		}
	}
	if count[RoleTarget] != 561 || count[RoleInitiator] != 538 {
		t.Errorf("rows by role: %v; a row may be added, never removed or renamed: adjust the numbers upward only", count)
	}
	if len(c.Hash()) != 16 {
		t.Errorf("hash %q", c.Hash())
	}
}

func TestRowsNameTheirSections(t *testing.T) {
	for clause, want := range map[string][]string{
		"RFC 7143 §6.3; RFC 7143 §11.12.3":                                {"rfc7143/6.3", "rfc7143/11.12.3"},
		"RFC 7143 §10.1.1, §11.12.5":                                      {"rfc7143/10.1.1", "rfc7143/11.12.5"},
		"RFC 7144 §4.1; RFC 7143 §11.5":                                   {"rfc7144/4.1", "rfc7143/11.5"},
		"LoginToTarget: queue requests for the target; RFC 7143 §4.2.2.1": {"rfc7143/4.2.2.1"},
		"iSCSI session management: logging out before cloning":            nil,
	} {
		r := Row{Clause: clause}
		if diff := cmp.Diff(want, r.Sections()); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", clause, diff)
		}
	}
}

func TestRowsMatchPatterns(t *testing.T) {
	r := &Row{ID: "login.tsih.zero", Group: "login", Level: MustNot, Tier: 2, Clause: "RFC 7143 §11.12.3"}
	for pattern, want := range map[string]bool{
		"login.tsih.zero": true, "login.*": true, "login": true, "must-not": true, "tier2": true, "*.zero": true,
		"rfc7143": true, "rfc7143/11": true, "rfc7143/11.12": true, "rfc7143/11.12.3": true,
		"must": false, "logi": false, "tier1": false, "rfc7143/1": false, "rfc7143/11.1": false, "rfc7144": false,
	} {
		if got := r.Matches(pattern); got != want {
			t.Errorf("%q: %v, want %v", pattern, got, want)
		}
	}
}

func TestStatementsNameRowsThatExist(t *testing.T) {
	c := LoadCatalogue()
	for _, s := range LoadStatements() {
		for _, id := range s.Rows {
			if c.Row(id) == nil {
				t.Errorf("section %s names the row %s, which does not exist", s.Section, id)
			}
		}
		switch {
		case len(s.Rows) == 0 && s.Note == "" && s.Unseen == "":
			t.Errorf("section %s has no row, no reason why it cannot be seen, and no note of what a check would take: %s", s.Section, s.About)
		case len(s.Rows) > 0 && s.Unseen != "":
			t.Errorf("section %s has rows, and yet a reason why it cannot be seen: %s", s.Section, s.About)
		}
	}
}
