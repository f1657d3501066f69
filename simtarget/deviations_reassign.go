package simtarget

// ReassignDeviations are faults of recovery level 2.
type ReassignDeviations struct {
	// EndTasksAtLoss ends the tasks of a connection with it, as below recovery level 2.
	EndTasksAtLoss bool
	// DropReads answers TASK REASSIGN for a read and sends nothing more for it.
	DropReads bool
	// DropWrites answers it for a write and asks for no data.
	DropWrites bool
	// FromLiveConnections moves tasks whose connection was not logged out.
	FromLiveConnections bool
	// UnknownComplete answers "function complete" for a tag that names no task.
	UnknownComplete bool
	// AnyKind answers it for the tags of text requests and task management requests too.
	AnyKind bool
	// AnyExpDataSN takes an ExpDataSN beyond what was sent for an acknowledgement of everything.
	AnyExpDataSN bool
	// KeepsSNACKTag leaves the SNACK Tag of an R-Data SNACK in the SCSI Response of a task that was reassigned since.
	KeepsSNACKTag bool
	// KeepsImmediate keeps immediate commands beyond the loss of their connection, as it does others.
	KeepsImmediate bool
	// DiscardAtLoss ends a session with its last connection, whatever Time2Retain says.
	DiscardAtLoss bool
	// CountLost counts lost connections against MaxConnections.
	CountLost bool
}
