package simtarget

import (
	"bytes"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
)

// atLevelOne lets an array agree to recovery level 1.
func atLevelOne(p *Profile) { p.Session.ErrorRecoveryLevel = 1 }

// levelOne logs in at recovery level 1.
func (b *bench) levelOne(extra ...text.Pair) *peer {
	b.Helper()
	p := b.dial("A").login(append(text.Pairs{pair("ErrorRecoveryLevel", "1")}, extra...)...)
	if level, _ := p.answers.Get("ErrorRecoveryLevel"); level != "1" {
		b.Fatalf("ErrorRecoveryLevel=%s, want 1", level)
	}
	return p
}

// snack sends a SNACK that acknowledges what p counts as come.
func (p *peer) snack(kind pdu.SNACKType, itt, ttt, begRun, runLength uint32) {
	p.Helper()
	p.send(&pdu.SNACKRequest{Type: kind, ITT: itt, TTT: ttt, ExpStatSN: p.expStat, BegRun: begRun, RunLength: runLength})
}

// rejected waits for a Reject with a reason.
func (p *peer) rejected(want pdu.RejectReason) *pdu.Reject {
	p.Helper()
	r := get[*pdu.Reject](p)
	if r.Reason != want {
		p.Errorf("Reject with reason %v, want %v", r.Reason, want)
	}
	p.counts(r.StatSN)
	return r
}

// dataIn waits for n Data-In PDUs.
func (p *peer) dataIn(n int) []*pdu.DataIn {
	p.Helper()
	all := make([]*pdu.DataIn, n)
	for i := range all {
		all[i] = get[*pdu.DataIn](p)
	}
	return all
}

// replicas fails unless the PDUs are the same but for what must be current.
func (p *peer) replicas(got, want []*pdu.DataIn) {
	p.Helper()
	for i := range want {
		g, w := *got[i], *want[i]
		g.ExpCmdSN, g.MaxCmdSN, w.ExpCmdSN, w.MaxCmdSN = 0, 0, 0, 0
		if !bytes.Equal(pdu.Encode(nil, &g, pdu.Digests{}), pdu.Encode(nil, &w, pdu.Digests{})) {
			p.Errorf("%v came again as %v", pdu.FrameOf(want[i]), pdu.FrameOf(got[i]))
		}
	}
}

// stored writes blocks from 0 on and gives what they hold.
func (p *peer) stored(n int) []byte {
	p.Helper()
	data := noise(n)
	w := p.writes(0, uint16(n/512))
	p.send(w)
	r := get[*pdu.R2T](p)
	p.send(&pdu.DataOut{Final: true, ITT: w.ITT, TTT: r.TTT, ExpStatSN: p.expStat, Data: data})
	if r := p.status(); r.Status != 0 {
		p.Fatalf("WRITE ends with status 0x%02x", r.Status)
	}
	return data
}

func TestDataSNACK(t *testing.T) {
	inBubble(t, "plain", atLevelOne, nil, func(b *bench) {
		p := b.levelOne(pair("MaxRecvDataSegmentLength", "1024"), pair("MaxBurstLength", "4096"))
		read := p.reads(0, 16)
		p.send(read)
		all := p.dataIn(8)
		for i, d := range all {
			if d.Acknowledge != (i == 3) || d.StatusPresent != (i == 7) {
				t.Errorf("Data-In %d: %v", i, pdu.FrameOf(d))
			}
		}
		for _, run := range []struct{ from, length, first, end uint32 }{
			{1, 1, 1, 2}, {1, 3, 1, 4}, {0, 0, 0, 8}, {2, 0, 2, 8}, {7, 1, 7, 8},
		} {
			p.snack(pdu.SNACKData, read.ITT, pdu.ReservedTag, run.from, run.length)
			p.replicas(p.dataIn(int(run.end-run.first)), all[run.first:run.end])
		}
		p.snack(pdu.SNACKDataACK, pdu.ReservedTag, all[3].TTT, 4, 0)
		p.snack(pdu.SNACKData, read.ITT, pdu.ReservedTag, 0, 0)
		p.replicas(p.dataIn(4), all[4:])
		p.expStat = all[7].StatSN
		for _, run := range [][2]uint32{{3, 1}, {8, 1}, {8, 0}, {7, 2}, {4, 5}, {1 << 31, 1 << 31}} {
			p.snack(pdu.SNACKData, read.ITT, pdu.ReservedTag, run[0], run[1])
			if r := get[*pdu.Reject](p); r.Reason != pdu.RejectProtocolError || r.DataSN != 8 {
				t.Errorf("run %v: %v, DataSN %d", run, r.Reason, r.DataSN)
			}
		}
		p.expStat = all[7].StatSN + 1 // the status is acknowledged, the Rejects are not
		p.snack(pdu.SNACKData, read.ITT, pdu.ReservedTag, 0, 0)
		if r := get[*pdu.Reject](p); r.Reason != pdu.RejectProtocolError {
			t.Errorf("a SNACK for an acknowledged task: %v", r.Reason)
		}
		p.snack(pdu.SNACKData, 0x7777, pdu.ReservedTag, 0, 0)
		if r := get[*pdu.Reject](p); r.Reason != pdu.RejectProtocolError {
			t.Errorf("a SNACK for no task: %v", r.Reason)
		}
	})
}

func TestStatusSNACK(t *testing.T) {
	inBubble(t, "plain", func(p *Profile) { atLevelOne(p); p.Recovery.RetainedResponses = 3 }, nil, func(b *bench) {
		p := b.levelOne()
		first := p.expStat
		p.send(p.command(scsi.TestUnitReady()))
		p.send(&pdu.NOPOut{Immediate: true, ITT: 900, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, ExpStatSN: first, Data: []byte("ping")})
		p.send(&pdu.TaskManagementRequest{Immediate: true, Function: pdu.FunctionAbortTask, ITT: 901, ReferencedTaskTag: 5, CmdSN: p.cmdSN, ExpStatSN: first})
		three := []pdu.PDU{p.read(), p.read(), p.read()}
		again := func(begRun, runLength uint32, want ...pdu.PDU) {
			t.Helper()
			p.expStat = first
			p.snack(pdu.SNACKStatus, pdu.ReservedTag, pdu.ReservedTag, begRun, runLength)
			for _, w := range want {
				if got := p.read(); !bytes.Equal(pdu.Encode(nil, got, pdu.Digests{}), pdu.Encode(nil, w, pdu.Digests{})) {
					t.Errorf("%v came again as %v", pdu.FrameOf(w), pdu.FrameOf(got))
				}
			}
		}
		again(first, 1, three[0])
		again(first, 0, three...)
		again(0, 0, three...)
		again(first+1, 2, three[1:]...)
		again(first+3, 1)
		get[*pdu.Reject](p) // never sent
		again(first, 5)
		get[*pdu.Reject](p)
		again(first, 1)
		if r := get[*pdu.Reject](p); r.Reason != pdu.RejectSNACK { // gone at the bound
			t.Errorf("Reject with reason %v", r.Reason)
		}
		first += 4
		again(first-1, 1)
		if r := get[*pdu.Reject](p); r.Reason != pdu.RejectProtocolError { // acknowledged
			t.Errorf("Reject with reason %v", r.Reason)
		}
	})
}

func TestRDataSNACK(t *testing.T) {
	inBubble(t, "plain", atLevelOne, nil, func(b *bench) {
		p := b.levelOne(pair("MaxRecvDataSegmentLength", "4096"), pair("MaxBurstLength", "8192"))
		p.stored(8192)
		read := p.reads(0, 32)
		p.send(read)
		all := p.dataIn(4)
		statSN := all[3].StatSN
		var data []byte
		for _, d := range all {
			data = append(data, d.Data...)
		}
		p.send(&pdu.TextRequest{
			Immediate: true, Final: true, ITT: 800, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, ExpStatSN: p.expStat,
			Data: []byte("MaxRecvDataSegmentLength=512\x00"),
		})
		get[*pdu.TextResponse](p)
		p.snack(pdu.SNACKData, read.ITT, pdu.ReservedTag, 1, 1)
		if r := get[*pdu.Reject](p); r.Reason != pdu.RejectProtocolError {
			t.Errorf("a Data SNACK for PDUs that are too long now: %v", r.Reason)
		}
		anew := func(tag uint32, from int) {
			t.Helper()
			p.snack(pdu.SNACKRData, read.ITT, tag, 0, 0)
			sn := uint32(0)
			if from > 0 {
				sn = 2
			}
			for at := from; at < len(data); at, sn = at+512, sn+1 {
				d := get[*pdu.DataIn](p)
				if d.DataSN != sn || int(d.BufferOffset) != at || !bytes.Equal(d.Data, data[at:at+512]) || d.Final != ((at+512)%8192 == 0) || d.StatusPresent {
					t.Fatalf("%v, want DataSN %d from %d", pdu.FrameOf(d), sn, at)
				}
			}
			if r := get[*pdu.SCSIResponse](p); r.SNACKTag != tag || r.StatSN != statSN || r.ExpDataSN != sn {
				t.Errorf("%v, want SNACK Tag 0x%x, StatSN 0x%x, ExpDataSN %d", pdu.FrameOf(r), tag, statSN, sn)
			}
		}
		anew(0x11, 0)
		p.snack(pdu.SNACKStatus, pdu.ReservedTag, pdu.ReservedTag, statSN, 1)
		if r := get[*pdu.SCSIResponse](p); r.SNACKTag != 0x11 || r.StatSN != statSN {
			t.Errorf("the status again: %v", pdu.FrameOf(r))
		}
		anew(0x12, 0)
		for _, tag := range []uint32{0, pdu.ReservedTag} {
			p.snack(pdu.SNACKRData, read.ITT, tag, 0, 0)
			if r := get[*pdu.Reject](p); r.Reason != pdu.RejectInvalidPDUField {
				t.Errorf("SNACK Tag 0x%x: %v", tag, r.Reason)
			}
		}
	})
}

func TestRDataSNACKBehindDataACK(t *testing.T) {
	inBubble(t, "plain", atLevelOne, nil, func(b *bench) {
		p := b.levelOne(pair("MaxRecvDataSegmentLength", "4096"), pair("MaxBurstLength", "8192"))
		read := p.reads(0, 32)
		p.send(read)
		all := p.dataIn(4)
		p.snack(pdu.SNACKDataACK, pdu.ReservedTag, all[1].TTT, 2, 0)
		p.snack(pdu.SNACKRData, read.ITT, 7, 0, 0)
		again := p.dataIn(2)
		if again[0].DataSN != 2 || again[0].BufferOffset != 8192 {
			t.Errorf("data behind the acknowledgement: %v", pdu.FrameOf(again[0]))
		}
		if r := get[*pdu.SCSIResponse](p); r.SNACKTag != 7 || r.ExpDataSN != 4 || r.StatSN != all[3].StatSN {
			t.Errorf("the status: %v", pdu.FrameOf(r))
		}
		p.send(&pdu.SNACKRequest{Type: pdu.SNACKDataACK, ITT: pdu.ReservedTag, TTT: all[1].TTT, ExpStatSN: p.expStat, BegRun: 9})
		if r := get[*pdu.Reject](p); r.Reason != pdu.RejectInvalidDataACK {
			t.Errorf("a DataACK beyond what was sent: %v", r.Reason)
		}
	})
}

// Data that is acknowledged as a whole is not sent again, also where the status went with the last of it.
func TestStatusSNACKBehindDataACK(t *testing.T) {
	inBubble(t, "plain", atLevelOne, nil, func(b *bench) {
		p := b.levelOne(pair("MaxRecvDataSegmentLength", "4096"), pair("MaxBurstLength", "8192"))
		read := p.reads(0, 32)
		p.send(read)
		all := p.dataIn(4)
		p.snack(pdu.SNACKDataACK, pdu.ReservedTag, all[1].TTT, 4, 0)
		p.snack(pdu.SNACKData, read.ITT, pdu.ReservedTag, 0, 0)
		p.snack(pdu.SNACKStatus, pdu.ReservedTag, pdu.ReservedTag, all[3].StatSN, 1)
		if r := get[*pdu.SCSIResponse](p); r.StatSN != all[3].StatSN || r.ITT != read.ITT || r.ExpDataSN != 4 {
			t.Errorf("the status: %v", pdu.FrameOf(r))
		}
		p.snack(pdu.SNACKRData, read.ITT, 5, 0, 0)
		if r := get[*pdu.SCSIResponse](p); r.StatSN != all[3].StatSN || r.SNACKTag != 5 || r.ExpDataSN != 4 {
			t.Errorf("the status: %v", pdu.FrameOf(r))
		}
	})
}

// The Data-In PDUs of a bidirectional command have their numbers behind its R2Ts, the second time too.
func TestSNACKForBidirectionalCommand(t *testing.T) {
	inBubble(t, "plain", atLevelOne, nil, func(b *bench) {
		p := b.levelOne(pair("MaxRecvDataSegmentLength", "1024"), pair("MaxBurstLength", "2048"), pair("ImmediateData", "No"))
		data := noise(4096)
		both := p.command(scsi.XDWriteRead10(0, 8))
		both.Read, both.Write, both.ExpectedDataTransferLength = true, true, 4096
		both.SetExpectedReadDataLength(4096)
		p.send(both)
		for i := range 2 {
			r := p.solicited(uint32(i), 2048*i, 2048*(i+1))
			p.send(p.pieces(both.ITT, r.TTT, 2048*i, data[2048*i:2048*(i+1)], 2048)[0])
		}
		all := p.dataIn(4)
		for i, d := range all {
			if d.DataSN != uint32(2+i) || d.StatusPresent {
				t.Errorf("Data-In %d: %v", i, pdu.FrameOf(d))
			}
		}
		status := get[*pdu.SCSIResponse](p)
		if status.ExpDataSN != 4 || status.Status != 0 {
			t.Errorf("%v, want ExpDataSN 4", pdu.FrameOf(status))
		}
		p.snack(pdu.SNACKData, both.ITT, pdu.ReservedTag, 3, 2)
		p.replicas(p.dataIn(2), all[1:3])
		p.snack(pdu.SNACKDataACK, pdu.ReservedTag, all[1].TTT, 4, 0)
		p.snack(pdu.SNACKData, both.ITT, pdu.ReservedTag, 0, 0)
		p.replicas(p.dataIn(2), all[2:])
		for _, run := range [][2]uint32{{0, 1}, {1, 3}, {3, 1}, {6, 1}} {
			p.snack(pdu.SNACKData, both.ITT, pdu.ReservedTag, run[0], run[1])
			if r := get[*pdu.Reject](p); r.Reason != pdu.RejectProtocolError || r.DataSN != 6 {
				t.Errorf("run %v: %v, DataSN %d", run, r.Reason, r.DataSN)
			}
		}
		p.snack(pdu.SNACKRData, both.ITT, 5, 0, 0)
		if again := p.dataIn(2); again[0].DataSN != 4 || again[0].BufferOffset != 2048 {
			t.Errorf("data behind the acknowledgement: %v", pdu.FrameOf(again[0]))
		}
		if r := get[*pdu.SCSIResponse](p); r.SNACKTag != 5 || r.ExpDataSN != 4 || r.StatSN != status.StatSN {
			t.Errorf("the status: %v", pdu.FrameOf(r))
		}
	})
}

func TestR2TSNACK(t *testing.T) {
	inBubble(t, "plain", atLevelOne, nil, func(b *bench) {
		p := b.levelOne()
		w := p.writes(0, 16)
		p.send(w)
		first := get[*pdu.R2T](p)
		p.snack(pdu.SNACKData, w.ITT, pdu.ReservedTag, 0, 1)
		if again := get[*pdu.R2T](p); *again != *first {
			t.Errorf("%v came again as %v", pdu.FrameOf(first), pdu.FrameOf(again))
		}
		p.snack(pdu.SNACKData, w.ITT, pdu.ReservedTag, 255, 1)
		if r := p.rejected(pdu.RejectProtocolError); r.DataSN != 1 {
			t.Errorf("the next R2TSN is told as %d, want 1", r.DataSN)
		}
		p.send(&pdu.DataOut{Final: true, ITT: w.ITT, TTT: first.TTT, ExpStatSN: p.expStat, Data: make([]byte, 8192)})
		p.status()
	})
}

// A PDU with a wrong header digest is passed over; a wrong length in it is found out.
func TestHeaderDigestErrorAtLevelOne(t *testing.T) {
	inBubble(t, "plain", atLevelOne, nil, func(b *bench) {
		p := b.levelOne(pair("HeaderDigest", "CRC32C"))
		spoilt := pdu.Encode(nil, p.command(scsi.TestUnitReady()), p.digest)
		p.cmdSN--
		spoilt[40] ^= 1
		if _, err := p.conn.Write(spoilt); err != nil {
			t.Fatal(err)
		}
		p.works()
		gap := p.command(scsi.TestUnitReady())
		p.send(p.command(scsi.TestUnitReady()))
		if n := get[*pdu.NOPIn](p); n.ExpCmdSN != gap.CmdSN || n.ITT != pdu.ReservedTag || n.TTT != pdu.ReservedTag {
			t.Errorf("a gap in CmdSN is told by %v", pdu.FrameOf(n))
		}
		p.send(gap)
		p.status()
		p.status()
		spoilt = pdu.Encode(nil, p.command(scsi.TestUnitReady()), p.digest)
		spoilt[7] ^= 4
		_, _ = p.conn.Write(append(spoilt, bytes.Repeat([]byte{1}, 100)...))
		if !p.closed() {
			t.Error("the connection lives on without being in step")
		}
	})
}

// A response that is not acknowledged is told of once by a NOP-In that shows the next StatSN.
func TestLostStatusIsToldOf(t *testing.T) {
	inBubble(t, "plain", atLevelOne, nil, func(b *bench) {
		p := b.levelOne()
		p.works()
		if n := get[*pdu.NOPIn](p); n.StatSN != p.expStat || n.TTT != pdu.ReservedTag {
			t.Errorf("%v, want StatSN 0x%x", pdu.FrameOf(n), p.expStat)
		}
		if !p.silent(time.Minute) {
			t.Error("it is told twice")
		}
	})
}
