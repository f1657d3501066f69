package simtarget

// rowsReassign are the rows about recovery level 2.
func rowsReassign() []RowDeviation {
	return []RowDeviation{
		{"recovery.reassign.after-logout-read", func(d *Deviations) { d.Reassign.DropReads = true }},
		{"recovery.reassign.after-logout-write", func(d *Deviations) { d.Reassign.DropWrites = true }},
		{"recovery.reassign.still-allegiant", func(d *Deviations) { d.Reassign.FromLiveConnections = true }},
		{"recovery.reassign.implicit-logout", func(d *Deviations) { d.Reassign.EndTasksAtLoss = true }},
		{"recovery.reassign.non-immediate-or-own-connection", func(d *Deviations) { d.Reassign.UnknownComplete = true }},
		{"recovery.reassign.time2retain-expiry", func(d *Deviations) { d.Recovery.NeverExpire = true }},
		{"recovery.session-continuation.during-retain", func(d *Deviations) { d.Reassign.DiscardAtLoss = true }},
		{"recovery.single-connection.second-while-recovering", func(d *Deviations) { d.Reassign.CountLost = true }},
		{"recovery.reassign.not-for-text-or-task-management", func(d *Deviations) { d.Reassign.AnyKind = true }},
		{"recovery.reassign.snack-tag-zero", func(d *Deviations) { d.Reassign.KeepsSNACKTag = true }},
		{"recovery.reassign.immediate-commands-end", func(d *Deviations) { d.Reassign.KeepsImmediate = true }},
		{"recovery.reassign.impossible-expdatasn-ignored", func(d *Deviations) { d.Reassign.AnyExpDataSN = true }},
	}
}
