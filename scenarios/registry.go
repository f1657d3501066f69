package scenarios

import (
	"errors"
	"fmt"
	"sort"
)

// Suite is one list of checks with the stage that they play on.
type Suite struct {
	// Name is what the command line calls it: "sessions", "target".
	Name string
	// Checks in any order; the registry sorts them.
	Checks []Check
	// Stage puts a sound or deviating embedded peer before each check. Nil means BareStage.
	Stage Stage
	// Monitor looks over the trace of every check beside the check's own judge; nil where nobody does.
	Monitor Monitor
	// Virtual tells that the stage, or the checks themselves, run in bubbles.
	Virtual bool
	// Own tells that the peer under judgement is the project's own initiator, which is held to every SHOULD.
	Own bool
	// Embedded tells that the peer is part of this process, so that no risk is taken by any check.
	Embedded bool
	// Abilities of the peer as far as they are known.
	Abilities Abilities
	// Sessions is how many sessions a real peer bears at once, for checks that may run side by side (Check.Sessions); 0 means that none do.
	Sessions int
	// Ranges is into how many ranges of blocks the checks that share the logical unit divide it (Env.Range): no more of them run at once. 0
	// means that they need none.
	Ranges int
	// Peer describes in a few words who is judged, for the run header.
	Peer string
}

// Registry holds the checks of all suites in catalogue order. It does not change after it is made.
type Registry struct {
	catalogue *Catalogue
	suites    []*Suite
	entries   []Entry
}

// Entry is a check with the suite that it belongs to.
type Entry struct {
	*Check
	Of *Suite
}

// ErrRegistry is what every complaint about a list of checks wraps.
var ErrRegistry = errors.New("the list of checks does not hold together")

// NewRegistry binds suites to the catalogue. A check without a row, a name that stands twice in a suite, a check
// without Run and a deviation without a name of its own are refused with an error that wraps ErrRegistry and names all offenders.
func NewRegistry(catalogue *Catalogue, suites ...Suite) (*Registry, error) {
	r := &Registry{catalogue: catalogue}
	place := map[string]int{}
	for i, row := range catalogue.Rows() {
		place[row.ID] = i
	}
	var complaints []error
	for _, s := range suites {
		suite := new(s)
		suite.Checks = append([]Check(nil), s.Checks...)
		if suite.Stage == nil {
			suite.Stage = BareStage
		}
		seen := map[string]bool{}
		for i := range suite.Checks {
			c := &suite.Checks[i]
			if err := bind(c, suite, catalogue); err != nil {
				complaints = append(complaints, fmt.Errorf("%w: suite %s: %s: %w", ErrRegistry, suite.Name, c.ID, err))
				continue
			}
			if seen[c.ID] {
				complaints = append(complaints, fmt.Errorf("%w: suite %s: %s stands twice", ErrRegistry, suite.Name, c.ID))
			}
			seen[c.ID] = true
			r.entries = append(r.entries, Entry{Check: c, Of: suite})
		}
		r.suites = append(r.suites, suite)
	}
	sort.SliceStable(r.entries, func(a, b int) bool { return place[r.entries[a].ID] < place[r.entries[b].ID] })
	return r, errors.Join(complaints...)
}

// bind fills in what a check takes from its row and its suite.
func bind(c *Check, suite *Suite, catalogue *Catalogue) error {
	row := catalogue.Row(c.ID)
	if row == nil {
		return errors.New("no such row in the catalogue")
	}
	if c.Run == nil {
		return errors.New("it has no Run")
	}
	names := map[string]bool{}
	for _, d := range c.Deviations {
		if d.Name == "" || names[d.Name] {
			return fmt.Errorf("the deviation %q has no name or stands twice", d.Name)
		}
		names[d.Name] = true
	}
	c.Row, c.Suite = row, suite.Name
	if c.Needs == nil {
		c.Needs = row.Requires
	}
	return nil
}

// Catalogue returns the catalogue that the registry was bound to.
func (r *Registry) Catalogue() *Catalogue { return r.catalogue }

// Suites returns the suites in the order in which they were given.
func (r *Registry) Suites() []*Suite { return append([]*Suite(nil), r.suites...) }

// Suite returns the suite of that name, or nil.
func (r *Registry) Suite(name string) *Suite {
	for _, s := range r.suites {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Entries returns the checks of the named suites, or of all suites where none is named, in catalogue order.
func (r *Registry) Entries(suites ...string) []Entry {
	if len(suites) == 0 {
		return append([]Entry(nil), r.entries...)
	}
	var entries []Entry
	for _, e := range r.entries {
		for _, name := range suites {
			if e.Suite == name {
				entries = append(entries, e)
				break
			}
		}
	}
	return entries
}

// Find returns all checks of that row; a row can be checked in more than one suite.
func (r *Registry) Find(id string) []Entry {
	var found []Entry
	for _, e := range r.entries {
		if e.ID == id {
			found = append(found, e)
		}
	}
	return found
}
