package initiator

import (
	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// Op is something that the harness asks of the initiator: one of the types of this file. Ops of commands and sessions name no session:
// they go to the one that the latest Login or AddSession of the driver opened.
type Op interface {
	// OpName is the catalogue's word for it.
	OpName() string
}

// Login logs in.
type Login struct {
	// Kind is what for; the zero value means ini.Data.
	Kind ini.Kind
	// Portal is where: a letter as for T.Portal, "" for A.
	Portal string
	// NoTarget leaves the target's name out of the request, as discovery sessions may have it.
	NoTarget bool
	// Settings override the initiator's.
	Settings ini.LoginSettings
}

// Logout logs out.
type Logout struct{}

// Read reads blocks; the result's Data is what came. Blocks 0 means 1.
type Read struct {
	LUN    uint32
	LBA    uint64
	Blocks int
}

// Write writes blocks. Data is made of the pattern of other blocks, so that it differs from what was there, unless it is given.
type Write struct {
	LUN    uint32
	LBA    uint64
	Blocks int
	Data   []byte
}

// Inquiry asks for the standard INQUIRY data; Length 0 means 255.
type Inquiry struct {
	LUN    uint32
	Length int
}

// ReportLUNs asks for the list of units; Length 0 means 4096.
type ReportLUNs struct{ Length int }

// ReadCapacity asks for the capacity with READ CAPACITY(10).
type ReadCapacity struct{ LUN uint32 }

// TestUnitReady asks whether a unit is ready.
type TestUnitReady struct{ LUN uint32 }

// RawCDB sends any command. Read and Write are the expected transfer lengths; both means a bidirectional command.
type RawCDB struct {
	LUN   uint32
	CDB   []byte
	Read  int
	Write []byte
	Attr  pdu.TaskAttribute
}

// AbortTask aborts a command that is under way.
type AbortTask struct{ Of *Pending }

// LUNReset resets a unit.
type LUNReset struct{ LUN uint32 }

// TargetReset resets the target (warm).
type TargetReset struct{}

// TaskManagement is any task management function. Of is the command that it is about, where it is about one.
type TaskManagement struct {
	Function pdu.TaskFunction
	LUN      uint32
	Of       *Pending
}

// SendText sends pairs in a Text Request; the result's Pairs are the answer.
type SendText struct{ Pairs text.Pairs }

// Ping sends a NOP-Out with data and waits for its echo, which is the result's Data.
type Ping struct{ Data []byte }

// Discover sends SendTargets=All on a discovery session; the result's Targets are what was found.
type Discover struct{}

// ListSessions and ListDevices list what the session manager has.
type (
	ListSessions struct{}
	ListDevices  struct{}
)

// LoginAll discovers at portal A and logs in to all that is found.
type LoginAll struct{}

// AddSession clones the latest session.
type AddSession struct{}

// RemoveSession removes the latest session.
type RemoveSession struct{}

// AddConnection opens a further connection of the latest session.
type AddConnection struct {
	// Portal is where: a letter as for T.Portal, "" for where the session is.
	Portal string
}

// SetConfig changes the settings of the session manager while it runs.
type SetConfig struct{ Change func(s *ini.Settings) }

// Restart ends the initiator as a crash of its host would, and starts it anew.
type Restart struct{}

// Stop ends the initiator in order, as when its process is told to end.
type Stop struct{}

// OpName is "stop".
func (Stop) OpName() string { return "stop" }

// OpName is "login".
func (Login) OpName() string { return "login" }

// OpName is "logout".
func (Logout) OpName() string { return "logout" }

// OpName is "read".
func (Read) OpName() string { return "read" }

// OpName is "write".
func (Write) OpName() string { return "write" }

// OpName is "inquiry".
func (Inquiry) OpName() string { return "inquiry" }

// OpName is "report-luns".
func (ReportLUNs) OpName() string { return "report-luns" }

// OpName is "read-capacity".
func (ReadCapacity) OpName() string { return "read-capacity" }

// OpName is "test-unit-ready".
func (TestUnitReady) OpName() string { return "test-unit-ready" }

// OpName is "raw-cdb".
func (RawCDB) OpName() string { return "raw-cdb" }

// OpName is "abort-task".
func (AbortTask) OpName() string { return "abort-task" }

// OpName is "lun-reset".
func (LUNReset) OpName() string { return "lun-reset" }

// OpName is "target-reset".
func (TargetReset) OpName() string { return "target-reset" }

// OpName is "task-management".
func (TaskManagement) OpName() string { return "task-management" }

// OpName is "send-text".
func (SendText) OpName() string { return "send-text" }

// OpName is "ping".
func (Ping) OpName() string { return "ping" }

// OpName is "discover".
func (Discover) OpName() string { return "discover" }

// OpName is "list-sessions".
func (ListSessions) OpName() string { return "list-sessions" }

// OpName is "list-devices".
func (ListDevices) OpName() string { return "list-devices" }

// OpName is "login-all".
func (LoginAll) OpName() string { return "login-all" }

// OpName is "add-session".
func (AddSession) OpName() string { return "add-session" }

// OpName is "remove-session".
func (RemoveSession) OpName() string { return "remove-session" }

// OpName is "add-connection".
func (AddConnection) OpName() string { return "add-connection" }

// OpName is "set-config".
func (SetConfig) OpName() string { return "set-config" }

// OpName is "restart".
func (Restart) OpName() string { return "restart" }
