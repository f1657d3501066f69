package simtarget

import (
	"bytes"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// readAll collects the Data-In PDUs of a read, checks their numbering, and returns data and status.
func (p *peer) readAll(itt uint32, burst int) (data []byte, status *pdu.DataIn) {
	p.Helper()
	for sn, run := uint32(0), 0; ; sn++ {
		d := get[*pdu.DataIn](p)
		if d.ITT != itt || d.DataSN != sn || int(d.BufferOffset) != len(data) || d.TTT != pdu.ReservedTag || d.Acknowledge {
			p.Fatalf("Data-In %d: %+v", sn, d)
		}
		data, run = append(data, d.Data...), run+len(d.Data)
		if run > burst {
			p.Errorf("%d bytes without F, want at most %d", run, burst)
		}
		if d.Final {
			run = 0
		}
		if d.StatusPresent {
			if !d.Final {
				p.Error("S without F")
			}
			p.counts(d.StatSN)
			return data, d
		}
	}
}

func TestReadIsCutIntoSequences(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login(pair("MaxRecvDataSegmentLength", "4096"), pair("MaxBurstLength", "10240"))
		q := p.reads(7, 128)
		p.send(q)
		data, last := p.readAll(q.ITT, 10240)
		if len(data) != 65536 || last.Overflow || last.Underflow || last.ResidualCount != 0 {
			t.Errorf("%d bytes, %+v", len(data), last)
		}
		if at := (disk.Pattern{}).Check(data, 7, 512); at >= 0 {
			t.Errorf("byte %d differs from the pattern", at)
		}
		p.works()
	})
}

func TestStatusApartFromData(t *testing.T) {
	apart := func(p *Profile) { p.Data.StatusInDataIn = false }
	inBubble(t, "plain", apart, nil, func(b *bench) {
		p := b.dial("A").login(pair("MaxRecvDataSegmentLength", "512"))
		p.send(p.reads(0, 4))
		for i := range 4 {
			if d := get[*pdu.DataIn](p); d.StatusPresent || d.Final != (i == 3) {
				t.Errorf("Data-In %d: %+v", i, d)
			}
		}
		if r := p.status(); r.Status != 0 || r.ExpDataSN != 4 {
			t.Errorf("%+v", r)
		}
	})
}

func TestResiduals(t *testing.T) {
	for _, c := range []struct {
		name           string
		cdb            []byte
		edtl           uint32
		got            int
		over, under    bool
		residual       uint32
		readyCondition bool
	}{
		{name: "exact", cdb: scsi.Read10(0, 2), edtl: 1024, got: 1024},
		{name: "underflow", cdb: scsi.Inquiry(36), edtl: 4096, got: 36, under: true, residual: 4060},
		{name: "overflow", cdb: scsi.Inquiry(36), edtl: 4, got: 4, over: true, residual: 32},
		{name: "nothing wanted", cdb: scsi.Inquiry(36), edtl: 0, over: true, residual: 36},
		{name: "no data", cdb: scsi.TestUnitReady(), edtl: 0xffffffff, under: true, residual: 0xffffffff},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, "plain", nil, nil, func(b *bench) {
				p := b.dial("A").login(pair("MaxRecvDataSegmentLength", "65536"))
				q := p.command(c.cdb)
				q.Read, q.ExpectedDataTransferLength = true, c.edtl
				p.send(q)
				if c.got == 0 {
					if r := p.status(); r.Overflow != c.over || r.Underflow != c.under || r.ResidualCount != c.residual {
						t.Errorf("%+v", r)
					}
					return
				}
				data, r := p.readAll(q.ITT, 262144)
				if len(data) != c.got || r.Overflow != c.over || r.Underflow != c.under || r.ResidualCount != c.residual {
					t.Errorf("%d bytes, %+v", len(data), r)
				}
			})
		})
	}
}

func TestReadBeyondTheEnd(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		p.send(p.reads(131072, 8))
		r := p.status()
		if r.Status != 2 || !r.Underflow || r.ResidualCount != 4096 {
			t.Errorf("%+v", r)
		}
		if sense, err := scsi.ParseSense(r.Sense()); err != nil || sense.Key != scsi.IllegalRequest || sense.Code != scsi.LBAOutOfRange {
			t.Errorf("sense %v, %v", sense, err)
		}
		p.works()
	})
}

func TestLUNsThatDoNotExist(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login()
		q := p.command(scsi.TestUnitReady())
		q.LUN = uint64(scsi.FlatLUN(0x3fff))
		p.send(q)
		r := p.status()
		if sense, _ := scsi.ParseSense(r.Sense()); r.Status != 2 || sense.Code != scsi.LUNNotSupported {
			t.Errorf("%+v, sense %v", r, sense)
		}
		p.works()
	})
}

// answerR2T sends the data that an R2T asks for, in PDUs of n bytes.
func (p *peer) answerR2T(r *pdu.R2T, data []byte, n int) {
	p.Helper()
	burst := data[r.BufferOffset:][:r.DesiredDataTransferLength]
	for sn, at := uint32(0), 0; at < len(burst); sn++ {
		size := min(n, len(burst)-at)
		p.send(&pdu.DataOut{
			Final: at+size == len(burst), LUN: r.LUN, ITT: r.ITT, TTT: r.TTT, ExpStatSN: p.expStat, DataSN: sn,
			BufferOffset: r.BufferOffset + uint32(at), Data: burst[at : at+size],
		})
		at += size
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// stored reads blocks back, from a session of its own.
func (b *bench) stored(lba uint32, blocks uint16) []byte {
	b.Helper()
	p := b.dial(b.array.portals[0].Name)
	p.isid[5] = 0x77
	p.login(pair("MaxRecvDataSegmentLength", "262144"))
	q := p.reads(lba, blocks)
	p.send(q)
	data, _ := p.readAll(q.ITT, 262144)
	p.send(&pdu.LogoutRequest{Immediate: true, ITT: 99, CmdSN: p.cmdSN})
	get[*pdu.LogoutResponse](p)
	return data
}

func TestWriteBySolicitedBursts(t *testing.T) {
	several := func(p *Profile) { p.Data.MaxOutstandingR2T = 2 }
	inBubble(t, "plain", several, nil, func(b *bench) {
		p := b.dial("A").login(pair("MaxBurstLength", "4096"), pair("ImmediateData", "No"), pair("MaxOutstandingR2T", "8"))
		data := noise(10240)
		q := p.writes(3, 20)
		p.send(q)
		var waiting []*pdu.R2T
		for at, sn := 0, uint32(0); at < len(data); sn++ {
			r := get[*pdu.R2T](p)
			want := min(4096, len(data)-at)
			if r.R2TSN != sn || r.ITT != q.ITT || int(r.BufferOffset) != at || int(r.DesiredDataTransferLength) != want || r.StatSN != p.expStat {
				t.Fatalf("R2T %d: %+v", sn, r)
			}
			at += want
			if waiting = append(waiting, r); len(waiting) == 2 {
				p.answerR2T(waiting[0], data, 1000)
				waiting = waiting[1:]
			}
		}
		for _, r := range waiting {
			p.answerR2T(r, data, 8192)
		}
		if r := p.status(); r.Status != 0 || r.Underflow || r.Overflow {
			t.Errorf("%+v", r)
		}
		if !bytes.Equal(b.stored(3, 20), data) {
			t.Error("other data is stored")
		}
	})
}

func TestWriteByImmediateAndUnsolicitedData(t *testing.T) {
	free := func(p *Profile) { p.Data.InitialR2T = false }
	inBubble(t, "plain", free, nil, func(b *bench) {
		p := b.dial("A").login(pair("InitialR2T", "No"), pair("FirstBurstLength", "4096"))
		data := noise(8192)
		q := p.writes(50, 16)
		q.Final, q.Data = false, data[:1024]
		p.send(q)
		for sn := range uint32(3) {
			at := 1024 * (sn + 1)
			// Without a Target Transfer Tag the LUN field is reserved.
			p.send(&pdu.DataOut{Final: sn == 2, LUN: uint64(sn) << 48, ITT: q.ITT, TTT: pdu.ReservedTag, DataSN: sn, BufferOffset: at, Data: data[at : at+1024]})
		}
		r := get[*pdu.R2T](p)
		if r.BufferOffset != 4096 || r.DesiredDataTransferLength != 4096 {
			t.Errorf("%+v", r)
		}
		p.answerR2T(r, data, 4096)
		if s := p.status(); s.Status != 0 {
			t.Errorf("%+v", s)
		}
		// All of it with the command.
		q = p.writes(100, 1)
		q.Data = data[:512]
		p.send(q)
		if s := p.status(); s.Status != 0 {
			t.Errorf("%+v", s)
		}
		if !bytes.Equal(b.stored(50, 16), data) || !bytes.Equal(b.stored(100, 1), data[:512]) {
			t.Error("other data is stored")
		}
	})
}

// A write whose data is wrong ends in CHECK CONDITION, once the last of it has come, and the medium is not touched.
func TestWritesWithWrongData(t *testing.T) {
	sense := func(t *testing.T, r *pdu.SCSIResponse, want scsi.ASC) {
		t.Helper()
		if s, _ := scsi.ParseSense(r.Sense()); r.Status != 2 || s.Key != scsi.AbortedCommand || s.Code != want {
			t.Errorf("status 0x%02x, sense %v, want %04x", r.Status, s, uint16(want))
		}
	}
	for _, c := range []struct {
		name string
		want scsi.ASC
		send func(p *peer, r *pdu.R2T, data []byte)
	}{
		{"too little", scsi.NotEnoughUnsolicitedData, func(p *peer, r *pdu.R2T, data []byte) {
			p.send(&pdu.DataOut{Final: true, ITT: r.ITT, TTT: r.TTT, Data: data[:512]})
		}},
		{"too much", scsi.NotEnoughUnsolicitedData, func(p *peer, r *pdu.R2T, data []byte) {
			p.send(&pdu.DataOut{Final: true, ITT: r.ITT, TTT: r.TTT, Data: noise(4096)})
		}},
		{"wrong offset", scsi.NotEnoughUnsolicitedData, func(p *peer, r *pdu.R2T, data []byte) {
			p.send(&pdu.DataOut{Final: true, ITT: r.ITT, TTT: r.TTT, BufferOffset: 1 << 20, Data: data})
		}},
		{"gap in DataSN", scsi.NotEnoughUnsolicitedData, func(p *peer, r *pdu.R2T, data []byte) {
			p.send(&pdu.DataOut{ITT: r.ITT, TTT: r.TTT, Data: data[:1024]})
			p.send(&pdu.DataOut{Final: true, ITT: r.ITT, TTT: r.TTT, DataSN: 2, BufferOffset: 1024, Data: data[1024:]})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, "plain", nil, nil, func(b *bench) {
				before := b.stored(8, 4)
				p := b.dial("A").login(pair("ImmediateData", "No"))
				p.send(p.writes(8, 4))
				c.send(p, get[*pdu.R2T](p), noise(2048))
				sense(t, p.status(), c.want)
				p.works()
				if !bytes.Equal(b.stored(8, 4), before) {
					t.Error("the medium has changed")
				}
			})
		})
	}
}

// Data for no task, or with a tag that was never given out, is rejected with its header; the task in progress goes on.
func TestStrayData(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login(pair("ImmediateData", "No"))
		data := noise(512)
		p.send(p.writes(8, 1))
		r := get[*pdu.R2T](p)
		for _, stray := range []*pdu.DataOut{
			{Final: true, ITT: 0xdead, TTT: 0x7fffffff, Data: data},
			{Final: true, ITT: r.ITT, TTT: r.TTT ^ 0x5a5a5a5a, Data: data},
			{Final: true, ITT: r.ITT, TTT: r.TTT, LUN: uint64(scsi.PeripheralLUN(3)), Data: data},
		} {
			p.send(stray)
			reject := get[*pdu.Reject](p)
			p.counts(reject.StatSN)
			if h, whole := reject.Rejected(); !whole || h != pdu.FrameOf(stray).BHS || reject.Reason != pdu.RejectInvalidPDUField {
				t.Errorf("%+v", reject)
			}
		}
		p.answerR2T(r, data, 512)
		if s := p.status(); s.Status != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestDataDigestErrors(t *testing.T) {
	inBubble(t, "plain", nil, nil, func(b *bench) {
		p := b.dial("A").login(pair("DataDigest", "CRC32C"), pair("HeaderDigest", "CRC32C"))
		damaged := func(q pdu.PDU) {
			f := pdu.FrameOf(q)
			f.DataDigest = new(uint32(12345))
			if _, err := p.conn.Write(f.Append(nil, p.digest)); err != nil {
				t.Fatal(err)
			}
		}
		rejected := func() {
			t.Helper()
			r := get[*pdu.Reject](p)
			p.counts(r.StatSN)
			if r.Reason != pdu.RejectDataDigestError {
				t.Errorf("%+v", r)
			}
		}
		q := p.writes(0, 1)
		q.Data = noise(512)
		damaged(q)
		rejected()
		p.cmdSN--
		damaged(&pdu.NOPOut{Immediate: true, ITT: 77, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, Data: []byte("ping")})
		rejected()
		p.send(p.writes(8, 4))
		r := get[*pdu.R2T](p)
		damaged(&pdu.DataOut{ITT: r.ITT, TTT: r.TTT, Data: noise(1024)})
		rejected()
		if !p.silent(time.Second) {
			t.Error("the write ends before its data does")
		}
		p.send(&pdu.DataOut{Final: true, ITT: r.ITT, TTT: r.TTT, DataSN: 1, BufferOffset: 1024, Data: noise(1024)})
		s := p.status()
		if sense, _ := scsi.ParseSense(s.Sense()); s.Status != 2 || sense.Code != scsi.ProtocolServiceCRCError {
			t.Errorf("status 0x%02x, sense %v", s.Status, sense)
		}
		p.works()
		// A header that cannot be trusted ends the connection.
		f := pdu.FrameOf(p.command(scsi.TestUnitReady()))
		f.HeaderDigest = new(uint32(1))
		if _, err := p.conn.Write(f.Append(nil, p.digest)); err != nil {
			t.Fatal(err)
		}
		if !p.closed() {
			t.Error("the connection goes on after a header digest error")
		}
	})
}
