package sessions

import (
	"strconv"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/trace"
)

// DeviceRow is one device as a listing showed it.
type DeviceRow struct {
	// At is when it was listed.
	At time.Duration
	// Name is persistent; Identity is what the unit says that it is: its designator, or else its serial number.
	Name, Identity string
	// Serial and Revision are the unit's.
	Serial, Revision string
	// Blocks and BlockSize are the capacity.
	Blocks    uint64
	BlockSize int
	// Blocked is true while no path can carry a request; Boot is true for a boot device.
	Blocked, Boot bool
	Paths         []Path
	Event         trace.Event
}

// Path is one way to a device.
type Path struct {
	Session uint64
	LUN     int
	Blocked bool
}

// LUN is the unit number on the first path, or -1.
func (d DeviceRow) LUN() int {
	if len(d.Paths) == 0 {
		return -1
	}
	return d.Paths[0].LUN
}

// Devices gives the rows of a list-devices op.
func (o OpRun) Devices() []DeviceRow {
	var rows []DeviceRow
	for _, e := range o.Rows {
		if o.Name == (ListDevices{}).OpName() {
			rows = append(rows, deviceRow(e))
		}
	}
	return rows
}

// DevicesOf gives the rows that have a path through a session.
func (o OpRun) DevicesOf(session uint64) []DeviceRow {
	var rows []DeviceRow
	for _, row := range o.Devices() {
		for _, p := range row.Paths {
			if p.Session == session {
				rows = append(rows, row)
				break
			}
		}
	}
	return rows
}

func deviceRow(e trace.Event) DeviceRow {
	row := DeviceRow{
		At: e.At, Name: e.Device, Identity: attr(e, "identity"), Serial: attr(e, "serial"), Revision: attr(e, "revision"),
		Blocked: attr(e, "blocked") == "true", Boot: attr(e, "boot") == "true", Event: e,
	}
	row.Blocks, _ = strconv.ParseUint(attr(e, attrBlocks), 10, 64)
	row.BlockSize, _ = strconv.Atoi(attr(e, "block-size"))
	for _, p := range fields(attr(e, "paths")) {
		row.Paths = append(row.Paths, parsePath(p))
	}
	return row
}

// A path is written "session/lun" or "session/lun/blocked".
func parsePath(s string) Path {
	parts := strings.Split(s, "/")
	p := Path{LUN: -1, Blocked: len(parts) == 3}
	p.Session, _ = strconv.ParseUint(parts[0], 10, 64)
	if len(parts) > 1 {
		if n, err := strconv.Atoi(parts[1]); err == nil {
			p.LUN = n
		}
	}
	return p
}

// DeviceChange is a change of a path in the device stack, as the session manager told of it.
type DeviceChange struct {
	At      time.Duration
	Session uint64
	Device  string
	LUN     int
	// State is arrived, blocked, unblocked, changed or removed.
	State  string
	Reason string
	// Paths is how many paths the device has afterwards: 1 at an arrival means a new device, 0 at a removal that it left the stack.
	Paths int
	Event trace.Event
}

// The states of a DeviceChange that judges ask for.
const (
	DeviceArrived   = "arrived"
	DeviceGone      = "removed"
	DeviceBlocked   = "blocked"
	DeviceUnblocked = "unblocked"
)

// Devices gives the changes in the device stack that came through one session, or through any for 0, of the states named, or of all.
func (r *Run) Devices(session uint64, states ...string) []DeviceChange {
	var changes []DeviceChange
	for _, e := range r.Events {
		if e.Kind != trace.KindDevice || session != 0 && e.Session != session || len(states) > 0 && !contains(states, e.State) {
			continue
		}
		c := DeviceChange{At: e.At, Session: e.Session, Device: e.Device, LUN: -1, State: e.State, Reason: e.Reason, Event: e}
		if e.LUN != nil {
			c.LUN = int(*e.LUN)
		}
		c.Paths, _ = strconv.Atoi(attr(e, "paths"))
		changes = append(changes, c)
	}
	return changes
}

// Since gives the changes at or after t.
func Since(changes []DeviceChange, t time.Duration) []DeviceChange {
	var later []DeviceChange
	for _, c := range changes {
		if c.At >= t {
			later = append(later, c)
		}
	}
	return later
}

// DeviceEvents turns changes into evidence.
func DeviceEvents(changes []DeviceChange) []trace.Event {
	var events []trace.Event
	for _, c := range changes {
		events = append(events, c.Event)
	}
	return events
}

func contains(list []string, s string) bool {
	for _, other := range list {
		if other == s {
			return true
		}
	}
	return false
}
