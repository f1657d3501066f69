package text_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/text"
)

// FuzzAssembler cuts a text anywhere: what comes out is what Parse makes of the whole, within the bounds.
func FuzzAssembler(f *testing.F) {
	f.Add([]byte("HeaderDigest=CRC32C,None\x00InitialR2T=No\x00"), 7)
	f.Add([]byte("SendTargets="), 1)
	f.Add(bytes.Repeat([]byte("X-a=b\x00"), 300), 1000)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		const maxBytes, maxParts = 1024, 64
		a := text.Assembler{MaxBytes: maxBytes, MaxParts: maxParts}
		step = max(1, min(step, len(b)))
		var limit *text.LimitError
		for at, parts := 0, 1; ; at, parts = at+step, parts+1 {
			last := at+step >= len(b)
			pairs, done, err := a.Add(b[at:min(len(b), at+step)], !last)
			if a.Pending() > maxBytes {
				t.Fatalf("%d bytes are kept", a.Pending())
			}
			if errors.As(err, &limit) {
				if len(b) <= maxBytes && parts <= maxParts {
					t.Fatalf("%d bytes in %d parts: %v", len(b), parts, err)
				}
				return
			}
			if done != last {
				t.Fatalf("done is %v after part %d", done, parts)
			}
			if !last {
				continue
			}
			want, wrong := text.Parse(b)
			if !slices.Equal(pairs, want) || (err == nil) != (wrong == nil) {
				t.Fatalf("%v, %v, want %v, %v", pairs, err, want, wrong)
			}
			return
		}
	})
}

// FuzzSplit cuts pairs into parts of a PDU's size and puts them together again.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("HeaderDigest=CRC32C,None\x00InitialR2T=No\x00"), 7)
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, b []byte, most int) {
		pairs, err := text.Parse(b)
		if err != nil {
			return
		}
		parts := text.Split(pairs, most)
		for _, part := range parts {
			if most > 0 && len(part) > most {
				t.Fatalf("a part of %d bytes, want at most %d", len(part), most)
			}
		}
		again, err := text.Parse(bytes.Join(parts, nil))
		if err != nil || !slices.Equal(again, pairs) {
			t.Fatalf("%v, %v, want %v", again, err, pairs)
		}
	})
}

// FuzzExchange lets two sides negotiate, one of which says whatever is in the text before it answers soundly: it ends, and both
// agree wherever both took part.
func FuzzExchange(f *testing.F) {
	f.Add([]byte("MaxBurstLength=512\x00FirstBurstLength=512\x00"), "65536", "CRC32C,None")
	f.Add([]byte("InitialR2T=Irrelevant\x00MaxConnections=0\x00"), "16777215", "None")
	f.Fuzz(func(t *testing.T, said []byte, burst, digests string) {
		n := text.NewNegotiation(text.Initiator, text.Normal, []text.Want{{Key: "MaxBurstLength", Offer: burst}, {Key: "HeaderDigest", Offer: digests}})
		m := text.NewNegotiation(text.Target, text.Normal, []text.Want{{Key: "MaxBurstLength", Limit: "262144"}})
		pairs, _ := text.Parse(said)
		toTarget := append(n.Offer(), pairs...)
		for range 4 {
			answers, err := m.Receive(toTarget)
			if err != nil {
				return
			}
			if toTarget, err = n.Receive(answers); err != nil {
				return
			}
		}
		if len(toTarget) > len(pairs) {
			t.Fatalf("still talking: %v", toTarget)
		}
	})
}
