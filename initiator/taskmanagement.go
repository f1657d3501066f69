package initiator

import (
	"context"
	"errors"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// TaskManagement is a task management request (RFC 7143, Section 11.5, and RFC 7144, Section 6).
type TaskManagement struct {
	// Function is one of the functions 1 to 7 and 9 to 12; TASK REASSIGN is not supported. Functions 9 to 12 need a session on which
	// iSCSIProtocolLevel 2 or more was agreed (RFC 7144, Section 7.1.1).
	Function pdu.TaskFunction
	// LUN is the logical unit in wire form; ignored for functions that name the target, the I_T nexus or a task.
	LUN uint64
	// Task is the request that ABORT TASK and QUERY TASK are about.
	Task *Request
}

// TaskManagementAnswer is what the target said to a task management request.
type TaskManagementAnswer struct {
	// Response is the outcome. To a query, "function succeeded" says yes and "function complete" no: the task is in the task set, the task
	// set is not empty, or an asynchronous event is waiting (RFC 7144, Section 6.4.2).
	Response pdu.TaskResponse
	// Additional is the additional response information to a query, as SAM-5 defines it; zero where there is none.
	Additional [3]byte
}

// TaskManagement sends a task management request, delivered immediately, and returns the target's response; see ManageTasks.
func (s *Session) TaskManagement(ctx context.Context, tm TaskManagement) (pdu.TaskResponse, error) {
	answer, err := s.ManageTasks(ctx, tm)
	return answer.Response, err
}

// ManageTasks sends a task management request, delivered immediately, and returns the target's answer. When it is "function complete",
// or for ABORT TASK "task does not exist", the requests that it names are completed with ErrAborted unless the target's status came
// first; any other answer, and every answer to a query or to CLEAR ACA, leaves them alone. Requests that are not sent yet are not
// named. An answer that does not come within LoginConfig.AnswerTimeout ends the connection, unless a stronger function has made it
// needless: then the error is ErrAborted. A target reset or an I_T NEXUS RESET may end the connection before the answer is out.
func (s *Session) ManageTasks(ctx context.Context, tm TaskManagement) (TaskManagementAnswer, error) {
	s.mu.Lock()
	err := s.permits(tm.Function)
	var x *exchange
	if err == nil {
		x, err = s.sendTaskManagement(tm)
	}
	s.mu.Unlock()
	if err == nil {
		err = x.wait(ctx)
	}
	if err != nil {
		return TaskManagementAnswer{}, err
	}
	return TaskManagementAnswer{Response: pdu.TaskResponse(x.response), Additional: x.additional}, nil
}

// permits tells why a function is not to be sent on this session. The mutex is held.
func (s *Session) permits(f pdu.TaskFunction) error {
	switch {
	case f == pdu.FunctionTaskReassign:
		return fmt.Errorf("%v at ErrorRecoveryLevel 0: %w", f, ErrNotSupported)
	case f < pdu.FunctionAbortTask || f > pdu.FunctionQueryAsynchronousEvent:
		return fmt.Errorf("task management %v, want 1 to 12: %w", f, ErrNotSupported)
	case f >= pdu.FunctionQueryTask && s.params.ProtocolLevel < 2 && !s.dev.TaskManagement.IgnoreProtocolLevel:
		return fmt.Errorf("%v at iSCSIProtocolLevel %d, want 2 or more: %w", f, s.params.ProtocolLevel, ErrNotSupported)
	}
	return nil
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
		x, err := s.sendTaskManagement(TaskManagement{Function: pdu.FunctionAbortTask, Task: r})
		s.mu.Unlock()
		if err == nil {
			err = x.wait(ctx)
		}
		if err != nil {
			return 0, err
		}
		return pdu.TaskResponse(x.response), nil
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
	case pdu.FunctionTargetWarmReset, pdu.FunctionTargetColdReset, pdu.FunctionITNexusReset:
	default:
		p.LUN = tm.LUN
	}
	if s.dev.TaskManagement.OnLeadingConnection {
		c = s.lead()
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
	s.prepare(t, p)
	if s.dev.TaskManagement.any() {
		s.departRequest(t, p)
	}
	if s.dev.Sequencing.AbortTakesCmdSN {
		s.window.take()
	}
	var e sendEntry
	p.EncodeBHS(&e.header)
	t.conn.send(e)
}

// abort sends ABORT TASK for a task whose requester has given up. Nobody waits for the answer, which frees the task's slot. The mutex
// is held.
func (s *Session) abort(named *task) *task {
	t, err := named.conn.open(taskManagement, s.cfg.AnswerTimeout, ErrTaskManagementTimeout)
	s.unaborted(named, errors.Is(err, ErrQueueFull))
	if err != nil {
		return nil // The slot stays taken until the task's answer, or the end of the connection.
	}
	s.queueTaskManagement(t, TaskManagement{Function: pdu.FunctionAbortTask}, &pdu.TaskManagementRequest{
		Immediate: true, Function: pdu.FunctionAbortTask, LUN: named.lun, ReferencedTaskTag: named.itt,
		CmdSN: s.window.next, RefCmdSN: named.cmdSN,
	})
	return t
}

// unaborted notes whether ABORT TASK is still to be sent for a task. The mutex is held.
func (s *Session) unaborted(t *task, yes bool) {
	switch {
	case yes && !t.unaborted:
		s.unsaid++
	case !yes && t.unaborted:
		s.unsaid--
	}
	t.unaborted = yes
}

// abortNext sends ABORT TASK for a task that there was no slot for, now that one is free. The mutex is held.
func (s *Session) abortNext() {
	if s.unsaid == 0 {
		return
	}
	for _, t := range s.tasks.slots {
		if t.unaborted && t.conn.broken == nil && t.conn.phase < phaseLeaving {
			s.abort(t)
			return
		}
	}
}
