package simtarget

import (
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// This file is recovery level 2: the tasks of a connection that is gone wait to be carried on over another one (RFC 7143, Sections 7.2.2 and
// 7.5).

// lostConnection is a connection of a session of recovery level 2 that is gone, while its tasks may still be carried on.
type lostConnection struct {
	conn *connection
	// loggedOut tells that a Logout Request or the login of a connection with its CID has freed its tasks.
	loggedOut bool
	// free is when the tasks may be reassigned at the earliest, until when they end.
	free, until time.Time
}

// lostMax bounds the lost connections of a session; the tasks of the oldest end when there are more.
const lostMax = 16

// carriesOn reports whether the tasks of a connection that goes may be carried on.
func (s *session) carriesOn() bool {
	return s.params.ErrorRecoveryLevel == 2 && s.params.DefaultTime2Retain > 0 && !s.array.dev.Reassign.EndTasksAtLoss
}

// part ends what a connection has carried, or puts it by at recovery level 2. What its initiator was not told of by ExpCmdSN counts as never
// received (RFC 7143, Section 11.14). A connection that was logged out waits no Time2Wait. The caller holds the session's lock.
func (s *session) part(c *connection, loggedOut bool) {
	defer s.fenceWithout(c)
	if !s.carriesOn() {
		s.endTasksOf(c)
		return
	}
	s.order.forget(c)
	s.forgetManagement(c)
	for _, k := range slices.Clone(s.tasks.tasks) {
		switch {
		case k.conn != c:
		case k.phase == phaseAborted:
			s.dropAborted(k)
		case !k.delivered:
			s.remove(k)
		case k.immediate && !loggedOut && !s.array.dev.Reassign.KeepsImmediate: // they cannot be carried on (RFC 7143, Section 7.14)
			s.tellCleared(k)
			s.remove(k)
		}
	}
	l := &lostConnection{conn: c, loggedOut: loggedOut, free: time.Now()}
	if !loggedOut {
		l.free = l.free.Add(time.Duration(s.params.DefaultTime2Wait) * time.Second)
	}
	l.until = s.retainedUntil(l.free)
	s.parted = append(s.parted, l)
	for len(s.parted) > lostMax {
		s.giveUp(s.parted[0])
	}
	s.watchLost()
}

// retainedUntil is when tasks end that nobody has carried on since they became free.
func (s *session) retainedUntil(free time.Time) time.Time {
	return free.Add(time.Duration(s.params.DefaultTime2Retain) * time.Second)
}

// giveUp ends the tasks of a lost connection.
func (s *session) giveUp(l *lostConnection) {
	s.parted = slices.DeleteFunc(s.parted, func(other *lostConnection) bool { return other == l })
	s.endTasksOf(l.conn)
}

// lostWithCID lists the lost connections that had a CID.
func (s *session) lostWithCID(cid uint16) []*lostConnection {
	var found []*lostConnection
	for _, l := range s.parted {
		if l.conn.cid == cid {
			found = append(found, l)
		}
	}
	return found
}

// watchLost makes sure that the tasks of lost connections end in time: one timer a session. A session without a connection has a timer of its
// own. The caller holds the session's lock.
func (s *session) watchLost() {
	if s.lostTimer != nil {
		s.lostTimer.Stop()
	}
	if len(s.parted) == 0 || len(s.conns)+s.entering == 0 || s.array.dev.Recovery.NeverExpire {
		return
	}
	next := s.parted[0].until
	for _, l := range s.parted {
		if l.until.Before(next) {
			next = l.until
		}
	}
	s.lostTimer = time.AfterFunc(max(0, time.Until(next)), s.lostOverdue)
}

// lostOverdue is the timer's function.
func (s *session) lostOverdue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns)+s.entering == 0 {
		return
	}
	now := time.Now()
	for _, l := range slices.Clone(s.parted) {
		if !now.Before(l.until) {
			s.giveUp(l)
		}
	}
	s.watchLost()
}

// freeByLogin is told of a login with a CID: it logs the connections out that had it, and its ExpStatSN acknowledges what they have sent
// (RFC 7143, Sections 6.3.4 and 11.12.9). The caller holds the session's lock.
func (s *session) freeByLogin(cid uint16, expStatSN uint32) {
	for _, l := range s.lostWithCID(cid) {
		if l.conn.sent != nil && !l.loggedOut {
			s.takeExpStatSN(l.conn, expStatSN)
		}
		l.loggedOut = true
	}
	s.watchLost()
}

// logoutLost logs connections out that are gone already: for recovery, or for good. It puts into the answer when their tasks may be carried
// on. The caller holds the session's lock.
func (s *session) logoutLost(lost []*lostConnection, p *pdu.LogoutRequest, answer *pdu.LogoutResponse) {
	for _, l := range lost {
		if p.Reason != pdu.LogoutRemoveForRecovery {
			s.giveUp(l)
			continue
		}
		l.loggedOut = true
		now := time.Now()
		if l.free.Before(now) {
			l.free = now
		}
		l.until = s.retainedUntil(l.free)
		answer.Time2Wait = uint16((l.free.Sub(now) + time.Second - 1) / time.Second)
		answer.Time2Retain = uint16(s.params.DefaultTime2Retain)
	}
	s.watchLost()
}

// reassign carries out TASK REASSIGN: the answer, and behind it what the task still has to send (RFC 7143, Sections 7.2.2 and 11.5.1).
func (s *session) reassign(m *management) {
	p, c := &m.request, m.conn
	k, r, code := s.reassignable(p)
	dev := &s.array.dev
	if dev.TaskManagement.ReassignComplete && code == pdu.TaskResponseReassignUnsupported ||
		dev.Reassign.UnknownComplete && code == pdu.TaskResponseNoTask {
		code = pdu.TaskResponseComplete
	}
	if dev.Reassign.AnyKind && code == pdu.TaskResponseRejected {
		code = pdu.TaskResponseComplete
	}
	s.managed(m, code)
	switch {
	case code != pdu.TaskResponseComplete || !c.attached:
	case k != nil:
		s.carryOn(c, k)
	case r != nil:
		s.answerAgain(c, r, p.ExpDataSN)
	}
}

// reassignable finds the task that TASK REASSIGN names, or what is retained of one whose status is not acknowledged, and the answer.
func (s *session) reassignable(p *pdu.TaskManagementRequest) (*task, *retained, pdu.TaskResponse) {
	if s.params.ErrorRecoveryLevel < 2 {
		return nil, nil, pdu.TaskResponseReassignUnsupported
	}
	itt := p.ReferencedTaskTag
	if m := s.managementOf(itt); m != nil && m.request.ITT != p.ITT || s.textWithTag(itt) {
		return nil, nil, pdu.TaskResponseRejected
	}
	var old *connection
	k, r := s.tasks.find(itt), s.recovery.find(itt)
	switch {
	case k != nil && k.phase != phaseAborted && k.lun == p.LUN:
		old = k.conn
	case r != nil && r.answered && r.lun == p.LUN:
		k, old = nil, r.conn
	default:
		return nil, nil, pdu.TaskResponseNoTask
	}
	if s.array.dev.Reassign.FromLiveConnections {
		return k, r, pdu.TaskResponseComplete
	}
	at := slices.IndexFunc(s.parted, func(l *lostConnection) bool { return l.conn == old })
	if at < 0 || !s.parted[at].loggedOut || time.Now().Before(s.parted[at].free) {
		return nil, nil, pdu.TaskResponseStillAllegiant
	}
	return k, r, pdu.TaskResponseComplete
}

// textWithTag reports whether a text exchange that is not over has a tag, on whatever connection.
func (s *session) textWithTag(itt uint32) bool {
	has := func(c *connection) bool { return c.textState.open && c.textState.itt == itt }
	return slices.ContainsFunc(s.conns, has) || slices.ContainsFunc(s.parted, func(l *lostConnection) bool { return has(l.conn) })
}

// carryOn goes on with a task on its new connection: data of a write that has not come is asked for again.
func (s *session) carryOn(c *connection, k *task) {
	k.conn = c
	r := k.kept
	if r == nil {
		return
	}
	r.conn, r.tries = c, 0
	switch {
	case k.phase != phaseData:
	case s.array.dev.Reassign.DropWrites:
		k.transfer.unsolicited, k.transfer.r2ts = false, nil
	default:
		s.burstOverdue(k)
	}
}

// answerAgain sends what the initiator may not have of a task that is over: Data-In from the first that is not acknowledged, and the status
// under the next StatSN of the new connection. An ExpDataSN that cannot be is ignored (RFC 7143, Section 11.5.6).
func (s *session) answerAgain(c *connection, r *retained, expDataSN uint32) {
	dev := &s.array.dev.Reassign
	r.conn = c
	if dev.DropReads && r.read {
		return
	}
	switch end := r.first + uint32(r.count); {
	case expDataSN <= end:
		s.recovery.acknowledgeData(s.array, r, int(max(expDataSN, r.first)-r.first))
	case dev.AnyExpDataSN:
		r.acked = r.count
	}
	r.inData = false
	if !dev.KeepsSNACKTag {
		r.response.SNACKTag = 0
	}
	switch {
	case r.acked == r.count:
	case r.data == nil: // It has gone at the bound.
		sense := scsi.NewSense(scsi.AbortedCommand, scsi.ReadErrorFailedRetransmit)
		r.response = pdu.SCSIResponse{ITT: r.itt, Status: byte(scsi.StatusCheckCondition), Data: pdu.SenseSegment(sense.Append(nil))}
	default:
		s.resegment(c, r)
		r.response.ExpDataSN = uint32(r.count)
	}
	var out outgoing
	r.response.EncodeBHS(&out.bhs)
	out.data = r.response.Data
	s.number(c, &out.bhs)
	s.keepResponse(c, &out.bhs, nil, r)
	c.statSN++
	c.deliver(out)
}
