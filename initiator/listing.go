package initiator

import (
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
)

// State is where a managed session stands.
type State uint8

// The states of a managed session.
const (
	// StateConnecting is the first login in progress; such a session is not listed yet.
	StateConnecting State = iota + 1
	// StateConnected is a session in full feature phase.
	StateConnected
	// StateReconnecting is a session whose connection was lost and that is being logged in again.
	StateReconnecting
	// StateLoggingOff is a session whose user asked for its end.
	StateLoggingOff
	// StateClosed is a session that is over; it is listed no more.
	StateClosed
)

// String returns the state's name as listings and traces write it.
func (s State) String() string {
	switch s {
	case StateConnecting:
		return "connecting"
	case StateConnected:
		return "connected"
	case StateReconnecting:
		return "reconnecting"
	case StateLoggingOff:
		return "logging-off"
	case StateClosed:
		return "closed"
	default:
		return "none"
	}
}

// SessionStatus is one line of the listing of sessions. It is a copy.
type SessionStatus struct {
	// ID is the session's handle, constant over its life.
	ID SessionID
	// Kind is what the session is for.
	Kind Kind
	// State is where it stands, since Since.
	State State
	Since time.Time
	// InitiatorPort is the name of the initiator port.
	InitiatorPort string
	// Added is true for a session beyond the default ones.
	Added bool
	// BootLUN is the boot unit of a boot session, in wire form.
	BootLUN uint64
	// SessionInfo holds the names, ISID, TSIH, portals, addresses and negotiated values of the connection, or, while there
	// is none, of the last one. Configured is the portal asked for, Current the one reached.
	SessionInfo
	// Connections are those of the session, none while it is not connected; CIDs are their numbers.
	Connections []ConnectionInfo
	CIDs        []uint16
	// NextPortal is where the next login attempt goes: the configured portal unless a permanent redirect is remembered.
	NextPortal iscsi.Address
	// Logins counts successful logins, the first included; Attempts counts login attempts since the latest loss.
	Logins, Attempts int
	// LastError is why the session was lost last or could not be re-established; nil if neither ever happened.
	LastError error
	// LostAt is when the latest loss was detected; zero while the session is connected.
	LostAt time.Time
	// Queued and QueuedBytes are the requests that wait, and their data; InFlight those that the target has.
	Queued      int
	QueuedBytes int64
	InFlight    int
}

// PathInfo is one way to a device: a session and the unit's number there.
type PathInfo struct {
	Session SessionID
	// LUN is in wire form (scsi.LUN).
	LUN uint64
	// Blocked is true while the session is down or not yet checked.
	Blocked bool
	// Boot is true if the session is a boot session and this is its boot unit.
	Boot bool
}

// DeviceInfo is one line of the listing of devices. It is a copy.
type DeviceInfo struct {
	// Name is the device's persistent name: a function of its identity.
	Name string
	// Identity is what the unit says that it is.
	Identity Identity
	// Type is the peripheral device type (0 disk, 1 tape).
	Type byte
	// Revision is the product revision level.
	Revision string
	// Blocks and BlockSize are the capacity; both 0 where the unit has none to tell.
	Blocks    uint64
	BlockSize uint32
	// Blocked is true while none of its paths can carry a request.
	Blocked bool
	// Boot is true if any path is a boot session's.
	Boot bool
	// Paths are the ways to it, ordered by session and LUN.
	Paths []PathInfo
}
