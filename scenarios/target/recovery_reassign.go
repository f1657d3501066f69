package target

import (
	"bytes"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
)

// reassignChecks are those of recovery level 2.
func reassignChecks() []Check {
	checks := []Check{
		{ID: "recovery.reassign.after-logout-read", Run: readAfterLogout},
		{ID: "recovery.reassign.after-logout-write", Risk: scenarios.Writes, Run: writeAfterLogout},
		{ID: "recovery.reassign.still-allegiant", Run: stillAllegiant},
		{ID: "recovery.reassign.implicit-logout", Run: implicitLogout},
		{ID: "recovery.reassign.non-immediate-or-own-connection", Run: reassignUnknown},
		{ID: "recovery.reassign.time2retain-expiry", Risk: scenarios.Writes, Run: expiredTasks},
		{ID: "recovery.session-continuation.during-retain", Run: continuedSession},
		{ID: "recovery.single-connection.second-while-recovering", Run: secondWhileRecovering},
		{ID: "recovery.reassign.not-for-text-or-task-management", Run: reassignText},
		{ID: "recovery.reassign.impossible-expdatasn-ignored", Run: impossibleExpDataSN},
		{ID: "recovery.reassign.snack-tag-zero", Run: snackTagForgotten},
		{ID: "recovery.reassign.immediate-commands-end", Risk: scenarios.Writes, Run: immediateEnds},
		{ID: "multi-connection.loss.async-message-on-other", Run: lossIsTold,
			Defects: []func(*simtarget.Deviations){func(d *simtarget.Deviations) { d.Async.DropNamesCIDZero = true }}},
	}
	for i := range checks {
		checks[i].Array = func(p *simtarget.Profile) {
			p.Session.MaxConnections, p.Session.ErrorRecoveryLevel, p.Data.Time2Retain = 4, 2, 30
		}
	}
	return checks
}

// recoverable opens a session of recovery level 2, and skips the part where the target does not agree to it.
func (t *T) recoverable(keys ...string) *probe.Conn {
	offers := Keys(append(append([]string{"ErrorRecoveryLevel=2"}, solicitedKeys...), keys...)...)
	for _, fallback := range Keys("MaxConnections=4", "DefaultTime2Wait=0", "DefaultTime2Retain=30") {
		if _, given := offers.Get(fallback.Key); !given {
			offers = append(offers, fallback)
		}
	}
	c := t.Open(probe.Login{Keys: offers})
	t.Handle(c)
	if p := c.Session.Params; p.ErrorRecoveryLevel != 2 || p.DefaultTime2Retain == 0 {
		t.Skip("The target agrees to ErrorRecoveryLevel=%d and DefaultTime2Retain=%d.", p.ErrorRecoveryLevel, p.DefaultTime2Retain)
	}
	return c
}

// paired is recoverable with a second connection.
func (t *T) paired(keys ...string) (first, second *probe.Conn) {
	first = t.recoverable(keys...)
	if n := first.Session.Params.MaxConnections; n < 2 {
		t.Skip("The target agrees to MaxConnections=%d.", n)
	}
	return first, t.beside(first, keysOfConnection(keys)...)
}

// keysOfConnection are those that a further connection may say.
func keysOfConnection(keys []string) []string {
	var own []string
	for _, key := range keys {
		if name := Keys(key)[0].Key; name == "MaxRecvDataSegmentLength" {
			own = append(own, key)
		}
	}
	return own
}

// stalled starts a READ of n bytes and awaits its first Data-In, which stays the last that is looked at on the connection.
func (t *T) stalled(c *probe.Conn, n int) *probe.Task {
	command := t.Read(c, 0, n)
	command.Patch = func(p *pdu.SCSICommand) { p.ITT = oldTag }
	task := c.Start(command)
	e := c.AnswerTo(oldTag)
	if _, is := probe.As[*pdu.DataIn](e); !is {
		t.Fail(e, "a Data-In")
	}
	return task
}

// freed logs a connection out for recovery by a request on another one, and waits as long as the answer says. It is false when the logout
// was not granted.
func (t *T) freed(c *probe.Conn, cid uint16) bool {
	response, e := c.Logout(pdu.LogoutRemoveForRecovery, cid)
	if response == nil {
		t.Fail(e, "a Logout Response")
	}
	if response.Response != pdu.LogoutSuccess {
		t.Warn("A connection cannot be logged out for recovery although level 2 was agreed.", e, "response 0")
		return false
	}
	t.idle(time.Duration(min(response.Time2Wait, 60))*time.Second, c)
	return true
}

// reassigned asks for a task on a connection. The answer has to come there, and before anything of the task.
func (t *T) reassigned(c *probe.Conn, itt, expDataSN uint32) pdu.TaskResponse {
	request := c.TaskManagement(pdu.FunctionTaskReassign, itt, 0)
	request.ExpDataSN = expDataSN
	response, e := c.Manage(request)
	if response == nil {
		t.Fail(e, "a Task Management Response")
	}
	seen := t.Received(c)
	for i, s := range seen {
		if p, is := s.PDU.(*pdu.TaskManagementResponse); is && p.ITT == request.ITT {
			if early := ofTask(seen[:i], itt); len(early) > 0 {
				t.Fail(fmt.Sprintf("%v before the answer to TASK REASSIGN", early[0].Event.PDU), "the answer first")
			}
		}
	}
	return response.Response
}

// taken judges the answer to TASK REASSIGN for a task that is there: only "function complete" is what level 2 promises, and other codes that
// are defined for it are a warning. It tells whether the task goes on.
func (t *T) taken(code pdu.TaskResponse, lenient ...pdu.TaskResponse) bool {
	if code == pdu.TaskResponseComplete {
		return true
	}
	for _, other := range append(lenient, pdu.TaskResponseNoTask, pdu.TaskResponseReassignUnsupported, pdu.TaskResponseUnsupported,
		pdu.TaskResponseNotAuthorized, pdu.TaskResponseRejected) {
		if code == other {
			t.Warn("A task cannot be reassigned although recovery level 2 was agreed.", code, "function complete")
			return false
		}
	}
	t.Fail(code, "function complete")
	return false
}

// comes ends the part unless a read that was reassigned with an ExpDataSN brings what was missing, and its status.
func (t *T) comes(c *probe.Conn, task *probe.Task, expDataSN uint32, from int, want []byte) {
	moved := &probe.Task{Conn: c, Command: task.Command, PDU: task.PDU}
	r := t.Good(moved.Await(), "the read that was reassigned")
	covered := from
	for i, p := range moved.DataIns {
		if p.DataSN != expDataSN+uint32(i) {
			t.Fail(fmt.Sprintf("DataSN %d", p.DataSN), fmt.Sprintf("DataSN %d", expDataSN+uint32(i)))
		}
		if int(p.BufferOffset) != covered {
			t.Fail(fmt.Sprintf("Data-In from byte %d on", p.BufferOffset), fmt.Sprintf("Data-In from byte %d on", covered))
		}
		covered += len(p.Data)
	}
	if covered < len(want) || len(r.Data) < len(want) {
		t.Fail(fmt.Sprintf("data up to byte %d", covered), fmt.Sprintf("data up to byte %d", len(want)))
	}
	if !bytes.Equal(r.Data[from:len(want)], want[from:]) {
		t.Fail("other data than the logical unit holds", "the logical unit's data")
	}
}

// firstPiece is how many bytes the first Data-In of a task has brought on a connection.
func (t *T) firstPiece(c *probe.Conn, itt uint32) int {
	for _, s := range ofTask(t.Received(c), itt) {
		if p, is := s.PDU.(*pdu.DataIn); is {
			return len(p.Data)
		}
	}
	return 0
}

func readAfterLogout(t *T) {
	first, second := t.paired("MaxRecvDataSegmentLength=8192")
	want := t.Content(second, 0, t.room(second, 0, 64<<10))
	task := t.stalled(first, len(want))
	if !t.freed(second, first.CID) {
		return
	}
	if t.taken(t.reassigned(second, oldTag, 1)) {
		t.comes(second, task, 1, t.firstPiece(first, oldTag), want)
	}
	t.Survives(second, "the connection that took the task over")
}

func writeAfterLogout(t *T) {
	first, second := t.paired()
	data := pattern(80, t.room(first, 0, 64<<10))
	task, _ := t.Held(first, 0, data, oldTag)
	if !t.freed(second, first.CID) {
		return
	}
	if t.taken(t.reassigned(second, oldTag, 0)) {
		moved := &probe.Task{Conn: second, Command: task.Command, PDU: task.PDU}
		t.Good(moved.Await(), "the write that was reassigned")
		t.Holds(second, 0, data, "read back")
	}
	t.Survives(second, "the connection that took the task over")
}

func stillAllegiant(t *T) {
	first, second := t.paired("MaxRecvDataSegmentLength=1024")
	var task *probe.Task
	var r2t *pdu.R2T
	if t.MayWrite() {
		task, r2t = t.Held(first, 0, pattern(81, 4096), oldTag)
	} else {
		task = t.stalled(first, t.room(first, 0, 64<<10))
	}
	code := t.reassigned(second, oldTag, 0)
	switch code {
	case pdu.TaskResponseStillAllegiant:
	case pdu.TaskResponseNoTask:
		if r2t != nil {
			t.Fail(code, "task still allegiant")
		}
	case pdu.TaskResponseReassignUnsupported, pdu.TaskResponseUnsupported, pdu.TaskResponseRejected:
		t.Warn("The task stays where it is, but the answer does not tell why.", code, "task still allegiant")
	default:
		t.Fail(code, "task still allegiant")
	}
	if r2t != nil {
		task.Serve(r2t)
		moved := &probe.Task{Conn: first, Command: task.Command, PDU: task.PDU}
		t.Good(moved.Await(), "the write on its own connection")
	}
	t.Survives(first, "the connection that has the task")
}

func implicitLogout(t *T) {
	first := t.recoverable("MaxRecvDataSegmentLength=8192")
	want := t.Content(first, 0, t.room(first, 0, 64<<10))
	task := t.stalled(first, len(want))
	// Where the transport cannot reset, a close is as abrupt.
	_ = first.Reset()
	t.Pause(time.Second * time.Duration(first.Session.Params.DefaultTime2Wait))
	cid := first.CID
	r := t.Login(probe.Login{Session: first.Session, CID: &cid, Keys: Keys("MaxRecvDataSegmentLength=8192")})
	if declined(r) {
		t.Fail(r, "a granted login: recovery level 2 was agreed")
	}
	c := t.Granted(r)
	if t.taken(t.reassigned(c, oldTag, 1), pdu.TaskResponseStillAllegiant) {
		t.comes(c, task, 1, t.firstPiece(first, oldTag), want)
	}
	t.Survives(c, "the new connection")
}

func reassignUnknown(t *T) {
	c := t.recoverable()
	switch code := t.reassigned(c, 0xdead0001, 0); code {
	case pdu.TaskResponseNoTask:
	case pdu.TaskResponseRejected:
		t.Warn("A tag that names no task is answered \"function rejected\".", code, "task does not exist")
	default:
		t.Fail(code, "task does not exist")
	}
	request := c.TaskManagement(pdu.FunctionTaskReassign, 0xdead0002, 0)
	request.Immediate = false
	c.Session.CmdSN++
	// What becomes of a request that should have been immediate is recorded; silence too, since its CmdSN may count as not received.
	_ = c.Send(request)
	c.AnswerTo(request.ITT)
}

func expiredTasks(t *T) {
	first, second := t.paired("DefaultTime2Wait=0", "DefaultTime2Retain=2")
	task, _ := t.Held(first, 0, pattern(82, 4096), oldTag)
	cid := first.CID
	// Where the transport cannot reset, a close is as abrupt.
	_ = first.Reset()
	t.idle(30*time.Second, second)
	response, e := second.Logout(pdu.LogoutRemoveForRecovery, cid)
	switch {
	case response == nil:
		t.Fail(e, "a Logout Response")
	case response.Response == pdu.LogoutSuccess:
		switch code := t.reassigned(second, oldTag, 0); code {
		case pdu.TaskResponseNoTask:
		case pdu.TaskResponseComplete:
			moved := &probe.Task{Conn: second, Command: task.Command, PDU: task.PDU}
			t.Good(moved.Await(), "a write that outlived Time2Retain")
			t.Warn("A task outlives Time2Retain.", code, "task does not exist")
		default:
			t.taken(code)
		}
	case response.Response != pdu.LogoutCIDNotFound:
		t.Warn("A connection whose time is over is neither unknown nor logged out.", e, "response 1", "response 0")
	}
	t.idle(0, second)
	t.Check(second.ClearUnitAttentions(), "TEST UNIT READY")
}

func continuedSession(t *T) {
	c := t.recoverable("DefaultTime2Wait=1", "DefaultTime2Retain=30")
	if p := c.Session.Params; p.DefaultTime2Wait > 2 || p.DefaultTime2Retain < 5 {
		t.Skip("The target agrees to DefaultTime2Wait=%d, DefaultTime2Retain=%d.", p.DefaultTime2Wait, p.DefaultTime2Retain)
	}
	tsih, cid := c.Session.TSIH, c.CID
	// Where the transport cannot reset, a close is as abrupt.
	_ = c.Reset()
	t.Pause(2 * time.Second)
	r := t.Login(probe.Login{Session: c.Session, CID: &cid})
	if r.RefusedWith(iscsi.StatusSessionDoesNotExist) {
		t.Warn("The target gives a session of recovery level 2 up at once.", r, "a granted login")
		return
	}
	back := t.Granted(r)
	if final, is := probe.As[*pdu.LoginResponse](r.Last); is && (final.TSIH != tsih || final.ExpCmdSN != c.Session.CmdSN) {
		t.Fail(fmt.Sprintf("TSIH 0x%04x, ExpCmdSN %d", final.TSIH, final.ExpCmdSN), fmt.Sprintf("TSIH 0x%04x, ExpCmdSN %d", tsih, c.Session.CmdSN))
	}
	t.Survives(back, "the session that goes on")
}

func secondWhileRecovering(t *T) {
	for _, reset := range []bool{false, true} {
		t.Part(map[bool]string{false: "a connection that is left", true: "a connection that is reset"}[reset], func() {
			first := t.recoverable("MaxConnections=1", "MaxRecvDataSegmentLength=8192")
			want := t.Content(first, 0, t.room(first, 0, 64<<10))
			task := t.stalled(first, len(want))
			if reset {
				// Where the transport cannot reset, a close is as abrupt.
				_ = first.Reset()
			}
			r := t.Login(probe.Login{Session: first.Session, Keys: Keys("MaxRecvDataSegmentLength=8192")})
			switch {
			case r.RefusedWith(iscsi.StatusTooManyConnections, iscsi.StatusCannotInclude, iscsi.StatusOutOfResources):
				t.Warn("No second connection is granted for recovery.", r, "a granted login")
				return
			case !r.Granted():
				t.FailFirmly(r, "a granted login")
			}
			second := r.Conn
			if t.freed(second, first.CID) && t.taken(t.reassigned(second, oldTag, 1)) {
				t.comes(second, task, 1, t.firstPiece(first, oldTag), want)
			}
			t.Survives(second, "the session")
		})
	}
}

func reassignText(t *T) {
	first, second := t.paired()
	request := first.TextRequest(Keys("MaxRecvDataSegmentLength=4096"))
	request.Final = false
	// A failed write shows in the next event.
	_ = first.Send(request)
	if _, is := probe.As[*pdu.TextResponse](first.AnswerTo(request.ITT)); !is {
		t.Skip("The target does not negotiate by text.")
	}
	cid := first.CID
	// Where the transport cannot reset, a close is as abrupt.
	_ = first.Reset()
	response, e := second.Logout(pdu.LogoutRemoveForRecovery, cid)
	if response == nil || response.Response != pdu.LogoutSuccess {
		t.Skip("The connection cannot be logged out for recovery: %v.", e)
	}
	t.idle(time.Duration(min(response.Time2Wait, 60))*time.Second, second)
	switch code := t.reassigned(second, request.ITT, 0); code {
	case pdu.TaskResponseRejected:
	case pdu.TaskResponseNoTask, pdu.TaskResponseReassignUnsupported, pdu.TaskResponseUnsupported:
		t.Warn("The tag of a text request is answered otherwise than \"function rejected\".", code, "function rejected")
	default:
		t.Fail(code, "function rejected")
	}
	t.Survives(second, "the connection")
	for _, s := range t.Received(second) {
		if p, is := s.PDU.(*pdu.TextResponse); is && p.ITT == request.ITT {
			t.Fail(fmt.Sprintf("%v on another connection", s.Event.PDU), "no Text Response")
		}
	}
}

func impossibleExpDataSN(t *T) {
	first, second := t.paired("MaxRecvDataSegmentLength=1024")
	want := t.Content(second, 0, t.room(second, 0, 8<<10))
	task := t.stalled(first, len(want))
	if !t.freed(second, first.CID) {
		return
	}
	request := second.TaskManagement(pdu.FunctionTaskReassign, oldTag, 0)
	request.ExpDataSN = 0x00010000
	response, e := second.Manage(request)
	_, rejected := probe.As[*pdu.Reject](e)
	switch {
	case response == nil && (rejected || e.Ended()):
		t.Warn("The target refuses an ExpDataSN that cannot be, where it is to ignore it.", e, "function complete")
	case response == nil:
		t.Fail(e, "a Task Management Response")
	case t.taken(response.Response):
		t.comes(second, task, 0, 0, want)
	}
}

func lossIsTold(t *T) {
	first, second := t.paired("DefaultTime2Retain=20")
	cid := second.CID
	// Where the transport cannot reset, a close is as abrupt.
	_ = second.Reset()
	e := first.Await(15*time.Second, func(e probe.Event) bool {
		m, is := probe.As[*pdu.AsyncMessage](e)
		return is && (m.Event == pdu.AsyncConnectionDrop || m.Event == pdu.AsyncSessionDrop)
	})
	m, is := probe.As[*pdu.AsyncMessage](e)
	if !is {
		t.Warn("The target does not tell that a connection is lost.", e, "an Asynchronous Message with event 2 or 3")
		return
	}
	if m.Event == pdu.AsyncConnectionDrop && m.Parameter1 != cid {
		t.FailFirmly(fmt.Sprintf("event 2 about CID %d", m.Parameter1), fmt.Sprintf("event 2 about CID %d", cid))
	}
	if m.Parameter2 > logoutTimesMax || m.Parameter3 > logoutTimesMax {
		t.Fail(fmt.Sprintf("Parameter2=%d, Parameter3=%d", m.Parameter2, m.Parameter3), "0 to 3600 seconds")
	}
}
