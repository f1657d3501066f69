package initiator

import (
	"bytes"
	"errors"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// inwards sends one Data-In of a bidirectional command, without status.
func (e *fakeEnd) inwards(itt, sn uint32, offset int, data []byte, final bool) {
	e.write(&pdu.DataIn{Final: final, ITT: itt, DataSN: sn, BufferOffset: uint32(offset), Data: data})
}

// outwards asks for data and returns it.
func (e *fakeEnd) outwards(p *pdu.SCSICommand, sn uint32, offset, length int) []byte {
	e.write(&pdu.R2T{ITT: p.ITT, LUN: p.LUN, TTT: 7 + sn, R2TSN: sn, BufferOffset: uint32(offset), DesiredDataTransferLength: uint32(length)})
	var got []byte
	for {
		d := expect[*pdu.DataOut](e)
		if got = append(got, d.Data...); d.Final {
			return got
		}
	}
}

// A bidirectional command says both lengths, and its Data-In and R2T PDUs share one numbering.
func TestBidirectional(t *testing.T) {
	out, in := bytes.Repeat([]byte("out."), 1024), bytes.Repeat([]byte("in.."), 512)
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, script(func(e *fakeEnd) {
			p := expect[*pdu.SCSICommand](e)
			length, ok, err := p.ExpectedReadDataLength()
			if !p.Read || !p.Write || !p.Final || p.ExpectedDataTransferLength != 4096 || length != 2048 || !ok || err != nil {
				t.Errorf("command %+v: read length %d, %v, %v", p, length, ok, err)
			}
			e.inwards(p.ITT, 0, 0, in[:512], false)
			got := e.outwards(p, 1, len(p.Data), 1024)
			e.inwards(p.ITT, 2, 512, in[512:1536], true)
			got = append(got, e.outwards(p, 3, len(p.Data)+1024, 4096-1024-len(p.Data)-256)...)
			if got = append(p.Data, got...); !bytes.Equal(got, out[:4096-256]) {
				t.Errorf("%d bytes arrived, not those that were sent", len(got))
			}
			e.write(&pdu.SCSIResponse{
				ITT: p.ITT, ExpDataSN: 2, Underflow: true, ResidualCount: 256, BidiUnderflow: true, BidiReadResidualCount: 512,
			})
			e.disk(nil, nil)
		}, "ImmediateData=No"))
		s := mustLogin(t, n, config())
		r := &Request{CDB: []byte{0x53, 0, 0, 0, 0, 0, 0, 0, 0, 0}, Read: make([]byte, 2048), Write: out, LUN: 3 << 48}
		if err := s.Do(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if r.Transferred != 4096-256 || !r.Underflow || r.Overflow || r.Residual != 256 {
			t.Errorf("outwards %d, residual %d", r.Transferred, r.Residual)
		}
		if want := (Inbound{Transferred: 1536, Residual: 512, Underflow: true}); r.Inbound != want {
			t.Errorf("inbound %+v, want %+v", r.Inbound, want)
		}
		if !bytes.Equal(r.Read[:1536], in[:1536]) {
			t.Error("the data read is not what was sent")
		}
	})
}

// What a target claims to have moved must have come, in either direction.
func TestBidirectionalIncomplete(t *testing.T) {
	for name, c := range map[string]struct {
		response pdu.SCSIResponse
		short    *IncompleteError // nil for none
	}{
		"reads nothing": {pdu.SCSIResponse{Underflow: true, ResidualCount: 512}, &IncompleteError{Want: 512}},
		"takes nothing": {pdu.SCSIResponse{BidiUnderflow: true, BidiReadResidualCount: 512}, &IncompleteError{Want: 512}},
		"moves nothing": {pdu.SCSIResponse{
			Underflow: true, ResidualCount: 512, BidiUnderflow: true, BidiReadResidualCount: 512,
		}, nil},
		"overflows": {pdu.SCSIResponse{
			Status: 2, Overflow: true, ResidualCount: 7, BidiOverflow: true, BidiReadResidualCount: 9, Data: []byte{0, 1, 0x70},
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				n.at(portalA, script(func(e *fakeEnd) {
					c.response.ITT = expect[*pdu.SCSICommand](e).ITT
					e.write(&c.response)
					e.disk(nil, nil)
				}, "ImmediateData=No"))
				r := &Request{CDB: make([]byte, 10), Read: make([]byte, 512), Write: make([]byte, 512)}
				err := mustLogin(t, n, config()).Do(t.Context(), r)
				var short *IncompleteError
				if errors.As(err, &short) != (c.short != nil) || short != nil && *short != *c.short {
					t.Errorf("%v, want %v", err, c.short)
				}
				if r.Transferred != 0 && !r.Overflow || r.Inbound.Overflow && r.Inbound.Residual != 9 {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

// A long CDB travels in an additional header segment, which the header digest covers.
func TestLongCDB(t *testing.T) {
	for _, length := range []int{17, 32, 260} {
		for _, digest := range []string{"None", "CRC32C"} {
			bubble(t, func(t *testing.T, n *fakeNetwork) {
				cdb := make([]byte, length)
				for i := range cdb {
					cdb[i] = byte(i)
				}
				n.at(portalA, script(func(e *fakeEnd) {
					p := expect[*pdu.SCSICommand](e)
					got, err := p.FullCDB()
					if err != nil || !bytes.Equal(got[:min(len(got), length)], cdb) || len(got) != length {
						t.Errorf("CDB %x, %v", got, err)
					}
					if want := []byte("immediate data"); !bytes.Equal(p.Data, want) {
						t.Errorf("data %q, want %q", p.Data, want)
					}
					e.good(p.ITT)
					e.disk(nil, nil)
				}, "HeaderDigest="+digest))
				cfg := config()
				cfg.HeaderDigest = []string{digest}
				r := &Request{CDB: cdb, Write: []byte("immediate data")}
				if err := mustLogin(t, n, cfg).Do(t.Context(), r); err != nil {
					t.Errorf("%d bytes, %s: %v", length, digest, err)
				}
			})
		}
	}
}
