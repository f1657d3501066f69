package initiator

import (
	"fmt"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// reassignChecks are those of the group recovery at ErrorRecoveryLevel 2.
func reassignChecks() []Check {
	base, driver := level(2)
	short := func(b *Base) {
		base(b)
		b.Params.DefaultTime2Wait, b.Params.DefaultTime2Retain = 3, 10
	}
	return []Check{
		{ID: "recovery.erl2.reassign", Base: base, Driver: driver, Run: reassignRest},
		{ID: "recovery.erl2.within-time2retain", Base: short, Driver: driver, Run: reassignInTime},
		{ID: "recovery.erl2.reassign-refused", Base: base, Driver: driver, Run: reassignRefused},
		{ID: "recovery.erl2.expdatasn", Base: base, Driver: driver, Run: reassignExpDataSN},
		{ID: "recovery.erl2.no-snack-below-expdatasn", Base: base, Driver: driver, Run: reassignNoSNACKBelow},
	}
}

// moved is a READ whose connection was lost, up to the TASK REASSIGN for it.
type moved struct {
	op      *Pending
	task    *Task
	conn    *Conn
	request *pdu.TaskManagementRequest
}

// cut begins a READ in pieces, sends the first of them, and cuts the connection.
func (t *T) cut(sent uint32) (op *Pending, task *Task, isNew *Conn) {
	c := t.sessionAt(2)
	op = t.Start(Read{Blocks: pieceBlocks})
	task = c.Read()
	for n := range sent {
		c.piece(task, n)
	}
	c.Fin()
	return op, task, c
}

// reassigned is cut, followed by the login and the TASK REASSIGN of an initiator that recovers the connection.
func (t *T) reassigned(sent uint32) moved {
	op, task, old := t.cut(sent)
	c := t.Accept()
	tsih := uint16(0)
	c.Login(func(s *Step) { tsih = s.Request.TSIH })
	if tsih == 0 && !t.Own() {
		t.recovered(op)
		t.Skip("NOT-TESTABLE: the initiator recovers the session instead of the connection.")
	}
	t.Equal("TSIH", tsih, old.Session.TSIH)
	for {
		e := c.TryNext(AnswerTime, pdu.OpTaskManagementRequest, pdu.OpLogoutRequest, pdu.OpSCSICommand)
		switch p := e.PDU.(type) {
		case *pdu.LogoutRequest:
			t.Check(p.Reason == pdu.LogoutRemoveForRecovery && p.CID == old.CID, e, "a Logout Request with reason 2 for the lost connection")
			c.Logout(p, pdu.LogoutSuccess, func(r *pdu.LogoutResponse) { r.Time2Retain = 60 })
			old.CID = c.CID // It is logged out.
			continue
		case *pdu.TaskManagementRequest:
			t.Check(p.Function == pdu.FunctionTaskReassign && p.ReferencedTaskTag == task.PDU.ITT, e, "TASK REASSIGN with the ITT of the READ")
			t.Check(c.CID == old.CID, e, "a logout of the lost connection before TASK REASSIGN")
			task.conn = c
			return moved{op, task, c, p}
		case *pdu.SCSICommand:
			if housekeepers[scsi.Opcode(p.CDB[0])] {
				c.Good(c.task(e))
				continue
			}
		}
		t.Fail(e, "TASK REASSIGN")
	}
}

// rest sends the pieces from a DataSN on, without those left out, and the status.
func (m moved) rest(from uint32, without ...uint32) {
	for n := from; n < pieces; n++ {
		left := false
		for _, w := range without {
			left = left || n == w
		}
		if !left {
			m.conn.piece(m.task, n)
		}
	}
	m.conn.whole(m.task)
}

func reassignRest(t *T) {
	m := t.reassigned(pieces / 2)
	m.conn.Manage(m.request, pdu.TaskResponseComplete)
	m.rest(m.request.ExpDataSN)
	t.goodPieces(m.conn, m.op)
	if t.Own() {
		s := t.ListSessions()[0]
		t.Check(s.State == ini.StateConnected && s.Logins == 1, fmt.Sprintf("%v after %d logins", s.State, s.Logins), "a session that was never lost")
	}
}

func reassignExpDataSN(t *T) {
	m := t.reassigned(3)
	t.Check(m.request.ExpDataSN == 3, fmt.Sprintf("ExpDataSN %d", m.request.ExpDataSN), "3, for three Data-In that have come")
	m.conn.Manage(m.request, pdu.TaskResponseComplete)
	m.rest(m.request.ExpDataSN)
	t.goodPieces(m.conn, m.op)
}

func reassignNoSNACKBelow(t *T) {
	m := t.reassigned(4)
	m.conn.Manage(m.request, pdu.TaskResponseComplete)
	from := m.request.ExpDataSN
	m.rest(from, from)
	p := m.conn.snack(pdu.SNACKData)
	t.Check(p.BegRun >= from, fmt.Sprintf("BegRun=%d, RunLength=%d", p.BegRun, p.RunLength), fmt.Sprintf("a run that begins at %d or later", from))
	m.conn.piece(m.task, from)
	t.goodPieces(m.conn, m.op)
}

func reassignInTime(t *T) {
	c := t.sessionAt(2)
	op := t.Start(Read{Blocks: pieceBlocks})
	c.Read()
	t.Refuse("A")
	c.Sever()
	t.Wait(20 * time.Second)
	t.Heal("A")
	c = t.Accept()
	s := c.LoginStep()
	t.Check(s.Request.TSIH == 0, fmt.Sprintf("a login with TSIH 0x%04x, 20 s after the loss", s.Request.TSIH), "TSIH 0 after Time2Wait and Time2Retain, 13 s")
	c.Respond(s)
	if !c.FullFeature() {
		c.Login()
	}
	t.recovered(op)
}

func reassignRefused(t *T) {
	for _, code := range []pdu.TaskResponse{pdu.TaskResponseNoTask, pdu.TaskResponseStillAllegiant, pdu.TaskResponseReassignUnsupported, pdu.TaskResponseUnsupported} {
		t.Part(code.String(), func() {
			m := t.reassigned(2)
			m.conn.Manage(m.request, code)
			t.recovered(m.op)
		})
	}
}
