package simtarget

func rowsLoginForm() []RowDeviation {
	return []RowDeviation{
		{"login.response.t1-carries-no-open-question", func(d *Deviations) { d.LoginForm.ProposesInFinal = true }},
		{"login.response.datasegment-default-limit", func(d *Deviations) { d.LoginForm.LongResponses = true }},
		{"login.response.c-bit-excludes-t-bit", func(d *Deviations) { d.LoginForm.ContinuesWithTransit = true }},
		{"login.version.active-for-version-zero", func(d *Deviations) { d.LoginForm.ActiveVersionOne = true }},
		{"login.version.unsupported-range-refused", func(d *Deviations) { d.LoginForm.IgnoresVersionMin = true }},
		{"login.version.range-including-zero-accepted", func(d *Deviations) { d.LoginForm.DemandsOwnVersion = true }},
		{"login.version.changed-mid-login", func(d *Deviations) { d.LoginForm.ActiveFromRequest = true }},
		{"login.params.names-arrive-under-c-bit", func(d *Deviations) { d.LoginForm.JudgesFragment = true }},
		{"login.cbit.answered-with-empty-response", func(d *Deviations) { d.LoginForm.AnswersAtOnce = true }},
		{"login.cbit.key-split-between-pdus", func(d *Deviations) { d.LoginForm.ParsesEachPDU = true }},
		{"login.cbit.with-t-bit-refused", func(d *Deviations) { d.LoginForm.TransitsWithContinue = true }},
		{"login.stage.reserved-csg-refused", func(d *Deviations) { d.LoginForm.MapsReservedStage = true }},
		{"login.stage.reserved-nsg-refused", func(d *Deviations) { d.LoginForm.GrantsReservedStage = true }},
		{"login.stage.backward-transition-refused", func(d *Deviations) { d.LoginForm.GrantsBackwards = true }},
		{"login.stage.same-stage-transition-refused", func(d *Deviations) { d.LoginForm.GrantsSameStage = true }},
		{"login.stage.csg-jump-without-handshake-refused", func(d *Deviations) { d.LoginForm.TrustsStage = true }},
		{"login.stage.first-request-in-ffp-refused", func(d *Deviations) { d.LoginForm.StartsInFullFeature = true }},
		{"login.stage.security-keys-after-security-refused", func(d *Deviations) { d.LoginForm.ChallengesLate = true }},
		{"login.prelogin.other-pdu-closes", func(d *Deviations) { d.LoginForm.ServesBeforeLogin = true }},
		{"login.midlogin.nop-refused-020b", func(d *Deviations) { d.LoginForm.PingsDuringLogin = true }},
		{"login.midlogin.scsi-command-refused-020b", func(d *Deviations) { d.LoginForm.HoldsEarlyCommands = true }},
		{"login.ffp.second-login-refused", func(d *Deviations) { d.LoginForm.LogsInAgain = true }},
		{"login.exchange.empty-request-advances", func(d *Deviations) { d.LoginForm.RefusesEmptyRequests = true }},
		{"login.immediate.bit-on-request", func(d *Deviations) { d.LoginForm.QueuesRepeatedCmdSN = true }},
		{"login.isid.changed-mid-login-refused", func(d *Deviations) { d.LoginForm.TakesLastISID = true }},
		{"login.cid.changed-mid-login", func(d *Deviations) { d.LoginForm.TakesLastCID = true }},
		{"login.itt.changed-mid-login", func(d *Deviations) { d.LoginForm.KeepsFirstITT = true }},
		{"login.tsih.changed-mid-login", func(d *Deviations) { d.LoginForm.LastTSIHDecides = true }},
	}
}

func rowsLoginWho() []RowDeviation {
	return []RowDeviation{
		{"login.authorization.denied-initiator-refused", func(d *Deviations) { d.LoginWho.SkipsAccessList = true }},
		{"login.session-type.invalid-value-refused", func(d *Deviations) { d.LoginWho.UnknownTypeIsNormal = true }},
		{"login.session-type.unsupported-status", func(d *Deviations) { d.LoginWho.DropsDiscovery = true }},
		{"login.names.eui-and-naa-initiator-names", func(d *Deviations) { d.LoginWho.DemandsIQN = true }},
		{"login.names.longest-initiator-name", func(d *Deviations) { d.LoginWho.ShortNames = true }},
		{"login.params.target-name-changed-mid-login", func(d *Deviations) { d.LoginWho.TakesLaterTarget = true }},
		{"login.params.initiator-name-changed-mid-login", func(d *Deviations) { d.LoginWho.TakesLaterInitiator = true }},
		{"login.basic.security-stage-without-proposal", func(d *Deviations) { d.LoginWho.DemandsAuthMethod = true }},
		{"login.status.initiator-error-on-bad-negotiation", func(d *Deviations) { d.LoginWho.AdoptsBurstZero = true }},
		{"login.target.removed-status", func(d *Deviations) { d.LoginWho.ServesSuspended = true }},
		{"login.status.service-unavailable", func(d *Deviations) { d.LoginWho.ServesSuspended = true }},
		{"login.status.target-error-class", func(d *Deviations) { d.LoginWho.SilentWhileSuspended = true }},
		{"login.cmdsn.wraps-around", func(d *Deviations) { d.LoginWho.ComparesCmdSNUnsigned = true }},
	}
}
