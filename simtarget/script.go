package simtarget

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/trace"
)

// scriptRun is the part of an array that acts on its own account. The array's lock guards it.
type scriptRun struct {
	steps   Script
	pending []pendingStep // sorted by time; those of one instant in the order of the list
	timer   *time.Timer
	running bool // a goroutine works through what is due
	opened  int  // Normal sessions so far
}

// pendingStep is a step whose moment is known.
type pendingStep struct {
	at   time.Time
	step int
	done int // times that it has happened
}

// startScript begins to count time. The caller holds the lock.
func (a *Array) startScript() {
	a.script.steps = a.profile.Failover.Script
	for i, s := range a.script.steps {
		if !s.OnCall && s.Logins == 0 {
			a.scheduleStep(pendingStep{time.Now().Add(s.After), i, 0})
		}
	}
}

// scheduleStep puts a step where its time is. The caller holds the lock.
func (a *Array) scheduleStep(p pendingStep) {
	at, _ := slices.BinarySearchFunc(a.script.pending, p, func(x, y pendingStep) int {
		if c := x.at.Compare(y.at); c != 0 {
			return c
		}
		return x.step - y.step
	})
	a.script.pending = slices.Insert(a.script.pending, at, p)
	a.armScript()
}

// armScript sets the timer for what is due first. The caller holds the lock.
func (a *Array) armScript() {
	s := &a.script
	if s.timer != nil { // also when the array is closed
		s.timer.Stop()
		s.timer = nil
	}
	if len(s.pending) > 0 && !s.running && !a.closed {
		s.timer = time.AfterFunc(time.Until(s.pending[0].at), a.runDueSteps)
	}
}

// runDueSteps works through what is due.
func (a *Array) runDueSteps() {
	a.mu.Lock()
	if a.closed || a.script.running {
		a.mu.Unlock()
		return
	}
	a.script.running = true
	a.wg.Add(1)
	defer a.wg.Done()
	for len(a.script.pending) > 0 && !a.closed && !a.script.pending[0].at.After(time.Now()) {
		p := a.script.pending[0]
		a.script.pending = slices.Delete(a.script.pending, 0, 1)
		if s := &a.script.steps[p.step]; s.Every > 0 && (s.Times == 0 || p.done+1 < s.Times) {
			a.scheduleStep(pendingStep{p.at.Add(s.Every), p.step, p.done + 1})
		}
		a.mu.Unlock()
		a.perform(p.step)
		a.mu.Lock()
	}
	a.script.running = false
	a.armScript()
	a.mu.Unlock()
}

// perform carries out a step. What cannot be done is left out, and told in the trace.
func (a *Array) perform(i int) {
	s := &a.script.steps[i]
	name := a.script.steps.title(i)
	a.recordStep(name, "")
	for j := range s.Do {
		if err := a.Apply(s.Do[j]); err != nil {
			a.recordStep(name, fmt.Sprintf("action %d: %v", j+1, err))
		}
	}
}

func (a *Array) recordStep(name, reason string) {
	if a.log.Enabled() {
		a.record(trace.Event{State: "script", Op: name, Reason: reason})
	}
}

// sessionOpened counts a new Normal session, and does what the script has for that number. The goroutine that reads the session's first
// connection calls it, when the initiator has been told.
func (a *Array) sessionOpened(c *connection) {
	a.mu.Lock()
	a.script.opened++
	var due []int
	for i, s := range a.script.steps {
		if s.Logins == 0 || s.Logins != a.script.opened {
			continue
		}
		if s.After > 0 {
			a.scheduleStep(pendingStep{time.Now().Add(s.After), i, 0})
			continue
		}
		due = append(due, i)
		if s.Every > 0 && s.Times != 1 {
			a.scheduleStep(pendingStep{time.Now().Add(s.Every), i, 1})
		}
	}
	a.mu.Unlock()
	if len(due) == 0 {
		return
	}
	c.out.waitUntilWritten()
	for _, i := range due {
		a.perform(i)
	}
}

// call makes a step happen that waits for it.
func (a *Array) call(c StepCall) error {
	a.mu.Lock()
	steps := a.script.steps
	at := slices.IndexFunc(steps, func(s Step) bool { return s.OnCall && s.Name == c.Step })
	if at < 0 {
		a.mu.Unlock()
		return fmt.Errorf("no step %q that waits for a call", c.Step)
	}
	s := steps[at]
	if s.After > 0 {
		a.scheduleStep(pendingStep{time.Now().Add(s.After), at, 0})
	} else if s.Every > 0 && s.Times != 1 {
		a.scheduleStep(pendingStep{time.Now().Add(s.Every), at, 1})
	}
	a.mu.Unlock()
	if s.After == 0 {
		a.perform(at)
	}
	return nil
}

// afterwards does something later, unless the array is closed before.
func (a *Array) afterwards(d time.Duration, f func()) {
	time.AfterFunc(d, func() {
		a.mu.Lock()
		if a.closed {
			a.mu.Unlock()
			return
		}
		a.wg.Add(1)
		a.mu.Unlock()
		defer a.wg.Done()
		f()
	})
}
