package initiator

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// errSuperseded ends the wait for the answer to task management that a stronger function has made needless.
var errSuperseded = fmt.Errorf("a stronger task management function was carried out first: %w", ErrAborted)

// receiveTaskManagement ends the tasks that the target says it has ended.
func (c *connection) receiveTaskManagement(h *pdu.BHS) error {
	var p pdu.TaskManagementResponse
	if err := p.DecodeBHS(h); err != nil {
		return err
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	fresh, err := c.numbered(pdu.OpTaskManagementResponse, p.StatSN)
	if err != nil || !fresh {
		return err
	}
	c.note(p.ExpCmdSN, p.MaxCmdSN)
	t := c.task(p.ITT)
	if t != nil && c.s.dev.TaskManagement.any() && c.departAnswer(t, &p) {
		return nil
	}
	if t == nil || t.kind != taskManagement {
		return nil
	}
	x := t.exchange
	if x == nil {
		c.s.retire(t) // A stronger function has ended what this one was about: the answer comes too late.
		return nil
	}
	x.response, x.additional = byte(p.Response), p.Additional
	c.answer(t)
	c.conclusive(x, p.Response)
	if x.lastResort && p.Response != pdu.TaskResponseComplete && p.Response != pdu.TaskResponseNoTask {
		return &RecoveryError{What: "a task by ABORT TASK", Tries: 1, Err: &TaskManagementError{Response: p.Response}}
	}
	return nil
}

// conclusive does to other tasks what the answer to task management means for them. The mutex is held.
func (c *connection) conclusive(x *exchange, response pdu.TaskResponse) {
	s := c.s
	if x.closesSession() {
		s.resetBefore = 0
	}
	for _, other := range s.tasks.inOrder() {
		switch {
		case x.ends(other, response):
			s.terminate(other, &c.over)
		case x.supersedes(other, response):
			other.exchange.err = errSuperseded
			c.over.exchanges = append(c.over.exchanges, other.exchange)
			other.given = other.exchange
			other.exchange = nil // The slot stays taken until the answer comes, or the connection ends.
		case other.withheld && x.covers(other) && other.quit == nil && !other.answered:
			// The function failed, but data of this task was held back for it: there is no other way out.
			other.quit = ErrAborted
			s.abort(other)
			s.settle(other, &c.over)
		}
	}
}

// covers reports whether the function that x was sent for affects t, a SCSI task (RFC 7143, Section 4.2.3.2; RFC 7144, Section 6.5).
func (x *exchange) covers(t *task) bool {
	if t.kind != taskSCSI || t.order >= x.before {
		return false
	}
	switch x.request.Function {
	case pdu.FunctionAbortTask:
		return t.itt == x.refITT
	case pdu.FunctionAbortTaskSet, pdu.FunctionClearTaskSet, pdu.FunctionLogicalUnitReset:
		return t.lun == x.request.LUN || x.everyUnit
	case pdu.FunctionTargetWarmReset, pdu.FunctionTargetColdReset, pdu.FunctionITNexusReset:
		return true
	}
	return false
}

// ends reports whether the answer to task management means that t will get no answer of its own.
func (x *exchange) ends(t *task, response pdu.TaskResponse) bool {
	if t.answered || !x.covers(t) {
		return false
	}
	return response == pdu.TaskResponseComplete ||
		response == pdu.TaskResponseNoTask && x.request.Function == pdu.FunctionAbortTask
}

// reach orders the functions that end tasks by how much they end; 0 is for the others.
func reach(f pdu.TaskFunction) int {
	switch f {
	case pdu.FunctionAbortTask:
		return 1
	case pdu.FunctionAbortTaskSet, pdu.FunctionClearTaskSet:
		return 2
	case pdu.FunctionLogicalUnitReset:
		return 3
	case pdu.FunctionTargetWarmReset:
		return 4
	case pdu.FunctionTargetColdReset, pdu.FunctionITNexusReset:
		return 5
	}
	return 0
}

// several reports whether the function of x ends all tasks of a set rather than one.
func (x *exchange) several() bool { return reach(x.request.Function) > 1 }

// closesSession reports whether the target is to close all connections of the session when it has done the function of x.
func (x *exchange) closesSession() bool { return reach(x.request.Function) == 5 }

// supersedes reports whether the answer makes the unanswered task management of t, which went out earlier, needless: a stronger function
// has ended all that it was about, and its own answer, should it still come, is not to be acted on (RFC 7143, Section 4.2.3.3).
func (x *exchange) supersedes(t *task, response pdu.TaskResponse) bool {
	if response != pdu.TaskResponseComplete || t.kind != taskManagement || t.exchange == nil || t.order >= x.before {
		return false
	}
	weaker := reach(t.exchange.request.Function)
	whole := x.request.Function != pdu.FunctionLogicalUnitReset && reach(x.request.Function) > 2
	return weaker > 0 && weaker < reach(x.request.Function) && (whole || t.exchange.request.LUN == x.request.LUN)
}

// terminate completes a task that the target has ended without a status. The mutex is held.
func (s *Session) terminate(t *task, over *completions) {
	t.stopped.Store(true)
	if t.req == nil {
		s.retire(t)
		return
	}
	t.answered, t.req.Err = true, ErrAborted
	if t.quit != nil {
		t.req.Err = t.quit
	}
	s.settle(t, over)
}
