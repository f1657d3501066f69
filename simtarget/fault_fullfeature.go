package simtarget

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// This file is what faulty arrays do in full feature phase.

// remember notes a tag for SharedTags.
func (d *SessionDeviations) remember(s *session, itt uint32) {
	if !d.SharedTags {
		return
	}
	f := &s.array.faultLocks
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tags == nil {
		f.tags = map[string]map[uint32]uint64{}
	}
	if f.tags[s.initiator] == nil {
		f.tags[s.initiator] = map[uint32]uint64{}
	}
	f.tags[s.initiator][itt] = s.serial
}

// sharedTagInUse reports whether another session of the initiator has used the tag.
func (a *Array) sharedTagInUse(s *session, itt uint32) bool {
	if !a.dev.Sessions.SharedTags {
		return false
	}
	a.faultLocks.mu.Lock()
	defer a.faultLocks.mu.Unlock()
	user, used := a.faultLocks.tags[s.initiator][itt]
	return used && user != s.serial
}

// leak loses a task that waits for data.
func (a *Array) leak(k *task) {
	if a.dev.Robustness.LeakTasks && k.phase == phaseData {
		a.leakedTasks.Add(1)
	}
}

// taskSetFull reports whether so many tasks were lost that no more fit.
func (a *Array) taskSetFull() bool { return a.dev.Robustness.LeakTasks && a.leakedTasks.Load() > 16 }

// postpone answers a write without storing it.
func (s *session) postpone(k *task) bool {
	if !s.array.dev.Recovery.LoseAcknowledgedData || k.device.Direction != scsi.DataOut {
		return false
	}
	s.faults.unsafe = &disk.Task{Nexus: s.nexus, CDB: append([]byte(nil), k.cdb...), DataOut: append([]byte(nil), k.device.DataOut...)}
	s.faults.unsafeAt = scsi.LUN(k.lun)
	return true
}

// storeUnsafe stores what was answered before.
func (s *session) storeUnsafe() {
	if t := s.faults.unsafe; t != nil {
		s.target.units.Execute(s.faults.unsafeAt, t)
		s.faults.unsafe = nil
	}
}

// dropUnsafe loses it.
func (s *session) dropUnsafe() { s.faults.unsafe = nil }

// completeWithZeros ends a write that lacks data with zeros.
func (k *task) completeWithZeros(s *session) {
	if k.begun && !k.over && k.device.Direction == scsi.DataOut && k.transfer.want > 0 {
		k.device.DataOut = make([]byte, k.transfer.want)
		s.target.units.Execute(scsi.LUN(k.lun), &k.device)
	}
}

// continueTasks asks on a new connection for the data of the old one's tasks. The caller holds the session's lock.
func (s *session) continueTasks(c *connection) {
	for _, k := range s.tasks.tasks {
		k.conn = c
		if k.phase == phaseData && k.begun {
			k.transfer.r2ts, k.transfer.asked = k.transfer.r2ts[:0], k.transfer.got
			s.solicit(c, k)
		}
	}
}

// digestsByText switches digests on in the middle of a session.
func (s *session) digestsByText(c *connection, pairs text.Pairs) {
	if value, has := pairs.Get(text.KeyHeaderDigest); has && value == "CRC32C" && s.array.dev.Sessions.DigestsByText {
		c.digests.Header = true
		c.reader.SetDigests(c.digests)
	}
}

// dataAfterLogout makes the PDU that follows a Logout Response.
func (s *session) dataAfterLogout(c *connection) *outgoing {
	if !s.array.dev.Logout.DataAfterResponse {
		return nil
	}
	p := pdu.DataIn{Final: true, ITT: 1, TTT: pdu.ReservedTag, Data: make([]byte, 512)}
	if len(s.tasks.tasks) > 0 {
		p.ITT = s.tasks.tasks[0].itt
	}
	var out outgoing
	s.prepare(c, &out, &p)
	return &out
}
