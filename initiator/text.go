package initiator

import (
	"context"
	"fmt"
	"strconv"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

const (
	// textAnswerLimit bounds the text that a target may send in one exchange, in bytes.
	textAnswerLimit = 4 << 20
	// textPairLimit bounds the keys that a target may send in one exchange.
	textPairLimit = 1 << 16
	// textRoundLimit bounds the PDUs of one exchange in each direction.
	textRoundLimit = 4096
	// textRequestLimit is the longest data segment of a Text Request, in bytes, whatever the target would take.
	textRequestLimit = 8192
)

func itoa(n int) string { return strconv.Itoa(n) }

// Text runs one text exchange (RFC 7143, Section 11.10): it sends pairs, in several requests if they are long, and returns all that the
// target sends. What both sides declare comes into force when the target has ended the exchange, and not at all when it fails
// (Section 6.4): a new MaxRecvDataSegmentLength of the target's bounds what is sent from then on, one in pairs what is received.
// Keys that this side does not know are answered NotUnderstood, and those that belong to the login Reject, as long as the target
// lets the exchange go on. A target that declares a key twice gets the whole exchange once more.
//
// Pairs that may not be sent now are refused with a *text.KeyError: keys of the login, illegal values, SendTargets beside other keys,
// private keys in a discovery session. A *RejectError says that the target rejected the request; the session lives on. One exchange
// runs at a time; others wait. The end of ctx ends the wait, not the request that is under way: until that is answered no other
// exchange begins.
func (s *Session) Text(ctx context.Context, pairs text.Pairs) (text.Pairs, error) {
	if err := s.checkText(pairs); err != nil {
		return nil, fmt.Errorf("text request: %w", err)
	}
	if !s.dev.Text.Concurrent {
		select {
		case s.textTurn <- struct{}{}:
		case <-s.ended:
			return nil, s.fate()
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	type outcome struct {
		pairs text.Pairs
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		got, err := s.negotiateText(ctx, pairs)
		if !s.dev.Text.Concurrent {
			<-s.textTurn
		}
		done <- outcome{got, err}
	}()
	select {
	case o := <-done:
		return o.pairs, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// negotiateText runs an exchange. The caller holds the text turn. After the end of ctx no further request is sent.
func (s *Session) negotiateText(ctx context.Context, pairs text.Pairs) (text.Pairs, error) {
	s.mu.Lock()
	c, fate := s.lead(), error(nil)
	if c == nil {
		fate = s.fate()
	}
	s.mu.Unlock()
	if c == nil {
		return nil, fate
	}
	return s.negotiateTextOn(ctx, c, pairs)
}

// negotiateTextOn runs an exchange on one connection, whose own parameters it may change.
func (s *Session) negotiateTextOn(ctx context.Context, c *connection, pairs text.Pairs) (text.Pairs, error) {
	x := newTextExchange(c, pairs)
	defer x.close()
	for todo := pairs; ; {
		if err := x.round(ctx, todo); err != nil {
			if s.dev.Discovery.PartIsWhole && len(x.got) > 0 {
				return x.got, nil
			}
			return nil, err
		}
		switch {
		case x.repeated != nil && x.resets > 0:
			return nil, x.broken("key", x.repeated.String()+" again", "each key once")
		case x.repeated != nil:
			x.reset()
			todo = pairs
		case x.fault != nil:
			return nil, fmt.Errorf("text response: %w", x.fault)
		case x.over:
			return x.got, nil
		default:
			todo = x.reply
		}
	}
}

// round sends pairs and hears the target until it has said what it has to say to them.
func (x *textExchange) round(ctx context.Context, pairs text.Pairs) error {
	parts := text.Split(pairs, x.c.textLimit())
	for i := 0; ; i++ {
		var part []byte
		if i < len(parts) {
			part = parts[i]
		}
		x.more = i < len(parts)-1
		if err := x.send(ctx, part); err != nil {
			return err
		}
		if !x.more && !x.partial {
			return nil
		}
	}
}

// send sends one Text Request and waits for its answer. All requests of an exchange carry one ITT and I bit, and the TTT and LUN of
// the answer before.
func (x *textExchange) send(ctx context.Context, part []byte) error {
	if x.rounds++; x.rounds > textRoundLimit {
		return x.broken("exchange", fmt.Sprintf("more than %d responses", textRoundLimit), "an end")
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s := x.s
	s.mu.Lock()
	t, err := x.slot()
	if err != nil {
		s.mu.Unlock()
		return err
	}
	wait := t.exchange
	p := pdu.TextRequest{
		Immediate: true, Final: !x.more, Continue: x.more, LUN: x.lun, ITT: t.itt, TTT: x.ttt, CmdSN: s.window.next, Data: part,
	}
	x.mistake(&p)
	e := sendEntry{data: part}
	p.EncodeBHS(&e.header)
	x.itt = t.itt
	t.conn.send(e)
	s.mu.Unlock()
	<-wait.done
	return wait.err
}

// slot opens the next round, in the slot that the exchange has if it has begun. The mutex is held.
func (x *textExchange) slot() (*task, error) {
	s, late := x.s, fmt.Errorf("text response %w", ErrTimeout)
	t := s.tasks.find(x.itt)
	switch {
	case !x.begun || s.dev.Discovery.FreshTagOnContinue:
		var err error
		if t, err = x.c.open(taskText, s.cfg.AnswerTimeout, late); err != nil {
			return nil, err
		}
	case t == nil || x.c.broken != nil:
		return nil, x.c.fate()
	default:
		if err := x.c.silenced(); err != nil {
			return nil, err
		}
		t.exchange = x.c.newExchange(s.cfg.AnswerTimeout, late)
	}
	t.exchange.text = x
	return t, nil
}

// close gives the slot of an exchange back that did not come to its end.
func (x *textExchange) close() {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	if t := x.s.tasks.find(x.itt); t != nil && t.kind == taskText && t.exchange == nil {
		x.s.retire(t)
	}
}

// broken ends the connection: an exchange that went wrong cannot be told from the next one.
func (x *textExchange) broken(field, got, want string) error {
	err := wrongText(field, got, want)
	x.c.fail(err)
	return err
}

func wrongText(field, got, want string) error {
	return &ProtocolError{Opcode: pdu.OpTextResponse, Field: field, Got: got, Want: want, Clause: "RFC 7143, Section 11.11"}
}

// textLimit is the longest data segment of a Text Request now.
func (c *connection) textLimit() int {
	if c.s.dev.Text.LoginLimit {
		return textRequestLimit
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return max(1, min(textRequestLimit, c.peerLimit))
}
