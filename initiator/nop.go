package initiator

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// pingAnswersMax bounds the answers to the target's pings and the SNACKs that wait to be sent: a target that does not read must not make them
// grow.
const pingAnswersMax = 1024

// Ping sends a NOP-Out with data and returns what the target sends back, which the target may cut short. Data longer than
// the target takes in one PDU is refused with ErrNotSupported, and so is a ping in a discovery session.
// A target that does not answer within LoginConfig.AnswerTimeout loses the connection.
func (s *Session) Ping(ctx context.Context, data []byte) ([]byte, error) {
	s.mu.Lock()
	if s.info.Type == DiscoverySession {
		s.mu.Unlock()
		return nil, fmt.Errorf("ping in a discovery session: %w", ErrNotSupported)
	}
	if c := s.lead(); c != nil && len(data) > c.peerLimit {
		s.mu.Unlock()
		return nil, fmt.Errorf("ping of %d bytes, want at most %d: %w", len(data), c.peerLimit, ErrNotSupported)
	}
	t, err := s.open(taskPing, s.cfg.AnswerTimeout, ErrPingTimeout)
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	x := t.exchange
	ttt := pdu.ReservedTag
	if s.dev.NOP.ZeroTTT {
		ttt = 0
	}
	x.sent = len(data)
	t.conn.sendPing(t.itt, ttt, 0, bytes.Clone(data))
	s.mu.Unlock()
	if err := x.wait(ctx); err != nil {
		return nil, err
	}
	return x.data, nil
}

// sendPing queues a NOP-Out; being immediate it leaves CmdSN alone (RFC 7143, Section 11.18). The mutex is held.
func (c *connection) sendPing(itt, ttt uint32, lun uint64, data []byte) {
	e := sendEntry{data: data}
	p := pdu.NOPOut{Immediate: true, LUN: lun, ITT: itt, TTT: ttt, CmdSN: c.s.window.next, Data: data}
	p.EncodeBHS(&e.header)
	c.send(e)
}

// receiveNOPIn takes an answer to a ping of ours, or answers one of the target's (RFC 7143, Section 11.19).
func (c *connection) receiveNOPIn(h *pdu.BHS) error {
	var p pdu.NOPIn
	if err := p.DecodeBHS(h); err != nil {
		return err
	}
	data, err := c.segment(h)
	if err != nil {
		return err
	}
	dev := &c.s.dev.NOP
	if dev.SwallowsAfterData && len(data) > 0 {
		if _, err := c.reader.ReadHeader(h); err != nil {
			return err
		}
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if dev.TargetTagFirst && p.TTT != pdu.ReservedTag && p.ITT != pdu.ReservedTag {
		c.expStatSN++
		p.ITT = pdu.ReservedTag
	}
	if err := lawfulPing(&p, dev); err != nil {
		return err
	}
	if p.ITT == pdu.ReservedTag {
		c.announced(p.StatSN)
		c.note(p.ExpCmdSN, p.MaxCmdSN)
		if c.s.dev.Sequencing.PingAdvancesStatSN {
			c.expStatSN++
		}
		if dev.AnswersEverything && p.TTT == pdu.ReservedTag {
			c.sendPing(pdu.ReservedTag, p.TTT, p.LUN, nil)
		}
		if p.TTT != pdu.ReservedTag && c.phase < phaseLeaving && !c.ignoresPings() && (!c.s.dev.Sequencing.PingAnswerNeedsWindow || c.s.window.open()) {
			if c.s.dev.Session.ZeroLUNInPingAnswer || dev.AnyLUN && !possible(p.LUN) {
				p.LUN = 0
			}
			if dev.LosesPings && p.TTT%100 == 0 {
				return nil
			}
			if c.answers++; c.answers > pingAnswersMax {
				return &ProtocolError{
					Opcode: pdu.OpNOPIn, Field: "Target Transfer Tag", Got: fmt.Sprintf("%d pings whose answers are not taken", c.answers),
					Want: fmt.Sprintf("at most %d", pingAnswersMax), Clause: "RFC 7143, Section 11.19",
				}
			}
			c.sendPing(pdu.ReservedTag, p.TTT, p.LUN, nil)
			if c.s.dev.Sequencing.PingAnswerTakesCmdSN {
				c.s.window.take()
			}
		}
		return nil
	}
	fresh, err := c.numbered(pdu.OpNOPIn, p.StatSN)
	if err != nil || !fresh {
		return err
	}
	c.note(p.ExpCmdSN, p.MaxCmdSN)
	t := c.task(p.ITT)
	switch {
	case dev.UnknownTagDeafens && (t == nil || t.kind != taskPing):
		return errDeafened
	case t == nil || t.kind != taskPing, dev.WaitsForWholeEcho && len(data) < t.exchange.sent:
		return nil
	}
	t.exchange.data = bytes.Clone(data)
	c.answer(t)
	return nil
}

// lawfulPing looks at the tags and the LUN of a NOP-In: it answers a ping or is one, never both, and a LUN that it names has to be
// possible, since the answer repeats it (RFC 7143, Section 11.19).
func lawfulPing(p *pdu.NOPIn, dev *NOPDeviations) error {
	switch {
	case p.TTT == pdu.ReservedTag:
	case p.ITT != pdu.ReservedTag:
		return &ProtocolError{
			Opcode: pdu.OpNOPIn, Field: "Target Transfer Tag", Got: fmt.Sprintf("0x%x in the answer to a ping", p.TTT),
			Want: "0xffffffff", Clause: "RFC 7143, Section 11.19",
		}
	case !possible(p.LUN) && !dev.AnyLUN:
		return &ProtocolError{
			Opcode: pdu.OpNOPIn, Field: "LUN", Got: fmt.Sprintf("0x%016x", p.LUN), Want: "a logical unit", Clause: "RFC 7143, Section 11.19",
		}
	}
	return nil
}

// possible tells whether a LUN can name a logical unit: all ones mean that none is specified (SAM-5, Section 4.7).
func possible(lun uint64) bool { return lun != ^uint64(0) }

// keepalive pings a target that has been silent for an interval, and gives the connection up when the silence goes on. It is
// driven by one timer and guarded by the session's mutex.
type keepalive struct {
	timer   *time.Timer
	pending bool
	sent    time.Time // Of the last ping, or since when more is waited for of a PDU that was on its way when the answer was due.
	itt     uint32    // Of the last ping; its task is free once it was answered.
	arrived uint64    // Bytes that had come at sent.
}

// start arms the timer, unless pings are switched off or not allowed in this session.
func (k *keepalive) start(c *connection) {
	if c.s.cfg.PingInterval <= 0 || c.s.info.Type == DiscoverySession {
		return
	}
	k.timer = time.AfterFunc(c.s.cfg.PingInterval, c.tick)
}

func (k *keepalive) stop() {
	if k.timer != nil {
		k.timer.Stop()
	}
}

// tick looks at how long the target has been silent, and says when to look again.
func (c *connection) tick() {
	c.s.mu.Lock()
	again, dead := c.examine(time.Now())
	if dead && c.s.dev.TaskManagement.AbortsPing {
		c.abortPing()
		c.ping.pending, dead = false, false
	}
	if again > 0 && c.broken == nil {
		c.ping.timer.Reset(again)
	}
	c.s.mu.Unlock()
	if dead {
		c.fail(ErrPingTimeout)
	}
}

// examine pings if it is time to, and reports whether the target has to be given up. The mutex is held.
func (c *connection) examine(now time.Time) (again time.Duration, dead bool) {
	k, cfg := &c.ping, &c.s.cfg
	if k.pending && c.heard.Before(k.sent) {
		left := cfg.PingTimeout - now.Sub(k.sent)
		if left <= 0 && c.reader.Arrived() != k.arrived {
			// A PDU is on its way, slowly; the answer can only come behind it. As long as more of it comes within each PingTimeout, that is waited for.
			k.sent, k.arrived = now, c.reader.Arrived()
			return cfg.PingTimeout, false
		}
		if left <= 0 {
			return cfg.PingInterval, !c.s.dev.Session.PingsNeverTimeOut
		}
		return left, false
	}
	k.pending = false
	if left := cfg.PingInterval - now.Sub(c.heard); left > 0 {
		return left, false
	}
	if !c.probe() {
		return cfg.PingInterval, false
	}
	k.pending, k.sent = true, now
	k.arrived = c.reader.Arrived()
	return min(cfg.PingTimeout, cfg.PingInterval), false
}

// probe sends a ping that nobody waits for, in the place of the one before: a target that shows in another way that it lives need not be given
// up, but its unanswered pings must not use up the tasks. It reports whether one could be sent. The mutex is held.
func (c *connection) probe() bool {
	if old := c.s.tasks.find(c.ping.itt); old != nil && old.keepalive && old.conn == c {
		c.s.retire(old)
	}
	t, err := c.open(taskPing, 0, nil)
	if err != nil {
		return false
	}
	c.ping.itt, t.keepalive = t.itt, true
	c.sendPing(t.itt, pdu.ReservedTag, 0, nil)
	return true
}
