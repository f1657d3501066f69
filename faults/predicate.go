package faults

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// Predicate says which PDUs a placed fault counts, beyond the PDU's name: conditions joined by &, all of which must hold. "" always holds. The value is
// its own text form, as [ParsePredicate] writes it:
//
//	final&length>=512       the F bit is set, and the data segment has at least 512 bytes
//	!immediate&cmdsn=7      not immediate, CmdSN 7
//	csg=1&nsg=3             a login PDU that asks to leave operational negotiation for full feature phase
//	key.HeaderDigest=CRC32C the text of the data segment says HeaderDigest=CRC32C
//	!key.TargetAddress      the text names no TargetAddress
//
// A flag stands alone, or behind ! for its absence. A number is compared by =, !=, <, <=, > or >= with a decimal or (0x) hexadecimal number, as plain
// numbers: serial numbers do not wrap here. key.NAME is a key of a login or text PDU's own data segment: present, behind ! absent, = or != to a value
// (and present). In names and values, bytes that mean something here or in a fault are written as % and two hexadecimal digits. [PredicateFields] lists the
// fields. A field that a PDU does not have never matches.
type Predicate string

// conditionsMax bounds the conditions of one predicate, and predicateMax its text in bytes.
const (
	conditionsMax = 32
	predicateMax  = 4096
)

// condition is one term of a predicate.
type condition struct {
	field string
	not   bool   // of a flag or a key's presence
	op    string // of a number or a key's value; "" for presence
	value uint64
	text  string // of a key
}

// The comparisons, longest first so that <= is not taken for <.
var comparisons = []string{"!=", "<=", ">=", "=", "<", ">"}

// keyPrefix marks the conditions on text keys.
const keyPrefix = "key."

// ParsePredicate reads a predicate and gives it in its one text form. The error is an *[Error].
func ParsePredicate(s string) (Predicate, error) {
	conditions, err := parseConditions(s)
	if err != nil {
		return "", err
	}
	terms := make([]string, len(conditions))
	for i, c := range conditions {
		terms[i] = c.String()
	}
	return Predicate(strings.Join(terms, "&")), nil
}

func parseConditions(s string) ([]condition, error) {
	if len(s) > predicateMax || strings.Count(s, "&") >= conditionsMax {
		return nil, &Error{Text: s[:min(len(s), 40)] + "...", Got: "more", Want: fmt.Sprintf("at most %d conditions in %d bytes", conditionsMax, predicateMax)}
	}
	var conditions []condition
	for term := range strings.SplitSeq(s, "&") {
		c, err := parseCondition(term)
		if err != nil {
			err.Text = s
			return nil, err
		}
		conditions = append(conditions, c)
	}
	return conditions, nil
}

func parseCondition(term string) (condition, *Error) {
	var c condition
	c.field, c.not = strings.CutPrefix(term, "!")
	value := ""
	for i := range c.field {
		if rest := c.field[i:]; rest[0] == '!' || rest[0] == '<' || rest[0] == '>' || rest[0] == '=' {
			for _, op := range comparisons {
				if after, found := strings.CutPrefix(rest, op); found {
					c.field, c.op, value = c.field[:i], op, after
					break
				}
			}
			break
		}
	}
	if c.op != "" && c.not {
		return c, &Error{Field: c.field, Got: strconv.Quote(term), Want: "! before a flag or a key alone, != in a comparison"}
	}
	if name, found := strings.CutPrefix(c.field, keyPrefix); found {
		return c.ofKey(name, value)
	}
	return c.ofField(term, value)
}

func (c condition) ofKey(name, value string) (condition, *Error) {
	name, known := unescape(name)
	if !known || name == "" {
		return c, &Error{Field: c.field, Got: strconv.Quote(name), Want: "the name of a text key behind " + keyPrefix}
	}
	if c.op != "" && c.op != "=" && c.op != "!=" {
		return c, &Error{Field: c.field, Got: c.op, Want: "= or !=, since a key's value is text"}
	}
	c.field = keyPrefix + name
	if c.text, known = unescape(value); !known {
		return c, &Error{Field: c.field, Got: strconv.Quote(value), Want: "two hexadecimal digits behind %"}
	}
	return c, nil
}

func (c condition) ofField(term, value string) (condition, *Error) {
	f, known := headerFieldNamed(c.field)
	switch {
	case !known:
		return c, &Error{Field: c.field, Got: strconv.Quote(term), Want: "a condition on one of " + strings.Join(PredicateFields(), ", ") + " or " + keyPrefix + "NAME"}
	case f.flag && c.op != "":
		return c, &Error{Field: c.field, Got: strconv.Quote(term), Want: c.field + " or !" + c.field}
	case !f.flag && c.op == "":
		return c, &Error{Field: c.field, Got: strconv.Quote(term), Want: "=, !=, <, <=, > or >= and a number behind it"}
	case f.flag:
		return c, nil
	}
	n, err := strconv.ParseUint(value, 0, 64)
	if err != nil {
		return c, &Error{Field: c.field, Got: strconv.Quote(value), Want: "a number"}
	}
	c.value = n
	return c, nil
}

// String is the condition's text form.
func (c condition) String() string {
	not := ""
	if c.not {
		not = "!"
	}
	if name, found := strings.CutPrefix(c.field, keyPrefix); found {
		return not + keyPrefix + escape(name) + c.op + escape(c.text)
	}
	if c.op == "" {
		return not + c.field
	}
	if f, _ := headerFieldNamed(c.field); f.hexadecimal {
		return fmt.Sprintf("%s%s%#x", c.field, c.op, c.value)
	}
	return fmt.Sprintf("%s%s%d", c.field, c.op, c.value)
}

// checkFor refuses conditions on fields that the named PDU does not have, since they can never hold.
func (p Predicate) checkFor(name string) *Error {
	if p == "" || name == anyPDU {
		return nil
	}
	conditions, err := parseConditions(string(p))
	if err != nil {
		return &Error{Field: "if", Got: err.Error(), Want: "a predicate"}
	}
	op, _ := opcodeNamed(name)
	for _, c := range conditions {
		if strings.HasPrefix(c.field, keyPrefix) {
			if !carriesText(op) {
				return &Error{Field: "if", Got: c.String(), Want: "no text key, since a " + name + " carries none"}
			}
			continue
		}
		if f, _ := headerFieldNamed(c.field); !f.in(op) {
			return &Error{Field: "if", Got: c.String(), Want: "a field of a " + name}
		}
	}
	return nil
}

// holds tells whether a PDU meets the condition.
func (c condition) holds(h *pdu.BHS, data []byte) bool {
	if name, found := strings.CutPrefix(c.field, keyPrefix); found {
		return carriesText(h.Opcode()) && c.holdsIn(name, data)
	}
	f, _ := headerFieldNamed(c.field)
	got, has := f.read(h)
	if !has {
		return false
	}
	switch c.op {
	case "":
		return (got != 0) != c.not
	case "=":
		return got == c.value
	case "!=":
		return got != c.value
	case "<":
		return got < c.value
	case "<=":
		return got <= c.value
	case ">":
		return got > c.value
	}
	return got >= c.value
}

// holdsIn looks a key up in the text of a data segment: pairs of key=value, each behind it a zero byte.
func (c condition) holdsIn(name string, data []byte) bool {
	for pair := range strings.SplitSeq(string(data), "\x00") {
		key, value, _ := strings.Cut(pair, "=")
		if key != name {
			continue
		}
		switch c.op {
		case "":
			return !c.not
		case "=":
			return value == c.text
		}
		return value != c.text
	}
	return c.op == "" && c.not
}

// escape writes the bytes that have a meaning in predicates, faults or plans as % and two digits.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ' || c >= 0x7f || strings.IndexByte("%&,=!<>;#\"'", c) >= 0:
			fmt.Fprintf(&b, "%%%02x", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func unescape(s string) (string, bool) {
	var b strings.Builder
	for len(s) > 0 {
		if s[0] != '%' {
			b.WriteByte(s[0])
			s = s[1:]
			continue
		}
		if len(s) < 3 {
			return "", false
		}
		n, err := strconv.ParseUint(s[1:3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(n))
		s = s[3:]
	}
	return b.String(), true
}
