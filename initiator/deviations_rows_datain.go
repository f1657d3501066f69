package initiator

// dataInRows are the rows of the group data-in.
func dataInRows() []RowDeviation {
	return []RowDeviation{
		{"datain.status-in-final", func(d *Deviations) { d.DataIn.IgnoreStatus = true }},
		{"datain.status-separate", func(d *Deviations) { d.DataIn.CompleteAtFinal = true }},
		{"datain.abit-erl0-ignored", func(d *Deviations) { d.DataIn.AcknowledgeAtLevel0 = true }},
		{"datain.abit-dataack", func(d *Deviations) { d.DataIn.AcknowledgementNamesTask = true }},
		{"datain.abit-hole-postpones-dataack", func(d *Deviations) { d.DataIn.AcknowledgePastGap = true }},
		{"status.snack-rejected-sense", func(d *Deviations) { d.Status.SNACKSenseIsGood = true }},
		{"datain.zero-length-segment", func(d *Deviations) { d.DataIn.EmptyIsEnd = true }},
		{"datain.segment-over-mrdsl", func(d *Deviations) { d.DataIn.WaitForLongSegments = true }},
		{"datain.beyond-edtl", func(d *Deviations) { d.DataIn.WrapOffset = true }},
		{"datain.offset-order", func(d *Deviations) { d.DataIn.ArrivalOrder = true }},
		{"datain.random-offsets-allowed", func(d *Deviations) { d.DataIn.ArrivalOrder = true }},
		{"datain.datasn-gap-erl0", func(d *Deviations) { d.DataIn.IgnoreGaps = true }},
		{"datain.expdatasn-mismatch", func(d *Deviations) { d.Status.IgnoreExpDataSN = true }},
		{"datain.short-good-no-residual", func(d *Deviations) { d.Status.CountNothing = true }},
		{"datain.s-without-f", func(d *Deviations) { d.DataIn.StatusWithoutFinal = true }},
		{"datain.check-condition-in-datain", func(d *Deviations) { d.DataIn.IgnoreStatusByte = true }},
		{"datain.wrong-itt", func(d *Deviations) { d.Status.LowTagBits = true }},
		{"datain.interleaved-tasks", func(d *Deviations) { d.DataIn.OneBuffer = true }},
		{"datain.over-maxburst-sequence", func(d *Deviations) { d.DataIn.CompleteAtFinal = true }},
		{"residual.overflow", func(d *Deviations) { d.Status.OverflowIsUnderflow = true }},
		{"residual.count-without-flags", func(d *Deviations) { d.Status.CountWithoutFlags = true }},
		{"residual.both-flags", func(d *Deviations) { d.Status.BothResiduals = true }},
		{"sense.delivered", func(d *Deviations) { d.Status.SenseWithLength = true }},
		{"sense.malformed", func(d *Deviations) { d.Status.SenseBeyondSegment = true }},
		{"status.crc-sense-not-retried", func(d *Deviations) { d.Status.RepeatAfterCRC = true }},
		{"status.unexpected-unsolicited-sense", func(d *Deviations) { d.Status.IgnoreSenseOfWrites = true }},
		{"status.incorrect-amount-sense", func(d *Deviations) { d.Status.UnknownSenseIsGood = true }},
		{"status.busy", func(d *Deviations) { d.Status.BusyIsGood = true }},
		{"status.reservation-conflict", func(d *Deviations) { d.Status.ConflictIsGood = true }},
		{"status.task-set-full", func(d *Deviations) { d.Status.RepeatTaskSetFull = true }},
		{"status.unit-attention-after-relogin", func(d *Deviations) { d.Devices.AttentionIsFailure = true }},
		{"status.response-code-target-failure", func(d *Deviations) { d.Status.IgnoreResponseCode = true }},
	}
}

// taskManagementRows are the rows of the group tmf.
func taskManagementRows() []RowDeviation {
	return []RowDeviation{
		{"tmf.lun-field", func(d *Deviations) { d.TaskManagement.ZeroLUN = true }},
		{"tmf.refcmdsn", func(d *Deviations) { d.TaskManagement.LatestRefCmdSN = true }},
		{"tmf.referenced-tag-reserved", func(d *Deviations) { d.TaskManagement.ZeroReferencedTag = true }},
		{"tmf.pdu-fields", func(d *Deviations) { d.TaskManagement.SharesTaskTag = true }},
		{"tmf.abort-set-still-answers-ping", func(d *Deviations) { d.TaskManagement.DropsTagsAtOnce = true }},
		{"tmf.abort-set-still-answers-datain", func(d *Deviations) { d.DataIn.RefuseAborted = true }},
		{"tmf.abort-set-late-response-accepted", func(d *Deviations) { d.TaskManagement.EndsTwice = true }},
		{"tmf.abort-success-then-no-response", func(d *Deviations) { d.TaskManagement.WaitsForResponse = true }},
		{"tmf.task-does-not-exist", func(d *Deviations) { d.TaskManagement.RepeatsAbort = true }},
		{"tmf.not-supported-escalates", func(d *Deviations) { d.TaskManagement.RepeatsAbort = true }},
		{"tmf.unanswered", func(d *Deviations) { d.TaskManagement.NoTimeout = true }},
		{"tmf.late-data-after-abort", func(d *Deviations) { d.DataIn.KeepBuffer = true }},
		{"tmf.lun-reset-clears-tasks", func(d *Deviations) { d.TaskManagement.ClearsAllUnits = true }},
		{"tmf.not-sent-for-login-text", func(d *Deviations) { d.TaskManagement.AbortsPing = true }},
		{"tmf.rfc7144-functions-gated", func(d *Deviations) { d.TaskManagement.IgnoreProtocolLevel = true }},
		{"tmf.fastabort-no-dataout-after-tmf", func(d *Deviations) { d.TaskManagement.DataAfterFastAbort = true }},
		{"tmf.late-tmf-response-discarded", func(d *Deviations) { d.TaskManagement.LateAnswersAct = true }},
		{"tmf.no-abort-of-task-management", func(d *Deviations) { d.TaskManagement.AbortsTaskManagement = true }},
		{"tmf.abort-on-allegiant-connection", func(d *Deviations) { d.TaskManagement.OnLeadingConnection = true }},
		{"tmf.reassign-wire-format", func(d *Deviations) { d.TaskManagement.ReassignCode14 = true }},
		{"tmf.rfc7144-fields", func(d *Deviations) { d.TaskManagement.SucceededAborts = true }},
	}
}

// digestRows are the rows of the group digest.
func digestRows() []RowDeviation {
	return []RowDeviation{
		{"digest.sent-correct", func(d *Deviations) { d.Digest.PadExcluded = true }},
		{"digest.ahs-covered", func(d *Deviations) { d.Digest.AHSExcluded = true }},
		{"digest.header-error-received", func(d *Deviations) { d.Digest.TrustHeaders = true }},
		{"digest.data-error-datain-erl0", func(d *Deviations) { d.Digest.TrustData = true }},
		{"digest.data-error-datain-erl1", func(d *Deviations) { d.Recovery.SNACKAfterGap = true }},
		{"digest.data-error-nondata", func(d *Deviations) { d.Digest.TrustData = true }},
		{"digest.repeated-errors", func(d *Deviations) { d.Reconnect.AtOnceOnDrop = true }},
		{"digest.data-out-reject-erl1", func(d *Deviations) { d.Digest.NoRecoveryR2T = true }},
		{"digest.not-in-login", func(d *Deviations) { d.Digest.SurvivesReconnect = true }},
	}
}

// robustnessRows are the rows of the group robustness.
func robustnessRows() []RowDeviation {
	return []RowDeviation{
		{"robust.unknown-opcode", func(d *Deviations) { d.Peer.DeafAfterUnknownOpcode = true }},
		{"robust.length-bomb", func(d *Deviations) {
			d.DataIn.WaitForLongSegments, d.Session.PingsNeverTimeOut = true, true
		}},
		{"robust.random-fuzz", func(d *Deviations) { d.DataIn.IgnoreGaps = true }},
		{"robust.statsn-flood-gap", func(d *Deviations) { d.Peer.SNACKPerNumber = true }},
		{"robust.many-async", func(d *Deviations) { d.Peer.EventsUnacknowledged = true }},
		{"robust.inquiry-garbage", func(d *Deviations) { d.Devices.ZeroBlocksKill = true }},
		{"robust.connection-close-during-login-storm", func(d *Deviations) { d.Reconnect.HotRetryClosed = true }},
		{"robust.resource-return", func(d *Deviations) { d.Manager.TimerPerLogin = true }},
		{"robust.truncated-pdu-stall", func(d *Deviations) { d.Session.PingsNeverTimeOut, d.Recovery.NoCommandTimeout = true, true }},
		{"robust.reserved-bits-set", func(d *Deviations) { d.DataIn.ExactFlags = true }},
		{"robust.nonzero-pad", func(d *Deviations) { d.DataIn.DeliverPadding = true }},
		{"robust.unsolicited-login-response", func(d *Deviations) { d.Peer.LateLoginCounts = true }},
		{"robust.unsolicited-logout-response", func(d *Deviations) { d.Peer.LogoutUnasked = true }},
		{"robust.unsolicited-tmf-response", func(d *Deviations) { d.TaskManagement.MatchesAnyTask = true }},
		{"robust.double-completion", func(d *Deviations) { d.Session.EarlyTaskTag = true }},
		{"robust.data-after-final-status", func(d *Deviations) { d.DataIn.KeepBuffer = true }},
		{"robust.slow-drip", func(d *Deviations) { d.DataIn.OneReadPerSegment = true }},
		{"robust.target-not-reading", func(d *Deviations) { d.Session.PingsNeverTimeOut, d.Recovery.NoCommandTimeout = true, true }},
	}
}
