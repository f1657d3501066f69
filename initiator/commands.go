package initiator

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/scsi"
)

// unfinishedMax bounds the requests of one connected session that have no answer yet. A target can close its command
// window and thereby lets them pile up.
const unfinishedMax = 4096

// submit takes a new request.
func (s *managedSession) submit(p *pending) {
	if _, under := s.active[p.req]; under {
		panic("initiator: request submitted while under way")
	}
	s.seq++
	p.seq = s.seq
	s.active[p.req] = p
	s.deadlines.watch(p)
	s.recordRequest(p, "submitted", "")
	switch {
	case s.ending || s.state == StateClosed:
		s.complete(p, ErrLoggedOut)
	case s.kind == Informational && s.m.dev.Kinds.InformationalRefuses:
		s.complete(p, ErrNotSupported)
	case p.hasDeadline() && !p.deadline.After(time.Now()):
		s.complete(p, ErrTimeout)
	case s.state == StateReconnecting:
		s.submitDown(p)
	default:
		s.submitUp(p)
	}
}

// submitUp sends a request, or lets it wait behind those that wait for the replay.
func (s *managedSession) submitUp(p *pending) {
	switch data, known := s.cacheAnswer(p.req); {
	case known && s.m.dev.Cache.ConsultWhileUp:
		s.serve(p, data)
	case s.ready || s.m.dev.Queue.NewBypass && s.session != nil:
		if len(s.active) > max(unfinishedMax, s.cfg.QueueBound.orDefault().Entries) {
			s.complete(p, ErrQueueFull)
			return
		}
		if s.held(p) {
			s.enqueue(p, reasonDoubt)
			return
		}
		s.issue(p)
	default:
		s.enqueue(p, "")
	}
}

// submitDown answers from the cache what it can, and lets the rest wait.
func (s *managedSession) submitDown(p *pending) {
	data, known := s.cacheAnswer(p.req)
	switch {
	case s.unitGone(p.req.LUN):
		s.complete(p, ErrDeviceRemoved)
	case s.kind == Informational && s.m.dev.Kinds.InformationalHangsWhileDown:
		s.deadlines.unwatch(p)
		s.m.park(s, p)
	case known && !s.withheldFromCache(p.req):
		s.serve(p, data)
	case !known && s.m.dev.Cache.ZeroFilled && len(p.req.CDB) > 0 && p.req.CDB[0] == opInquiry:
		s.serve(p, make([]byte, len(p.req.Read)))
	case len(p.req.CDB) > 0 && scsi.Opcode(p.req.CDB[0]) == scsi.OpTestUnitReady && s.m.dev.Queue.AnswerTestUnitReady:
		s.serve(p, nil)
	default:
		s.enqueue(p, "")
	}
}

// withheldFromCache reports whether a deviating initiator queues what it could answer.
func (s *managedSession) withheldFromCache(r *Request) bool {
	return s.m.dev.Cache.QueueInquiry && r.CDB[0] == opInquiry || s.m.dev.Cache.ForwardReportLUNs && r.CDB[0] == opReportLUNs
}

// cacheAnswer looks a request up in the cache.
func (s *managedSession) cacheAnswer(r *Request) ([]byte, bool) {
	lun, cdb := r.LUN, r.CDB
	if len(cdb) > 1 && cdb[0] == opInquiry {
		if s.m.dev.Cache.IgnoreLUN {
			lun = 0
		}
		if s.m.dev.Cache.VPDAsStandard {
			cdb = bytes.Clone(cdb)
			cdb[1], cdb[2] = 0, 0
		}
	}
	return s.cache.answer(lun, cdb)
}

// serve completes a request with GOOD status and remembered data.
func (s *managedSession) serve(p *pending, data []byte) {
	p.req.begin()
	n := copy(p.req.Read, data)
	p.req.Transferred = n
	if rest := len(p.req.Read) - n; rest > 0 {
		p.req.Underflow, p.req.Residual = true, uint32(rest)
	}
	s.recordRequest(p, "served-from-cache", "")
	s.finishRequest(p)
}

// reasonDoubt is why a request waits although its session is there.
const reasonDoubt = "the outcome of a write of these blocks is unknown"

// enqueue lets a newcomer wait, if the bound allows.
func (s *managedSession) enqueue(p *pending, reason string) {
	bound, dev := s.cfg.QueueBound.orDefault(), s.m.dev.Queue
	s.everQueued++
	switch {
	case dev.Unbounded:
		s.queue.restore(p)
	case dev.CountNeverFalls && s.everQueued > bound.Entries:
		s.complete(p, ErrQueueFull)
		return
	case !s.queue.push(p, bound):
		if !dev.OverwriteOldest || s.queue.length() == 0 {
			s.complete(p, ErrQueueFull)
			return
		}
		oldest := s.queue.pop()
		s.m.park(s, oldest)
		s.queue.restore(p)
	}
	s.recordRequest(p, "queued", reason)
}

// issue hands a request to the Session, which sends in this order as far as the command window is open.
func (s *managedSession) issue(p *pending) {
	p.flying, p.via = true, s.session
	p.req.unhurried = s.sequential(p.req.LUN)
	s.flying++
	s.recordRequest(p, "sent", "")
	p.req.intercept = func(*Request) { s.inbox.post(func() { s.returned(p) }) }
	s.session.Submit(p.req)
}

// returned takes a request back from a Session.
func (s *managedSession) returned(p *pending) {
	p.flying = false
	s.flying--
	r := p.req
	lost := errors.Is(r.Err, ErrTransportLost)
	switch {
	case s.ending && (lost || errors.Is(r.Err, ErrLoggedOut)):
		s.complete(p, ErrLoggedOut)
	case lost:
		s.cameBack(p)
	default:
		if r.Err == nil {
			s.observe(r)
		}
		s.finishRequest(p)
	}
	s.endIfIdle()
}

// cameBack decides what becomes of a request whose connection broke before the answer. It goes back to its old place in
// the queue, to be issued as a new command; a sequential device must not execute it twice, so there it fails unless it was
// never sent.
func (s *managedSession) cameBack(p *pending) {
	if p.via == s.session && s.session.doomed() {
		s.ready = false // The loss is about to be told; newcomers wait behind this request from now on.
	}
	switch dev := s.m.dev.Queue; {
	case p.quit != nil:
		s.complete(p, p.quit)
	case s.unitGone(p.req.LUN):
		s.complete(p, ErrDeviceRemoved)
	case !s.kind.TakesCommands(), dev.FailInFlight, p.req.Sent && s.sequential(p.req.LUN):
		s.complete(p, ErrTransportLost)
	case dev.ForgetInFlight:
		s.deadlines.unwatch(p)
		s.m.park(s, p)
	case s.switchPath(p):
	default:
		s.doubts(p)
		s.queue.restore(p)
		s.recordRequest(p, "requeued", "connection lost")
		s.flow()
	}
}

// flow replays the queue if the session is ready for it, but for what is held back.
func (s *managedSession) flow() {
	if !s.ready || s.session == nil {
		return
	}
	s.replayFinished()
	waiting := s.queue.take(func(*pending) bool { return true })
	if s.m.dev.Queue.LastInFirstOut {
		slices.Reverse(waiting)
	}
	s.stalled = s.stalled[:0]
	for i, p := range waiting {
		if s.held(p) {
			s.queue.restore(p)
			continue
		}
		if s.m.dev.Queue.LoseWakeUp && i > 0 && i == len(waiting)-1 {
			s.queue.restore(p)
			return
		}
		if s.m.dev.Queue.ReplayFinished {
			s.replayed = append(s.replayed, ghostOf(p.req))
		}
		s.issue(p)
	}
}

// replayFinished sends what a deviating initiator replayed before once more.
func (s *managedSession) replayFinished() {
	for _, r := range s.replayed {
		s.session.Submit(r)
	}
	s.replayed = nil
}

// ghostOf copies a request for a deviating initiator to send behind its requester's back.
func ghostOf(r *Request) *Request {
	return &Request{LUN: r.LUN, CDB: bytes.Clone(r.CDB), Read: make([]byte, len(r.Read)), Write: bytes.Clone(r.Write), Attr: r.Attr}
}

// haunt leaves a copy of p in its place in the queue.
func (s *managedSession) haunt(p *pending) {
	ghost := newPending(p.seq, ghostOf(p.req), time.Time{})
	s.active[ghost.req] = ghost
	s.queue.restore(ghost)
}

// complete ends a request that has no answer of the target.
func (s *managedSession) complete(p *pending, err error) {
	p.req.begin()
	p.req.Err = err
	s.finishRequest(p)
}

// finishRequest tells the requester. The request is not touched afterwards: it may be submitted again.
func (s *managedSession) finishRequest(p *pending) {
	delete(s.active, p.req)
	s.deadlines.unwatch(p)
	s.settled(p)
	s.recordRequest(p, "completed", p.req.Outcome())
	r := p.req
	r.intercept = nil
	if r.Done != nil {
		r.Done(r)
	}
}

// failQueue ends the waiting requests that match. With lose, a deviating initiator drops them unanswered.
func (s *managedSession) failQueue(match func(*pending) bool, err error, lose bool) {
	for _, p := range s.queue.take(match) {
		if lose {
			s.deadlines.unwatch(p)
			s.m.park(s, p)
		} else {
			s.complete(p, err)
		}
	}
}

// forgetLast lets a deviating initiator drop the last waiting request for the units that match.
func (s *managedSession) forgetLast(match func(lun uint64) bool) {
	waiting := s.queue.take(func(p *pending) bool { return match(p.req.LUN) })
	for i, p := range waiting {
		if i < len(waiting)-1 {
			s.queue.restore(p)
			continue
		}
		s.m.park(s, p)
	}
}

// parkFlying leaves what the Session never answered, which only a deviating one does, for the end of the Manager.
func (s *managedSession) parkFlying() {
	for _, p := range s.inOrder() {
		if p.flying {
			s.m.park(s, p)
		}
	}
}

// inOrder returns the unfinished requests in the order of submission.
func (s *managedSession) inOrder() []*pending {
	list := make([]*pending, 0, len(s.active))
	for _, p := range s.active {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *pending) int { return cmp.Compare(a.seq, b.seq) })
	return list
}

// expire handles a request whose own deadline has come.
func (s *managedSession) expire(p *pending) { s.giveUp(p, ErrTimeout) }

// giveUp ends a request before its answer: at once if it waits, and with ABORT TASK if the target has it.
func (s *managedSession) giveUp(p *pending, err error) {
	if s.queue.remove(p) {
		if s.m.dev.Queue.ReplayTimedOut {
			s.haunt(p)
		}
		s.complete(p, err)
		return
	}
	if p.flying {
		p.quit = err
		p.via.Cancel(p.req, err)
	}
}
