package fuzz

import (
	"slices"
)

// shrinkMax bounds how many smaller flows are tried.
const shrinkMax = 3000

// Shrink makes a flow smaller as long as fails says that it still fails in the same way, and gives the smallest. It asks at most so many
// times; 0 means a bound of its own.
func Shrink(f Flow, most int, fails func(Flow) bool) Flow {
	if most == 0 {
		most = shrinkMax
	}
	s := shrinking{best: f, left: most, fails: fails}
	s.alone()
	for again := true; again && s.left > 0; {
		again = s.steps()
		again = s.each() || again
		again = s.renumber() || again
	}
	return s.best
}

type shrinking struct {
	best  Flow
	left  int
	fails func(Flow) bool
}

// try takes a smaller flow where it still fails.
func (s *shrinking) try(smaller Flow) bool {
	if s.left == 0 || smaller.String() == s.best.String() {
		return false
	}
	s.left--
	if !s.fails(smaller) {
		return false
	}
	s.best = smaller
	return true
}

// alone tries each connection by itself, the last first.
func (s *shrinking) alone() {
	for number := s.best.Conns(); number > 0; number-- {
		smaller := s.best
		smaller.Steps = nil
		for _, step := range s.best.Steps {
			if step.Conn == number {
				smaller.Steps = append(smaller.Steps, step)
			}
		}
		if len(smaller.Steps) < len(s.best.Steps) && s.try(smaller) {
			return
		}
	}
}

// without leaves n elements out of a list.
func without[T any](list []T, at, n int) []T {
	return append(slices.Clone(list[:at]), list[at+n:]...)
}

// steps leaves steps out, many at a time at first.
func (s *shrinking) steps() bool {
	any := false
	for n := len(s.best.Steps); n > 0; n /= 2 {
		for at := 0; at+n <= len(s.best.Steps); {
			smaller := s.best
			smaller.Steps = without(s.best.Steps, at, n)
			if s.try(smaller) {
				any = true
			} else {
				at++
			}
		}
	}
	return any
}

// each makes single steps plainer.
func (s *shrinking) each() bool {
	any := false
	for i := range s.best.Steps {
		for n := len(s.best.Steps[i].Pairs); n > 0; n /= 2 {
			for at := 0; at+n <= len(s.best.Steps[i].Pairs); {
				step := s.best.Steps[i]
				step.Pairs = without(step.Pairs, at, n)
				if s.with(i, step) {
					any = true
				} else {
					at++
				}
			}
		}
		for _, change := range plainer {
			step := s.best.Steps[i]
			change(&step)
			any = s.with(i, step) || any
		}
		any = s.values(i) || any
	}
	return any
}

// with tries the flow with another step in a place.
func (s *shrinking) with(i int, step Step) bool {
	if step.String() == s.best.Steps[i].String() {
		return false
	}
	smaller := s.best
	smaller.Steps = slices.Clone(s.best.Steps)
	smaller.Steps[i] = step
	return s.try(smaller)
}

// plainer are changes that take something out of a step.
var plainer = []func(*Step){
	func(s *Step) { s.Header = Header{CSG: s.CSG, NSG: s.NSG, Transit: s.Transit} },
	func(s *Step) { s.Cut = Cut{} },
	func(s *Step) { s.Cut.At = 0 },
	func(s *Step) { s.Form = FormPlain },
	func(s *Step) { s.ISID = 0 },
	func(s *Step) { s.TSIH = "" },
	func(s *Step) { s.CID = 0 },
	func(s *Step) { s.ITT = 0 },
	func(s *Step) { s.CmdSN = 0 },
	func(s *Step) { s.ExpStatSN = 0 },
	func(s *Step) { s.VersionMin = 0 },
	func(s *Step) { s.VersionMax = 0 },
	func(s *Step) { s.Continue = false },
	func(s *Step) { s.Reason = 0 },
	func(s *Step) { s.Transit, s.NSG = false, 0 },
	func(s *Step) { s.CSG = 1 },
	func(s *Step) { s.CSG = 0 },
	func(s *Step) {
		if s.Verb == VerbLogin {
			s.Verb, s.NSG, s.Transit = VerbWalk, 0, false
		}
	},
}

// values puts plain values into the pairs of a step.
func (s *shrinking) values(i int) bool {
	any := false
	for at := range s.best.Steps[i].Pairs {
		step := s.best.Steps[i]
		k := keyOf(step.Pairs[at].Key)
		if k == kUnknown || step.Pairs[at].Bare {
			continue
		}
		step.Pairs = slices.Clone(step.Pairs)
		step.Pairs[at].Value = valuesOf[k][Legal][0]
		any = s.with(i, step) || any
	}
	return any
}

// renumber closes gaps between the numbers of the connections, and tries the plainest setup.
func (s *shrinking) renumber() bool {
	smaller := s.best
	smaller.Steps = slices.Clone(s.best.Steps)
	numbers := map[int]int{}
	for i := range smaller.Steps {
		step := &smaller.Steps[i]
		if numbers[step.Conn] == 0 {
			numbers[step.Conn] = len(numbers) + 1
		}
		step.Conn = numbers[step.Conn]
		if len(step.TSIH) == 2 {
			if n := numbers[int(step.TSIH[1]-'0')]; n != 0 {
				step.TSIH = "c" + string(rune('0'+n))
			}
		}
	}
	any := s.try(smaller)
	if s.best.Role == TargetRole && s.best.Setup != setups[0].Name {
		plain := s.best
		plain.Setup = setups[0].Name
		any = s.try(plain) || any
	}
	return any
}
