package scenarios

import (
	"errors"
	"strconv"
	"strings"
	"testing"
)

// allRowsChecked is the coverage when every row of the catalogue has a check.
func allRowsChecked() Coverage {
	return coverage(LoadStatements(), func(id string) bool { return LoadCatalogue().Row(id) != nil })
}

func TestEveryStatementHasExactlyOneState(t *testing.T) {
	for name, c := range map[string]Coverage{
		"every row checked": allRowsChecked(),
		"no row checked":    coverage(LoadStatements(), func(string) bool { return false }),
		"some rows checked": coverage(LoadStatements(), func(id string) bool { return strings.HasPrefix(id, "login.") }),
	} {
		var sum CoverCount
		for _, section := range c.Sections {
			var own CoverCount
			for _, s := range section.Statements {
				sum.Add(s.State)
				own.Add(s.State)
				checked, unseen := len(s.Checks) > 0, s.Unseen != ""
				switch s.State {
				case Checked:
					if !checked {
						t.Errorf("%s: %s counts as checked without a check: %s", name, s.Section, s.About)
					}
				case Unseen:
					if checked || !unseen || len(s.Rows) > 0 {
						t.Errorf("%s: %s counts as unseen without a reason, or with rows: %s", name, s.Section, s.About)
					}
				case NotYet:
					if checked || unseen {
						t.Errorf("%s: %s counts as not yet although it is another: %s", name, s.Section, s.About)
					}
				default:
					t.Errorf("%s: %s has the state %q", name, s.Section, s.State)
				}
				if len(s.Checks)+len(s.Missing) != len(s.Rows) {
					t.Errorf("%s: %s has %d rows, of which %d checked and %d missing", name, s.Section, len(s.Rows), len(s.Checks), len(s.Missing))
				}
			}
			if own != section.CoverCount || own.Checked+own.NotYet+own.Unseen != own.Total || own.Total != len(section.Statements) {
				t.Errorf("%s: %s counts %+v, its statements %+v", name, section.Name, section.CoverCount, own)
			}
		}
		if sum != c.CoverCount || sum.Checked+sum.NotYet+sum.Unseen != sum.Total || sum.Total != len(LoadStatements()) {
			t.Errorf("%s: the counts %+v do not add up to %+v", name, c.CoverCount, sum)
		}
		for _, state := range Covers() {
			if c.Of(state) == 0 && name == "some rows checked" {
				t.Errorf("%s: no statement is %s", name, state.Words())
			}
		}
	}
	if n := len(LoadStatements()); n != 698 {
		t.Errorf("%d statements, want 698: one may be added, none taken out", n)
	}
}

// TestReasonsAreSentences holds what a reader gets in place of a check to the length of one.
func TestReasonsAreSentences(t *testing.T) {
	for _, s := range LoadStatements() {
		for _, text := range []string{s.Unseen, s.Note} {
			if len(s.Rows) == 0 && text != "" && (len(text) < 25 || !strings.HasSuffix(text, ".")) {
				t.Errorf("section %s: %q is no sentence", s.Section, text)
			}
		}
	}
}

func TestSectionsStandInOrder(t *testing.T) {
	var last []int
	for _, section := range allRowsChecked().Sections {
		place := sectionPlace(t, section.Key)
		for i := range place {
			if i >= len(last) || place[i] > last[i] {
				break
			}
			if place[i] < last[i] {
				t.Errorf("%s stands too late", section.Name)
				break
			}
		}
		last = place
	}
}

// sectionPlace makes numbers of a section, for comparison: the RFC first; appendices come behind the numbered sections.
func sectionPlace(t *testing.T, key string) []int {
	t.Helper()
	document, section, _ := strings.Cut(strings.TrimPrefix(key, "rfc"), "/")
	var place []int
	for _, part := range append([]string{document}, strings.Split(section, ".")...) {
		n, err := strconv.Atoi(part)
		if err != nil && (len(part) != 1 || part[0] < 'A' || part[0] > 'Z') {
			t.Fatalf("%s is no section", key)
		}
		if err != nil {
			n = 1000 + int(part[0])
		}
		place = append(place, n)
	}
	return place
}

func TestCoverageIsPicked(t *testing.T) {
	all := allRowsChecked()
	for pattern, want := range map[string]func(CoveredStatement) bool{
		"rfc7143/6.2": func(s CoveredStatement) bool { return s.Section == "6.2" || strings.HasPrefix(s.Section, "6.2.") },
		"rfc7144":     func(s CoveredStatement) bool { return strings.HasPrefix(s.Section, "RFC 7144 ") },
		"unseen":      func(s CoveredStatement) bool { return s.State == Unseen },
		"must-not":    func(s CoveredStatement) bool { return s.Level == "must-not" },
	} {
		picked, err := all.Pick(Selection{Only: []string{pattern}})
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
			continue
		}
		n := 0
		for _, section := range all.Sections {
			for _, s := range section.Statements {
				if want(s) {
					n++
				}
			}
		}
		rest, err := all.Pick(Selection{Skip: []string{pattern}})
		if picked.Total != n || n == 0 || err != nil || picked.Total+rest.Total != all.Total {
			t.Errorf("%s: %d picked, %d left, %v; want %d of %d", pattern, picked.Total, rest.Total, err, n, all.Total)
		}
	}
	if rest, err := all.Pick(Selection{Skip: []string{string(NotYet)}}); err != nil || rest.Total != all.Total {
		t.Errorf("without what is not checked yet, of which there is none: %d left, %v", rest.Total, err)
	}
	var empty *EmptyError
	if _, err := all.Pick(Selection{Only: []string{"rfc7143/99"}}); !errors.As(err, &empty) {
		t.Errorf("a section that does not exist gives %v", err)
	}
}

func TestStatementsOfARow(t *testing.T) {
	statements := StatementsOf("login.basic.direct-operational")
	if len(statements) == 0 || statements[0].Place() != "RFC 7143, Section 4.2.1" {
		t.Errorf("%+v", statements)
	}
	for section, want := range map[string][2]string{
		"RFC 7144 6.3": {"rfc7144/6.3", "RFC 7144, Section 6.3"}, "C": {"rfc7143/C", "RFC 7143, Appendix C"}, "13.26.1": {"rfc7143/13.26.1", "RFC 7143, Section 13.26.1"},
	} {
		s := Statement{Section: section}
		if got := [2]string{s.Key(), s.Place()}; got != want {
			t.Errorf("%s is %v, want %v", section, got, want)
		}
	}
}
