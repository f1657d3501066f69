package simtarget

import (
	"sync"
	"sync/atomic"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// autoContingent holds the auto contingent allegiances of a target: one for a logical unit at most, which CHECK CONDITION establishes when
// the command had NACA=1 (SAM-5, Section 5.10). Tasks that have begun go on. Its lock is taken last.
type autoContingent struct {
	active atomic.Bool // there is one: looked at without the lock

	mu      sync.Mutex
	faulted map[uint64]disk.Nexus // by LUN in the wire's form
}

// establish begins the condition, unless the logical unit has one.
func (a *autoContingent) establish(lun uint64, n disk.Nexus) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.faulted == nil {
		a.faulted = map[uint64]disk.Nexus{}
	}
	if _, has := a.faulted[lun]; !has {
		a.faulted[lun] = n
	}
	a.active.Store(true)
}

// of gives the nexus whose command has established the condition of a logical unit.
func (a *autoContingent) of(lun uint64) (disk.Nexus, bool) {
	if !a.active.Load() {
		return disk.Nexus{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	n, has := a.faulted[lun]
	return n, has
}

func (a *autoContingent) clear(lun uint64) {
	if a.active.Load() {
		a.clearIf(func(at uint64, _ disk.Nexus) bool { return at == lun })
	}
}

func (a *autoContingent) clearAll() {
	if a.active.Load() {
		a.clearIf(func(uint64, disk.Nexus) bool { return true })
	}
}

// forget clears the conditions of a nexus that is gone.
func (a *autoContingent) forget(n disk.Nexus) {
	if a.active.Load() {
		a.clearIf(func(_ uint64, of disk.Nexus) bool { return of == n })
	}
}

func (a *autoContingent) clearIf(goes func(uint64, disk.Nexus) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for lun, n := range a.faulted {
		if goes(lun, n) {
			delete(a.faulted, lun)
		}
	}
	a.active.Store(len(a.faulted) > 0)
}

// clearACA is the task management function. Without a condition there is nothing to do.
func (s *session) clearACA(m *management) {
	if s.array.dev.TaskManagement.DropOnClearACA {
		m.conn.end(EndFIN)
		return
	}
	if n, has := s.target.aca.of(m.request.LUN); has && n == s.nexus {
		s.target.aca.clear(m.request.LUN)
	}
	s.managed(m, pdu.TaskResponseComplete)
}

// invalidMessage is the additional sense code INVALID MESSAGE ERROR.
const invalidMessage scsi.ASC = 0x4900

// contingent ends a command that an auto contingent allegiance keeps out (SAM-5, Section 5.10.2), and one of the ACA attribute that
// comes without one.
func (s *session) contingent(k *task) bool {
	n, has := s.target.aca.of(k.lun)
	d := &k.device
	switch {
	case !has && k.attr == pdu.AttrACA:
		d.Fail(scsi.NewSense(scsi.IllegalRequest, invalidMessage))
	case !has, n == s.nexus && k.attr == pdu.AttrACA:
		return false
	case n == s.nexus, k.normalACA():
		d.Status = scsi.StatusACAActive
	default:
		d.Status = scsi.StatusBusy
	}
	return true
}

// normalACA reads the NACA bit of the CDB's control byte.
func (k *task) normalACA() bool {
	at := 0
	switch k.cdb[0] >> 5 {
	case 0:
		at = 5
	case 1, 2:
		at = 9
	case 4:
		at = 15
	case 5:
		at = 11
	case 3:
		if k.cdb[0] != 0x7f {
			return false
		}
		at = 1
	default:
		return false
	}
	return k.cdb[at]&4 != 0
}

// contingency establishes the condition behind a command that asked for it.
func (s *session) contingency(k *task) {
	if !k.normalACA() || s.target == nil || s.array.dev.TaskManagement.IgnoresNACA {
		return
	}
	if _, exists := s.unit(k); exists {
		s.target.aca.establish(k.lun, s.nexus)
	}
}
