package simtarget

import (
	"sync"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// This file is the memory of deviations: what a faulty array knows that a sound one has forgotten. Without deviations nothing here holds
// anything.

// portKey names an initiator port.
type portKey struct {
	initiator string
	isid      iscsi.ISID
}

// faultState is guarded by the array's lock.
type faultState struct {
	redirects   int // logins that Alternate has counted
	leakedSlots int
	closed      int
	dead        map[portKey]uint16 // TSIH of sessions that were logged out
	zombies     map[portKey]bool
	digests     map[portKey]pdu.Digests // with an ISID of zeros: of the name
	logins      map[portKey]int
	deadlocked  map[portKey]bool
	lockLeaked  bool
	announced   int // PDUs that AllocateAnnounced has counted
}

// faultLocks has locks of its own, taken last.
type faultLocks struct {
	gate chan struct{} // one place for SerialLogin

	mu   sync.Mutex
	tags map[string]map[uint32]uint64 // by initiator name and tag: the session that used it last
}

// sessionFaults is guarded by the session's lock.
type sessionFaults struct {
	usedTags   map[uint32]bool
	r2tSN      uint32
	route      *connection
	unsafe     *disk.Task // a write that was answered and not stored
	unsafeAt   scsi.LUN
	doomed     uint32 // CmdSN of a command that an earlier request ends
	dooms      bool
	lastRead   uint32
	dataSN     uint32 // of the next Data-In, where all commands share their numbers
	strayData  int    // Data-Out PDUs for unknown tasks
	immediates int    // immediate commands so far
	listed     bool   // SendTargets was answered
	expStatSN  uint32 // as shown last
	// What fault_text.go keeps.
	negotiates bool   // event 4 was sent
	exchanges  int    // text exchanges that were left open
	pings      int    // answers to pings
	pingData   []byte // of the first ping
	pinged     bool   // the next immediate task management request meets a ping in progress
	stalled    bool   // a connection was lost, and no command is delivered any more
}

// mark puts a key into a map that may be nil.
func mark[V any](m *map[portKey]V, k portKey, v V) {
	if *m == nil {
		*m = map[portKey]V{}
	}
	(*m)[k] = v
}

// afterClose is where a faulty array remembers a session that has ended.
func (a *Array) afterClose(s *session, abrupt bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := portKey{s.initiator, s.isid}
	if a.dev.Sessions.SlowChurn {
		a.faults.closed++
	}
	if a.dev.Sessions.LeakSlots && abrupt {
		a.faults.leakedSlots++
	}
	if a.dev.Recovery.RefuseUntilKeepAlive && abrupt {
		mark(&a.faults.zombies, key, true)
	}
	if a.dev.Login.DeadTSIHAccepted && !abrupt {
		mark(&a.faults.dead, key, s.tsih)
	}
}

// wasClosed reports whether the login names a dead session that a faulty array still knows.
func (f *faultState) wasClosed(l *login) bool {
	tsih, known := f.dead[l.key()]
	return known && tsih == l.tsih
}
