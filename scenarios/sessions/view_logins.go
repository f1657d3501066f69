package sessions

import (
	"fmt"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/trace"
)

// Dial is one TCP connection that the initiator asked for, and what became of it.
type Dial struct {
	// Conn is its name, Portal the address dialled, Local the initiator's address.
	Conn, Portal, Local string
	// At is when the initiator asked; Up when the connection stood, or -1; Failed when it came to nothing, or -1.
	At, Up, Failed time.Duration
	// Err is why it came to nothing.
	Err string
	// Closed is when it ended at the initiator's end, or -1; How is a Close constant of package trace.
	Closed time.Duration
	How    string
	// Requests and Responses are those of the login phase, in order.
	Requests  []LoginRequest
	Responses []LoginResponse
	// FullFeature is when the initiator received the response that ended the login successfully, or -1.
	FullFeature time.Duration
	// Session is the local session on whose behalf the initiator dialled; 0 for none that it told of.
	Session uint64
	Event   trace.Event
}

// Open tells whether the connection stood at t, at the initiator's end.
func (d Dial) Open(t time.Duration) bool {
	return d.Up >= 0 && d.Up <= t && (d.Closed < 0 || d.Closed > t)
}

// ISID is the one of its first Login Request; zero when none was sent.
func (d Dial) ISID() iscsi.ISID {
	if len(d.Requests) == 0 {
		return iscsi.ISID{}
	}
	return d.Requests[0].PDU.ISID
}

// Key gives the value that the initiator declared or offered for a key during the login.
func (d Dial) Key(key string) (string, bool) {
	for _, q := range d.Requests {
		if value, ok := q.Keys.Get(key); ok {
			return value, true
		}
	}
	return "", false
}

// Status is the last login status received, or -1 when there was none.
func (d Dial) Status() int {
	if len(d.Responses) == 0 {
		return -1
	}
	return int(d.Responses[len(d.Responses)-1].Status)
}

// LoginRequest is one Login Request with its keys.
type LoginRequest struct {
	Wire
	PDU  *pdu.LoginRequest
	Keys text.Pairs
}

// LoginResponse is one Login Response with its keys.
type LoginResponse struct {
	Wire
	PDU    *pdu.LoginResponse
	Status iscsi.Status
	Keys   text.Pairs
}

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
func LoggedIn(d Dial) bool { return d.FullFeature >= 0 }

// Dials gives the connections that the initiator asked for and that pass all filters, in order. TCP's own repeats of a connection request
// are not among them.
func (r *Run) Dials(filters ...DialFilter) []Dial {
	var dials []Dial
	place := map[string]int{}
	var attempts []trace.Event
	for _, e := range r.Events {
		if e.Kind == trace.KindSession && e.Op == opAttempt {
			attempts = append(attempts, e)
		}
		if e.Node != trace.NodeInitiator || e.Conn == "" && e.Kind != trace.KindDialFailed {
			continue
		}
		i, known := place[e.Conn]
		switch {
		case e.Conn == "": // an address that could not be dialled at all
			dials = append(dials, Dial{Portal: e.To, Local: e.From, At: e.At, Up: -1, Failed: e.At, Err: e.Err, Closed: -1, FullFeature: -1,
				Event: e, Session: onBehalf(attempts, e)})
		case e.Kind == trace.KindDial:
			place[e.Conn] = len(dials)
			dials = append(dials, Dial{Conn: e.Conn, Portal: e.To, Local: e.From, At: e.At, Up: -1, Failed: -1, Closed: -1,
				FullFeature: -1, Event: e, Session: onBehalf(attempts, e)})
		case known:
			dials[i].see(e)
		}
	}
	var found []Dial
next:
	for _, d := range dials {
		for _, f := range filters {
			if !f(d) {
				continue next
			}
		}
		found = append(found, d)
	}
	return found
}

// opAttempt is how the session manager's events call the start of a login attempt.
const opAttempt = "attempt"

// onBehalf finds the session whose attempt a dial belongs to: the latest to begin at the dialled portal, or, behind a redirect, at any.
func onBehalf(attempts []trace.Event, dial trace.Event) uint64 {
	for i := len(attempts) - 1; i >= 0; i-- {
		if attempts[i].To == dial.To {
			return attempts[i].Session
		}
	}
	if len(attempts) > 0 {
		return attempts[len(attempts)-1].Session
	}
	return 0
}

func (d *Dial) see(e trace.Event) {
	switch e.Kind {
	case trace.KindDialFailed:
		d.Failed, d.Err = e.At, e.Err
	case trace.KindConnUp:
		d.Up = e.At
	case trace.KindConnClosed:
		if d.Closed < 0 && e.State != trace.CloseHalfSent {
			d.Closed, d.How = e.At, e.State
		}
	case trace.KindPDUSent, trace.KindPDUReceived:
		if d.FullFeature < 0 {
			d.seeLogin(e)
		}
	}
}

func (d *Dial) seeLogin(e trace.Event) {
	w := Wire{At: e.At, Conn: e.Conn, Node: e.Node, Frame: e.PDU.Frame(), Event: e, FromInitiator: e.Kind == trace.KindPDUSent}
	p, err := w.Frame.Decode()
	if err != nil {
		return
	}
	w.PDU = p
	switch p := p.(type) {
	case *pdu.LoginRequest:
		keys, _ := text.Parse(p.Data)
		d.Requests = append(d.Requests, LoginRequest{Wire: w, PDU: p, Keys: keys})
	case *pdu.LoginResponse:
		keys, _ := text.Parse(p.Data)
		status := iscsi.Status(uint16(p.StatusClass)<<8 | uint16(p.StatusDetail))
		d.Responses = append(d.Responses, LoginResponse{Wire: w, PDU: p, Status: status, Keys: keys})
		if status == iscsi.StatusSuccess && p.Transit && p.NSG == pdu.StageFullFeature {
			d.FullFeature = e.At
		}
	}
}

// DialEvents turns dials into evidence.
func DialEvents(dials []Dial) []trace.Event {
	var events []trace.Event
	for _, d := range dials {
		events = append(events, d.Event)
	}
	return events
}

// Starts gives the instants at which they were dialled.
func Starts(dials []Dial) []time.Duration {
	var at []time.Duration
	for _, d := range dials {
		at = append(at, d.At)
	}
	return at
}

// Gaps gives the times between one instant and the next.
func Gaps(at []time.Duration) []time.Duration {
	var gaps []time.Duration
	for i := 1; i < len(at); i++ {
		gaps = append(gaps, at[i]-at[i-1])
	}
	return gaps
}

// Durations prints instants or gaps for people, rounded to milliseconds; of many only the first and the last ones.
func Durations(ds []time.Duration) string {
	const most = 16
	var words []string
	for i, d := range ds {
		if len(ds) > most && i == most/2 {
			words = append(words, "...")
		}
		if len(ds) <= most || i < most/2 || i >= len(ds)-most/2 {
			words = append(words, d.Round(time.Millisecond).String())
		}
	}
	return strings.Join(words, " ")
}

// Overlapping gives the pairs of connections that were under way or open at the same time, of those given; none for a sound session,
// which has one login attempt at a time (C2). Redirects count as overlapping while the old connection is not closed yet.
func Overlapping(dials []Dial) [][2]Dial {
	var pairs [][2]Dial
	for i, a := range dials {
		for _, b := range dials[i+1:] {
			over := max(a.Failed, a.Closed)
			if over < 0 || b.At < over {
				pairs = append(pairs, [2]Dial{a, b})
			}
		}
	}
	return pairs
}

// Describe says in a few words what became of a connection.
func Describe(d Dial) string {
	switch {
	case d.FullFeature >= 0:
		return fmt.Sprintf("full feature phase at %v", d.FullFeature)
	case d.Failed >= 0:
		return fmt.Sprintf("no connection at %v: %s", d.Failed, d.Err)
	case len(d.Responses) > 0 && d.Status() != 0:
		return fmt.Sprintf("login refused with status %v", iscsi.Status(d.Status()))
	case d.Closed >= 0:
		return fmt.Sprintf("closed at %v (%s) after %d Login Requests", d.Closed, d.How, len(d.Requests))
	}
	return fmt.Sprintf("open, with %d Login Requests and %d responses", len(d.Requests), len(d.Responses))
}
