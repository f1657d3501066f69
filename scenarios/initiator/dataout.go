package initiator

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
)

// quietTime is how long a check watches for data that must not come.
const quietTime = 2 * time.Second

// dataOutChecks are those of the group data-out that look at the data of a write.
func dataOutChecks() []Check {
	return []Check{
		{ID: "dataout.datasn-per-sequence", Base: onlySolicited(1024), Run: dataSNPerSequence},
		{ID: "dataout.unsolicited-limited-by-firstburst", Base: unsolicited(true, 512, 1024, 65536), Run: unsolicitedLimit},
		{ID: "dataout.none-before-r2t", Base: onlySolicited(65536), Run: noneBeforeR2T},
		{ID: "dataout.unsolicited-dataout-only", Base: unsolicited(false, 512, 1024, 65536), Run: unsolicitedDataOutOnly},
		{ID: "dataout.immediate-and-unsolicited", Base: unsolicited(true, 4096, 262144, 1024), Run: immediateAndUnsolicited},
		{ID: "dataout.immediate-limited-by-mrdsl", Run: immediateLimit},
		{ID: "dataout.mrdsl-respected", Base: unsolicited(true, 65536, 262144, 512), Run: segmentLimit},
		{ID: "dataout.fbit-unsolicited", Base: unsolicited(true, 65536, 262144, 8192), Run: finalOfUnsolicited},
		{ID: "dataout.fbit-solicited", Base: onlySolicited(8192), Run: finalOfSolicited},
		{ID: "dataout.buffer-offset", Base: func(b *Base) { b.Params.MaxRecvDataSegmentLength = 1024 }, Run: bufferOffset},
		{ID: "dataout.ttt-echoed", Base: func(b *Base) {
			unsolicited(true, 4096, 262144, 1024)(b)
			b.Units = append(b.Units, Unit{LUN: scsi.LUNOf(5), Config: Disk(32 << 20)})
		}, Run: tagEchoed},
		{ID: "dataout.early-status-stops", Run: earlyStatus},
		{ID: "dataout.unsolicited-and-early-r2t", Base: unsolicited(true, 16384, 262144, 4096), Run: earlyR2T},
		{ID: "dataout.data-integrity", Run: dataIntegrity},
		{ID: "dataout.zero-length-write", Run: zeroLengthWrite},
		{ID: "dataout.word-multiple-segments", Base: func(b *Base) { b.Params.MaxRecvDataSegmentLength = 1022 }, Run: wholeWords},
		{ID: "dataout.unsolicited-order-across-commands", Run: unsolicitedOrder},
	}
}

// onlySolicited makes the array take no data but what it asks for, in segments of that many bytes.
func onlySolicited(segment int) func(b *Base) {
	return func(b *Base) {
		b.Params.InitialR2T, b.Params.ImmediateData, b.Params.MaxRecvDataSegmentLength = true, false, segment
	}
}

// unsolicited makes the array take data without R2T, with these limits in bytes.
func unsolicited(immediate bool, first, most, segment int) func(b *Base) {
	return func(b *Base) {
		p := &b.Params
		p.InitialR2T, p.ImmediateData = false, immediate
		p.FirstBurstLength, p.MaxBurstLength, p.MaxRecvDataSegmentLength = first, most, segment
	}
}

func dataSNPerSequence(t *T) {
	c := t.Session()
	for i := range t.times(2) {
		w := t.writes(c, Write{LBA: uint64(64 * i), Blocks: 16})
		for at := w.got; at < w.Length(); at += 2048 {
			_, s := c.ask(w, at, min(2048, w.Length()-at))
			s.counted(t)
		}
		t.completes(c, w)
	}
}

func unsolicitedLimit(t *T) {
	c := t.Session()
	first := c.Params.FirstBurstLength
	for i := range t.times(2) {
		w := t.writes(c, Write{LBA: uint64(64 * i), Blocks: 16})
		c.unasked(w.Task, time.Second)
		if w.got > first {
			t.Fail(fmt.Sprintf("%d bytes without R2T", w.got), fmt.Sprintf("at most FirstBurstLength, %d", first))
		}
		if w.open {
			t.Fail("an unsolicited burst without end", "F=1 in its last PDU")
		}
		for w.got < w.Length() {
			at := w.got
			r, s := c.ask(w, at, min(c.Params.MaxBurstLength, w.Length()-at))
			s.continuous(t, at, int(r.DesiredDataTransferLength))
		}
		t.completes(c, w)
	}
}

func noneBeforeR2T(t *T) {
	c := t.Session()
	for _, blocks := range []int{8, 2048}[:t.times(2)] {
		w := t.writes(c, Write{Blocks: blocks})
		if p := w.PDU; len(p.Data) > 0 || !p.Write || !p.Final {
			t.Fail(pdu.FrameOf(p), "a command with W=1, F=1 and no data")
		}
		if s := c.unasked(w.Task, quietTime); len(s.PDUs) > 0 {
			t.Fail(fmt.Sprintf("%d Data-Out PDUs before the R2T", len(s.PDUs)), "none")
		}
		t.completes(c, w)
	}
}

func unsolicitedDataOutOnly(t *T) {
	look := func(c *Conn, task *Task) {
		if p := task.PDU; len(p.Data) > 0 || !p.Write {
			t.Fail(pdu.FrameOf(p), "a command with W=1 and no data")
		}
		final := task.PDU.Final
		s := c.unasked(task, time.Second)
		if final {
			t.Check(len(s.PDUs) == 0, fmt.Sprintf("%d Data-Out PDUs after F=1", len(s.PDUs)), "none")
			return
		}
		s.tagged(t, task, pdu.ReservedTag)
		s.finals(t)
		s.continuous(t, 0, min(c.Params.FirstBurstLength, task.Length()))
	}
	t.Part("8 KiB", func() {
		c := t.Session()
		w := t.writes(c, Write{Blocks: 16})
		look(c, w.Task)
		t.completes(c, w)
	})
	t.Part("256 bytes", func() {
		c := t.Session()
		op := t.Start(RawCDB{CDB: modeSelect(256), Write: make([]byte, 256)})
		task := c.Command(scsi.OpModeSelect10)
		look(c, task)
		c.Good(task)
		op.Wait()
	})
}

func immediateAndUnsolicited(t *T) {
	c := t.Session()
	for _, blocks := range []int{1, 8, 128}[:t.times(3)] {
		w := t.writes(c, Write{Blocks: blocks})
		immediate, final := w.got, w.PDU.Final
		s := c.unasked(w.Task, time.Second)
		whole := min(c.Params.FirstBurstLength, w.Length())
		switch {
		case final && len(s.PDUs) > 0:
			t.Fail(fmt.Sprintf("%d Data-Out PDUs after a command with F=1", len(s.PDUs)), "none")
		case final:
			t.Check(immediate <= whole, fmt.Sprintf("%d bytes of immediate data", immediate), fmt.Sprintf("at most %d", whole))
		default:
			s.finals(t)
			s.continuous(t, immediate, whole-immediate)
		}
		t.completes(c, w)
	}
}

func immediateLimit(t *T) {
	for _, limit := range []struct {
		name           string
		segment, first int
	}{{"MaxRecvDataSegmentLength=512", 512, 65536}, {"FirstBurstLength=512", 65536, 512}} {
		t.PartWith(limit.name, func(b *Base, _ *Settings) {
			b.Params.MaxRecvDataSegmentLength, b.Params.FirstBurstLength = limit.segment, limit.first
		}, func() {
			c := t.Session()
			w := t.writes(c, Write{Blocks: 16})
			if n := len(w.PDU.Data); n > 512 {
				t.Fail(fmt.Sprintf("%d bytes of immediate data", n), "at most 512")
			}
			t.completes(c, w)
		})
	}
}

func segmentLimit(t *T) {
	look := func(c *Conn, limit int) {
		w := t.writes(c, Write{Blocks: 256})
		if n := len(w.PDU.Data); n > limit {
			t.Fail(fmt.Sprintf("%d bytes of immediate data", n), fmt.Sprintf("at most %d", limit))
		}
		c.unasked(w.Task, time.Second).upTo(t, limit)
		for w.got < w.Length() {
			_, s := c.ask(w, w.got, min(c.Params.MaxBurstLength, w.Length()-w.got))
			s.upTo(t, limit)
		}
		t.completes(c, w)
	}
	t.Part("declared", func() { look(t.Session(), 512) })
	t.Part("not declared", func() {
		op := t.Start(Login{})
		c := t.Accept()
		c.Login(func(s *Step) { s.Drop(text.KeyMaxRecvDataSegmentLength) })
		if t.Own() {
			op.Wait()
		}
		look(c, 8192)
	})
}

func finalOfUnsolicited(t *T) {
	c := t.Session()
	w := t.writes(c, Write{Blocks: 256})
	final := w.PDU.Final
	s := c.unasked(w.Task, time.Second)
	if final {
		t.Check(len(s.PDUs) == 0, fmt.Sprintf("%d Data-Out PDUs after a command with F=1", len(s.PDUs)), "none")
	} else {
		t.Check(len(s.PDUs) > 0, "a command with F=0 and no Data-Out", "unsolicited Data-Out")
		s.finals(t)
	}
	t.completes(c, w)
}

func finalOfSolicited(t *T) {
	c := t.Session()
	w := t.writes(c, Write{Blocks: 128})
	_, s := c.ask(w, 0, 65536)
	t.Check(len(s.Data) == 65536, fmt.Sprintf("F=1 after %d bytes", len(s.Data)), "F=1 in the last Data-Out of 65536 bytes")
	if more := c.unasked(w.Task, quietTime); len(more.PDUs) > 0 {
		t.Fail(fmt.Sprintf("%d Data-Out PDUs behind the F bit", len(more.PDUs)), "none")
	}
	t.completes(c, w)
}

func bufferOffset(t *T) {
	c := t.Session()
	w := t.writes(c, Write{Blocks: 32})
	c.unasked(w.Task, time.Second).continuous(t, len(w.PDU.Data), w.got-len(w.PDU.Data))
	for w.got < w.Length() {
		at := w.got
		r, s := c.ask(w, at, min(2048, w.Length()-at))
		s.continuous(t, at, int(r.DesiredDataTransferLength))
		t.holds(w, at, s.Data)
	}
	t.completes(c, w)
}

func tagEchoed(t *T) {
	c := t.Session()
	w := t.writes(c, Write{LUN: 5, Blocks: 40})
	c.unasked(w.Task, time.Second).tagged(t, w.Task, pdu.ReservedTag)
	for _, ttt := range []uint32{0xabbaabba, 0, 1, 0xfffffffe} {
		r := c.R2T(w.Task, w.got, 4096, func(p *pdu.R2T) { p.TTT = ttt })
		s := c.unasked(w.Task, time.Second)
		t.Check(len(s.PDUs) > 0, "no Data-Out", fmt.Sprintf("Data-Out that answers R2T 0x%08x", r.TTT))
		s.tagged(t, w.Task, ttt)
	}
	t.completes(c, w)
}

func earlyStatus(t *T) {
	c := t.Session()
	w := t.writes(c, Write{Blocks: 2048})
	c.unasked(w.Task, time.Second)
	if w.got < 65536 {
		c.ask(w, w.got, 65536-w.got)
	}
	sense := scsi.NewSense(scsi.MediumError, 0x0c00)
	c.CheckCondition(w.Task, sense)
	if !w.op.EndsWithin(AnswerTime) {
		t.Fail("a write that waits after its status", "a write that completes with the sense data")
	}
	if r := w.op.result; t.Own() {
		got, err := scsi.ParseSense(r.Sense)
		if r.Err != nil || r.Status != scsi.StatusCheckCondition || err != nil || got.Key != sense.Key || got.Code != sense.Code {
			t.Fail(fmt.Sprintf("a write that ended with %v", r), "CHECK CONDITION 03/0C/00")
		}
	}
	if s := c.unasked(w.Task, quietTime); len(s.PDUs) > 0 {
		t.Fail(fmt.Sprintf("%d Data-Out PDUs after the status", len(s.PDUs)), "none for a new sequence")
	}
	t.RIgnore(c)
}

func earlyR2T(t *T) {
	c := t.Session()
	w := t.writes(c, Write{Blocks: 256})
	first := min(c.Params.FirstBurstLength, w.Length())
	final, immediate := w.PDU.Final, len(w.PDU.Data)
	if final {
		first = immediate
	}
	r := c.R2T(w.Task, first, min(65536, w.Length()-first))
	if !final {
		s := c.answers(w, &pdu.R2T{TTT: pdu.ReservedTag})
		w.open = false
		s.continuous(t, immediate, first-immediate)
		s.counted(t)
	}
	s := c.answers(w, r)
	s.tagged(t, w.Task, r.TTT)
	s.continuous(t, first, int(r.DesiredDataTransferLength))
	s.counted(t)
	t.completes(c, w)
}

func zeroLengthWrite(t *T) {
	c := t.Session()
	op := t.Start(RawCDB{CDB: scsi.Write10(8, 0)})
	task := c.WriteCommand()
	if p := task.PDU; p.ExpectedDataTransferLength != 0 || !p.Final || len(p.Data) > 0 {
		t.Fail(pdu.FrameOf(p), "an Expected Data Transfer Length of 0, F=1 and no data")
	}
	c.Status(task, scsi.StatusGood)
	if r := op.Wait(); !r.Good() {
		t.Fail(fmt.Sprintf("a write of no blocks that ended with %v", r), "success")
	}
	if s := c.unasked(task, quietTime); len(s.PDUs) > 0 {
		t.Fail(fmt.Sprintf("%d Data-Out PDUs", len(s.PDUs)), "none")
	}
}

func wholeWords(t *T) {
	c := t.Session()
	w := t.writes(c, Write{Blocks: 128})
	odd := func(s Sequence) {
		for _, p := range s.PDUs {
			if !p.Final && len(p.Data)%4 != 0 {
				t.Warn("A segment that is not the last of its sequence holds no whole number of words.", fmt.Sprintf("a segment of %d bytes", len(p.Data)),
					"a multiple of four bytes")
				return
			}
		}
	}
	odd(c.unasked(w.Task, time.Second))
	_, s := c.ask(w, w.got, w.Length()-w.got)
	odd(s)
	t.completes(c, w)
}

func unsolicitedOrder(t *T) {
	for _, immediate := range []bool{false, true} {
		t.PartWith("ImmediateData="+text.FormatBool(immediate), func(b *Base, _ *Settings) {
			unsolicited(immediate, 65536, 262144, 1024)(b)
		}, func() { t.ordered(8) })
	}
}

// ordered has several writes begun together, and fails unless their unsolicited Data-Out come in the order of the commands.
func (t *T) ordered(n int) {
	c := t.Session()
	var writes []*writing
	var ops []*Pending
	for i := range n {
		ops = append(ops, t.Start(Write{LBA: uint64(128 * i), Blocks: 128}))
	}
	for i := range n {
		w := &writing{Task: c.WriteCommand(), op: ops[i]}
		if w.PDU.Final {
			t.Skip("NOT-TESTABLE: the initiator sends no unsolicited Data-Out.")
		}
		writes = append(writes, w)
	}
	t.Wait(time.Second)
	turn := 0
	for {
		p, is := nextDataOut(c)
		if !is {
			break
		}
		for at, w := range writes {
			if w.PDU.ITT != p.ITT {
				continue
			}
			if at < turn {
				t.Fail(fmt.Sprintf("unsolicited Data-Out of write %d behind those of write %d", at+1, turn+1), "the order of the commands")
			}
			turn = at
			w.store(int(p.BufferOffset), p.Data)
			w.got, w.open = w.got+len(p.Data), w.open && !p.Final
		}
	}
	for i, w := range writes {
		w.data = t.told(Write{LBA: w.CDB.LBA, Blocks: 128})
		w.op = ops[i]
		t.completes(c, w)
	}
}
