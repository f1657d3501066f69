// Package scenarios holds the words of a check and runs lists of checks.
//
// A Row is what the catalogue asks of a peer; a Check is the code that looks; an Outcome is what one run of a check
// saw; a Result is what the run says about it once the row's level, the strictness and the baseline had their say. The
// Registry keeps the checks of all suites beside the embedded catalogue, a Selection picks from it, and the Runner
// works the list off, each check within limits, and writes records in an order that does not depend on the workers.
//
// The package knows no peer: checks bring their own (scenarios/sessions runs plans, scenarios/target talks to what a
// Stage puts before it). It never ends the process.
//
// # First use
//
//	registry, err := scenarios.NewRegistry(scenarios.LoadCatalogue(), mySuite)
//	entries, err := scenarios.Selection{Only: []string{"login"}}.Pick(registry.Entries())
//	runner := scenarios.Runner{Seed: 1}
//	results, err := runner.Run(ctx, entries)
package scenarios

import (
	"fmt"
	"strings"
)

// Verdict is what a check comes to. The zero value is Fail: a check is guilty until an accepted outcome matches.
type Verdict uint8

// The verdicts, with the meaning that reports, records and exit statuses give them.
const (
	// Fail: a MUST is broken, or nothing that the row accepts was seen.
	Fail Verdict = iota
	// Pass: an accepted outcome was seen.
	Pass
	// Warn: a SHOULD is broken, or a leniency that the catalogue names was used.
	Warn
	// Skip: a capability is absent or was not negotiated; the reason says which.
	Skip
	// Inconclusive: the harness could not bring about what it wanted to see, or a planned fault never fired.
	Inconclusive
	// Broken: a defect of the harness itself.
	Broken
)

// verdictWords are the spellings in records and reports.
var verdictWords = [...]string{Fail: "fail", Pass: "pass", Warn: "warn", Skip: "skip", Inconclusive: "inconclusive", Broken: "broken"}

// Verdicts returns all verdicts in the order in which summaries name them.
func Verdicts() []Verdict { return []Verdict{Pass, Fail, Warn, Skip, Inconclusive, Broken} }

// String returns the verdict's word, as records spell it.
func (v Verdict) String() string {
	if int(v) < len(verdictWords) {
		return verdictWords[v]
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}

// Sign returns the mark that stands beside the word on a console, so that neither colour nor language is needed.
func (v Verdict) Sign() string {
	switch v {
	case Pass:
		return "+"
	case Fail:
		return "x"
	case Warn:
		return "!"
	case Skip:
		return "-"
	case Inconclusive:
		return "?"
	case Broken:
		return "#"
	}
	return " "
}

// ParseVerdict is the reverse of String. It does not tell upper from lower case.
func ParseVerdict(word string) (Verdict, error) {
	for v, w := range verdictWords {
		if strings.EqualFold(w, word) {
			return Verdict(v), nil
		}
	}
	return Fail, fmt.Errorf("unknown verdict %q: want one of %s", word, strings.Join(verdictWords[:], ", "))
}

// MarshalText writes the verdict's word.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads a verdict's word.
func (v *Verdict) UnmarshalText(text []byte) error {
	parsed, err := ParseVerdict(string(text))
	if err != nil {
		return err
	}
	*v = parsed
	return nil
}

// gravity orders verdicts by what they say about a whole of several parts: a defect of the harness outweighs all, a
// broken rule outweighs a doubt, and a part that could not be tried outweighs one that was well.
func (v Verdict) gravity() int {
	switch v {
	case Broken:
		return 5
	case Fail:
		return 4
	case Inconclusive:
		return 3
	case Warn:
		return 2
	case Pass:
		return 1
	case Skip:
		return 0
	}
	return 5
}

// Worse returns the graver of two verdicts. A pass outweighs a skip: a check of several parts of which some could not
// be tried still passed the others, and says so in its reason.
func Worse(a, b Verdict) Verdict {
	if b.gravity() > a.gravity() {
		return b
	}
	return a
}
