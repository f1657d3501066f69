package faults

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Verb is what a fault does.
type Verb string

// The verbs. How each is placed: timed (at an instant), placed (at a PDU), or either.
const (
	Reset     Verb = "reset"     // either: both ends of every connection in scope see a TCP reset; what was on its way is lost
	Fin       Verb = "fin"       // either: both ends see an orderly end of the stream after what was on its way
	Silence   Verb = "silence"   // either: what is sent in the direction is held back until healed, as TCP would repeat it; new dials hang
	Refuse    Verb = "refuse"    // timed: new connections are refused; open ones live on
	Blackhole Verb = "blackhole" // timed: nothing passes in either direction, and new dials are never answered
	Stall     Verb = "stall"     // timed: a connection's direction carries After more bytes, then is silent until healed; dials are answered
	Delay     Verb = "delay"     // either: deliveries take longer, by By
	Jitter    Verb = "jitter"    // timed: each delivery takes longer by a part of By that the seed draws; order is kept
	Throttle  Verb = "throttle"  // timed: each direction of each connection carries at most Rate bytes a second
	Split     Verb = "split"     // either: PDUs travel in segments of at most Size bytes, or one PDU in two segments that meet at Byte
	Coalesce  Verb = "coalesce"  // either: what is sent waits up to By for more, and travels with it as one segment
	Corrupt   Verb = "corrupt"   // placed: one byte of the PDU arrives with the bits of Mask inverted
	Truncate  Verb = "truncate"  // placed: the PDU's bytes from Byte on vanish; the connection lives on, out of step
	Drop      Verb = "drop"      // placed: the PDU vanishes, all others pass
	Move      Verb = "move"      // timed: the portal's address is answered by the machine that listens at To, which resets open connections
	Heal      Verb = "heal"      // timed: ends everything in scope that is in force, and placed faults that repeat; a timed one still comes again
)

// Verbs are all verbs, in the order of their documentation.
func Verbs() []Verb {
	return []Verb{Reset, Fin, Silence, Refuse, Blackhole, Stall, Delay, Jitter, Throttle, Split, Coalesce, Corrupt, Truncate, Drop, Move, Heal}
}

// Lasting tells whether the verb, placed at an instant, stays in force until it heals. The others happen and are over.
func (v Verb) Lasting() bool {
	switch v {
	case Silence, Refuse, Blackhole, Stall, Delay, Jitter, Throttle, Split, Coalesce, Move:
		return true
	}
	return false
}

// Fault is one thing that goes wrong, or is put right, as a value. It is either timed (PDU empty: it happens At, and again Every) or placed (PDU
// set: it strikes PDUs of the scope that are sent from At on). Faults compare with ==. Every field's zero value means its default or that the field does
// not apply; [Fault.Validate] tells which fields a verb takes.
type Fault struct {
	Verb  Verb
	Scope Scope
	At    time.Duration // from the start of the plan
	For   time.Duration // lasting faults, and a placed silence: heals by itself after this; 0 means never
	Every time.Duration // timed: happens again after this, counted from one beginning to the next; 0 means once
	Dir   Direction     // silence, stall and what shapes deliveries: the direction touched; other placed faults: in which the PDU travels

	PDU    string    // name of a PDU, see [PDUNames], or "any"; "" for a timed fault
	If     Predicate // of a placed fault: only PDUs for which this holds are counted
	Nth    int       // of a placed fault: the PDU that it strikes first, counted from 1; 0 means 1
	Each   int       // of a placed fault: then strikes every Each-th PDU; 0 means no further one
	Chance float64   // of a placed fault: strikes each PDU from the Nth on with this probability, at most 1, drawn from the seed; 0 means surely
	Times  int       // with Every, Each or Chance: strikes or begins at most this often; 0 means without end
	Byte   Position  // placed reset, fin, silence, truncate: the bytes before it arrive; corrupt: the byte; split: where the segments meet

	Mask  byte           // corrupt: the bits inverted; 0 means all eight
	By    time.Duration  // delay: how much longer; jitter: up to; coalesce: the longest wait; split: a pause between segments
	Rate  int            // throttle: bytes a second
	Size  int            // split: the longest segment, in bytes; coalesce: the longest that is put together, 0 means 64 KiB
	After int            // stall: how many bytes still pass
	To    netip.AddrPort // move: the portal whose listener answers
}

// Limits of a fault's numbers, so that no text makes a carrier wait or count without bounds.
const (
	sizeMax     = 1<<24 - 1                 // bytes: no PDU is longer than its 24-bit length tells
	rateMax     = 1 << 40                   // bytes a second
	countMax    = 1 << 30                   // of nth, each and times
	instantMax  = 10 * 365 * 24 * time.Hour // of at, for, every and by
	coalesceMax = 64 << 10                  // bytes of a coalesced segment, unless the fault says otherwise
)

// Placed tells whether the fault waits for a PDU. The others happen at an instant.
func (f Fault) Placed() bool { return f.PDU != "" }

// Lasting tells whether the fault stays in force until it heals.
func (f Fault) Lasting() bool { return !f.Placed() && f.Verb.Lasting() }

// String is the fault's one text form, which [Parse] reads back to an equal value: "reset:portal=10.0.0.1:3260,at=12s".
func (f Fault) String() string {
	var fields []string
	add := func(given bool, key, value string) {
		if given {
			fields = append(fields, key+"="+value)
		}
	}
	key, value := f.Scope.field()
	add(!f.Scope.all(), key, value)
	add(f.Dir != Both, "dir", string(f.Dir))
	add(f.PDU != "", "pdu", f.PDU)
	add(f.If != "", "if", string(f.If))
	add(f.Nth != 0, "nth", strconv.Itoa(f.Nth))
	add(f.Each != 0, "each", strconv.Itoa(f.Each))
	add(f.Chance != 0, "chance", strconv.FormatFloat(f.Chance, 'g', -1, 64))
	add(f.Byte != Position{}, "byte", f.Byte.String())
	add(f.Mask != 0, maskKey(f.Mask), maskText(f.Mask))
	add(f.At != 0 || f.PDU == "", "at", f.At.String())
	add(f.For != 0, "for", f.For.String())
	add(f.Every != 0, "every", f.Every.String())
	add(f.Times != 0, "times", strconv.Itoa(f.Times))
	add(f.By != 0, "by", f.By.String())
	add(f.Rate != 0, "rate", strconv.Itoa(f.Rate))
	add(f.Size != 0, "size", strconv.Itoa(f.Size))
	add(f.After != 0, "after", strconv.Itoa(f.After))
	add(f.To.IsValid(), "to", f.To.String())
	return string(f.Verb) + ":" + strings.Join(fields, ",")
}

// Occurrence gives the instant, counted from the plan's start, at which a timed fault begins for the k-th time, k counted from 0. It reports false when
// there is no such time. A carrier asks for the next occurrence when one has begun, since there may be no last one.
func (f Fault) Occurrence(k int) (time.Duration, bool) {
	switch {
	case f.Placed() || k < 0 || k > 0 && f.Every <= 0 || f.Times > 0 && k >= f.Times:
		return 0, false
	case k > 0 && time.Duration(k) > (instantMax-f.At)/f.Every:
		return 0, false
	}
	return f.At + time.Duration(k)*f.Every, true
}

// MarshalText makes a fault a string in YAML and JSON.
func (f Fault) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (f *Fault) UnmarshalText(b []byte) (err error) {
	*f, err = Parse(string(b))
	return err
}
