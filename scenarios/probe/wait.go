package probe

import (
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// AwaitSilence proves the catalogue's silence: no PDU except ignored noise, and no close, for the quiet time. It returns the
// event that broke the silence and false, or the TimedOut and true. What was set aside counts.
func (c *Conn) AwaitSilence() (Event, bool) {
	e := c.Next(c.prober.opts.QuietTime)
	return e, e.Kind == TimedOut
}

// Drop is what came of waiting for a drop.
type Drop struct {
	// Dropped tells whether the target closed or reset the connection in time.
	Dropped bool
	// Async is the Async Message with event 1, 2 or 3 that came first, or nil.
	Async *pdu.AsyncMessage
	// Event is the end of the connection, or what came instead.
	Event Event
}

// String tells what came in words that can stand after "Actual:".
func (d Drop) String() string { return d.Event.String() }

// AwaitDrop waits for the catalogue's drop: the target closes or resets the connection within the close timeout, optionally
// after an Async Message with event 1, 2 or 3. Ignored noise does not lengthen the wait.
func (c *Conn) AwaitDrop() Drop {
	var d Drop
	within := c.prober.opts.CloseTimeout
	deadline := time.Now().Add(within)
	for {
		if len(c.aside) > 0 {
			d.Event = c.Next(within)
		} else {
			d.Event = c.fresh(deadline, within)
		}
		if m, ok := As[*pdu.AsyncMessage](d.Event); ok && d.Async == nil && announcesDrop(m.Event) {
			d.Async = m
			continue
		}
		d.Dropped = d.Event.Kind == Closed || d.Event.Kind == WasReset
		return d
	}
}

// AwaitDropAfterAll is AwaitDrop, but passes over any PDUs that still come before the end.
func (c *Conn) AwaitDropAfterAll() Drop {
	deadline := time.Now().Add(c.prober.opts.CloseTimeout)
	c.aside = nil
	for {
		e := c.fresh(deadline, c.prober.opts.CloseTimeout)
		if e.Kind != Arrived {
			return Drop{Dropped: e.Kind == Closed || e.Kind == WasReset, Event: e}
		}
	}
}

func announcesDrop(e pdu.AsyncEvent) bool {
	return e == pdu.AsyncLogoutRequest || e == pdu.AsyncConnectionDrop || e == pdu.AsyncSessionDrop
}

// Pause lets time pass without reading. It returns false when the check's own time ended first.
func (p *Prober) Pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.ctx.Done():
		return false
	}
}
