package initiator

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// DefaultReconnectInterval is the time from the start of one login attempt of a
// session to the start of its next, unless configured.
const DefaultReconnectInterval = 5 * time.Second

// maxReconnectJitter bounds the configurable jitter, as a share of the interval.
const maxReconnectJitter = 0.2

// reconnectSchedule says when a lost session's next login attempt starts. It is a
// plain value: no timer, no clock; the session's owner feeds it instants.
//
// Its law: the first attempt after a loss starts once the target's Time2Wait has
// passed and one interval has passed since the start of the session's previous
// attempt, also if that one succeeded, so that no target can provoke a storm of
// logins. Later attempts start one interval apart, from start to start. An
// attempt that outlasts the interval is followed at once and never overlapped.
type reconnectSchedule struct {
	// interval is the time between the starts of two attempts.
	interval time.Duration
	// jitter is the largest share by which one gap may differ from interval, 0 to
	// maxReconnectJitter; 0, the default, means a strict cadence.
	jitter float64
	// most, when above interval, bounds the growth of the gap: by one interval with each attempt of the outage. Otherwise it does not grow.
	most time.Duration
	// key seeds the jitter; it is a function of the run's seed and the session's
	// name, never of the order of calls.
	key uint64
	// lastStart is when the session's previous attempt, the first login included,
	// started.
	lastStart time.Time
	// notBefore is when the wait that the target asked for is over; zero if none.
	notBefore time.Time
	// attempts counts those begun since the loss.
	attempts int
	// lastEnd is when the latest attempt since the loss failed; zero before that.
	lastEnd time.Time
}

// lost begins a new outage: the connection was known to be gone at the instant at,
// and wait is the Time2Wait in force (RFC 7143, Section 7.5).
func (s *reconnectSchedule) lost(at time.Time, wait time.Duration) {
	s.notBefore = at.Add(max(wait, 0))
	s.attempts = 0
	s.lastEnd = time.Time{}
}

// started notes that an attempt begins now.
func (s *reconnectSchedule) started(now time.Time) {
	s.lastStart = now
	s.attempts++
}

// failed notes that the attempt in progress ended without a session.
func (s *reconnectSchedule) failed(now time.Time) { s.lastEnd = now }

// next returns when the next attempt starts; an instant in the past means at once.
// It reads the interval of the moment, so that a change at run time governs the gap
// that is being waited for already.
func (s *reconnectSchedule) next() time.Time {
	at := s.lastStart.Add(s.gap())
	if s.notBefore.After(at) {
		at = s.notBefore
	}
	if s.lastEnd.After(at) {
		at = s.lastEnd
	}
	return at
}

// gap is the interval with this attempt's jitter. Jitter comes in pairs of opposite
// sign, so that the mean stays on the interval and the cadence does not drift.
func (s *reconnectSchedule) gap() time.Duration {
	interval := s.grown()
	jitter := min(max(s.jitter, 0), maxReconnectJitter)
	if jitter == 0 {
		return interval
	}
	var pair [16]byte
	binary.LittleEndian.PutUint64(pair[:8], s.key)
	binary.LittleEndian.PutUint64(pair[8:], uint64(s.attempts/2))
	h := fnv.New64a()
	h.Write(pair[:])
	draw := rand.New(rand.NewPCG(s.key, h.Sum64())).Float64()*2 - 1
	if s.attempts%2 == 1 {
		draw = -draw
	}
	return interval + time.Duration(jitter*draw*float64(interval))
}

// grown is the interval as the attempts of the outage have let it grow.
func (s *reconnectSchedule) grown() time.Duration {
	if s.most <= s.interval || s.attempts < 2 {
		return s.interval
	}
	return min(s.interval*time.Duration(min(s.attempts, 1000)), s.most)
}

// drift is what the defect JitterDrifts adds to the next gap: as much as all gaps of the outage so far could have been jittered.
func (s *reconnectSchedule) drift() time.Duration {
	return time.Duration(s.jitter * float64(s.attempts) / 100 * float64(s.interval))
}
