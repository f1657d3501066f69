package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// replace logs in on a new connection in the place of an old one.
func (t *T) replace(old *probe.Conn) *probe.LoginResult {
	t.named(old)
	cid := old.CID
	return t.Login(probe.Login{Session: old.Session, CID: &cid})
}

// named skips the part when the target gave the session no handle: a login with TSIH 0 would ask for something else.
func (t *T) named(c *probe.Conn) {
	if c.Session.TSIH == 0 {
		t.Skip("The target gave the session the TSIH 0, by which it cannot be named.")
	}
}

func reinstateConnection(t *T) {
	old := t.Open(probe.Login{})
	tsih, params := old.Session.TSIH, old.Session.Params
	r := t.replace(old)
	if declined(r) {
		if params.MaxConnections > 1 || params.ErrorRecoveryLevel == 2 {
			t.Fail(r, "a granted login")
		}
		t.Warn("The target does not reinstate connections of sessions with one connection.", r, "a granted login")
		t.Survives(t.Open(probe.Login{}), "a fresh session")
		return
	}
	c := t.Granted(r)
	if final, _ := probe.As[*pdu.LoginResponse](r.Last); final.TSIH != tsih {
		t.Fail(fmt.Sprintf("TSIH 0x%04x", final.TSIH), fmt.Sprintf("TSIH 0x%04x, the session's", tsih))
	}
	t.Dropped(old, "the old connection after the new one's login")
	t.Survives(c, "the new connection")
}

func reinstatedTasksEnd(t *T) {
	old := t.Open(solicited())
	if old.Session.Params.ErrorRecoveryLevel > 1 {
		t.Skip("Recovery level 2 was agreed.")
	}
	task, _ := t.Held(old, 0, pattern(40, 4096), oldTag)
	r := t.replace(old)
	if declined(r) {
		t.Skip("The target does not reinstate the connection: %v.", r)
	}
	c := t.Granted(r)
	silent := func() {
		if late := ofTask(t.Received(c), oldTag); len(late) > 0 {
			t.Fail(fmt.Sprintf("%v on the new connection", late[0].Event.PDU), "nothing for the task of the old connection")
		}
	}
	t.Quiet(c)
	silent()
	response, e := c.Manage(c.TaskManagement(pdu.FunctionAbortTask, oldTag, task.PDU.CmdSN))
	if response == nil || response.Response != pdu.TaskResponseComplete && response.Response != pdu.TaskResponseNoTask {
		t.Fail(e, "response 0", "response 1")
	}
	t.Done(c, t.Write(c, 0, pattern(41, 4096)), "a WRITE on the new connection")
	silent()
}
