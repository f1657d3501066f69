package clocks

import (
	"fmt"
	"slices"
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
	// Closed is when it ended at the initiator's end, or the recorder's where that is not in the trace, or -1; How is a Close constant of
	// package trace.
	Closed time.Duration
	How    string
	// Shut is when the other end ended its stream, as that end's recording tells, or -1: an initiator may keep its own end for a while.
	Shut time.Duration
	// Requests and Responses are those of the login phase, in order.
	Requests  []LoginRequest
	Responses []LoginResponse
	// FullFeature is when the initiator received the response that ended the login successfully, or -1.
	FullFeature time.Duration
	// Notices are the Asynchronous Messages, Logout Requests and Logout Responses that followed, in order.
	Notices []Wire
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

// Answered gives the value that the target declared, answered or offered first for a key during the login.
func (d Dial) Answered(key string) (string, bool) {
	for _, p := range d.Responses {
		if value, ok := p.Keys.Get(key); ok {
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

// Redirected tells whether the login was answered with a redirection (RFC 7143, Section 11.13.5).
func (d Dial) Redirected() bool { return d.Status()>>8 == 1 }

// over is when the login attempt was over, or -1 while it goes on.
func (d Dial) over() time.Duration {
	if d.FullFeature >= 0 {
		return d.FullFeature
	}
	return max(d.Failed, d.Closed)
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

// LoggedIn picks connections that reached full feature phase.
func LoggedIn(d Dial) bool { return d.FullFeature >= 0 }

// arraySide ends the name under which a proxy records its connection to the array.
const arraySide = "/array"

// Dials gives the connections that initiators asked for, in order. TCP's own repeats of a connection request are not among them. Where the
// trace has both ends of a connection, the initiator's tells.
func Dials(events []trace.Event) []Dial {
	vantage := vantages(events)
	var dials []Dial
	place := map[string]int{}
	calls := calls{at: map[string]uint64{}}
	for _, e := range events {
		if e.Kind == trace.KindSession {
			calls.note(e)
		}
		i, known := place[e.Conn]
		switch begins := e.Kind == trace.KindDial && e.Node == trace.NodeInitiator; {
		case strings.HasSuffix(e.Conn, arraySide):
		case e.Conn == "" && e.Kind == trace.KindDialFailed: // an address that could not be dialled at all
			dials = append(dials, Dial{Portal: e.To, Local: e.From, At: e.At, Up: -1, Failed: e.At, Err: e.Err, Closed: -1, Shut: -1, FullFeature: -1,
				Event: e, Session: calls.onBehalf(e.To)})
		case e.Conn == "":
		case begins, !known && e.Kind == trace.KindConnUp && e.Node == vantage[e.Conn]:
			place[e.Conn] = len(dials)
			d := Dial{Conn: e.Conn, Portal: e.To, Local: e.From, At: e.At, Up: -1, Failed: -1, Closed: -1, Shut: -1, FullFeature: -1, Event: e}
			if !begins && e.Node != trace.NodeInitiator {
				d.Portal, d.Local = e.From, e.To // the array's end tells it from its side
			}
			d.Session = calls.onBehalf(d.Portal)
			dials = append(dials, d)
			if !begins {
				dials[len(dials)-1].see(e)
			}
		case known && (e.Node == vantage[e.Conn] || e.Kind == trace.KindDialFailed):
			dials[i].see(e)
		}
	}
	return dials
}

// vantages tells for each connection whose recording to read: the initiator's own, or else the first.
func vantages(events []trace.Event) map[string]string {
	nodes := map[string]string{}
	for _, e := range events {
		if e.Kind != trace.KindConnUp {
			continue
		}
		if _, told := nodes[e.Conn]; !told || e.Node == trace.NodeInitiator {
			nodes[e.Conn] = e.Node
		}
	}
	return nodes
}

// opAttempt is how the session manager's events call the start of a login attempt, opAttemptFailed its end.
const (
	opAttempt       = "attempt"
	opAttemptFailed = "attempt-failed"
)

// calls tell on whose behalf the initiator dials.
type calls struct {
	open   []call            // attempts that have not dialled yet, in order
	at     map[string]uint64 // the session whose attempt was the latest to begin at a portal
	latest uint64            // the session whose attempt was the latest of all
}

type call struct {
	session uint64
	portal  string
}

// note takes the events of attempts.
func (c *calls) note(e trace.Event) {
	switch e.Op {
	case opAttempt:
		c.open = append(c.open, call{session: e.Session, portal: e.To})
		c.at[e.To], c.latest = e.Session, e.Session
	case opAttemptFailed: // it may not have dialled at all
		c.open = slices.DeleteFunc(c.open, func(a call) bool { return a.session == e.Session })
	}
}

// onBehalf finds the session whose attempt a dial belongs to: the first to begin at the dialled portal of those that have not dialled yet; or else the latest to
// begin there; or, behind a redirect, the latest of all.
func (c *calls) onBehalf(portal string) uint64 {
	for i, a := range c.open {
		if a.portal == portal {
			c.open = slices.Delete(c.open, i, i+1)
			return a.session
		}
	}
	if session, told := c.at[portal]; told {
		return session
	}
	return c.latest
}

func (d *Dial) see(e trace.Event) {
	switch e.Kind {
	case trace.KindDialFailed:
		d.Failed, d.Err = e.At, e.Err
	case trace.KindConnUp:
		d.Up = e.At
	case trace.KindConnClosed:
		if e.State == trace.CloseHalfSent && e.Node != trace.NodeInitiator && d.Shut < 0 {
			d.Shut = e.At
		}
		if d.Closed < 0 && e.State != trace.CloseHalfSent {
			d.Closed, d.How = e.At, e.State
		}
	case trace.KindPDUSent, trace.KindPDUReceived:
		if d.FullFeature < 0 {
			d.seeLogin(WireOf(e))
		} else if op := e.PDU.Opcode(); op == pdu.OpAsyncMessage || op == pdu.OpLogoutRequest || op == pdu.OpLogoutResponse {
			d.Notices = append(d.Notices, WireOf(e))
		}
	}
}

func (d *Dial) seeLogin(w Wire) {
	switch p := w.PDU.(type) {
	case *pdu.LoginRequest:
		keys, _ := text.Parse(p.Data)
		d.Requests = append(d.Requests, LoginRequest{Wire: w, PDU: p, Keys: keys})
	case *pdu.LoginResponse:
		keys, _ := text.Parse(p.Data)
		status := iscsi.Status(uint16(p.StatusClass)<<8 | uint16(p.StatusDetail))
		d.Responses = append(d.Responses, LoginResponse{Wire: w, PDU: p, Status: status, Keys: keys})
		if status == iscsi.StatusSuccess && p.Transit && p.NSG == pdu.StageFullFeature {
			d.FullFeature = w.At
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
