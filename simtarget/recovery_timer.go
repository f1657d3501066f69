package simtarget

import (
	"slices"
	"time"
)

// commandGap is a gap in CmdSN that was seen: commands wait behind it.
type commandGap struct {
	exp   uint32 // the CmdSN that is missing
	since time.Time
	told  int
}

// patienceMax is how often the patience with an initiator that does not send what it was asked for is doubled.
const patienceMax = 4

// awaitData says that data of a task is awaited from now on, for as long as RecoveryPolicy allows: the longer, the more often it did not come.
func (s *session) awaitData(k *task) {
	k.kept.deadline = time.Now().Add(s.recovery.policy.Timeout << min(k.kept.tries, patienceMax))
	s.watchRecovery()
}

// watchRecovery makes sure that somebody looks at what fails to come: one timer a session, so that what is due at one instant is done in one
// order.
func (s *session) watchRecovery() {
	v := s.recovery
	if v == nil || v.armed || s.closed {
		return
	}
	v.armed = true
	if v.timer == nil {
		v.timer = time.AfterFunc(v.policy.Timeout, s.recoverOverdue)
		return
	}
	v.timer.Reset(v.policy.Timeout)
}

// stop ends the watch.
func (v *recovery) stop() {
	if v != nil && v.timer != nil {
		v.timer.Stop()
	}
}

// recoverOverdue is the timer's function.
func (s *session) recoverOverdue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.recovery
	v.armed = false
	if s.closed {
		return
	}
	now := time.Now()
	for _, k := range slices.Clone(s.tasks.tasks) {
		if k.kept != nil && k.transfer.awaits() && !now.Before(k.kept.deadline) && k.kept.conn.attached {
			s.burstOverdue(k)
		}
	}
	s.tellGap(now)
	for _, c := range s.conns {
		s.tellStatSN(c, now)
	}
	if next := s.nextRecovery(now); next > 0 {
		v.armed = true
		v.timer.Reset(next)
	}
}

// awaits reports whether data is to come.
func (t *transfer) awaits() bool { return t.unsolicited || len(t.r2ts) > 0 }

// burstOverdue takes what is awaited for a task for lost: its R2Ts count as outstanding no more (RFC 7143, Section 13.17).
func (s *session) burstOverdue(k *task) {
	t, r := &k.transfer, k.kept
	if t.unsolicited {
		t.unsolicited, r.overdue = false, true
		t.asked = max(t.asked, t.first) // the initiator may have sent all of it
	}
	if len(t.r2ts) > 0 { // One wait in vain is one, however many R2Ts it was for.
		r.ended(&r2t{brought: slices.ContainsFunc(t.r2ts, func(out r2t) bool { return out.brought })})
	}
	t.r2ts = t.r2ts[:0]
	s.dataCame(r.conn, k)
}

// noteGap is told that a command waits behind a gap in CmdSN.
func (s *session) noteGap() {
	if v := s.recovery; v != nil && (v.gap.since.IsZero() || v.gap.exp != s.order.exp) {
		v.gap = commandGap{exp: s.order.exp, since: time.Now()}
		s.watchRecovery()
	}
}

// tellGap shows ExpCmdSN to an initiator whose commands wait behind one that does not come.
func (s *session) tellGap(now time.Time) {
	gap := &s.recovery.gap
	if len(s.order.waiting) == 0 {
		*gap = commandGap{}
		return
	}
	if gap.since.IsZero() || gap.exp != s.order.exp {
		*gap = commandGap{exp: s.order.exp, since: now}
		return
	}
	if now.Sub(gap.since) < s.recovery.policy.Timeout || gap.told >= s.recovery.policy.Attempts {
		return
	}
	gap.since = now
	gap.told++
	for _, c := range s.conns {
		s.tell(c)
	}
}

// tellStatSN shows the next StatSN once to an initiator that leaves responses without acknowledgement: it may have lost the last one.
func (s *session) tellStatSN(c *connection, now time.Time) {
	if c.sent == nil || c.sent.acked == c.statSN || c.sent.told == c.statSN || now.Sub(c.sent.since) < s.recovery.policy.Timeout {
		return
	}
	c.sent.told = c.statSN
	s.tell(c)
}

// nextRecovery is how long it takes until the timer is needed again; 0 when it is not.
func (s *session) nextRecovery(now time.Time) time.Duration {
	v, next := s.recovery, time.Duration(0)
	sooner := func(at time.Time) {
		if d := max(at.Sub(now), time.Millisecond); next == 0 || d < next {
			next = d
		}
	}
	for _, k := range s.tasks.tasks {
		if k.kept != nil && k.transfer.awaits() && k.kept.conn.attached {
			sooner(k.kept.deadline)
		}
	}
	if len(s.order.waiting) > 0 && v.gap.told < v.policy.Attempts {
		sooner(v.gap.since.Add(v.policy.Timeout))
	}
	for _, c := range s.conns {
		if c.sent != nil && c.sent.acked != c.statSN && c.sent.told != c.statSN {
			sooner(c.sent.since.Add(v.policy.Timeout))
		}
	}
	return next
}
