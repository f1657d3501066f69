package pdu

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// frames draws frames of defined opcodes with random bytes in every header field.
func frames() *rapid.Generator[*Frame] {
	return rapid.Custom(func(t *rapid.T) *Frame {
		f := new(Frame)
		copy(f.BHS[:], rapid.SliceOfN(rapid.Byte(), BHSLength, BHSLength).Draw(t, "header"))
		f.BHS.SetOpcode(rapid.SampledFrom(wireCases).Draw(t, "opcode").pdu.Opcode())
		f.Data = rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "data")
		f.AHS = make([]byte, 4*rapid.IntRange(0, 3).Draw(t, "words of AHS"))
		f.BHS.SetTotalAHSLength(len(f.AHS))
		f.BHS.SetDataSegmentLength(len(f.Data))
		return f
	})
}

// What decoding keeps, encoding writes back: a second decoding gives the same PDU.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, err := frames().Draw(t, "frame").Decode()
		if err != nil {
			t.Fatal(err)
		}
		d := Digests{Header: rapid.Bool().Draw(t, "header digest"), Data: rapid.Bool().Draw(t, "data digest")}
		r := NewReader(bytes.NewReader(Encode(nil, first, d)), Limits{})
		r.SetDigests(d)
		f, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		second, err := f.Decode()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, second, equateEmpty); diff != "" {
			t.Fatalf("(-first +second):\n%s", diff)
		}
	})
}

var equateEmpty = cmp.FilterValues(func(a, b []byte) bool { return len(a) == 0 && len(b) == 0 }, cmp.Ignore())

// However the bytes are cut into writes, the pieces and their offsets are the same and cover the stream without gaps.
func TestSplitterDoesNotCareForWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Digests{Header: rapid.Bool().Draw(t, "header digest"), Data: rapid.Bool().Draw(t, "data digest")}
		var wire []byte
		for _, f := range rapid.SliceOfN(frames(), 1, 5).Draw(t, "frames") {
			wire = f.Append(wire, d)
		}
		wire = append(wire, rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "odd bytes")...)
		whole, cut := NewSplitter(Limits{}), NewSplitter(Limits{})
		whole.SetDigests(d)
		cut.SetDigests(d)
		whole.Feed(wire)
		want := rejoin(drain(whole))
		var pieces []Piece
		for rest := wire; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "write")
			cut.Feed(rest[:n])
			rest = rest[n:]
			for {
				p, ok := cut.Next()
				if !ok {
					break
				}
				pieces = append(pieces, p)
			}
		}
		pieces = append(pieces, drain(cut)...)
		if diff := cmp.Diff(want, rejoin(pieces)); diff != "" {
			t.Fatalf("(-in one write +in many):\n%s", diff)
		}
		var back []byte
		for _, p := range want {
			if p.Offset != int64(len(back)) {
				t.Fatalf("a piece at %d, want %d", p.Offset, len(back))
			}
			if p.Frame != nil {
				back = p.Frame.Append(back, d)
			} else {
				back = append(back, p.Raw...)
			}
		}
		if !bytes.Equal(back, wire) {
			t.Fatalf("the pieces are not the stream")
		}
	})
}

func drain(s *Splitter) []Piece {
	var pieces []Piece
	for {
		p, ok := s.Next()
		if !ok {
			break
		}
		pieces = append(pieces, p)
	}
	if p, ok := s.Flush(); ok {
		pieces = append(pieces, p)
	}
	return pieces
}

// rejoin puts raw bytes together that come one behind the other.
func rejoin(pieces []Piece) []Piece {
	var out []Piece
	for _, p := range pieces {
		if last := len(out) - 1; last >= 0 && p.Frame == nil && out[last].Frame == nil {
			out[last].Raw = append(out[last].Raw, p.Raw...)
			out[last].Length += p.Length
			continue
		}
		out = append(out, p)
	}
	return out
}

func FuzzDecode(f *testing.F) {
	for _, c := range wireCases {
		f.Add(Encode(nil, c.pdu, Digests{}), false, false)
		f.Add(Encode(nil, c.pdu, Digests{Header: true, Data: true}), true, true)
	}
	f.Fuzz(func(t *testing.T, wire []byte, header, data bool) {
		r := NewReader(bytes.NewReader(wire), Limits{MaxDataSegmentLength: 4096})
		r.SetDigests(Digests{Header: header, Data: data})
		for range 10 {
			frame, err := r.Read()
			if err != nil {
				return
			}
			if frame.String() == "" {
				t.Fatal("no summary")
			}
			first, err := frame.Decode()
			if err != nil {
				continue
			}
			second, err := FrameOf(first).Decode()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(first, second, equateEmpty); diff != "" {
				t.Fatalf("(-first +second):\n%s", diff)
			}
		}
	})
}

func FuzzDialogue(f *testing.F) {
	request, response := login("HeaderDigest=CRC32C\x00", "HeaderDigest=CRC32C\x00")
	f.Add(request, response, 10)
	f.Add([]byte("GET / HTTP/1.0\r\n\r\n"), bytes.Repeat([]byte{0xff}, 100), 1)
	f.Fuzz(func(t *testing.T, up, down []byte, step int) {
		d := NewDialogue(Limits{})
		step = max(step, 1)
		covered := 0
		feed := func(dir Direction, b []byte) {
			for len(b) > 0 {
				n := min(step, len(b))
				for _, p := range d.Feed(dir, b[:n]) {
					covered += p.Length
				}
				b = b[n:]
			}
			covered += d.Pending(dir)
		}
		feed(ToTarget, up)
		feed(ToInitiator, down)
		if covered != len(up)+len(down) {
			t.Fatalf("%d bytes came out, %d went in", covered, len(up)+len(down))
		}
	})
}

func FuzzParseAHS(f *testing.F) {
	f.Add(AppendAHS(nil, AHS{Type: AHSExtendedCDB, Specific: []byte{0, 1, 2}}, AHS{Type: AHSBidirectionalReadData, Specific: make([]byte, 5)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		segments, err := ParseAHS(b)
		if err != nil {
			return
		}
		again, err := ParseAHS(AppendAHS(nil, segments...))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(segments, again); diff != "" {
			t.Fatalf("(-first +second):\n%s", diff)
		}
	})
}
