package sessions

import (
	"errors"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
)

// watchEvery is how often WaitFor looks.
const watchEvery = 2 * time.Millisecond

func (o Wait) perform(x *execution, c *call) outcome {
	if o.For > 0 {
		awaitEnd(c.ctx.Done(), o.For)
	}
	return outcome{name: OK}
}

func (o WaitFor) perform(x *execution, c *call) outcome {
	limit := o.Within
	if limit == 0 {
		limit = patience
	}
	id := x.session(o.Session)
	for end := x.log.Now() + limit; ; {
		if o.met(x.manager.Session(id)) {
			return outcome{name: OK, session: id}
		}
		if x.log.Now() >= end || awaitEnd(c.ctx.Done(), watchEvery) {
			break
		}
	}
	x.complain("session %s was not %s within %v", o.Session, o.State, limit)
	return outcome{name: Timeout, session: id}
}

// met tells whether the listing shows what is waited for.
func (o WaitFor) met(status initiator.SessionStatus, err error) bool {
	switch o.State {
	case "gone":
		return errors.Is(err, initiator.ErrNoSession)
	case "ready":
		return err == nil && status.State == initiator.StateConnected && status.Queued == 0 && status.InFlight == 0
	}
	return err == nil && status.State.String() == o.State
}

func (o Poll) takesTime() bool { return true }

// compose does the op over and over. A round that is still under way when the next one is due is left to itself.
func (o Poll) compose(c *call) []*call {
	d, label := c.driver, c.step.Label
	s := o.Do
	if s.Label == "" {
		s.Label = label
	}
	s.Async = true
	var parts []*call
	start := d.x.log.Now()
	for at := start; at <= start+o.For && d.x.ctx.Err() == nil; at += o.Every {
		d.sleepUntil(at)
		part := d.part(s, s.Do)
		switch op := s.Do.(type) {
		case command:
			d.x.submit(part, op)
		case action:
			d.x.beside.Go(func() { d.x.perform(part, op) })
		default:
			d.x.complain("%s cannot be polled", s.Do.OpName())
			d.x.end(part)
			return nil
		}
		parts = append(parts, part)
	}
	return parts
}

func (o Repeat) takesTime() bool { return true }

func (o Repeat) compose(c *call) []*call {
	for round := range o.Times {
		if c.driver.x.ctx.Err() != nil {
			break
		}
		c.driver.do(o.Steps, round == 0)
	}
	return nil
}
