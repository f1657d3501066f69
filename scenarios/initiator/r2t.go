package initiator

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// r2tChecks are those of the group data-out that look at the answers to R2Ts.
func r2tChecks() []Check {
	return []Check{
		{ID: "r2t.single-pdu-answer", Run: singleAnswer},
		{ID: "r2t.multi-pdu-answer", Base: onlySolicited(512), Run: multiAnswer},
		{ID: "r2t.out-of-order-sequences", Base: func(b *Base) {
			onlySolicited(512)(b)
			b.Params.DataSequenceInOrder, b.Params.MaxOutstandingR2T = false, 4
		}, Driver: func(s *Settings) { s.Offer(text.KeyDataSequenceInOrder, text.No) }, Run: descendingR2Ts},
		{ID: "r2t.order-across-tasks", Base: onlySolicited(8192), Run: acrossTasks},
		{ID: "r2t.multiple-outstanding", Base: func(b *Base) {
			onlySolicited(65536)(b)
			b.Params.MaxOutstandingR2T = 8
		}, Run: severalR2Ts},
		{ID: "r2t.exceeds-max-outstanding", Base: onlySolicited(8192), Run: tooManyR2Ts},
		{ID: "r2t.r2tsn-gap", Base: func(b *Base) {
			onlySolicited(8192)(b)
			b.Params.MaxOutstandingR2T = 4
		}, Run: gapInR2TSN},
		{ID: "r2t.beyond-edtl", Base: onlySolicited(8192), Run: beyondTheWrite},
		{ID: "r2t.over-maxburst", Base: func(b *Base) {
			onlySolicited(8192)(b)
			b.Params.MaxBurstLength, b.Params.FirstBurstLength = 16384, 16384
		}, Run: overMaxBurst},
		{ID: "r2t.zero-length", Base: onlySolicited(8192), Run: r2tForNothing},
		{ID: "r2t.unknown-itt", Run: r2tForNobody},
		{ID: "r2t.reserved-ttt", Base: onlySolicited(8192), Run: reservedTag},
		{ID: "r2t.lun-mismatch", Base: func(b *Base) {
			onlySolicited(8192)(b)
			b.Units = append(b.Units, Unit{LUN: scsi.LUNOf(5), Config: Disk(32 << 20)})
		}, Run: foreignLUN},
		{ID: "r2t.duplicate-discarded", Base: func(b *Base) {
			onlySolicited(4096)(b)
			b.Params.ErrorRecoveryLevel = 1
		}, Driver: func(s *Settings) { s.Offer(text.KeyErrorRecoveryLevel, "1") }, Run: repeatedR2T},
	}
}

func singleAnswer(t *T) {
	for _, segment := range []int{512, 4096} {
		t.PartWith(fmt.Sprintf("MaxRecvDataSegmentLength=%d", segment), func(b *Base, _ *Settings) { onlySolicited(segment)(b) }, func() {
			c := t.Session()
			w := t.writes(c, Write{Blocks: 16})
			_, s := c.ask(w, 0, 2048, func(p *pdu.R2T) { p.TTT = 0xabbaabba })
			if n := len(s.PDUs); n == 1 {
				p := s.PDUs[0]
				t.Check(p.BufferOffset == 0 && len(p.Data) == 2048, pdu.FrameOf(p), "offset 0 and 2048 bytes, as in the R2T")
				t.Check(segment >= 2048, "a single PDU", fmt.Sprintf("several PDUs of at most %d bytes", segment))
			}
			s.continuous(t, 0, 2048)
			t.completes(c, w)
		})
	}
}

func multiAnswer(t *T) {
	c := t.Session()
	w := t.writes(c, Write{Blocks: 24})
	for _, length := range []int{4096, 4096, 3840, 256} {
		at := w.got
		_, s := c.ask(w, at, length)
		s.continuous(t, at, length)
		s.finals(t)
	}
	t.completes(c, w)
}

func descendingR2Ts(t *T) {
	c := t.Session()
	if c.Params.DataSequenceInOrder {
		t.Skip("NOT-TESTABLE: the initiator insists on DataSequenceInOrder=Yes.")
	}
	w := t.writes(c, Write{Blocks: 8})
	var asked []*pdu.R2T
	for _, offset := range []int{3072, 2048, 1024, 0} {
		r := c.R2T(w.Task, offset, 1024)
		asked = append(asked, r)
		if len(asked) >= c.Params.MaxOutstandingR2T {
			t.inOrder(c, w, asked)
			asked = nil
		}
	}
	t.inOrder(c, w, asked)
	t.completes(c, w)
}

// inOrder takes the answers to R2Ts of one write, which come in the order in which the R2Ts went.
func (t *T) inOrder(c *Conn, w *writing, asked []*pdu.R2T) {
	for _, r := range asked {
		for got := 0; got < int(r.DesiredDataTransferLength); {
			e := c.Await(AnswerTime, dataOutOf(w.PDU.ITT))
			p, is := probe.As[*pdu.DataOut](e)
			if !is || p.TTT != r.TTT || p.BufferOffset != r.BufferOffset+uint32(got) {
				t.Fail(e, fmt.Sprintf("Data-Out at %d that answers R2T %d, tag 0x%08x", r.BufferOffset+uint32(got), r.R2TSN, r.TTT))
			}
			t.holds(w, int(p.BufferOffset), p.Data)
			w.store(int(p.BufferOffset), p.Data)
			w.got += len(p.Data)
			got += len(p.Data)
		}
	}
}

func acrossTasks(t *T) {
	c := t.Session()
	one, two := t.Start(Write{Blocks: 128}), t.Start(Write{LBA: 128, Blocks: 128})
	first := &writing{Task: c.WriteCommand(), op: one}
	next := c.TryCommand(t.scaled(ReactionTime), Writes...)
	if next == nil {
		t.Skip("NOT-TESTABLE: the initiator has no two writes under way at once.")
	}
	second := &writing{Task: next, op: two}
	first.data, second.data = t.told(Write{LBA: first.CDB.LBA, Blocks: 128}), t.told(Write{LBA: second.CDB.LBA, Blocks: 128})
	late, early := c.R2T(second.Task, 0, 65536), c.R2T(first.Task, 0, 65536)
	for _, one := range []struct {
		w *writing
		r *pdu.R2T
	}{{second, late}, {first, early}} {
		s := c.answers(one.w, one.r)
		s.continuous(t, 0, 65536)
		s.counted(t)
		t.holds(one.w, 0, s.Data)
	}
	t.completes(c, second)
	t.completes(c, first)
}

func severalR2Ts(t *T) {
	c := t.Session()
	n := min(c.Params.MaxOutstandingR2T, 16)
	w := t.writes(c, Write{Blocks: 2048})
	var asked []*pdu.R2T
	for i := range n {
		asked = append(asked, c.R2T(w.Task, 65536*i, 65536))
	}
	for i, r := range asked {
		s := c.answers(w, r)
		s.counted(t)
		s.continuous(t, 65536*i, 65536)
	}
	t.completes(c, w)
}

func tooManyR2Ts(t *T) {
	c := t.Session()
	if c.Params.MaxOutstandingR2T > 2 {
		t.Skip("MaxOutstandingR2T=%d was agreed.", c.Params.MaxOutstandingR2T)
	}
	w := t.writes(c, Write{Blocks: 48})
	var asked []*pdu.R2T
	for i := range 3 {
		asked = append(asked, c.R2T(w.Task, 8192*i, 8192))
	}
	for _, r := range asked {
		s := c.DataOut(w.Task, r.TTT)
		t.holds(w, int(r.BufferOffset), s.Data)
		if s.End == nil {
			s.continuous(t, int(r.BufferOffset), 8192)
			continue
		}
		if !t.ends(c, w.op) {
			t.Fail(s.End, "all R2Ts served, or the end of the connection, or a write that fails")
		}
		t.RAlive()
		return
	}
	t.completes(c, w)
}

func gapInR2TSN(t *T) {
	c := t.Session()
	if c.Params.MaxOutstandingR2T < 2 {
		t.Skip("NOT-TESTABLE: the initiator takes one R2T at a time.")
	}
	w := t.writes(c, Write{Blocks: 128})
	c.ask(w, 0, 16384)
	missing := *w.Task
	w.r2tSN++
	r := c.R2T(w.Task, 32768, 16384)
	if t.ends(c, w.op) {
		t.RAlive()
		return
	}
	t.Warn("An R2T behind a hole in R2TSN was served.", "Data-Out for R2T 2 without R2T 1", "the end of the connection, or a write that fails")
	t.holds(w, 32768, c.answers(w, r).Data)
	late := c.R2T(&missing, 16384, 16384)
	t.holds(w, 16384, c.answers(w, late).Data)
	t.completes(c, w)
}

func beyondTheWrite(t *T) {
	for _, ask := range []struct{ offset, length uint32 }{{0, 8192}, {4096, 512}, {0xffffff00, 0x200}} {
		t.Part(fmt.Sprintf("%d bytes at %d", ask.length, ask.offset), func() {
			c := t.Session()
			w := t.writes(c, Write{Blocks: 8})
			c.R2T(w.Task, 0, 0, func(p *pdu.R2T) { p.BufferOffset, p.DesiredDataTransferLength = ask.offset, ask.length })
			for _, p := range c.unasked(w.Task, quietTime).PDUs {
				if uint64(p.BufferOffset)+uint64(len(p.Data)) <= uint64(w.Length()) {
					continue
				}
				sent := fmt.Sprintf("%d bytes at %d of a write of %d", len(p.Data), p.BufferOffset, w.Length())
				if t.Own() {
					t.Fail(sent, "nothing beyond the end of the write")
				}
				t.Warn("Bytes beyond the write were sent.", sent, "nothing beyond the end of the write")
				break
			}
			t.RAlive()
		})
	}
}

func overMaxBurst(t *T) {
	c := t.Session()
	length := 2 * c.Params.MaxBurstLength
	w := t.writes(c, Write{Blocks: 2 * length / BlockSize})
	r := c.R2T(w.Task, 0, length)
	if t.ends(c, w.op) {
		t.RAlive()
		return
	}
	s := c.answers(w, r)
	s.continuous(t, 0, length)
	t.completes(c, w)
}

func r2tForNothing(t *T) {
	c := t.Session()
	w := t.writes(c, Write{Blocks: 32})
	r := c.R2T(w.Task, 0, 0)
	if t.ends(c, w.op) {
		t.RAlive()
		return
	}
	for _, p := range c.unasked(w.Task, 0).PDUs {
		t.Check(p.TTT == r.TTT && len(p.Data) == 0, pdu.FrameOf(p), "no Data-Out, or an empty one")
	}
	t.completes(c, w)
}

func r2tForNobody(t *T) {
	quiet := func(c *Conn) {
		t.Wait(quietTime)
		if p, is := nextDataOut(c); is {
			t.Fail(pdu.FrameOf(p), "no Data-Out")
		}
	}
	alive := func(c *Conn) {
		if _, ended := c.Ended(); ended {
			t.RAlive()
			return
		}
		t.Probe()
	}
	t.Part("a tag not in use", func() {
		c := t.Session()
		c.R2T(&Task{PDU: &pdu.SCSICommand{ITT: 0x5eed5eed}}, 0, 4096)
		quiet(c)
		alive(c)
	})
	t.Part("a read", func() {
		c := t.Session()
		op := t.Start(Read{Blocks: 8})
		task := c.Read()
		c.R2T(task, 0, 4096)
		quiet(c)
		if _, ended := c.Ended(); !ended {
			task.r2tSN = 0
			c.Good(task)
			if r := op.Wait(); !r.Good() {
				t.Fail(fmt.Sprintf("a read that ended with %v", r), "success")
			}
		}
		alive(c)
	})
	t.Part("a write that is over", func() {
		c := t.Session()
		w := t.writes(c, Write{Blocks: 8})
		t.completes(c, w)
		c.R2T(w.Task, 0, 4096)
		quiet(c)
		alive(c)
	})
}

func reservedTag(t *T) {
	c := t.Session()
	w := t.writes(c, Write{Blocks: 16})
	c.R2T(w.Task, 0, 8192, func(p *pdu.R2T) { p.TTT = pdu.ReservedTag })
	if t.ends(c, w.op) {
		t.RAlive()
		return
	}
	s := c.answers(w, &pdu.R2T{TTT: pdu.ReservedTag})
	s.continuous(t, 0, 8192)
	t.completes(c, w)
}

func foreignLUN(t *T) {
	for _, lun := range []uint32{0, 5} {
		t.Part(fmt.Sprintf("LUN %d", lun), func() {
			c := t.Session()
			w := t.writes(c, Write{LUN: lun, Blocks: 8})
			r := c.R2T(w.Task, 0, 4096, func(p *pdu.R2T) { p.LUN = uint64(scsi.LUNOf(7)) })
			if t.ends(c, w.op) {
				t.RAlive()
				return
			}
			for _, p := range c.unasked(w.Task, 0).PDUs {
				if t.Own() || p.LUN == r.LUN {
					t.Fail(pdu.FrameOf(p), "the end of the connection, a write that fails, or no data until the right R2T")
				}
				t.Warn("The R2T of another LUN was served with that of the command.", pdu.FrameOf(p), "no data until the right R2T")
			}
			if w.got == 0 {
				w.r2tSN = 0
			}
			t.completes(c, w)
		})
	}
}

func repeatedR2T(t *T) {
	c := t.Session()
	if c.Params.ErrorRecoveryLevel == 0 {
		t.Skip("NOT-TESTABLE: the initiator agrees to ErrorRecoveryLevel 0 only.")
	}
	w := t.writes(c, Write{Blocks: 128})
	r := c.R2T(w.Task, 0, 32768)
	if e := c.Await(AnswerTime, dataOutOf(w.PDU.ITT)); e.Kind == probe.Arrived {
		c.setAside(e)
	}
	c.Number(r)
	c.Send(r)
	t.Wait(time.Second)
	if e, ended := c.Ended(); ended {
		t.Warn("The connection ended by a repeated R2T.", e, "the repetition is discarded")
		return
	}
	s := c.unasked(w.Task, 0)
	s.continuous(t, 0, 32768)
	c.ask(w, 32768, 32768)
	t.completes(c, w)
}
