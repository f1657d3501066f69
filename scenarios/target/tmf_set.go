package target

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// taskSetChecks are those of the group tmf that are about functions on the tasks of a logical unit.
func taskSetChecks() []Check {
	return []Check{
		{ID: "tmf.abort-task-set.response-after-tasks", Run: abortSetOfReads},
		{ID: "tmf.abort-task-set.later-commands-unaffected", Run: abortSetBeforeRead},
		{ID: "tmf.abort-task-set.other-lun-unaffected", Risk: scenarios.Writes, Run: abortSetElsewhere},
		{ID: "tmf.multi-task.no-r2t-after-response", Risk: scenarios.Writes, Run: noR2TAfterAbort},
		{ID: "tmf.multi-task.waits-for-outstanding-r2t", Risk: scenarios.Writes, Run: func(t *T) {
			for _, f := range []pdu.TaskFunction{pdu.FunctionAbortTaskSet, pdu.FunctionClearTaskSet, pdu.FunctionLogicalUnitReset} {
				t.Part(f.String(), func() { t.waitsForData(f) })
			}
		}},
		{ID: "tmf.multi-task.no-wait-for-third-party-commands", Risk: scenarios.Writes, Run: foreignGap},
		{ID: "tmf.order.non-immediate-waits-for-cmdsn", Risk: scenarios.Writes, Run: resetInOrder},
		{ID: "tmf.clear-task-set.all-sessions", Risk: scenarios.Writes, Run: clearsAllSessions},
		{ID: "tmf.lun-reset.other-session-told", Risk: scenarios.Writes, Run: resetToldToOthers},
		{ID: "tmf.lun.nonexistent", Risk: scenarios.Writes, Run: absentUnitManaged},
	}
}

// reads starts as many READs of n bytes as the window takes, most at the highest.
func (t *T) reads(c *probe.Conn, most, n int) []*probe.Task {
	var tasks []*probe.Task
	for range min(most, max(1, c.Session.Window()-2)) {
		tasks = append(tasks, c.Start(t.Read(c, 0, t.room(c, 0, n))))
	}
	return tasks
}

func abortSetOfReads(t *T) {
	c := t.Open(probe.Login{})
	tasks := t.reads(c, 4, 256<<10)
	request := c.TaskManagement(pdu.FunctionAbortTaskSet, pdu.ReservedTag, 0)
	ping := numberedPing(c, nil)
	// A failed write shows in the next event.
	_ = c.SendAll(pdu.FrameOf(request), pdu.FrameOf(ping))
	e := c.AnswerTo(request.ITT)
	response, is := probe.As[*pdu.TaskManagementResponse](e)
	switch {
	case e.Ended():
		t.Warn("The target drops the connection over ABORT TASK SET.", e, "function complete")
		return
	case !is:
		t.Fail(e, "a Task Management Response")
	case !offered(response.Response):
		for _, task := range tasks {
			t.answered(task.Await())
		}
		t.Warn("The target does not offer the function.", response.Response, "function complete")
		return
	case response.Response != pdu.TaskResponseComplete:
		t.Fail(response.Response, "function complete")
	}
	if e := c.AnswerTo(ping.ITT); e.Kind != probe.Arrived {
		t.Fail(e, "a NOP-In that answers the ping")
	}
	t.silentAfter(c, request, tasks...)
}

func abortSetBeforeRead(t *T) {
	c := t.Open(probe.Login{})
	n := t.room(c, 0, 64<<10)
	c.Start(t.Read(c, 0, n))
	request := c.TaskManagement(pdu.FunctionAbortTaskSet, pdu.ReservedTag, 0)
	// A failed write shows in the next event.
	_ = c.Send(request)
	later := c.Start(t.Read(c, 0, n))
	answer, ok := t.responded(c, request)
	if !ok {
		t.Fail("no answer to ABORT TASK SET", "a Task Management Response")
	}
	r := later.Await()
	if !offered(answer) {
		t.Skip("The target does not offer ABORT TASK SET: %v.", answer)
	}
	t.Good(r, "a READ numbered behind ABORT TASK SET")
}

func abortSetElsewhere(t *T) {
	other, several := t.Facts.Other(t.Options().LUN)
	if !several {
		t.Skip("The target has one logical unit.")
	}
	c := t.Open(solicited())
	task, r2t := t.Held(c, 0, pattern(45, 4096), 0)
	request := c.TaskManagement(pdu.FunctionAbortTaskSet, pdu.ReservedTag, 0)
	request.LUN = other
	if response, e := c.Manage(request); response == nil {
		t.Fail(e, "a Task Management Response")
	}
	task.Serve(r2t)
	t.Good(task.Await(), "a WRITE to another logical unit than the one that was named")
}

// holdMany starts writes as far as the window allows, and awaits an R2T of each.
func (t *T) holdMany(c *probe.Conn, most, n int) (tasks []*probe.Task, r2ts []*pdu.R2T) {
	for i := range uint32(most) {
		if c.Session.Window() < 2 && i > 0 {
			break
		}
		task, r2t := t.Held(c, 0, pattern(46+i, t.room(c, 0, n)), oldTag+i)
		tasks, r2ts = append(tasks, task), append(r2ts, r2t)
	}
	return tasks, r2ts
}

func noR2TAfterAbort(t *T) {
	c := t.Open(solicited())
	tasks, r2ts := t.holdMany(c, 3, 64<<10)
	request := c.TaskManagement(pdu.FunctionAbortTaskSet, pdu.ReservedTag, 0)
	// A failed write shows in the next event.
	_ = c.Send(request)
	answer, ok := t.respondedWithin(t.patient(t.Options().AnswerTimeout), c, request)
	served := !ok
	if !ok {
		for i, task := range tasks {
			task.Serve(r2ts[i])
		}
		if answer, ok = t.responded(c, request); !ok {
			t.Fail("no answer to ABORT TASK SET, with and without the data", "a Task Management Response")
		}
	}
	switch {
	case !offered(answer):
		t.Skip("The target does not offer ABORT TASK SET: %v.", answer)
	case answer != pdu.TaskResponseComplete:
		t.Fail(answer, "function complete")
	}
	for i, task := range tasks {
		for _, p := range task.DataOut(r2ts[i].TTT, int(r2ts[i].BufferOffset), 512) {
			// A target may drop the connection, which shows in the next event.
			_ = c.Send(p)
		}
	}
	end := t.Quiet(c)
	t.silentAfter(c, request, tasks...)
	if end.Ended() {
		t.Warn("The target drops the connection over late data for an aborted task.", end, "such data is discarded")
		return
	}
	for _, s := range t.Received(c) {
		if p, is := s.PDU.(*pdu.Reject); is && !served {
			t.Warn("Late data for an aborted task is rejected.", fmt.Sprintf("%v", p.Reason), "such data is discarded")
			break
		}
	}
	t.Survives(c, "the session")
}

func (t *T) waitsForData(f pdu.TaskFunction) {
	c := t.Open(solicited())
	tasks, r2ts := t.holdMany(c, 2, 64<<10)
	request := c.TaskManagement(f, pdu.ReservedTag, 0)
	// A failed write shows in the next event.
	_ = c.Send(request)
	own := func(e probe.Event) bool { return e.Frame.BHS.ITT() == request.ITT }
	e := c.Await(t.Options().QuietTime, own)
	early := e.Kind == probe.Arrived
	if early {
		t.completeOrSkip(e, f)
	}
	if e.Ended() {
		t.Warn("The target drops the connection.", e, "function complete")
		return
	}
	for i, task := range tasks {
		for _, p := range task.DataOut(r2ts[i].TTT, int(r2ts[i].BufferOffset), 0) {
			// A failed write shows in the next event.
			_ = c.Send(p)
		}
	}
	if !early {
		if e = c.Await(30*time.Second, own); e.Ended() {
			t.Warn("The target drops the connection.", e, "function complete")
			return
		}
		t.completeOrSkip(e, f)
		t.silentAfter(c, request, tasks...)
		return
	}
	t.silentAfter(c, request, tasks...)
	if err := c.Probe(); err != nil {
		t.Fail(fmt.Sprintf("the answer comes while data is still owed, which then does harm: %v", err), "an answer when the data has come")
	}
	t.Warn("The target answers while data that it has asked for is still owed.", e, "an answer when the data has come")
}

// foreignGap is tmf.multi-task.no-wait-for-third-party-commands.
func foreignGap(t *T) {
	a, b := t.Open(probe.Login{}), t.otherInitiator(probe.Login{})
	if b.Session.Window() < 2 {
		t.Skip("The command window of the other session takes %d commands.", b.Session.Window())
	}
	missing := b.Session.CmdSN
	b.Session.CmdSN++
	later := b.Start(probe.TestUnitReady())
	t.Check(b.Ping(nil), "a ping behind a command that waits")
	request := a.TaskManagement(pdu.FunctionLogicalUnitReset, pdu.ReservedTag, 0)
	// A failed write shows in the next event.
	_ = a.Send(request)
	e := a.AnswerTo(request.ITT)
	waits := e.Kind == probe.TimedOut
	if !waits {
		t.completeOrSkip(e, pdu.FunctionLogicalUnitReset)
	}
	b.Session.CmdSN = missing
	b.Start(probe.TestUnitReady()).Await()
	b.Session.CmdSN = missing + 2
	b.AnswerWithin(t.patient(t.Options().AnswerTimeout), later.PDU.ITT) // the reset may have ended it
	if waits {
		if _, ok := t.responded(a, request); !ok {
			t.FailFirmly("no answer to LOGICAL UNIT RESET", "an answer at once")
		}
		t.Fail("an answer to LOGICAL UNIT RESET only when another session's missing command had come", "an answer at once")
	}
	t.Survives(a, "the session that asked")
	t.Check(b.ClearUnitAttentions(), "TEST UNIT READY of the other session")
}

// completeOrSkip ends the part unless an event is the answer "function complete".
func (t *T) completeOrSkip(e probe.Event, f pdu.TaskFunction) {
	response, is := probe.As[*pdu.TaskManagementResponse](e)
	switch {
	case !is:
		t.Fail(e, "function complete")
	case !offered(response.Response):
		t.Skip("The target does not offer %v: %v.", f, response.Response)
	case response.Response != pdu.TaskResponseComplete:
		t.Fail(response.Response, "function complete")
	}
}

func resetInOrder(t *T) {
	c := t.Open(probe.Login{})
	n := c.Session.CmdSN
	request := c.TaskManagement(pdu.FunctionLogicalUnitReset, pdu.ReservedTag, 0)
	request.Immediate, request.CmdSN = false, n+1
	// A failed write shows in the next event.
	_ = c.Send(request)
	e := c.Await(t.Options().QuietTime, func(e probe.Event) bool { return e.Frame.BHS.ITT() == request.ITT })
	switch {
	case e.Ended():
		t.Warn("The target drops the connection while a CmdSN is missing.", e, "an answer when the missing CmdSN has come")
		return
	case e.Kind == probe.Arrived:
		t.Fail(fmt.Sprintf("%v while CmdSN 0x%x is missing", e, n), "an answer when the missing CmdSN has come")
	}
	task := c.Start(probe.TestUnitReady())
	c.Session.CmdSN = n + 2
	t.answered(task.Await())
	if _, ok := t.responded(c, request); !ok {
		t.Fail("no answer to LOGICAL UNIT RESET", "a Task Management Response")
	}
	if exp := c.Session.ExpCmdSN; exp != n+2 && iscsi.SNLess(exp, n+2) {
		t.Fail(fmt.Sprintf("ExpCmdSN 0x%x", exp), fmt.Sprintf("ExpCmdSN 0x%x", n+2))
	}
	t.Survives(c, "the session")
}

// otherInitiator opens a session under another initiator name, or, where that name may not log in, another session of the same.
func (t *T) otherInitiator(l probe.Login) *probe.Conn {
	named := l
	named.InitiatorName = t.Options().InitiatorName + ":other"
	r := t.Login(named)
	if !r.Granted() {
		return t.clone(l)
	}
	t.Check(r.Conn.ClearUnitAttentions(), "TEST UNIT READY after the login")
	return r.Conn
}

// cleared tells whether a command was answered with a unit attention about tasks that somebody else has ended.
func cleared(r probe.Result) bool {
	return r.UnitAttention() && (r.Sense.Code>>8 == scsi.PowerOnOrReset>>8 || r.Sense.Code>>8 == scsi.CommandsCleared>>8)
}

func clearsAllSessions(t *T) {
	a, b := t.Open(solicited()), t.clone(solicited())
	own, ownR2T := t.Held(a, 0, pattern(50, 4096), oldTag)
	theirs, theirR2T := t.Held(b, 32, pattern(51, 4096), oldTag+1)
	request := a.TaskManagement(pdu.FunctionClearTaskSet, pdu.ReservedTag, 0)
	// A failed write shows in the next event.
	_ = a.Send(request)
	own.Serve(ownR2T) // tags stay valid until the answer comes
	answer, ok := t.responded(a, request)
	if !ok {
		t.Fail("no answer to CLEAR TASK SET", "a Task Management Response")
	}
	theirs.Serve(theirR2T)
	next := b.Execute(probe.TestUnitReady())
	late := t.statusSeen(b, theirs)
	want := "TASK ABORTED or a unit attention for the other session"
	_, before := t.afterResponse(a, request.ITT, own.PDU.ITT)
	switch {
	case !offered(answer):
		t.Warn("The target does not offer CLEAR TASK SET.", answer, "function complete")
	case answer != pdu.TaskResponseComplete:
		t.Fail(answer, "function complete")
	case late == nil && cleared(next), late != nil && late.Status == byte(scsi.StatusTaskAborted):
		if !before {
			t.silentAfter(a, request, own)
		}
	case late != nil && late.Status == byte(scsi.StatusGood):
		t.Warn("The write of the other session goes on: its tasks are a set of their own.", "GOOD", want)
	default:
		t.Fail(fmt.Sprintf("no status for the write of the other session, and %v for its next command", next), want)
	}
}

// statusSeen gives the SCSI Response of a task among what has come so far, or nil.
func (t *T) statusSeen(c *probe.Conn, task *probe.Task) *pdu.SCSIResponse {
	for _, s := range ofTask(t.Received(c), task.PDU.ITT) {
		if p, is := s.PDU.(*pdu.SCSIResponse); is {
			return p
		}
	}
	return nil
}

func resetToldToOthers(t *T) {
	a, b := t.Open(solicited()), t.otherInitiator(solicited())
	theirs, r2t := t.Held(b, 0, pattern(52, 4096), oldTag)
	response, e := a.Manage(a.TaskManagement(pdu.FunctionLogicalUnitReset, pdu.ReservedTag, 0))
	switch {
	case response == nil:
		t.Fail(e, "a Task Management Response")
	case response.Response != pdu.TaskResponseComplete:
		t.Skip("The target does not reset the logical unit: %v.", response.Response)
	}
	theirs.Serve(r2t)
	next := b.Execute(probe.TestUnitReady())
	early := t.statusSeen(b, theirs)
	t.Quiet(b)
	late := t.statusSeen(b, theirs)
	want := []string{"a unit attention for the other session's next command", "TASK ABORTED for its write"}
	switch {
	case early == nil && late != nil && cleared(next):
		t.FailFirmly(fmt.Sprintf("status 0x%02x for the write behind the unit attention", late.Status), want...)
	case late != nil && late.Status == byte(scsi.StatusGood):
		t.Warn("The write of the other session goes on.", "GOOD", want...)
	case late != nil && late.Status == byte(scsi.StatusTaskAborted), cleared(next):
	default:
		t.Fail(fmt.Sprintf("%v for the next command of the other session", next), want...)
	}
}

func absentUnitManaged(t *T) {
	for _, lun := range t.Facts.LUNs {
		if lun == absentLUN {
			t.Skip("The target has the logical unit that should not exist.")
		}
	}
	for _, f := range []pdu.TaskFunction{pdu.FunctionLogicalUnitReset, pdu.FunctionAbortTaskSet} {
		t.Part(f.String(), func() {
			c := t.Open(probe.Login{})
			request := c.TaskManagement(f, pdu.ReservedTag, 0)
			request.LUN = absentLUN
			response, e := c.Manage(request)
			want := "LUN does not exist"
			switch {
			case response == nil:
				t.Fail(e, want)
			case response.Response == pdu.TaskResponseNoLUN:
			case response.Response == pdu.TaskResponseNoTask || !offered(response.Response):
				t.Warn("The function is declined with another response.", response.Response, want)
			default:
				t.Fail(response.Response, want)
			}
			t.Survives(c, "the session")
		})
	}
}
