package scenarios

import (
	"path"
	"slices"
	"strings"
	"sync"
)

// Cover is how a normative statement stands: exactly one of three.
type Cover string

// The three states of a statement.
const (
	// Checked: a check covers one of its rows at least.
	Checked Cover = "checked"
	// NotYet: no check covers any of its rows, or no row is written yet.
	NotYet Cover = "not-yet"
	// Unseen: nothing on the wire can show it, and Statement.Unseen says why.
	Unseen Cover = "unseen"
)

// Covers returns the three states in the order in which summaries name them.
func Covers() []Cover { return []Cover{Checked, NotYet, Unseen} }

// Words returns the state as a reader wants it.
func (c Cover) Words() string {
	switch c {
	case Checked:
		return "checked"
	case NotYet:
		return "not yet"
	case Unseen:
		return "cannot be seen"
	}
	return string(c)
}

// CoveredStatement is one normative statement and what becomes of it.
type CoveredStatement struct {
	Statement
	State Cover `json:"state"`
	// Checks are those of its rows that a check covers, Missing those that none covers yet.
	Checks  []string `json:"checks"`
	Missing []string `json:"missing,omitempty"`
}

// CoverCount counts statements by state. The three add up to Total.
type CoverCount struct {
	Total   int `json:"total"`
	Checked int `json:"checked"`
	NotYet  int `json:"not_yet"`
	Unseen  int `json:"unseen"`
}

// Add counts one statement.
func (c *CoverCount) Add(state Cover) {
	c.Total++
	switch state {
	case Checked:
		c.Checked++
	case NotYet:
		c.NotYet++
	case Unseen:
		c.Unseen++
	}
}

// Of returns the number of statements in that state.
func (c CoverCount) Of(state Cover) int {
	switch state {
	case Checked:
		return c.Checked
	case NotYet:
		return c.NotYet
	case Unseen:
		return c.Unseen
	}
	return 0
}

// CoveredSection is one section of an RFC with its statements.
type CoveredSection struct {
	// Name is "RFC 7143, Section 6.3" or "RFC 7143, Appendix C"; Key selects it as a pattern does, "rfc7143/6.3".
	Name string `json:"name"`
	Key  string `json:"key"`
	CoverCount
	Statements []CoveredStatement `json:"statements"`
}

// Coverage says of each normative statement which checks cover it.
type Coverage struct {
	CoverCount
	// Sections in the order of the RFCs' texts.
	Sections []CoveredSection `json:"sections"`
}

// Coverage holds the embedded statements against the registry's checks.
func (r *Registry) Coverage() Coverage {
	checked := map[string]bool{}
	for _, e := range r.entries {
		checked[e.ID] = true
	}
	return coverage(LoadStatements(), func(id string) bool { return checked[id] })
}

// coverage sorts statements under their sections and states.
func coverage(statements []Statement, checked func(id string) bool) Coverage {
	var c Coverage
	place := map[string]int{}
	for _, s := range statements {
		covered := CoveredStatement{Statement: s, State: NotYet, Checks: []string{}}
		for _, id := range s.Rows {
			if checked(id) {
				covered.Checks = append(covered.Checks, id)
			} else {
				covered.Missing = append(covered.Missing, id)
			}
		}
		switch {
		case len(covered.Checks) > 0:
			covered.State = Checked
		case s.Unseen != "":
			covered.State = Unseen
		}
		key := s.Key()
		at, known := place[key]
		if !known {
			at = len(c.Sections)
			place[key] = at
			c.Sections = append(c.Sections, CoveredSection{Name: s.Place(), Key: key})
		}
		section := &c.Sections[at]
		section.Statements = append(section.Statements, covered)
		section.Add(covered.State)
		c.Add(covered.State)
	}
	return c
}

// Key returns the section as patterns name it: "rfc7143/6.3".
func (s Statement) Key() string {
	document, section := s.split()
	return "rfc" + document + "/" + section
}

// Place names the section in words: "RFC 7143, Section 6.3", "RFC 7143, Appendix C".
func (s Statement) Place() string {
	document, section := s.split()
	kind := "Section"
	if section != "" && section[0] >= 'A' && section[0] <= 'Z' {
		kind = "Appendix"
	}
	return "RFC " + document + ", " + kind + " " + section
}

// split returns the number of the RFC and the section. Sections without an RFC are RFC 7143's.
func (s Statement) split() (document, section string) {
	if rest, other := strings.CutPrefix(s.Section, "RFC "); other {
		document, section, _ = strings.Cut(rest, " ")
		return document, section
	}
	return "7143", s.Section
}

// Matches tells whether a pattern names this statement: a section with its subsections ("rfc7143/6.3", "rfc7144"), a level ("must"), a
// state ("not-yet"), whom it binds ("target"), or one of its rows, by id, globs or group.
func (s CoveredStatement) Matches(pattern string) bool {
	if pattern == s.Level || pattern == string(s.State) || pattern == s.Binds {
		return true
	}
	if strings.HasPrefix(pattern, "rfc") {
		key := s.Key()
		return key == pattern || strings.HasPrefix(key, pattern+".") || strings.HasPrefix(key, pattern+"/")
	}
	for _, id := range s.Rows {
		if matched, err := path.Match(pattern, id); err == nil && matched {
			return true
		}
		if row := LoadCatalogue().Row(id); row != nil && row.Group == pattern {
			return true
		}
	}
	return false
}

// Pick keeps the statements that the selection names, and counts them anew. Every pattern has to match something, states aside; else the
// error is an *EmptyError, as it is where nothing is left. Shards play no part.
func (c Coverage) Pick(selection Selection) (Coverage, error) {
	only, err := expand(selection.Only)
	if err != nil {
		return Coverage{}, err
	}
	skip, err := expand(selection.Skip)
	if err != nil {
		return Coverage{}, err
	}
	used := map[string]bool{}
	matches := func(s CoveredStatement, patterns []string) bool {
		found := false
		for _, p := range patterns {
			if s.Matches(p) {
				used[p], found = true, true
			}
		}
		return found
	}
	var picked Coverage
	for _, section := range c.Sections {
		kept := CoveredSection{Name: section.Name, Key: section.Key}
		for _, s := range section.Statements {
			wanted, unwanted := matches(s, only), matches(s, skip)
			if len(only) > 0 && !wanted || unwanted {
				continue
			}
			kept.Statements = append(kept.Statements, s)
			kept.Add(s.State)
			picked.Add(s.State)
		}
		if kept.Total > 0 {
			picked.Sections = append(picked.Sections, kept)
		}
	}
	for _, p := range append(only, skip...) {
		if !used[p] && !slices.Contains(Covers(), Cover(p)) {
			return Coverage{}, &EmptyError{Pattern: p}
		}
	}
	if picked.Total == 0 {
		return Coverage{}, &EmptyError{}
	}
	return picked, nil
}

// statementsByRow finds the statements of each row.
var statementsByRow = sync.OnceValue(func() map[string][]Statement {
	byRow := map[string][]Statement{}
	for _, s := range LoadStatements() {
		for _, id := range s.Rows {
			byRow[id] = append(byRow[id], s)
		}
	}
	return byRow
})

// StatementsOf returns the statements that a row checks, in the order of the RFCs. The slice is shared and must not be changed.
func StatementsOf(id string) []Statement { return statementsByRow()[id] }
