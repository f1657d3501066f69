package initiator

import (
	"slices"
	"time"
)

// RowDeviations lists, for rows of the catalogue's initiator part, the deviation that is the row's defect, in the order of the
// catalogue within each list. A row has at most one entry.
func RowDeviations() []RowDeviation {
	return slices.Concat(
		lifecycleRows(),
		kindRows(),
		reconnectRows(),
		removalRows(),
		cacheRows(),
		queueRows(),
		unitRows(),
		pathRows(),
		managerRows(),
		redirectRows(),
		loginRows(),
		fullFeatureRows(),
		textRows(),
		negotiationRows(),
		keyRows(),
		discoveryRows(),
		dataOutRows(),
		lossRows(),
		dataInRows(),
		taskManagementRows(),
		digestRows(),
		robustnessRows(),
		sequencingRows(),
		loginPhaseRows(),
		authRows(),
		asyncRows(),
		recoveryRows(),
		endingRows(),
	)
}

// lifecycleRows are the rows about the session's handle and the listing.
func lifecycleRows() []RowDeviation {
	return []RowDeviation{
		{"session-login.portal-selected", func(d *Deviations) { d.Paths.PortalForDiscoveryOnly = true }},
		{"session-id.assigned-at-login", func(d *Deviations) { d.Identity.FromTSIH = true }},
		{"session-id.constant.one-severed-link", func(d *Deviations) { d.Identity.NewOnRelogin = true }},
		{"session-id.constant.many-severed-links", func(d *Deviations) { d.Identity.NewEverySixteenth = true }},
		{"session-id.constant.async-logout", func(d *Deviations) { d.Identity.AsyncLogoutForgets = true }},
		{"session-id.constant.async-drop", func(d *Deviations) { d.Identity.AsyncDropAllRecreates = true }},
		{"session-id.constant.across-redirect", func(d *Deviations) { d.Identity.FollowsPortal = true }},
		{"session-id.constant.target-restart", func(d *Deviations) { d.Login.ReuseTSIH = true }},
		{"session-id.not-reused-after-logoff", func(d *Deviations) { d.Identity.StaleReaches = true }},
		{"session-id.independent-of-isid-and-tsih", func(d *Deviations) { d.Identity.FromTSIH = true }},
		{"session-type.four-kinds-listed", func(d *Deviations) { d.Listing.KindDataAlways = true }},
		{"session-info.exposed-fields", func(d *Deviations) { d.Listing.TSIHOfLeadingLogin = true }},
		{"session-info.updates-on-relogin", func(d *Deviations) { d.Listing.FirstLoginForEver = true }},
		{"session-info.state-visible", func(d *Deviations) { d.Listing.StateOnSuccessOnly = true }},
	}
}

// kindRows are the rows about the four kinds.
func kindRows() []RowDeviation {
	return []RowDeviation{
		{"session-login.all-kinds-accepted", func(d *Deviations) { d.Kinds.UnknownIsData = true }},
		{"session-type.informational.requests-while-down", func(d *Deviations) { d.Kinds.InformationalHangsWhileDown = true }},
		{"session-type.discovery.only-sendtargets", func(d *Deviations) { d.Kinds.DiscoveryProbes = true }},
		{"session-type.discovery.not-reconnected", func(d *Deviations) { d.Reconnect.DiscoveryToo = true }},
		{"session-type.informational.reconnects", func(d *Deviations) { d.Reconnect.OnlyWithDevices = true }},
		{"session-type.informational.no-luns-surfaced", func(d *Deviations) { d.Kinds.InformationalSurfaces = true }},
		{"session-type.informational.management-queries", func(d *Deviations) { d.Kinds.InformationalRefuses = true }},
		{"session-type.data.luns-reported", func(d *Deviations) { d.Devices.StopAtGap = true }},
		{"session-type.boot.full-featured", func(d *Deviations) { d.Kinds.BootKeyOnWire = true }},
		{"session-type.boot.reconnects-and-keeps-device", func(d *Deviations) { d.Reconnect.NotBoot = true }},
	}
}

// reconnectRows are the rows about login attempts, and about where they go.
func reconnectRows() []RowDeviation {
	return []RowDeviation{
		{"reconnect.first-attempt.honours-time2wait", func(d *Deviations) { d.Reconnect.IgnoreTime2Wait = true }},
		{"reconnect.first-attempt.async-time2wait-overrides", func(d *Deviations) { d.Session.AsyncWaitFromParameter1 = true }},
		{"reconnect.cadence.five-seconds", func(d *Deviations) { d.Reconnect.ExponentialBackoff = true }},
		{"reconnect.cadence.configurable", func(d *Deviations) { d.Reconnect.IntervalReadOnce = true }},
		{"reconnect.cadence.slow-failure-no-overlap", func(d *Deviations) { d.Reconnect.OverlapAttempts = true }},
		{"reconnect.until-success.long-outage", func(d *Deviations) { d.Reconnect.AttemptsAtMost = 120 }},
		{"reconnect.continues-after-device-removal", func(d *Deviations) { d.Reconnect.StopAtRemoval = true }},
		{"reconnect.stops-on-success", func(d *Deviations) { d.Reconnect.TickAfterSuccess = true }},
		{"reconnect.logoff-stops-attempts", func(d *Deviations) { d.Reconnect.LogoffWaitsForReturn = true }},
		{"reconnect.logoff-during-login-in-progress", func(d *Deviations) { d.Reconnect.LogoffForgetsLoginInProgress = true }},
		{"reconnect.logoff-fails-queued-io", func(d *Deviations) { d.Queue.ForgetAtLogoff = true }},
		{"reconnect.login-failure.class3-continues", func(d *Deviations) { d.Reconnect.StopOnLoginStatus = true }},
		{"reconnect.login-failure.class2-policy", func(d *Deviations) { d.Reconnect.HotRetryNotFound = true }},
		{"reconnect.login-failure.auth-rejected", func(d *Deviations) { d.Reconnect.HotRetryAuth = true }},
		{"reconnect.first-login-failure-not-persistent", func(d *Deviations) { d.Reconnect.ReportBeforeLogin = true }},
		{"reconnect.cadence.per-session", func(d *Deviations) { d.Reconnect.OneWorker = true }},
		{"reconnect.parameters-renegotiated", func(d *Deviations) { d.Session.KeepParameters = true }},
		{"reconnect.silent-loss-detected", func(d *Deviations) { d.Reconnect.NoPing = true }},
		{"reconnect.login-op-while-reconnecting", func(d *Deviations) { d.Reconnect.DuplicateWhileDown = true }},
		{"reconnect.restart-of-initiator-process", func(d *Deviations) { d.Paths.RestartChangesISID = true }},
		{"redirect.temporary.not-sticky", func(d *Deviations) { d.Reconnect.TemporarySticks = true }},
		{"redirect.permanent.remembered", func(d *Deviations) { d.Reconnect.PermanentForgotten = true }},
		{"redirect.dead-target-falls-back", func(d *Deviations) { d.Reconnect.DeadRedirectSticks = true }},
	}
}

// removalRows are the rows about devices that leave and return.
func removalRows() []RowDeviation {
	return []RowDeviation{
		{"removal.not-immediate", func(d *Deviations) { d.Devices.RemoveAtLoss = true }},
		{"removal.at-sixty-seconds", func(d *Deviations) { d.Devices.RemoveAfterAttempts = 12 }},
		{"removal.boundary.relogin-at-59", func(d *Deviations) { d.Devices.RemoveAfter = 55 * time.Second }},
		{"removal.boundary.login-straddles-deadline", func(d *Deviations) { d.Devices.RemoveDespiteLogin = true }},
		{"removal.clock.starts-at-detection", func(d *Deviations) { d.Devices.ClockFromLastPDU = true }},
		{"removal.clock.not-restarted-by-failed-attempts", func(d *Deviations) { d.Devices.ClockRestartsOnConnect = true }},
		{"removal.clock.resets-after-success", func(d *Deviations) { d.Devices.ClockNotStopped = true }},
		{"removal.flapping-link", func(d *Deviations) { d.Devices.ClockCumulative = true }},
		{"removal.configurable.value", func(d *Deviations) { d.Devices.RemoveAfter = DefaultRemovalLatency }},
		{"removal.configurable.zero", func(d *Deviations) { d.Devices.ZeroMeansDefault = true }},
		{"removal.configurable.infinite", func(d *Deviations) { d.Devices.InfiniteMeansExpired = true }},
		{"removal.configurable.change-while-down", func(d *Deviations) { d.Devices.NeverInThePast = true }},
		{"removal.readd-after-reconnect", func(d *Deviations) { d.Devices.EnumerateOnce = true }},
		{"removal.readd-identity", func(d *Deviations) { d.Cache.SurvivesRemoval = true }},
		{"removal.logoff-is-immediate", func(d *Deviations) { d.Devices.LogoffLingers = true }},
		{"removal.async-logout-uses-latency", func(d *Deviations) { d.Devices.AsyncLogoutRemoves = true }},
		{"removal.no-good-after-removal", func(d *Deviations) { d.Devices.RemovalRacesReplay = true }},
		{"removal.per-session-only", func(d *Deviations) { d.Devices.RemoveByLUNOnly = true }},
		{"removal.no-removal-on-brief-loss-events", func(d *Deviations) { d.Queue.FailInFlight = true }},
	}
}

// cacheRows are the rows about answers from memory.
func cacheRows() []RowDeviation {
	return []RowDeviation{
		{"cache.inquiry-while-down", func(d *Deviations) { d.Cache.QueueInquiry = true }},
		{"cache.inquiry-vpd-while-down", func(d *Deviations) { d.Cache.VPDAsStandard = true }},
		{"cache.report-luns-while-down", func(d *Deviations) { d.Cache.KeepTruncated = true }},
		{"cache.no-wire-traffic-when-up", func(d *Deviations) { d.Cache.ConsultWhileUp = true }},
		{"cache.refreshed-after-relogin", func(d *Deviations) { d.Cache.FillOnce = true }},
		{"cache.empty-before-first-inquiry", func(d *Deviations) { d.Cache.ZeroFilled = true }},
		{"cache.lun-not-in-cache", func(d *Deviations) { d.Cache.IgnoreLUN = true }},
	}
}

// queueRows are the rows about what waits.
func queueRows() []RowDeviation {
	return []RowDeviation{
		{"queue.other-requests-queued", func(d *Deviations) { d.Queue.AnswerTestUnitReady = true }},
		{"queue.replayed-in-order", func(d *Deviations) { d.Queue.LastInFirstOut = true }},
		{"queue.replay-before-new", func(d *Deviations) { d.Queue.NewBypass = true }},
		{"queue.each-once", func(d *Deviations) { d.Queue.ReplayFinished = true }},
		{"queue.inflight-at-loss", func(d *Deviations) { d.Queue.ForgetInFlight = true }},
		{"queue.bounded", func(d *Deviations) { d.Queue.Unbounded = true }},
		{"queue.full-clear-error", func(d *Deviations) { d.Queue.OverwriteOldest = true }},
		{"queue.full-recovers", func(d *Deviations) { d.Queue.CountNeverFalls = true }},
		{"queue.failed-at-removal", func(d *Deviations) { d.Queue.KeepAtRemoval = true }},
		{"queue.own-timeout-respected", func(d *Deviations) { d.Queue.ReplayTimedOut = true }},
		{"queue.cancel-while-down", func(d *Deviations) { d.Queue.AbortKeepsEntry = true }},
		{"queue.reset-while-down", func(d *Deviations) { d.Queue.ResetNeedsTarget = true }},
		{"queue.io-at-exact-reconnect", func(d *Deviations) { d.Queue.LoseWakeUp = true }},
	}
}

// unitRows are the rows about units that change.
func unitRows() []RowDeviation {
	return []RowDeviation{
		{"lunset.lun-added-while-down", func(d *Deviations) { d.Devices.NoRescanOnRelogin = true }},
		{"lunset.lun-removed-while-down", func(d *Deviations) { d.Queue.RetryAbsentUnit = true }},
		{"lunset.lun-resized-while-down", func(d *Deviations) { d.Devices.KeepSize = true }},
		{"lunset.identity-swapped-while-down", func(d *Deviations) { d.Devices.IgnoreIdentity = true }},
	}
}

// pathRows are the rows about sessions added, removed and counted.
func pathRows() []RowDeviation {
	return []RowDeviation{
		{"sessions.add.silent-array", func(d *Deviations) { d.Paths.AddBlocksAll = true }},
		{"sessions.add.same-tsih-returned", func(d *Deviations) { d.Paths.IndexByTSIH = true }},
		{"sessions.default-count.ports-product", func(d *Deviations) { d.Paths.FirstPortalOnly = true }},
		{"sessions.default-one-per-pair", func(d *Deviations) { d.Paths.RepeatDefaults = true }},
		{"sessions.distinct-isid-per-initiator-port", func(d *Deviations) { d.Paths.OneISIDPerHost = true }},
		{"sessions.same-isid-different-target-ports", func(d *Deviations) { d.Paths.ISIDPerLogin = true }},
		{"sessions.list-all", func(d *Deviations) { d.Listing.OnePerTarget = true }},
		{"sessions.add.clone-new-isid", func(d *Deviations) { d.Paths.CloneCopiesISID = true }},
		{"sessions.add.clone-inherits-settings", func(d *Deviations) { d.Paths.CloneFromDefaults = true }},
		{"sessions.add.more-paths", func(d *Deviations) { d.Paths.NoSecondPath = true }},
		{"sessions.add.refused-by-target", func(d *Deviations) { d.Paths.RefusedAddClosesTarget = true }},
		{"sessions.add.target-drops-original", func(d *Deviations) { d.Reconnect.AtOnceOnDrop = true }},
		{"sessions.add.same-isid-hazard", func(d *Deviations) { d.Paths.QualifierWraps = 16 }},
		{"sessions.add.specific-target-port", func(d *Deviations) { d.Paths.AddIgnoresPortal = true }},
		{"sessions.add.specific-port-via-redirect", func(d *Deviations) { d.Paths.AddRefusesSamePortal = true }},
		{"sessions.add.unknown-port", func(d *Deviations) { d.Paths.AddReportsEarly = true }},
		{"sessions.add.not-persistent", func(d *Deviations) { d.Paths.AddedArePersistent = true }},
		{"sessions.add.clone-reconnects", func(d *Deviations) { d.Paths.ReconnectWithDefaultISID = true }},
		{"sessions.digest.change-needs-relogin", func(d *Deviations) { d.Paths.DigestsChangeLive = true }},
		{"sessions.digest.change-survives-auto-reconnect", func(d *Deviations) { d.Paths.FramingFromConfig = true }},
		{"sessions.digest.refused-by-target", func(d *Deviations) { d.Login.AcceptUnofferedNone = true }},
		{"sessions.remove.clean-logout", func(d *Deviations) { d.Logout.NoLogoutRequest = true }},
		{"sessions.remove.outstanding-io", func(d *Deviations) { d.Logout.ForgetWaiters = true }},
		{"sessions.remove.one-of-two", func(d *Deviations) { d.Paths.RemoveByTarget = true }},
		{"sessions.remove.target-unresponsive", func(d *Deviations) { d.Paths.RemoveWaitsForEver = true }},
		{"sessions.remove.no-reconnect", func(d *Deviations) { d.Paths.RemoveReconnects = true }},
		{"sessions.remove.then-clone-order", func(d *Deviations) { d.Paths.AddDoesNothing = true }},
		{"sessions.persistent.default-set-restored", func(d *Deviations) { d.Paths.RestoreFirstPortOnly = true }},
		{"sessions.isid-stable-over-restart", func(d *Deviations) { d.Paths.RestartChangesISID = true }},
	}
}
