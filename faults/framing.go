package faults

import "github.com/iscsispec/iscsispec/iscsi/pdu"

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
	offset     int64     // bytes accepted so far
	size       int       // bytes of the current PDU among them
	pending    []byte    // accepted and not yet sent on their way
	header     []byte    // the first bytes of the current PDU, at most a basic header segment
	candidates []*rule   // placed faults of which it is still to be told whether they strike the current PDU
	need       Need      // how much of the PDU that takes
	strikes    []*struck // those that do
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
		s.framing.size, s.framing.header, s.framing.candidates, s.framing.strikes = 0, nil, nil, nil
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

// end sends on its way what was kept back of a PDU that will not be finished, since its sender ends the stream.
func (s *stream) end() {
	if rest := s.framing.pending; !s.lost && len(rest) > 0 {
		s.framing.pending = nil
		s.pushData(rest, segment{})
	}
}

func (s *stream) add(b []byte) {
	if len(b) == 0 {
		return
	}
	f := &s.framing
	if f.size == 0 {
		f.candidates, f.need = s.link.network.candidates(s, pdu.Opcode(b[0]&0x3f))
	}
	if missing := pdu.BHSLength - len(f.header); missing > 0 {
		f.header = append(f.header, b[:min(missing, len(b))]...)
	}
	f.pending = append(f.pending, b...)
	f.size += len(b)
}
