package initiator

// sequencingRows are the rows about numbers, the window and the command's header.
func sequencingRows() []RowDeviation {
	return []RowDeviation{
		{"cmdsn.increments-by-one", func(d *Deviations) { d.Sequencing.FrozenCmdSN = true }},
		{"cmdsn.wraparound", func(d *Deviations) { d.Sequencing.UnsignedWindow = true }},
		{"cmdsn.immediate-does-not-advance", func(d *Deviations) { d.Sequencing.PingAnswerTakesCmdSN = true }},
		{"cmdsn.immediate-tmf", func(d *Deviations) { d.Sequencing.AbortTakesCmdSN = true }},
		{"window.closed.by-response", func(d *Deviations) { d.Sequencing.ResponseOpensWindow = true }},
		{"window.one", func(d *Deviations) { d.Sequencing.WindowOffByOne = true }},
		{"window.large", func(d *Deviations) { d.Sequencing.OneCommandAtATime = true }},
		{"window.stale-maxcmdsn-ignored", func(d *Deviations) { d.Sequencing.TrustStaleMaxCmdSN = true }},
		{"window.maxcmdsn-less-than-exp-minus-one", func(d *Deviations) { d.Sequencing.HugeWindow = true }},
		{"window.immediate-when-closed", func(d *Deviations) { d.Sequencing.PingAnswerNeedsWindow = true }},
		{"window.reopened-by-any-pdu", func(d *Deviations) { d.Sequencing.IgnoreR2TWindow = true }},
		{"statsn.expstatsn-tracks", func(d *Deviations) { d.Sequencing.AcknowledgesOneLess = true }},
		{"statsn.expstatsn-after-login", func(d *Deviations) { d.Sequencing.ExpStatSNFromZero = true }},
		{"statsn.not-advanced-by-unnumbered", func(d *Deviations) { d.Sequencing.PingAdvancesStatSN = true }},
		{"statsn.large-gap-recovery", func(d *Deviations) { d.Sequencing.AnyStatSN = true }},
		{"statsn.small-gap-erl0", func(d *Deviations) { d.Sequencing.AnyStatSN = true }},
		{"statsn.duplicate-ignored", func(d *Deviations) { d.Session.EarlyTaskTag, d.Sequencing.OldStatSNTaken = true, true }},
		{"cmd.itt-unique", func(d *Deviations) { d.Sequencing.CountedTaskTag = true }},
		{"cmd.itt-wrap", func(d *Deviations) { d.Sequencing.CountedTaskTag = true }},
		{"cmd.fields-immediate-yes", func(d *Deviations) { d.Sequencing.PadCounted = true }},
		{"cmd.rw-bits-and-edtl", func(d *Deviations) { d.Sequencing.LengthInBlocks = true }},
		{"cmd.fbit-equal-length", func(d *Deviations) { d.Sequencing.NoFinalOnWrites = true }},
		{"cmd.task-attributes", func(d *Deviations) { d.Sequencing.UndefinedAttribute = true }},
		{"cmd.lun-encoding", func(d *Deviations) { d.Sequencing.TruncateLUN = true }},
		{"cmd.reserved-zero", func(d *Deviations) { d.Sequencing.LogoutGarbage = true }},
		{"cmd.padding", func(d *Deviations) { d.Sequencing.NoPadding = true }},
		{"cmd.extended-cdb-ahs", func(d *Deviations) { d.Sequencing.ShortAHSLength = true }},
		{"cmd.no-new-when-async-logout", func(d *Deviations) { d.Sequencing.CommandsWhileDraining = true }},
		{"cmd.only-initiator-opcodes", func(d *Deviations) { d.Sequencing.RejectsFaults = true }},
		{"cmd.state-changing-not-immediate", func(d *Deviations) { d.Sequencing.UrgentIsImmediate = true }},
		{"status.qualifier-ignored", func(d *Deviations) { d.Sequencing.QualifierHonoured = true }},
		{"sense.with-other-status", func(d *Deviations) { d.Sequencing.SenseIsCheckCondition = true }},
	}
}
