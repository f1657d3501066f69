package faults

import (
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// heldMax bounds what is kept back of an unfinished PDU until a fault's place in it can be found.
const heldMax = 1 << 20

// follower finds the borders of the PDUs of one connection.
type follower struct{ dialogue *pdu.Dialogue }

func (f *follower) start() { f.dialogue = pdu.NewDialogue(pdu.Limits{}) }

func (f *follower) feed(dir Direction, b []byte) []pdu.Piece {
	way := pdu.ToTarget
	if dir == ToInitiator {
		way = pdu.ToInitiator
	}
	return f.dialogue.Feed(way, b)
}

// framing follows the PDU that one direction is in the middle of.
type framing struct {
	offset  int64  // bytes accepted so far
	size    int    // bytes of the current PDU among them
	pending []byte // accepted and not yet sent on their way
	header  []byte // the first bytes of the current PDU, at most a basic header segment
	strike  *rule  // the placed fault that strikes the current PDU
	struck  bool   // and has done so
}

func (f *framing) forget() { f.pending = nil }

// accept takes bytes that were written, and sends each PDU on its way that they complete.
func (s *stream) accept(b []byte) {
	if s.lost {
		if s.ended {
			s.link.opposite(s.toward).in.push(segment{kind: segmentReset})
			s.ended = false
		}
		return
	}
	cursor := s.framing.offset
	s.framing.offset += int64(len(b))
	for _, piece := range s.link.follow.feed(s.dir, b) {
		border := piece.Offset + int64(piece.Length)
		s.add(b[:border-cursor])
		b, cursor = b[border-cursor:], border
		s.send(digestsOf(piece.Frame), true)
		s.framing.size, s.framing.header, s.framing.strike, s.framing.struck = 0, nil, nil, false
		if s.lost {
			return
		}
	}
	s.add(b)
}

// digestsOf tells which digests one PDU carries: a login's last response has none, the PDU behind it may.
func digestsOf(f *pdu.Frame) pdu.Digests {
	if f == nil {
		return pdu.Digests{}
	}
	return pdu.Digests{Header: f.HeaderDigest != nil, Data: f.DataDigest != nil}
}

// flush sends on its way what a Write leaves unfinished.
func (s *stream) flush() {
	if !s.lost {
		s.send(s.link.follow.dialogue.Digests(), false)
	}
}

func (s *stream) add(b []byte) {
	if len(b) == 0 {
		return
	}
	f := &s.framing
	if f.size == 0 {
		f.strike = s.link.network.strike(s, pdu.Opcode(b[0]&0x3f))
	}
	if missing := pdu.BHSLength - len(f.header); missing > 0 {
		f.header = append(f.header, b[:min(missing, len(b))]...)
	}
	f.pending = append(f.pending, b...)
	f.size += len(b)
}

// strike finds the placed fault that strikes the PDU which now begins on a stream, counting it for all that match.
func (n *Network) strike(s *stream, op pdu.Opcode) *rule {
	var hit *rule
	for _, r := range n.armed {
		f := r.fault
		name := f.PDU == anyPDU || f.PDU == PDUName(op)
		if !name || !f.Dir.covers(s.dir) || !f.Scope.hasLink(s.link) {
			continue
		}
		r.seen++
		if hit == nil && r.fired == 0 && r.seen == max(f.Nth, 1) {
			hit = r
		}
	}
	return hit
}

// send puts the pending bytes of the current PDU on their way, unless a placed fault strikes them.
func (s *stream) send(digests pdu.Digests, whole bool) {
	f := &s.framing
	if len(f.pending) == 0 {
		return
	}
	if f.strike == nil {
		s.pushData(f.pending, 0)
		f.pending = nil
		return
	}
	at, known := f.strike.fault.Byte.Locate(f.header, digests, f.size, whole)
	if !known && len(f.pending) < heldMax {
		return // a later Write completes the header
	}
	pending, from := f.pending, f.size-len(f.pending)
	f.pending = nil
	s.apply(f.strike, pending, at-from, whole)
}

// apply carries a placed fault out on the pending bytes of its PDU; at is where in them it strikes.
func (s *stream) apply(r *rule, pending []byte, at int, whole bool) {
	n := s.link.network
	tell := func(what string) {
		if !s.framing.struck {
			s.framing.struck = true
			n.fire(r, s.link.name, what)
		}
	}
	switch r.fault.Verb {
	case Drop:
		tell("dropped")
		return
	case Delay:
		slow := r.fault.By
		if s.framing.struck {
			slow = 0
		}
		tell("delayed")
		s.pushData(pending, slow)
		return
	case Corrupt:
		if at >= 0 && at < len(pending) {
			tell("corrupted")
			pending[at] ^= 0xff
		}
		s.pushData(pending, 0)
		return
	}
	if at > len(pending) || at == len(pending) && !whole {
		s.pushData(pending, 0)
		return
	}
	at = max(at, 0)
	s.pushData(pending[:at], 0)
	tell(stateCut)
	if r.fault.Verb == Silence {
		s.push(segment{kind: segmentHold, rule: r})
		s.pushData(pending[at:], 0)
		return
	}
	s.link.cutHere(s, r.fault.Verb)
}

func (s *stream) pushData(b []byte, slow time.Duration) {
	if len(b) == 0 {
		return
	}
	s.inflight += len(b)
	s.push(segment{kind: segmentData, data: b, slow: slow})
}

// cutHere ends the connection behind what s has on its way: the receiver sees the end after that, the sender a moment later.
func (c *link) cutHere(s *stream, v Verb) {
	kind := segmentReset
	if v == Fin {
		kind = segmentFin
	}
	back := c.opposite(s.toward).in
	s.push(segment{kind: kind})
	s.lost, s.ended = true, v == Fin
	if v == Reset {
		back.drop()
	}
	back.due = max(back.due, s.due)
	back.push(segment{kind: kind})
	back.lost, back.ended = true, v == Fin
	c.network.record(trace.Event{Kind: kindLink, Node: nodeNetwork, Conn: c.name, To: c.portal.String(), State: stateCut, Reason: string(v)})
}
