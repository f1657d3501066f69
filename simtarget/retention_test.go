package simtarget

import (
	"bytes"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// What is retained is bounded: the oldest data goes first, and all of it when the status is acknowledged.
func TestRetainedDataIsBounded(t *testing.T) {
	inBubble(t, "plain", func(p *Profile) { atLevelOne(p); p.Recovery.RetainedBytes = 10 << 10 }, nil, func(b *bench) {
		p := b.levelOne(pair("MaxRecvDataSegmentLength", "8192"))
		first, second := p.reads(0, 16), p.reads(0, 16)
		p.send(first)
		p.dataIn(1)
		p.snack(pdu.SNACKData, first.ITT, pdu.ReservedTag, 0, 1)
		p.dataIn(1)
		p.send(second)
		last := p.dataIn(1)[0]
		p.snack(pdu.SNACKData, first.ITT, pdu.ReservedTag, 0, 1)
		if r := get[*pdu.Reject](p); r.Reason != pdu.RejectSNACK {
			t.Errorf("a SNACK for data that has gone: %v", r.Reason)
		}
		p.snack(pdu.SNACKData, second.ITT, pdu.ReservedTag, 0, 1)
		p.dataIn(1)
		if got := b.settled().repeats.taken.Load(); got != 8192 {
			t.Errorf("%d bytes are counted, want 8192", got)
		}
		p.expStat = last.StatSN + 2 // the Reject too
		p.works()
		b.unaccounted()
		b.array.repeats.most = 4096
		unkept := p.reads(0, 16)
		p.send(unkept)
		p.dataIn(1)
		p.snack(pdu.SNACKData, unkept.ITT, pdu.ReservedTag, 0, 1)
		if r := get[*pdu.Reject](p); r.Reason != pdu.RejectSNACK {
			t.Errorf("a SNACK for data that the array had no room for: %v", r.Reason)
		}
		b.unaccounted()
		if s := b.array.selected(Which{})[0]; len(s.recovery.tasks) != 1 || s.recovery.bytes != 0 {
			t.Errorf("%d tasks and %d bytes are retained, want the last one and none", len(s.recovery.tasks), s.recovery.bytes)
		}
	})
}

// Long responses count as data does.
func TestRetainedResponsesAreBounded(t *testing.T) {
	inBubble(t, "plain", func(p *Profile) { atLevelOne(p); p.Recovery.RetainedBytes = 10 << 10 }, nil, func(b *bench) {
		p := b.levelOne(pair("MaxRecvDataSegmentLength", "8192"))
		first := p.expStat
		ping := func() *pdu.NOPIn {
			p.send(&pdu.NOPOut{Immediate: true, ITT: 900, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, ExpStatSN: first, Data: noise(8192)})
			return get[*pdu.NOPIn](p)
		}
		ping()
		second := ping()
		if got := b.settled().repeats.taken.Load(); got != 8192 {
			t.Errorf("%d bytes are counted, want 8192", got)
		}
		p.expStat = first
		p.snack(pdu.SNACKStatus, pdu.ReservedTag, pdu.ReservedTag, first+1, 1)
		if again := get[*pdu.NOPIn](p); again.StatSN != first+1 || !bytes.Equal(again.Data, second.Data) {
			t.Errorf("%v came again as %v", pdu.FrameOf(second), pdu.FrameOf(again))
		}
		p.snack(pdu.SNACKStatus, pdu.ReservedTag, pdu.ReservedTag, first, 2)
		if r := get[*pdu.Reject](p); r.Reason != pdu.RejectSNACK {
			t.Errorf("a SNACK for a response whose data has gone: %v", r.Reason)
		}
		p.snack(pdu.SNACKData, pdu.ReservedTag, pdu.ReservedTag, 0, 0)
		if r := get[*pdu.Reject](p); r.Reason != pdu.RejectProtocolError {
			t.Errorf("a SNACK for no task: %v", r.Reason)
		}
		b.array.repeats.most = 12 << 10
		ping()
		p.snack(pdu.SNACKStatus, pdu.ReservedTag, pdu.ReservedTag, first+4, 1)
		if r := get[*pdu.Reject](p); r.Reason != pdu.RejectSNACK {
			t.Errorf("a SNACK for a response that the array had no room for: %v", r.Reason)
		}
		p.conn.Close()
		time.Sleep(time.Minute)
		b.unaccounted()
	})
}
