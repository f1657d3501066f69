package fuzz

import "math/rand/v2"

// Choices is where a generator draws from. The same answers make the same flow, and smaller ones a simpler flow: every generator puts the
// legal and plain case first.
type Choices interface {
	// Choose gives a number from 0 to n-1; n is at least 1. The label says what is drawn.
	Choose(label string, n int) int
}

// Seeded draws from a seed. It is for one goroutine.
type Seeded struct{ *rand.Rand }

// NewSeeded begins the drawing of flow number i of a seed.
func NewSeeded(seed, i uint64) Seeded { return Seeded{rand.New(rand.NewPCG(seed, i))} }

// Choose implements Choices.
func (s Seeded) Choose(_ string, n int) int { return s.IntN(n) }

// Bytes draws from the input of a fuzzing engine, one or two bytes for each choice, and zero when they are used up. It is for one goroutine.
type Bytes struct{ Left []byte }

// Choose implements Choices.
func (b *Bytes) Choose(_ string, n int) int {
	v := 0
	for span := 1; span < n && len(b.Left) > 0; span <<= 8 {
		v = v<<8 | int(b.Left[0])
		b.Left = b.Left[1:]
	}
	return v % n
}

// pick draws one of several values.
func pick[T any](c Choices, label string, values ...T) T { return values[c.Choose(label, len(values))] }
