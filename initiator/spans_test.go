package initiator

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// TestSpans enters pieces in random order, some of them twice.
func TestSpans(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var s spans
		var have [64]bool
		for range 100 {
			from := random.IntN(64)
			n := min(random.IntN(9), 64-from)
			want := slices.Contains(have[from:from+n], true)
			if got := s.add(from, n) != nil; got != want {
				t.Fatalf("%v: %d bytes at %d: overlap %v, want %v", s, n, from, got, want)
			} else if !got {
				for i := range n {
					have[from+i] = true
				}
			}
		}
		var back [64]bool
		last := -1
		for _, e := range s {
			if e.from <= last || e.to <= e.from {
				t.Fatalf("%v is not in order", s)
			}
			last = e.to
			for i := e.from; i < e.to; i++ {
				back[i] = true
			}
		}
		if back != have {
			t.Fatalf("%v stands for %v, want %v", s, back, have)
		}
	}
	var s spans
	for i := range spansMax {
		if err := s.add(2*i, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.add(2*spansMax, 1); err == nil {
		t.Error("no bound")
	}
}

// piece of data in a script: where and how much.
type scriptedPiece struct{ offset, length int }

// TestDataInOrder plays reads of 4 KiB whose data comes in the given pieces.
func TestDataInOrder(t *testing.T) {
	data := make([]byte, 4096)
	for i := range data {
		data[i] = byte(i * 7 / 5)
	}
	for name, c := range map[string]struct {
		ordered bool
		pieces  []scriptedPiece
		residue int
		got     int // Bytes reported; -1 for the end of the connection.
		short   bool
	}{
		"as agreed":               {true, []scriptedPiece{{0, 1024}, {1024, 3072}}, 0, 4096, false},
		"empty PDUs":              {true, []scriptedPiece{{0, 0}, {0, 4096}, {4096, 0}}, 0, 4096, false},
		"out of order, forbidden": {true, []scriptedPiece{{1024, 3072}, {0, 1024}}, 0, -1, false},
		"shuffled":                {false, []scriptedPiece{{3072, 1024}, {0, 512}, {1024, 2048}, {512, 512}}, 0, 4096, false},
		"a hole":                  {false, []scriptedPiece{{3072, 1024}, {0, 512}, {1024, 2048}}, 0, 512, true},
		"a hole and a residual":   {false, []scriptedPiece{{3072, 1024}}, 3072, 0, true},
		"prefix and a residual":   {false, []scriptedPiece{{512, 512}, {0, 512}}, 3072, 1024, false},
		"twice":                   {false, []scriptedPiece{{1024, 1024}, {0, 1024}, {1024, 1024}, {3072, 1024}}, 0, -1, false},
		"beyond":                  {false, []scriptedPiece{{3584, 1024}}, 0, -1, false},
		"wrapping":                {false, []scriptedPiece{{0xfffffe00, 1024}}, 0, -1, false},
	} {
		t.Run(name, func(t *testing.T) {
			order := map[bool]string{true: "Yes", false: "No"}[c.ordered]
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				n.at(portalA, script(func(e *fakeEnd) {
					p := expect[*pdu.SCSICommand](e)
					for i, piece := range c.pieces {
						from := min(piece.offset, len(data))
						segment := append(bytes.Clone(data[from:min(len(data), from+piece.length)]), make([]byte, piece.length)...)[:piece.length]
						e.inwards(p.ITT, uint32(i), piece.offset, segment, i == len(c.pieces)-1)
					}
					e.write(&pdu.SCSIResponse{
						ITT: p.ITT, ExpDataSN: uint32(len(c.pieces)), Underflow: c.residue > 0, ResidualCount: uint32(c.residue),
					})
					e.disk(nil, nil)
				}, "DataPDUInOrder="+order, "DataSequenceInOrder="+order))
				cfg := config()
				cfg.Offers = append(slices.DeleteFunc(DefaultOffers(NormalSession), func(o Offer) bool {
					return o.Key == "DataPDUInOrder" || o.Key == "DataSequenceInOrder"
				}), Offer{"DataPDUInOrder", order}, Offer{"DataSequenceInOrder", order})
				r := readRequest(0, 4096)
				err := mustLogin(t, n, cfg).Do(t.Context(), r)
				var short *IncompleteError
				switch {
				case c.got < 0:
					var fault *ProtocolError
					if !errors.As(err, &fault) || fault.Opcode != pdu.OpDataIn {
						t.Errorf("%v, want a protocol error", err)
					}
				case errors.As(err, &short) != c.short || r.Transferred != c.got || !bytes.Equal(r.Read[:c.got], data[:c.got]):
					t.Errorf("%d bytes and %v, want %d", r.Transferred, err, c.got)
				}
			})
		})
	}
}
