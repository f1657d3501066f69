package initiator

// TaskManagementDeviations are faults of task management.
type TaskManagementDeviations struct {
	// IgnoreProtocolLevel sends the functions of RFC 7144 whatever iSCSIProtocolLevel was agreed.
	IgnoreProtocolLevel bool
	// DataAfterFastAbort goes on sending the data of tasks that a FastAbort function has been sent for.
	DataAfterFastAbort bool
	// IgnoreTermination does nothing when the target says that it has ended tasks (event 5).
	IgnoreTermination bool
}
