package simtarget

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// unaccounted fails when memory is counted that nobody holds any more.
func (b *bench) unaccounted() {
	b.Helper()
	array := b.settled()
	w, r, a, k := array.writes.taken.Load(), array.reads.taken.Load(), array.answers.taken.Load(), array.repeats.taken.Load()
	if w != 0 || r != 0 || a != 0 || k != 0 {
		b.Errorf("%d bytes of writes, %d of reads, %d of answers and %d retained ones are counted, want none", w, r, a, k)
	}
}

// Data that comes unasked takes memory as what is asked for does: beyond the limit the write ends with BUSY, whether its data came with the
// command or is still to come, and whether or not its turn has come.
func TestMemoryForWritesIsBounded(t *testing.T) {
	inBubble(t, "plain", func(p *Profile) { p.Data.InitialR2T = false }, nil, func(b *bench) {
		p := b.dial("A").login(pair("InitialR2T", "No"))
		b.array.writes.most = 8 << 10
		gap := p.command(scsi.TestUnitReady())
		for range 2 {
			w := p.writes(0, 8)
			w.Data = make([]byte, 4096)
			p.send(w)
		}
		late := p.writes(0, 8)
		late.Final = false
		p.send(late)
		p.send(&pdu.DataOut{Final: true, ITT: late.ITT, TTT: pdu.ReservedTag, Data: make([]byte, 4096)})
		large := p.writes(0, 32)
		p.send(large)
		p.send(gap)
		for i, want := range []scsi.Status{0, 0, 0, scsi.StatusBusy, scsi.StatusBusy} {
			if r := p.status(); scsi.Status(r.Status) != want {
				t.Errorf("answer %d has status 0x%02x, want 0x%02x", i, r.Status, byte(want))
			}
		}
		b.unaccounted()
	})
}

// PDUs that wait for their CmdSN take memory too.
func TestMemoryForWaitingPDUsIsBounded(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		b.array.writes.most = 4 << 10
		gap := p.command(scsi.TestUnitReady())
		for i := range 2 {
			p.send(&pdu.NOPOut{ITT: 0x1000 + uint32(i), TTT: pdu.ReservedTag, CmdSN: p.cmdSN, Data: make([]byte, 4096)})
			p.cmdSN++
		}
		if r := get[*pdu.Reject](p); r.Reason != pdu.RejectLongOperation {
			t.Errorf("Reject with reason 0x%02x, want 0x0a", byte(r.Reason))
		}
		p.expStat++
		p.send(gap)
		p.status()
		if n := get[*pdu.NOPIn](p); n.ITT != 0x1000 || len(n.Data) != 4096 {
			t.Errorf("NOP-In with tag 0x%x and %d bytes", n.ITT, len(n.Data))
		}
		b.unaccounted()
		p.cmdSN--
		p.send(&pdu.NOPOut{ITT: 9, TTT: pdu.ReservedTag, CmdSN: p.cmdSN + 1, Data: make([]byte, 4096)})
		p.silent(time.Second)
		if got := b.settled().writes.taken.Load(); got != 4096 {
			t.Errorf("%d bytes are counted for the PDU that waits, want 4096", got)
		}
		p.conn.Close()
		time.Sleep(time.Minute)
		b.unaccounted()
	})
}

// Peers that ask and do not read cost no more than the limits say, and everybody else goes on.
func TestMemoryForReadersThatStopIsBounded(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		const most = 1 << 20
		b.array.reads.most = most
		for i := range 4 {
			p := b.dial("A")
			p.isid = iscsi.RandomISID(7, uint16(i))
			p.login()
			for range 32 {
				p.send(p.reads(0, 512))
			}
		}
		time.Sleep(time.Second)
		if got := b.settled().reads.taken.Load(); got == 0 || got > most {
			t.Errorf("%d bytes are counted, want at most %d and some", got, most)
		}
		sound := b.dial("A")
		sound.isid = iscsi.RandomISID(8, 1)
		sound.login().works()
		big := sound.reads(0, 512)
		sound.send(big)
		for {
			if r, is := sound.read().(*pdu.SCSIResponse); is {
				if r.Status != byte(scsi.StatusBusy) {
					t.Errorf("a read beyond the limit ends with status 0x%02x, want BUSY", r.Status)
				}
				break
			}
		}
	})
}

// Pings that are not read stop their own connection.
func TestMemoryForEchoesIsBounded(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login(pair("MaxRecvDataSegmentLength", "65536"))
		data := make([]byte, 65536)
		go func() {
			for range 1000 {
				frame := pdu.Encode(nil, &pdu.NOPOut{Immediate: true, ITT: 5, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, Data: data}, pdu.Digests{})
				if _, err := p.conn.Write(frame); err != nil {
					return
				}
			}
		}()
		time.Sleep(time.Minute)
		if got := b.settled().answers.taken.Load(); got < outboxBytesMax/2 || got > outboxBytesMax+2*65536 {
			t.Errorf("%d bytes wait for a peer that does not read, want about %d", got, outboxBytesMax)
		}
		p.conn.Close()
		time.Sleep(time.Minute)
		b.unaccounted()
	})
}

// The allocation length of a command that moves no blocks is a bound and no promise.
func TestAllocationLengthTakesNoMemory(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		cdb := make([]byte, 16)
		cdb[0] = byte(scsi.OpReportLUNs)
		binary.BigEndian.PutUint32(cdb[6:], 0xffffffff)
		b.array.reads.most = 64 << 10
		c := p.command(cdb)
		c.Read, c.ExpectedDataTransferLength = true, 0xffffffff
		p.send(c)
		d := get[*pdu.DataIn](p)
		if d.Status != 0 || !d.StatusPresent || !d.Underflow || d.ResidualCount != 0xffffffff-uint32(len(d.Data)) {
			t.Errorf("%v", d)
		}
	})
}

// Target Transfer Tags begin again behind the reserved one, and data that comes late for the ones before is still dropped.
func TestTargetTransferTagsWrap(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login(pair("ImmediateData", "No"))
		s := b.array.table.all()[0]
		s.mu.Lock()
		s.nextTTT = 0xfffffffd
		s.mu.Unlock()
		var old uint32
		for _, want := range []uint32{0xfffffffe, 1, 2} {
			w := p.writes(0, 1)
			p.send(w)
			r := get[*pdu.R2T](p)
			if r.TTT != want {
				t.Errorf("TTT 0x%x, want 0x%x", r.TTT, want)
			}
			p.send(&pdu.DataOut{Final: true, ITT: w.ITT, TTT: r.TTT, Data: make([]byte, 512)})
			if st := p.status(); st.Status != 0 {
				t.Errorf("status 0x%02x", st.Status)
			}
			if want == 0xfffffffe {
				old = w.ITT
			}
		}
		p.send(&pdu.DataOut{Final: true, ITT: old, TTT: 0xfffffffe, Data: make([]byte, 512)})
		p.works()
		p.send(&pdu.DataOut{Final: true, ITT: old, TTT: 0x12345, Data: make([]byte, 512)})
		if r := get[*pdu.Reject](p); r.Reason != pdu.RejectInvalidPDUField {
			t.Errorf("Reject with reason 0x%02x", byte(r.Reason))
		}
	})
}
