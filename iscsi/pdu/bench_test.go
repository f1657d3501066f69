package pdu

import (
	"io"
	"testing"
)

// loop gives the same bytes again and again.
type loop struct {
	wire []byte
	at   int
}

func (l *loop) Read(b []byte) (int, error) {
	n := copy(b, l.wire[l.at:])
	l.at = (l.at + n) % len(l.wire)
	return n, nil
}

func dataPath(tb testing.TB, d Digests) (r *Reader, h *BHS, data []byte) {
	tb.Helper()
	data = make([]byte, 8192)
	wire := Encode(nil, &DataIn{Final: true, ITT: 1, Data: data}, d)
	r = NewReader(&loop{wire: wire}, Limits{})
	r.SetDigests(d)
	return r, new(BHS), data
}

func readOne(r *Reader, h *BHS, data []byte, p *DataIn) error {
	if _, err := r.ReadHeader(h); err != nil {
		return err
	}
	if err := p.DecodeBHS(h); err != nil {
		return err
	}
	return r.ReadData(data)
}

// The data path is the reason for ReadHeader and ReadData: it must not allocate, with digests or without.
func TestDataPathDoesNotAllocate(t *testing.T) {
	for _, d := range []Digests{{}, {Header: true, Data: true}} {
		r, h, data := dataPath(t, d)
		var p DataIn
		n := testing.AllocsPerRun(100, func() {
			if err := readOne(r, h, data, &p); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("digests %v: %g allocations per PDU, want none", d, n)
		}
	}
}

func BenchmarkReadDataPath(b *testing.B) {
	for name, d := range map[string]Digests{"plain": {}, "digests": {Header: true, Data: true}} {
		b.Run(name, func(b *testing.B) {
			r, h, data := dataPath(b, d)
			var p DataIn
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := readOne(r, h, data, &p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	f := FrameOf(&DataOut{Final: true, Data: make([]byte, 8192)})
	buffer := make([]byte, 0, 16<<10)
	b.SetBytes(8192)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := io.Discard.Write(f.Append(buffer, Digests{Header: true, Data: true})); err != nil {
			b.Fatal(err)
		}
	}
}
