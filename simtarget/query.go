package simtarget

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// protocolLevelTasks is the iSCSIProtocolLevel from which on the functions of RFC 7144, Section 6 exist.
const protocolLevelTasks = 2

// manageQuery carries out the functions of RFC 7144, Section 6. It returns false for others, and below that protocol level.
func (s *session) manageQuery(m *management) bool {
	if s.params.ProtocolLevel < protocolLevelTasks {
		return false
	}
	p, dev := &m.request, &s.array.dev.TaskManagement
	switch p.Function {
	case pdu.FunctionQueryTask:
		code := pdu.TaskResponseComplete
		if about := s.managementOf(p.ReferencedTaskTag); about != nil && about != m && !dev.QueriesManagement { // (RFC 7144, Section 6.3)
			code = pdu.TaskResponseRejected
		} else if k := s.tasks.find(p.ReferencedTaskTag); k != nil && k.phase != phaseAborted && k.lun == p.LUN {
			code = pdu.TaskResponseSucceeded
			if dev.QueryAborts {
				s.abort(k)
			}
		}
		s.managed(m, code)
	case pdu.FunctionQueryTaskSet:
		code := pdu.TaskResponseComplete
		for _, k := range s.tasks.tasks {
			if k.phase != phaseAborted && k.lun == p.LUN && !dev.TaskSetLooksEmpty {
				code = pdu.TaskResponseSucceeded
			}
		}
		s.managed(m, code)
	case pdu.FunctionQueryAsynchronousEvent:
		s.queryAsync(m)
	case pdu.FunctionITNexusReset:
		s.later(func() { s.resetNexus(m) })
	default:
		return false
	}
	return true
}

// attentive is a logical unit that tells which unit attention waits for a nexus.
type attentive interface {
	Waiting(disk.Nexus) (first scsi.ASC, count int)
}

// queryAsync tells whether a unit attention waits; the additional response information says which (RFC 7144, Section 6.4.2; SAM-5,
// Section 7.10).
func (s *session) queryAsync(m *management) {
	answer := pdu.TaskManagementResponse{Response: pdu.TaskResponseComplete}
	if unit, exists := s.target.units.Unit(scsi.LUN(m.request.LUN)); exists {
		if tells, can := unit.(attentive); can {
			if code, n := tells.Waiting(s.nexus); n > 0 {
				answer.Response = pdu.TaskResponseSucceeded
				answer.Additional = [3]byte{byte(min(n, 2))<<4 | byte(scsi.UnitAttention), byte(code >> 8), byte(code)}
			}
		}
	}
	s.managedWith(m, &answer)
}

// resetNexus is I_T NEXUS RESET: the session ends at once, whatever Time2Wait and Time2Retain say (RFC 7144, Section 6.3). The next one of
// the same nexus is told.
func (s *session) resetNexus(m *management) {
	a := s.array
	s.managedThen(m, func() {
		if a.dev.TaskManagement.NexusResetKeepsSession {
			return
		}
		a.mu.Lock()
		a.nexusLost(s.nexus)
		a.mu.Unlock()
		a.closeSession(s, EndFIN, reasonNexusReset)
	})
}

const reasonNexusReset = "I_T NEXUS RESET"

// nexusLost remembers that a nexus was lost, for its next session. The caller holds the array's lock.
func (a *Array) nexusLost(n disk.Nexus) {
	if len(a.lost) < nexusesMax {
		a.lost[n] = true
	}
}
