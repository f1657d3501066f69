package simtarget

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// textExchange is a Text Request and Response exchange that goes on over several PDUs (RFC 7143, Section 6.4). There is one at a time on a
// connection.
type textExchange struct {
	open      bool
	itt, ttt  uint32
	assembler text.Assembler
	said      []string // the keys that the initiator has negotiated or declared in the exchange: each once
	answered  bool     // the answer was made: parts holds what is left of it
	parts     [][]byte // to be sent, one each request
	receives  int      // MaxRecvDataSegmentLength as declared; it counts when the exchange has ended. 0 when it was not declared
}

// saidMax bounds the keys that one exchange may settle.
const saidMax = 64

// textRequest takes a Text Request (RFC 7143, Section 11.10).
func (s *session) textRequest(c *connection, r *request) {
	var p pdu.TextRequest
	if p.DecodeBHS(&r.bhs) != nil {
		return
	}
	dev := &s.array.dev.Text
	if s.faultyText(c, &p, r) {
		return
	}
	if s.array.dev.Discovery.DropTextUnderDigests && s.discovery && c.digests != (pdu.Digests{}) {
		s.later(func() { s.array.closeConnection(s, c, EndFIN, reasonDropped) })
		return
	}
	x := &c.textState
	switch {
	case p.ITT == pdu.ReservedTag, p.Final && p.Continue && !dev.AppliesIllegal:
		s.refuseText(c, &r.bhs, pdu.RejectInvalidPDUField)
		return
	case p.TTT == pdu.ReservedTag && dev.NeverRestarts && x.open && x.itt == p.ITT:
		s.refuseText(c, &r.bhs, pdu.RejectProtocolError)
		return
	case p.TTT == pdu.ReservedTag:
		itt := p.ITT
		if dev.MixesUp && x.open {
			itt = x.itt
		}
		*x = textExchange{open: true, itt: itt, assembler: text.Assembler{MaxBytes: textBytesMax}}
	case !x.open || x.ttt != p.TTT || x.itt != p.ITT && !dev.OldTag:
		s.refuseText(c, &r.bhs, pdu.RejectInvalidPDUField)
		return
	}
	if x.answered && len(x.parts) > 0 {
		s.textPart(c, p.Final)
		return
	}
	pairs, complete, err := x.assembler.Add(r.data, p.Continue && !p.Final)
	if err != nil {
		*x = textExchange{}
		s.refuseText(c, &r.bhs, pdu.RejectProtocolError)
		return
	}
	if !complete {
		x.ttt = s.newTTT()
		s.send(c, &pdu.TextResponse{ITT: x.itt, TTT: x.ttt, Data: s.cutPair(x)})
		return
	}
	if !x.note(pairs) && !dev.TakesRepeated {
		*x = textExchange{}
		s.refuseText(c, &r.bhs, pdu.RejectProtocolError)
		return
	}
	h, final := r.bhs, p.Final
	s.later(func() { s.textAnswer(c, h, pairs, final) })
}

// note remembers what the initiator has said, and reports whether it said each key once only (RFC 7143, Section 6.4).
func (x *textExchange) note(pairs text.Pairs) bool {
	for _, pair := range pairs {
		if pair.Key == text.KeySendTargets {
			continue
		}
		for _, key := range x.said {
			if key == pair.Key {
				return false
			}
		}
		if len(x.said) == saidMax {
			return false
		}
		x.said = append(x.said, pair.Key)
	}
	return true
}

// textBytesMax bounds the text of one exchange.
const textBytesMax = 64 << 10

// textAnswer makes the answer to a complete text. It runs without the session's lock, since it asks for the array's.
func (s *session) textAnswer(c *connection, h pdu.BHS, pairs text.Pairs, final bool) {
	rule := s.array.textRule(s)
	answers := s.answerText(c, pairs)
	partLength := c.params.PeerMaxRecvDataSegmentLength
	if rule != nil {
		if rule.Silence || rule.Delay > 0 && !c.pause(rule.Delay) {
			return
		}
		if rule.Drop != "" {
			s.array.closeConnection(s, c, rule.Drop, reasonDropped)
			return
		}
		answers = rule.apply(answers)
		if rule.PartLength > 0 {
			partLength = rule.PartLength
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.attached {
		return
	}
	if rule != nil && rule.Reject != 0 {
		s.reject(c, &h, rule.Reject)
		return
	}
	if s.array.dev.Text.ProposesWhenFinal && final {
		answers.Add("X-com.example.offer", "1")
	}
	c.textState.answered = true
	c.textState.parts = text.Split(answers, partLength)
	if s.array.dev.Listing.Truncates {
		c.textState.parts = c.textState.parts[:min(1, len(c.textState.parts))]
	}
	s.textPart(c, final)
	s.digestsByText(c, pairs)
}

// textPart sends the next part of the answer. The exchange ends with the last part, in answer to a request with the F bit; what it has
// settled counts from then on.
func (s *session) textPart(c *connection, final bool) {
	x, dev := &c.textState, &s.array.dev.Text
	p := pdu.TextResponse{ITT: x.itt, TTT: pdu.ReservedTag}
	if len(x.parts) > 0 {
		p.Data, x.parts = x.parts[0], x.parts[1:]
	}
	p.Continue = len(x.parts) > 0
	p.Final = (final || dev.AlwaysFinal) && !p.Continue
	if p.Final {
		if dev.KeepsTTT {
			p.TTT = 0
		}
		s.send(c, &p)
		if x.receives > 0 && !s.array.dev.Values.RedeclaredIgnored {
			s.receives(c, x.receives)
		}
		*x = textExchange{}
		return
	}
	x.ttt = s.newTTT()
	if !dev.OpenWithReservedTTT {
		p.TTT = x.ttt
	}
	s.send(c, &p)
	if s.array.dev.Values.StreamsText && p.Continue {
		s.textPart(c, final)
	}
}

func (r *TextRule) apply(answers text.Pairs) text.Pairs {
	if r.Replace != nil || r.Empty {
		answers = nil
		for _, p := range r.Replace {
			answers.Add(p.Key, p.Value)
		}
	}
	for _, p := range r.Add {
		answers.Add(p.Key, p.Value)
	}
	return answers
}

// answerText answers the keys of a text in full feature phase (RFC 7143, Section 6.4).
func (s *session) answerText(c *connection, pairs text.Pairs) text.Pairs {
	var answers text.Pairs
	listed := false
	for _, pair := range pairs {
		key, known := text.Lookup(pair.Key)
		switch {
		case pair.Key == text.KeySendTargets && listed: // A list for each repetition would be an answer without measure.
			answers.Add(pair.Key, text.Reject)
		case pair.Key == text.KeySendTargets:
			listed = true
			answers = append(answers, s.sendTargets(c, pair.Value)...)
		case !known && s.array.dev.Text.EmptyForUnknown:
		case !known:
			answers.Add(pair.Key, text.NotUnderstood)
		case s.array.dev.Sessions.DigestsByText && key.Name == text.KeyHeaderDigest:
			answers.Add(pair.Key, "CRC32C")
		case s.array.dev.Listing.NegotiatesBurst && s.discovery && key.Name == text.KeyMaxBurstLength,
			s.array.dev.Values.NegotiatesInFullFeature && key.Name == text.KeyMaxBurstLength:
			answers.Add(pair.Key, pair.Value)
		case s.discovery && key.Negotiated():
			answers.Add(pair.Key, text.Irrelevant)
		case s.discovery: // SendTargets is all that it is for (RFC 7143, Section 4.3).
			answers.Add(pair.Key, text.Reject)
		case pair.Key == text.KeyMaxRecvDataSegmentLength:
			s.redeclare(c, key, pair.Value, &answers)
		case key.Function == text.Declarative && key.Use != text.LeadingOnly && key.Senders&text.Initiator != 0:
		case pair.Key == text.KeyInitiatorAlias:
		default:
			answers.Add(pair.Key, text.Reject)
		}
	}
	return answers
}

// redeclare takes a new MaxRecvDataSegmentLength of the initiator, which counts from the end of the exchange on (RFC 7143, Sections 6.4 and
// 13.12).
func (s *session) redeclare(c *connection, key text.Key, value string, answers *text.Pairs) {
	dev := &s.array.dev.Text
	n, valid := text.ParseNumber(value)
	if !valid || n < key.Min && !dev.AppliesTooSmall || n > key.Max {
		answers.Add(key.Name, text.Reject)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.textState.receives = n
	if dev.AppliesAtOnce {
		c.params.PeerMaxRecvDataSegmentLength = n
	}
}
