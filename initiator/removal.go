package initiator

import (
	"fmt"
	"time"
)

// DefaultRemovalLatency is how long the devices of a lost session stay, unless
// configured.
const DefaultRemovalLatency = 60 * time.Second

// Latency is how long devices stay in the stack after their session was lost. The
// zero Latency is unset and means the default; zero seconds and infinity are
// values of their own. Make one by After or Infinite.
type Latency struct {
	set   bool
	never bool
	d     time.Duration
}

// After is a latency of d, not negative; After(0) removes devices as soon as the
// loss is known.
func After(d time.Duration) Latency { return Latency{set: true, d: max(d, 0)} }

// Infinite is the latency that keeps devices until the session returns or is logged off.
func Infinite() Latency { return Latency{set: true, never: true} }

// IsSet reports whether l was given a value.
func (l Latency) IsSet() bool { return l.set }

// Or returns l if it is set and fallback otherwise.
func (l Latency) Or(fallback Latency) Latency {
	if l.set {
		return l
	}
	return fallback
}

// Duration returns the latency and whether it ever ends. An unset latency is the
// default one.
func (l Latency) Duration() (d time.Duration, finite bool) {
	if !l.set {
		return DefaultRemovalLatency, true
	}
	return l.d, !l.never
}

// String returns "default", "never" or the duration; ParseLatency reads it back.
func (l Latency) String() string {
	switch {
	case !l.set:
		return "default"
	case l.never:
		return "never"
	default:
		return l.d.String()
	}
}

// ParseLatency reads "default", "never" (or "infinite"), or a duration such as
// "60s" that is not negative.
func ParseLatency(text string) (Latency, error) {
	switch text {
	case "default":
		return Latency{}, nil
	case "never", "infinite":
		return Infinite(), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return Latency{}, fmt.Errorf("removal latency %q: want \"default\", \"never\" or a duration not below 0s", text)
	}
	return After(d), nil
}

// removalClock says when the devices of one session leave the stack. It is a plain
// value without a timer. It runs from the instant at which the loss was detected to
// the completion of a login; attempts in between do not move it. The boot unit has a
// latency of its own, because a running system must not lose the disk below it.
type removalClock struct {
	// running is true from the detection of a loss to the next completed login.
	running bool
	// since is when the loss was detected.
	since time.Time
	// othersGone and bootGone say which part of the removal took place in this outage.
	othersGone, bootGone bool
}

// lost starts the clock. A loss while it runs already changes nothing.
func (c *removalClock) lost(at time.Time) {
	if c.running {
		return
	}
	*c = removalClock{running: true, since: at}
}

// returned stops the clock: a login completed.
func (c *removalClock) returned() { *c = removalClock{} }

// due returns when the next removal under these latencies happens; ok is false if
// none is to come. A latency that was shortened below the time already passed gives an
// instant in the past, which means now.
func (c *removalClock) due(others, boot Latency) (at time.Time, ok bool) {
	if !c.running {
		return time.Time{}, false
	}
	if d, finite := others.Duration(); finite && !c.othersGone {
		at, ok = c.since.Add(d), true
	}
	if d, finite := boot.Duration(); finite && !c.bootGone {
		if end := c.since.Add(d); !ok || end.Before(at) {
			at, ok = end, true
		}
	}
	return at, ok
}

// expire marks and returns which parts are to be removed at now.
func (c *removalClock) expire(now time.Time, others, boot Latency) (removeOthers, removeBoot bool) {
	if !c.running {
		return false, false
	}
	if d, finite := others.Duration(); finite && !c.othersGone && !now.Before(c.since.Add(d)) {
		c.othersGone, removeOthers = true, true
	}
	if d, finite := boot.Duration(); finite && !c.bootGone && !now.Before(c.since.Add(d)) {
		c.bootGone, removeBoot = true, true
	}
	return removeOthers, removeBoot
}
