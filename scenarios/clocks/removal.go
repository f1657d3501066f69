package clocks

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/trace"
)

// expired is the reason that the session manager gives for a removal of its own.
const expired = "removal latency passed"

// Removal judges when the devices of a session leave: those that are there at a loss all leave when the latency has passed since it was noticed, and not
// before; none leaves when the session was logged in again by then; a logoff takes them at once. Each outage with devices leaves a finding; a trace
// without the initiator's own events leaves none.
func Removal(s *Session, t Terms) []scenarios.Finding {
	var findings []scenarios.Finding
	if !s.Local() {
		return nil
	}
	for i := range s.Outages {
		o := &s.Outages[i]
		here := s.present(o.Lost)
		if len(here) == 0 {
			continue
		}
		findings = append(findings, s.removal(o, here, t))
	}
	for _, e := range s.Devices {
		if e.State == deviceRemoved && e.Reason == expired && !s.isDown(e.At) {
			findings = append(findings, say(false, s.Name, "a removal for the latency's sake", "while the session is down only", fmt.Sprintf("one at %v", e.At), e))
		}
	}
	return findings
}

// isDown tells whether a session was down at an instant, its ends included.
func (s *Session) isDown(at time.Duration) bool {
	for i := range s.Outages {
		if o := &s.Outages[i]; o.Lost <= at && at <= o.over(s.End) {
			return true
		}
	}
	return false
}

// removal judges one outage: here are the devices that the session had.
func (s *Session) removal(o *Outage, here []trace.Event, t Terms) scenarios.Finding {
	rule := fmt.Sprintf("%d devices after the loss at %v", len(here), o.Lost)
	over := o.over(s.End)
	removed := 0
	for _, device := range here {
		latency := t.Latency
		if boot, _ := device.Attr("boot"); boot == "true" {
			latency = t.BootLatency
		}
		gone, found := s.leaves(device, o.Lost, over)
		at := o.Lost + latency
		switch what := fmt.Sprintf("%s: removal of %s", rule, device.Device); {
		case found && (latency == Never || gone.At < at-t.Tolerance):
			return say(false, s.Name, what, early(at, latency), fmt.Sprintf("one at %v, %v after the loss", gone.At, gone.At-o.Lost), o.Event, gone)
		case found && gone.At > at+t.Tolerance:
			return say(false, s.Name, what, fmt.Sprintf("at %v, %v after the loss", at, latency), fmt.Sprintf("at %v, %v after it", gone.At, gone.At-o.Lost), o.Event, gone)
		case found:
			removed++
		case latency != Never && at+t.Tolerance < over:
			return say(false, s.Name, what, fmt.Sprintf("at %v, %v after the loss", at, latency), fmt.Sprintf("none until %v, %v after it", over, over-o.Lost), o.Event)
		}
	}
	if removed > 0 && t.Latency != Never {
		return say(true, s.Name, rule, "", fmt.Sprintf("%d removed %v after it", removed, t.Latency))
	}
	return say(true, s.Name, rule, "", fmt.Sprintf("kept for the %v that it lasted", over-o.Lost))
}

func early(at, latency time.Duration) string {
	if latency == Never {
		return "none"
	}
	return fmt.Sprintf("none before %v, %v after the loss", at, latency)
}

// leaves finds the removal of a device between two instants, those included. What leaves with a session that its user ends is no removal of the latency's.
func (s *Session) leaves(device trace.Event, from, to time.Duration) (trace.Event, bool) {
	for _, e := range s.Devices {
		if e.State == deviceRemoved && sameDevice(e, device) && e.At >= from && e.At <= to {
			if e.At == s.Left && e.Reason != expired {
				continue
			}
			return e, true
		}
	}
	return trace.Event{}, false
}
