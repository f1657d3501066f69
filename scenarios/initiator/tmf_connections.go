package initiator

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// taskConnectionChecks are those of task management over several connections.
func taskConnectionChecks() []Check {
	base, driver := level(2)
	return []Check{
		{ID: "tmf.abort-on-allegiant-connection", Base: func(b *Base) { b.Params.MaxConnections = 2 }, Driver: func(s *Settings) {
			s.Offer(text.KeyMaxConnections, "2")
		}, Run: abortWhereItRuns},
		{ID: "tmf.reassign-wire-format", Base: base, Driver: driver, Run: reassignForm},
	}
}

// readAnywhere starts a READ and returns its command, on whichever connection it comes.
func (t *T) readAnywhere(conns ...*Conn) (*Pending, *Task) {
	op := t.Start(Read{Blocks: 8})
	for _, c := range conns {
		if task := c.TryCommand(t.scaled(100*time.Millisecond), Reads...); task != nil {
			return op, task
		}
	}
	t.Fail("no READ on any connection", "a READ")
	return nil, nil
}

func abortWhereItRuns(t *T) {
	first := t.Session()
	t.Start(AddConnection{})
	second := t.Accept()
	if !second.Login() {
		t.Unclear("The login of the second connection did not reach full feature phase.")
	}
	if second.Session != first.Session {
		t.Skip("NOT-TESTABLE: the initiator has one connection a session.")
	}
	t.Wait(time.Second)
	tasks, ops := map[*Conn]*Task{}, map[*Conn]*Pending{}
	for range 8 {
		op, task := t.readAnywhere(first, second)
		tasks[task.conn], ops[task.conn] = task, op
		if len(tasks) == 2 {
			break
		}
	}
	if len(tasks) < 2 {
		t.Skip("NOT-TESTABLE: the initiator uses one connection for all commands.")
	}
	for _, c := range []*Conn{first, second} {
		task := tasks[c]
		abort := t.Start(AbortTask{Of: ops[c]})
		e := c.TryNext(5*time.Second, pdu.OpTaskManagementRequest)
		p, is := probe.As[*pdu.TaskManagementRequest](e)
		if !is || p.ReferencedTaskTag != task.PDU.ITT {
			t.Fail(e, fmt.Sprintf("ABORT TASK on %s, which carries the task", c))
		}
		c.Manage(p, pdu.TaskResponseComplete)
		abort.Wait()
	}
}

func reassignForm(t *T) {
	m := t.reassigned(pieces / 2)
	if !m.request.Immediate {
		t.Fail(m.request, "I=1")
	}
	t.Equal("ExpDataSN", m.request.ExpDataSN, pieces/2)
	t.Equal("LUN", m.request.LUN, 0)
	m.conn.Manage(m.request, pdu.TaskResponseComplete)
	m.rest(m.request.ExpDataSN)
	t.goodPieces(m.conn, m.op)
}
