package faults

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Error tells what is wrong with the text or the value of a fault, a predicate, a position or a scope.
type Error struct {
	Text  string // the whole text at hand, or the text form of the value
	Field string // its part that is wrong; "" for the whole
	Got   string
	Want  string
}

// Error names the text, the field, what it is and what was wanted.
func (e *Error) Error() string {
	where := fmt.Sprintf("faults: %q: ", e.Text)
	if e.Field != "" {
		where += e.Field + ": "
	}
	if e.Got == "" {
		return where + "want " + e.Want
	}
	return where + "got " + e.Got + ", want " + e.Want
}

// fieldNames are the keys of a fault's text form, in the order in which they are printed.
const fieldNames = "portal, conn, host, dir, pdu, if, nth, each, chance, byte, bit, mask, at, for, every, times, by, rate, size, after, to"

// Parse reads the text form of a fault. The fields may come in any order; each at most once. The error is an *[Error].
func Parse(text string) (Fault, error) {
	verb, rest, found := strings.Cut(strings.TrimSpace(text), ":")
	if !found {
		return Fault{}, &Error{Text: text, Want: "verb:key=value, and more fields behind commas"}
	}
	f := Fault{Verb: Verb(verb)}
	seen := map[string]bool{}
	for field := range strings.SplitSeq(rest, ",") {
		key, value, found := strings.Cut(field, "=")
		if !found {
			return Fault{}, &Error{Text: text, Got: strconv.Quote(field), Want: "key=value"}
		}
		if seen[key] {
			return Fault{}, &Error{Text: text, Field: key, Got: "it twice", Want: "each field once"}
		}
		seen[key] = true
		if want := f.set(key, value); want != "" {
			return Fault{}, &Error{Text: text, Field: key, Got: strconv.Quote(value), Want: want}
		}
	}
	if err := f.Validate(); err != nil {
		return Fault{}, err
	}
	return f, nil
}

// set stores one field and gives "", or says what was wanted instead of the value.
func (f *Fault) set(key, value string) (want string) {
	switch key {
	case "portal", "conn", "host":
		return f.setScope(key, value)
	case "dir":
		return wanted(&f.Dir, value, parseDirection, "to-initiator, to-target or both")
	case "pdu":
		f.PDU = value
		return ""
	case "if":
		var err error
		if f.If, err = ParsePredicate(value); err != nil {
			return err.Error()
		}
		return ""
	case "nth":
		want = number(&f.Nth, value, 1, countMax)
		if f.Nth == 1 {
			f.Nth = 0 // the default; one text form for one value
		}
		return want
	case "byte":
		var err error
		if f.Byte, err = ParsePosition(value); err != nil {
			return err.Error()
		}
		return ""
	case "bit", "mask":
		return f.setMask(key, value)
	case "chance":
		p, err := strconv.ParseFloat(value, 64)
		if err != nil || !(p > 0 && p <= 1) {
			return "a probability above 0 and at most 1"
		}
		f.Chance = p
		return ""
	case "to":
		return wanted(&f.To, value, netip.ParseAddrPort, "ip:port")
	}
	return f.setMeasure(key, value)
}

// setMeasure stores the fields that are durations or plain numbers.
func (f *Fault) setMeasure(key, value string) (want string) {
	const duration = "a duration such as 1.5s, 30ms or 1m0s"
	switch key {
	case "at":
		return wanted(&f.At, value, time.ParseDuration, duration)
	case "for":
		return wanted(&f.For, value, time.ParseDuration, duration)
	case "every":
		return wanted(&f.Every, value, time.ParseDuration, duration)
	case "by":
		return wanted(&f.By, value, time.ParseDuration, duration)
	case "each":
		return number(&f.Each, value, 1, countMax)
	case "times":
		return number(&f.Times, value, 1, countMax)
	case "rate":
		return number(&f.Rate, value, 1, rateMax)
	case "size":
		return number(&f.Size, value, 1, sizeMax)
	case "after":
		return number(&f.After, value, 0, countMax)
	}
	return "one of the fields " + fieldNames
}

func (f *Fault) setScope(key, value string) (want string) {
	if f.Scope != Everything {
		return "one scope and no second"
	}
	s, err := ParseScope(value)
	if got, _ := s.field(); err != nil || got != key {
		return map[string]string{"portal": "ip:port or *", "conn": "ip:port#number", "host": "the name or the address of a host"}[key]
	}
	f.Scope = s
	return ""
}

// The bits of a byte are numbered as RFC 7143, Section 11 draws them: bit 0 is the most significant.
func (f *Fault) setMask(key, value string) (want string) {
	if f.Mask != 0 {
		return "either bit or mask, not both"
	}
	if key == "bit" {
		n, err := strconv.ParseUint(value, 10, 8)
		if err != nil || n > 7 {
			return "a bit from 0, the most significant, to 7"
		}
		f.Mask = 0x80 >> n
		return ""
	}
	n, err := strconv.ParseUint(value, 0, 8)
	if err != nil || n == 0 {
		return "a mask from 0x01 to 0xff"
	}
	if n == 0xff {
		n = 0 // the default
	}
	f.Mask = byte(n)
	return ""
}

func maskKey(m byte) string {
	if bits.OnesCount8(m) == 1 {
		return "bit"
	}
	return "mask"
}

func maskText(m byte) string {
	if bits.OnesCount8(m) == 1 {
		return strconv.Itoa(bits.LeadingZeros8(m))
	}
	return fmt.Sprintf("%#02x", m)
}

func wanted[T any](field *T, value string, parse func(string) (T, error), want string) string {
	v, err := parse(value)
	if err != nil {
		return want
	}
	*field = v
	return ""
}

func number(field *int, value string, least, most int) (want string) {
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		return fmt.Sprintf("a number from %d to %d", least, most)
	}
	*field = n
	return ""
}
