package initiator

import (
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// TaskManagementDeviations are faults of task management (RFC 7143, Section 11.5).
type TaskManagementDeviations struct {
	// IgnoreProtocolLevel sends the functions of RFC 7144 whatever iSCSIProtocolLevel was agreed.
	IgnoreProtocolLevel bool
	// DataAfterFastAbort goes on sending the data of tasks that a FastAbort function has been sent for.
	DataAfterFastAbort bool
	// IgnoreTermination does nothing when the target says that it has ended tasks (event 5).
	IgnoreTermination bool
	// ReassignCode14 sends TASK REASSIGN under function code 14.
	ReassignCode14 bool
	// ZeroLUN names LUN 0 in every function.
	ZeroLUN bool
	// LatestRefCmdSN puts the CmdSN of the last command into RefCmdSN.
	LatestRefCmdSN bool
	// ZeroReferencedTag leaves the Referenced Task Tag 0 where none is named.
	ZeroReferencedTag bool
	// SharesTaskTag sends ABORT TASK under the tag of the task that it names.
	SharesTaskTag bool
	// DropsTagsAtOnce answers no R2T of a task once a function that ends its set was sent.
	DropsTagsAtOnce bool
	// EndsTwice ends tasks when a function that ends their set is sent, and again when it is answered.
	EndsTwice bool
	// WaitsForResponse waits for the SCSI Response of an aborted task.
	WaitsForResponse bool
	// RepeatsAbort sends ABORT TASK again a second after any answer but "function complete", and believes none of them.
	RepeatsAbort bool
	// NoTimeout waits for answers without end.
	NoTimeout bool
	// ClearsAllUnits ends the tasks of all units after a function for one.
	ClearsAllUnits bool
	// AbortsPing sends ABORT TASK, with a RefCmdSN of another task, for a ping that was not answered, and pings on.
	AbortsPing bool
	// AbortsTaskManagement sends ABORT TASK for task management that was not answered.
	AbortsTaskManagement bool
	// LateAnswersAct lets an answer that was given up act on what runs now.
	LateAnswersAct bool
	// OnLeadingConnection sends every function on the session's leading connection.
	OnLeadingConnection bool
	// SucceededAborts ends a task of which a query says that it is there.
	SucceededAborts bool
	// MatchesAnyTask lets a response end the SCSI task that has its tag.
	MatchesAnyTask bool
}

func (d *TaskManagementDeviations) any() bool { return *d != TaskManagementDeviations{} }

// departRequest changes a task management request of slot t. The mutex is held.
func (s *Session) departRequest(t *task, p *pdu.TaskManagementRequest) {
	d, x := &s.dev.TaskManagement, t.exchange
	if d.ZeroLUN {
		p.LUN = 0
	}
	if d.LatestRefCmdSN && p.RefCmdSN != 0 {
		p.RefCmdSN = s.window.next - 1
	}
	if d.ZeroReferencedTag && p.ReferencedTaskTag == pdu.ReservedTag {
		p.ReferencedTaskTag = 0
	}
	if d.SharesTaskTag && p.Function == pdu.FunctionAbortTask {
		p.ITT = p.ReferencedTaskTag
	}
	if d.ReassignCode14 && p.Function == pdu.FunctionTaskReassign {
		p.Function = 14
	}
	x.everyUnit = d.ClearsAllUnits
	for _, other := range s.tasks.slots {
		if !x.several() || !x.covers(other) || other.req == nil {
			continue
		}
		if d.DropsTagsAtOnce {
			other.withheld = true
			other.stopped.Store(true)
		}
		if d.EndsTwice && !other.busy() {
			x.twice = append(x.twice, other.req)
			s.terminate(other, s.decided())
		}
	}
}

// departAnswer deals with an answer to task management in a deviating way, and reports that nothing else is to be done. The mutex is held.
func (c *connection) departAnswer(t *task, p *pdu.TaskManagementResponse) (done bool) {
	s, d := c.s, &c.s.dev.TaskManagement
	if t.kind == taskSCSI {
		if d.MatchesAnyTask {
			s.terminate(t, &c.over)
		}
		return true
	}
	if t.exchange == nil {
		if t.given != nil && d.LateAnswersAct {
			t.given.before, t.given.request.Function = s.order+1, pdu.FunctionAbortTaskSet
			c.conclusive(t.given, p.Response)
		}
		return false
	}
	x := t.exchange
	for _, r := range x.twice {
		go r.Done(r)
	}
	named := s.tasks.find(x.refITT)
	switch {
	case named == nil || named.kind != taskSCSI:
	case d.RepeatsAbort && p.Response != pdu.TaskResponseComplete, d.WaitsForResponse && p.Response == pdu.TaskResponseComplete:
		x.response = byte(p.Response)
		c.answer(t)
		if d.RepeatsAbort {
			time.AfterFunc(time.Second, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				if s.tasks.find(x.refITT) == named && c.broken == nil {
					s.abort(named)
				}
			})
		}
		return true
	case d.SucceededAborts && p.Response == pdu.TaskResponseSucceeded:
		s.terminate(named, &c.over)
	}
	return false
}

// departTimeout deals with an exchange that was not answered in time in a deviating way, or reports that it does not.
func (c *connection) departTimeout(x *exchange) bool {
	s, d := c.s, &c.s.dev.TaskManagement
	if x.request.Function == 0 || !d.NoTimeout && !d.AbortsTaskManagement {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tasks.slots {
		if d.AbortsTaskManagement && t.kind == taskManagement && t.exchange == x {
			s.abort(t)
		}
	}
	return true
}

// abortPing is what AbortsPing does instead of giving the connection up. The mutex is held.
func (c *connection) abortPing() {
	t, err := c.open(taskManagement, 0, nil)
	if err != nil {
		return
	}
	c.s.queueTaskManagement(t, TaskManagement{Function: pdu.FunctionAbortTask}, &pdu.TaskManagementRequest{
		Immediate: true, Function: pdu.FunctionAbortTask, ReferencedTaskTag: c.ping.itt, CmdSN: c.s.window.next, RefCmdSN: c.s.window.next - 1,
	})
}
