package initiator

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/trace"
)

// drainLimit is the longest that a session waits for open tasks after the target has asked for a logout. It never waits longer
// than half of the time that the target gives.
const drainLimit = 2 * time.Second

// dropPatience is how long, at least, a connection that the target has promised to drop is left to the target.
const dropPatience = time.Second

// receiveAsync acts on an Async Message (RFC 7143, Section 11.9).
func (c *connection) receiveAsync(h *pdu.BHS) error {
	var p pdu.AsyncMessage
	if err := p.DecodeBHS(h); err != nil {
		return err
	}
	data, err := c.segment(h)
	if err != nil {
		return err
	}
	c.s.mu.Lock()
	fresh, err := c.numbered(pdu.OpAsyncMessage, p.StatSN)
	if c.s.dev.Async.Uncounted && fresh {
		c.expStatSN--
	}
	if err == nil && fresh {
		c.note(p.ExpCmdSN, p.MaxCmdSN)
		c.heed(&p)
	}
	c.s.mu.Unlock()
	if err == nil && fresh {
		err = c.misheard(&p, data)
	}
	if err != nil || !fresh {
		return err
	}
	c.s.cfg.Log.Record(trace.Event{
		Kind: trace.KindNote, Node: trace.NodeInitiator, From: c.at.current.HostPort(), State: "async", Reason: p.Event.String(),
	})
	if tell := c.s.cfg.OnAsync; tell != nil {
		tell(AsyncEvent{
			Event: byte(p.Event), VendorCode: p.VendorCode, Parameter1: p.Parameter1, Parameter2: p.Parameter2, Parameter3: p.Parameter3,
			LUN: p.LUN, Sense: asyncSense(&p, data),
		})
	}
	return nil
}

// misheard is where a deviating initiator lets an event harm the connection. The mutex is not held.
func (c *connection) misheard(p *pdu.AsyncMessage, data []byte) error {
	dev := &c.s.dev.Async
	vendor := p.Event >= 248
	switch {
	case dev.DropOnSCSIEvent && p.Event == pdu.AsyncSCSI, dev.VendorDataAsSense && vendor && len(data) > 0:
		return ErrAsyncDrop
	case dev.UnknownEventDeafens && p.Event > pdu.AsyncTasksTerminated && !vendor:
		return errDeafened
	}
	return nil
}

// heed does what the event asks for. The mutex is held.
func (c *connection) heed(p *pdu.AsyncMessage) {
	s, wait := c.s, p.Parameter2
	if s.dev.Session.AsyncWaitFromParameter1 {
		wait = p.Parameter1
	}
	if s.dev.Session.AsyncWaitFromParameter3 {
		wait = p.Parameter3
	}
	switch p.Event {
	case pdu.AsyncLogoutRequest:
		if !s.dev.Session.IgnoreLogoutRequest {
			c.drain(s.dev.Async.given(p.Parameter3))
		}
	case pdu.AsyncConnectionDrop:
		if s.dev.Session.AsyncWaitFromParameter1 || s.dev.Async.DropOfCarrier {
			p.Parameter1 = c.cid
		}
		if named := s.byCID(p.Parameter1); named != nil {
			named.expectDrop(p.Event, time.Duration(wait)*time.Second)
			named.notice.time2Retain = time.Duration(p.Parameter3) * time.Second
		}
	case pdu.AsyncSessionDrop:
		for _, other := range s.conns {
			other.expectDrop(p.Event, time.Duration(wait)*time.Second)
			other.notice.time2Retain = time.Duration(p.Parameter3) * time.Second
		}
	case pdu.AsyncTasksTerminated:
		c.tasksTerminated(p)
	case pdu.AsyncNegotiation:
		if !s.dev.Session.IgnoreNegotiationRequest {
			go c.renegotiate(time.Duration(p.Parameter3) * time.Second)
		}
	}
}

// asyncSense cuts the sense data out of the data segment of event 0.
func asyncSense(p *pdu.AsyncMessage, data []byte) []byte {
	if p.Event != pdu.AsyncSCSI || len(data) < 2 {
		return nil
	}
	n := int(binary.BigEndian.Uint16(data))
	return bytes.Clone(data[2:min(len(data), 2+n)])
}

// drain begins the logout that the target asked for: nothing new is sent, what is open may end for a while, then the Logout Request goes
// out, well within the time that the target gave. The mutex is held.
func (c *connection) drain(given time.Duration) {
	dev := &c.s.dev.Async
	if dev.RepeatLogsOutAgain && c.phase == phaseLeaving {
		c.phase = phaseDraining
		c.leaveAsAsked()
	}
	if c.phase != phaseOpen {
		return
	}
	c.notice.async, c.notice.planned = byte(pdu.AsyncLogoutRequest), true
	c.drainFor(dev.patience(given))
}

// patience is how long open commands may go on after event 1; Never, of a deviating initiator, is without end.
func (d *AsyncDeviations) patience(given time.Duration) time.Duration {
	switch {
	case d.WaitForWrites, d.ZeroIsNoDeadline && given == 0:
		return Never
	case d.DeadlineInMinutes:
		return given / 2
	}
	return min(given/2, drainLimit)
}

// drainFor sends nothing new on the connection and logs it out when what is open has ended, at the latest after patience unless that is
// Never. The mutex is held.
func (c *connection) drainFor(patience time.Duration) {
	if c.phase != phaseOpen {
		return
	}
	c.phase = phaseDraining
	c.drained()
	if c.phase == phaseDraining && patience >= 0 {
		c.notice.timer = time.AfterFunc(patience, func() {
			c.s.mu.Lock()
			defer c.s.mu.Unlock()
			c.leaveAsAsked()
		})
	}
}

// given is the time that event 1 gives.
func (d *AsyncDeviations) given(parameter3 uint16) time.Duration {
	if d.DeadlineInMinutes {
		return time.Duration(parameter3) * time.Minute
	}
	return time.Duration(parameter3) * time.Second
}

// drained sends the Logout Request when the last open command has ended. The mutex is held.
func (c *connection) drained() {
	if c.phase == phaseDraining && c.commands == 0 {
		c.leaveAsAsked()
	}
}

// leaveAsAsked sends the Logout Request at the end of a drain: for the connection if the session can go on without it, for the session
// otherwise. The mutex is held.
func (c *connection) leaveAsAsked() {
	switch {
	case c.phase != phaseDraining:
	case c.s.hasOther(c):
		c.leaveAlone()
	default:
		_, _ = c.leave(ErrAsyncLogout) // If it cannot be sent, the connection is ending anyway.
	}
}

// expectDrop remembers that the target is about to end the connection, and ends it itself if the target does not. The mutex is held.
func (c *connection) expectDrop(event pdu.AsyncEvent, wait time.Duration) {
	n := &c.notice
	if c.s.byUser || c.s.dev.Session.IgnoreDrop {
		return
	}
	n.async, n.planned, n.time2Wait, n.hasWait = byte(event), true, wait, true
	if n.timer != nil {
		n.timer.Stop()
	}
	n.timer = time.AfterFunc(max(wait, dropPatience), func() { c.fail(ErrAsyncDrop) })
}

// renegotiate answers event 4 with a text negotiation, which declares anew what this side can receive. If a text exchange runs already,
// that is the answer.
func (c *connection) renegotiate(given time.Duration) {
	s := c.s
	select {
	case s.textTurn <- struct{}{}:
	default:
		return
	}
	defer func() { <-s.textTurn }()
	ctx, cancel := context.WithTimeout(context.Background(), max(given, s.cfg.AnswerTimeout))
	defer cancel()
	s.mu.Lock()
	own := c.ownLimit
	s.mu.Unlock()
	pairs := text.Pairs{{Key: text.KeyMaxRecvDataSegmentLength, Value: itoa(own)}}
	if s.dev.Text.RepeatLoginKeys {
		for _, o := range s.cfg.operational() {
			pairs.Set(o.Key, o.Value)
		}
	}
	_, _ = s.negotiateTextOn(ctx, c, pairs) // A failure shows as the end of the connection.
}

// movesTo tells where a stray TargetAddress would lead a session that follows any.
func movesTo(pairs text.Pairs) (iscsi.Address, bool) {
	value, ok := pairs.Get("TargetAddress")
	if !ok {
		return iscsi.Address{}, false
	}
	a, err := iscsi.ParseTargetAddress(value)
	return a.Address, err == nil
}
