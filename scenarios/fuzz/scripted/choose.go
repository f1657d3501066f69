package scripted

import "github.com/iscsispec/iscsispec/scenarios/fuzz"

// pick draws one of several values.
func pick[T any](c fuzz.Choices, label string, values ...T) T {
	return values[c.Choose(label, len(values))]
}

// chance draws true once in n times.
func chance(c fuzz.Choices, label string, n int) bool { return c.Choose(label, n) == n-1 }
