package simtarget

import (
	"bytes"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
)

// pieces cuts data into the Data-Out PDUs that answer an R2T.
func (p *peer) pieces(itt, ttt uint32, offset int, data []byte, segment int) []*pdu.DataOut {
	var all []*pdu.DataOut
	for at := 0; at < len(data); at += segment {
		end := min(len(data), at+segment)
		all = append(all, &pdu.DataOut{
			Final: end == len(data), ITT: itt, TTT: ttt, ExpStatSN: p.expStat, DataSN: uint32(len(all)), BufferOffset: uint32(offset + at), Data: data[at:end],
		})
	}
	return all
}

// spoil sends a PDU with a wrong data digest.
func (p *peer) spoil(q pdu.PDU) {
	p.Helper()
	raw := pdu.Encode(nil, q, p.digest)
	raw[len(raw)-1] ^= 0xff
	if _, err := p.conn.Write(raw); err != nil {
		p.Fatal(err)
	}
}

// solicited waits for an R2T and fails unless it is for a range.
func (p *peer) solicited(r2tSN uint32, from, to int) *pdu.R2T {
	p.Helper()
	r := get[*pdu.R2T](p)
	if r.R2TSN != r2tSN || int(r.BufferOffset) != from || int(r.BufferOffset+r.DesiredDataTransferLength) != to {
		p.Errorf("%v, want R2TSN %d, bytes %d to %d", pdu.FrameOf(r), r2tSN, from, to)
	}
	return r
}

// readsBack fails unless the first blocks hold data.
func (p *peer) readsBack(data []byte) {
	p.Helper()
	p.send(p.reads(0, uint16(len(data)/512)))
	var got []byte
	for {
		d := get[*pdu.DataIn](p)
		got = append(got, d.Data...)
		if d.StatusPresent {
			p.counts(d.StatSN)
			break
		}
	}
	if !bytes.Equal(got, data) {
		p.Error("the blocks hold other data than was written")
	}
}

func TestRecoveryR2T(t *testing.T) {
	data := noise(8192)
	tests := []struct {
		name string
		play func(p *peer, w *pdu.SCSICommand, first *pdu.R2T)
	}{
		{"damaged in the middle", func(p *peer, w *pdu.SCSICommand, first *pdu.R2T) {
			all := p.pieces(w.ITT, first.TTT, 0, data, 2048)
			p.send(all[0])
			p.spoil(all[1])
			p.rejected(pdu.RejectDataDigestError)
			p.send(all[2])
			p.send(all[3])
			p.send(p.pieces(w.ITT, p.solicited(1, 2048, 4096).TTT, 2048, data[2048:4096], 2048)[0])
		}},
		{"damaged at the end", func(p *peer, w *pdu.SCSICommand, first *pdu.R2T) {
			all := p.pieces(w.ITT, first.TTT, 0, data, 4096)
			p.send(all[0])
			p.spoil(all[1])
			p.rejected(pdu.RejectDataDigestError)
			p.send(p.pieces(w.ITT, p.solicited(1, 4096, 8192).TTT, 4096, data[4096:], 4096)[0])
		}},
		{"two lost", func(p *peer, w *pdu.SCSICommand, first *pdu.R2T) {
			all := p.pieces(w.ITT, first.TTT, 0, data, 1024)
			for i, d := range all {
				if i != 1 && i != 4 {
					p.send(d)
				}
			}
			p.send(p.pieces(w.ITT, p.solicited(1, 1024, 2048).TTT, 1024, data[1024:2048], 1024)[0])
			p.send(p.pieces(w.ITT, p.solicited(2, 4096, 5120).TTT, 4096, data[4096:5120], 1024)[0])
		}},
		{"the last lost", func(p *peer, w *pdu.SCSICommand, first *pdu.R2T) {
			p.send(p.pieces(w.ITT, first.TTT, 0, data, 4096)[0])
			began := time.Now()
			r := p.solicited(1, 4096, 8192)
			if waited := time.Since(began).Round(time.Second); waited != 3*time.Second {
				t.Errorf("asked again after %v, want 3s", waited)
			}
			p.send(p.pieces(w.ITT, r.TTT, 4096, data[4096:], 4096)[0])
		}},
		{"the R2T lost", func(p *peer, w *pdu.SCSICommand, _ *pdu.R2T) {
			r := p.solicited(1, 0, 8192)
			for _, d := range p.pieces(w.ITT, r.TTT, 0, data, 8192) {
				p.send(d)
			}
		}},
		{"the R2T lost and asked for late", func(p *peer, w *pdu.SCSICommand, first *pdu.R2T) {
			p.solicited(1, 0, 8192)
			p.snack(pdu.SNACKData, w.ITT, pdu.ReservedTag, 0, 1)
			if again := get[*pdu.R2T](p); again.TTT != first.TTT || again.R2TSN != 0 {
				t.Errorf("%v", pdu.FrameOf(again))
			}
			p.send(p.pieces(w.ITT, first.TTT, 0, data, 8192)[0])
			// The second R2T stays unanswered.
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, "plain", atLevelOne, nil, func(b *bench) {
				p := b.levelOne(pair("DataDigest", "CRC32C"))
				w := p.writes(0, 16)
				p.send(w)
				tt.play(p, w, p.solicited(0, 0, 8192))
				if r := p.status(); r.Status != 0 {
					t.Errorf("WRITE ends with status 0x%02x", r.Status)
				}
				p.readsBack(data)
			})
		})
	}
}

// Unsolicited data is recovered too, whether or not the command's turn has come.
func TestUnsolicitedDataIsRecovered(t *testing.T) {
	for _, early := range []bool{false, true} {
		inBubble(t, "plain", func(p *Profile) { atLevelOne(p); p.Data.InitialR2T = false }, nil, func(b *bench) {
			p := b.levelOne(pair("InitialR2T", "No"), pair("DataDigest", "CRC32C"), pair("FirstBurstLength", "4096"))
			data := noise(8192)
			gap := p.command(scsi.TestUnitReady())
			if !early {
				p.send(gap)
				p.status()
			}
			w := p.writes(0, 16)
			w.Final, w.Data = false, data[:1024]
			p.send(w)
			all := p.pieces(w.ITT, pdu.ReservedTag, 1024, data[1024:4096], 1024)
			p.spoil(all[0])
			p.rejected(pdu.RejectDataDigestError)
			p.send(all[2])
			if early {
				p.send(gap)
				p.status()
			}
			p.send(p.pieces(w.ITT, p.solicited(0, 1024, 3072).TTT, 1024, data[1024:3072], 2048)[0])
			p.send(p.pieces(w.ITT, p.solicited(1, 4096, 8192).TTT, 4096, data[4096:], 4096)[0])
			if r := p.status(); r.Status != 0 {
				t.Errorf("WRITE ends with status 0x%02x", r.Status)
			}
			p.readsBack(data)
		})
	}
}

// Where DataPDUInOrder=No is agreed the PDUs of a burst come in any order, and what is lost is asked for again.
func TestDataInAnyOrderIsRecovered(t *testing.T) {
	disorder := func(p *Profile) { atLevelOne(p); p.Data.DataPDUOutOfOrder, p.Data.InitialR2T = true, false }
	inBubble(t, "plain", disorder, nil, func(b *bench) {
		p := b.levelOne(pair("DataPDUInOrder", "No"), pair("InitialR2T", "No"), pair("FirstBurstLength", "4096"))
		data := noise(8192)
		w := p.writes(0, 16)
		w.Final, w.Data = false, data[:1024]
		p.send(w)
		p.send(&pdu.DataOut{ITT: w.ITT, TTT: pdu.ReservedTag, ExpStatSN: p.expStat, BufferOffset: 3072, Data: data[3072:4096]})
		p.send(&pdu.DataOut{ITT: w.ITT, TTT: pdu.ReservedTag, ExpStatSN: p.expStat, DataSN: 1, BufferOffset: 2048, Data: data[2048:3072]})
		p.send(&pdu.DataOut{Final: true, ITT: w.ITT, TTT: pdu.ReservedTag, ExpStatSN: p.expStat, DataSN: 2, BufferOffset: 1024, Data: data[1024:2048]})
		r := p.solicited(0, 4096, 8192)
		p.send(&pdu.DataOut{ITT: w.ITT, TTT: r.TTT, ExpStatSN: p.expStat, BufferOffset: 6144, Data: data[6144:8192]})
		p.send(&pdu.DataOut{Final: true, ITT: w.ITT, TTT: r.TTT, ExpStatSN: p.expStat, DataSN: 2, BufferOffset: 4096, Data: data[4096:5120]})
		r = p.solicited(1, 5120, 6144)
		p.send(&pdu.DataOut{Final: true, ITT: w.ITT, TTT: r.TTT, ExpStatSN: p.expStat, BufferOffset: 5120, Data: data[5120:6144]})
		if r := p.status(); r.Status != 0 {
			t.Errorf("WRITE ends with status 0x%02x", r.Status)
		}
		p.readsBack(data)
	})
}

// Data with holes takes no more memory than the recovery R2Ts for them, and a write whose holes are too many ends.
func TestHolesAreBounded(t *testing.T) {
	inBubble(t, "plain", atLevelOne, nil, func(b *bench) {
		p := b.levelOne()
		w := p.writes(0, 16)
		p.send(w)
		r := get[*pdu.R2T](p)
		for i := range uint32(4096) {
			p.send(&pdu.DataOut{Final: i == 4095, ITT: w.ITT, TTT: r.TTT, ExpStatSN: p.expStat, DataSN: 2 * i, BufferOffset: 2 * i, Data: []byte{1}})
		}
		again := get[*pdu.R2T](p)
		if again.R2TSN != 1 || again.BufferOffset != 1 || again.DesiredDataTransferLength != 1 {
			t.Errorf("%v, want byte 1", pdu.FrameOf(again))
		}
		s := b.array.selected(Which{})[0]
		s.mu.Lock()
		n := len(s.tasks.find(w.ITT).kept.have)
		s.mu.Unlock()
		if n != recoveredSpansMax {
			t.Errorf("%d ranges are kept, want %d", n, recoveredSpansMax)
		}
	})
}

// A write whose data never comes whole ends: nothing waits for ever.
func TestRecoveryR2TsEnd(t *testing.T) {
	inBubble(t, "plain", atLevelOne, nil, func(b *bench) {
		p := b.levelOne(pair("DataDigest", "CRC32C"))
		w := p.writes(0, 2)
		p.send(w)
		for range 6 {
			r := get[*pdu.R2T](p)
			p.spoil(p.pieces(w.ITT, r.TTT, 0, make([]byte, 1024), 1024)[0])
			p.rejected(pdu.RejectDataDigestError)
		}
		if r := p.status(); r.Status != 2 || !bytes.Contains(r.Data, []byte{0x47, 0x05}) {
			t.Errorf("%v % x, want CHECK CONDITION 47 05", pdu.FrameOf(r), r.Data)
		}
		w = p.writes(0, 2)
		p.send(w)
		for range 6 {
			get[*pdu.R2T](p)
		}
		if r := p.status(); r.Status != 2 || !bytes.Contains(r.Data, []byte{0x0c, 0x0d}) {
			t.Errorf("%v % x, want CHECK CONDITION 0c 0d", pdu.FrameOf(r), r.Data)
		}
		p.works()
	})
}

// A command whose immediate data is damaged is rejected and may be sent again under its numbers; an aborted write that owes data lets go by time.
func TestRetryAndAbortAtLevelOne(t *testing.T) {
	inBubble(t, "plain", atLevelOne, nil, func(b *bench) {
		p := b.levelOne(text.Pair{Key: "DataDigest", Value: "CRC32C"})
		data := noise(1024)
		w := p.writes(0, 2)
		w.Data = data
		p.spoil(w)
		if r := p.rejected(pdu.RejectDataDigestError); r.ExpCmdSN != w.CmdSN {
			t.Errorf("ExpCmdSN is %d, want %d", r.ExpCmdSN, w.CmdSN)
		}
		w.ExpStatSN = p.expStat
		p.send(w)
		p.send(w)
		p.status()
		p.readsBack(data)
		p.works()
		held := p.writes(0, 2)
		p.send(held)
		get[*pdu.R2T](p)
		p.send(&pdu.TaskManagementRequest{Immediate: true, Function: pdu.FunctionLogicalUnitReset, ITT: 700, CmdSN: p.cmdSN, ExpStatSN: p.expStat})
		began := time.Now()
		if r := get[*pdu.TaskManagementResponse](p); r.Response != pdu.TaskResponseComplete || time.Since(began).Round(time.Second) != 3*time.Second {
			t.Errorf("%v after %v", pdu.FrameOf(r), time.Since(began))
		}
	})
}
