package target

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// taskManagementChecks are those of the group tmf.
func taskManagementChecks() []Check {
	return []Check{
		{ID: "tmf.response.format", Run: taskManagementFormat},
		{ID: "tmf.abort-task.running-task", Risk: scenarios.Writes, Run: abortRunningTask},
		{ID: "tmf.lun-reset.aborts-and-reports", Risk: scenarios.Writes, Run: resetAborts},
	}
}

// oldTag is the tag of tasks whose end is watched on other connections too, where the probe's own tags are small.
const oldTag uint32 = 0x0badcafe

func taskManagementFormat(t *T) {
	c := t.Open(probe.Login{})
	functions := []pdu.TaskFunction{pdu.FunctionAbortTask, pdu.FunctionLogicalUnitReset, pdu.FunctionQueryAsynchronousEvent}
	for _, f := range functions {
		if f == pdu.FunctionLogicalUnitReset && !t.Embedded() && t.env.Allow < scenarios.Writes {
			continue // a reset is felt by others
		}
		request := c.TaskManagement(f, pdu.ReservedTag, 0)
		if f == pdu.FunctionAbortTask {
			request.ReferencedTaskTag, request.RefCmdSN = 0xdead0001, c.Session.CmdSN-1
		}
		want := c.ExpStatSN
		response, e := c.Manage(request)
		if _, rejected := probe.As[*pdu.Reject](e); rejected && f == pdu.FunctionQueryAsynchronousEvent {
			continue
		}
		if response == nil {
			t.Fail(fmt.Sprintf("function %v: %v", f, e), "a Task Management Response")
		}
		h := &e.Frame.BHS
		switch {
		case h.TotalAHSLength() != 0 || h.DataSegmentLength() != 0:
			t.Fail(fmt.Sprintf("%v with %d bytes of AHS and %d of data", e, h.TotalAHSLength(), h.DataSegmentLength()), "no AHS and no data")
		case response.Response > pdu.TaskResponseSucceeded && response.Response != pdu.TaskResponseRejected:
			t.Fail(fmt.Sprintf("response %d", byte(response.Response)), "response 0 to 7, or 255")
		}
		if !h.Final() {
			t.Fail(e, "F=1")
		}
		if response.StatSN != want {
			t.Fail(fmt.Sprintf("StatSN 0x%x", response.StatSN), fmt.Sprintf("StatSN 0x%x, one above the previous", want))
		}
	}
	t.Survives(c, "the session")
	t.StatSNInOrder()
}

// responded awaits the answer to a task management request; ok is false when none came in time.
func (t *T) responded(c *probe.Conn, request *pdu.TaskManagementRequest) (answer pdu.TaskResponse, ok bool) {
	return t.respondedWithin(t.Options().AnswerTimeout, c, request)
}

// respondedWithin is responded, where the target may wait for something before it answers.
func (t *T) respondedWithin(within time.Duration, c *probe.Conn, request *pdu.TaskManagementRequest) (answer pdu.TaskResponse, ok bool) {
	e := c.AnswerWithin(within, request.ITT)
	if e.Kind == probe.TimedOut {
		return 0, false
	}
	response, is := probe.As[*pdu.TaskManagementResponse](e)
	if !is {
		t.Fail(fmt.Sprintf("%v: %v", request.Function, e), "a Task Management Response")
	}
	return response.Response, true
}

// afterResponse gives what came for a task after the Task Management Response, and whether its status came before.
func (t *T) afterResponse(c *probe.Conn, request, itt uint32) (late []Sighting, before bool) {
	seen := t.Received(c)
	rest, _ := after(seen, func(s Sighting) bool {
		p, is := s.PDU.(*pdu.TaskManagementResponse)
		return is && p.ITT == request
	})
	for _, s := range ofTask(seen[:len(seen)-len(rest)], itt) {
		before = before || carriesStatus(s.PDU)
	}
	return ofTask(rest, itt), before
}

func abortRunningTask(t *T) {
	c := t.Open(solicited())
	task, r2t := t.Held(c, 0, pattern(10, 4096), oldTag)
	request := c.TaskManagement(pdu.FunctionAbortTask, task.PDU.ITT, task.PDU.CmdSN)
	// A failed write shows in the next event.
	_ = c.Send(request)
	answer, ok := t.responded(c, request)
	if !ok {
		// The target may wait for the data that it has asked for.
		task.Serve(r2t)
		if answer, ok = t.responded(c, request); !ok {
			t.Fail("no answer to ABORT TASK, with and without the data", "a Task Management Response")
		}
	}
	_, before := t.afterResponse(c, request.ITT, task.PDU.ITT)
	switch {
	case answer == pdu.TaskResponseComplete, answer == pdu.TaskResponseNoTask && before:
	case answer == pdu.TaskResponseUnsupported || answer == pdu.TaskResponseRejected:
		if !before {
			task.Serve(r2t)
			t.answered(task.Await())
		}
		t.Warn("The target does not abort the task, but finishes it.", answer, "function complete")
		t.Survives(c, "the session")
		return
	default:
		t.Fail(answer, "function complete")
	}
	t.Quiet(c)
	if late, _ := t.afterResponse(c, request.ITT, task.PDU.ITT); len(late) > 0 {
		t.Fail(fmt.Sprintf("%v after the Task Management Response", late[0].Event.PDU), "nothing more for the aborted task")
	}
	t.Survives(c, "the session")
}

func resetAborts(t *T) {
	c := t.Open(solicited())
	var tasks []*probe.Task
	held := map[*probe.Task]*pdu.R2T{}
	for i := range uint32(2) {
		if c.Session.Window() == 0 {
			break
		}
		task, r2t := t.Held(c, 32*i, pattern(11+i, 4096), oldTag+i)
		tasks, held[task] = append(tasks, task), r2t
	}
	request := c.TaskManagement(pdu.FunctionLogicalUnitReset, pdu.ReservedTag, 0)
	// A failed write shows in the next event.
	_ = c.Send(request)
	// Tags that were valid before the reset go on being served until its answer comes (RFC 7143, Section 4.2.3.3).
	for _, task := range tasks {
		task.Serve(held[task])
	}
	answer, ok := t.responded(c, request)
	if !ok {
		t.Fail("no answer to LOGICAL UNIT RESET", "a Task Management Response")
	}
	if answer != pdu.TaskResponseComplete {
		for _, task := range tasks {
			if _, before := t.afterResponse(c, request.ITT, task.PDU.ITT); !before {
				t.answered(task.Await())
			}
		}
		t.Warn("The target does not reset the logical unit, but finishes its tasks.", answer, "function complete")
		t.Survives(c, "the session")
		return
	}
	end := t.Quiet(c)
	for _, task := range tasks {
		late, _ := t.afterResponse(c, request.ITT, task.PDU.ITT)
		for _, s := range late {
			if carriesStatus(s.PDU) {
				t.Fail(fmt.Sprintf("%v after the Task Management Response", s.Event.PDU), "no status for a task that the reset has ended")
			}
		}
	}
	if end.Ended() {
		c = t.Open(probe.Login{})
	}
	t.Survives(c, "the logical unit")
}
