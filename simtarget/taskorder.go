package simtarget

import "github.com/iscsispec/iscsispec/iscsi/pdu"

// This file is the order in which the tasks of a session begin (SAM-5, Section 8.9): an ORDERED task waits until all older tasks of its
// logical unit have ended, and younger SIMPLE tasks wait for it. HEAD OF QUEUE and ACA tasks wait for nobody. Tasks of other sessions are
// not waited for: each I_T nexus orders its own.

// enterOrder counts a task as delivered, and reports whether it may begin.
func (s *session) enterOrder(k *task) bool {
	s.delivered++
	k.ordinal = s.delivered
	if k.attr == pdu.AttrOrdered {
		k.barrier = true
		s.ordered++
	}
	if s.ordered == 0 || !s.mustWait(k) {
		return true
	}
	k.phase = phaseQueued
	s.queued++
	return false
}

// mustWait reports whether an older task stands in the way of one.
func (s *session) mustWait(k *task) bool {
	if k.attr == pdu.AttrHeadOfQueue || k.attr == pdu.AttrACA {
		return false
	}
	for _, older := range s.tasks.tasks {
		if older.ordinal != 0 && older.ordinal < k.ordinal && older.lun == k.lun && older.phase != phaseAborted && (k.barrier || older.barrier) {
			return true
		}
	}
	return false
}

// leaveOrder takes a task out that has ended.
func (s *session) leaveOrder(k *task) {
	if k.barrier {
		k.barrier = false
		s.ordered--
	}
	if k.phase == phaseQueued {
		k.phase = phaseOrdered
		s.queued--
	}
}

// wake begins the tasks that nothing stands in the way of any more.
func (s *session) wake() {
	if s.queued == 0 || s.waking {
		return
	}
	s.waking = true
	for begun := true; begun && s.queued > 0 && !s.closed; {
		begun = false
		for _, k := range s.tasks.tasks {
			if k.phase == phaseQueued && !s.mustWait(k) {
				k.phase = phaseOrdered
				s.queued--
				s.launch(k.conn, k)
				begun = true
				break
			}
		}
	}
	s.waking = false
}
