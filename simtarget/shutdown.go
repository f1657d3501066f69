package simtarget

import (
	"context"
	"math"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// shutdownPoll is how often Shutdown looks whether the last connection has gone.
const shutdownPoll = 10 * time.Millisecond

// Shutdown ends the array in order: it stops listening, asks every Normal session for a logout by an Asynchronous Message of event 1 whose
// Parameter3 is within in whole seconds, rounded up (RFC 7143, Section 11.9), and closes when the last connection of a session has gone, when
// that time has passed, or when ctx ends. A within of 0 closes at once, like Close. It returns how many sessions had a connection still.
func (a *Array) Shutdown(ctx context.Context, within time.Duration) (left int, err error) {
	a.mu.Lock()
	a.listen = nil // no portal comes back
	for _, p := range a.portals {
		a.shut(p)
	}
	a.mu.Unlock()
	if within > 0 {
		deadline, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		seconds := uint16(min(math.MaxUint16, (within+time.Second-1)/time.Second))
		a.sendAsync(Async{Which: Which{Kind: "Normal"}, Event: pdu.AsyncLogoutRequest, Parameter3: &seconds, Then: EndKeep})
		a.awaitDepartures(deadline)
	}
	for _, s := range a.Sessions() {
		if s.Connected {
			left++
		}
	}
	return left, a.Close()
}

// awaitDepartures waits until no connection is in full feature phase, or ctx ends.
func (a *Array) awaitDepartures(ctx context.Context) {
	tick := time.NewTicker(shutdownPoll)
	defer tick.Stop()
	for a.inFullFeature() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-a.done:
			return
		}
	}
}

func (a *Array) inFullFeature() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, c := range a.connections {
		if c.inSession.Load() {
			n++
		}
	}
	return n
}
