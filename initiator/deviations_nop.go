package initiator

import "errors"

// NOPDeviations are faults in pings and their answers (RFC 7143, Sections 11.18 and 11.19).
type NOPDeviations struct {
	// AnswersEverything answers a NOP-In that wants no answer.
	AnswersEverything bool
	// ZeroTTT puts the Target Transfer Tag 0 into its own pings.
	ZeroTTT bool
	// PlainAcknowledgement leaves the I bit of a NOP-Out clear that only acknowledges.
	PlainAcknowledgement bool
	// WaitsForWholeEcho does not end a ping before all of its data has come back.
	WaitsForWholeEcho bool
	// SwallowsAfterData loses the PDU behind a NOP-In with data.
	SwallowsAfterData bool
	// TargetTagFirst takes an answer that has a Target Transfer Tag for a ping of the target alone.
	TargetTagFirst bool
	// UnknownTagDeafens reads nothing more after a NOP-In whose Initiator Task Tag nobody uses.
	UnknownTagDeafens bool
	// LosesPings leaves every hundredth ping of a target without an answer.
	LosesPings bool
	// AnyLUN answers a ping with a LUN that cannot be, for LUN 0.
	AnyLUN bool
}

// RejectDeviations are faults in what is made of a Reject (RFC 7143, Section 11.17).
type RejectDeviations struct {
	// OldestTask ends the oldest command instead of the one that was rejected.
	OldestTask bool
	// ResendsAtOnce repeats a rejected command at once, without end.
	ResendsAtOnce bool
	// CountsAsAnswer takes the Reject of a ping for its answer.
	CountsAsAnswer bool
	// ResendsData repeats rejected Data-Out unasked.
	ResendsData bool
	// ForgetsCommand drops a rejected command and tells its requester that it is done.
	ForgetsCommand bool
	// IgnoresUnknown does nothing about reasons that it does not know.
	IgnoresUnknown bool
	// ShortDeafens reads nothing more after a Reject that does not hold a whole header.
	ShortDeafens bool
	// Uncounted does not count the StatSN of a Reject.
	Uncounted bool
	// SNACKFillsHole takes data that a rejected SNACK asked for as there: the hole stays as the requester's buffer was.
	SNACKFillsHole bool
	// SNACKAgain does nothing about the Reject of a SNACK.
	SNACKAgain bool
}

// errDeafened stands for the end of a reader that a deviation has stopped: the connection itself lives on.
var errDeafened = errors.New("nothing more is read")

// endingRows are the rows about pings, Rejects and logouts that are not in fullFeatureRows.
func endingRows() []RowDeviation {
	return []RowDeviation{
		{"logout.fields", func(d *Deviations) { d.Logout.WrongCID = true }},
		{"logout.response-nonzero", func(d *Deviations) { d.Logout.RepeatsOnFailure = true }},
		{"logout.unanswered", func(d *Deviations) { d.Logout.WaitsForEver = true }},
		{"logout.fin-instead-of-response", func(d *Deviations) { d.Paths.RemoveReconnects = true }},
		{"logout.pdus-between", func(d *Deviations) { d.Logout.DropsLateData = true }},
		{"logout.tcp-closed-by-initiator", func(d *Deviations) { d.Logout.LeavesSocketOpen = true }},
		{"logout.before-graceful-close", func(d *Deviations) { d.Logout.StopsAbruptly = true }},
		{"nop.no-answer-when-ttt-reserved", func(d *Deviations) { d.NOP.AnswersEverything = true }},
		{"nop.initiator-ping", func(d *Deviations) { d.NOP.ZeroTTT = true }},
		{"nop.confirm-expstatsn", func(d *Deviations) { d.NOP.PlainAcknowledgement = true }},
		{"nop.ping-data-echo-checked", func(d *Deviations) { d.NOP.WaitsForWholeEcho = true }},
		{"nop.in-data-handled", func(d *Deviations) { d.NOP.SwallowsAfterData = true }},
		{"nop.both-tags-valid", func(d *Deviations) { d.NOP.TargetTagFirst = true }},
		{"nop.unknown-itt", func(d *Deviations) { d.NOP.UnknownTagDeafens = true }},
		{"nop.flood", func(d *Deviations) { d.NOP.LosesPings = true }},
		{"nop.ping-invalid-lun", func(d *Deviations) { d.NOP.AnyLUN = true }},
		{"reject.pairs-with-sent-pdu", func(d *Deviations) { d.Reject.OldestTask = true }},
		{"reject.protocol-error", func(d *Deviations) { d.Reject.ResendsAtOnce = true }},
		{"reject.command-not-supported", func(d *Deviations) { d.Text.RejectCloses = true }},
		{"reject.immediate-command", func(d *Deviations) { d.Reject.CountsAsAnswer = true }},
		{"reject.data-digest", func(d *Deviations) { d.Reject.ResendsData = true }},
		{"reject.snack", func(d *Deviations) { d.Reject.SNACKFillsHole = true }},
		{"reject.waiting-for-logout", func(d *Deviations) { d.Reject.ForgetsCommand = true }},
		{"reject.unknown-reason", func(d *Deviations) { d.Reject.IgnoresUnknown = true }},
		{"reject.malformed", func(d *Deviations) { d.Reject.ShortDeafens = true }},
		{"reject.statsn-counted", func(d *Deviations) { d.Reject.Uncounted = true }},
	}
}
