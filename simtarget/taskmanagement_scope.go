package simtarget

import (
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// This file is the reach of task management beyond the session that asks for it (RFC 7143, Section 4.2.3).

// manageUnit carries out the functions that act on a logical unit's task set (RFC 7143, Section 11.5.1). All sessions of a target share it.
func (s *session) manageUnit(m *management) {
	a, p := s.array, &m.request
	dev := &a.dev.TaskManagement
	if dev.WaitsForThirdParties && a.missesCommands(s) {
		time.AfterFunc(missingPause, func() { s.manageUnit(m) })
		return
	}
	idle := dev.ClearsNothing && p.Function == pdu.FunctionClearTaskSet
	if (p.Function != pdu.FunctionAbortTaskSet || a.dev.Sessions.NexusByName) && !idle {
		a.abortOthers(s, p)
	}
	if p.Function == pdu.FunctionLogicalUnitReset {
		s.target.aca.clear(p.LUN)
		if unit, exists := s.target.units.Unit(scsi.LUN(p.LUN)); exists && !dev.TellsAskerOnly {
			unit.Reset(scsi.BusDeviceReset) // every nexus is told, the asker too (SAM-5, Section 6.2)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !m.conn.attached {
		return
	}
	takes := func(k *task) bool { return (k.lun == p.LUN || dev.AbortsEveryUnit) && k.before(p.CmdSN) }
	if idle || dev.ResetKeepsTasks && p.Function == pdu.FunctionLogicalUnitReset {
		takes = func(*task) bool { return false }
	}
	if dev.AbortsLater {
		s.faults.doomed, s.faults.dooms = p.CmdSN, true
	}
	s.abortAll(takes, m)
}

// missingPause is how often the deviation WaitsForThirdParties looks.
const missingPause = time.Second

// missesCommands reports whether a command is missing in the order of a session other than this one, which is open.
func (a *Array) missesCommands(s *session) bool {
	missing := false
	all := a.selected(Which{Target: s.target.Name, Kind: "Normal"})
	for _, other := range all {
		other.mu.Lock()
		missing = missing || other != s && len(other.order.waiting) > 0
		other.mu.Unlock()
	}
	return missing && slices.Contains(all, s)
}

// abortOthers ends the tasks of other sessions on a logical unit: CLEAR TASK SET and LOGICAL UNIT RESET act on all of them.
func (a *Array) abortOthers(s *session, p *pdu.TaskManagementRequest) {
	asker := s.fastAborts()
	for _, other := range a.selected(Which{Target: s.target.Name, Kind: "Normal"}) {
		if other == s || p.Function == pdu.FunctionAbortTaskSet && other.initiator != s.initiator {
			continue
		}
		other.mu.Lock()
		if !other.closed {
			ended := other.abortAll(func(k *task) bool { return k.lun == p.LUN }, nil)
			if ended > 0 && p.Function == pdu.FunctionClearTaskSet {
				if unit, exists := s.target.units.Unit(scsi.LUN(p.LUN)); exists {
					unit.Connect(other.nexus, scsi.CommandsCleared)
				}
			}
			if ended > 0 || a.dev.TaskManagement.TellsEverySession {
				other.tellTerminated(p.LUN, asker)
			}
		}
		other.mu.Unlock()
	}
}

// abortNexuses ends the tasks of other nexuses on a logical unit, as PREEMPT AND ABORT asks for; the unit has told them by a unit attention
// (SPC-4, Section 5.13.11.5). The caller holds the session's lock.
func (s *session) abortNexuses(lun uint64, nexuses []disk.Nexus) {
	s.later(func() {
		for _, other := range s.array.selected(Which{Target: s.target.Name, Kind: "Normal"}) {
			other.mu.Lock()
			if !other.closed && other != s && slices.Contains(nexuses, other.nexus) {
				other.abortAll(func(k *task) bool { return k.lun == lun }, nil)
			}
			other.mu.Unlock()
		}
	})
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
func (s *session) manageTarget(m *management) {
	a, p := s.array, &m.request
	asker := s.fastAborts()
	for _, other := range a.selected(Which{Target: s.target.Name, Kind: "Normal"}) {
		if other == s {
			continue
		}
		other.mu.Lock()
		if !other.closed {
			var units []uint64
			other.abortAll(func(k *task) bool {
				units = appendNew(units, k.lun)
				return true
			}, nil)
			for _, lun := range units {
				other.tellTerminated(lun, asker)
			}
		}
		other.mu.Unlock()
	}
	s.target.aca.clearAll()
	s.target.units.Reset(scsi.BusDeviceReset)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !m.conn.attached {
		return
	}
	s.abortAll(func(k *task) bool { return k.before(p.CmdSN) && !a.dev.TaskManagement.WarmResetKeepsTasks }, m)
}

func appendNew(list []uint64, v uint64) []uint64 {
	for _, have := range list {
		if have == v {
			return list
		}
	}
	return append(list, v)
}

// coldReset is TARGET COLD RESET: it is answered, and all sessions of the target end (RFC 7143, Section 11.5.1).
func (s *session) coldReset(m *management) {
	if s.array.dev.TaskManagement.ColdResetKeepsSessions {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.managed(m, pdu.TaskResponseComplete)
		return
	}
	s.managedThen(m, s.coldResetAnswered)
}

// coldResetAnswered is what follows the answer to TARGET COLD RESET.
func (s *session) coldResetAnswered() {
	s.target.aca.clearAll()
	s.target.units.Reset(scsi.PowerOnOrReset)
	for _, other := range s.array.selected(Which{Target: s.target.Name}) {
		s.array.closeSession(other, EndFIN, reasonColdReset)
	}
}
