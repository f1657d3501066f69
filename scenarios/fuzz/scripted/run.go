package scripted

import (
	"context"
	"errors"
	"testing"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/fuzz"
)

// runTime bounds a run, in virtual time: the longest Time2Wait and a login behind it.
const runTime = 3 * time.Hour

// patience is how long the conductor waits for what a step may lead to.
const patience = 26 * time.Second

// settling is how long everybody has to work off what came.
const settling = time.Millisecond

// Run runs a flow of the fuzz.InitiatorRole against the project's own initiator in a bubble, and judges what it did. T lends its identity and
// never fails. What the run reached is counted in cover unless that is nil. The error tells that the flow cannot be run.
func Run(t *testing.T, f fuzz.Flow, cover *fuzz.Coverage) ([]*fuzz.Finding, error) {
	return run(t, f, cover, nil)
}

// run is Run with an initiator that may be faulty.
func run(t *testing.T, f fuzz.Flow, cover *fuzz.Coverage, dev *ini.Deviations) ([]*fuzz.Finding, error) {
	p, err := perform(t, f, dev)
	if err != nil {
		return nil, err
	}
	return p.judge(cover), nil
}

// played is a run that is over.
type played struct {
	flow    fuzz.Flow
	setup   setup
	records []record
	full    bool
	end     time.Duration // of the run
	// broke is why the bubble ended otherwise than it should; nil if it did not.
	broke error
}

// perform plays a flow.
func perform(t *testing.T, f fuzz.Flow, dev *ini.Deviations) (*played, error) {
	setup, err := setupOf(f.Setup)
	if err != nil {
		return nil, err
	}
	if f.Role != fuzz.InitiatorRole {
		return nil, &fuzz.ParseError{Got: string(f.Role), Want: string(fuzz.InitiatorRole)}
	}
	p := &played{flow: f, setup: setup}
	var a *array
	p.broke = scenarios.Bubble(t, 0, func(ctx context.Context) {
		a = newArray(f, setup)
		c := &conductor{array: a, ended: make(chan struct{})}
		c.play(ctx, dev)
		p.end = c.over
	})
	if a != nil {
		p.records, p.full = a.records, a.full
	}
	return p, nil
}

// conductor drives one run: it asks the initiator for a login, and makes the array do what the flow has for connections in full feature phase.
type conductor struct {
	array   *array
	manager *ini.Manager
	id      ini.SessionID
	ended   chan struct{} // of the login operation
	err     error         // valid when ended is closed
	limit   *time.Timer
	over    time.Duration // when nothing more is looked at
}

func (c *conductor) play(ctx context.Context, dev *ini.Deviations) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	setup := &c.array.setup
	config := ini.ManagerConfig{
		InitiatorName: fuzzedInitiator, Ports: []ini.Port{{Name: "p1", Dialer: c.array}}, Seed: 1, Defaults: setup.settings,
	}
	config.Deviations = dev
	var err error
	if c.manager, err = ini.NewManager(config); err != nil {
		panic(err) // the setups are ours
	}
	portal, _ := iscsi.ParseAddress(portalA)
	go func() {
		defer close(c.ended)
		spec := ini.LoginSpec{Kind: setup.kind, Target: scriptedTarget, Portal: portal}
		c.id, c.err = c.manager.Login(ctx, spec)
	}()
	c.limit = time.NewTimer(runTime)
	defer c.limit.Stop()
	c.conduct()
	c.finish()
	c.over = c.array.now()
	cancel()
	<-c.ended
	c.manager.Close()
	c.array.retire()
}

// conduct goes on until nothing of the flow is left, or the initiator has given up.
func (c *conductor) conduct() {
	loggedIn := false
	for {
		ended := c.ended
		if loggedIn {
			ended = nil
		}
		select {
		case <-ended:
			c.tellEnd()
			if c.err != nil {
				return
			}
			loggedIn = true
			c.array.mu.Lock()
			c.array.lastError = c.whyDown
			c.array.mu.Unlock()
		case <-c.array.poke:
		case <-c.limit.C:
			return
		}
		if !loggedIn || c.crowded() {
			if c.crowded() {
				return
			}
			continue
		}
		l := c.entered()
		if l == nil {
			if c.spent() {
				return
			}
			continue
		}
		time.Sleep(settling)
		c.snapshot()
		if c.stays(l) {
			return
		}
	}
}

// crowded reports that the record is full: the flow has no end.
func (c *conductor) crowded() bool {
	c.array.mu.Lock()
	defer c.array.mu.Unlock()
	return c.array.full || len(c.array.links) > 48
}

// spent reports that a session which is not re-established has ended.
func (c *conductor) spent() bool {
	_, err := c.manager.Session(c.id)
	return errors.Is(err, ini.ErrNoSession)
}

// tellEnd notes the end of the login operation.
func (c *conductor) tellEnd() {
	c.array.mu.Lock()
	defer c.array.mu.Unlock()
	c.array.note(record{what: over, err: c.err})
}

// whyDown asks why the latest attempt failed.
func (c *conductor) whyDown() error {
	s, err := c.manager.Session(c.id)
	if err != nil {
		return err
	}
	return s.LastError
}

// snapshot notes what the session manager says.
func (c *conductor) snapshot() {
	s, err := c.manager.Session(c.id)
	if err != nil {
		return
	}
	c.array.mu.Lock()
	defer c.array.mu.Unlock()
	c.array.note(record{what: status, session: &s, conn: c.array.latest()})
}

// latest is the number of the connection that was dialled last. The lock is held.
func (a *array) latest() int { return len(a.links) }

// entered is the connection whose final response has arrived and whose steps are still to come; nil if there is none.
func (c *conductor) entered() *link {
	c.array.mu.Lock()
	defer c.array.mu.Unlock()
	for _, l := range c.array.links {
		if l.served != nil && l.served.ready {
			l.served.ready = false
			return l
		}
	}
	return nil
}

// stays performs the steps of a connection in full feature phase, and reports whether it is still there behind them, with nothing left to wait for.
func (c *conductor) stays(l *link) bool {
	a := c.array
	if c.gone(l, 0) {
		return false // it was never there: the initiator has not taken the final response for one
	}
	restless := false
	for range fuzz.StepsMax {
		a.mu.Lock()
		place, more := l.served.place()
		if !more || l.served.next >= len(a.stepsOf(l.number)) {
			a.mu.Unlock()
			break
		}
		l.served.next++
		step := &a.flow.Steps[place]
		if step.Verb != fuzz.VerbWait {
			restless = restless || step.Verb != fuzz.VerbPing
			l.served.disturb(step, place+1)
		}
		a.mu.Unlock()
		if c.gone(l, max(settling, waits(step))) {
			return false
		}
	}
	return !restless || !c.gone(l, patience)
}

// waits is how long a step in full feature phase takes.
func waits(s *fuzz.Step) time.Duration {
	if s.Verb == fuzz.VerbWait {
		return s.For
	}
	return settling
}

// gone waits for the end of a connection, whoever ends it, and reports whether it came.
func (c *conductor) gone(l *link, within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		l.mu.Lock()
		over := l.closed || l.ended != nil
		l.mu.Unlock()
		if over {
			c.array.ring() // what came meanwhile is still to be looked at
			return true
		}
		select {
		case <-c.array.poke:
		case <-timer.C:
			return false
		case <-c.limit.C:
			return false
		}
	}
}

// finish logs the session off.
func (c *conductor) finish() {
	select {
	case <-c.ended:
	default:
		return // the login operation goes on, which the judge will see
	}
	if c.err != nil {
		return
	}
	c.snapshot()
	c.array.mu.Lock()
	c.array.down = true // what the logout does is no part of the flow
	c.array.mu.Unlock()
}
