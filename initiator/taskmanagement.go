package initiator

import (
	"context"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// TaskManagement is a task management request (RFC 7143, Section 11.5).
type TaskManagement struct {
	// Function is one of the functions 1 to 7 and 9 to 12; TASK REASSIGN is not supported.
	Function pdu.TaskFunction
	// LUN is the logical unit in wire form; ignored for functions that name a target or a task.
	LUN uint64
	// Task is the request that ABORT TASK and QUERY TASK are about.
	Task *Request
}

// TaskManagement sends a task management request, delivered immediately, and returns the target's response. When it is "function
// complete", or for ABORT TASK "task does not exist", the requests that it names are completed with ErrAborted unless the
// target's status came first. An answer that does not come within LoginConfig.AnswerTimeout ends the connection.
func (s *Session) TaskManagement(ctx context.Context, tm TaskManagement) (pdu.TaskResponse, error) {
	if tm.Function == pdu.FunctionTaskReassign {
		return 0, fmt.Errorf("%v at ErrorRecoveryLevel 0: %w", tm.Function, ErrNotSupported)
	}
	s.mu.Lock()
	x, err := s.sendTaskManagement(tm)
	s.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if err := x.wait(ctx); err != nil {
		return 0, err
	}
	return pdu.TaskResponse(x.response), nil
}

// AbortTask sends ABORT TASK for a request that is under way. A request that has not been sent yet is completed with ErrAborted without
// asking the target; one that is over is reported as "task does not exist".
func (s *Session) AbortTask(ctx context.Context, r *Request) (pdu.TaskResponse, error) {
	s.mu.Lock()
	switch r.task.phase.Load() {
	case requestWaiting:
		s.waiting.remove(r)
		r.Err = ErrAborted
		s.decided().add(r)
		s.mu.Unlock()
		return pdu.TaskResponseComplete, nil
	case requestSent:
		s.mu.Unlock()
		return s.TaskManagement(ctx, TaskManagement{Function: pdu.FunctionAbortTask, Task: r})
	}
	s.mu.Unlock()
	return pdu.TaskResponseNoTask, nil
}

// sendTaskManagement queues the request. The mutex is held.
func (s *Session) sendTaskManagement(tm TaskManagement) (*exchange, error) {
	c := s.lead()
	p := pdu.TaskManagementRequest{Immediate: true, Function: tm.Function, ReferencedTaskTag: pdu.ReservedTag, CmdSN: s.window.next}
	switch tm.Function {
	case pdu.FunctionAbortTask, pdu.FunctionQueryTask:
		if tm.Task == nil || tm.Task.task.phase.Load() != requestSent {
			return nil, fmt.Errorf("%v of a request that is not under way: %w", tm.Function, ErrNotSupported)
		}
		t := tm.Task.task.task
		c = t.conn
		p.LUN, p.ReferencedTaskTag, p.RefCmdSN = t.lun, t.itt, t.cmdSN
	case pdu.FunctionTargetWarmReset, pdu.FunctionTargetColdReset:
	default:
		p.LUN = tm.LUN
	}
	if c == nil {
		return nil, s.fate()
	}
	t, err := c.open(taskManagement, s.cfg.AnswerTimeout, ErrTaskManagementTimeout)
	if err != nil {
		return nil, err
	}
	s.queueTaskManagement(t, tm, &p)
	return t.exchange, nil
}

// queueTaskManagement puts the request of slot t into the write queue. The mutex is held.
func (s *Session) queueTaskManagement(t *task, tm TaskManagement, p *pdu.TaskManagementRequest) {
	tm.Task = nil
	t.exchange.request, t.exchange.refITT, t.exchange.before = tm, p.ReferencedTaskTag, t.order
	t.exchange.request.LUN = p.LUN
	p.ITT = t.itt
	var e sendEntry
	p.EncodeBHS(&e.header)
	t.conn.send(e)
}

// abort sends ABORT TASK for a task whose requester has given up. Nobody waits for the answer, which frees the task's slot. The mutex
// is held.
func (s *Session) abort(named *task) {
	t, err := named.conn.open(taskManagement, s.cfg.AnswerTimeout, ErrTaskManagementTimeout)
	if err != nil {
		return // The slot stays taken until the task's answer, or the end of the connection.
	}
	s.queueTaskManagement(t, TaskManagement{Function: pdu.FunctionAbortTask}, &pdu.TaskManagementRequest{
		Immediate: true, Function: pdu.FunctionAbortTask, LUN: named.lun, ReferencedTaskTag: named.itt,
		CmdSN: s.window.next, RefCmdSN: named.cmdSN,
	})
}

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
	t := c.s.tasks.find(p.ITT)
	if t == nil || t.kind != taskManagement {
		return nil
	}
	x := t.exchange
	x.response = byte(p.Response)
	c.answer(t)
	for _, other := range c.s.tasks.inOrder() {
		if x.ends(other, p.Response) {
			c.s.terminate(other, &c.over)
		}
	}
	return nil
}

// ends reports whether the answer to task management means that t will get no answer of its own.
func (x *exchange) ends(t *task, response pdu.TaskResponse) bool {
	if t.kind != taskSCSI || t.order >= x.before || t.answered {
		return false
	}
	complete := response == pdu.TaskResponseComplete
	switch x.request.Function {
	case pdu.FunctionAbortTask:
		return t.itt == x.refITT && (complete || response == pdu.TaskResponseNoTask)
	case pdu.FunctionAbortTaskSet, pdu.FunctionClearTaskSet, pdu.FunctionLogicalUnitReset:
		return complete && t.lun == x.request.LUN
	case pdu.FunctionTargetWarmReset, pdu.FunctionTargetColdReset, pdu.FunctionITNexusReset:
		return complete
	}
	return false
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
