package faults

import "github.com/iscsispec/iscsispec/trace"

// Cuts lists one placed fault for every place at which a run could be cut: for each PDU that was sent, in the order of sending, before its first
// byte, inside its header, at the end of the header, inside its data, before its last byte, and behind it. The same plan, run with one of
// them, meets the cut at that place, since up to there it goes as it went. The verb is Reset, Fin or Silence.
func Cuts(events []trace.Event, verb Verb) []Fault {
	var cuts []Fault
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
		for _, at := range positions(e.PDU) {
			cuts = append(cuts, Fault{Verb: verb, PDU: name, Nth: nth(seen[name]), Byte: at})
		}
	}
	return cuts
}

// nth is the fault's form of a count: the first is the default.
func nth(n int) int {
	if n == 1 {
		return 0
	}
	return n
}

func positions(p *trace.PDU) []Position {
	size := p.Frame().WireLength(p.Digests())
	places := []Position{{}, {Offset: 1}, {Offset: 24}, {Offset: 47}}
	if size > 48 {
		places = append(places, Position{Offset: 48})
	}
	if data := p.Header.DataSegmentLength(); data > 0 {
		places = append(places, Position{Region: FromData, Offset: data / 2})
	}
	if size > 49 {
		places = append(places, Position{Offset: size - 1})
	}
	return append(places, Position{Region: AtEnd})
}
