package scripted

import (
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// state counts a state of the model.
func (j *judge) state(name string) {
	if j.coverage != nil {
		j.coverage.State(name)
	}
}

// cover counts a transition.
func (j *judge) cover(from, what string) {
	if j.coverage != nil {
		j.coverage.Transition(from + " -> " + what)
	}
}

// unknown is the name under which keys are counted that nobody defines.
const unknown = "(unknown)"

// count counts the keys of a text of the array's with the classes of their values, and those that the flow has left out of it.
func (m *model) count(pairs text.Pairs) {
	c := m.j.coverage
	if c == nil {
		return
	}
	for i, p := range pairs {
		name := p.Key
		if ruleOf(p.Key) == nil && !slices.Contains(chapKeys, p.Key) {
			name = unknown
		}
		if _, twice := pairs[:i].Get(p.Key); twice {
			c.Key(name, fuzz.Duplicated)
		} else {
			c.Key(name, classOf(p))
		}
	}
	if m.step == 0 {
		return
	}
	for _, p := range m.j.p.flow.Steps[m.step-1].Pairs {
		if p.Bare && (ruleOf(p.Key) != nil || slices.Contains(chapKeys, p.Key)) {
			c.Key(p.Key, fuzz.Missing)
		}
	}
}

// classOf tells of what class a value is that came from the array.
func classOf(p text.Pair) fuzz.Class {
	r := ruleOf(p.Key)
	switch {
	case reservedWord(p.Value) && !slices.Contains(chapKeys, p.Key):
		return fuzz.Legal
	case r == nil && slices.Contains(chapKeys, p.Key):
		return chapClass(p.Key, p.Value)
	case r == nil:
		return unknownClass(p)
	case r.numeric():
		n, ok := numberOf(p.Value)
		return among(ok, n, r.least, r.most)
	case r.function == declared:
		return lengthClass(p.Value)
	case r.function == obsolete && p.Value == "No", r.function != obsolete && r.takes(p.Value):
		return fuzz.Legal
	case p.Value == "" || strings.Trim(p.Value, letters) != "" || strings.ToLower(p.Value) == p.Value || strings.ToUpper(p.Value) == p.Value && len(p.Value) < 4:
		return fuzz.Malformed
	}
	return fuzz.Illegal
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// among is the class of a number.
func among(ok bool, n, least, most int64) fuzz.Class {
	switch {
	case !ok:
		return fuzz.Malformed
	case n < least || n > most:
		return fuzz.Illegal
	case n == least || n == most:
		return fuzz.Boundary
	}
	return fuzz.Legal
}

func lengthClass(value string) fuzz.Class {
	switch {
	case value == "":
		return fuzz.Malformed
	case len(value) > 255:
		return fuzz.Illegal
	case len(value) == 255 || len(value) == 1:
		return fuzz.Boundary
	}
	return fuzz.Legal
}

func unknownClass(p text.Pair) fuzz.Class {
	switch {
	case !askable(p.Key):
		return fuzz.Malformed
	case len(p.Value) > 255:
		return fuzz.Illegal
	case len(p.Key) == 63 || len(p.Value) == 255 || p.Value == "":
		return fuzz.Boundary
	}
	return fuzz.Legal
}

// chapClass is the class of a value of a key of CHAP as the array sends it.
func chapClass(key, value string) fuzz.Class {
	n, isNumber := numberOf(value)
	b, isBinary := binaryOf(value)
	switch key {
	case "CHAP_A":
		switch {
		case !isNumber:
			return fuzz.Malformed
		case n != 5:
			return fuzz.Illegal
		}
		return fuzz.Legal
	case "CHAP_I":
		return among(isNumber, n, 0, 255)
	case "CHAP_N":
		return lengthClass(value)
	}
	switch {
	case !isBinary:
		return fuzz.Malformed
	case key == "CHAP_C":
		return among(true, int64(len(b)), 1, 1024)
	case len(b) != 16:
		return fuzz.Illegal
	}
	return fuzz.Legal
}
