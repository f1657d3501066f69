package initiator

import (
	"bytes"
	"context"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// textExchange is the state of one text exchange (RFC 7143, Section 6.4). Its requester writes while no request is under way, the
// reader of the connection while one is.
type textExchange struct {
	s *Session
	c *connection // Which carries it.
	// sent is what this side asks or declares. listing says that it is SendTargets, whose answer holds records and no keys of a
	// negotiation (RFC 7143, Appendix C).
	sent    text.Pairs
	listing bool

	itt    uint32
	ttt    uint32
	lun    uint64
	begun  bool // The slot is held: the target has let the exchange go on.
	more   bool // The request under way has C=1.
	rounds int
	resets int

	got     text.Pairs      // All that the target has sent.
	heeded  int             // How many of got have been acted on.
	keys    map[string]bool // What the target has sent once.
	rest    []byte          // Of a pair whose end is still to come.
	size    int             // Bytes of text so far.
	partial bool            // The last response had C=1.
	over    bool            // The target has ended the exchange.

	reply     text.Pairs // What the next request has to say.
	own, peer int        // What comes into force at the end, as MaxRecvDataSegmentLength; 0 is no change.
	repeated  *text.Pair // A key that came twice.
	fault     error      // Why the negotiation has failed.
}

func newTextExchange(c *connection, pairs text.Pairs) *textExchange {
	x := &textExchange{s: c.s, c: c, sent: pairs, ttt: pdu.ReservedTag, itt: pdu.ReservedTag, keys: make(map[string]bool)}
	_, x.listing = pairs.Get(text.KeySendTargets)
	x.declareOwn()
	if c.s.oldTTT != 0 {
		x.ttt = c.s.oldTTT
	}
	if c.s.dev.Discovery.ZeroTTT {
		x.ttt = 0
	}
	return x
}

// declareOwn notes what this side declares in the exchange.
func (x *textExchange) declareOwn() {
	if value, ok := x.sent.Get(text.KeyMaxRecvDataSegmentLength); ok {
		x.own, _ = text.ParseNumber(value)
	}
}

// reset forgets what the target has said: the next request begins the negotiation anew, which the reserved Target Transfer Tag tells
// the target.
func (x *textExchange) reset() {
	x.resets++
	x.ttt, x.lun = pdu.ReservedTag, 0
	x.got, x.heeded, x.rest, x.reply = nil, 0, nil, nil
	x.peer, x.repeated, x.fault = 0, nil, nil
	clear(x.keys)
	x.declareOwn()
}

// receiveText hands a Text Response to the exchange that waits for it.
func (c *connection) receiveText(h *pdu.BHS) error {
	var p pdu.TextResponse
	if err := p.DecodeBHS(h); err != nil {
		return err
	}
	data, err := c.segment(h)
	if err != nil {
		return err
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	fresh, err := c.numbered(pdu.OpTextResponse, p.StatSN)
	if err != nil || !fresh {
		return err
	}
	c.note(p.ExpCmdSN, p.MaxCmdSN)
	t := c.task(p.ITT)
	if c.s.dev.Text.MatchByOpcode {
		t = c.s.tasks.first(taskText)
	}
	if t == nil || t.kind != taskText || t.exchange == nil {
		return nil // The target speaks unasked; the exchange, if there is one, will show what it meant.
	}
	wait := t.exchange
	if err := wait.text.take(&p, data); err != nil {
		return err
	}
	if p.Final || c.s.dev.Discovery.FreshTagOnContinue {
		c.answer(t)
		return nil
	}
	c.over.exchanges = append(c.over.exchanges, wait)
	t.exchange = nil
	return nil
}

// take takes a response in. An error is one of the protocol, which ends the connection. The mutex is held.
func (x *textExchange) take(p *pdu.TextResponse, data []byte) error {
	dev := &x.s.dev.Discovery
	reserved := !p.Final && p.TTT == pdu.ReservedTag
	switch {
	case x.more && (p.Final || len(data) > 0):
		return wrongText("answer to a request with C=1", "text or F=1", "an empty Text Response with F=0")
	case p.Final && p.Continue:
		return wrongText("F and C", "both set", "one of them")
	case reserved && !dev.FreshOnReservedTTT:
		return wrongText("Target Transfer Tag", "0xffffffff with F=0", "another value")
	}
	if x.s.dev.Text.ResumesExchange {
		x.s.lostTTT = p.TTT
	}
	x.begun, x.ttt, x.lun, x.partial = !p.Final, p.TTT, p.LUN, p.Continue
	if reserved {
		x.reply = x.sent
	}
	if err := x.collect(data, !p.Continue && p.Final); err != nil {
		return err
	}
	if x.more || p.Continue {
		return nil
	}
	x.heed()
	if x.over = p.Final && (!dev.ContinueOnTTT || p.TTT == pdu.ReservedTag); !x.over || x.listing {
		return nil
	}
	if x.repeated != nil {
		return wrongText("key", x.repeated.String()+" again", "each key once")
	}
	x.conclude()
	return nil
}

// collect adds the text of one response. Without last, a pair that has no end yet waits for the next response.
func (x *textExchange) collect(data []byte, last bool) error {
	if x.size += len(data); x.size > textAnswerLimit {
		return wrongText("data segments", fmt.Sprintf("more than %d bytes", textAnswerLimit), "less text")
	}
	if len(x.rest) > 0 {
		data = append(x.rest, data...)
	}
	whole := bytes.LastIndexByte(data, 0) + 1
	if last {
		whole = len(data)
	}
	pairs, err := text.Parse(data[:whole])
	if err != nil && x.fault == nil {
		x.fault = err
	}
	if x.got = append(x.got, pairs...); len(x.got) > textPairLimit {
		return wrongText("keys", fmt.Sprintf("more than %d", textPairLimit), "fewer")
	}
	x.rest = bytes.Clone(data[whole:])
	return nil
}

// heed acts on what has come since the last whole text, and makes the answers that it calls for.
func (x *textExchange) heed() {
	fresh := x.got[x.heeded:]
	x.heeded = len(x.got)
	if x.listing {
		return
	}
	x.reply = nil
	for i, p := range fresh {
		if x.keys[p.Key] && p.Key != text.KeyTargetAddress && !x.s.dev.Text.LastDeclarationWins && x.repeated == nil {
			x.repeated = &fresh[i]
		}
		x.keys[p.Key] = true
		x.heedPair(p)
	}
}

func (x *textExchange) heedPair(p text.Pair) {
	key, known := text.Lookup(p.Key)
	_, answer := x.sent.Get(p.Key)
	switch {
	case p.Key == text.KeyMaxRecvDataSegmentLength && answer && text.Reserved(p.Value):
		x.own = 0 // The target does not take what this side declared.
	case p.Key == text.KeyMaxRecvDataSegmentLength:
		x.heedLength(key, p)
	case answer || text.Reserved(p.Value):
	case known && key.Function == text.Declarative && key.Senders&text.Target != 0:
		if a, ok := movesTo(text.Pairs{p}); ok && x.s.dev.Redirect.AnyAddressMoves {
			go x.s.wander(a.HostPort())
		}
	case known:
		x.reply.Add(p.Key, text.Reject) // It may not be negotiated in full feature phase.
	case !x.s.dev.Text.DropUnknownKeys:
		x.reply.Add(p.Key, text.NotUnderstood)
	}
}

// heedLength notes what the target says that it can receive.
func (x *textExchange) heedLength(key text.Key, p text.Pair) {
	if !key.Admits(p.Value) {
		if x.fault == nil {
			x.fault = &text.KeyError{
				Key: p.Key, Value: p.Value, Want: fmt.Sprintf("a number from %d to %d", key.Min, key.Max), Clause: key.Clause,
			}
		}
		return
	}
	x.peer, _ = text.ParseNumber(p.Value)
}

// conclude brings into force what both sides have declared, if the negotiation has not failed. The mutex is held.
func (x *textExchange) conclude() {
	if x.fault != nil {
		return
	}
	if x.s.dev.Text.PeerLimitIsOwn && x.peer > 0 {
		x.own, x.peer = x.peer, 0
	}
	if x.peer > 0 {
		x.c.peerLimit = x.peer
	}
	if x.own > 0 && x.own != x.c.ownLimit {
		x.c.ownLimit = x.own
		x.c.epoch++
		x.c.reader.SetLimits(pdu.Limits{MaxDataSegmentLength: x.own})
	}
}

// wander is the defect AnyAddressMoves in full feature phase: it dials a place that no login sent it to.
func (s *Session) wander(address string) {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.LoginTimeout)
	defer cancel()
	if nc, err := s.dialer.DialContext(ctx, "tcp", address); err == nil {
		_ = nc.Close() // Being seen there was the point.
	}
}
