package faults

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// sentPDU is the event of a PDU with so much in each of its parts.
func sentPDU(t interface{ Fatal(...any) }, ahs, data int, d pdu.Digests) trace.Event {
	frame := pdu.FrameOf(&pdu.SCSICommand{ITT: 1, Final: true, AHS: make([]byte, ahs), Data: make([]byte, data)})
	wire := frame.Append(nil, d)
	s := pdu.NewSplitter(pdu.Limits{})
	s.SetDigests(d)
	s.Feed(wire)
	p, ok := s.Next()
	if !ok || p.Frame == nil {
		t.Fatal("no frame")
	}
	return trace.Event{Kind: trace.KindPDUSent, Conn: "c", PDU: trace.PDUOf(p.Frame, 1<<20)}
}

func TestPlacesAreAllAndEachOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := pdu.Digests{Header: rapid.Bool().Draw(t, "header digest"), Data: rapid.Bool().Draw(t, "data digest")}
		ahs := 4 * rapid.IntRange(0, 20).Draw(t, "words of AHS")
		data := rapid.IntRange(0, 70).Draw(t, "data")
		e := sentPDU(t, ahs, data, d)
		size := e.PDU.Frame().WireLength(d)
		places := Places([]trace.Event{e, {Kind: trace.KindPDUReceived, PDU: e.PDU}, e})
		half := places[:len(places)/2]
		want := map[string]bool{"start": true, "header": true, "end": true, "ahs": ahs > 0, "header-digest": d.Header, "data": data > 0,
			"padding": data%4 != 0, "data-digest": d.Data && data > 0}
		got := map[string]bool{}
		last := -1
		for _, p := range half {
			got[p.Class] = true
			at, known := p.Byte.Locate(e.PDU.Header[:], e.PDU.Digests(), size, true)
			if !known || at != p.At || at <= last || at > size || p.Size != size {
				t.Fatalf("%+v lies at %d (%t) behind %d, of %d bytes", p, at, known, last, size)
			}
			last = at
		}
		// A part of one byte that ends the PDU has no place of its own: before it is the part before, behind it the end.
		for _, class := range Classes() {
			single := class == "padding" && data%4 == 3 && !(d.Data)
			if got[class] != want[class] && !single {
				t.Errorf("class %s: %t, want %t", class, got[class], want[class])
			}
		}
		for i, p := range places[len(half):] {
			like := half[i]
			if like.Nth = 2; p != like {
				t.Fatalf("the second PDU has %+v, the first %+v", p, like)
			}
		}
	})
}

func TestEveryKindOfCutFiresAtEveryPlaceOfBothDirections(t *testing.T) {
	converse := func(t *testing.T, plan Plan) (events []trace.Event, counts []Count) {
		inBubble(t, Options{}, func(t *testing.T, p *pair) {
			injection, err := p.network.Run(plan)
			if err != nil {
				t.Fatal(err)
			}
			for i := range uint32(2) {
				p.dialled.Write(nopOut(i, 5*int(i)))
				p.accepted.Write(pdu.Encode(nil, &pdu.NOPIn{ITT: i, TTT: pdu.ReservedTag, Data: bytes.Repeat([]byte{1}, 3*int(i))}, pdu.Digests{}))
			}
			time.Sleep(time.Second)
			counts, events = injection.Counts(), p.log.Events()
		})
		return events, counts
	}
	events, _ := converse(t, nil)
	places := Places(events)
	tried, dirs := map[string]int{}, map[Direction]int{}
	for _, p := range places {
		dirs[p.Dir]++
		for _, kind := range CutKinds() {
			cut, fits := p.Fault(kind)
			if !fits {
				if kind.Verb != Truncate || p.Class != "end" {
					t.Errorf("%v does not fit at %+v", kind, p)
				}
				continue
			}
			tried[fmt.Sprint(kind.Verb, kind.Dir)]++
			if _, counts := converse(t, Plan{cut}); counts[0].Fired != 1 {
				t.Errorf("%s fired %d times", cut, counts[0].Fired)
			}
		}
	}
	if len(places) < 4*20 || dirs[ToTarget] == 0 || dirs[ToInitiator] == 0 || len(tried) != len(CutKinds()) {
		t.Errorf("%d places, %v, %v", len(places), dirs, tried)
	}
	if n := len(Cuts(events, Reset)); n != len(places) {
		t.Errorf("%d cuts at %d places", n, len(places))
	}
	if n := len(Cuts(events, Truncate)); n != len(places)-4 {
		t.Errorf("%d truncations at %d places of 4 PDUs", n, len(places))
	}
}

// A PDU that is cut at a place arrives just so far, on whatever region the place is told.
func TestACutInDigestsArrivesSoFar(t *testing.T) {
	d := pdu.Digests{Header: true, Data: true}
	e := sentPDU(t, 8, 5, d)
	wire := e.PDU.Frame().Append(nil, d)
	for _, p := range Places([]trace.Event{e}) {
		f, fits := p.Fault(Fault{Verb: Reset})
		if !fits {
			t.Fatalf("%+v", p)
		}
		a, err := Arm(f, 1)
		if err != nil {
			t.Fatal(err)
		}
		if !a.Strikes(wire[:pdu.BHSLength], nil) {
			t.Fatalf("%s does not strike", f)
		}
		at, _ := f.Byte.Locate(wire[:pdu.BHSLength], d, len(wire), true)
		c := Carve([]*Strike{{Armed: a, At: at}}, bytes.Clone(wire), 0, true)
		if got := slices.Concat(c.Segments...); c.End == nil || !bytes.Equal(got, wire[:p.At]) {
			t.Errorf("%s: %d bytes pass, want %d", f, len(got), p.At)
		}
	}
}

// What strikes make of a PDU is the same whether it comes whole or in runs.
func TestCarveDoesNotDependOnFragments(t *testing.T) {
	kinds := []string{"reset:pdu=any", "fin:pdu=any", "truncate:pdu=any", "corrupt:pdu=any", "split:pdu=any,byte=1", "split:pdu=any,size=7", "delay:pdu=any,by=1s"}
	rapid.Check(t, func(t *rapid.T) {
		wire := rapid.SliceOfN(rapid.Byte(), 1, 120).Draw(t, "wire")
		n := rapid.IntRange(1, 4).Draw(t, "strikes")
		var whole, parts []*Strike
		for range n {
			f, err := Parse(rapid.SampledFrom(kinds).Draw(t, "kind"))
			if err != nil {
				t.Fatal(err)
			}
			at := rapid.IntRange(0, 130).Draw(t, "at")
			if f.Verb == Split && at == 0 {
				at = 1
			}
			whole, parts = append(whole, &Strike{Armed: &Armed{fault: f}, At: at}), append(parts, &Strike{Armed: &Armed{fault: f}, At: at})
		}
		want := Carve(whole, bytes.Clone(wire), 0, true)
		var got []byte
		var end *Strike
		for from := 0; from < len(wire) && end == nil; {
			size := rapid.IntRange(1, len(wire)-from).Draw(t, "run")
			c := Carve(parts, bytes.Clone(wire[from:from+size]), from, from+size == len(wire))
			got, end = append(got, slices.Concat(c.Segments...)...), c.End
			from += size
		}
		if !bytes.Equal(got, slices.Concat(want.Segments...)) || (end == nil) != (want.End == nil) {
			t.Fatalf("in runs %x and %v, whole %x and %v", got, end, slices.Concat(want.Segments...), want.End)
		}
		for i := range whole {
			if v := whole[i].Armed.fault.Verb; whole[i].Done != parts[i].Done && v != Split && v != Delay { // a border of runs is one of segments
				t.Errorf("%s at %d: done %t whole, %t in runs", v, whole[i].At, whole[i].Done, parts[i].Done)
			}
		}
	})
}
