package simtarget

import (
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// managingMax bounds the task management requests of a session that are not answered yet.
const managingMax = 16

// management is a task management request from its arrival to its answer.
type management struct {
	request pdu.TaskManagementRequest
	conn    *connection
	// early tells that it waits for commands that are numbered before it.
	early bool
	// waits counts the tasks that it has ended and whose data the initiator was asked for and still owes (RFC 7143, Section 4.2.3.3).
	waits int
	// frees tells that tasks which FastAbort has ended go when the answer is acknowledged.
	frees bool
	// then is what follows the answer, without waiting for anything; nil for nothing. The session's lock is held.
	then func()
	// ended are the tasks that it has ended, as far as deviations want to know.
	ended []endedTask
}

// endsSeveral reports whether a function acts on more than one task.
func endsSeveral(f pdu.TaskFunction) bool {
	switch f {
	case pdu.FunctionAbortTaskSet, pdu.FunctionClearTaskSet, pdu.FunctionLogicalUnitReset, pdu.FunctionTargetWarmReset:
		return true
	}
	return false
}

// ofUnit reports whether a function names a logical unit that has to exist.
func ofUnit(f pdu.TaskFunction) bool {
	switch f {
	case pdu.FunctionAbortTaskSet, pdu.FunctionClearTaskSet, pdu.FunctionLogicalUnitReset, pdu.FunctionClearACA, pdu.FunctionQueryTaskSet,
		pdu.FunctionQueryAsynchronousEvent:
		return true
	}
	return false
}

// taskManagement carries out a Task Management Function Request (RFC 7143, Section 11.5).
func (s *session) taskManagement(c *connection, r *request) {
	m := &management{conn: c}
	if m.request.DecodeBHS(&r.bhs) != nil {
		return
	}
	if len(s.managing) >= managingMax {
		s.manageResponse(c, &m.request, pdu.TaskResponseRejected)
		return
	}
	s.managing = append(s.managing, m)
	// A function on several tasks waits for the commands of lower numbers. TARGET WARM RESET takes them as received instead (RFC 7143,
	// Section 4.2.3.3).
	p := &m.request
	switch {
	case p.Function == pdu.FunctionTargetWarmReset || p.Function == pdu.FunctionTargetColdReset:
		for n := s.order.exp; p.Immediate && iscsi.SNLess(n, p.CmdSN) && s.order.plug(n, p.CmdSN); n = s.order.exp {
		}
	case s.array.dev.Connections.LateCommandsRun:
	case p.Immediate && endsSeveral(p.Function) && iscsi.SNLess(s.order.exp, p.CmdSN) && iscsi.SNLessEq(p.CmdSN, s.order.top+1):
		m.early = true
		return
	}
	s.manage(m)
}

// manageWaiting carries out the requests whose commands have come. The caller holds the session's lock.
func (s *session) manageWaiting() {
	for _, m := range slices.Clone(s.managing) {
		if m.early && !iscsi.SNLess(s.order.exp, m.request.CmdSN) {
			m.early = false
			s.manage(m)
		}
	}
}

// manage carries out a request.
func (s *session) manage(m *management) {
	p, dev := &m.request, &s.array.dev.TaskManagement
	if _, exists := s.target.units.Unit(scsi.LUN(p.LUN)); !exists && ofUnit(p.Function) && !dev.AbsentUnitComplete {
		s.managed(m, pdu.TaskResponseNoLUN)
		return
	}
	switch p.Function {
	case pdu.FunctionAbortTask:
		s.managed(m, s.abortTask(p))
	case pdu.FunctionAbortTaskSet, pdu.FunctionClearTaskSet, pdu.FunctionLogicalUnitReset:
		s.later(func() { s.manageUnit(m) })
	case pdu.FunctionClearACA:
		s.clearACA(m)
	case pdu.FunctionTargetWarmReset:
		s.later(func() { s.manageTarget(m) })
	case pdu.FunctionTargetColdReset:
		s.later(func() { s.coldReset(m) })
	case pdu.FunctionTaskReassign:
		s.reassign(m)
	default:
		if s.manageQuery(m) {
			return
		}
		if dev.ZeroAborts && p.Function == 0 {
			s.managed(m, s.abortTask(p))
			return
		}
		s.managed(m, pdu.TaskResponseUnsupported)
	}
}

// managed answers a request and forgets it. The caller holds the session's lock.
func (s *session) managed(m *management, code pdu.TaskResponse) {
	s.managedWith(m, &pdu.TaskManagementResponse{Response: code})
}

func (s *session) managedWith(m *management, answer *pdu.TaskManagementResponse) {
	if !m.conn.attached || !slices.Contains(s.managing, m) {
		return
	}
	if p := &m.request; s.fences && p.Function != pdu.FunctionTaskReassign &&
		s.waitsAtFence(fencedResponse{asked: m, answer: answer}, fencedFunction(p.Function)) {
		return
	}
	s.answerManagement(m, answer)
}

// answerManagement sends the answer to a request, and forgets it.
func (s *session) answerManagement(m *management, answer *pdu.TaskManagementResponse) {
	at := slices.Index(s.managing, m)
	if at < 0 || !m.conn.attached {
		return
	}
	s.managing = slices.Delete(s.managing, at, at+1)
	if s.array.dev.TaskManagement.MixUpTags && m.request.ITT == m.request.ReferencedTaskTag {
		return
	}
	answer.ITT = m.request.ITT
	s.manageAnswer(m.conn, &m.request, answer)
	s.afterManagement(m)
	if m.frees {
		s.freeWhenAcknowledged(m.conn)
	}
	if m.then != nil {
		m.then()
	}
}

// managedThen answers a request with success, and then does what needs the session's lock free: at once, or when the response fence has let
// the answer pass.
func (s *session) managedThen(m *management, then func()) {
	s.mu.Lock()
	fences := s.fences
	if fences {
		m.then = func() { time.AfterFunc(0, then) }
	}
	s.managed(m, pdu.TaskResponseComplete)
	s.mu.Unlock()
	if !fences {
		then()
	}
}

// manageResponse answers a task management request.
func (s *session) manageResponse(c *connection, p *pdu.TaskManagementRequest, code pdu.TaskResponse) {
	s.manageAnswer(c, p, &pdu.TaskManagementResponse{Response: code, ITT: p.ITT})
}

func (s *session) manageAnswer(c *connection, p *pdu.TaskManagementRequest, answer *pdu.TaskManagementResponse) {
	s.recordManagement(p, answer.Response)
	if s.array.dev.Sequencing.UncountedTaskManagement {
		s.sendUnnumbered(c, answer)
		return
	}
	s.send(c, answer)
}

// abortTask ends one task. A tag that names none stands for a command that is still on its way, if its CmdSN may still come (RFC 7143,
// Section 11.6.1). Task management requests cannot be aborted (RFC 7143, Section 11.5.1).
func (s *session) abortTask(p *pdu.TaskManagementRequest) pdu.TaskResponse {
	dev := &s.array.dev.TaskManagement
	if m := s.managementOf(p.ReferencedTaskTag); m != nil && m.request.ITT != p.ITT {
		if dev.AbortsManagement {
			s.managing = slices.DeleteFunc(s.managing, func(other *management) bool { return other == m })
			return pdu.TaskResponseComplete
		}
		return pdu.TaskResponseRejected
	}
	k := s.tasks.find(p.ReferencedTaskTag)
	if k == nil || k.phase == phaseAborted {
		switch {
		case dev.PlugsNothing && iscsi.SNLessEq(s.order.exp, p.RefCmdSN) && iscsi.SNLess(p.RefCmdSN, p.CmdSN):
			return pdu.TaskResponseComplete
		case s.order.plug(p.RefCmdSN, p.CmdSN):
			s.later(s.plugged)
			return pdu.TaskResponseComplete
		case dev.AbortAlwaysComplete:
			return pdu.TaskResponseComplete
		}
		return pdu.TaskResponseNoTask
	}
	if k.lun != p.LUN && dev.WrongUnitComplete {
		return pdu.TaskResponseComplete
	}
	if k.lun != p.LUN || k.phase == phaseData && dev.WaitingTaskUnknown {
		return pdu.TaskResponseNoTask
	}
	s.noteEnded(s.managementOf(p.ITT), k)
	s.abort(k)
	return pdu.TaskResponseComplete
}

// forgetManagement drops the requests of a connection that is gone.
func (s *session) forgetManagement(c *connection) {
	s.managing = slices.DeleteFunc(s.managing, func(m *management) bool { return m.conn == c })
}

// managementOf finds the request with a tag that is not answered yet, or nil.
func (s *session) managementOf(itt uint32) *management {
	for _, m := range s.managing {
		if m.request.ITT == itt {
			return m
		}
	}
	return nil
}

// plugged executes the commands that waited behind a CmdSN which will not come.
func (s *session) plugged() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed {
		next := s.order.next()
		if next == nil {
			break
		}
		s.execute(next.conn, next)
		next.release()
	}
	s.manageWaiting()
}

// abort ends a task without a status. It stays in the set only while data for it is still to come. It reports whether an R2T is
// outstanding.
func (s *session) abort(k *task) bool {
	s.recordTask(k, "task-aborted")
	if !k.delivered && !k.immediate {
		s.order.waiting[k.cmdSN] = &request{}
	}
	owes := len(k.transfer.r2ts) > 0
	if !owes && !k.transfer.unsolicited {
		s.remove(k)
		return false
	}
	if len(s.tasks.tasks)-s.tasks.count() >= abortedMax {
		s.ignored.add(k.itt) // Its data is dropped without the task.
		s.remove(k)
		return false
	}
	s.uncount(k)
	k.release()
	s.leaveOrder(k)
	k.phase, k.transfer.fault = phaseAborted, scsi.CommandsCleared
	s.wake()
	return owes
}

// dropAborted forgets an aborted task, and answers the task management that waited for it.
func (s *session) dropAborted(k *task) {
	awaits := k.awaits
	s.remove(k)
	for _, m := range awaits {
		if m.waits--; m.waits == 0 {
			s.managed(m, pdu.TaskResponseComplete)
		}
	}
}

// abortAll ends the tasks that a predicate takes and returns how many. A request that is given is answered when no data for them is owed
// any more. Where FastAbort was agreed it is answered at once, and what is owed may still come until the answer is acknowledged (RFC 7143,
// Sections 4.2.3.3 and 4.2.3.4).
func (s *session) abortAll(takes func(*task) bool, m *management) (ended int) {
	waking := s.waking
	s.waking = true // what waits behind a task that ends may be next to end
	for _, k := range slices.Clone(s.tasks.tasks) {
		if k.phase == phaseAborted || !takes(k) {
			continue
		}
		ended++
		s.noteEnded(m, k)
		owes := s.abort(k)
		switch {
		case !owes:
		case s.fastAborts():
			k.fast = true
			s.fastAborted++
		case m != nil && !s.array.dev.TaskManagement.AnswersAtOnce:
			k.awaits = append(k.awaits, m)
			m.waits++
		}
	}
	s.waking = waking
	s.wake()
	if m != nil && m.waits == 0 {
		s.tellOtherConnections(m)
		m.frees = true
		s.managed(m, pdu.TaskResponseComplete)
	}
	return ended
}

const reasonColdReset = "TARGET COLD RESET"
