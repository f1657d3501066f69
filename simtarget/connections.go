package simtarget

import (
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// This file is about the connections of a session: they come one by one, the first makes the session, and each may go without the others
// (RFC 7143, Section 4.2.1).

// attach makes a connection one of the session's. The caller holds the session's lock.
func (s *session) attach(c *connection) {
	if s.conns == nil {
		s.conns = s.first[:0]
	}
	s.conns = append(s.conns, c)
	c.attached, c.acked = true, c.statSN
}

// detach takes a connection away: nothing that comes on it is served any more, and nothing is sent. The caller holds the session's lock.
func (s *session) detach(c *connection) {
	c.pings.stop()
	c.attached = false
	if at := slices.Index(s.conns, c); at >= 0 {
		s.conns = slices.Delete(s.conns, at, at+1)
	}
}

// lead is the oldest connection of the session, nil when it has none. The caller holds the session's lock.
func (s *session) lead() *connection {
	if len(s.conns) == 0 {
		return nil
	}
	return s.conns[0]
}

// withCID finds a connection of the session, or nil. The caller holds the session's lock.
func (s *session) withCID(cid uint16) *connection {
	for _, c := range s.conns {
		if c.cid == cid {
			return c
		}
	}
	return nil
}

// chosen lists the connections that an action is for: all of the session's, or the one with a CID. The caller holds the session's lock.
func (s *session) chosen(cid *uint16) []*connection {
	if cid == nil {
		return slices.Clone(s.conns)
	}
	if c := s.withCID(*cid); c != nil {
		return []*connection{c}
	}
	return nil
}

// cids lists the CIDs of the connections, oldest first. The caller holds the session's lock.
func (s *session) cids() []uint16 {
	cids := make([]uint16, len(s.conns))
	for i, c := range s.conns {
		cids[i] = c.cid
	}
	return cids
}

// room reports whether the session takes one connection more. The caller holds the session's lock.
func (s *session) room() bool {
	most, dev := s.params.MaxConnections, &s.array.dev
	if s.params.ErrorRecoveryLevel == 2 { // A second one is for recovery (RFC 7143, Section 4.2.1).
		most = max(most, 2)
	}
	if dev.Reassign.CountLost {
		most = s.params.MaxConnections - len(s.parted)
	}
	if dev.Connections.OneBeyondMaximum {
		most++
	}
	return len(s.conns)+s.entering < most
}

// endTasksOf ends what a connection carried, when it is gone for good and its tasks cannot be carried on: delivered tasks end without a
// word and are told of by a unit attention, and what waited for its turn counts as never received (RFC 7143, Sections 11.14 and 11.14.5).
// The caller holds the session's lock.
func (s *session) endTasksOf(c *connection) {
	s.order.forget(c)
	s.forgetManagement(c)
	waking := s.waking
	s.waking = true // what waits behind a task that ends may end next
	for _, k := range slices.Clone(s.tasks.tasks) {
		if k.conn != c {
			continue
		}
		if k.phase == phaseData && s.array.dev.Recovery.CompleteWithZeros {
			k.completeWithZeros(s)
		}
		s.array.leak(k)
		if k.phase == phaseAborted {
			s.dropAborted(k)
			continue
		}
		s.tellCleared(k)
		s.remove(k)
	}
	s.waking = waking
	s.recovery.forgetAll(c)
	s.wake()
}

// tellCleared raises the unit attention for a task that ends with its connection while the session goes on.
func (s *session) tellCleared(k *task) {
	if !k.begun || s.array.dev.Connections.SilentTermination {
		return
	}
	if unit, exists := s.unit(k); exists {
		unit.Connect(s.nexus, scsi.SomeCommandsCleared)
	}
}

// connectionLost is told when a connection has closed. Below recovery level 2 its tasks end. A session that has another connection goes on;
// without one it waits for its initiator when DefaultTime2Retain says so, and ends otherwise (RFC 7143, Sections 6.3.6 and 7.1.5).
func (a *Array) connectionLost(c *connection) {
	s := c.session
	if s == nil {
		return
	}
	s.mu.Lock()
	if !c.attached {
		s.mu.Unlock()
		return
	}
	a.counts.lost.Add(1)
	s.dropUnsafe()
	a.leave(s, c, reasonConnectionLost)
}

// leave takes a connection out of the session that goes on, or waits, or ends without it. The caller holds the session's lock, which is
// released.
func (a *Array) leave(s *session, c *connection, reason string) {
	s.detach(c)
	s.part(c, false)
	if len(s.conns)+s.entering > 0 {
		s.announceLoss(c)
		s.mu.Unlock()
		a.recordConnection(s, c, "connection-closed", reason)
		return
	}
	a.wait(s, reason)
}

// wait has a session without a connection wait for its initiator, or end. The caller holds the session's lock, which is released.
func (a *Array) wait(s *session, reason string) {
	retain := time.Duration(s.params.DefaultTime2Wait+s.params.DefaultTime2Retain) * time.Second
	if a.dev.Recovery.NeverExpire {
		s.mu.Unlock()
		return
	}
	stale := a.staleTimeout.Load()
	if s.discovery || s.params.DefaultTime2Retain == 0 && stale == 0 || a.dev.Reassign.DiscardAtLoss {
		s.mu.Unlock()
		a.closeSession(s, EndFIN, reason)
		return
	}
	s.retain = time.AfterFunc(max(retain, time.Duration(stale)), func() { a.retained(s) })
	s.mu.Unlock()
	a.refuseLost(s)
	a.recordSession(s, "session-waiting", reason)
}

// retained ends a session whose initiator has not come back in time.
func (a *Array) retained(s *session) {
	s.mu.Lock()
	back := len(s.conns)+s.entering > 0
	s.mu.Unlock()
	if !back {
		a.closeSession(s, EndFIN, reasonRetainExpired)
	}
}

// announceLoss tells the initiator on another connection that one is gone (RFC 7143, Sections 7.1.4.3 and 11.9.1). The caller holds the
// session's lock.
func (s *session) announceLoss(gone *connection) {
	c, dev := s.lead(), &s.array.dev.Connections
	s.faults.stalled = dev.StallAfterLoss
	if c == nil || dev.SilentLoss {
		return
	}
	p := pdu.AsyncMessage{Event: pdu.AsyncConnectionDrop, Parameter1: gone.cid, Parameter2: uint16(s.params.DefaultTime2Wait)}
	if s.carriesOn() {
		p.Parameter3 = uint16(s.params.DefaultTime2Retain)
	}
	if s.array.dev.Async.DropNamesCIDZero {
		p.Parameter1 = 0
	}
	s.send(c, &p)
	s.recordAsync(&p)
}

// closeConnection ends one connection of a session on the array's own account. The session ends with its last one, unless it may be carried
// on.
func (a *Array) closeConnection(s *session, c *connection, how Ending, reason string) {
	s.mu.Lock()
	if !c.attached {
		s.mu.Unlock()
		return
	}
	if len(s.conns) == 1 && !s.carriesOn() {
		s.mu.Unlock()
		a.closeSession(s, how, reason)
		return
	}
	if how == EndAsync {
		s.announceDrop(c)
	}
	a.leave(s, c, reason)
	c.end(how)
}
