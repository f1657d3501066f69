package target

import (
	"bytes"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// lossPatience is how long a live connection may be without an answer after the loss of another one.
const lossPatience = 30 * time.Second

func lossOfOther(t *T) {
	c := t.roomy()
	second := t.beside(c)
	// Where the transport cannot reset, a close is as abrupt.
	_ = second.Reset()
	for range 3 {
		request := c.Request(probe.TestUnitReady())
		// A failed write shows in the next event.
		_ = c.Send(request)
		e := c.Await(lossPatience, func(e probe.Event) bool { return e.Kind == probe.Arrived && e.Frame.BHS.ITT() == request.ITT })
		switch {
		case e.Ended() && c.Session.Params.ErrorRecoveryLevel == 0:
			t.Warn("The target ends the session with one of its connections.", e, "a session that goes on")
			return
		case e.Kind != probe.Arrived:
			t.Fail(e, "an answer on the connection that lives")
		}
		if _, is := probe.As[*pdu.SCSIResponse](e); !is {
			t.Fail(e, "a SCSI Response")
		}
	}
	t.Survives(c, "the connection that lives")
}

// heldOnBoth opens two connections, each with a WRITE that waits for its data. The tags are oldTag and the one after it.
func (t *T) heldOnBoth(keys ...string) (conns [2]*probe.Conn, tasks [2]*probe.Task, r2ts [2]*pdu.R2T) {
	conns[0] = t.roomy(append(solicitedKeys, keys...)...)
	conns[1] = t.beside(conns[0], keys...)
	for i, c := range conns {
		tasks[i], r2ts[i] = t.Held(c, uint32(32*i), pattern(uint32(70+i), 4096), oldTag+uint32(i))
	}
	return conns, tasks, r2ts
}

// nothingAfterLogout ends the part when something of a task came behind the Logout Response.
func (t *T) nothingAfterLogout(c *probe.Conn, itt uint32) {
	rest, _ := after(t.Received(c), func(s Sighting) bool { _, is := s.PDU.(*pdu.LogoutResponse); return is })
	if late := ofTask(rest, itt); len(late) > 0 {
		t.Fail(fmt.Sprintf("%v after the Logout Response", late[0].Event.PDU), "nothing more for tasks that the logout has ended")
	}
}

func othersSurviveLogout(t *T) {
	conns, tasks, r2ts := t.heldOnBoth("MaxRecvDataSegmentLength=1024")
	t.loggedOut(conns[1], pdu.LogoutCloseConnection, conns[1].CID)
	t.closes(conns[1])
	t.nothingAfterLogout(conns[1], tasks[1].PDU.ITT)
	tasks[0].Serve(r2ts[0])
	r := tasks[0].Await()
	t.Good(r, "the WRITE of the connection that stays")
	t.Survives(conns[0], "the connection that stays")
}

func logoutOfOther(t *T) {
	t.Part("a connection that is lost", func() {
		c := t.roomy()
		second := t.beside(c)
		cid := second.CID
		// Where the transport cannot reset, a close is as abrupt.
		_ = second.Reset()
		t.idle(time.Second, c)
		response, e := c.Logout(pdu.LogoutCloseConnection, cid)
		switch {
		case response == nil && e.Ended() && c.Session.Params.ErrorRecoveryLevel < 2:
			t.Warn("The target ends the session with one of its connections.", e, "a Logout Response")
			return
		case response == nil:
			t.Fail(e, "a Logout Response")
		case response.Response != pdu.LogoutSuccess && response.Response != pdu.LogoutCIDNotFound:
			t.Warn("A lost connection cannot be logged out.", e, "response 0", "response 1")
		}
		t.Survives(c, "the connection that carried the logout")
	})
	t.Part("a connection that lives", func() {
		c := t.roomy()
		second := t.beside(c)
		response, e := c.Logout(pdu.LogoutCloseConnection, second.CID)
		if _, rejected := probe.As[*pdu.Reject](e); response == nil && !rejected {
			t.Fail(e, "a Logout Response", "a Reject")
		}
		if response == nil || response.Response != pdu.LogoutSuccess {
			t.Survives(second, "the connection that was named in vain")
		} else {
			t.Dropped(second, "after its logout on another connection")
		}
		t.Survives(c, "the connection that carried the logout")
	})
}

func logoutOfAll(t *T) {
	conns, tasks, _ := t.heldOnBoth()
	t.loggedOut(conns[0], pdu.LogoutCloseSession, conns[0].CID)
	t.closes(conns[0])
	if d := conns[1].AwaitDropAfterAll(); !d.Dropped {
		t.Fail(d, "the target closes every connection of the session")
	}
	t.nothingAfterLogout(conns[0], tasks[0].PDU.ITT)
	for i, task := range tasks {
		for _, s := range ofTask(t.Received(conns[i]), task.PDU.ITT) {
			if carriesStatus(s.PDU) {
				t.Fail(fmt.Sprintf("%v for a WRITE without data", s.Event.PDU), "no status for tasks that the logout has ended")
			}
		}
	}
}

func logoutTellsSCSI(t *T) {
	c := t.roomy(solicitedKeys...)
	second := t.beside(c)
	old := t.Content(c, 0, t.room(c, 0, 4096))
	t.Held(second, 0, pattern(72, len(old)), oldTag)
	t.loggedOut(second, pdu.LogoutCloseConnection, second.CID)
	t.closes(second)
	r := c.Execute(probe.TestUnitReady())
	switch {
	case r.Check(scsi.SomeCommandsCleared) && r.UnitAttention():
	case r.UnitAttention():
		t.Warn("Another unit attention tells of the tasks that were ended.", r, "UNIT ATTENTION 0x47/0x7f")
	case r.Good():
		t.Warn("No unit attention tells of the tasks that were ended.", r, "UNIT ATTENTION 0x47/0x7f")
	default:
		t.Fail(r, "UNIT ATTENTION 0x47/0x7f")
	}
	t.Good(c.Execute(probe.TestUnitReady()), "the second TEST UNIT READY")
	if now := t.Content(c, 0, len(old)); !bytes.Equal(now, old) {
		t.Fail("a WRITE whose data never came has changed the medium", "the old data")
	}
}

func lateCommandsEnd(t *T) {
	c := t.roomy()
	second := t.beside(c)
	s := c.Session
	if s.Window() < 3 {
		t.Skip("The command window takes %d commands.", s.Window())
	}
	first := c.Start(t.Read(c, 0, 4096))
	missing := s.CmdSN
	request := c.TaskManagement(pdu.FunctionAbortTaskSet, pdu.ReservedTag, 0)
	request.CmdSN = missing + 1
	// A failed write shows in the next event.
	_ = c.Send(request)
	early := false
	e := c.AnswerWithin(t.patient(t.Options().AnswerTimeout), request.ITT)
	switch answer, is := probe.As[*pdu.TaskManagementResponse](e); {
	case e.Ended():
		t.Warn("The target drops the connection over an immediate request with a CmdSN to come.", e, "an answer after the missing command")
		return
	case is && answer.Response != pdu.TaskResponseComplete:
		t.Skip("The target does not do ABORT TASK SET: %v.", e)
	case is:
		early = true
	case e.Kind != probe.TimedOut:
		t.Fail(e, "an answer after the missing command")
	}
	late := second.Start(t.Read(second, 8, 4096))
	ping := second.NOPOut(nil)
	ping.Immediate, ping.CmdSN = false, s.CmdSN
	s.CmdSN++
	_ = second.Send(ping)
	if !early {
		answer, is := probe.As[*pdu.TaskManagementResponse](c.AnswerTo(request.ITT))
		if !is || answer.Response != pdu.TaskResponseComplete {
			t.Fail("no answer of \"function complete\" when all commands before it had come", "a Task Management Response with response 0")
		}
	}
	if pong := second.AnswerTo(ping.ITT); pong.Kind != probe.Arrived {
		t.Fail(pong, "an answer to the ping behind the missing command")
	}
	t.Quiet(second)
	t.Quiet(c)
	if rest, before := t.afterResponse(c, request.ITT, first.PDU.ITT); len(rest) > 0 {
		t.Fail(fmt.Sprintf("%v after the answer to ABORT TASK SET, status before it: %t", rest[0].Event.PDU, before), "nothing more for tasks that it has ended")
	}
	// On another connection than the answer's, what was sent before it may come after it; but not when it was sent before the command.
	since := t.responseAt(c, request.ITT) + time.Second
	for _, seen := range ofTask(t.Received(second), late.PDU.ITT) {
		if early || seen.Event.At > since {
			t.Fail(fmt.Sprintf("%v after the answer to ABORT TASK SET", seen.Event.PDU), "nothing more for tasks that it has ended")
		}
	}
	if early {
		t.Warn("The target answers before the missing command has come, and does not execute it.", request.Function, "an answer after the missing command")
	}
}

// responseAt is when the answer to a task management request came.
func (t *T) responseAt(c *probe.Conn, itt uint32) time.Duration {
	for _, s := range t.Received(c) {
		if p, is := s.PDU.(*pdu.TaskManagementResponse); is && p.ITT == itt {
			return s.Event.At
		}
	}
	return 0
}
