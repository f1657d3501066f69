package simtarget

import "github.com/iscsispec/iscsispec/iscsi/pdu"

// TaskManagementDeviations are faults of task management.
type TaskManagementDeviations struct {
	// WaitingTaskUnknown answers "task does not exist" to ABORT TASK for a task that waits for data.
	WaitingTaskUnknown bool
	// ResetKeepsTasks answers LOGICAL UNIT RESET with success and lets the tasks go on.
	ResetKeepsTasks bool
	// StatusAfterAbort sends a SCSI Response for each ended task behind the answer.
	StatusAfterAbort bool
	// R2TAfterAbort sends an R2T for each ended task behind the answer.
	R2TAfterAbort bool
	// DataInAfterAbort sends Data-In of the last read behind the answer to ABORT TASK and ABORT TASK SET.
	DataInAfterAbort bool
	// AbortAlwaysComplete answers ABORT TASK with "function complete" for tasks that do not exist.
	AbortAlwaysComplete bool
	// PlugsNothing answers "function complete" to ABORT TASK for a command that has not come, and goes on waiting for it.
	PlugsNothing bool
	// WrongUnitComplete answers "function complete" to ABORT TASK with the LUN of another logical unit, and aborts nothing.
	WrongUnitComplete bool
	// AbortsLater ends the next command after a function on several tasks.
	AbortsLater bool
	// AbortsEveryUnit ends the tasks of all logical units where one was named.
	AbortsEveryUnit bool
	// TellsAskerOnly leaves other sessions without a unit attention after LOGICAL UNIT RESET.
	TellsAskerOnly bool
	// AbsentUnitComplete answers "function complete" for logical units that do not exist.
	AbsentUnitComplete bool
	// ClearsNothing answers CLEAR TASK SET with success and does nothing.
	ClearsNothing bool
	// DropOnClearACA ends the connection over CLEAR ACA.
	DropOnClearACA bool
	// IgnoresNACA announces NormACA and establishes no auto contingent allegiance.
	IgnoresNACA bool
	// WarmResetKeepsTasks answers TARGET WARM RESET with success and sends the data of the last read again.
	WarmResetKeepsTasks bool
	// ColdResetKeepsSessions answers TARGET COLD RESET with success and keeps the sessions.
	ColdResetKeepsSessions bool
	// ZeroAborts takes function 0 for ABORT TASK.
	ZeroAborts bool
	// ReassignComplete answers TASK REASSIGN with success whatever the recovery level.
	ReassignComplete bool
	// QueryAborts aborts the task that QUERY TASK asks about.
	QueryAborts bool
	// TaskSetLooksEmpty answers QUERY TASK SET as if there were no tasks.
	TaskSetLooksEmpty bool
	// QueriesManagement carries QUERY TASK out on task management requests.
	QueriesManagement bool
	// NexusResetKeepsSession answers I_T NEXUS RESET with success and keeps the session.
	NexusResetKeepsSession bool
	// AllImmediate carries out task management requests on arrival, whatever their CmdSN.
	AllImmediate bool
	// FastAbortWaits agrees to FastAbort and waits for the data of ended tasks all the same.
	FastAbortWaits bool
	// FreesTagsEarly drops the connection over data for a task that FastAbort has ended.
	FreesTagsEarly bool
	// TellsAmongFastAbort sends event 5 only when the session that asked has agreed to FastAbort too.
	TellsAmongFastAbort bool
	// TellsEverySession sends event 5 to sessions that have not agreed to FastAbort, too.
	TellsEverySession bool
	// WaitsForThirdParties does nothing on a logical unit while a command is missing in the order of another session.
	WaitsForThirdParties bool
	// AnswersAtOnce answers functions on several tasks without waiting for data that was asked for.
	AnswersAtOnce bool
	// AbortsManagement lets ABORT TASK end a task management request.
	AbortsManagement bool
	// MixUpTags never answers ABORT TASK whose own tag is the one that it names.
	MixUpTags bool
}

// endedTask is what faulty arrays keep of a task that task management has ended.
type endedTask struct {
	itt uint32
	lun uint64
}

// noteEnded keeps a task for afterManagement.
func (s *session) noteEnded(m *management, k *task) {
	if dev := &s.array.dev.TaskManagement; m != nil && (dev.StatusAfterAbort || dev.R2TAfterAbort) {
		m.ended = append(m.ended, endedTask{k.itt, k.lun})
	}
}

// afterManagement is where a faulty array goes on with tasks that it has ended.
func (s *session) afterManagement(m *management) {
	dev, c := &s.array.dev.TaskManagement, m.conn
	for _, k := range m.ended {
		if dev.StatusAfterAbort {
			s.send(c, &pdu.SCSIResponse{Response: pdu.ResponseCompleted, ITT: k.itt})
		}
		if dev.R2TAfterAbort {
			s.sendUnnumbered(c, &pdu.R2T{LUN: k.lun, ITT: k.itt, TTT: s.newTTT(), R2TSN: 9, DesiredDataTransferLength: 512})
		}
	}
	aborts := m.request.Function == pdu.FunctionAbortTask || m.request.Function == pdu.FunctionAbortTaskSet
	if dev.DataInAfterAbort && aborts || dev.WarmResetKeepsTasks && m.request.Function == pdu.FunctionTargetWarmReset {
		s.sendUnnumbered(c, &pdu.DataIn{Final: true, ITT: s.faults.lastRead, TTT: pdu.ReservedTag, Data: make([]byte, 512)})
	}
}

// observe lets faulty arrays see a command as it comes. It reports whether the command is to be forgotten.
func (d *TaskManagementDeviations) observe(s *session, k *task) bool {
	if k.read {
		s.faults.lastRead = k.itt
	}
	doomed := s.faults.dooms && d.AbortsLater && k.cmdSN == s.faults.doomed && !k.immediate
	if doomed {
		s.faults.dooms = false
	}
	return doomed
}
