package sessions

import (
	"time"

	"github.com/iscsispec/iscsispec/trace"
)

// RequestStep is one step in the life of a request, as the session manager told of it. Judges of what a requester sees use [Run.Ops]; this view is for what
// happens in between, and for the manager's own requests too.
type RequestStep struct {
	At      time.Duration
	Session uint64
	// Request numbers the requests of one session in the order of their submission.
	Request uint64
	Device  string
	LUN     int
	// Command is the SCSI command's name.
	Command string
	// State is submitted, queued, served-from-cache, sent, requeued or completed; Outcome is that of a completed one.
	State, Outcome string
	Event          trace.Event
}

// The states of a RequestStep that judges ask for.
const (
	RequestSubmitted = "submitted"
	RequestQueued    = "queued"
	RequestServed    = "served-from-cache"
	RequestSent      = "sent"
	RequestRequeued  = "requeued"
	RequestCompleted = "completed"
)

// Requests gives the steps of one session's requests, or of all for 0, of the states named, or of all.
func (r *Run) Requests(session uint64, states ...string) []RequestStep {
	var found []RequestStep
	for _, e := range r.Events {
		if e.Kind != trace.KindRequest || session != 0 && e.Session != session || len(states) > 0 && !contains(states, e.State) {
			continue
		}
		q := RequestStep{At: e.At, Session: e.Session, Request: e.Request, Device: e.Device, LUN: -1, Command: e.Op, State: e.State, Event: e}
		if e.LUN != nil {
			q.LUN = int(*e.LUN)
		}
		if e.State == RequestCompleted {
			q.Outcome = e.Reason
		}
		found = append(found, q)
	}
	return found
}

// MostQueued gives the largest number of requests of a session that waited at one instant.
func (r *Run) MostQueued(session uint64) int {
	waiting := map[uint64]bool{}
	most := 0
	for _, q := range r.Requests(session) {
		switch q.State {
		case RequestQueued, RequestRequeued:
			waiting[q.Request] = true
		case RequestSent, RequestCompleted, RequestServed:
			delete(waiting, q.Request)
		}
		most = max(most, len(waiting))
	}
	return most
}
