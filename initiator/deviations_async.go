package initiator

// AsyncDeviations are faults in what is made of Async Messages (RFC 7143, Section 11.9).
type AsyncDeviations struct {
	// DropOnSCSIEvent ends the connection when event 0 comes.
	DropOnSCSIEvent bool
	// DeadlineInMinutes takes the time that event 1 gives for minutes, and uses half of it.
	DeadlineInMinutes bool
	// ZeroIsNoDeadline waits for open commands without end when event 1 gives no time at all.
	ZeroIsNoDeadline bool
	// RepeatLogsOutAgain sends another Logout Request for each event 1.
	RepeatLogsOutAgain bool
	// WaitForWrites lets open commands end before it logs out, however long they take.
	WaitForWrites bool
	// DropIsForGood never comes back after event 2.
	DropIsForGood bool
	// VendorDataAsSense takes the data of vendor events for sense data, and ends the connection over what is none.
	VendorDataAsSense bool
	// UnknownEventDeafens reads nothing more after an event whose code is reserved.
	UnknownEventDeafens bool
	// Uncounted does not count the StatSN of Async Messages.
	Uncounted bool
	// DropOfCarrier takes event 2 to be about the connection that it came on, whichever it names.
	DropOfCarrier bool
}

// asyncRows are the rows about Async Messages that are not in fullFeatureRows.
func asyncRows() []RowDeviation {
	return []RowDeviation{
		{"async.event0.scsi", func(d *Deviations) { d.Async.DropOnSCSIEvent = true }},
		{"async.event1.zero-deadline", func(d *Deviations) { d.Async.ZeroIsNoDeadline = true }},
		{"async.event1.repeated", func(d *Deviations) { d.Async.RepeatLogsOutAgain = true }},
		{"async.event1.mid-write", func(d *Deviations) { d.Async.WaitForWrites = true }},
		{"async.event1.relogin", func(d *Deviations) { d.Identity.AsyncLogoutForgets = true }},
		{"async.event2.drop-connection", func(d *Deviations) { d.Async.DropIsForGood = true }},
		{"async.event2.other-cid", func(d *Deviations) { d.Async.DropOfCarrier = true }},
		{"async.event5.task-termination", func(d *Deviations) { d.TaskManagement.IgnoreTermination = true }},
		{"async.event255.vendor", func(d *Deviations) { d.Async.VendorDataAsSense = true }},
		{"async.unknown-event", func(d *Deviations) { d.Async.UnknownEventDeafens = true }},
		{"async.statsn-acknowledged", func(d *Deviations) { d.Async.Uncounted = true }},
	}
}
