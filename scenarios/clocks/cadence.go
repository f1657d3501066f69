package clocks

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

// Cadence judges how the login attempts of a session are spaced. The first after a loss begins when the Time2Wait in force is over and one
// interval has passed since the attempt that had brought the session; each further one an interval after the one before began, or at once where that one took longer, and
// never while it is under way. Each outage leaves a finding.
//
// Where the trace has the initiator's own events, attempts that were due and not made are a fault too. Where it was recorded at the target's end,
// one that comes a whole number of intervals late is none: those before it may not have come through.
func Cadence(s *Session, t Terms) []scenarios.Finding {
	var findings []scenarios.Finding
	for i := range s.Outages {
		o := &s.Outages[i]
		if len(o.Attempts) == 0 && !s.Local() {
			continue
		}
		findings = append(findings, o.cadence(s, t))
	}
	return findings
}

func (o *Outage) cadence(s *Session, t Terms) scenarios.Finding {
	rule := fmt.Sprintf("attempts after the loss at %v", o.Lost)
	previous, first := o.Before, o.Lost+o.Wait
	for i, a := range o.Attempts {
		from, to := due(previous, first, t)
		if i == 0 && (previous.At < 0 || o.Blind) { // when the attempt before was made, or the loss noticed, is not known
			from, to = 0, s.End
		}
		excused := (o.Blind || o.Far) && unseen(a.At-from, t)
		if !excused && misses(a.At, from, to, t.Tolerance) {
			evidence := []trace.Event{o.Event, a.Event}
			if i > 0 {
				evidence[0] = previous.Event
			}
			return say(false, s.Name, fmt.Sprintf("%s: the start of attempt %d", rule, i+1), window(from, to, t.Tolerance), instant(a.At, previous.At), evidence...)
		}
		previous, first = a, 0
	}
	if !s.Local() || o.Back >= 0 || len(o.Attempts) > 0 && previous.Over < 0 {
		return say(true, s.Name, rule, "", told(o))
	}
	// The outage goes on, or ended otherwise than by a login: was one more due before?
	_, to := due(previous, first, t)
	if previous.At >= 0 && to+t.Tolerance < o.over(s.End) {
		return say(false, s.Name, rule+": the next attempt", "one by "+(to+t.Tolerance).String(), fmt.Sprintf("none until %v", o.over(s.End)), o.Event, previous.Event)
	}
	return say(true, s.Name, rule, "", told(o))
}

// Spaced judges the gaps between attempts that belong together, the first aside, by the same law. There are to be two attempts at least.
func Spaced(attempts []Attempt, t Terms) scenarios.Finding {
	rule, expected := "the gaps between attempts", fmt.Sprintf("%v each", t.Interval)
	var at []time.Duration
	var events []trace.Event
	for i, a := range attempts {
		at, events = append(at, a.At), append(events, a.Event)
		if i == 0 {
			continue
		}
		if from, to := due(attempts[i-1], 0, t); misses(a.At, from, to, t.Tolerance) {
			return say(false, "", fmt.Sprintf("the gap before attempt %d", i+1), window(from-attempts[i-1].At, to-attempts[i-1].At, t.Tolerance),
				(a.At - attempts[i-1].At).String(), attempts[i-1].Event, a.Event)
		}
	}
	return say(len(at) > 1, "", rule, expected, Durations(Gaps(at)), events...)
}

// due gives from when to when the attempt after another one is to begin; never before first.
func due(previous Attempt, first time.Duration, t Terms) (from, to time.Duration) {
	spread := time.Duration(t.Jitter * float64(t.Interval))
	floor := max(first, previous.Over)
	if previous.At < 0 {
		return floor, floor
	}
	return max(previous.At+t.Interval-spread, floor), max(previous.At+t.Interval+spread, floor)
}

// misses tells whether an instant is outside a window.
func misses(at, from, to, tolerance time.Duration) bool {
	return at < from-tolerance || at > to+tolerance
}

// unseen tells whether a whole number of attempts fits into the time by which one seems late.
func unseen(late time.Duration, t Terms) bool {
	if late < 0 {
		return false
	}
	spread := time.Duration(t.Jitter*float64(t.Interval)) + t.Tolerance
	n := max((late+t.Interval/2)/t.Interval, 1)
	off := late - n*t.Interval
	return -n*spread <= off && off <= n*spread
}

func window(from, to, tolerance time.Duration) string {
	if from == to && tolerance == 0 {
		return from.String()
	}
	if from == to {
		return fmt.Sprintf("%v, %v more or less", from, tolerance)
	}
	return fmt.Sprintf("%v to %v, %v more or less", from, to, tolerance)
}

func instant(at, previous time.Duration) string {
	if previous < 0 {
		return at.String()
	}
	return fmt.Sprintf("%v, %v after the attempt before", at, at-previous)
}

// told says what an outage's attempts were.
func told(o *Outage) string {
	if len(o.Attempts) == 0 {
		return "none was due"
	}
	at := []time.Duration{o.Attempts[0].At}
	for _, a := range o.Attempts[1:] {
		at = append(at, a.At)
	}
	words := fmt.Sprintf("the first %v after it", o.Attempts[0].At-o.Lost)
	if len(at) > 1 {
		words += ", then every " + Durations(Gaps(at))
	}
	return words
}
