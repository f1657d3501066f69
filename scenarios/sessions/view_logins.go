package sessions

import (
	"time"

	"github.com/iscsispec/iscsispec/scenarios/clocks"
	"github.com/iscsispec/iscsispec/trace"
)

// Dial is one TCP connection that the initiator asked for, and what became of it.
type Dial = clocks.Dial

// LoginRequest is one Login Request with its keys.
type LoginRequest = clocks.LoginRequest

// LoginResponse is one Login Response with its keys.
type LoginResponse = clocks.LoginResponse

// DialFilter picks connections.
type DialFilter func(d Dial) bool

// DialledTo picks by portal, given by letter or address.
func DialledTo(portal string) DialFilter {
	address := PortalAddress(portal)
	return func(d Dial) bool { return d.Portal == address }
}

// DialledFrom picks what was dialled at t or later.
func DialledFrom(t time.Duration) DialFilter { return func(d Dial) bool { return d.At >= t } }

// DialledBefore picks what was dialled earlier than t.
func DialledBefore(t time.Duration) DialFilter { return func(d Dial) bool { return d.At < t } }

// DialledBy picks what was dialled on behalf of a local session.
func DialledBy(session uint64) DialFilter { return func(d Dial) bool { return d.Session == session } }

// LoggedIn picks connections that reached full feature phase.
func LoggedIn(d Dial) bool { return clocks.LoggedIn(d) }

// Dials gives the connections that the initiator asked for and that pass all filters, in order. TCP's own repeats of a connection request
// are not among them.
func (r *Run) Dials(filters ...DialFilter) []Dial {
	var found []Dial
next:
	for _, d := range clocks.Dials(r.Events) {
		for _, f := range filters {
			if !f(d) {
				continue next
			}
		}
		found = append(found, d)
	}
	return found
}

// DialEvents turns dials into evidence.
func DialEvents(dials []Dial) []trace.Event { return clocks.DialEvents(dials) }

// Starts gives the instants at which they were dialled.
func Starts(dials []Dial) []time.Duration {
	var at []time.Duration
	for _, d := range dials {
		at = append(at, d.At)
	}
	return at
}

// Gaps gives the times between one instant and the next.
func Gaps(at []time.Duration) []time.Duration { return clocks.Gaps(at) }

// Durations prints instants or gaps for people, rounded to milliseconds; of many only the first and the last ones.
func Durations(ds []time.Duration) string { return clocks.Durations(ds) }

// Overlapping gives the pairs of connections that were under way or open at the same time, of those given; see [clocks.Overlapping].
func Overlapping(dials []Dial) [][2]Dial { return clocks.Overlapping(dials) }

// Describe says in a few words what became of a connection.
func Describe(d Dial) string { return clocks.Describe(d) }
