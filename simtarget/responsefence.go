package simtarget

import (
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// responseFence keeps the order of responses over the connections of a session: one of them, the fenced one, is sent when all that was sent
// before it is acknowledged on every connection, and what comes behind it waits until it is acknowledged itself (RFC 7143,
// Section 4.2.2.3.3). All responses of the session wait, whatever their logical unit: a target may take its time.
//
// What waits is bounded as tasks and task management requests are: they keep their places until they are answered. The initiator is asked by
// NOP-In for its acknowledgement, and a connection that stays without for the time of pings ends.
type responseFence struct {
	of    fencedResponse // empty when it was sent
	conn  *connection    // that carries it; nil before it was sent
	owed  []statusMark
	held  []fencedResponse // in order
	timer *time.Timer
}

// fencePatience is how long an acknowledgement may take where the profile gives pings no time.
const fencePatience = 30 * time.Second

// fencedResponse is the answer to a command or to a task management request.
type fencedResponse struct {
	task   *task
	asked  *management
	answer *pdu.TaskManagementResponse // of asked
}

// statusMark is what an initiator has to acknowledge on a connection: an ExpStatSN.
type statusMark struct {
	conn      *connection
	expStatSN uint32
}

// fencing reports whether a session keeps the response fence: with one connection all responses are in one order without (RFC 7143,
// Section 4.2.2.3.3).
func (s *session) fencing() bool {
	return s.params.MaxConnections > 1 && !s.discovery && (s.params.TaskReporting == "ResponseFence" || s.params.TaskReporting == fastAbort)
}

// fencedTask reports whether the answer to a command needs the fence (RFC 7143, Section 4.2.2.3.4). Of unit attentions and of ACA ACTIVE only
// the first ones behind their cause do; the others are fenced as well, which does no harm.
func (s *session) fencedTask(k *task) bool {
	d := &k.device
	switch d.Status {
	case scsi.StatusACAActive:
		return true
	case scsi.StatusCheckCondition:
		sense, err := scsi.ParseSense(d.Sense)
		return k.normalACA() || err == nil && sense.Key == scsi.UnitAttention
	}
	return d.Aborted != nil
}

// fencedFunction reports whether the answer to a task management request needs the fence.
func fencedFunction(f pdu.TaskFunction) bool {
	return endsSeveral(f) || f == pdu.FunctionTargetColdReset || f == pdu.FunctionClearACA
}

// waitsAtFence keeps a response that may not be sent yet, and reports whether it did. One that needs the fence and may pass at once raises
// it, and is sent in here: that is true, too. The caller holds the session's lock.
func (s *session) waitsAtFence(r fencedResponse, needed bool) bool {
	if s.fence == nil && (!needed || len(s.conns) < 2) {
		return false
	}
	if r.task != nil {
		r.task.phase = phaseFenced
	}
	if s.fence != nil {
		s.fence.held = append(s.fence.held, r)
		return true
	}
	s.fence = &responseFence{of: r}
	for _, c := range s.conns {
		if c.acked != c.statSN && !s.array.dev.Connections.FencesNothingBefore {
			s.awaitStatus(c)
		}
	}
	s.advanceFence()
	return true
}

// awaitStatus has the fence wait until all that was sent on a connection is acknowledged, and asks for that.
func (s *session) awaitStatus(c *connection) {
	f := s.fence
	f.owed = append(f.owed, statusMark{c, c.statSN})
	s.ping(c, s.pingPolicy.lun)
	if f.timer == nil {
		patience := s.pingPolicy.timeout
		if patience <= 0 {
			patience = fencePatience
		}
		f.timer = time.AfterFunc(patience, func() { s.fenceOverdue(f) })
	}
}

// takeAcknowledged books what an ExpStatSN acknowledges, and moves the fence on. The caller holds the session's lock.
func (s *session) takeAcknowledged(c *connection, expStatSN uint32) {
	if expStatSN-c.acked > c.statSN-c.acked {
		return // older than what was heard before, or beyond what was sent
	}
	c.acked = expStatSN
	f := s.fence
	if f == nil {
		return
	}
	f.owed = slices.DeleteFunc(f.owed, func(m statusMark) bool { return m.conn == c && !iscsi.SNLess(expStatSN, m.expStatSN) })
	s.advanceFence()
}

// fenceWithout is told that a connection is gone: it acknowledges no more.
func (s *session) fenceWithout(c *connection) {
	if f := s.fence; f != nil {
		f.owed = slices.DeleteFunc(f.owed, func(m statusMark) bool { return m.conn == c })
		s.advanceFence()
	}
}

// advanceFence sends the fenced response when nothing is owed any more, and lets go what waits when it is acknowledged.
func (s *session) advanceFence() {
	for s.fence != nil && len(s.fence.owed) == 0 {
		f := s.fence
		if f.timer != nil {
			f.timer.Stop()
			f.timer = nil
		}
		if f.conn == nil && !f.of.gone() {
			of := f.of
			f.conn, f.of = of.conn(), fencedResponse{}
			s.answerFenced(of)
			if f.conn.attached && !s.array.dev.Connections.FencesNothingBehind {
				s.awaitStatus(f.conn)
			}
			continue
		}
		s.fence = nil
		for _, r := range f.held {
			if !r.gone() && !s.waitsAtFence(r, s.needsFence(r)) {
				s.answerFenced(r)
			}
		}
	}
}

// needsFence reports whether a response needs the fence.
func (s *session) needsFence(r fencedResponse) bool {
	if r.task != nil {
		return s.fencedTask(r.task)
	}
	return fencedFunction(r.asked.request.Function)
}

// answerFenced sends a response whose turn has come.
func (s *session) answerFenced(r fencedResponse) {
	if r.task != nil {
		r.task.phase = phaseOrdered
		s.answerTask(r.task.conn, r.task)
		return
	}
	s.answerManagement(r.asked, r.answer)
}

// gone reports whether the task has ended otherwise.
func (r *fencedResponse) gone() bool {
	return r.asked == nil && (r.task == nil || r.task.phase != phaseFenced)
}

func (r *fencedResponse) conn() *connection {
	if r.task != nil {
		return r.task.conn
	}
	return r.asked.conn
}

// leaveFence takes the response of a task that has ended otherwise away from the fence. A fence that stands for it stands until what it waits
// for has come.
func (s *session) leaveFence(k *task) {
	if k.phase != phaseFenced || s.fence == nil {
		return
	}
	if s.fence.of.task == k {
		s.fence.of.task = nil
	}
	s.fence.held = slices.DeleteFunc(s.fence.held, func(r fencedResponse) bool { return r.task == k })
}

// fenceOverdue ends the connections whose acknowledgement does not come.
func (s *session) fenceOverdue(f *responseFence) {
	s.mu.Lock()
	var silent []*connection
	if s.fence == f && !s.closed {
		for _, m := range f.owed {
			silent = append(silent, m.conn)
		}
	}
	s.mu.Unlock()
	for _, c := range silent {
		s.array.closeConnection(s, c, EndFIN, reasonPing)
	}
}
