package fuzz

import (
	"fmt"
	"io"
	"maps"
	"slices"
)

// Coverage counts what flows have reached. The zero value is ready; it is for one goroutine, and Add puts those of several together.
type Coverage struct {
	States, Transitions, Keys map[string]uint64
}

// State counts a state of the model.
func (c *Coverage) State(name string) { count(&c.States, name, 1) }

// Transition counts a transition of the model, by its name.
func (c *Coverage) Transition(name string) { count(&c.Transitions, name, 1) }

// Key counts a key with a class of value.
func (c *Coverage) Key(key string, class Class) { count(&c.Keys, key+" "+string(class), 1) }

func count(m *map[string]uint64, name string, n uint64) {
	if *m == nil {
		*m = map[string]uint64{}
	}
	(*m)[name] += n
}

// Add counts all that another one has counted.
func (c *Coverage) Add(other *Coverage) {
	for _, pair := range []struct{ to, from *map[string]uint64 }{
		{&c.States, &other.States}, {&c.Transitions, &other.Transitions}, {&c.Keys, &other.Keys},
	} {
		for name, n := range *pair.from {
			count(pair.to, name, n)
		}
	}
}

// Plan is all that there is to reach: the names that Coverage counts.
type Plan struct {
	States, Transitions, Keys []string
}

// Missed lists what of a list was not reached, in its order.
func Missed(all []string, reached map[string]uint64) []string {
	var missed []string
	for _, name := range all {
		if reached[name] == 0 {
			missed = append(missed, name)
		}
	}
	return missed
}

// Write prints the coverage against a plan: a table of every name and how often it was reached, and at the end what was not.
func (c *Coverage) Write(w io.Writer, plan Plan) error {
	var failed error
	print := func(format string, args ...any) {
		if _, err := fmt.Fprintf(w, format, args...); err != nil && failed == nil {
			failed = err
		}
	}
	for _, part := range []struct {
		title   string
		all     []string
		reached map[string]uint64
	}{{"states", plan.States, c.States}, {"transitions", plan.Transitions, c.Transitions}, {"keys by class of value", plan.Keys, c.Keys}} {
		if len(part.all) == 0 { // Nobody has listed what there is to reach.
			part.all = slices.Sorted(maps.Keys(part.reached))
		}
		missed := Missed(part.all, part.reached)
		print("%s: %d of %d\n", part.title, len(part.all)-len(missed), len(part.all))
		for _, name := range part.all {
			print("  %-56s %d\n", name, part.reached[name])
		}
		for _, name := range slices.Sorted(maps.Keys(part.reached)) {
			if !slices.Contains(part.all, name) {
				print("  %-56s %d (beyond the plan)\n", name, part.reached[name])
			}
		}
		if len(missed) > 0 {
			print("  not reached: %q\n", missed)
		}
	}
	return failed
}
