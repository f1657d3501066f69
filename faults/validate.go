package faults

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Validate tells what is wrong with a fault as an *[Error], or gives nil.
func (f Fault) Validate() error {
	for _, check := range []func() *Error{f.checkVerb, f.checkRanges, f.checkPlacement, f.checkRepetition, f.checkParameters} {
		if err := check(); err != nil {
			err.Text = f.String()
			return err
		}
	}
	return nil
}

func (f Fault) checkVerb() *Error {
	if !slices.Contains(Verbs(), f.Verb) {
		var names []string
		for _, v := range Verbs() {
			names = append(names, string(v))
		}
		return &Error{Field: "verb", Got: fmt.Sprintf("%q", string(f.Verb)), Want: "one of " + strings.Join(names, ", ")}
	}
	switch f.Verb {
	case Refuse, Blackhole, Stall, Jitter, Throttle, Move, Heal:
		if f.Placed() {
			return &Error{Field: "pdu", Got: f.PDU, Want: "none, since " + string(f.Verb) + " has an instant and no place in the protocol"}
		}
	case Drop, Corrupt, Truncate:
		if !f.Placed() {
			return &Error{Field: "pdu", Want: "one, since " + string(f.Verb) + " strikes PDUs"}
		}
	}
	return nil
}

func (f Fault) checkRanges() *Error {
	for _, d := range []struct {
		field string
		value time.Duration
	}{{"at", f.At}, {"for", f.For}, {"every", f.Every}, {"by", f.By}} {
		if d.value < 0 || d.value > instantMax {
			return &Error{Field: d.field, Got: d.value.String(), Want: "0s to " + instantMax.String()}
		}
	}
	for _, n := range []struct {
		field       string
		value, most int
	}{{"nth", f.Nth, countMax}, {"each", f.Each, countMax}, {"times", f.Times, countMax}, {"after", f.After, countMax}, {"rate", f.Rate, rateMax},
		{"size", f.Size, sizeMax}, {"byte", f.Byte.Offset, sizeMax}} {
		if n.value < 0 || n.value > n.most {
			return &Error{Field: n.field, Got: fmt.Sprint(n.value), Want: fmt.Sprintf("0 to %d", n.most)}
		}
	}
	if !(f.Chance >= 0 && f.Chance <= 1) {
		return &Error{Field: "chance", Got: fmt.Sprint(f.Chance), Want: "a probability from 0 to 1"}
	}
	return f.checkForms()
}

// checkForms refuses values that print as another value reads: those that spell a default out, and names that no text form can carry.
func (f Fault) checkForms() *Error {
	switch {
	case f.Nth == 1:
		return &Error{Field: "nth", Got: "1", Want: "0 for the first"}
	case f.Mask == 0xff:
		return &Error{Field: "mask", Got: "0xff", Want: "0 for all bits"}
	case !slices.Contains([]Direction{Both, ToInitiator, ToTarget}, f.Dir):
		return &Error{Field: "dir", Got: fmt.Sprintf("%q", string(f.Dir)), Want: "to-initiator, to-target or both"}
	}
	if s, err := ParseScope(f.Scope.String()); err != nil || s != f.Scope || strings.ContainsAny(f.Scope.String(), ",\r\n") {
		key, value := f.Scope.field()
		return &Error{Field: key, Got: fmt.Sprintf("%q", value), Want: "a scope that is written the way ParseScope reads it"}
	}
	if p, err := ParsePosition(f.Byte.String()); err != nil || p != f.Byte {
		return &Error{Field: "byte", Got: f.Byte.String(), Want: "a region and an offset in it"}
	}
	if p, err := ParsePredicate(string(f.If)); f.If != "" && (err != nil || p != f.If) {
		return &Error{Field: "if", Got: fmt.Sprintf("%q", string(f.If)), Want: "a predicate that is written the way ParsePredicate writes it"}
	}
	if f.To.IsValid() && f.To.Addr().Zone() != "" {
		return &Error{Field: "to", Got: f.To.String(), Want: "an address without a zone"}
	}
	return nil
}

func (f Fault) checkPlacement() *Error {
	if !f.Placed() {
		if f.Nth != 0 || f.Each != 0 || f.Chance != 0 || f.If != "" || f.Byte != (Position{}) {
			return &Error{Field: "pdu", Want: "one, since nth, each, chance, if and byte are of a placed fault"}
		}
		return nil
	}
	if f.PDU != anyPDU && !knownPDU(f.PDU) {
		return &Error{Field: "pdu", Got: fmt.Sprintf("%q", f.PDU), Want: strings.Join(PDUNames(), ", ") + " or " + anyPDU}
	}
	if err := f.If.checkFor(f.PDU); err != nil {
		return err
	}
	switch f.Verb {
	case Drop, Delay, Coalesce:
		if f.Byte != (Position{}) {
			return &Error{Field: "byte", Got: f.Byte.String(), Want: "none, since " + string(f.Verb) + " strikes the whole PDU"}
		}
	case Truncate, Corrupt:
		if f.Byte.Region == AtEnd {
			return &Error{Field: "byte", Got: f.Byte.String(), Want: "a byte of the PDU for " + string(f.Verb)}
		}
	}
	return nil
}

func (f Fault) checkRepetition() *Error {
	switch {
	case f.Every != 0 && f.Placed():
		return &Error{Field: "every", Got: f.Every.String(), Want: "each or chance, since a placed fault repeats by PDUs"}
	case f.Every != 0 && f.Lasting() && (f.For == 0 || f.For > f.Every):
		return &Error{Field: "for", Got: f.For.String(), Want: "more than 0s and at most every=" + f.Every.String()}
	case f.Each != 0 && f.Chance != 0:
		return &Error{Field: "chance", Got: fmt.Sprint(f.Chance), Want: "either each or chance"}
	case f.Times != 0 && f.Every == 0 && f.Each == 0 && f.Chance == 0:
		return &Error{Field: "times", Got: fmt.Sprint(f.Times), Want: "every, each or chance with it"}
	case f.For != 0 && !f.Lasting() && f.Verb != Silence:
		return &Error{Field: "for", Got: f.For.String(), Want: "none, since only what lasts can end by itself"}
	}
	return nil
}

// checkParameters holds the fields that belong to single verbs to their verbs.
func (f Fault) checkParameters() *Error {
	need := func(field string, given, may, must bool) *Error {
		switch {
		case given && !may:
			return &Error{Field: field, Got: "one", Want: "none for a " + string(f.Verb)}
		case !given && must:
			return &Error{Field: field, Got: "none", Want: "one for a " + string(f.Verb)}
		}
		return nil
	}
	is := func(verbs ...Verb) bool { return slices.Contains(verbs, f.Verb) }
	for _, err := range []*Error{
		need("by", f.By != 0, is(Delay, Jitter, Coalesce, Split), is(Delay, Jitter, Coalesce)),
		need("rate", f.Rate != 0, is(Throttle), is(Throttle)),
		need("size", f.Size != 0, is(Split, Coalesce), is(Split) && f.Byte == (Position{})),
		need("after", f.After != 0, is(Stall), false),
		need("to", f.To.IsValid(), is(Move), is(Move)),
		need("mask", f.Mask != 0, is(Corrupt), false),
		need("dir", f.Dir != Both, f.Placed() || is(Silence, Stall, Delay, Jitter, Throttle, Split, Coalesce), false),
		need("portal", f.Scope.Portal.IsValid(), true, is(Move)),
	} {
		if err != nil {
			return err
		}
	}
	switch {
	case f.Verb == Split && f.Size != 0 && f.Byte != (Position{}):
		return &Error{Field: "size", Got: fmt.Sprint(f.Size), Want: "either size or byte"}
	case f.Verb == Move && f.To == f.Scope.Portal:
		return &Error{Field: "to", Got: f.To.String(), Want: "another portal than the one that moves"}
	}
	return nil
}
