package initiator

// redirectRows are the rows about redirects that one login shows.
func redirectRows() []RowDeviation {
	return []RowDeviation{
		{"redirect.temporary.followed", func(d *Deviations) { d.Redirect.Fatal = true }},
		{"redirect.permanent.followed", func(d *Deviations) { d.Redirect.PermanentFatal = true }},
		{"redirect.login-fields", func(d *Deviations) { d.Redirect.ContinueStage = true }},
		{"redirect.authentication-repeated", func(d *Deviations) { d.Redirect.CarryAuthentication = true }},
		{"redirect.address.default-port", func(d *Deviations) { d.Redirect.PortZero = true }},
		{"redirect.address.ipv6", func(d *Deviations) { d.Redirect.SplitFirstColon = true }},
		{"redirect.address.dns-name", func(d *Deviations) { d.Redirect.OnlyDottedQuads = true }},
		{"redirect.address.with-tag", func(d *Deviations) { d.Redirect.TagInPort, d.Redirect.PortZero = true, true }},
		{"redirect.address.missing", func(d *Deviations) { d.Redirect.MissingAddressRetries = true }},
		{"redirect.address.malformed", func(d *Deviations) { d.Redirect.TruncatePort = true }},
		{"redirect.address.several", func(d *Deviations) { d.Redirect.LastAddressOnly = true }},
		{"redirect.loop-bounded", func(d *Deviations) { d.Redirect.NoLimit = true }},
		{"redirect.during-established", func(d *Deviations) { d.Redirect.AnyAddressMoves = true }},
		{"redirect.unknown-detail", func(d *Deviations) { d.Redirect.UnknownDetailSucceeds = true }},
		{"redirect.late-in-login", func(d *Deviations) { d.Redirect.OnlyFirstResponse = true }},
	}
}

// loginRows are the rows about the login at one portal.
func loginRows() []RowDeviation {
	return []RowDeviation{
		{"login.standard", func(d *Deviations) { d.Login.OneMoreExchange = true }},
		{"login.pdu-fields", func(d *Deviations) { d.Login.NotImmediate = true }},
		{"login.tsih-zero-leading", func(d *Deviations) { d.Login.ReuseTSIH = true }},
		{"login.identity-constant", func(d *Deviations) { d.Login.CountCID = true }},
		{"login.tbit-delayed-by-target", func(d *Deviations) { d.Login.OwnTransit = true }},
		{"login.tbit-unrequested", func(d *Deviations) { d.Login.TrustTransit = true }},
		{"login.stage-mismatch", func(d *Deviations) { d.Login.IgnoreStage = true }},
		{"login.expstatsn-in-login", func(d *Deviations) { d.Login.ConstantExpStatSN = true }},
		{"login.first-request-names", func(d *Deviations) { d.Login.LateNames = true }},
		{"login.timeout-silent-target", func(d *Deviations) { d.Login.NoDeadline = true }},
		{"login.status.nonzero-with-t1", func(d *Deviations) { d.Login.IgnoreStatus = true }},
		{"cmdsn.first-after-login", func(d *Deviations) { d.Login.CommandAfterLogin = true }},
		{"recovery.erl0.rst", func(d *Deviations) { d.Login.ReuseTSIH = true }},
	}
}

// fullFeatureRows are the rows about a session until its end.
func fullFeatureRows() []RowDeviation {
	return []RowDeviation{
		{"async.event1.logout", func(d *Deviations) { d.Session.IgnoreLogoutRequest = true }},
		{"async.event2.time2wait", func(d *Deviations) { d.Session.AsyncWaitFromParameter3 = true }},
		{"async.event3.drop-all", func(d *Deviations) { d.Session.IgnoreDrop = true }},
		{"async.event4.renegotiate", func(d *Deviations) { d.Session.IgnoreNegotiationRequest = true }},
		{"window.closed.no-commands", func(d *Deviations) { d.Session.IgnoreWindow = true }},
		{"nop.ping-answer", func(d *Deviations) { d.Session.ZeroLUNInPingAnswer = true }},
		{"nop.ping-timeout", func(d *Deviations) { d.Session.PingsNeverTimeOut = true }},
		{"tmf.late-status-after-response", func(d *Deviations) { d.Session.EarlyTaskTag = true }},
		{"residual.underflow", func(d *Deviations) { d.Session.FullLengthOnUnderflow = true }},
		{"keys.initialr2t", func(d *Deviations) { d.Session.UnsolicitedDespiteInitialR2T = true }},
		{"logout.no-requests-after", func(d *Deviations) { d.Logout.CommandsAfterLogout = true }},
		{"logout.outstanding-at-response", func(d *Deviations) { d.Logout.ForgetWaiters = true }},
		{"logout.time2wait-honoured", func(d *Deviations) { d.Logout.DefaultTime2Wait = true }},
	}
}
