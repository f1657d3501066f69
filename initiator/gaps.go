package initiator

import (
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
)

const (
	// gapsMax bounds the separate gaps in one series of numbers, gapLengthMax the numbers in one.
	gapsMax      = 64
	gapLengthMax = 1 << 16
)

// gap is a run of numbers that did not come, from one to before another.
type gap struct {
	from, to uint32
	asked    int       // How often the target was asked for it.
	at       time.Time // When it was asked last.
}

// gaps are what is missing of a series of numbers (DataSN and R2TSN of a task, StatSN of a connection) before the next one expected, in
// order. The series itself is a single number elsewhere, since almost always nothing is missing.
type gaps []gap

// open notes that the numbers from one to before another did not come. It reports false when more is missing than is kept account of.
func (g *gaps) open(from, to uint32) bool {
	if to-from > gapLengthMax || len(*g) >= gapsMax {
		return false
	}
	i, _ := slices.BinarySearchFunc(*g, from, func(e gap, n uint32) int { return int(int32(e.from - n)) })
	*g = slices.Insert(*g, i, gap{from: from, to: to})
	return true
}

// fill notes that a number has come after all. It reports false if it was not missing.
func (g *gaps) fill(n uint32) bool {
	for i := range *g {
		e := &(*g)[i]
		switch {
		case iscsi.SNLess(n, e.from) || !iscsi.SNLess(n, e.to):
			continue
		case e.to-e.from == 1:
			*g = slices.Delete(*g, i, i+1)
		case n == e.from:
			e.from++
		case n == e.to-1:
			e.to--
		default:
			rest := *e
			rest.from = n + 1
			e.to = n
			*g = slices.Insert(*g, i+1, rest)
		}
		return true
	}
	return false
}

// first returns the first number that is missing: next, the one expected, if there is no gap before it.
func (g gaps) first(next uint32) uint32 {
	if len(g) == 0 {
		return next
	}
	return g[0].from
}
