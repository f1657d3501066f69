package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// Conn is one connection to a portal. Its exported fields are the probe's bookkeeping: a check may overwrite them between
// calls to make the next PDUs lie.
type Conn struct {
	// Stream has the Digests in force on the connection; a login sets them.
	*Stream
	// Session is the session that the connection belongs to; before a login it is an empty one.
	Session *Session
	// CID is the connection's number in the session.
	CID uint16
	// ExpStatSN is what the next PDU acknowledges. HoldExpStatSN keeps it where it is.
	ExpStatSN     uint32
	HoldExpStatSN bool
	// Params are the results of the connection's own login; of a key that holds for the session those of Session count.
	Params text.Params
	// AnswerPings makes Next answer a NOP-In of the target that asks for it. It is on unless a check turns it off.
	AnswerPings bool

	prober   *Prober
	number   int
	portal   iscsi.Address
	nextTag  uint32
	aside    []Event // came while something else was waited for
	loggedIn bool    // in full feature phase
	ended    bool    // an end was seen, or this side has closed
}

// Prober returns the owner.
func (c *Conn) Prober() *Prober { return c.prober }

// Portal returns the address that was dialled.
func (c *Conn) Portal() iscsi.Address { return c.portal }

// String names the connection as messages do: "#1".
func (c *Conn) String() string { return fmt.Sprintf("#%d", c.number) }

// NewTag returns an Initiator Task Tag that the connection has not used.
func (c *Conn) NewTag() uint32 {
	tag := c.nextTag
	c.nextTag++
	if c.nextTag == pdu.ReservedTag {
		c.nextTag = 1
	}
	return tag
}

// Send writes a PDU as it stands.
func (c *Conn) Send(p pdu.PDU) error { return c.SendFrame(pdu.FrameOf(p)) }

// SendFrame writes a frame as it stands, with the digests that are in force unless the frame forces others.
func (c *Conn) SendFrame(f *pdu.Frame) error {
	c.prober.remember(c.String() + " > " + f.String())
	return c.write(f.Append(nil, c.Digests))
}

// SendAll writes several frames in one write, hence usually in one TCP segment.
func (c *Conn) SendAll(frames ...*pdu.Frame) error {
	var b []byte
	for _, f := range frames {
		c.prober.remember(c.String() + " > " + f.String())
		b = f.Append(b, c.Digests)
	}
	return c.write(b)
}

// SendRaw writes bytes.
func (c *Conn) SendRaw(b []byte) error {
	c.prober.remember(fmt.Sprintf("%s > %d raw bytes", c, len(b)))
	return c.write(b)
}

func (c *Conn) write(b []byte) error {
	if err := c.prober.ctx.Err(); err != nil {
		return context.Cause(c.prober.ctx)
	}
	if err := c.Write(b, c.prober.opts.AnswerTimeout); err != nil {
		return fmt.Errorf("connection %s: %w", c, err)
	}
	return nil
}

// Answer waits for the next event within the answer timeout.
func (c *Conn) Answer() Event { return c.Next(c.prober.opts.AnswerTimeout) }

// Next waits for the next event that is no ignored noise. Events that were set aside by AnswerTo come first.
func (c *Conn) Next(within time.Duration) Event {
	if len(c.aside) > 0 {
		e := c.aside[0]
		c.aside = c.aside[1:]
		return e
	}
	return c.fresh(time.Now().Add(within), within)
}

// fresh waits for an event that was not set aside.
func (c *Conn) fresh(deadline time.Time, within time.Duration) Event {
	for {
		e := c.NextOfAll(time.Until(deadline))
		if e.Kind == TimedOut {
			e.Waited = within
		}
		if !c.noise(e) {
			return e
		}
	}
}

// NextOfAll waits for the next event, noise included, and answers nothing. It passes by what was set aside.
func (c *Conn) NextOfAll(within time.Duration) Event {
	e := c.inbox.next(c.prober.ctx, time.Now().Add(within), c.Digests)
	switch {
	case e.Kind == Arrived:
		c.prober.remember(c.String() + " < " + e.String())
		c.track(e.PDU)
	case e.Ended():
		if !c.ended {
			c.prober.remember(c.String() + " < " + e.String())
		}
		c.ended = true
	case e.Kind == Garbage:
		c.ended = true
		c.prober.remember(c.String() + " < " + e.String())
	}
	return e
}

// asideMax bounds what AnswerTo sets aside.
const asideMax = 4096

// AnswerTo waits within the answer timeout for the next event that belongs to a task, and sets other PDUs aside for Next. A
// Reject belongs to the task whose header it returns. Events that are no PDU end the waiting whatever the task.
func (c *Conn) AnswerTo(itt uint32) Event { return c.AnswerWithin(c.prober.opts.AnswerTimeout, itt) }

// AnswerWithin is AnswerTo with another time than the answer timeout.
func (c *Conn) AnswerWithin(within time.Duration, itt uint32) Event {
	return c.Await(within, func(e Event) bool { return answers(e, itt) })
}

// Await waits for the next PDU that matches, and sets others aside for Next. Events that are no PDU end the waiting.
func (c *Conn) Await(within time.Duration, matches func(Event) bool) Event {
	for i, e := range c.aside {
		if e.Kind == Arrived && matches(e) {
			c.aside = append(c.aside[:i:i], c.aside[i+1:]...)
			return e
		}
	}
	deadline := time.Now().Add(within)
	for {
		e := c.fresh(deadline, within)
		if e.Kind != Arrived || matches(e) || len(c.aside) == asideMax {
			return e
		}
		c.aside = append(c.aside, e)
	}
}

func answers(e Event, itt uint32) bool {
	if r, ok := As[*pdu.Reject](e); ok {
		h, whole := r.Rejected()
		return whole && h.ITT() == itt
	}
	return e.Frame.BHS.ITT() == itt
}

// Shut closes this end's direction only (FIN), where the transport can.
func (c *Conn) Shut() error {
	c.loggedIn = false
	return c.Stream.Shut()
}

// Reset closes the connection with a RST, where the transport can.
func (c *Conn) Reset() error {
	c.ended, c.loggedIn = true, false
	return c.Stream.Reset()
}

// Close closes the connection without a logout.
func (c *Conn) Close() error {
	c.ended, c.loggedIn = true, false
	return c.Stream.Close()
}
