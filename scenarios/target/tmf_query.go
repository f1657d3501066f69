package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// queryChecks are those of the group tmf that are about the functions of RFC 7144.
func queryChecks() []Check {
	return []Check{
		{ID: "tmf.query.rfc7144-functions", Risk: scenarios.Writes, Run: func(t *T) {
			t.Part("protocol level 2", func() { t.queryTask(t.levelTwo(), true) })
			t.Part("below protocol level 2", func() { t.queryTask(t.Open(solicited()), false) })
		}},
		{ID: "tmf.query.of-task-management-request", Risk: scenarios.Writes, Run: queryManagement},
		{ID: "tmf.query.task-set-and-async-event", Risk: scenarios.Writes, Run: queryTaskSet},
		{ID: "tmf.i-t-nexus-reset.drops-session", Risk: scenarios.Writes, Run: nexusReset},
	}
}

// levelTwo opens a session in which protocol level 2 is agreed; the part is skipped where that cannot be had.
func (t *T) levelTwo(more ...string) *probe.Conn {
	l := t.Login(solicited(append([]string{"iSCSIProtocolLevel=2"}, more...)...))
	if !l.Granted() && !l.AuthRequired() {
		t.Skip("A login that offers iSCSIProtocolLevel=2 is not granted: %v.", l)
	}
	c := t.Granted(l)
	if level, _ := probe.AnswerOf(l.Walk.Said, text.KeyISCSIProtocolLevel); level != "2" {
		t.Skip("iSCSIProtocolLevel=2 is answered with %q.", level)
	}
	t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the login")
	return c
}

func (t *T) queryTask(c *probe.Conn, levelTwo bool) {
	task, r2t := t.Held(c, 0, pattern(54, 4096), oldTag)
	var codes []pdu.TaskResponse
	for _, q := range []struct{ tag, cmdSN uint32 }{{task.PDU.ITT, task.PDU.CmdSN}, {0xdead0003, task.PDU.CmdSN - 1}} {
		response, e := c.Manage(c.TaskManagement(pdu.FunctionQueryTask, q.tag, q.cmdSN))
		_, rejected := probe.As[*pdu.Reject](e)
		switch {
		case response != nil:
			codes = append(codes, response.Response)
		case rejected && !levelTwo:
			codes = append(codes, pdu.TaskResponseRejected)
		default:
			t.Fail(e, "a Task Management Response")
		}
	}
	task.Serve(r2t)
	t.Good(task.Await(), "the WRITE that was asked about")
	held, unused := codes[0], codes[1]
	got := fmt.Sprintf("%v for the WRITE, %v for an unused tag", held, unused)
	switch {
	case held == pdu.TaskResponseUnsupported && unused == pdu.TaskResponseUnsupported:
	case levelTwo:
		if held != pdu.TaskResponseSucceeded || unused != pdu.TaskResponseComplete && unused != pdu.TaskResponseNoTask {
			t.Fail(got, "function succeeded for the WRITE, function complete for an unused tag", "function not supported for both")
		}
	case held == pdu.TaskResponseComplete || held == pdu.TaskResponseSucceeded:
		t.Warn("The function is served below protocol level 2.", got, "function not supported")
	case held != pdu.TaskResponseUnsupported && held != pdu.TaskResponseRejected:
		t.Fail(got, "function not supported", "function rejected", "a Reject")
	}
}

// queryManagement is tmf.query.of-task-management-request.
func queryManagement(t *T) {
	c := t.levelTwo("TaskReporting=RFC3720")
	task, r2t := t.Held(c, 0, pattern(57, 4096), oldTag)
	waiting := c.TaskManagement(pdu.FunctionAbortTaskSet, pdu.ReservedTag, 0)
	query := c.TaskManagement(pdu.FunctionQueryTask, waiting.ITT, waiting.CmdSN)
	// A failed write shows in the next event.
	_ = c.SendAll(pdu.FrameOf(waiting), pdu.FrameOf(query))
	e := c.AnswerTo(query.ITT)
	response, is := probe.As[*pdu.TaskManagementResponse](e)
	early := false
	for _, s := range t.Received(c) {
		p, answers := s.PDU.(*pdu.TaskManagementResponse)
		early = early || answers && p.ITT == waiting.ITT
	}
	task.Serve(r2t)
	t.responded(c, waiting)
	switch {
	case !is:
		t.Fail(e, "function rejected")
	case early:
		t.Skip("ABORT TASK SET is answered before the data that was asked for has come, so that nothing is left to ask about.")
	case response.Response == pdu.TaskResponseUnsupported:
		t.Skip("The target does not offer QUERY TASK.")
	case response.Response != pdu.TaskResponseRejected:
		t.Fail(response.Response, "function rejected")
	}
	t.Survives(c, "the session")
}

func queryTaskSet(t *T) {
	c := t.levelTwo()
	ask := func(f pdu.TaskFunction) pdu.TaskResponse {
		response, e := c.Manage(c.TaskManagement(f, pdu.ReservedTag, 0))
		if response == nil {
			t.Fail(fmt.Sprintf("%v: %v", f, e), "a Task Management Response")
		}
		return response.Response
	}
	idle, events := ask(pdu.FunctionQueryTaskSet), ask(pdu.FunctionQueryAsynchronousEvent)
	task, r2t := t.Held(c, 0, pattern(55, 4096), oldTag)
	busy := ask(pdu.FunctionQueryTaskSet)
	task.Serve(r2t)
	t.Good(task.Await(), "the WRITE beside the questions")
	unsupported := pdu.TaskResponseUnsupported
	if events != pdu.TaskResponseComplete && events != pdu.TaskResponseSucceeded && events != unsupported {
		t.Fail(fmt.Sprintf("QUERY ASYNCHRONOUS EVENT: %v", events), "function complete or succeeded", "function not supported")
	}
	if (idle != unsupported || busy != unsupported) && (idle != pdu.TaskResponseComplete || busy != pdu.TaskResponseSucceeded) {
		t.Fail(fmt.Sprintf("QUERY TASK SET: %v when idle, %v with a task", idle, busy), "function complete, then function succeeded")
	}
}

func nexusReset(t *T) {
	other := t.Open(probe.Login{})
	c := t.levelTwo("DefaultTime2Retain=20")
	task, _ := t.Held(c, 0, pattern(56, 4096), oldTag)
	request := c.TaskManagement(pdu.FunctionITNexusReset, pdu.ReservedTag, 0)
	request.LUN = 0
	// A failed write shows in the next event.
	_ = c.Send(request)
	e := c.AnswerTo(request.ITT)
	response, is := probe.As[*pdu.TaskManagementResponse](e)
	switch {
	case is && response.Response == pdu.TaskResponseUnsupported:
		t.Skip("The target does not offer I_T NEXUS RESET.")
	case is && response.Response != pdu.TaskResponseComplete, !is && !e.Ended():
		t.Fail(e, "function complete and a drop", "a drop")
	case is:
		if d := c.AwaitDropAfterAll(); !d.Dropped {
			t.Fail(d, "the target closes the connection")
		}
		if late, _ := t.afterResponse(c, request.ITT, task.PDU.ITT); len(late) > 0 {
			t.Fail(fmt.Sprintf("%v after the Task Management Response", late[0].Event.PDU), "nothing more for the WRITE")
		}
	}
	isid, tsih := c.Session.ISID, t.Handle(c)
	t.Refused(t.Login(probe.Login{ISID: &isid, TSIH: &tsih}), Refusal{With: []iscsi.Status{iscsi.StatusSessionDoesNotExist}})
	again := t.Granted(t.Login(probe.Login{ISID: &isid}))
	if r := again.Execute(probe.TestUnitReady()); !r.UnitAttention() || r.Sense.Code>>8 != 0x29 {
		t.Warn("The next session of the nexus is not told that it was lost.", r, "a unit attention I_T NEXUS LOSS OCCURRED")
	}
	t.Survives(other, "the other session")
}
