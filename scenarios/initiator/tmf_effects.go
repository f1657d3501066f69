package initiator

import (
	"bytes"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// taskEffectChecks are those of the group tmf that are about the tasks that task management ends.
func taskEffectChecks() []Check {
	return []Check{
		{ID: "tmf.abort-set-still-answers-ping", Run: answersWhileEnding},
		{ID: "tmf.abort-set-still-answers-datain", Run: readsWhileEnding},
		{ID: "tmf.abort-set-late-response-accepted", Run: statusWhileEnding},
		{ID: "tmf.abort-success-then-no-response", Run: abortEnds},
		{ID: "tmf.late-data-after-abort", Run: dataAfterAbort},
		{ID: "tmf.late-status-after-response", Run: statusAfterResponse},
		{ID: "tmf.lun-reset-clears-tasks", Base: twoUnits(1), Run: resetOfOneUnit},
		{ID: "tmf.late-tmf-response-discarded", Run: lateAnswer},
		{ID: "tmf.fastabort-no-dataout-after-tmf", Base: func(b *Base) {
			b.Params.TaskReporting, b.Params.MaxRecvDataSegmentLength = "FastAbort", 1024
		}, Driver: fastAbort, Run: noDataAfterFastAbort},
	}
}

func fastAbort(s *Settings) { s.Offer(text.KeyTaskReporting, "FastAbort,ResponseFence,RFC3720") }

// pinged sends a ping and fails unless it is answered.
func (t *T) pinged(c *Conn, lun uint64) {
	ping := c.NOPIn(c.Tag(), func(p *pdu.NOPIn) { p.LUN = lun })
	e := c.Await(AnswerTime, func(e probe.Event) bool {
		p, is := probe.As[*pdu.NOPOut](e)
		return is && p.TTT == ping.TTT
	})
	if e.Kind != probe.Arrived {
		t.Fail(e, "a NOP-Out that answers the ping")
	}
}

func answersWhileEnding(t *T) {
	c := t.Session()
	if c.Params.TaskReporting == "FastAbort" {
		t.Skip("NOT-TESTABLE: FastAbort was agreed.")
	}
	write := t.Start(Write{Blocks: 512})
	task := c.WriteCommand()
	if task.open {
		task.open = false
		c.DataOut(task, pdu.ReservedTag)
	}
	if task.got == task.Length() {
		t.Skip("NOT-TESTABLE: the initiator sends all data without being asked for it.")
	}
	reset, p := t.manages(c, LUNReset{})
	t.pinged(c, task.PDU.LUN)
	r2t := c.R2T(task, task.got, min(task.Length()-task.got, c.Params.MaxBurstLength))
	if s := c.DataOut(task, r2t.TTT); s.End != nil {
		t.Fail(s.End, "Data-Out in answer to the R2T")
	}
	c.Manage(p, pdu.TaskResponseComplete)
	reset.Wait()
	t.aborted(write, time.Second)
	t.RIgnore(c)
}

func readsWhileEnding(t *T) {
	c := t.Session()
	read, task := t.onUnit(c, 0)
	reset, p := t.manages(c, LUNReset{})
	t.pinged(c, task.PDU.LUN)
	c.DataIn(task, 0, 2*kib, func(p *pdu.DataIn) { p.Acknowledge, p.TTT = true, c.Tag() })
	t.pinged(c, task.PDU.LUN)
	c.Manage(p, pdu.TaskResponseComplete)
	reset.Wait()
	t.aborted(read, time.Second)
	t.RIgnore(c)
}

func statusWhileEnding(t *T) {
	c := t.Session()
	read, task := t.onUnit(c, 0)
	reset, p := t.manages(c, LUNReset{})
	c.Good(task)
	c.Manage(p, pdu.TaskResponseComplete)
	reset.Wait()
	t.neverWrong(read)
	t.RIgnore(c)
	t.Equal("completions", read.Told(), 1)
}

func abortEnds(t *T) {
	c := t.Session()
	read, _ := t.onUnit(c, 0)
	abort, p := t.manages(c, AbortTask{Of: read})
	c.Manage(p, pdu.TaskResponseComplete)
	t.aborted(read, time.Second)
	if r := abort.Wait(); !r.Good() {
		t.Fail(r, "an abort that succeeds")
	}
	t.RIgnore(c)
}

func dataAfterAbort(t *T) {
	c := t.Session()
	read, task := t.onUnit(c, 0)
	abort, p := t.manages(c, AbortTask{Of: read})
	c.Manage(p, pdu.TaskResponseComplete)
	r := t.aborted(read, time.Second)
	abort.Wait()
	before := bytes.Clone(r.Data)
	c.DataIn(task, 0, 4*kib, func(p *pdu.DataIn) { p.Data = bytes.Repeat([]byte{0xee}, 4*kib) })
	t.Wait(time.Second)
	t.unchanged(r, before)
	t.RAlive()
}

func statusAfterResponse(t *T) {
	c := t.Session()
	read, first := t.onUnit(c, 0)
	write := t.Start(Write{Blocks: 8})
	second := c.WriteCommand()
	reset, p := t.manages(c, LUNReset{})
	c.Manage(p, pdu.TaskResponseComplete)
	reset.Wait()
	t.aborted(read, time.Second)
	t.aborted(write, time.Second)
	next, task := t.onUnit(c, 0)
	for _, old := range []*Task{first, second} {
		c.Status(old, scsi.StatusGood, func(p *pdu.SCSIResponse) { p.Underflow, p.ResidualCount = false, 0 })
	}
	t.Wait(time.Second)
	if _, ended := c.Ended(); !ended {
		if next.Ended() {
			t.Fail(next.result, "a late response that ends nothing")
		}
		c.Good(task)
	}
	r := t.concluded(next)
	if !r.Good() {
		t.Fail(r, "a read that completes GOOD")
	}
	t.Pattern(r.Data, 0)
	t.Equal("completions", read.Told()+write.Told(), 2)
}

func resetOfOneUnit(t *T) {
	c := t.Session()
	first, _ := t.onUnit(c, 0)
	second, other := t.onUnit(c, 1)
	reset, p := t.manages(c, LUNReset{LUN: 0})
	c.Manage(p, pdu.TaskResponseComplete)
	reset.Wait()
	t.aborted(first, time.Second)
	if second.Ended() {
		t.Fail(second.result, "a task of another unit that goes on")
	}
	third, attention := t.onUnit(c, 0)
	c.CheckCondition(attention, scsi.NewSense(scsi.UnitAttention, scsi.ASC(0x2903)))
	t.concluded(third)
	c.Good(other)
	r := second.Wait()
	if !r.Good() {
		t.Fail(r, "a read of another unit that completes GOOD")
	}
	t.RIgnore(c)
}

func lateAnswer(t *T) {
	c := t.Session()
	reads := make([]*Pending, 2)
	for i := range reads {
		reads[i], _ = t.onUnit(c, 0)
	}
	_, first := t.manages(c, AbortTask{Of: reads[0]})
	reset, stronger := t.manages(c, LUNReset{})
	c.Manage(stronger, pdu.TaskResponseComplete)
	reset.Wait()
	for _, read := range reads {
		t.aborted(read, time.Second)
	}
	next, tasks := make([]*Pending, 2), make([]*Task, 2)
	for i := range next {
		next[i], tasks[i] = t.onUnit(c, 0)
	}
	c.Manage(first, pdu.TaskResponseComplete)
	t.Wait(time.Second)
	if e, ended := c.Ended(); ended {
		t.Warn("The initiator closes the connection over a late answer.", e, "an answer that is ignored")
		return
	}
	for i := range next {
		c.Good(tasks[i])
		t.whole(next[i])
	}
	for _, read := range reads {
		t.Equal("completions", read.Told(), 1)
	}
}

func noDataAfterFastAbort(t *T) {
	c := t.Session()
	if c.Params.TaskReporting != "FastAbort" {
		t.Skip("NOT-TESTABLE: the initiator does not agree on FastAbort.")
	}
	const burst = 256 * kib
	write := t.Start(Write{Blocks: 2048})
	task := c.WriteCommand()
	if task.open {
		task.open = false
		c.DataOut(task, pdu.ReservedTag)
	}
	c.R2T(task, task.got, burst)
	if e := c.TryNext(AnswerTime, pdu.OpDataOut); e.Kind != probe.Arrived {
		t.Fail(e, "Data-Out in answer to the R2T")
	}
	c.Mute = true
	reset := t.Start(LUNReset{})
	// In the order in which it comes: Data-Out is fine before the request, and not after it.
	var p *pdu.TaskManagementRequest
	for p == nil {
		e := c.NextRaw(AnswerTime)
		if e.Kind != probe.Arrived {
			t.missing(e, "a task management request")
		}
		p, _ = probe.As[*pdu.TaskManagementRequest](e)
	}
	c.R2T(task, task.got+burst, burst)
	for end := t.Now() + 2*time.Second; t.Now() < end; {
		e := c.NextRaw(end - t.Now())
		if d, is := probe.As[*pdu.DataOut](e); is && d.ITT == task.PDU.ITT {
			t.Fail(e, "no Data-Out after the task management request")
		}
		if ping, is := probe.As[*pdu.NOPOut](e); is && ping.ITT != pdu.ReservedTag {
			c.Echo(ping)
		}
	}
	c.Mute = false
	c.Manage(p, pdu.TaskResponseComplete)
	reset.Wait()
	t.aborted(write, time.Second)
	t.RIgnore(c)
}
