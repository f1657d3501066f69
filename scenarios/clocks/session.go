package clocks

import (
	"slices"
	"strconv"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/trace"
)

// Session is the life of one session as a trace tells of it.
type Session struct {
	// ID is the local session ID; 0 where the trace has nothing of the initiator's own.
	ID uint64
	// Name is for people: the local ID, or the I_T nexus.
	Name string
	// Initiator and Target are iSCSI names, Portal is where it was first dialled.
	Initiator, Target, Portal string
	// Opened is the first that was seen of it. Left is when its user ended it, or -1.
	Opened, Left time.Duration
	// Dials are its connections, in order.
	Dials []Dial
	// Outages are its losses, in order.
	Outages []Outage
	// Devices are the events of its devices, in order.
	Devices []trace.Event
	// End is the end of the trace.
	End time.Duration

	states []trace.Event
}

// Local tells whether the trace has the initiator's own events of the session.
func (s *Session) Local() bool { return s.ID != 0 }

// Outage is the time from a loss to the login that ends it.
type Outage struct {
	// Lost is when the initiator noticed, as far as the trace tells: the end of the connection where it has the wire alone.
	Lost time.Duration
	// Wait is the Time2Wait in force (RFC 7143, Section 7.5): what the login agreed on, or what an Asynchronous Message or a Logout Response asked for.
	Wait time.Duration
	// Before is the attempt that had brought the session; its At is -1 where the trace does not have it.
	Before Attempt
	// Attempts are those of the outage, in order. The last one may be the login.
	Attempts []Attempt
	// Back is when the session was logged in again, Left when its user gave it up; -1 for never.
	Back, Left time.Duration
	// Blind tells that attempts may have been made that nobody has seen, and that the loss may have been noticed at another time.
	Blind bool
	// Far tells that the trace was recorded at the target's end: attempts that something in between refused or swallowed are not in it.
	Far   bool
	Event trace.Event
}

// over is when the outage ended, in one way or the other, at the latest with the trace.
func (o *Outage) over(end time.Duration) time.Duration {
	if o.Left >= 0 {
		end = min(end, o.Left)
	}
	if o.Back >= 0 {
		end = min(end, o.Back)
	}
	return end
}

// Attempt is one login attempt: a connection, and what redirects lead to.
type Attempt struct {
	// At is when it began, Over when it had failed or succeeded, or -1.
	At, Over time.Duration
	// Dials are its connections, the first at the portal asked for, further ones behind redirects. There may be none, where dialling came to nothing.
	Dials    []Dial
	LoggedIn bool
	Event    trace.Event
}

// AttemptOf is the attempt that consists of one connection.
func AttemptOf(d Dial) Attempt {
	return Attempt{At: d.At, Over: d.over(), Dials: []Dial{d}, LoggedIn: LoggedIn(d), Event: d.Event}
}

// join adds a connection that a redirect has led to.
func (a *Attempt) join(d Dial) {
	a.Dials, a.Over, a.LoggedIn = append(a.Dials, d), d.over(), LoggedIn(d)
}

// Sessions gives the sessions of a trace, Normal and Discovery ones, in the order of their beginnings.
func Sessions(events []trace.Event) []*Session {
	dials := Dials(events)
	found := localSessions(events, dials)
	if len(found) == 0 {
		found = wireSessions(events, dials)
	}
	return found
}

// End is the instant of the last event.
func end(events []trace.Event) time.Duration {
	if len(events) == 0 {
		return 0
	}
	return events[len(events)-1].At
}

// defaultWait is DefaultTime2Wait where the login says nothing (RFC 7143, Section 13.15), in seconds.
const defaultWait = 2

// waitAfter is the Time2Wait in force when a connection has ended.
func waitAfter(d Dial) time.Duration {
	agreed, told := 0, false
	for _, q := range d.Requests {
		agreed, told = larger(q.Keys, agreed, told)
	}
	for _, p := range d.Responses {
		agreed, told = larger(p.Keys, agreed, told)
	}
	if !told {
		agreed = defaultWait
	}
	for _, w := range d.Notices {
		switch p := w.PDU.(type) {
		case *pdu.AsyncMessage:
			if p.Event == pdu.AsyncConnectionDrop || p.Event == pdu.AsyncSessionDrop {
				agreed = int(p.Parameter2)
			}
		case *pdu.LogoutResponse: // Section 11.15.3
			if p.Response == pdu.LogoutRecoveryNotSupported || p.Response == pdu.LogoutCleanupFailed {
				agreed = int(p.Time2Wait)
			}
		}
	}
	return time.Duration(agreed) * time.Second
}

// larger takes the larger of DefaultTime2Wait so far and in keys, which is what both ends agree on.
func larger(keys text.Pairs, agreed int, told bool) (int, bool) {
	if value, ok := keys.Get(text.KeyDefaultTime2Wait); ok {
		if n, err := strconv.Atoi(value); err == nil {
			return max(agreed, n), true
		}
	}
	return agreed, told
}

// loggedOut is when a logout of the session was answered with success, or -1.
func loggedOut(d Dial) time.Duration {
	asked := false
	for _, w := range d.Notices {
		switch p := w.PDU.(type) {
		case *pdu.LogoutRequest:
			asked = p.Reason == pdu.LogoutCloseSession
		case *pdu.LogoutResponse:
			if asked && p.Response == pdu.LogoutSuccess {
				return w.At
			}
		}
	}
	return -1
}

// leftByUser tells when the initiator asked to close the session without being asked to by the target, or -1.
func leftByUser(d Dial) time.Duration {
	for _, w := range d.Notices {
		switch p := w.PDU.(type) {
		case *pdu.AsyncMessage:
			if p.Event == pdu.AsyncLogoutRequest {
				return -1
			}
		case *pdu.LogoutRequest:
			if p.Reason == pdu.LogoutCloseSession {
				return w.At
			}
		}
	}
	return -1
}

// blinds are the times during which connection requests may go unseen: a closed listener answers them.
type blinds []struct{ from, to time.Duration }

// blindTimes finds them: while a portal refuses or is silent, in a trace that does not have the initiator's end, which would tell.
func blindTimes(events []trace.Event) blinds {
	var found blinds
	open := -1
	for _, node := range vantages(events) {
		if node == trace.NodeInitiator {
			return nil
		}
	}
	for _, e := range events {
		if e.Kind != trace.KindLink || e.Conn != "" {
			continue
		}
		switch {
		case (e.State == trace.LinkRefuse || e.State == trace.LinkSilent) && open < 0:
			open = len(found)
			found = append(found, struct{ from, to time.Duration }{e.At, end(events) + 1})
		case e.State == trace.LinkHeal && open >= 0:
			found[open].to = e.At
			open = -1
		}
	}
	return found
}

// touch tells whether any of the times lies in part between two instants.
func (b blinds) touch(from, to time.Duration) bool {
	return slices.ContainsFunc(b, func(t struct{ from, to time.Duration }) bool { return t.from < to && from < t.to })
}
