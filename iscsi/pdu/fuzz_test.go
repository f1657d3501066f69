package pdu

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzReader reads a stream in whole frames, and again in headers and data, from small pieces, skipping some data: both see the same PDUs
// and the same end.
func FuzzReader(f *testing.F) {
	for _, c := range wireCases {
		f.Add(Encode(Encode(nil, c.pdu, Digests{}), &NOPOut{Data: []byte("ping")}, Digests{}), false, false, byte(1))
		f.Add(Encode(nil, c.pdu, Digests{Header: true, Data: true}), true, true, byte(0))
	}
	f.Fuzz(func(t *testing.T, wire []byte, header, data bool, skip byte) {
		d, limits := Digests{Header: header, Data: data}, Limits{MaxDataSegmentLength: 4096}
		whole, parts := NewReader(bytes.NewReader(wire), limits), NewReader(&dribble{wire}, limits)
		whole.SetDigests(d)
		parts.SetDigests(d)
		for n := 0; ; n++ {
			frame, err := whole.Read()
			var h BHS
			ahs, got := parts.ReadHeader(&h)
			skipped := got == nil && skip>>(n%8)&1 == 1
			if skipped {
				got = parts.Discard()
			} else if got == nil {
				segment := make([]byte, h.DataSegmentLength())
				if got = parts.ReadData(segment); got == nil && (!bytes.Equal(segment, frame.Data) || !bytes.Equal(ahs, frame.AHS)) {
					t.Fatalf("PDU %d reads % x and % x, want % x and % x", n, ahs, segment, frame.AHS, frame.Data)
				}
			}
			if got == nil && h != frame.BHS {
				t.Fatalf("PDU %d has header % x, want % x", n, h, frame.BHS)
			}
			unseen := skipped && got == nil && isDataDigest(err) // The digest of what is skipped is not looked at.
			if (got == nil) != (err == nil) && !unseen {
				t.Fatalf("PDU %d: %v in parts, %v whole", n, got, err)
			}
			if ended(err) || ended(got) {
				return
			}
		}
	})
}

// ended tells whether nothing more can be read after the error.
func ended(err error) bool {
	var length *LengthError
	return err != nil && !isDataDigest(err) && !errors.As(err, &length)
}

func isDataDigest(err error) bool {
	var digest *DigestError
	return errors.As(err, &digest) && digest.Segment == SegmentData
}

// dribble gives few bytes at a time.
type dribble struct{ left []byte }

func (d *dribble) Read(p []byte) (int, error) {
	if len(d.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 7)], d.left)
	d.left = d.left[n:]
	return n, nil
}

// FuzzHeader decodes one header as each PDU that there is: whatever the bits, a PDU that comes out is written back to what reads the same.
func FuzzHeader(f *testing.F) {
	for _, c := range wireCases {
		var h BHS
		c.pdu.EncodeBHS(&h)
		f.Add(h[:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var h BHS
		copy(h[:], b)
		for op := range Opcode(0x40) {
			first := New(op)
			if first == nil {
				continue
			}
			h[0] = h[0]&^0x3f | byte(op)
			if first.DecodeBHS(&h) != nil {
				continue
			}
			var again BHS
			first.EncodeBHS(&again)
			second := New(op)
			if err := second.DecodeBHS(&again); err != nil {
				t.Fatalf("%v of % x is written as % x: %v", op, h, again, err)
			}
			if diff := cmp.Diff(first, second, equateEmpty); diff != "" {
				t.Fatalf("(-first +second):\n%s", diff)
			}
		}
	})
}
