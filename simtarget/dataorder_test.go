package simtarget

import (
	"bytes"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

func outOfOrder(p *Profile) {
	p.Data.DataPDUOutOfOrder, p.Data.DataSequenceOutOfOrder, p.Data.MaxOutstandingR2T = true, true, 2
}

func freeOrder(p *peer) *peer {
	return p.login(pair("ImmediateData", "No"), pair("DataPDUInOrder", "No"), pair("DataSequenceInOrder", "No"), pair("MaxBurstLength", "2048"),
		pair("FirstBurstLength", "512"), pair("MaxOutstandingR2T", "2"), pair("MaxRecvDataSegmentLength", "512"))
}

// Data-In comes from the end to the beginning where both orders are free, and is whole.
func TestReadInAnyOrder(t *testing.T) {
	inBubble(t, "plain", outOfOrder, nil, func(b *bench) {
		p := freeOrder(b.dial("A"))
		read := p.reads(0, 16)
		p.send(read)
		got := make([]byte, 16*512)
		var offsets []uint32
		for last := false; !last; {
			d := get[*pdu.DataIn](p)
			if int(d.DataSN) != len(offsets) {
				t.Errorf("DataSN %d, want %d", d.DataSN, len(offsets))
			}
			if ends := len(offsets)%4 == 3; len(d.Data) == 512 && d.Final != ends {
				t.Errorf("F=%t in PDU %d of a sequence", d.Final, len(offsets)%4)
			}
			offsets = append(offsets, d.BufferOffset)
			copy(got[d.BufferOffset:], d.Data)
			last = d.StatusPresent
		}
		if offsets[0] < offsets[len(offsets)-1] {
			t.Errorf("offsets %v ascend", offsets)
		}
		if !bytes.Equal(got, b.stored(0, 16)) {
			t.Error("the data is not what is stored")
		}
	})
}

// Bursts are asked for from the last to the first, and the PDUs of each may come in any order.
func TestWriteInAnyOrder(t *testing.T) {
	inBubble(t, "plain", outOfOrder, nil, func(b *bench) {
		p := freeOrder(b.dial("A"))
		write, data := p.writes(0, 12), noise(12*512)
		p.send(write)
		var asked []uint32
		for len(asked) < 3 {
			r := get[*pdu.R2T](p)
			asked = append(asked, r.BufferOffset)
			for i, at := range []int{1024, 0, 1536, 512} {
				from := int(r.BufferOffset) + at
				p.send(&pdu.DataOut{ITT: write.ITT, TTT: r.TTT, LUN: r.LUN, DataSN: uint32(i), BufferOffset: uint32(from), Final: i == 3, Data: data[from : from+512]})
			}
		}
		if s := p.status(); s.Status != 0 {
			t.Fatalf("the write ends with status 0x%02x", s.Status)
		}
		if asked[0] != 4096 || asked[1] != 2048 || asked[2] != 0 {
			t.Errorf("asked for %v", asked)
		}
		if !bytes.Equal(data, b.stored(0, 12)) {
			t.Error("what is stored is not what was sent")
		}
	})
}

func TestSpansTakeNothingTwice(t *testing.T) {
	var s spans
	for _, c := range []struct {
		from, to int
		want     bool
	}{
		{10, 20, true}, {30, 40, true}, {20, 30, true}, {15, 16, false}, {5, 11, false}, {39, 50, false}, {0, 60, false}, {7, 7, true}, {0, 10, true}, {40, 41, true},
	} {
		if got := s.takes(c.from, c.to); got != c.want {
			t.Errorf("%d to %d: %t, want %t", c.from, c.to, got, c.want)
		}
	}
	if len(s) != 1 || s[0] != (span{0, 41}) {
		t.Errorf("left with %v", s)
	}
}
