package simtarget

func rowsAsync() []RowDeviation {
	return []RowDeviation{
		{"async.format.fields", func(d *Deviations) { d.Async.UncountedStatSN = true }},
		{"async.scsi-event.sense-data", func(d *Deviations) { d.Async.EventWithoutSense = true }},
		{"async.logout-request.parameter", func(d *Deviations) { d.Async.DropAtOnce = true }},
		{"async.drop-connection.parameters", func(d *Deviations) { d.Async.DropNamesCIDZero = true }},
		{"async.negotiation-request.answerable", func(d *Deviations) { d.Async.RefusesNegotiation = true }},
		{"async.fastabort-event.only-if-negotiated", func(d *Deviations) { d.TaskManagement.TellsEverySession = true }},
	}
}

func rowsNop() []RowDeviation {
	return []RowDeviation{
		{"nop.ping.immediate-no-data", func(d *Deviations) { d.NOP.AnswerWithTTT = true }},
		{"nop.ping.non-immediate-no-data", func(d *Deviations) { d.NOP.Uncounted = true }},
		{"nop.ping.data-echo-non-immediate", func(d *Deviations) { d.NOP.EchoesZeros = true }},
		{"nop.ping.data-echo-immediate", func(d *Deviations) { d.NOP.EchoOnlyNonImmediate = true }},
		{"nop.ping.data-truncated-immediate", func(d *Deviations) { d.NOP.EchoesAll = true }},
		{"nop.ping.data-truncated-non-immediate", func(d *Deviations) { d.NOP.EchoesAllNonImmediate = true }},
		{"nop.ping.maximum-data", func(d *Deviations) { d.NOP.ShortEcho = true }},
		{"nop.ping.multiple-outstanding", func(d *Deviations) { d.NOP.OneBuffer = true }},
		{"nop.no-response.reserved-itt", func(d *Deviations) { d.NOP.AnswersEverything = true }},
		{"nop.unsolicited.format", func(d *Deviations) { d.NOP.PingWithReservedTTT = true }},
		{"nop.unsolicited.unanswered-ping-drop", func(d *Deviations) { d.NOP.DropsAnswered = true }},
		{"nop.unsolicited.information-only", func(d *Deviations) { d.NOP.CountsInformation = true }},
		{"nop.response.reserved-ttt-in-answer", func(d *Deviations) { d.NOP.HangsOnUnknownAnswer = true }},
		{"nop.order.answered-while-writes-pend", func(d *Deviations) { d.NOP.WaitsForTasks = true }},
	}
}

func rowsText() []RowDeviation {
	return []RowDeviation{
		{"text.response.basic", func(d *Deviations) { d.Text.KeepsTTT = true }},
		{"text.response.ttt-and-f-consistent", func(d *Deviations) { d.Text.OpenWithReservedTTT = true }},
		{"text.f-bit.not-set-for-open-request", func(d *Deviations) { d.Text.AlwaysFinal = true }},
		{"text.f-bit.not-set-for-open-negotiation", func(d *Deviations) { d.Text.AlwaysFinal = true }},
		{"text.f-bit.one-carries-no-open-question", func(d *Deviations) { d.Text.ProposesWhenFinal = true }},
		{"text.cbit.empty-response-and-reassembly", func(d *Deviations) { d.Text.CutPairWhole = true }},
		{"text.cbit.with-f-bit-has-no-effect", func(d *Deviations) { d.Text.AppliesIllegal = true }},
		{"text.cbit.value-split-takes-effect", func(d *Deviations) { d.Text.DropsFragment = true }},
		{"text.itt.changed-mid-negotiation", func(d *Deviations) { d.Text.OldTag = true }},
		{"text.negotiate-once.second-offer-rejected", func(d *Deviations) { d.Text.TakesRepeated = true }},
		{"text.reset.ttt-reserved-restarts", func(d *Deviations) { d.Text.NeverRestarts = true }},
		{"text.failure.abandoned-has-no-effect", func(d *Deviations) { d.Text.AppliesAtOnce = true }},
		{"text.failure.illegal-value-has-no-effect", func(d *Deviations) { d.Text.AppliesTooSmall = true }},
		{"text.cmdsn.non-immediate-counts", func(d *Deviations) { d.Text.Uncounted = true }},
		{"text.empty.request-answered", func(d *Deviations) { d.Text.WaitsForData = true }},
		{"text.unknown-key.notunderstood", func(d *Deviations) { d.Text.EmptyForUnknown = true }},
		{"text.invalid-ttt.rejected", func(d *Deviations) { d.Text.HangsOnUnknownTTT = true }},
		{"text.parallel.one-at-a-time", func(d *Deviations) { d.Text.MixesUp = true }},
		{"text.oversized.data-segment", func(d *Deviations) { d.Text.HangsOnOversized = true }},
	}
}

func rowsReject() []RowDeviation {
	return []RowDeviation{
		{"reject.format.fields", func(d *Deviations) { d.Reject.NoHeader = true }},
		{"reject.statsn.consumed", func(d *Deviations) { d.Reject.RepeatsStatSN = true }},
		{"reject.reason.withdrawn-not-used", func(d *Deviations) { d.Reject.Withdrawn = true }},
		{"reject.opcode.reserved-initiator-opcode", func(d *Deviations) { d.Reject.SilentOnUnknown = true }},
		{"reject.opcode.target-opcode-from-initiator", func(d *Deviations) { d.Reject.TakesR2T = true }},
		{"reject.snack.at-level-zero", func(d *Deviations) { d.Reject.SNACKAborts = true }},
		{"reject.task.command-reject-leaves-gap", func(d *Deviations) { d.Reject.CountsRejected = true }},
		{"reject.task.terminated-task-gets-status", func(d *Deviations) { d.Reject.ForgetsTask = true }},
		{"reject.format.no-reject-of-reject-loop", func(d *Deviations) { d.Reject.Endless = true }},
		{"reject.format.long-operation-out-of-resources", func(d *Deviations) { d.Reject.LeaksText = true }},
		{"reject.format.waiting-for-logout", func(d *Deviations) { d.Reject.LogoutRefused = true }},
	}
}
