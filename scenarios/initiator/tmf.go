package initiator

import (
	"bytes"
	"fmt"
	"testing/synctest"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// taskManagementChecks are those of the group tmf that are about the request itself.
func taskManagementChecks() []Check {
	return []Check{
		{ID: "tmf.lun-field", Base: twoUnits(5), Run: managedLUN},
		{ID: "tmf.refcmdsn", Run: managedCmdSN},
		{ID: "tmf.referenced-tag-reserved", Run: referencedTag},
		{ID: "tmf.pdu-fields", Run: managementFields},
		{ID: "tmf.task-does-not-exist", Run: taskDoesNotExist},
		{ID: "tmf.not-supported-escalates", Run: refusedManagement},
		{ID: "tmf.unanswered", Run: unansweredManagement},
		{ID: "tmf.not-sent-for-login-text", Limits: scenarios.Limits{Run: 3 * unansweredTime}, Run: unansweredTextAndPing},
		{ID: "tmf.no-abort-of-task-management", Run: unansweredAbort},
		{ID: "tmf.rfc7144-functions-gated", Driver: levelTwo, Run: gatedFunctions},
		{ID: "tmf.rfc7144-fields", Base: func(b *Base) { b.Params.ProtocolLevel = 2 }, Driver: levelTwo, Run: queryFields},
	}
}

func levelTwo(s *Settings) { s.Offer(text.KeyISCSIProtocolLevel, "2") }

// twoUnits adds a unit to the array's.
func twoUnits(lun uint32) func(*Base) {
	return func(b *Base) {
		second := Disk(16 << 20)
		second.Identity = disk.Identity{Product: "SCRIPTED DISK", Serial: "SCRIPTED-SECOND"}
		b.Units = append(b.Units, Unit{LUN: scsi.LUNOf(lun), Config: second})
	}
}

// manages starts an operation that is about task management and returns the request that it makes.
func (t *T) manages(c *Conn, op Op) (*Pending, *pdu.TaskManagementRequest) {
	p := t.Start(op)
	return p, c.managed()
}

// managed waits for the next task management request.
func (c *Conn) managed() *pdu.TaskManagementRequest {
	p, _ := probe.As[*pdu.TaskManagementRequest](c.Next(pdu.OpTaskManagementRequest))
	return p
}

// onUnit starts a READ of eight blocks of a unit and returns the command.
func (t *T) onUnit(c *Conn, lun uint32) (*Pending, *Task) {
	op := t.Start(Read{LUN: lun, Blocks: 8})
	return op, c.Read()
}

// over waits for the end of an operation that is to have ended by itself.
func (t *T) over(op *Pending, within time.Duration) Result {
	if !op.EndsWithin(within) {
		t.Fail(fmt.Sprintf("no end of %s within %v", op.Op.OpName(), within), "an end of "+op.Op.OpName())
	}
	return op.result
}

func managedLUN(t *T) {
	c := t.Session()
	read, task := t.onUnit(c, 5)
	abort, p := t.manages(c, AbortTask{Of: read})
	t.Equal("LUN", scsi.LUN(p.LUN), scsi.LUN(task.PDU.LUN))
	c.Manage(p, pdu.TaskResponseComplete)
	abort.Wait()
	for _, f := range []pdu.TaskFunction{pdu.FunctionLogicalUnitReset, pdu.FunctionAbortTaskSet, pdu.FunctionClearTaskSet, pdu.FunctionClearACA} {
		op, p := t.manages(c, TaskManagement{Function: f, LUN: 5})
		t.Equal(fmt.Sprintf("LUN of %v", f), scsi.LUN(p.LUN), scsi.LUN(task.PDU.LUN))
		c.Manage(p, pdu.TaskResponseComplete)
		op.Wait()
	}
	op, p := t.manages(c, TargetReset{})
	t.Equal("LUN of a target reset", scsi.LUN(p.LUN), scsi.LUN(0))
	c.Manage(p, pdu.TaskResponseComplete)
	op.Wait()
}

func managedCmdSN(t *T) {
	c := t.Session()
	var reads []*Pending
	var tasks []*Task
	for range 3 {
		read, task := t.onUnit(c, 0)
		reads, tasks = append(reads, read), append(tasks, task)
	}
	abort, p := t.manages(c, AbortTask{Of: reads[1]})
	t.Equal("Referenced Task Tag", p.ReferencedTaskTag, tasks[1].PDU.ITT)
	t.Equal("RefCmdSN", p.RefCmdSN, tasks[1].PDU.CmdSN)
	c.Manage(p, pdu.TaskResponseComplete)
	abort.Wait()
	for _, i := range []int{0, 2} {
		c.Good(tasks[i])
		t.whole(reads[i])
	}
}

// setFunctions are those that end the tasks of a set.
var setFunctions = []pdu.TaskFunction{
	pdu.FunctionAbortTaskSet, pdu.FunctionClearTaskSet, pdu.FunctionLogicalUnitReset, pdu.FunctionTargetWarmReset, pdu.FunctionTargetColdReset,
}

func referencedTag(t *T) {
	c := t.Session()
	read, _ := t.onUnit(c, 0)
	for _, f := range setFunctions {
		op, p := t.manages(c, TaskManagement{Function: f})
		t.Equal(fmt.Sprintf("Referenced Task Tag of %v", f), p.ReferencedTaskTag, pdu.ReservedTag)
		c.Manage(p, pdu.TaskResponseComplete)
		op.Wait()
	}
	t.over(read, time.Second)
}

func managementFields(t *T) {
	c := t.Session()
	inspect := func(e probe.Event, open ...*Task) *pdu.TaskManagementRequest {
		p, _ := probe.As[*pdu.TaskManagementRequest](e)
		h := &e.Frame.BHS
		switch f := pdu.TaskFunction(h[1] & 0x7f); {
		case !h.Final():
			t.Fail(e, "F=1")
		case f < pdu.FunctionAbortTask || f > pdu.FunctionTaskReassign:
			t.Fail(e, "a function from 1 to 8")
		case h.TotalAHSLength() != 0 || h.DataSegmentLength() != 0:
			t.Fail(e, "no additional header segment and no data")
		case p.ITT == pdu.ReservedTag:
			t.Fail(e, "a task tag")
		}
		for _, task := range open {
			if p.ITT == task.PDU.ITT {
				t.Fail(e, "a task tag that no other task has")
			}
		}
		return p
	}
	read, task := t.onUnit(c, 0)
	_, other := t.onUnit(c, 0)
	abort := t.Start(AbortTask{Of: read})
	p := inspect(c.Next(pdu.OpTaskManagementRequest), task, other)
	t.Equal("LUN", p.LUN, task.PDU.LUN)
	c.Manage(p, pdu.TaskResponseComplete)
	abort.Wait()
	for _, f := range setFunctions {
		op := t.Start(TaskManagement{Function: f})
		p := inspect(c.Next(pdu.OpTaskManagementRequest), other)
		c.Manage(p, pdu.TaskResponseComplete)
		op.Wait()
	}
}

func taskDoesNotExist(t *T) {
	t.Part("after the status", func() {
		c := t.Session()
		read, task := t.onUnit(c, 0)
		abort, p := t.manages(c, AbortTask{Of: read})
		c.Good(task)
		c.Manage(p, pdu.TaskResponseNoTask)
		t.whole(read)
		abort.Wait()
		t.RIgnore(c)
	})
	t.Part("without a status", func() {
		c := t.Session()
		read, _ := t.onUnit(c, 0)
		_, p := t.manages(c, AbortTask{Of: read})
		for repeats := 0; ; repeats++ {
			c.Manage(p, pdu.TaskResponseNoTask)
			e := c.TryNext(2*time.Second, pdu.OpTaskManagementRequest)
			if e.Kind != probe.Arrived {
				break
			}
			if p, _ = probe.As[*pdu.TaskManagementRequest](e); p.Function != pdu.FunctionAbortTask {
				c.Manage(p, pdu.TaskResponseComplete)
				break
			}
			if repeats == 10 {
				t.Fail(e, "an end of the task, or a stronger function")
			}
		}
		if r := t.concluded(read); r.Good() {
			t.Pattern(r.Data, 0)
		}
		t.RAlive()
	})
}

func refusedManagement(t *T) {
	c := t.Session()
	read, task := t.onUnit(c, 0)
	abort, p := t.manages(c, AbortTask{Of: read})
	c.Manage(p, pdu.TaskResponseUnsupported)
	requests := 1
	refuse := func(within time.Duration) {
		for end := t.Now() + within; t.Now() < end; {
			e := c.TryNext(end-t.Now(), pdu.OpTaskManagementRequest)
			if e.Kind != probe.Arrived {
				return
			}
			if requests++; requests > 10 {
				t.Fail(fmt.Sprintf("%d task management requests", requests), "an error, or another action")
			}
			p, _ := probe.As[*pdu.TaskManagementRequest](e)
			c.Manage(p, pdu.TaskResponseRejected)
		}
	}
	reset := t.Start(LUNReset{})
	refuse(AnswerTime)
	abort.Wait()
	reset.Wait()
	if _, ended := c.Ended(); !ended && !read.Ended() {
		c.Good(task)
	}
	t.concluded(read)
	t.RAlive()
}

// managementPatience is the longest that a task management request may be waited for.
const managementPatience = 60 * time.Second

func unansweredManagement(t *T) {
	c := t.Session()
	read, _ := t.onUnit(c, 0)
	_, first := t.manages(c, AbortTask{Of: read})
	e := c.Await(t.scaled(managementPatience), func(e probe.Event) bool {
		p, is := probe.As[*pdu.TaskManagementRequest](e)
		return is && p.Function != first.Function
	})
	switch {
	case e.Ended():
		_ = c.Close() // the array's side ends too
	case e.Kind != probe.Arrived:
		t.Fail(e, "a stronger function, or the end of the connection")
	}
	t.RAlive()
}

// unansweredTextAndPing answers neither, and looks at what the initiator does about its tasks.
func unansweredTextAndPing(t *T) {
	t.Part("text", func() {
		c := t.Session()
		c.Mute = true
		c.Async(pdu.AsyncNegotiation, func(p *pdu.AsyncMessage) { p.Parameter3 = 3 })
		t.unanswered(c)
	})
	t.Part("ping", func() {
		c := t.Session()
		c.Mute = true
		t.unanswered(c)
	})
}

// unansweredTime is how long Text Requests and pings stay without an answer in tmf.not-sent-for-login-text.
const unansweredTime = 120 * time.Second

// unanswered looks at what a muted connection brings for two minutes.
func (t *T) unanswered(c *Conn) {
	type named struct {
		cmdSN     uint32
		immediate bool
	}
	open := map[uint32]named{}
	for end := t.Now() + unansweredTime; t.Now() < end; {
		wait := end - t.Now()
		if idle := t.scaled(ReactionTime); len(open) == 0 && !t.Own() {
			wait = min(wait, idle)
		}
		e := c.NextRaw(wait)
		if e.Kind == probe.TimedOut && len(open) == 0 && !t.Own() {
			t.Skip("NOT-TESTABLE: the initiator sends no Text Request and no ping of its own.")
		}
		switch p := e.PDU.(type) {
		case *pdu.TextRequest:
			open[p.ITT] = named{p.CmdSN, p.Immediate}
		case *pdu.NOPOut:
			open[p.ITT] = named{p.CmdSN, p.Immediate}
		case *pdu.TaskManagementRequest:
			task, known := open[p.ReferencedTaskTag]
			want := task.cmdSN
			if task.immediate {
				want = p.CmdSN
			}
			if p.Function == pdu.FunctionAbortTask && (!known || p.RefCmdSN != want) {
				t.Fail(e, "an ABORT TASK with the tag of the text or ping task, and the RefCmdSN that goes with it")
			}
			c.Manage(p, pdu.TaskResponseComplete)
		}
		if e.Ended() {
			_ = c.Close() // the array's side ends too
			break
		}
	}
	c.Mute = false
	t.RAlive()
}

func unansweredAbort(t *T) {
	c := t.Session()
	read, _ := t.onUnit(c, 0)
	_, first := t.manages(c, AbortTask{Of: read})
	tags := map[uint32]bool{first.ITT: true}
	for end := t.Now() + 180*time.Second; t.Now() < end; {
		e := c.TryNext(end-t.Now(), pdu.OpTaskManagementRequest)
		if e.Kind != probe.Arrived {
			break
		}
		p, _ := probe.As[*pdu.TaskManagementRequest](e)
		if p.Function == pdu.FunctionAbortTask && tags[p.ReferencedTaskTag] {
			t.Fail(e, "no ABORT TASK that names task management")
		}
		tags[p.ITT] = true
	}
	_ = c.Close() // the array's side ends too
	t.RAlive()
}

// laterFunctions are those of RFC 7144.
var laterFunctions = []pdu.TaskFunction{
	pdu.FunctionQueryTask, pdu.FunctionQueryTaskSet, pdu.FunctionQueryAsynchronousEvent, pdu.FunctionITNexusReset,
}

func gatedFunctions(t *T) {
	gated := func(c *Conn) {
		read, task := t.onUnit(c, 0)
		if task.Event.Frame.BHS[2] != 0 {
			t.Fail(task.Event, "no command priority")
		}
		for _, f := range laterFunctions {
			t.Start(TaskManagement{Function: f, Of: read})
		}
		abort := t.Start(AbortTask{Of: read})
		reset := t.Start(LUNReset{})
		for !abort.Ended() || !reset.Ended() {
			e := c.Next(pdu.OpTaskManagementRequest)
			p, _ := probe.As[*pdu.TaskManagementRequest](e)
			if p.Function > pdu.FunctionTaskReassign {
				t.Fail(e, "no function of RFC 7144 below iSCSIProtocolLevel 2")
			}
			c.Manage(p, pdu.TaskResponseComplete)
			t.Wait(Slack)
		}
		t.over(read, time.Second)
	}
	t.Part("no answer to iSCSIProtocolLevel", func() {
		op := t.Start(Login{})
		c := t.Accept()
		c.Login(func(s *Step) { s.Drop(text.KeyISCSIProtocolLevel) })
		if r := op.Wait(); !r.Good() {
			t.Fail(r, "a login")
		}
		gated(c)
	})
	t.Part("level 1", func() { gated(t.Session()) })
}

func queryFields(t *T) {
	c := t.Session()
	if c.Params.ProtocolLevel < 2 {
		t.Skip("NOT-TESTABLE: the initiator does not offer iSCSIProtocolLevel 2.")
	}
	read, task := t.onUnit(c, 0)
	for _, f := range laterFunctions {
		op, p := t.manages(c, TaskManagement{Function: f, Of: read})
		want := pdu.TaskManagementRequest{Immediate: p.Immediate, Function: f, ITT: p.ITT, ReferencedTaskTag: pdu.ReservedTag,
			CmdSN: p.CmdSN, ExpStatSN: p.ExpStatSN, LUN: task.PDU.LUN}
		response := pdu.TaskResponseSucceeded
		switch f {
		case pdu.FunctionQueryTask:
			want.ReferencedTaskTag, want.RefCmdSN = task.PDU.ITT, task.PDU.CmdSN
		case pdu.FunctionITNexusReset:
			want.LUN, response = 0, pdu.TaskResponseComplete
			c.Good(task)
			t.whole(read)
		}
		if *p != want {
			t.Fail(fmt.Sprintf("%+v", *p), fmt.Sprintf("%+v", want))
		}
		c.Manage(p, response)
		if r := op.Wait(); !r.Good() {
			t.Fail(r, fmt.Sprintf("%v that succeeds", f))
		}
	}
	c.Fin()
	t.RAlive()
}

// unchanged fails when the memory of a request that is over was written to.
func (t *T) unchanged(r Result, before []byte) {
	if t.env.Virtual {
		synctest.Wait() // Orders this look at the memory behind what a deviating initiator still writes there.
	}
	if !bytes.Equal(r.Data, before) {
		t.Fail("a buffer that was written to after its request had ended", "memory that is the requester's again")
	}
}

// aborted fails unless a request was ended by task management, or issued again.
func (t *T) aborted(op *Pending, within time.Duration) Result {
	r := t.over(op, within)
	if r.Good() {
		t.Fail(r, ini.ErrAborted.Error())
	}
	return r
}
