package scenarios

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"sort"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
)

// Role says which side of the protocol a row judges.
type Role string

// The two roles of the catalogue.
const (
	RoleTarget    Role = "target"
	RoleInitiator Role = "initiator"
)

// Level is the strength of a row, after the verb of its clause.
type Level string

// The levels of the catalogue.
const (
	Must    Level = "must"
	MustNot Level = "must-not"
	Should  Level = "should"
	May     Level = "may"
)

// Binding tells whether the level is a MUST or a MUST NOT, so that breaking it is a failure for anybody.
func (l Level) Binding() bool { return l == Must || l == MustNot }

// Row is one requirement of the catalogue. Rows are shared and never changed after loading.
type Row struct {
	// ID is the permanent name, unique over both roles and never re-used.
	ID    string `yaml:"id" json:"id"`
	Role  Role   `yaml:"role" json:"role"`
	Group string `yaml:"group" json:"group"`
	Level Level  `yaml:"level" json:"level"`
	// Tier is 1 (the heart), 2 (binding rows at recovery level 0) or 3 (the rest).
	Tier int `yaml:"tier" json:"tier"`
	// Time is "fast" or "waits" in target rows, empty in initiator rows.
	Time string `yaml:"time" json:"time,omitempty"`
	// Observe is "wire", "manager" or "both" in initiator rows, empty in target rows.
	Observe string `yaml:"observe" json:"observe,omitempty"`
	// Clause names the sections that the row rests on, for example "RFC 7143 §6.3; RFC 7143 §11.12.3".
	Clause string `yaml:"clause" json:"clause"`
	// Requires lists the capabilities without which the outcome is skip.
	Requires []Capability `yaml:"requires" json:"requires,omitempty"`
	Expects  string       `yaml:"expects" json:"expects"`
	Stimulus string       `yaml:"stimulus" json:"stimulus"`
	Verdict  string       `yaml:"verdict" json:"verdict"`
	// Defect is the fault that a check of this row has to catch.
	Defect   string   `yaml:"defect" json:"defect"`
	UNH      []string `yaml:"unh" json:"unh,omitempty"`
	Leniency string   `yaml:"leniency" json:"leniency,omitempty"`
	// Seen says how fielded implementations do; it is no part of the verdict.
	Seen string `yaml:"seen" json:"seen,omitempty"`
}

//go:embed catalogue/target.yaml catalogue/initiator.yaml
var catalogueFiles embed.FS

// Catalogue is the embedded list of all rows.
type Catalogue struct {
	rows []*Row
	byID map[string]*Row
	hash string
}

// LoadCatalogue returns the embedded catalogue. It is parsed once, on first use. It panics when the embedded files do
// not hold together, which only a change of those files can cause.
var LoadCatalogue = sync.OnceValue(func() *Catalogue {
	c, err := parseCatalogue("catalogue/target.yaml", "catalogue/initiator.yaml")
	if err != nil {
		panic("scenarios: the embedded catalogue is broken: " + err.Error())
	}
	return c
})

// parseCatalogue reads embedded files and demands unique IDs and known roles and levels.
func parseCatalogue(paths ...string) (*Catalogue, error) {
	c := &Catalogue{byID: map[string]*Row{}}
	digest := sha256.New()
	for _, path := range paths {
		text, err := catalogueFiles.ReadFile(path)
		if err != nil {
			return nil, err
		}
		digest.Write(text)
		var rows []*Row
		if err := yaml.UnmarshalWithOptions(text, &rows, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, r := range rows {
			if err := r.validate(); err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			if c.byID[r.ID] != nil {
				return nil, fmt.Errorf("%s: row %s stands twice", path, r.ID)
			}
			c.byID[r.ID] = r
			c.rows = append(c.rows, r)
		}
	}
	c.hash = hex.EncodeToString(digest.Sum(nil))[:16]
	return c, nil
}

// validate refuses a row whose fields no selection or level mapping would understand.
func (r *Row) validate() error {
	switch r.Role {
	case RoleTarget, RoleInitiator:
	default:
		return fmt.Errorf("row %q has the unknown role %q", r.ID, r.Role)
	}
	switch r.Level {
	case Must, MustNot, Should, May:
	default:
		return fmt.Errorf("row %q has the unknown level %q", r.ID, r.Level)
	}
	if r.ID == "" || r.Group == "" || r.Clause == "" || r.Expects == "" || r.Defect == "" {
		return fmt.Errorf("row %q lacks its id, group, clause, expects or defect", r.ID)
	}
	if r.Tier < 1 || r.Tier > 3 {
		return fmt.Errorf("row %q has tier %d: want 1 to 3", r.ID, r.Tier)
	}
	return nil
}

// Rows returns all rows in catalogue order, targets first. The slice is the caller's, the rows are not.
func (c *Catalogue) Rows() []*Row { return append([]*Row(nil), c.rows...) }

// Row returns the row of that ID, or nil.
func (c *Catalogue) Row(id string) *Row { return c.byID[id] }

// Hash identifies the catalogue's text, so that runs over different catalogues are never merged or compared unawares.
func (c *Catalogue) Hash() string { return c.hash }

// Groups returns the groups in alphabetical order.
func (c *Catalogue) Groups() []string {
	seen := map[string]bool{}
	var groups []string
	for _, r := range c.rows {
		if !seen[r.Group] {
			seen[r.Group] = true
			groups = append(groups, r.Group)
		}
	}
	sort.Strings(groups)
	return groups
}

// Sections returns the numbered sections that the row's clause names, each as "rfc7143/11.13". A section named without
// its RFC belongs to the RFC named before it. Texts without numbers, such as the session management text, are left out.
func (r *Row) Sections() []string {
	var sections []string
	rfc := "rfc7143"
	for _, word := range strings.FieldsFunc(r.Clause, func(c rune) bool { return strings.ContainsRune(" ,;:()", c) }) {
		number, isSection := strings.CutPrefix(word, "§")
		switch {
		case isSection && number != "":
			sections = append(sections, rfc+"/"+number)
		case len(word) == 4 && strings.Trim(word, "0123456789") == "":
			rfc = "rfc" + word
		}
	}
	return sections
}
