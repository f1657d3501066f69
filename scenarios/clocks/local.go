package clocks

import (
	"slices"
	"strconv"
	"time"

	"github.com/iscsispec/iscsispec/trace"
)

// The states of a session that the session manager's events tell of.
const (
	stateNone         = "none" // before the first
	stateConnecting   = "connecting"
	stateConnected    = "connected"
	stateReconnecting = "reconnecting"
	stateLoggingOff   = "logging-off"
	stateClosed       = "closed"
)

// localSessions puts sessions together from the session manager's own events; none where the trace has no such events.
func localSessions(events []trace.Event, dials []Dial) []*Session {
	var sessions []*Session
	place := map[uint64]*Session{}
	of := func(e trace.Event) *Session {
		s := place[e.Session]
		if s == nil {
			s = &Session{ID: e.Session, Name: "session " + strconv.FormatUint(e.Session, 10), Opened: e.At, Left: -1, End: end(events)}
			place[e.Session] = s
			sessions = append(sessions, s)
		}
		return s
	}
	tries := map[uint64][]trace.Event{}
	for _, e := range events {
		switch {
		case e.Session == 0:
		case e.Kind == trace.KindDevice:
			s := of(e)
			s.Devices = append(s.Devices, e)
		case e.Kind != trace.KindSession:
		case e.Op == "":
			s := of(e)
			s.states = append(s.states, e)
			if e.State == stateConnected {
				tries[e.Session] = append(tries[e.Session], e)
			}
		case e.Op == opAttempt, e.Op == opAttemptFailed:
			tries[e.Session] = append(tries[e.Session], e)
		}
	}
	for _, d := range dials {
		if s := place[d.Session]; s != nil {
			s.Dials = append(s.Dials, d)
		}
	}
	for _, s := range sessions {
		s.live(attemptsOf(s.Dials, tries[s.ID]))
	}
	return sessions
}

// attemptsOf gives each attempt that a session told of, with its connections. The events are those of its attempts and of its being connected, in order.
func attemptsOf(dials []Dial, events []trace.Event) []Attempt {
	var attempts []Attempt
	for _, e := range events {
		last := len(attempts) - 1
		switch {
		case e.Op == opAttempt:
			attempts = append(attempts, Attempt{At: e.At, Over: -1, Event: e})
		case last < 0:
		case e.Op == opAttemptFailed:
			attempts[last].Over = e.At
		default:
			attempts[last].Over, attempts[last].LoggedIn = e.At, true
		}
	}
	next := 0
	for i := range attempts {
		a := &attempts[i]
		for next < len(dials) && dials[next].At < a.At { // what belongs to no attempt, such as further connections of the session
			next++
		}
		begun := a.At
		for next < len(dials) && (i+1 == len(attempts) || dials[next].At < attempts[i+1].At) {
			d := dials[next]
			next++
			if n := len(a.Dials); n == 0 {
				a.At, a.Event = d.At, d.Event
			} else if !a.Dials[n-1].Redirected() || a.Over >= begun && d.At > a.Over {
				continue
			}
			a.Dials = append(a.Dials, d)
		}
	}
	return attempts
}

// live follows a session's states.
func (s *Session) live(attempts []Attempt) {
	before := Attempt{At: -1, Over: -1}
	next := 0
	for i := range s.states {
		e := s.states[i]
		down := len(s.Outages) > 0 && s.Outages[len(s.Outages)-1].Back < 0
		switch e.State {
		case stateConnecting:
			s.identify(e)
		case stateReconnecting:
			// What was tried before the loss had brought the session.
			for next < len(attempts) && attempts[next].At < e.At {
				before = attempts[next]
				next++
			}
			o := Outage{Lost: e.At, Before: before, Back: -1, Left: -1, Event: e}
			if i == 0 { // a session that was brought back from a store has never been here
				s.identify(e)
				o.Before.At = -1
			} else if n := len(before.Dials); n > 0 {
				o.Wait = waitAfter(before.Dials[n-1])
			}
			s.Outages = append(s.Outages, o)
		case stateConnected:
			if down {
				s.Outages[len(s.Outages)-1].Back = e.At
			}
		case stateLoggingOff, stateClosed:
			if s.Left < 0 {
				s.Left = e.At
			}
			if down && s.Outages[len(s.Outages)-1].Left < 0 {
				s.Outages[len(s.Outages)-1].Left = e.At
			}
		}
	}
	for i := range s.Outages {
		o := &s.Outages[i]
		for _, a := range attempts {
			if a.At >= o.Lost && a.At <= o.over(s.End) && (i+1 == len(s.Outages) || a.At < s.Outages[i+1].Lost) {
				o.Attempts = append(o.Attempts, a)
			}
		}
	}
}

// identify reads what a session's first state says of it.
func (s *Session) identify(e trace.Event) {
	s.Target, _ = e.Attr("target")
	s.Portal, _ = e.Attr("portal")
}

// present gives the devices that a session has at an instant, by name and LUN: those whose latest event before it is not a removal.
func (s *Session) present(at time.Duration) []trace.Event {
	var here []trace.Event
	for _, e := range s.Devices {
		if e.At >= at {
			break
		}
		i := slices.IndexFunc(here, func(o trace.Event) bool { return sameDevice(o, e) })
		switch {
		case e.State == deviceArrived && i < 0:
			here = append(here, e)
		case e.State == deviceRemoved && i >= 0:
			here = slices.Delete(here, i, i+1)
		}
	}
	return here
}

// The states of a device that judges ask for.
const (
	deviceArrived = "arrived"
	deviceRemoved = "removed"
)

func sameDevice(a, b trace.Event) bool {
	return a.Device == b.Device && (a.LUN == nil) == (b.LUN == nil) && (a.LUN == nil || *a.LUN == *b.LUN)
}
