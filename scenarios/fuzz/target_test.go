package fuzz

import (
	"testing"

	"pgregory.net/rapid"
)

// rapidChoices draws from a property test, which shrinks what it drew.
type rapidChoices struct{ t *rapid.T }

func (c rapidChoices) Choose(label string, n int) int { return rapid.IntRange(0, n-1).Draw(c.t, label) }

// A sound array stays within what the model holds lawful, whatever comes.
func TestOurArrayKeepsToTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := rapidChoices{rt}
		f := DrawTarget(c, pick(c, "setup", Setups()...))
		finding, err := RunTarget(f, Options{T: t})
		if err != nil {
			rt.Fatalf("%v\n%s", err, ReplayLine(f, ""))
		}
		if finding != nil {
			rt.Fatalf("%v\n%s", finding, ReplayLine(f, ""))
		}
	})
}
