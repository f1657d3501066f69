package faults

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// Place is a place in the traffic of a run: so many bytes into the Nth PDU of a name.
type Place struct {
	PDU   string
	Nth   int // counted from 1 over the whole run, all connections together
	Byte  Position
	At    int    // the same as an offset from the PDU's first byte
	Size  int    // the PDU's length in bytes as it travels
	Class string // what lies there, one of Classes
	Dir   Direction
	Conn  string
}

// Classes are the classes of places, in the order in which they follow one another in a PDU. A place belongs to the class of the last byte before it, so that a
// cut there loses the rest of it; start is before the first byte, end behind the last.
func Classes() []string {
	return []string{"start", "header", "ahs", "header-digest", "data", "padding", "data-digest", "end"}
}

// headerBorders are the offsets in the basic header segment at which a field ends, in any PDU; before the last byte there is one more place.
// RFC 7143, Section 11.2.1: opcode, flags, version or status bytes, TotalAHSLength, DataSegmentLength, LUN or ISID and TSIH, Initiator Task Tag, and words
// that each PDU uses in its own way.
var headerBorders = []int{1, 2, 3, 4, 5, 8, 14, 16, 20, 22, 24, 28, 32, 36, 38, 40, 42, 44, 47}

// Places lists every kind of place of every PDU that was sent, in the order of sending: the border before it, each border of a header field, the
// inside and the end of the header, of additional headers, of the header digest, of the data segment (first byte, middle, last byte), of padding and of
// the data digest, and the border behind it. No place of a PDU appears twice.
func Places(events []trace.Event) []Place {
	var places []Place
	seen := map[string]int{}
	for _, e := range events {
		if e.Kind != trace.KindPDUSent || e.PDU == nil {
			continue
		}
		name := PDUName(e.PDU.Opcode())
		if !knownPDU(name) {
			continue
		}
		seen[name]++
		like := Place{PDU: name, Nth: seen[name], Conn: e.Conn, Dir: ToTarget}
		if e.PDU.Opcode().FromTarget() {
			like.Dir = ToInitiator
		}
		places = append(places, like.within(e.PDU)...)
	}
	return places
}

// within gives the places of one PDU.
func (p Place) within(d *trace.PDU) []Place {
	l := layoutOf(&d.Header, d.Digests())
	p.Size = l.end
	places := make([]Place, 0, 32)
	add := func(class string, region Region, begin, at int) {
		if len(places) > 0 && at <= places[len(places)-1].At || at >= l.end {
			return
		}
		p.Class, p.At, p.Byte = class, at, Position{Region: region, Offset: at - begin}
		places = append(places, p)
	}
	add("start", FromStart, 0, 0)
	for _, at := range headerBorders {
		add("header", FromStart, 0, at)
	}
	part := func(class string, region Region, begin, end int) {
		if begin == end {
			return
		}
		for _, at := range []int{begin + 1, begin + (end-begin)/2, end - 1, end} {
			if at > begin {
				add(class, region, begin, at)
			}
		}
	}
	add("header", FromStart, 0, pdu.BHSLength)
	part("ahs", FromAHS, pdu.BHSLength, l.headerDigest)
	part("header-digest", HeaderDigest, l.headerDigest, l.data)
	part("data", FromData, l.data, l.padding)
	part("padding", FromPadding, l.padding, l.dataDigest)
	part("data-digest", DataDigest, l.dataDigest, l.end)
	p.Class, p.At, p.Byte = "end", l.end, Position{Region: AtEnd}
	return append(places, p)
}

// Fault puts a kind of fault at the place. It reports false where the kind has no meaning: nothing can be truncated behind a PDU.
func (p Place) Fault(kind Fault) (Fault, bool) {
	kind.PDU, kind.Byte, kind.Nth = p.PDU, p.Byte, p.Nth
	if p.Nth == 1 {
		kind.Nth = 0 // the default
	}
	return kind, kind.Validate() == nil
}

// CutKinds are the ways in which a connection can be cut at a place: a reset, an orderly end, silence in both directions and in each alone, and a PDU whose rest
// never comes. [Place.Fault] puts one at a place.
func CutKinds() []Fault {
	return []Fault{{Verb: Reset}, {Verb: Fin}, {Verb: Silence}, {Verb: Silence, Dir: ToTarget}, {Verb: Silence, Dir: ToInitiator}, {Verb: Truncate}}
}

// Cuts lists one placed fault for every place of [Places] at which the verb can cut. The same plan, run with one of them, meets the cut at that place, since
// up to there it goes as it went. The verb is Reset, Fin, Silence (of both directions) or Truncate; for more kinds see [CutKinds].
func Cuts(events []trace.Event, verb Verb) []Fault {
	var cuts []Fault
	for _, p := range Places(events) {
		if f, fits := p.Fault(Fault{Verb: verb}); fits {
			cuts = append(cuts, f)
		}
	}
	return cuts
}
