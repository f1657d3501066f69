package initiator

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

const (
	// textAnswerLimit bounds the text that a target may send in one exchange, in bytes.
	textAnswerLimit = 4 << 20
	// textRoundLimit bounds the PDUs of one exchange in each direction.
	textRoundLimit = 4096
	// textRequestLimit is the longest data segment of a Text Request, in bytes, whatever the target would take.
	textRequestLimit = 8192
)

func itoa(n int) string { return strconv.Itoa(n) }

// Text runs one text exchange (RFC 7143, Section 11.10): it sends pairs, in several requests if they are long, and returns all that the
// target answers. A new MaxRecvDataSegmentLength of the target's takes effect; keys that this side does not know are answered
// NotUnderstood as long as the target lets the exchange go on. One exchange runs at a time; others wait.
func (s *Session) Text(ctx context.Context, pairs text.Pairs) (text.Pairs, error) {
	select {
	case s.textTurn <- struct{}{}:
	case <-s.ended:
		return nil, s.fate()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-s.textTurn }()
	return s.negotiateText(ctx, pairs)
}

// textExchange is the state of one exchange; its owner holds the session's text turn.
type textExchange struct {
	s       *Session
	c       *connection // Which carries it from the first request on.
	itt     uint32
	begun   bool
	ttt     uint32
	lun     uint64
	rounds  int
	answers []byte
}

// negotiateText runs an exchange. The caller holds the text turn.
func (s *Session) negotiateText(ctx context.Context, pairs text.Pairs) (text.Pairs, error) {
	s.mu.Lock()
	c := s.lead()
	s.mu.Unlock()
	if c == nil {
		return nil, s.fate()
	}
	return s.negotiateTextOn(ctx, c, pairs)
}

// negotiateTextOn runs an exchange on one connection, whose own parameters it may change.
func (s *Session) negotiateTextOn(ctx context.Context, c *connection, pairs text.Pairs) (text.Pairs, error) {
	x := &textExchange{s: s, c: c, ttt: pdu.ReservedTag, itt: pdu.ReservedTag}
	defer x.close()
	if s.dev.Discovery.ZeroTTT {
		x.ttt = 0
	}
	for todo, seen := pairs, 0; ; {
		if err := x.round(ctx, todo); err != nil {
			return nil, err
		}
		all, err := text.Parse(x.answers)
		if err != nil {
			return nil, fmt.Errorf("text response: %w", err)
		}
		todo = c.heedText(pairs, all[seen:])
		seen = len(all)
		if !x.begun {
			return all, nil
		}
	}
}

// round sends pairs and collects answers until the target has said what it has to say to them.
func (x *textExchange) round(ctx context.Context, pairs text.Pairs) error {
	parts := text.Split(pairs, x.c.textLimit())
	for i := 0; ; i++ {
		var part []byte
		more := i < len(parts)-1
		if i < len(parts) {
			part = parts[i]
		}
		answer, err := x.send(ctx, part, more)
		if err != nil {
			return err
		}
		x.answers = append(x.answers, answer.data...)
		if len(x.answers) > textAnswerLimit {
			return x.broken("data segments", fmt.Sprintf("more than %d bytes", textAnswerLimit), "less text")
		}
		if more && (answer.final || len(answer.data) > 0) {
			return x.broken("answer to a request with C=1", "text or F=1", "an empty Text Response with F=0")
		}
		if !more && !answer.partial {
			return nil
		}
	}
}

// send sends one Text Request and waits for its answer. All requests of an exchange carry one ITT, and the TTT and LUN of the answer
// before.
func (x *textExchange) send(ctx context.Context, part []byte, more bool) (*exchange, error) {
	if x.rounds++; x.rounds > textRoundLimit {
		return nil, x.broken("exchange", fmt.Sprintf("more than %d responses", textRoundLimit), "an end")
	}
	s := x.s
	s.mu.Lock()
	t, err := x.slot()
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	wait := t.exchange
	p := pdu.TextRequest{Immediate: true, Final: !more, Continue: more, LUN: x.lun, ITT: t.itt, TTT: x.ttt, CmdSN: s.window.next, Data: part}
	e := sendEntry{data: part}
	p.EncodeBHS(&e.header)
	x.itt = t.itt
	t.conn.send(e)
	s.mu.Unlock()
	if err := wait.wait(ctx); err != nil {
		return nil, err
	}
	return wait, x.advance(wait)
}

// slot opens the next round, in the slot that the exchange has if it has begun. The mutex is held.
func (x *textExchange) slot() (*task, error) {
	s, late := x.s, fmt.Errorf("text response %w", ErrTimeout)
	if !x.begun || s.dev.Discovery.FreshTagOnContinue {
		return x.c.open(taskText, s.cfg.AnswerTimeout, late)
	}
	t := s.tasks.find(x.itt)
	if t == nil || x.c.broken != nil {
		return nil, x.c.fate()
	}
	if err := x.c.silenced(); err != nil {
		return nil, err
	}
	t.exchange = x.c.newExchange(s.cfg.AnswerTimeout, late)
	return t, nil
}

// close gives the slot of an exchange back that did not come to its end.
func (x *textExchange) close() {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	t := x.s.tasks.find(x.itt)
	switch {
	case t == nil || t.kind != taskText:
	case t.exchange == nil:
		x.s.retire(t)
	default:
		t.answered = true // The answer, when it comes, ends it.
	}
}

// advance takes over what the next request has to carry.
func (x *textExchange) advance(answer *exchange) error {
	x.begun, x.ttt, x.lun = !answer.final, answer.ttt, answer.lun
	if x.s.dev.Discovery.ContinueOnTTT && answer.ttt != pdu.ReservedTag {
		x.begun = true
		return nil
	}
	if answer.final && answer.partial {
		return x.broken("F and C", "both set", "one of them")
	}
	if !answer.final && answer.ttt == pdu.ReservedTag {
		return x.broken("Target Transfer Tag", "0xffffffff with F=0", "another value")
	}
	return nil
}

// broken ends the connection: an exchange that went wrong cannot be told from the next one.
func (x *textExchange) broken(field, got, want string) error {
	err := &ProtocolError{Opcode: pdu.OpTextResponse, Field: field, Got: got, Want: want, Clause: "RFC 7143, Section 11.11"}
	x.c.fail(err)
	return err
}

// textLimit is the longest data segment of a Text Request now.
func (c *connection) textLimit() int {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return max(1, min(textRequestLimit, c.peerLimit))
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
	t := c.s.tasks.find(p.ITT)
	if t == nil || t.kind != taskText {
		return nil
	}
	x := t.exchange
	if x == nil {
		return nil // The target speaks twice; the rest of the exchange will show what it meant.
	}
	x.data, x.final, x.partial, x.ttt, x.lun = bytes.Clone(data), p.Final, p.Continue, p.TTT, p.LUN
	if p.Final || t.answered || c.s.dev.Discovery.FreshTagOnContinue {
		c.answer(t)
		return nil
	}
	c.over.exchanges = append(c.over.exchanges, x)
	t.exchange = nil
	return nil
}

// heedText applies what the target declares, and returns the answers to what it asks. What answers a key of sent needs no answer.
func (c *connection) heedText(sent, got text.Pairs) text.Pairs {
	var answers text.Pairs
	for _, p := range got {
		if _, ours := sent.Get(p.Key); ours && p.Key != "MaxRecvDataSegmentLength" {
			continue
		}
		switch p.Key {
		case "MaxRecvDataSegmentLength":
			c.setPeerLimit(p.Value)
		case "TargetName", "TargetAddress", "TargetAlias", "TargetPortalGroupTag":
			if a, ok := movesTo(text.Pairs{p}); ok && c.s.dev.Redirect.AnyAddressMoves {
				go c.s.wander(a.HostPort())
			}
		default:
			answers.Add(p.Key, "NotUnderstood")
		}
	}
	return answers
}

// setPeerLimit changes what one data segment to the target may hold, from the next sequence on.
func (c *connection) setPeerLimit(value string) {
	n, err := strconv.ParseUint(value, 0, 24)
	if err != nil || n < 512 {
		return
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.peerLimit = int(n)
}

// wander is the defect AnyAddressMoves in full feature phase: it dials a place that no login sent it to.
func (s *Session) wander(address string) {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.LoginTimeout)
	defer cancel()
	if nc, err := s.dialer.DialContext(ctx, "tcp", address); err == nil {
		_ = nc.Close() // Being seen there was the point.
	}
}
