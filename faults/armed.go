package faults

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// anyPDU is the name that stands for every PDU of a direction.
const anyPDU = "any"

// pduNames are the names of all operation codes, also of those that the RFC does not define.
var pduNames = func() (names [64]string) {
	for op := range names {
		names[op] = strings.ReplaceAll(strings.ToLower(pdu.Opcode(op).String()), " ", "-")
	}
	return names
}()

// PDUNames are the names by which a placed fault calls PDUs: the RFC's, in lower case with hyphens, in the order of the operation codes.
func PDUNames() []string {
	var names []string
	for op, name := range pduNames {
		if pdu.Opcode(op).Known() {
			names = append(names, name)
		}
	}
	return names
}

// PDUName is the name of one operation code, such as "login-response", or "opcode-0x1f" for one that the RFC does not define.
func PDUName(op pdu.Opcode) string { return pduNames[op&0x3f] }

// opcodeNamed is the inverse of PDUName for PDUs that the RFC defines, and reports false for all other names.
func opcodeNamed(name string) (pdu.Opcode, bool) {
	op := pdu.Opcode(slices.Index(pduNames[:], name) & 0x3f)
	return op, name == pduNames[op] && op.Known()
}

func knownPDU(name string) bool {
	_, known := opcodeNamed(name)
	return known
}

// Need is how much of a PDU must be known before it can be told whether a fault strikes it.
type Need int

// The needs, each more than the one before.
const (
	NeedOpcode Need = iota // its first byte
	NeedHeader             // the basic header segment
	NeedData               // the whole data segment
)

// Armed is a placed fault that waits for its PDUs: it counts those that match and tells which of them it strikes. Every carrier uses it, so that one text means
// the same on each. It is not safe for concurrent use.
type Armed struct {
	fault      Fault
	conditions []condition
	seed       uint64
	need       Need
	ops        opcodes // of the PDUs that its name means
	seen       int     // PDUs that matched
	struck     int     // those of them that it strikes
}

// Arm makes a placed fault count from now on. The seed decides what a Chance strikes, together with the fault's text. The error is that of [Fault.Validate], or
// tells that the fault is not placed.
func Arm(f Fault, seed uint64) (*Armed, error) {
	if err := f.Validate(); err != nil {
		return nil, err
	}
	if !f.Placed() {
		return nil, &Error{Text: f.String(), Field: "pdu", Want: "one: only a placed fault waits for PDUs"}
	}
	a := &Armed{fault: f, seed: seed, ops: ^opcodes(0)}
	if op, known := opcodeNamed(f.PDU); known {
		a.ops = opcodesOf(op)
	}
	if f.If != "" {
		a.need = NeedHeader
		var err error
		if a.conditions, err = parseConditions(string(f.If)); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(a.conditions, func(c condition) bool { return strings.HasPrefix(c.field, keyPrefix) }) {
			a.need = NeedData
		}
	}
	return a, nil
}

// Fault is the fault that was armed.
func (a *Armed) Fault() Fault { return a.fault }

// Seen is how many PDUs have matched so far, whether it struck them or not.
func (a *Armed) Seen() int { return a.seen }

// Spent reports that it will strike no further PDU.
func (a *Armed) Spent() bool {
	f := a.fault
	if f.Each == 0 && f.Chance == 0 {
		return a.struck > 0
	}
	return f.Times > 0 && a.struck >= f.Times
}

// May tells from name and direction alone whether a PDU can match, and how much of the PDU [Armed.Strikes] has to see. The scope is the carrier's to look at
// ([Scope.Touches]).
func (a *Armed) May(dir Direction, op pdu.Opcode) (Need, bool) {
	if !a.ops.has(op & 0x3f) {
		return NeedOpcode, false
	}
	// A silence's direction says what is held back, not in which direction the PDU travels.
	if a.fault.Verb != Silence && !a.fault.Dir.covers(dir) {
		return NeedOpcode, false
	}
	return a.need, true
}

// Strikes counts a PDU that [Armed.May] match, and tells whether the fault strikes it. It must be asked exactly once for each such PDU, in the order of sending.
// header and data hold at least what May asked for; the opcode alone is the header's first byte.
func (a *Armed) Strikes(header, data []byte) bool {
	if len(a.conditions) > 0 {
		if len(header) < pdu.BHSLength {
			return false
		}
		h := (*pdu.BHS)(header[:pdu.BHSLength])
		for _, c := range a.conditions {
			if !c.holds(h, data) {
				return false
			}
		}
	}
	a.seen++
	if a.Spent() || !a.turn() {
		return false
	}
	a.struck++
	return true
}

// turn tells whether the PDU just counted is one of those to strike.
func (a *Armed) turn() bool {
	f := a.fault
	past := a.seen - max(f.Nth, 1)
	switch {
	case past < 0:
		return false
	case f.Chance > 0:
		return rand.New(rand.NewPCG(keyed(a.seed, "chance", f.String(), strconv.Itoa(a.seen)), a.seed)).Float64() < f.Chance
	case f.Each > 0:
		return past%f.Each == 0
	}
	return past == 0
}
