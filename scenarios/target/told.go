package target

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// Told is what a tester says about a target, in the place of what was seen of it. The zero value says nothing. DescribeAbilities writes and
// ParseTold reads it.
type Told struct {
	// Capabilities by the catalogue's words: true has checks that need one try, false has them skipped.
	Capabilities map[scenarios.Capability]bool `yaml:"capabilities,omitempty"`
	// Sessions is how many sessions checks may have at once; 0 says nothing.
	Sessions int `yaml:"sessions,omitempty"`
	// Blocks and BlockSize (bytes) are the size of the logical unit under test; 0 says nothing.
	Blocks    uint64 `yaml:"blocks,omitempty"`
	BlockSize uint32 `yaml:"block_size,omitempty"`
	// WriteProtected tells whether the logical unit takes no writes; nil says nothing.
	WriteProtected *bool `yaml:"write_protected,omitempty"`
}

// ToldError says what is wrong with what a tester has told.
type ToldError struct{ Got, Want string }

// Error names what was told, and what can be.
func (e *ToldError) Error() string { return fmt.Sprintf("%s: want %s", e.Got, e.Want) }

// Capabilities lists the words of the catalogue's target part.
func Capabilities() []scenarios.Capability {
	words := map[scenarios.Capability]bool{}
	for _, row := range scenarios.LoadCatalogue().Rows() {
		if row.Role == scenarios.RoleTarget {
			for _, c := range row.Requires {
				words[c] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(words))
}

// ParseTold reads what DescribeAbilities wrote of a target, or a part of it. An error wraps the YAML parser's, or is a *ToldError.
func ParseTold(text []byte) (Told, error) {
	var t Told
	if err := yaml.UnmarshalWithOptions(text, &t, yaml.Strict()); err != nil {
		return t, err
	}
	return t, t.Valid()
}

// Valid returns nil, or a *ToldError about a word that the catalogue lacks or a number that cannot be.
func (t Told) Valid() error {
	known := Capabilities()
	for _, c := range slices.Sorted(maps.Keys(t.Capabilities)) {
		if !slices.Contains(known, c) {
			return &ToldError{fmt.Sprintf("the capability %q", c), fmt.Sprintf("one of %v", known)}
		}
	}
	if t.Sessions < 0 {
		return &ToldError{fmt.Sprintf("%d sessions", t.Sessions), "0 or more"}
	}
	return nil
}

// Over puts what t says over what another says.
func (t Told) Over(other Told) Told {
	all := maps.Clone(other.Capabilities)
	if all == nil {
		all = map[scenarios.Capability]bool{}
	}
	maps.Copy(all, t.Capabilities)
	if other.Capabilities = all; t.Sessions > 0 {
		other.Sessions = t.Sessions
	}
	if t.Blocks > 0 {
		other.Blocks = t.Blocks
	}
	if t.BlockSize > 0 {
		other.BlockSize = t.BlockSize
	}
	if t.WriteProtected != nil {
		other.WriteProtected = t.WriteProtected
	}
	return other
}

// apply puts what is told in the place of what was seen.
func (t Told) apply(a *probe.Abilities) scenarios.Abilities {
	if t.Sessions > 0 {
		a.Sessions = min(t.Sessions, max(1, a.Sessions))
	}
	if t.Blocks > 0 {
		a.Unit.Blocks = t.Blocks
	}
	if t.BlockSize > 0 {
		a.Unit.BlockSize = t.BlockSize
	}
	if t.WriteProtected != nil {
		a.WriteProtected = *t.WriteProtected
	}
	known := a.Known()
	for c, present := range t.Capabilities {
		known[c] = scenarios.Ability{Present: present, Reason: "told by the tester"}
	}
	return known
}

// DescribeAbilities writes what is known about a target as ParseTold reads it, each capability with how it is known, and all else that was
// seen as comments.
func DescribeAbilities(a *probe.Abilities, known scenarios.Abilities) string {
	var b strings.Builder
	b.WriteString("# What is known about the target. Change what is not so, and give the file to --abilities.\n")
	for line := range strings.Lines(a.String()) {
		b.WriteString("# " + line)
	}
	b.WriteString("capabilities:\n")
	for _, c := range slices.Sorted(maps.Keys(known)) {
		fmt.Fprintf(&b, "  %s: %t # %s\n", c, known[c].Present, strings.ReplaceAll(known[c].Reason, "\n", " "))
	}
	if a.Sessions > 0 {
		fmt.Fprintf(&b, "sessions: %d\n", a.Sessions)
	}
	if a.Unit.BlockSize > 0 {
		fmt.Fprintf(&b, "blocks: %d\nblock_size: %d\nwrite_protected: %t\n", a.Unit.Blocks, a.Unit.BlockSize, a.WriteProtected)
	}
	return b.String()
}
