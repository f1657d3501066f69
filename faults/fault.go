package faults

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Verb is what a fault does.
type Verb string

// The verbs.
const (
	Reset     Verb = "reset"     // both ends of every connection in scope see a TCP reset; what was on its way is lost
	Fin       Verb = "fin"       // both ends see an orderly end of the stream after what was on its way
	Silence   Verb = "silence"   // what is sent in the direction is held back until healed, as TCP would repeat it; new dials hang if both
	Refuse    Verb = "refuse"    // new connections are refused; open ones live on
	Blackhole Verb = "blackhole" // nothing passes in either direction, and new dials are never answered
	Delay     Verb = "delay"     // deliveries take longer, by By
	Drop      Verb = "drop"      // one PDU vanishes, all others pass
	Corrupt   Verb = "corrupt"   // one byte of one PDU arrives inverted
	Heal      Verb = "heal"      // ends everything in scope that still is in force
)

// Fault is one thing that goes wrong, or is put right, as a value. It is either timed (PDU empty: it happens At) or placed (PDU set: it
// happens when the Nth such PDU of the scope is sent, counted from At).
type Fault struct {
	Verb  Verb
	Scope Scope
	At    time.Duration // from the start of the plan
	For   time.Duration // silence, refuse, blackhole, timed delay: heals by itself after this; 0 means never
	Dir   Direction     // silence, delay: which direction; a placed fault has the direction in which its PDU travels
	PDU   string        // name of a PDU, see [PDUNames], or "any"; "" for a timed fault
	Nth   int           // of a placed fault: counted from 1; 0 means 1
	Byte  Position      // of a placed reset, fin, silence: the bytes before it arrive; of a corrupt: the byte inverted
	By    time.Duration // delay: how much longer
}

// Position is a byte offset inside a PDU, from the PDU's start (Region empty) or from the start of one of its parts.
type Position struct {
	Region Region
	Offset int // at least 0
}

// Region is a part of a PDU as it travels.
type Region string

// The regions. A region that the PDU does not have is as long as nothing, at the place where it would be.
const (
	FromStart    Region = ""              // the basic header segment
	FromAHS      Region = "ahs"           // the additional header segments
	HeaderDigest Region = "header-digest" // the CRC32C over the headers
	FromData     Region = "data"          // the data segment
	DataDigest   Region = "data-digest"   // the CRC32C over data and padding
	AtEnd        Region = "end"           // behind the PDU's last byte; the offset is 0
)

// String is the text form: "20", "data", "data+4", "end".
func (p Position) String() string {
	switch {
	case p.Region == FromStart:
		return strconv.Itoa(p.Offset)
	case p.Offset == 0:
		return string(p.Region)
	}
	return string(p.Region) + "+" + strconv.Itoa(p.Offset)
}

// ParsePosition reads what [Position.String] writes.
func ParsePosition(s string) (Position, error) {
	region, offset, plus := strings.Cut(s, "+")
	if !plus && s != "" && s[0] >= '0' && s[0] <= '9' {
		region, offset, plus = "", s, true
	}
	p := Position{Region: Region(region)}
	switch p.Region {
	case FromStart, FromAHS, HeaderDigest, FromData, DataDigest:
	case AtEnd:
		if plus {
			return Position{}, fmt.Errorf("faults: byte %q: nothing lies behind the end", s)
		}
	default:
		return Position{}, fmt.Errorf("faults: byte %q: region %q is none of ahs, header-digest, data, data-digest, end", s, region)
	}
	if plus {
		n, err := strconv.ParseUint(offset, 10, 24)
		if err != nil {
			return Position{}, fmt.Errorf("faults: byte %q: offset %q is no number from 0 to 16777215", s, offset)
		}
		p.Offset = int(n)
	} else if region == "" {
		return Position{}, fmt.Errorf("faults: byte is empty")
	}
	return p, nil
}

// String is the fault's one text form, which [Parse] reads back to an equal value: "reset:portal=10.0.0.1:3260,at=12s".
func (f Fault) String() string {
	var fields []string
	add := func(key, value string) { fields = append(fields, key+"="+value) }
	if !f.Scope.all() {
		add(f.Scope.field())
	}
	if f.Dir != Both {
		add("dir", string(f.Dir))
	}
	if f.PDU != "" {
		add("pdu", f.PDU)
		if f.Nth > 1 {
			add("nth", strconv.Itoa(f.Nth))
		}
		if f.Byte != (Position{}) {
			add("byte", f.Byte.String())
		}
	}
	if f.At != 0 || f.PDU == "" {
		add("at", f.At.String())
	}
	if f.For != 0 {
		add("for", f.For.String())
	}
	if f.By != 0 {
		add("by", f.By.String())
	}
	return string(f.Verb) + ":" + strings.Join(fields, ",")
}

// Parse reads the text form of a fault. The fields may come in any order; each at most once.
func Parse(text string) (Fault, error) {
	verb, rest, found := strings.Cut(strings.TrimSpace(text), ":")
	if !found {
		return Fault{}, fmt.Errorf("faults: %q: want verb:key=value, and more fields behind commas", text)
	}
	f := Fault{Verb: Verb(verb)}
	seen := map[string]bool{}
	for field := range strings.SplitSeq(rest, ",") {
		key, value, found := strings.Cut(field, "=")
		if !found {
			return Fault{}, fmt.Errorf("faults: %q: field %q: want key=value", text, field)
		}
		if seen[key] {
			return Fault{}, fmt.Errorf("faults: %q: %s is given twice", text, key)
		}
		seen[key] = true
		if err := f.set(key, value); err != nil {
			return Fault{}, fmt.Errorf("faults: %q: %w", text, err)
		}
	}
	if err := f.Validate(); err != nil {
		return Fault{}, err
	}
	return f, nil
}

func (f *Fault) set(key, value string) (err error) {
	switch key {
	case "portal", "conn", "host":
		if f.Scope != Everything {
			return fmt.Errorf("%s: the scope is given twice", key)
		}
		if f.Scope, err = ParseScope(value); err != nil {
			return err
		}
		if got, _ := f.Scope.field(); got != key {
			return fmt.Errorf("%s=%s: that is a %s", key, value, got)
		}
	case "dir":
		f.Dir, err = parseDirection(value)
	case "pdu":
		f.PDU = value
	case "nth":
		f.Nth, err = strconv.Atoi(value)
		if err == nil && f.Nth < 1 {
			err = fmt.Errorf("nth counts from 1, got %d", f.Nth)
		}
		if f.Nth == 1 {
			f.Nth = 0 // the default; one text form for one value
		}
	case "byte":
		f.Byte, err = ParsePosition(value)
	case "at":
		f.At, err = time.ParseDuration(value)
	case "for":
		f.For, err = time.ParseDuration(value)
	case "by":
		f.By, err = time.ParseDuration(value)
	default:
		err = fmt.Errorf("unknown field %q; fields are portal, conn, host, dir, pdu, nth, byte, at, for, by", key)
	}
	return err
}

// Validate tells what is wrong with a fault, or nil.
func (f Fault) Validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("faults: %s: %s", f, fmt.Sprintf(format, args...))
	}
	placed := f.PDU != ""
	switch f.Verb {
	case Reset, Fin, Silence, Delay:
	case Refuse, Blackhole, Heal:
		if placed {
			return bad("%s has an instant, not a place in the protocol", f.Verb)
		}
	case Drop, Corrupt:
		if !placed {
			return bad("%s needs a pdu", f.Verb)
		}
	default:
		return bad("verb %q is none of reset, fin, silence, refuse, blackhole, delay, drop, corrupt, heal", f.Verb)
	}
	if placed && f.PDU != anyPDU && !knownPDU(f.PDU) {
		return bad("%q is no PDU; names are %s and %s", f.PDU, strings.Join(PDUNames(), ", "), anyPDU)
	}
	switch {
	case f.At < 0 || f.For < 0 || f.By < 0:
		return bad("an instant or a duration is negative")
	case !placed && (f.Nth != 0 || f.Byte != (Position{})):
		return bad("nth and byte need a pdu")
	case f.For != 0 && (placed || f.Verb != Silence && f.Verb != Refuse && f.Verb != Blackhole && f.Verb != Delay):
		return bad("for is of a timed silence, refuse, blackhole or delay")
	case (f.By != 0) != (f.Verb == Delay):
		return bad("by is of delay, and delay needs it")
	case f.Dir != Both && f.Verb != Silence && f.Verb != Delay && !placed:
		return bad("dir is of silence, delay or a placed fault")
	}
	return nil
}

// MarshalText makes a fault a string in YAML and JSON.
func (f Fault) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (f *Fault) UnmarshalText(b []byte) (err error) {
	*f, err = Parse(string(b))
	return err
}
