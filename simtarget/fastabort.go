package simtarget

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// fastAbort is the value of TaskReporting under which functions that end several tasks do not wait for their data (RFC 7143,
// Sections 4.2.3.4 and 13.23).
const fastAbort = "FastAbort"

// fastAborts reports whether FastAbort was agreed. The result does not change in the life of a session.
func (s *session) fastAborts() bool {
	return s.params.TaskReporting == fastAbort && !s.array.dev.TaskManagement.FastAbortWaits
}

// tellTerminated tells a session that another one has ended its tasks on a logical unit, where it has agreed to FastAbort, and keeps what
// it was asked for valid until it has acknowledged that (RFC 7143, Section 4.2.3.4). The caller holds the session's lock.
func (s *session) tellTerminated(lun uint64, asker bool) {
	dev := &s.array.dev.TaskManagement
	if !s.fastAborts() && !dev.TellsEverySession || dev.TellsAmongFastAbort && !asker {
		return
	}
	for _, c := range s.conns {
		if len(s.conns) == 1 || s.lost(c, lun) {
			s.terminated(c, lun)
		}
	}
}

// lost reports whether FastAbort has just ended a task of the connection on a logical unit.
func (s *session) lost(c *connection, lun uint64) bool {
	for _, k := range s.tasks.tasks {
		if k.fast && !k.freed && k.conn == c && k.lun == lun {
			return true
		}
	}
	return false
}

// terminated sends event 5.
func (s *session) terminated(c *connection, lun uint64) {
	p := pdu.AsyncMessage{Event: pdu.AsyncTasksTerminated, LUN: lun}
	s.send(c, &p)
	s.recordAsync(&p)
	s.freeWhenAcknowledged(c)
}

// tellOtherConnections sends event 5 on the connections of the session that asked, except the one on which it asked.
func (s *session) tellOtherConnections(m *management) {
	if s.fastAborted == 0 || len(s.conns) == 1 {
		return
	}
	for _, c := range s.conns {
		var units []uint64
		for _, k := range s.tasks.tasks {
			if k.fast && !k.freed && k.conn == c && c != m.conn {
				units = appendNew(units, k.lun)
			}
		}
		for _, lun := range units {
			s.terminated(c, lun)
		}
	}
}

// freeWhenAcknowledged arranges that the tasks of a connection which FastAbort has ended go when what was sent last is acknowledged.
func (s *session) freeWhenAcknowledged(c *connection) {
	if s.fastAborted == 0 {
		return
	}
	for _, k := range s.tasks.tasks {
		if k.fast && k.conn == c && (!k.freed || k.freeAt == c.statSN-1) {
			k.freed, k.freeAt = true, c.statSN
		}
	}
}

// acknowledged frees the tasks whose end the initiator has acknowledged with this ExpStatSN. Data for them is dropped without a word from
// then on. The caller holds the session's lock.
func (s *session) acknowledged(c *connection, expStatSN uint32) {
	for _, k := range slices.Clone(s.tasks.tasks) {
		if k.freed && k.conn == c && !iscsi.SNLess(expStatSN, k.freeAt) {
			s.dropAborted(k)
		}
	}
}
