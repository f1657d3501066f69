package faults

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// heldMax bounds what is kept back of an unfinished PDU until it can be told whether and where a fault strikes it.
const heldMax = 1 << 20

// struck is a rule that strikes the PDU at hand.
type struck struct {
	Strike
	rule *rule
}

// candidates are the placed faults that the PDU which now begins on a stream can match.
func (n *Network) candidates(s *stream, op pdu.Opcode) (rules []*rule, need Need) {
	for _, r := range n.armed {
		if r.armed.Spent() || !r.fault.Scope.hasLink(s.link) {
			continue
		}
		if needs, may := r.armed.May(s.dir, op); may {
			rules, need = append(rules, r), max(need, needs)
		}
	}
	return rules, need
}

// decide lets the candidates count the PDU at hand and say which of them strike it. It reports false while too little of the PDU is known.
func (s *stream) decide(digests pdu.Digests, whole bool) bool {
	f := &s.framing
	if len(f.candidates) == 0 {
		return true
	}
	var data []byte
	if !whole && len(f.pending) < heldMax {
		if f.need > NeedOpcode && len(f.header) < pdu.BHSLength {
			return false
		}
		if f.need == NeedData && len(f.pending) < layoutOf((*pdu.BHS)(f.header), digests).padding {
			return false
		}
	}
	if f.need == NeedData && len(f.header) == pdu.BHSLength {
		l := layoutOf((*pdu.BHS)(f.header), digests)
		data = f.pending[min(l.data, len(f.pending)):min(l.padding, len(f.pending))] // nothing of an undecided PDU has been sent yet
	}
	for _, r := range f.candidates {
		if r.armed.Strikes(f.header, data) {
			f.strikes = append(f.strikes, &struck{Strike: Strike{Armed: r.armed}, rule: r})
		}
	}
	f.candidates = nil
	return true
}

// send puts the pending bytes of the current PDU on their way, as the placed faults that strike it have them.
func (s *stream) send(digests pdu.Digests, whole bool) {
	f := &s.framing
	if len(f.pending) == 0 || !s.decide(digests, whole) {
		return
	}
	strikes := make([]*Strike, len(f.strikes))
	for i, hit := range f.strikes {
		at, known := hit.rule.fault.Byte.Locate(f.header, digests, f.size, whole)
		if !known {
			return // a later Write completes the header
		}
		hit.At, strikes[i] = at, &hit.Strike
	}
	pending, from := f.pending, f.size-len(f.pending)
	f.pending = nil
	if len(strikes) == 0 {
		s.pushData(pending, segment{})
		return
	}
	s.apply(Carve(strikes, pending, from, whole))
}

// apply carries out what the strikes on a PDU made of a run of its bytes.
func (s *stream) apply(c Carved) {
	for _, effect := range c.Effects {
		if effect != c.End {
			s.link.network.fire(s.ruleOf(effect), s.link.name, effectWords[effect.Armed.fault.Verb])
		}
	}
	for i, b := range c.Segments {
		like := segment{slow: c.Slow, divided: len(c.Segments) > 1}
		if i > 0 {
			like.slow, like.gap = 0, c.Pause
		}
		if i == len(c.Segments)-1 && c.Wait != nil {
			like.wait = s.ruleOf(c.Wait)
		}
		s.pushData(b, like)
	}
	if c.End == nil || s.lost {
		return
	}
	r := s.ruleOf(c.End)
	s.link.network.fire(r, s.link.name, stateCut)
	if r.fault.Verb != Silence {
		s.link.cutHere(s, r.fault.Verb)
		return
	}
	s.push(segment{kind: segmentHold, rule: r})
	s.pushData(c.Rest, segment{})
}

// effectWords are the reasons of the "fault" events of placed faults that end nothing.
var effectWords = map[Verb]string{Drop: "dropped", Delay: "delayed", Corrupt: "corrupted", Truncate: "truncated", Split: "split"}

func (s *stream) ruleOf(strike *Strike) *rule {
	i := slices.IndexFunc(s.framing.strikes, func(h *struck) bool { return &h.Strike == strike })
	return s.framing.strikes[i].rule
}

// cutHere ends the connection behind what s has on its way: the receiver sees the end after that, the sender a moment later.
func (c *link) cutHere(s *stream, v Verb) {
	kind := segmentReset
	if v == Fin {
		kind = segmentFin
	}
	back := c.opposite(s.toward).in
	s.push(segment{kind: kind, sure: true})
	s.lost, s.ended = true, v == Fin
	if v == Reset {
		back.drop()
	}
	back.due = max(back.due, s.due)
	back.push(segment{kind: kind, sure: true})
	back.lost, back.ended = true, v == Fin
	c.network.record(trace.Event{Kind: kindLink, Node: nodeNetwork, Conn: c.name, To: c.portal.String(), State: stateCut, Reason: string(v)})
}
