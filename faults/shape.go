package faults

import (
	"math/rand/v2"
	"time"
)

// shape is what the rules in force do to the deliveries of one stream.
type shape struct {
	rules  []*rule       // delay, jitter, throttle, split, coalesce and stall, in the order in which they were put into force
	stalls []stalling    // of the stalls among them
	busy   time.Duration // when a throttle has carried all that was pushed
	rand   *rand.Rand    // of jitter; nil until needed
}

// stalling is one stall on one stream.
type stalling struct {
	rule *rule
	left int  // bytes that still pass
	over bool // they have passed
}

// shapes tells whether the rule shapes deliveries.
func (r *rule) shapes() bool {
	if r.fault.Placed() {
		return false
	}
	switch r.fault.Verb {
	case Delay, Jitter, Throttle, Split, Coalesce, Stall:
		return true
	}
	return false
}

// reshape brings a stream's shape in line with the rules in force. What a stall has counted stays counted.
func (s *stream) reshape() {
	sh := &s.shape
	was := sh.stalls
	sh.rules, sh.stalls = nil, nil
	for _, r := range s.link.network.rules {
		if !r.shapes() || !r.fault.Dir.covers(s.dir) || !r.fault.Scope.hasLink(s.link) {
			continue
		}
		sh.rules = append(sh.rules, r)
		if r.fault.Verb != Stall {
			continue
		}
		st := stalling{rule: r, left: r.fault.After}
		for _, old := range was {
			if old.rule == r {
				st = old
			}
		}
		sh.stalls = append(sh.stalls, st)
	}
}

// felt counts one effect of a shaping rule, and records the first since it was put into force.
func (s *stream) felt(r *rule) {
	r.bites++
	if !r.told {
		r.told = true
		s.link.network.fire(r, s.link.name, "felt")
	}
}

// pushData sends bytes on their way in one segment or in several, as the rules in force have them. like says what a placed fault wants of them.
func (s *stream) pushData(b []byte, like segment) {
	for len(b) > 0 {
		n := len(b)
		stall := s.nextStall()
		if stall != nil {
			n = min(n, stall.left)
		}
		s.divide(b[:n:n], like)
		b = b[n:]
		for i := range s.shape.stalls {
			if st := &s.shape.stalls[i]; !st.over {
				st.left -= n
			}
		}
		if stall != nil && stall.left == 0 && len(b) > 0 {
			stall.over = true
			s.felt(stall.rule)
			s.push(segment{kind: segmentHold, rule: stall.rule})
		}
	}
}

// nextStall gives the stall that comes first on the stream, nil when none is ahead.
func (s *stream) nextStall() *stalling {
	var next *stalling
	for i := range s.shape.stalls {
		if st := &s.shape.stalls[i]; !st.over && (next == nil || st.left < next.left) {
			next = st
		}
	}
	return next
}

// divide splits bytes by the smallest size that a split in force wants, and sends the parts.
func (s *stream) divide(b []byte, like segment) {
	var by *rule
	for _, r := range s.shape.rules {
		if r.fault.Verb == Split && (by == nil || r.fault.Size < by.fault.Size) {
			by = r
		}
	}
	if by == nil || len(b) <= by.fault.Size {
		s.pushSegment(b, like)
		return
	}
	s.felt(by)
	wait := like.wait
	like.divided = true
	for len(b) > 0 {
		n := min(len(b), by.fault.Size)
		like.wait = nil
		if n == len(b) {
			like.wait = wait
		}
		s.pushSegment(b[:n:n], like)
		b = b[n:]
		like.slow, like.gap = 0, by.fault.By
	}
}

// pushSegment sends bytes on their way as one segment, or together with the one before if that one waits for more.
func (s *stream) pushSegment(b []byte, like segment) {
	if len(b) == 0 {
		return
	}
	s.inflight += len(b)
	if s.join(b, like) {
		return
	}
	like.kind, like.data = segmentData, b
	for _, r := range s.shape.rules {
		if r.fault.Verb == Coalesce && like.wait == nil && !like.divided {
			like.wait = r
		}
	}
	if like.wait != nil {
		like.slow += like.wait.fault.By
	}
	s.push(like)
}

// join appends bytes to the last segment on its way, if that one waits for more and has room.
func (s *stream) join(b []byte, like segment) bool {
	if len(s.queue) == 0 || like.divided {
		return false
	}
	last := &s.queue[len(s.queue)-1]
	if last.kind != segmentData || last.wait == nil {
		return false
	}
	most := last.wait.fault.Size
	if most == 0 {
		most = coalesceMax
	}
	if len(last.data)+len(b) > most {
		return false
	}
	last.data = append(last.data, b...)
	if last.wait.armed == nil {
		s.felt(last.wait)
		return true
	}
	s.link.network.fire(last.wait, s.link.name, "coalesced")
	last.wait = like.wait // a placed one waits for one PDU, and that one may wait for another
	return true
}

// slowed gives how much later than else a segment arrives by the rules in force. Throttles count data only; the rest travels behind it.
func (s *stream) slowed(seg segment) time.Duration {
	total := time.Duration(0)
	for _, r := range s.shape.rules {
		by := time.Duration(0)
		switch r.fault.Verb {
		case Delay:
			by = r.fault.By
		case Jitter:
			if s.shape.rand == nil {
				n := s.link.network
				s.shape.rand = rand.New(rand.NewPCG(keyed(n.seed, "jitter fault", s.link.name, string(s.dir)), n.seed))
			}
			by = time.Duration(s.shape.rand.Int64N(int64(r.fault.By)) + 1)
		default:
			continue
		}
		total += by
		if seg.kind == segmentData {
			s.felt(r)
		}
	}
	return total + s.throttled(seg)
}

// throttled gives how long a segment waits until a throttle has carried all before it and itself.
func (s *stream) throttled(seg segment) time.Duration {
	var by *rule
	for _, r := range s.shape.rules {
		if r.fault.Verb == Throttle && (by == nil || r.fault.Rate < by.fault.Rate) {
			by = r
		}
	}
	if by == nil || seg.kind != segmentData {
		return 0
	}
	now := s.link.network.now()
	s.shape.busy = max(s.shape.busy, now) + carrying(len(seg.data), by.fault.Rate)
	s.felt(by)
	return s.shape.busy - now
}

// carrying is how long a rate in bytes a second takes for so many bytes.
func carrying(bytes, rate int) time.Duration {
	return time.Duration(float64(bytes) / float64(rate) * float64(time.Second))
}
