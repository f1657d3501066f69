package sessions

import (
	"slices"
	"strconv"
	"time"

	"github.com/iscsispec/iscsispec/trace"
)

// SessionRow is one session as a listing showed it.
type SessionRow struct {
	// At is when it was listed.
	At time.Duration
	// ID is the local session ID.
	ID uint64
	// Kind is discovery, informational, data or boot; State is connected, reconnecting, logging-off ...
	Kind, State string
	// Initiator and Target are iSCSI names; Port is the initiator port's name.
	Initiator, Target, Port string
	// ISID is 12 hexadecimal digits; TSIH and CIDs are numbers.
	ISID string
	TSIH uint16
	CIDs []string
	// Configured is the portal asked for, Current the one reached, Next the one of the next attempt.
	Configured, Current, Next string
	// Logins counts successful logins, Attempts the attempts since the latest loss.
	Logins, Attempts int
	// LastOutcome and LastError tell of the latest failure or loss.
	LastOutcome, LastError string
	// Queued and InFlight count requests.
	Queued, InFlight int
	// Added is true for a session beyond the default ones.
	Added bool
	// BootLUN is the boot unit of a boot session.
	BootLUN int
	Event   trace.Event
}

// Param gives a negotiated value as the listing showed it, in the text form of its key: "262144", "Yes", "CRC32C"; empty when it is not shown.
func (s SessionRow) Param(key string) string { return attr(s.Event, paramPrefix+key) }

// paramPrefix stands before the negotiated keys in a row's attributes.
const paramPrefix = "param."

// Sessions gives the rows of a list-sessions op.
func (o OpRun) Sessions() []SessionRow {
	var rows []SessionRow
	for _, e := range o.Rows {
		if o.Name == (ListSessions{}).OpName() {
			rows = append(rows, sessionRow(e))
		}
	}
	return rows
}

func sessionRow(e trace.Event) SessionRow {
	number := func(key string) int {
		n, _ := strconv.Atoi(attr(e, key))
		return n
	}
	return SessionRow{
		At: e.At, ID: e.Session, Kind: attr(e, "kind"), State: attr(e, "state"), Initiator: attr(e, "initiator"), Target: attr(e, "target"),
		Port: attr(e, "port"), ISID: attr(e, "isid"), TSIH: uint16(number("tsih")), CIDs: fields(attr(e, "cids")),
		Configured: attr(e, "configured"), Current: attr(e, "current"), Next: attr(e, "next"), Logins: number("logins"),
		Attempts: number("attempts"), LastOutcome: attr(e, "last-outcome"), LastError: attr(e, "last-error"),
		Queued: number("queued"), InFlight: number("in-flight"), Added: attr(e, "added") == "true", BootLUN: number("boot-lun"), Event: e,
	}
}

// Session gives the row of one session.
func (o OpRun) SessionRow(id uint64) (SessionRow, bool) {
	for _, row := range o.Sessions() {
		if row.ID == id {
			return row, true
		}
	}
	return SessionRow{}, false
}

// StateChange is one change of a local session's state, as the session manager told of it.
type StateChange struct {
	At          time.Duration
	Session     uint64
	State, Was  string
	Reason, Err string
	Event       trace.Event
}

// States gives the changes of one session's state, or of all sessions' for 0.
func (r *Run) States(session uint64) []StateChange {
	var changes []StateChange
	for _, e := range r.Events {
		if e.Kind == trace.KindSession && e.Op == "" && (session == 0 || e.Session == session) {
			changes = append(changes, StateChange{At: e.At, Session: e.Session, State: e.State, Was: e.Was, Reason: e.Reason, Err: e.Err, Event: e})
		}
	}
	return changes
}

// Entered gives the instants at or after t at which a session entered a state.
func (r *Run) Entered(session uint64, state string, t time.Duration) []time.Duration {
	var at []time.Duration
	for _, c := range r.States(session) {
		if c.State == state && c.At >= t {
			at = append(at, c.At)
		}
	}
	return at
}

// The states of a session that the contract names.
const (
	StateConnected    = "connected"
	StateReconnecting = "reconnecting"
	StateClosed       = "closed"
)

// Lost gives the first instant at or after t at which a session knew that its connection was gone, or -1.
func (r *Run) Lost(session uint64, t time.Duration) time.Duration {
	return first(r.Entered(session, StateReconnecting, t))
}

// Regained gives the first instant at or after t at which a session was connected again, or -1.
func (r *Run) Regained(session uint64, t time.Duration) time.Duration {
	return first(r.Entered(session, StateConnected, t))
}

func first(at []time.Duration) time.Duration {
	if len(at) == 0 {
		return -1
	}
	return at[0]
}

// IDs gives all local session IDs that appear in the run, in order.
func (r *Run) IDs() []uint64 {
	var ids []uint64
	for _, e := range r.Events {
		if e.Session != 0 && e.Kind == trace.KindSession && !slices.Contains(ids, e.Session) {
			ids = append(ids, e.Session)
		}
	}
	return ids
}
