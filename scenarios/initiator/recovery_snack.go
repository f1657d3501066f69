package initiator

import (
	"bytes"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// snackChecks are those of the group recovery at ErrorRecoveryLevel 1.
func snackChecks() []Check {
	base, driver := level(1)
	with := func(id string, run func(t *T), more ...func(b *Base)) Check {
		return Check{ID: id, Driver: driver, Run: run, Base: func(b *Base) {
			base(b)
			for _, change := range more {
				change(b)
			}
		}}
	}
	scattered := with("recovery.snack.r2t-gap", snackR2TGap, func(b *Base) {
		b.Params.DataSequenceInOrder, b.Params.MaxOutstandingR2T = false, 4
	})
	scattered.Driver = func(s *Settings) {
		driver(s)
		s.Offer(text.KeyDataSequenceInOrder, text.No)
	}
	return []Check{
		{ID: "recovery.command-timeout-action", Run: commandTimeout},
		with("recovery.retry.identical", retryIdentical),
		with("recovery.retry.only-for-gaps", retryOnlyForGaps),
		with("recovery.snack.data-gap", snackDataGap),
		with("recovery.snack.status-gap", snackStatusGap),
		scattered,
		with("recovery.snack.unanswered", snackUnanswered),
		with("recovery.snack.duplicate-data", snackDuplicate),
		with("recovery.snack.r-data-after-mrdsl-change", snackRData),
		with("recovery.snack.no-r2t-on-timeout", snackNoR2T, func(b *Base) { b.Params.ImmediateData = false }),
		with("recovery.snack.not-below-dataack", snackNotBelowDataACK, func(b *Base) { b.Params.MaxBurstLength, b.Params.FirstBurstLength = 8192, 8192 }),
		with("recovery.erl-fallback", snackFallback),
	}
}

// snack waits for a SNACK of a type. What else the row allows (the end of the connection, an abort) makes the check say that the recovery
// was not exercised.
func (c *Conn) snack(kind pdu.SNACKType) *pdu.SNACKRequest {
	for {
		e := c.TryNext(AnswerTime, pdu.OpSNACKRequest, pdu.OpTaskManagementRequest)
		p, is := probe.As[*pdu.SNACKRequest](e)
		switch {
		case is && p.Type == kind:
			return p
		case is && p.Type == pdu.SNACKDataACK:
			continue
		case is:
			c.t.Fail(e, fmt.Sprintf("a %v SNACK", kind))
		case c.t.Own():
			c.t.Fail(e, fmt.Sprintf("a %v SNACK", kind))
		case e.Ended() || e.Kind == probe.Arrived:
			c.t.Skip("NOT-TESTABLE: the initiator recovers by %v instead of SNACK.", e)
		}
		c.t.Fail(e, fmt.Sprintf("a %v SNACK, an abort, or the end of the connection", kind))
	}
}

// dataSNACK fails unless a Data SNACK has the fields that it must have, and asks for a run that holds n.
func (t *T) dataSNACK(p *pdu.SNACKRequest, task *Task, n uint32) {
	t.Equal("ITT", p.ITT, task.PDU.ITT)
	t.Equal("TTT", p.TTT, uint32(pdu.ReservedTag))
	all := p.BegRun == 0 && p.RunLength == 0
	t.Check(all || p.BegRun == n && p.RunLength <= 1, fmt.Sprintf("BegRun=%d, RunLength=%d", p.BegRun, p.RunLength),
		fmt.Sprintf("BegRun=%d with RunLength=1 or 0, or 0 and 0", n))
}

// good fails unless a READ in pieces ends well on the connection that it began on.
func (t *T) goodPieces(c *Conn, op *Pending) {
	r := op.Wait()
	t.Check(r.Good() && r.Request == nil || r.Request != nil && r.Request.Transferred == len(r.Data), r, "GOOD with all of the data")
	t.Pattern(r.Data, 0)
	if e, ended := c.Ended(); ended {
		t.Fail(e, "a connection that goes on")
	}
}

func commandTimeout(t *T) {
	c := t.Session()
	op := t.Start(Read{Blocks: 8})
	c.Read()
	t.Probe()
	e := c.TryNext(4*AnswerTime, pdu.OpTaskManagementRequest, pdu.OpLogoutRequest)
	switch p := e.PDU.(type) {
	case *pdu.TaskManagementRequest:
		switch p.Function {
		case pdu.FunctionAbortTask, pdu.FunctionAbortTaskSet, pdu.FunctionLogicalUnitReset, pdu.FunctionTargetWarmReset, pdu.FunctionTargetColdReset:
		default:
			t.Fail(e, "ABORT TASK, a reset, or the end of the connection")
		}
		c.Manage(p, pdu.TaskResponseComplete)
	case *pdu.LogoutRequest:
		c.Logout(p, pdu.LogoutSuccess)
	default:
		if !t.Own() && !e.Ended() {
			t.Skip("NOT-TESTABLE: the initiator has no timeout of its own.")
		}
		t.Check(e.Ended(), e, "ABORT TASK, LOGICAL UNIT RESET, or the end of the connection within 120 s")
	}
	t.recovered(op)
}

func retryIdentical(t *T) {
	c := t.sessionAt(1)
	c.Session.Hold = true
	op := t.Start(Read{Blocks: 8})
	lost := c.Read()
	again := c.TryCommand(AnswerTime, Reads...)
	if again == nil {
		if t.Own() {
			t.Fail("no retry", "the command again")
		}
		t.Skip("NOT-TESTABLE: the initiator does not retry.")
	}
	was, is := lost.Event.Frame.BHS, again.Event.Frame.BHS
	copy(was[28:32], is[28:32]) // ExpStatSN may differ.
	if again.PDU.CmdSN == lost.PDU.CmdSN {
		t.Check(was == is, fmt.Sprintf("% x", is), fmt.Sprintf("the same PDU again: % x", was))
	}
	c.Session.Hold, c.Session.ExpCmdSN = false, again.PDU.CmdSN+1
	c.Good(again)
	r := op.Wait()
	t.Check(r.Good(), r, "GOOD")
}

func retryOnlyForGaps(t *T) {
	c := t.sessionAt(1)
	op := t.Start(Read{Blocks: 8})
	task := c.Read()
	c.NOPIn(pdu.ReservedTag)
	for end := time.Now().Add(2 * AnswerTime); time.Now().Before(end); {
		again := c.TryCommand(time.Until(end), Reads...)
		if again != nil && again.PDU.CmdSN == task.PDU.CmdSN {
			t.Fail(again.Event, "no retry of a command that ExpCmdSN has acknowledged")
		}
	}
	if _, ended := c.Ended(); !ended {
		c.Good(task)
	}
	t.recovered(op)
}

func snackDataGap(t *T) {
	c := t.sessionAt(1)
	op := t.Start(Read{Blocks: pieceBlocks})
	task := c.Read()
	before := c.StatSN
	for _, n := range []uint32{0, 1, 2, 4, 5, 6, 7} {
		c.piece(task, n)
	}
	c.whole(task)
	p := c.snack(pdu.SNACKData)
	t.dataSNACK(p, task, 3)
	t.Check(!iscsi.SNLess(before, p.ExpStatSN), fmt.Sprintf("ExpStatSN 0x%x", p.ExpStatSN), fmt.Sprintf("at most 0x%x, the task's StatSN", before))
	c.piece(task, 3)
	t.goodPieces(c, op)
}

func snackStatusGap(t *T) {
	c := t.sessionAt(1)
	ops := []*Pending{t.Start(Read{Blocks: 8}), t.Start(Read{Blocks: 8})}
	first, second := c.Read(), c.Read()
	lost := c.StatSN
	c.sendWhole(first)
	c.StatSN++
	c.Good(second)
	p := c.snack(pdu.SNACKStatus)
	t.Equal("ITT", p.ITT, uint32(pdu.ReservedTag))
	t.Equal("TTT", p.TTT, uint32(pdu.ReservedTag))
	t.Equal("BegRun", p.BegRun, lost)
	t.Check(p.RunLength <= 1, fmt.Sprintf("RunLength=%d", p.RunLength), "1 or 0")
	t.Equal("ExpStatSN", p.ExpStatSN, lost)
	c.NOPIn(c.Tag())
	e := c.Next(pdu.OpNOPOut)
	answer, _ := probe.As[*pdu.NOPOut](e)
	t.Equal("ExpStatSN", answer.ExpStatSN, lost)
	next := c.StatSN
	c.Status(first, scsi.StatusGood, func(p *pdu.SCSIResponse) { p.StatSN = lost })
	c.StatSN = next
	for _, op := range ops {
		r := op.Wait()
		t.Check(r.Good(), r, "GOOD")
	}
	t.RIgnore(c)
}

// sendWhole sends the data of a READ, without status.
func (c *Conn) sendWhole(task *Task) {
	c.DataIn(task, 0, task.Length(), Final)
}

func snackR2TGap(t *T) {
	c := t.sessionAt(1)
	if c.Params.DataSequenceInOrder {
		t.Skip("NOT-TESTABLE: the initiator insists on DataSequenceInOrder=Yes.")
	}
	write := Write{Blocks: 512}
	op := t.Start(write)
	task := c.WriteCommand()
	rest := task.Length() - task.got
	step := rest / 3 / 4 * 4
	begin := task.got
	ask := func(n uint32, offset, length int) *pdu.R2T {
		task.r2tSN = n
		return c.R2T(task, offset, length)
	}
	first := ask(0, begin, step)
	third := ask(2, begin+2*step, rest-2*step)
	c.DataOut(task, first.TTT)
	c.DataOut(task, third.TTT)
	p := c.snack(pdu.SNACKData)
	t.dataSNACK(p, task, 1)
	second := ask(1, begin+step, step)
	c.DataOut(task, second.TTT)
	t.Check(bytes.Equal(task.Written, write.bytes()), "other data than was to be written", "all of the data, at its place")
	c.Status(task, scsi.StatusGood, func(p *pdu.SCSIResponse) { p.ExpDataSN, p.Underflow, p.ResidualCount = 3, false, 0 })
	r := op.Wait()
	t.Check(r.Good(), r, "GOOD")
	t.RIgnore(c)
}

func snackUnanswered(t *T) {
	c := t.sessionAt(1)
	t.Start(Read{Blocks: pieceBlocks})
	task := c.Read()
	for _, n := range []uint32{0, 1, 2, 4} {
		c.piece(task, n)
	}
	limit := time.Now().Add(4 * AnswerTime)
	for asked := 0; ; {
		e := c.TryNext(time.Until(limit), pdu.OpSNACKRequest, pdu.OpTaskManagementRequest, pdu.OpLogoutRequest)
		_, is := probe.As[*pdu.SNACKRequest](e)
		switch {
		case e.Ended() || e.Kind == probe.Arrived && !is:
			t.RAlive()
			return
		case !is:
			t.Fail(e, "an abort or the end of the connection within 120 s")
		}
		if asked++; asked > 11 {
			t.Fail(fmt.Sprintf("%d SNACKs for one gap", asked), "at most 10 repeats")
		}
	}
}

func snackDuplicate(t *T) {
	c := t.sessionAt(1)
	op := t.Start(Read{Blocks: pieceBlocks})
	task := c.Read()
	for _, n := range []uint32{0, 1, 2, 4, 5, 6, 7} {
		c.piece(task, n)
	}
	c.snack(pdu.SNACKData)
	for n := uint32(3); n < pieces; n++ {
		c.piece(task, n)
	}
	c.whole(task)
	t.goodPieces(c, op)
}

func snackRData(t *T) {
	c := t.sessionAt(1)
	op := t.Start(Read{Blocks: pieceBlocks})
	task := c.Read()
	for n := range uint32(3) {
		c.piece(task, n)
	}
	change := t.Start(SendText{Pairs: text.Pairs{{Key: text.KeyMaxRecvDataSegmentLength, Value: "2048"}}})
	e := c.Next(pdu.OpTextRequest)
	request, _ := probe.As[*pdu.TextRequest](e)
	c.Text(request, nil)
	if r := change.Wait(); !r.Good() {
		t.Skip("NOT-TESTABLE: the initiator does not change its MaxRecvDataSegmentLength: %v.", r)
	}
	statSN := c.StatSN
	c.whole(task)
	p := c.snack(pdu.SNACKRData)
	t.Equal("ITT", p.ITT, task.PDU.ITT)
	t.Check(p.TTT != 0 && p.TTT != pdu.ReservedTag, fmt.Sprintf("SNACK Tag 0x%x", p.TTT), "another value than 0 and 0xffffffff")
	t.Equal("BegRun", p.BegRun, 0)
	t.Equal("RunLength", p.RunLength, 0)
	for offset := 0; offset < task.Length(); offset += 2048 {
		c.DataIn(task, offset, 2048)
	}
	c.whole(task, func(r *pdu.SCSIResponse) { r.StatSN, r.SNACKTag, r.ExpDataSN = statSN, p.TTT, task.dataSN })
	c.StatSN = statSN + 1
	t.goodPieces(c, op)
}

func snackNoR2T(t *T) {
	c := t.sessionAt(1)
	op := t.Start(Write{Blocks: 128})
	task := c.WriteCommand()
	e := c.TryNext(45*time.Second, pdu.OpSNACKRequest, pdu.OpTaskManagementRequest)
	if p, is := probe.As[*pdu.SNACKRequest](e); is && p.Type == pdu.SNACKData {
		t.Warn("The initiator asks for an R2T on its own timer.", e, "no SNACK for an R2T that has merely not come yet")
		return
	}
	if e.Kind == probe.Arrived || e.Ended() {
		t.Skip("NOT-TESTABLE: the initiator does not wait for the R2T that long: %v.", e)
	}
	c.Good(task)
	r := op.Wait()
	t.Check(r.Good(), r, "GOOD")
}

func snackNotBelowDataACK(t *T) {
	const length, burst = 1024, 8
	c := t.sessionAt(1)
	op := t.Start(Read{Blocks: pieceBlocks})
	task := c.Read()
	one := func(n int, changes ...func(*pdu.DataIn)) {
		p := &pdu.DataIn{LUN: task.PDU.LUN, ITT: task.PDU.ITT, TTT: pdu.ReservedTag, DataSN: uint32(n), BufferOffset: uint32(n * length),
			Data: task.Bytes(n*length, length), Final: n%burst == burst-1}
		send(c, p, changes)
	}
	for n := range burst {
		one(n, func(p *pdu.DataIn) {
			if p.Final {
				p.Acknowledge, p.TTT = true, c.Tag()
			}
		})
	}
	e := c.TryNext(AnswerTime, pdu.OpSNACKRequest)
	ack, is := probe.As[*pdu.SNACKRequest](e)
	switch {
	case !is && t.Own():
		t.Fail(e, "a DataACK")
	case !is:
		t.Skip("NOT-TESTABLE: the initiator sends no DataACK.")
	}
	t.Equal("BegRun of the DataACK", ack.BegRun, burst)
	for n := burst; n < 4*burst; n++ {
		if n != 10 {
			one(n)
		}
	}
	p := c.snack(pdu.SNACKData)
	all := p.BegRun == 0 && p.RunLength == 0
	t.Check(all || p.BegRun >= burst, fmt.Sprintf("BegRun=%d, RunLength=%d", p.BegRun, p.RunLength), "no data that was acknowledged")
	for n := max(burst, int(p.BegRun)); n < 4*burst; n++ {
		one(n)
	}
	c.whole(task, func(p *pdu.SCSIResponse) { p.ExpDataSN = 4 * burst })
	t.goodPieces(c, op)
}

func snackFallback(t *T) {
	c := t.sessionAt(1)
	op := t.Start(Read{Blocks: pieceBlocks})
	task := c.Read()
	for _, n := range []uint32{0, 1, 2, 4} {
		c.piece(task, n)
	}
	limit := time.Now().Add(4 * AnswerTime)
	for {
		e := c.TryNext(time.Until(limit), pdu.OpSNACKRequest, pdu.OpTaskManagementRequest, pdu.OpLogoutRequest)
		switch p := e.PDU.(type) {
		case *pdu.SNACKRequest:
			c.Reject(e, pdu.RejectSNACK)
			continue
		case *pdu.TaskManagementRequest:
			c.Reject(e, pdu.RejectCommandNotSupported)
			continue
		case *pdu.LogoutRequest:
			c.Logout(p, pdu.LogoutSuccess)
			continue
		}
		t.Check(e.Ended(), e, "the end of the connection within 120 s")
		break
	}
	t.recovered(op)
}
