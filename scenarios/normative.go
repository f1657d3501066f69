package scenarios

import (
	_ "embed" // for the text of the statements
	"fmt"
	"sync"

	"github.com/goccy/go-yaml"
)

// Statement is one normative statement of RFC 7143 or RFC 7144 that binds a target or an initiator.
type Statement struct {
	// Section is "6.3" of RFC 7143, or names RFC 7144.
	Section string `yaml:"section" json:"section"`
	Level   string `yaml:"level" json:"level"`
	// Binds is "target", "initiator" or "both".
	Binds string `yaml:"binds" json:"binds"`
	About string `yaml:"about" json:"about"`
	// Rows are the catalogue rows that check it. Where there is none, Unseen says why nothing on the wire can show it, or, as long as that is
	// empty, Note says what a check would take.
	Rows   []string `yaml:"rows" json:"rows"`
	Unseen string   `yaml:"unseen" json:"unseen,omitempty"`
	Note   string   `yaml:"note" json:"note,omitempty"`
}

//go:embed catalogue/normative.yaml
var normativeText []byte

// LoadStatements returns the normative statements in the order of the RFCs' sections. It panics when the embedded file
// cannot be read, which only a change of that file can cause.
var LoadStatements = sync.OnceValue(func() []Statement {
	var statements []Statement
	if err := yaml.UnmarshalWithOptions(normativeText, &statements, yaml.Strict()); err != nil {
		panic(fmt.Sprintf("scenarios: the embedded list of statements is broken: %v", err))
	}
	return statements
})
