package simtarget

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// reset is a task management request that is answered when the data that the initiator was asked for, for the tasks it ended, has come
// (RFC 7143, Section 4.2.3.3).
type reset struct {
	waits   int // tasks that still owe data
	respond func()
}

// taskManagement carries out a Task Management Function Request (RFC 7143, Section 11.5).
func (s *session) taskManagement(c *connection, r *request) {
	var p pdu.TaskManagementRequest
	if p.DecodeBHS(&r.bhs) != nil {
		return
	}
	switch p.Function {
	case pdu.FunctionAbortTask:
		s.manageResponse(c, &p, s.abortTask(&p))
	case pdu.FunctionAbortTaskSet, pdu.FunctionClearTaskSet, pdu.FunctionLogicalUnitReset:
		if _, exists := s.target.units.Unit(scsi.LUN(p.LUN)); !exists {
			s.manageResponse(c, &p, pdu.TaskResponseNoLUN)
			return
		}
		s.later(func() { s.manageUnit(c, &p) })
	case pdu.FunctionTargetWarmReset:
		s.later(func() { s.manageTarget(c, &p) })
	case pdu.FunctionTargetColdReset:
		s.later(func() { s.coldReset() })
	case pdu.FunctionTaskReassign:
		s.manageResponse(c, &p, pdu.TaskResponseReassignUnsupported)
	default:
		s.manageResponse(c, &p, pdu.TaskResponseUnsupported)
	}
}

// manageResponse answers a task management request.
func (s *session) manageResponse(c *connection, p *pdu.TaskManagementRequest, code pdu.TaskResponse) {
	answer := &pdu.TaskManagementResponse{Response: code, ITT: p.ITT}
	s.recordManagement(p, code)
	if s.array.dev.Sequencing.UncountedTaskManagement {
		s.sendUnnumbered(c, answer)
		return
	}
	s.send(c, answer)
}

// managed answers a task management request that has ended all that it had to, unless its connection has gone meanwhile.
func (s *session) managed(c *connection, p *pdu.TaskManagementRequest) {
	if c.attached {
		s.manageResponse(c, p, pdu.TaskResponseComplete)
	}
}

// abortTask ends one task. A tag that names none stands for a command that is still on its way, if its CmdSN may still come (RFC 7143,
// Section 11.6.1).
func (s *session) abortTask(p *pdu.TaskManagementRequest) pdu.TaskResponse {
	k := s.tasks.find(p.ReferencedTaskTag)
	if k == nil || k.phase == phaseAborted {
		if s.order.plug(p.RefCmdSN, p.CmdSN) {
			s.later(s.plugged)
			return pdu.TaskResponseComplete
		}
		return pdu.TaskResponseNoTask
	}
	if k.lun != p.LUN || k.phase == phaseData && s.array.dev.TaskManagement.WaitingTaskUnknown {
		return pdu.TaskResponseNoTask
	}
	s.abort(k)
	return pdu.TaskResponseComplete
}

// plugged executes the commands that waited behind a CmdSN which will not come.
func (s *session) plugged() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed {
		next := s.order.next()
		if next == nil {
			return
		}
		s.execute(next.conn, next)
		next.release()
	}
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
	k.phase, k.transfer.fault = phaseAborted, scsi.CommandsCleared
	return owes
}

// dropAborted forgets an aborted task, and answers the task management that waited for it.
func (s *session) dropAborted(k *task) {
	awaits := k.awaits
	s.remove(k)
	for _, r := range awaits {
		if r.waits--; r.waits == 0 && r.respond != nil {
			r.respond()
		}
	}
}

// abortAll ends the tasks that a predicate takes, and has the answer given when no data for them is owed any more.
func (s *session) abortAll(takes func(*task) bool, respond func()) {
	r := &reset{respond: respond}
	for _, k := range slices.Clone(s.tasks.tasks) {
		if k.phase != phaseAborted && takes(k) && s.abort(k) {
			k.awaits = append(k.awaits, r)
			r.waits++
		}
	}
	if r.waits == 0 && respond != nil {
		respond()
	}
}

// manageUnit carries out the functions that act on a logical unit's task set (RFC 7143, Section 11.5.1).
func (s *session) manageUnit(c *connection, p *pdu.TaskManagementRequest) {
	a := s.array
	if p.Function != pdu.FunctionAbortTaskSet || a.dev.Sessions.NexusByName {
		a.abortOthers(s, p)
	}
	if p.Function == pdu.FunctionLogicalUnitReset {
		if unit, exists := s.target.units.Unit(scsi.LUN(p.LUN)); exists {
			unit.Reset(scsi.BusDeviceReset, s.nexus)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.attached {
		return
	}
	takes := func(k *task) bool { return k.lun == p.LUN && k.before(p.CmdSN) }
	if a.dev.TaskManagement.ResetKeepsTasks && p.Function == pdu.FunctionLogicalUnitReset {
		takes = func(*task) bool { return false }
	}
	s.abortAll(takes, func() { s.managed(c, p) })
}

// abortOthers ends the tasks of other sessions on a logical unit: CLEAR TASK SET and LOGICAL UNIT RESET act on all of them.
func (a *Array) abortOthers(s *session, p *pdu.TaskManagementRequest) {
	for _, other := range a.selected(Which{Target: s.target.Name, Kind: "Normal"}) {
		if other == s || p.Function == pdu.FunctionAbortTaskSet && other.initiator != s.initiator {
			continue
		}
		other.mu.Lock()
		if !other.closed {
			ended := other.tasks.count()
			other.abortAll(func(k *task) bool { return k.lun == p.LUN }, nil)
			if other.tasks.count() < ended && p.Function == pdu.FunctionClearTaskSet {
				if unit, exists := s.target.units.Unit(scsi.LUN(p.LUN)); exists {
					unit.Connect(other.nexus, scsi.CommandsCleared)
				}
			}
		}
		other.mu.Unlock()
	}
}

// abortEverywhere ends all tasks of a target, of all sessions.
func (a *Array) abortEverywhere(t *target) {
	for _, s := range a.selected(Which{Target: t.Name, Kind: "Normal"}) {
		s.mu.Lock()
		if !s.closed {
			s.abortAll(func(*task) bool { return true }, nil)
		}
		s.mu.Unlock()
	}
}

// manageTarget is TARGET WARM RESET: a reset of every logical unit.
func (s *session) manageTarget(c *connection, p *pdu.TaskManagementRequest) {
	a := s.array
	for _, other := range a.selected(Which{Target: s.target.Name, Kind: "Normal"}) {
		if other == s {
			continue
		}
		other.mu.Lock()
		if !other.closed {
			other.abortAll(func(*task) bool { return true }, nil)
		}
		other.mu.Unlock()
	}
	s.target.units.Reset(scsi.BusDeviceReset, s.nexus)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.attached {
		return
	}
	s.abortAll(func(k *task) bool { return k.before(p.CmdSN) }, func() { s.managed(c, p) })
}

// coldReset is TARGET COLD RESET: all sessions of the target end (RFC 7143, Section 11.5.1).
func (s *session) coldReset() {
	s.target.units.Reset(scsi.PowerOnOrReset)
	for _, other := range s.array.selected(Which{Target: s.target.Name}) {
		s.array.closeSession(other, EndFIN, reasonColdReset)
	}
}

const reasonColdReset = "TARGET COLD RESET"
