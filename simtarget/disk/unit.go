package disk

import "github.com/iscsispec/iscsispec/scsi"

// LogicalUnit is what stands behind a LUN. Its methods may be called from many goroutines at once and never wait for anything. Disk is
// the one that this package makes; a scenario may wrap it to answer otherwise.
type LogicalUnit interface {
	// Begin looks at a command before its data move. It sets the task's Command, Direction and Length. It returns true when the
	// command has ended: Status, and Sense or DataIn, are set, no data-out is wanted, and Execute must not be called.
	Begin(*Task) bool
	// Execute ends the command that Begin accepted, with DataOut in place. It calls Begin itself when nobody has.
	Execute(*Task)
	// Connect makes a nexus known; with a code other than scsi.NoAdditionalSense its first command gets that unit attention.
	Connect(Nexus, scsi.ASC)
	// Disconnect is a loss of the nexus: its SPC-2 reservation and pending unit attentions go, its persistent registration stays.
	Disconnect(Nexus)
	// Attention establishes a unit attention for all connected nexuses but those named.
	Attention(code scsi.ASC, except ...Nexus)
	// ClearAttention withdraws a unit attention that waits for the nexus, as REPORT LUNS does with REPORTED LUNS DATA HAS CHANGED.
	ClearAttention(Nexus, scsi.ASC)
	// Reset is a logical unit reset: SPC-2 reservations go, and all connected nexuses but those named get the unit attention.
	Reset(code scsi.ASC, except ...Nexus)
}
