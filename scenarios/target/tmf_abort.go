package target

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// abortTaskChecks are those of the group tmf that are about ABORT TASK.
func abortTaskChecks() []Check {
	return []Check{
		{ID: "tmf.immediate.with-other-immediate-command", Risk: scenarios.Writes, Run: abortBesideImmediate},
		{ID: "tmf.abort-task.read-in-progress", Run: abortRead},
		{ID: "tmf.abort-task.nonexistent-outside-window", Run: abortNothing},
		{ID: "tmf.abort-task.not-yet-received-inside-window", Run: abortBeforeArrival},
		{ID: "tmf.abort-task.wrong-lun", Risk: scenarios.Writes, Run: abortWrongUnit},
		{ID: "tmf.abort-task.completed-task", Run: abortCompleted},
		{ID: "tmf.abort-task.of-task-management-request", Risk: scenarios.Writes, Run: abortManagement},
		{ID: "tmf.itt.same-as-referenced-task", Risk: scenarios.Writes, Run: abortSameTag},
	}
}

// offered tells whether a target has carried a function out or refused it as one that it does not offer.
func offered(r pdu.TaskResponse) bool {
	return r != pdu.TaskResponseUnsupported && r != pdu.TaskResponseRejected && r != pdu.TaskResponseNotAuthorized
}

// numberedPing makes a ping that takes a CmdSN, without sending it.
func numberedPing(c *probe.Conn, data []byte) *pdu.NOPOut {
	ping := c.NOPOut(data)
	ping.Immediate = false
	c.Session.CmdSN++
	return ping
}

// silentAfter ends the part when anything came for a task behind the answer to a task management request. What is still on its way is
// waited for.
func (t *T) silentAfter(c *probe.Conn, request *pdu.TaskManagementRequest, tasks ...*probe.Task) {
	t.Quiet(c)
	for _, task := range tasks {
		if late, _ := t.afterResponse(c, request.ITT, task.PDU.ITT); len(late) > 0 {
			t.Fail(fmt.Sprintf("%v after the Task Management Response", late[0].Event.PDU), "nothing more for a task that was ended")
		}
	}
}

func abortBesideImmediate(t *T) {
	c := t.Open(solicited())
	a, r2t := t.Held(c, 0, pattern(40, 4096), oldTag)
	command := t.Write(c, 64, pattern(41, 4096))
	command.Immediate = true
	b := c.Start(command)
	request := c.TaskManagement(pdu.FunctionAbortTask, a.PDU.ITT, a.PDU.CmdSN)
	// A failed write shows in the next event.
	_ = c.Send(request)
	a.Serve(r2t)
	r := b.Await()
	if reject := r.Rejected(); reject != nil {
		if reject.Reason != pdu.RejectTooManyImmediate {
			t.Warn("The immediate write is rejected with another reason than 0x06.", r, "GOOD", "a Reject with reason 0x06")
		}
	} else {
		t.Good(r, "an immediate WRITE")
	}
	answer, ok := t.responded(c, request)
	_, before := t.afterResponse(c, request.ITT, a.PDU.ITT)
	if !ok || answer != pdu.TaskResponseComplete && (answer != pdu.TaskResponseNoTask || !before) {
		t.Fail(fmt.Sprintf("%v, answered: %t", answer, ok), "function complete")
	}
	t.silentAfter(c, request, a)
	t.Survives(c, "the session")
}

func abortRead(t *T) {
	c := t.Open(probe.Login{})
	task := c.Start(t.Read(c, 0, t.room(c, 0, 1<<20)))
	if !t.Pause(time.Second) {
		t.Unclear("The check's own time was over.")
	}
	request := c.TaskManagement(pdu.FunctionAbortTask, task.PDU.ITT, task.PDU.CmdSN)
	// A failed write shows in the next event.
	_ = c.Send(request)
	answer, ok := t.responded(c, request)
	_, before := t.afterResponse(c, request.ITT, task.PDU.ITT)
	switch {
	case !ok:
		t.Fail("no answer to ABORT TASK", "a Task Management Response")
	case !offered(answer):
		t.answered(task.Await())
		t.Warn("The target does not abort the task, but finishes it.", answer, "function complete")
		return
	case answer == pdu.TaskResponseNoTask && !before:
		t.Fail("\"task does not exist\" for a READ that has no status yet", "function complete")
	case answer != pdu.TaskResponseComplete && answer != pdu.TaskResponseNoTask:
		t.Fail(answer, "function complete", "task does not exist")
	}
	t.silentAfter(c, request, task)
	t.Survives(c, "the session")
}

func abortNothing(t *T) {
	c := t.Open(probe.Login{})
	read := c.Start(t.Read(c, 0, t.room(c, 0, 256<<10)))
	request := c.TaskManagement(pdu.FunctionAbortTask, 0xdead0002, c.Session.ExpCmdSN+0x10000)
	// Failed writes show in the next event.
	_ = c.Send(request)
	ping := numberedPing(c, nil)
	_ = c.Send(ping)
	e := c.AnswerTo(request.ITT)
	response, is := probe.As[*pdu.TaskManagementResponse](e)
	want := "task does not exist"
	switch {
	case e.Ended():
		t.Warn("The target drops the connection over a task that does not exist.", e, want)
		return
	case !is:
		t.Fail(e, want)
	case response.Response == pdu.TaskResponseNoTask:
	case response.Response == pdu.TaskResponseRejected || response.Response == pdu.TaskResponseUnsupported:
		t.Warn("The function is declined.", response.Response, want)
	default:
		t.Fail(response.Response, want)
	}
	t.answered(read.Await())
	if e := c.AnswerTo(ping.ITT); e.Kind != probe.Arrived {
		t.Fail(e, "a NOP-In that answers the ping")
	}
}

func abortBeforeArrival(t *T) {
	c := t.Open(probe.Login{})
	n := c.Session.CmdSN
	request := c.TaskManagement(pdu.FunctionAbortTask, oldTag, n)
	request.CmdSN = n + 1
	// A failed write shows in the next event.
	_ = c.Send(request)
	c.Session.CmdSN = n + 1
	next := c.Start(probe.TestUnitReady())
	missing := probe.TestUnitReady()
	missing.Patch = func(p *pdu.SCSICommand) { p.ITT, p.CmdSN = oldTag, n }
	e := c.AnswerTo(request.ITT)
	response, is := probe.As[*pdu.TaskManagementResponse](e)
	want := "function complete"
	switch {
	case e.Ended():
		t.Warn("The target drops the connection over an immediate request whose CmdSN is not ExpCmdSN.", e, want)
		return
	case !is:
		t.Fail(e, want)
	case response.Response == pdu.TaskResponseNoTask || response.Response == pdu.TaskResponseUnsupported:
		t.answered(c.Start(missing).Await())
		t.answered(next.Await())
		t.Warn("The target does not count the CmdSN as received, and waits for its command.", response.Response, want)
		return
	case response.Response != pdu.TaskResponseComplete:
		t.Fail(response.Response, want)
	}
	r := next.Await()
	if !r.Answered {
		t.Fail(fmt.Sprintf("CmdSN 0x%x behind the aborted one: %v", n+1, r), "its completion without the aborted command")
	}
	late := c.Request(missing)
	c.Session.CmdSN = n + 2 // Request has taken one
	_ = c.Send(late)
	t.Survives(c, "the session")
	for _, s := range ofTask(t.Received(c), oldTag) {
		t.Fail(s.Event.PDU, "no answer to a command whose CmdSN counts as received")
	}
}

func abortWrongUnit(t *T) {
	other, several := t.Facts.Other(t.Options().LUN)
	if !several {
		other = absentLUN
	}
	c := t.Open(solicited())
	task, r2t := t.Held(c, 0, pattern(42, 4096), oldTag)
	request := c.TaskManagement(pdu.FunctionAbortTask, task.PDU.ITT, task.PDU.CmdSN)
	request.LUN = other
	response, e := c.Manage(request)
	if response == nil {
		t.Fail(e, "a Task Management Response")
	}
	task.Serve(r2t)
	r := task.Await()
	switch {
	case response.Response == pdu.TaskResponseComplete && r.Answered:
		t.FailFirmly(fmt.Sprintf("function complete, and then %v for the task", r), "the task is aborted, or the function declined")
	case response.Response == pdu.TaskResponseComplete:
		t.Warn("The tag alone has identified the task.", response.Response, "the task goes on")
	default:
		t.Good(r, "a WRITE that ABORT TASK named with another LUN")
	}
}

func abortCompleted(t *T) {
	c := t.Open(probe.Login{})
	c.HoldExpStatSN = true
	r := c.Execute(probe.TestUnitReady())
	t.answered(r)
	request := c.TaskManagement(pdu.FunctionAbortTask, r.Task.PDU.ITT, r.Task.PDU.CmdSN)
	response, e := c.Manage(request)
	c.HoldExpStatSN = false
	want := "task does not exist"
	if response == nil {
		t.Fail(e, want)
	}
	switch response.Response {
	case pdu.TaskResponseNoTask:
	case pdu.TaskResponseUnsupported, pdu.TaskResponseRejected, pdu.TaskResponseComplete:
		t.Warn("The target answers otherwise for a task that has its status already.", response.Response, want)
	default:
		t.Fail(response.Response, want)
	}
	t.silentAfter(c, request, r.Task)
	t.Survives(c, "the session")
}

func abortManagement(t *T) {
	c := t.Open(solicited())
	task, r2t := t.Held(c, 0, pattern(43, 4096), oldTag)
	first := c.TaskManagement(pdu.FunctionAbortTaskSet, pdu.ReservedTag, 0)
	second := c.TaskManagement(pdu.FunctionAbortTask, first.ITT, c.Session.CmdSN)
	// A failed write shows in the next event.
	_ = c.SendAll(pdu.FrameOf(first), pdu.FrameOf(second))
	e := c.AnswerTo(second.ITT)
	if reject, is := probe.As[*pdu.Reject](e); is && reject.Reason == pdu.RejectTooManyImmediate {
		t.Skip("The target takes no second task management request: %v.", e)
	}
	response, is := probe.As[*pdu.TaskManagementResponse](e)
	if !is {
		t.Fail(e, "function rejected")
	}
	_, early := after(t.Received(c), func(s Sighting) bool {
		p, is := s.PDU.(*pdu.TaskManagementResponse)
		return is && p.ITT == first.ITT
	})
	if early {
		t.Skip("The target answers ABORT TASK SET before it has the data that it has asked for, so there was nothing to abort.")
	}
	if response.Response != pdu.TaskResponseRejected {
		t.Fail(response.Response, "function rejected")
	}
	task.Serve(r2t)
	if _, ok := t.responded(c, first); !ok {
		t.Fail("no answer to ABORT TASK SET", "a Task Management Response")
	}
	t.Survives(c, "the session")
}

func abortSameTag(t *T) {
	c := t.Open(solicited())
	task, r2t := t.Held(c, 0, pattern(44, 4096), oldTag)
	request := c.TaskManagement(pdu.FunctionAbortTask, task.PDU.ITT, task.PDU.CmdSN)
	request.ITT = task.PDU.ITT
	// A failed write shows in the next event.
	_ = c.Send(request)
	e := c.AnswerTo(request.ITT)
	if e.Ended() {
		return
	}
	want := []string{"a Reject with reason 0x04, 0x07 or 0x09", "a Task Management Response", "a drop"}
	if response, is := probe.As[*pdu.TaskManagementResponse](e); is {
		switch response.Response {
		case pdu.TaskResponseComplete:
			t.silentAfter(c, request, task)
			return
		case pdu.TaskResponseNoTask, pdu.TaskResponseRejected:
		default:
			t.Fail(response.Response, want...)
		}
	} else {
		t.Rejected(e, true, pdu.RejectProtocolError, pdu.RejectTaskInProgress, pdu.RejectInvalidPDUField)
	}
	task.Serve(r2t)
	t.Good(task.Await(), "a WRITE that was not aborted")
}

// statusOf tells whether a command ended with a SCSI status.
func statusOf(r probe.Result, s scsi.Status) bool {
	return r.Answered && r.Response == pdu.ResponseCompleted && r.Status == s
}
