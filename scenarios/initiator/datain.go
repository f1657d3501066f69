package initiator

import (
	"bytes"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// dataInChecks are those of the group data-in that are about the data itself.
func dataInChecks() []Check {
	small := func(s *Settings) { s.Offer(text.KeyMaxRecvDataSegmentLength, "8192") }
	return []Check{
		{ID: "datain.status-in-final", Driver: small, Run: statusInFinal},
		{ID: "datain.status-separate", Run: statusSeparate},
		{ID: "datain.abit-erl0-ignored", Run: acknowledgeAtLevelZero},
		{ID: "datain.zero-length-segment", Run: emptySegments},
		{ID: "datain.segment-over-mrdsl", Driver: small, Run: longSegments},
		{ID: "datain.beyond-edtl", Run: beyondLength},
		{ID: "datain.offset-order", Run: offsetOrder},
		{ID: "datain.random-offsets-allowed", Base: anyOrder, Driver: func(s *Settings) {
			s.Offer(text.KeyDataPDUInOrder, text.No)
		}, Run: randomOffsets},
		{ID: "datain.datasn-gap-erl0", Run: dataSNGap},
		{ID: "datain.expdatasn-mismatch", Run: expDataSNMismatch},
		{ID: "datain.short-good-no-residual", Run: shortGood},
		{ID: "datain.s-without-f", Run: statusWithoutFinal},
		{ID: "datain.check-condition-in-datain", Run: checkConditionInDataIn},
		{ID: "datain.wrong-itt", Run: wrongTag},
		{ID: "datain.interleaved-tasks", Run: interleavedTasks},
		{ID: "datain.over-maxburst-sequence", Base: func(b *Base) { b.Params.MaxBurstLength = 8192 }, Run: manySequences},
	}
}

func anyOrder(b *Base) { b.Params.DataPDUInOrder = false }

// kib is 1024 bytes, kibBlocks what they are in blocks.
const (
	kib       = 1024
	kibBlocks = kib / BlockSize
)

// reading starts a READ of n KiB from block 0, and returns the command.
func (t *T) reading(c *Conn, n int) (*Pending, *Task) {
	op := t.Start(Read{Blocks: n * kibBlocks})
	task := c.Read()
	if task.Length() != n*kib {
		t.Skip("NOT-TESTABLE: the initiator reads %d bytes where %d were asked for.", task.Length(), n*kib)
	}
	return op, task
}

// concluded serves everything soundly until an operation has ended, on new connections too, and returns its result.
func (t *T) concluded(op *Pending) Result {
	t.Soundly(func() {
		ended := t.until(4*AnswerTime, func() bool {
			t.welcome()
			return op.Ended()
		})
		if !ended {
			t.Fail(fmt.Sprintf("no end of %s within %v", op.Op.OpName(), 4*AnswerTime), "an end of "+op.Op.OpName())
		}
	})
	if n := op.Told(); n > 1 {
		t.Fail(fmt.Sprintf("%d completions", n), "one completion")
	}
	return op.result
}

// neverWrong waits for the end of a read from block 0, and fails if it succeeds with other bytes than the disk's. It may fail, or be
// read again.
func (t *T) neverWrong(op *Pending) Result {
	r := t.concluded(op)
	if r.Good() {
		t.Pattern(r.Data, 0)
		if r.Request != nil && r.Request.Transferred != len(r.Data) {
			t.Fail(fmt.Sprintf("GOOD with %d of %d bytes and no error", r.Request.Transferred, len(r.Data)), "all bytes, or an error")
		}
	}
	return r
}

// whole waits for the end of a read from block 0 and fails unless it brought all bytes.
func (t *T) whole(op *Pending) {
	r := op.Wait()
	if !r.Good() {
		t.Fail(r, "a read that completes GOOD")
	}
	t.Pattern(r.Data, 0)
}

func statusInFinal(t *T) {
	c := t.Session()
	op, task := t.reading(c, 32)
	step := min(c.Params.PeerMaxRecvDataSegmentLength, task.Length())
	for at := 0; at < task.Length(); at += step {
		n := min(step, task.Length()-at)
		if at+n < task.Length() {
			c.DataIn(task, at, n)
		} else {
			c.DataIn(task, at, n, c.WithStatus())
		}
	}
	t.whole(op)
	next := t.Start(Read{Blocks: 1})
	command := c.Read()
	t.Equal("ExpStatSN", command.PDU.ExpStatSN, c.StatSN)
	c.Good(command)
	t.whole(next)
}

func statusSeparate(t *T) {
	c := t.Session()
	op, task := t.reading(c, 4)
	c.DataIn(task, 0, 2*kib)
	c.DataIn(task, 2*kib, 2*kib, Final)
	t.Wait(50 * time.Millisecond)
	if op.Ended() {
		t.Fail("a read that ends before its SCSI Response", "a read that waits for its status")
	}
	c.Status(task, scsi.StatusGood)
	t.whole(op)
	t.RIgnore(c)
}

func acknowledgeAtLevelZero(t *T) {
	c := t.Session()
	op, task := t.reading(c, 16)
	c.DataIn(task, 0, 4*kib)
	c.DataIn(task, 4*kib, 4*kib, func(p *pdu.DataIn) { p.Acknowledge, p.TTT = true, 0x99 })
	c.DataIn(task, 8*kib, 4*kib)
	if e := c.TryNext(time.Second, pdu.OpSNACKRequest); e.Kind == probe.Arrived {
		t.Fail(e, "no SNACK Request at ErrorRecoveryLevel 0")
	} else if e.Ended() {
		t.Warn("The initiator closes the connection over an A bit.", e, "an A bit that is ignored")
		return
	}
	c.DataIn(task, 12*kib, 4*kib, Final)
	c.Status(task, scsi.StatusGood)
	t.whole(op)
	t.RIgnore(c)
}

func emptySegments(t *T) {
	c := t.Session()
	op, task := t.reading(c, 4)
	c.DataIn(task, 0, 0)
	c.DataIn(task, 0, 4*kib)
	c.DataIn(task, 4*kib, 0, c.WithStatus())
	t.whole(op)
	t.RIgnore(c)
}

func longSegments(t *T) {
	t.Part("four bytes more", func() {
		c := t.Session()
		op, task := t.reading(c, 32)
		most := c.Params.PeerMaxRecvDataSegmentLength
		if most+4 > task.Length() {
			t.Skip("NOT-TESTABLE: the initiator takes %d bytes in one PDU, more than it reads.", most)
		}
		c.DataIn(task, 0, most+4)
		if e := c.NextRaw(time.Second); e.Ended() {
			_ = c.Close()
			t.neverWrong(op)
			return
		}
		c.DataIn(task, most+4, task.Length()-most-4, c.WithStatus())
		t.neverWrong(op)
	})
	t.Part("sixteen megabytes", func() {
		c := t.Session()
		op, task := t.reading(c, 4)
		p := &pdu.DataIn{LUN: task.PDU.LUN, ITT: task.PDU.ITT, TTT: pdu.ReservedTag}
		c.Number(p)
		f := pdu.FrameOf(p)
		f.BHS.SetDataSegmentLength(0xffffff)
		c.SendFrame(f)
		t.RClose(c)
		t.neverWrong(op)
	})
}

func beyondLength(t *T) {
	for _, run := range []struct {
		name      string
		offset, n int
	}{{"behind the end", 4 * kib, 512}, {"over the end", 3584, kib}, {"past 32 bits", 0xfffffe00, kib}} {
		t.Part(run.name, func() {
			c := t.Session()
			op, task := t.reading(c, 4)
			before := run.offset
			if before > 4*kib {
				before = 4 * kib
			}
			c.DataIn(task, 0, before)
			c.DataIn(task, 0, 0, func(p *pdu.DataIn) {
				p.BufferOffset, p.Data = uint32(run.offset), bytes.Repeat([]byte{0xee}, run.n)
			})
			task.moved = task.Length()
			c.Status(task, scsi.StatusGood)
			t.neverWrong(op)
			t.Probe()
		})
	}
}

func offsetOrder(t *T) {
	t.Part("out of order", func() {
		c := t.Session()
		op, task := t.reading(c, 3)
		for _, at := range []int{0, 2 * kib, kib} {
			c.DataIn(task, at, kib)
		}
		c.Status(task, scsi.StatusGood)
		t.neverWrong(op)
	})
	t.Part("once too often", func() {
		c := t.Session()
		op, task := t.reading(c, 4)
		for _, at := range []int{0, kib, kib, 3 * kib} {
			c.DataIn(task, at, kib)
		}
		c.Status(task, scsi.StatusGood)
		t.neverWrong(op)
	})
}

func randomOffsets(t *T) {
	c := t.Session()
	if c.Params.DataPDUInOrder {
		t.Skip("NOT-TESTABLE: the initiator insists on DataPDUInOrder=Yes.")
	}
	op, task := t.reading(c, 64)
	for i := range 16 {
		// Each number once, and no two neighbours one behind the other.
		c.DataIn(task, i*7%16*4*kib, 4*kib, func(p *pdu.DataIn) { p.Final = i == 15 })
	}
	c.Status(task, scsi.StatusGood)
	t.whole(op)
}

func dataSNGap(t *T) {
	c := t.Session()
	op, task := t.reading(c, 8)
	for i := range 8 {
		if i == 3 {
			task.dataSN++
			continue
		}
		c.DataIn(task, i*kib, kib, func(p *pdu.DataIn) {
			if i == 7 {
				c.WithStatus()(p)
			}
		})
	}
	t.neverWrong(op)
}

func expDataSNMismatch(t *T) {
	for _, missing := range []bool{false, true} {
		t.Part(map[bool]string{false: "all bytes there", true: "the last PDU missing"}[missing], func() {
			c := t.Session()
			op, task := t.reading(c, 4)
			for i := range 4 {
				if i == 3 && missing {
					break
				}
				c.DataIn(task, i*kib, kib, func(p *pdu.DataIn) { p.Final = i == 3 })
			}
			c.Status(task, scsi.StatusGood, func(p *pdu.SCSIResponse) {
				p.ExpDataSN = task.dataSN + 1
				p.Underflow, p.ResidualCount = false, 0
			})
			t.Wait(time.Second)
			_, closed := c.Ended()
			if r := t.neverWrong(op); r.Good() && !closed && !missing {
				t.Warn("An ExpDataSN beyond what came goes unseen.", r, "no success")
			}
		})
	}
}

func shortGood(t *T) {
	c := t.Session()
	op, task := t.reading(c, 8)
	c.DataIn(task, 0, 4*kib, Final)
	c.Status(task, scsi.StatusGood, func(p *pdu.SCSIResponse) { p.Underflow, p.ResidualCount = false, 0 })
	r := t.concluded(op)
	if !r.Good() || r.Request != nil && r.Request.Transferred == 4*kib {
		return
	}
	t.Pattern(r.Data, 0)
}

func statusWithoutFinal(t *T) {
	c := t.Session()
	op, task := t.reading(c, 4)
	c.DataIn(task, 0, kib)
	c.DataIn(task, kib, kib, c.WithStatus(), func(p *pdu.DataIn) { p.Final = false })
	t.Wait(time.Second)
	if _, ended := c.Ended(); !ended && !op.Ended() {
		c.DataIn(task, 2*kib, 2*kib, Final)
		c.Status(task, scsi.StatusGood)
	}
	t.neverWrong(op)
}

func checkConditionInDataIn(t *T) {
	c := t.Session()
	op, task := t.reading(c, 4)
	c.DataIn(task, 0, 4*kib, c.WithStatus(), func(p *pdu.DataIn) { p.Status = byte(scsi.StatusCheckCondition) })
	t.Wait(time.Second)
	_, closed := c.Ended()
	if r := t.concluded(op); r.Good() && !closed {
		t.Fail(r, "no success", "the end of the connection")
	}
}

// wrongTag sends what belongs to no task while a read and a write are open.
func wrongTag(t *T) {
	garbage := bytes.Repeat([]byte{0xee}, 4*kib)
	t.Part("unknown", func() {
		c := t.Session()
		op, task := t.reading(c, 4)
		c.DataIn(task, 0, 4*kib, func(p *pdu.DataIn) { p.ITT, p.Data = p.ITT^0x5a5a0000, garbage })
		task.dataSN = 0
		if e := c.NextRaw(time.Second); e.Ended() {
			t.neverWrong(op)
			return
		}
		c.DataIn(task, 0, 4*kib, c.WithStatus())
		t.whole(op)
	})
	t.Part("of a write", func() {
		c := t.Session()
		op := t.Start(Write{Blocks: 8})
		task := c.WriteCommand()
		send(c, &pdu.DataIn{Final: true, ITT: task.PDU.ITT, TTT: pdu.ReservedTag, Data: garbage}, nil)
		if e := c.TryNext(time.Second, pdu.OpLogoutRequest); e.Kind != probe.TimedOut {
			t.concluded(op)
			return
		}
		c.Good(task)
		if r := op.Wait(); !r.Good() {
			t.Fail(r, "a write that completes GOOD")
		}
	})
	t.Part("retired", func() {
		c := t.Session()
		first, old := t.reading(c, 4)
		c.Good(old)
		t.whole(first)
		op, task := t.reading(c, 4)
		send(c, &pdu.SCSIResponse{ITT: old.PDU.ITT, Status: byte(scsi.StatusGood)}, nil)
		if old.PDU.ITT == task.PDU.ITT {
			t.Skip("NOT-TESTABLE: the initiator uses the tag again at once.")
		}
		t.Wait(time.Second)
		if _, ended := c.Ended(); ended {
			t.neverWrong(op)
			return
		}
		if op.Ended() {
			t.Fail("a read that ends by the response to another", "a response to nobody that is ignored")
		}
		c.Good(task)
		t.whole(op)
	})
}

func interleavedTasks(t *T) {
	const tasks, size = 8, 64
	c := t.Session()
	var ops []*Pending
	for i := range tasks {
		ops = append(ops, t.Start(Read{LBA: uint64(i * size * kibBlocks), Blocks: size * kibBlocks}))
	}
	var commands []*Task
	for range tasks {
		task := c.TryCommand(AnswerTime, Reads...)
		if task == nil {
			t.Skip("NOT-TESTABLE: the initiator has %d reads outstanding at once, not %d.", len(commands), tasks)
		}
		commands = append(commands, task)
	}
	const step = 8 * kib
	for at := 0; at < size*kib; at += step {
		for _, task := range commands {
			c.DataIn(task, at, step, func(p *pdu.DataIn) { p.Final = at+step == size*kib })
		}
	}
	for i := len(commands) - 1; i >= 0; i-- {
		c.Status(commands[i], scsi.StatusGood)
	}
	for i, op := range ops {
		r := op.Wait()
		if !r.Good() {
			t.Fail(r, "a read that completes GOOD")
		}
		t.Pattern(r.Data, uint64(i*size*kibBlocks))
	}
}

func manySequences(t *T) {
	c := t.Session()
	op, task := t.reading(c, 64)
	for at := 0; at < task.Length(); at += 8 * kib {
		c.DataIn(task, at, 4*kib)
		c.DataIn(task, at+4*kib, 4*kib, Final)
	}
	t.Wait(100 * time.Millisecond)
	if op.Ended() {
		t.Fail("a read that ends before its status", "F bits that end sequences alone")
	}
	c.Status(task, scsi.StatusGood)
	t.whole(op)
	t.RIgnore(c)
}
