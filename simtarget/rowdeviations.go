package simtarget

// RowDeviation pairs a row of the target catalogue with the fault that its check has to find.
type RowDeviation struct {
	// Row is the row's id.
	Row string
	// Set switches the fault on.
	Set func(*Deviations)
}

// RowDeviations lists the rows whose fault the array can show, in the catalogue's order. Rows about limits, redirects, pings, authentication,
// digests and portal groups need a profile that has them.
func RowDeviations() []RowDeviation {
	var all []RowDeviation
	for _, group := range [][]RowDeviation{
		rowsLogin(), rowsLoginForm(), rowsLoginWho(), rowsNegotiation(), rowsKeys(), rowsAuth(), rowsMethod(), rowsCHAP(), rowsDiscovery(), rowsListing(),
		rowsFfpSequencing(), rowsDataIn(), rowsDataOut(), rowsTmf(), rowsLogout(),
		rowsAsync(), rowsNop(), rowsText(), rowsReject(), rowsSnack(), rowsIntegrity(), rowsRecovery(), rowsDigest(),
		rowsSessionManagement(), rowsRobustness(),
		rowsConnections(), rowsReassign(), rowsOffers(), rowsValues(),
	} {
		all = append(all, group...)
	}
	return all
}

func rowsLogin() []RowDeviation {
	return []RowDeviation{
		{"login.basic.direct-operational", func(d *Deviations) { d.Login.NeverTransitFromOperational = true }},
		{"login.basic.security-then-operational", func(d *Deviations) { d.Login.SecurityEndsInFullFeature = true }},
		{"login.basic.security-direct-to-ffp", func(d *Deviations) { d.Login.RefuseSecurityToFullFeature = true }},
		{"login.response.header-echo", func(d *Deviations) { d.Login.ZeroISID = true }},
		{"login.response.t-only-when-requested", func(d *Deviations) { d.Login.TransitUnasked = true }},
		{"login.response.nsg-agrees-with-request", func(d *Deviations) { d.Login.GrantBeyondRequest = true }},
		{"login.response.only-defined-status", func(d *Deviations) { d.Login.UndefinedStatusClass = true }},
		{"login.response.nonzero-status-closes", func(d *Deviations) { d.Login.KeepOpenAfterRefusal = true }},
		{"login.tsih.zero-before-final", func(d *Deviations) { d.Login.EarlyTSIH = true }},
		{"login.tsih.nonzero-on-final", func(d *Deviations) { d.Login.ZeroTSIH = true }},
		{"login.tsih.distinct-for-concurrent-sessions", func(d *Deviations) { d.Login.ConstantTSIH = true }},
		{"login.tsih.unknown-nonzero-refused", func(d *Deviations) { d.Login.UnknownTSIHCreatesSession = true }},
		{"login.tsih.existing-with-other-isid-refused", func(d *Deviations) { d.Login.TSIHAloneFindsSession = true }},
		{"login.tsih.stale-after-logout-refused", func(d *Deviations) { d.Login.DeadTSIHAccepted = true }},
		{"login.isid.same-isid-other-initiator-independent", func(d *Deviations) { d.Login.ISIDWithoutName = true }},
		{"login.isid.all-formats-accepted", func(d *Deviations) { d.Login.RefuseEnterpriseISID = true }},
		{"login.cid.any-value-accepted", func(d *Deviations) { d.Login.RefuseCIDZero = true }},
		{"login.statsn.starts-at-first-response", func(d *Deviations) { d.Login.StatSNRestarts = true }},
		{"login.cmdsn.expcmdsn-equals-login-cmdsn", func(d *Deviations) { d.Login.CountLoginCmdSN = true }},
		{"login.maxcmdsn.window-not-inverted", func(d *Deviations) { d.Login.ZeroMaxCmdSN = true }},
		{"login.params.missing-initiator-name", func(d *Deviations) { d.Login.AcceptAnonymous = true }},
		{"login.params.missing-target-name", func(d *Deviations) { d.Login.DefaultTarget = true }},
		{"login.target.unknown-name-refused", func(d *Deviations) { d.Login.UnknownNameToDefault = true }},
		{"login.session-type.default-is-normal", func(d *Deviations) { d.Login.DemandSessionType = true }},
		{"login.final.traffic-accepted-at-once", func(d *Deviations) { d.Login.DropEarlyBytes = true }},
		{"login.tsih.wrong-for-live-isid-refused", func(d *Deviations) { d.Login.ISIDAloneReinstates = true }},
	}
}

func rowsNegotiation() []RowDeviation {
	return []RowDeviation{
		{"negotiation.unknown-key.notunderstood", func(d *Deviations) { d.Negotiation.IgnoreUnknownKeys = true }},
		{"negotiation.answer.every-offered-key-answered", func(d *Deviations) { d.Negotiation.SilentAgreement = true }},
		{"negotiation.list.first-supported-chosen", func(d *Deviations) { d.Negotiation.OwnDigestOrder = true }},
		{"negotiation.partial.failed-login-leaves-nothing", func(d *Deviations) { d.Negotiation.ZombieLogin = true }},
	}
}

func rowsKeys() []RowDeviation {
	return []RowDeviation{
		{"keys.header-digest.default-none", func(d *Deviations) { d.Keys.DigestUnagreed = true }},
		{"keys.header-digest.header-and-data-independent", func(d *Deviations) { d.Keys.BothDigestsWithHeader = true }},
		{"keys.header-digest.crc32c-supported", func(d *Deviations) { d.Keys.NoDigests = true }},
		{"keys.digests.take-effect-after-final-response", func(d *Deviations) { d.Keys.DigestOnFinalResponse = true }},
		{"keys.max-connections.default-and-limit", func(d *Deviations) { d.Keys.UnlimitedConnections = true }},
		{"keys.target-portal-group-tag.in-first-response", func(d *Deviations) { d.Keys.OmitPortalGroupTag = true }},
		{"keys.target-portal-group-tag.matches-sendtargets", func(d *Deviations) { d.Keys.PortalGroupTagOne = true }},
	}
}

func rowsAuth() []RowDeviation {
	return []RowDeviation{
		{"auth.method.none-when-open", func(d *Deviations) { d.Auth.RejectNone = true }},
		{"auth.chap.one-way-success", func(d *Deviations) { d.Auth.WrongOrder = true }},
		{"auth.chap.reinstatement-needs-authentication", func(d *Deviations) { d.Auth.ReinstateBeforeAuthentication = true }},
	}
}

func rowsDiscovery() []RowDeviation {
	return []RowDeviation{
		{"discovery.session.login-without-target-name", func(d *Deviations) { d.Discovery.DemandTargetName = true }},
		{"discovery.sendtargets.all-lists-targets", func(d *Deviations) { d.Discovery.FirstTargetOnly = true }},
		{"discovery.sendtargets.record-layout", func(d *Deviations) { d.Discovery.AliasInRecords = true }},
		{"discovery.sendtargets.address-has-tag", func(d *Deviations) { d.Discovery.OmitTag = true }},
		{"discovery.sendtargets.address-usable", func(d *Deviations) { d.Discovery.WildcardAddress = true }},
		{"discovery.sendtargets.all-portals-listed", func(d *Deviations) { d.Discovery.OwnPortalOnly = true }},
		{"discovery.restrictions.scsi-command-refused", func(d *Deviations) { d.Discovery.ServeSCSI = true }},
		{"discovery.restrictions.logout-close-session", func(d *Deviations) { d.Discovery.DropOnLogout = true }},
		{"discovery.reinstatement.unnamed-session", func(d *Deviations) { d.Discovery.RefuseSecond = true }},
		{"discovery.reinstatement.does-not-touch-normal-session", func(d *Deviations) { d.Discovery.ReinstatesNormal = true }},
		{"discovery.session.normal-and-discovery-coexist", func(d *Deviations) { d.Discovery.LogoutClosesAll = true }},
		{"discovery.reinstatement.other-portal-independent", func(d *Deviations) { d.Discovery.IgnorePortal = true }},
		{"discovery.reinstatement.normal-does-not-touch-unnamed", func(d *Deviations) { d.Discovery.NormalReinstates = true }},
	}
}

func rowsFfpSequencing() []RowDeviation {
	return []RowDeviation{
		{"ffp-sequencing.cmdsn.above-window-ignored", func(d *Deviations) { d.Sequencing.ExecutesBeyond = true }},
		{"ffp-sequencing.cmdsn.below-window-ignored", func(d *Deviations) { d.Sequencing.ExecutesBelow = true }},
		{"ffp-sequencing.cmdsn.duplicate-ignored", func(d *Deviations) { d.Sequencing.ExecutesBelow = true }},
		{"ffp-sequencing.cmdsn.gap-holds-later-commands", func(d *Deviations) { d.Sequencing.ArrivalOrder = true }},
		{"ffp-sequencing.cmdsn.ordered-delivery-inside-batch", func(d *Deviations) { d.Sequencing.ArrivalOrder = true }},
		{"ffp-sequencing.window.reopens-after-completion", func(d *Deviations) { d.Sequencing.ClosesForEver = true }},
		{"ffp-sequencing.window.zero-window-is-legal", func(d *Deviations) { d.Sequencing.IgnoresWhenClosed = true }},
		{"ffp-sequencing.immediate.excess-rejected", func(d *Deviations) { d.Sequencing.DiscardsImmediate = true }},
		{"ffp-sequencing.statsn.not-consumed-by-r2t-and-data", func(d *Deviations) { d.Sequencing.R2TTakesStatSN = true }},
		{"ffp-sequencing.statsn.wraps", func(d *Deviations) { d.Sequencing.DropsAfterWrap = true }},
		{"ffp-sequencing.expstatsn.stale-value-tolerated", func(d *Deviations) { d.Sequencing.TakesExpStatSN = true }},
		{"ffp-sequencing.itt.any-value-but-reserved", func(d *Deviations) { d.Sequencing.RefusesTagZero = true }},
		{"ffp-sequencing.itt.in-use-rejected", func(d *Deviations) { d.Sequencing.OverwritesTask = true }},
		{"ffp-sequencing.ahs.extended-cdb", func(d *Deviations) { d.Sequencing.IgnoresAHS = true }},
		{"ffp-sequencing.ahs.bidirectional-length", func(d *Deviations) { d.DataIn.SeparateNumbers = true }},
		{"ffp-sequencing.task-attributes.all-accepted", func(d *Deviations) { d.Sequencing.RefusesUntagged = true }},
		{"ffp-sequencing.expcmdsn.not-past-a-gap", func(d *Deviations) { d.Sequencing.AcknowledgesPastGap = true }},
		{"ffp-sequencing.command.priority-ignored-below-level-two", func(d *Deviations) { d.Sequencing.ReadsPriority = true }},
		{"ffp-sequencing.response.status-qualifier-zero", func(d *Deviations) { d.Sequencing.FillsQualifier = true }},
		{"ffp-sequencing.immediate.one-command-and-one-tmf", func(d *Deviations) { d.Sequencing.OneImmediate = true }},
		{"ffp-sequencing.maxcmdsn.not-below-expcmdsn-minus-one", func(d *Deviations) { d.Sequencing.InvertedWindow = true }},
		{"ffp-sequencing.expcmdsn.acknowledges-in-order", func(d *Deviations) { d.Sequencing.DoubleExpCmdSN = true }},
		{"ffp-sequencing.expcmdsn.immediate-does-not-advance", func(d *Deviations) { d.Sequencing.ImmediateAdvances = true }},
		{"ffp-sequencing.window.commands-up-to-maxcmdsn", func(d *Deviations) { d.Sequencing.DropLastInWindow = true }},
		{"ffp-sequencing.statsn.increments-per-response", func(d *Deviations) { d.Sequencing.UncountedTaskManagement = true }},
		{"ffp-sequencing.itt.reuse-after-completion", func(d *Deviations) { d.Sequencing.RememberTags = true }},
		{"ffp-sequencing.order.single-command-response-pairing", func(d *Deviations) { d.Sequencing.StatusTwice = true }},
		{"ffp-sequencing.response.bits-and-reserved", func(d *Deviations) { d.Sequencing.BothResidualBits = true }},
		{"ffp-sequencing.response.sense-data-format", func(d *Deviations) { d.Sequencing.NoSense = true }},
		{"ffp-sequencing.response.invalid-lun", func(d *Deviations) { d.Sequencing.DropOnUnknownLUN = true }},
	}
}

func rowsLogout() []RowDeviation {
	return []RowDeviation{
		{"logout.close-session.response-and-close", func(d *Deviations) { d.Logout.NoResponse = true }},
		{"logout.close-connection.single", func(d *Deviations) { d.Logout.OwnCIDNotFound = true }},
		{"logout.cid.unknown-refused", func(d *Deviations) { d.Logout.IgnoreCID = true }},
		{"logout.pending-commands.terminated-silently", func(d *Deviations) { d.Logout.DataAfterResponse = true }},
		{"logout.after-response.no-more-traffic", func(d *Deviations) { d.Logout.ServeAfterLogout = true }},
		{"logout.pending-async.logout-honoured", func(d *Deviations) { d.Logout.RefuseRequested = true }},
	}
}

func rowsRecovery() []RowDeviation {
	return []RowDeviation{
		{"recovery.connection-reinstatement.same-cid", func(d *Deviations) { d.Recovery.ServeReplacedConnection = true }},
		{"recovery.connection-reinstatement.tasks-ended-below-level-two", func(d *Deviations) { d.Recovery.ContinueTasks = true }},
		{"recovery.session-reinstatement.old-session-closed", func(d *Deviations) { d.Recovery.KeepReplacedSession = true }},
		{"recovery.session-reinstatement.new-tsih", func(d *Deviations) { d.Recovery.KeepExpCmdSN = true }},
		{"recovery.session-reinstatement.pending-tasks-ended", func(d *Deviations) { d.Recovery.CompleteWithZeros = true }},
		{"recovery.session-reinstatement.failed-login-harmless", func(d *Deviations) { d.Recovery.CloseOnFirstRequest = true }},
		{"recovery.session-continuation.after-retain-expired", func(d *Deviations) { d.Recovery.NeverExpire = true }},
		{"recovery.tcp-loss.fresh-login-works", func(d *Deviations) { d.Recovery.RefuseUntilKeepAlive = true }},
		{"recovery.escalation.no-status-lost", func(d *Deviations) { d.Recovery.LoseAcknowledgedData = true }},
	}
}

func rowsDigest() []RowDeviation {
	return []RowDeviation{
		{"digest.crc32c.header-value-correct", func(d *Deviations) { d.Digest.NoFinalInversion = true }},
		{"digest.crc32c.data-value-correct", func(d *Deviations) { d.Digest.PadNotCovered = true }},
		{"digest.crc32c.accepts-correct-digests", func(d *Deviations) { d.Digest.HeaderOver44Bytes = true }},
	}
}

func rowsSessionManagement() []RowDeviation {
	return []RowDeviation{
		{"session-management.default.one-session-per-port-pair", func(d *Deviations) { d.Sessions.OneSessionPerInitiator = true }},
		{"session-management.default.same-isid-different-portal-groups", func(d *Deviations) { d.Sessions.IgnoreTag = true }},
		{"session-management.default.same-isid-same-group-other-portal-reinstates", func(d *Deviations) { d.Sessions.ComparePortal = true }},
		{"session-management.default.same-isid-different-targets", func(d *Deviations) { d.Sessions.IgnoreTargetName = true }},
		{"session-management.clone.different-isid-defined-outcome", func(d *Deviations) { d.Sessions.CloneResponsesToFirst = true }},
		{"session-management.clone.existing-undisturbed-under-load", func(d *Deviations) { d.Sessions.CloneCloseResets = true }},
		{"session-management.clone.independent-numbering", func(d *Deviations) { d.Sessions.SharedTags = true }},
		{"session-management.clone.task-management-scope", func(d *Deviations) { d.Sessions.NexusByName = true }},
		{"session-management.clone.logout-scope", func(d *Deviations) { d.Sessions.LogoutClosesInitiator = true }},
		{"session-management.clone.same-isid-is-not-a-clone", func(d *Deviations) { d.Recovery.KeepReplacedSession = true }},
		{"session-management.clone.parallel-login-race", func(d *Deviations) { d.Sessions.ReinstatementDeadlock = true }},
		{"session-management.digest-relogin.header-and-data", func(d *Deviations) { d.Sessions.RememberDigests = true }},
		{"session-management.digest-relogin.by-reinstatement", func(d *Deviations) { d.Sessions.CopyDigests = true }},
		{"session-management.digest-relogin.not-by-text", func(d *Deviations) { d.Sessions.DigestsByText = true }},
		{"session-management.digest-relogin.mixed-clones", func(d *Deviations) { d.Sessions.DigestsPerInitiator = true }},
		{"session-management.target-port.specific-portal-login", func(d *Deviations) { d.Sessions.FirstTagEverywhere = true }},
		{"session-management.target-port.device-identification", func(d *Deviations) { d.Sessions.OnePortDesignator = true }},
		{"session-management.target-port.unlisted-portal-refused", func(d *Deviations) { d.Sessions.ExportEverywhere = true }},
		{"session-management.redirect.temporary-format", func(d *Deviations) { d.Redirect.OmitAddress = true }},
		{"session-management.redirect.permanent-format", func(d *Deviations) { d.Redirect.Alternate = true }},
		{"session-management.redirect.address-without-tag", func(d *Deviations) { d.Redirect.WithTag = true }},
		{"session-management.redirect.ipv6-and-port-forms", func(d *Deviations) { d.Redirect.BareIPv6 = true }},
		{"session-management.redirect.destination-accepts", func(d *Deviations) { d.Redirect.ToUnexported = true }},
		{"session-management.redirect.no-loop", func(d *Deviations) { d.Redirect.Loop = true }},
		{"session-management.redirect.not-to-dead-portal", func(d *Deviations) { d.Redirect.ToDeadPortal = true }},
		{"session-management.redirect.discovery-not-redirected-wrongly", func(d *Deviations) { d.Redirect.DropDiscovery = true }},
		{"session-management.redirect.during-security-stage", func(d *Deviations) { d.Redirect.ContinueAfterRedirect = true }},
		{"session-management.redirect.additional-sessions-spread", func(d *Deviations) { d.Redirect.DropExisting = true }},
		{"session-management.redirect.existing-session-undisturbed", func(d *Deviations) { d.Redirect.CleanUpFirst = true }},
		{"session-management.redirect.same-isid-reinstatement", func(d *Deviations) { d.Redirect.DropReinstated = true }},
		{"session-management.limit.refused-cleanly", func(d *Deviations) { d.Sessions.EvictOldest = true }},
		{"session-management.limit.slots-return-after-logout", func(d *Deviations) { d.Sessions.LeakSlots = true }},
		{"session-management.limit.login-logout-churn", func(d *Deviations) { d.Sessions.SlowChurn = true }},
		{"session-management.identity.tsih-scope-per-target", func(d *Deviations) { d.Sessions.GlobalTSIH = true }},
		{"session-management.state.reservation-follows-nexus", func(d *Deviations) { d.Sessions.ReservationByName = true }},
		{"session-management.state.nexus-loss-on-session-end", func(d *Deviations) { d.Sessions.KeepReservations = true }},
	}
}
