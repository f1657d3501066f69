package initiator

// recoveryRows are the defects of the groups recovery and multi-connection.
func recoveryRows() []RowDeviation {
	return []RowDeviation{
		{"recovery.retry.identical", func(d *Deviations) { d.Recovery.RetryNewTag = true }},
		{"recovery.retry.only-for-gaps", func(d *Deviations) { d.Recovery.RetryAcknowledged = true }},
		{"recovery.snack.data-gap", func(d *Deviations) { d.Recovery.SNACKAfterGap = true }},
		{"recovery.snack.status-gap", func(d *Deviations) { d.Recovery.AcknowledgePastGap = true }},
		{"recovery.snack.r2t-gap", func(d *Deviations) { d.Recovery.NoR2TSNACK = true }},
		{"recovery.snack.unanswered", func(d *Deviations) { d.Recovery.SNACKForever = true }},
		{"recovery.snack.duplicate-data", func(d *Deviations) { d.Recovery.CountDuplicates = true }},
		{"recovery.snack.r-data-after-mrdsl-change", func(d *Deviations) { d.Recovery.NoRData = true }},
		{"recovery.snack.no-r2t-on-timeout", func(d *Deviations) { d.Recovery.SNACKOnSilence = true }},
		{"recovery.snack.not-below-dataack", func(d *Deviations) { d.Recovery.SNACKFromZero = true }},
		{"recovery.erl-fallback", func(d *Deviations) { d.Recovery.NoFallback = true }},
		{"recovery.erl2.reassign", func(d *Deviations) { d.Recovery.ResendsReassigned = true }},
		{"recovery.erl2.within-time2retain", func(d *Deviations) { d.Recovery.NoExpiry = true }},
		{"recovery.erl2.reassign-refused", func(d *Deviations) { d.Recovery.WaitAfterRefusal, d.Recovery.NoCommandTimeout = true, true }},
		{"recovery.erl2.expdatasn", func(d *Deviations) { d.Recovery.ZeroExpDataSN = true }},
		{"recovery.erl2.no-snack-below-expdatasn", func(d *Deviations) { d.Recovery.SNACKFromZero = true }},
		{"recovery.command-timeout-action", func(d *Deviations) { d.Recovery.NoCommandTimeout = true }},
		{"mc.second-login-fields", func(d *Deviations) { d.Recovery.JoinWithZeroTSIH = true }},
		{"mc.limit", func(d *Deviations) { d.Recovery.IgnoreMaxConnections = true }},
		{"mc.cmdsn-session-wide", func(d *Deviations) { d.Recovery.CmdSNPerConnection = true }},
		{"mc.login-cmdsn", func(d *Deviations) { d.Recovery.JoinCmdSNRestarts = true }},
		{"mc.statsn-per-connection", func(d *Deviations) { d.Recovery.SharedStatSN = true }},
		{"mc.allegiance", func(d *Deviations) { d.Recovery.DataOutElsewhere = true }},
		{"mc.async-logout-one", func(d *Deviations) { d.Recovery.LogoutOtherCID = true }},
		{"mc.one-severed-erl0", func(d *Deviations) { d.Recovery.WaitForRecovery = true }},
		{"mc.cid-reinstatement", func(d *Deviations) { d.Recovery.ReuseLiveCID = true }},
		{"mc.window-shared", func(d *Deviations) { d.Recovery.WindowPerConnection = true }},
		{"mc.aca-needs-response-fence", func(d *Deviations) { d.Sequencing.SetsNACA = true }},
		{"mc.add-refused", func(d *Deviations) { d.Recovery.AddFailureEndsSession = true }},
		{"mc.cmd-ordering-gap", func(d *Deviations) { d.Recovery.LeaveGap = true }},
	}
}
