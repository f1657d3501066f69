package faults

import (
	"math/rand/v2"
	"time"
)

// segmentKind tells what travels.
type segmentKind byte

const (
	segmentData   segmentKind = iota // bytes: one PDU or a part of one
	segmentFin                       // the end of the stream
	segmentReset                     // a TCP RST
	segmentAccept                    // the third packet of the handshake: the listener may accept now
	segmentCredit                    // room in the window for a writer that waits
	segmentHold                      // from here on a placed silence or a stall holds everything back
)

type segment struct {
	kind    segmentKind
	data    []byte
	slow    time.Duration // further delay, asked for by a fault
	gap     time.Duration // and how long after the segment before it, at least
	divided bool          // one of several that a split has made
	wait    *rule         // the coalesce for which it waits for more
	rule    *rule         // of a segmentHold
	sure    bool          // of a segmentReset: a fault's own, which comes even if only after a silence
}

// stream is one direction of a connection: what travels toward one end. The network's mutex guards it.
type stream struct {
	link   *link
	dir    Direction
	toward *end
	lane   lane
	rand   *rand.Rand

	queue      []segment     // on their way, in order
	generation uint64        // deliveries scheduled under an earlier one are void
	due        time.Duration // of the last one queued
	held       *rule         // keeps everything back; nil when nothing does
	lost       bool          // a fault has cut the stream: whatever is written from now on never arrives
	ended      bool          // lost by an orderly end: a writer learns of it by a reset
	credit     bool          // a segmentCredit is on its way

	received [][]byte // arrived and not read
	unread   int      // bytes in received
	inflight int      // bytes written and not read
	writers  int      // Writes that wait for the window

	framing framing
	shape   shape
}

// jitter draws from the stream's own source, so that the n-th delivery of a stream always gets the same.
func (s *stream) jitter() time.Duration {
	if s.link.network.opts.Jitter <= 0 {
		return 0
	}
	return time.Duration(s.rand.Int64N(int64(s.link.network.opts.Jitter)))
}

// push sends a segment on its way.
func (s *stream) push(seg segment) {
	n := s.link.network
	if s.held != nil && seg.kind == segmentReset && !seg.sure {
		return // TCP repeats lost data but not a lost reset
	}
	if seg.kind == segmentCredit {
		if s.credit {
			return // one acknowledgement on its way speaks for all
		}
		s.credit = true
	}
	if s.held != nil && seg.kind == segmentData {
		s.held.bites++
	}
	s.queue = append(s.queue, seg)
	s.due = max(s.due+seg.gap, n.now()+n.opts.Latency+s.jitter()+seg.slow+s.slowed(seg))
	s.scheduleDelivery(s.due)
}

func (s *stream) scheduleDelivery(at time.Duration) {
	s.due = s.lane.next(at)
	generation := s.generation
	s.link.network.schedule(s.due, func() {
		if generation == s.generation && s.held == nil && len(s.queue) > 0 {
			seg := s.queue[0]
			s.queue[0] = segment{}
			s.queue = s.queue[1:]
			s.deliver(seg)
		}
	})
}

// drop forgets everything that is on its way.
func (s *stream) drop() {
	for _, seg := range s.queue {
		s.inflight -= len(seg.data)
	}
	s.queue, s.credit = nil, false
	s.generation++
	s.framing.forget()
}

// hold keeps everything back from now on by a rule, or with nil lets it go again as TCP's retransmission would: in order, with fresh delays. The rule
// counts each delivery of data that it keeps back.
func (s *stream) hold(by *rule) {
	was := s.held
	s.held = by
	if (was != nil) == (by != nil) {
		return
	}
	s.generation++
	if by != nil {
		for _, seg := range s.queue {
			if seg.kind == segmentData {
				by.bites++
			}
		}
		return
	}
	n := s.link.network
	s.due = n.now()
	s.shape.busy = 0
	for _, seg := range s.queue {
		s.due = max(s.due+seg.gap, n.now()+n.opts.Latency+s.jitter()+s.throttled(seg))
		s.scheduleDelivery(s.due)
	}
}

// deliver hands a segment to the end that the stream goes toward.
func (s *stream) deliver(seg segment) {
	to := s.toward
	switch seg.kind {
	case segmentData:
		if to.closed {
			s.inflight -= len(seg.data)
			s.link.opposite(to).in.push(segment{kind: segmentReset})
			return
		}
		s.received = append(s.received, seg.data)
		s.unread += len(seg.data)
		to.readable.Broadcast()
	case segmentFin:
		if to.finished {
			return
		}
		to.finished = true
		to.noteArrival("fin")
		to.readable.Broadcast()
	case segmentReset:
		if !to.closed {
			to.noteArrival("reset")
		}
		to.reset()
	case segmentAccept:
		s.link.accepted()
	case segmentCredit:
		s.credit = false
		to.writable.Broadcast()
	case segmentHold:
		s.link.network.holdFrom(s, seg.rule)
	}
}

// take moves received bytes into b and gives the room back to the writer.
func (s *stream) take(b []byte) int {
	total := 0
	for total < len(b) && len(s.received) > 0 {
		chunk := s.received[0]
		k := copy(b[total:], chunk)
		total += k
		if k == len(chunk) {
			s.received[0] = nil
			s.received = s.received[1:]
			continue
		}
		s.received[0] = chunk[k:]
	}
	s.unread -= total
	s.inflight -= total
	if s.writers > 0 {
		s.link.opposite(s.toward).in.push(segment{kind: segmentCredit})
	}
	return total
}
