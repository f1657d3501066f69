package simtarget

// rowsConnections are the rows about sessions with several connections, of all groups.
func rowsConnections() []RowDeviation {
	return []RowDeviation{
		{"keys.leading-only.second-connection-does-not-renegotiate", func(d *Deviations) { d.Connections.RenegotiateSession = true }},
		{"auth.chap.per-connection", func(d *Deviations) { d.Connections.TrustTSIH = true }},
		{"tmf.abort-task-set.out-of-order-second-connection", func(d *Deviations) { d.Connections.LateCommandsRun = true }},
		{"logout.close-connection.other-connections-survive", func(d *Deviations) { d.Connections.LogoutEndsSession = true }},
		{"logout.close-connection.named-from-other-connection", func(d *Deviations) { d.Connections.LogoutEndsCarrier = true }},
		{"logout.close-session.all-connections", func(d *Deviations) { d.Connections.LogoutKeepsOthers = true }},
		{"logout.recovery.unsupported-level", func(d *Deviations) { d.Connections.RecoveryLogoutComplete = true }},
		{"logout.order.non-immediate-waits", func(d *Deviations) { d.Connections.LogoutUncounted = true }},
		{"logout.reason.reserved-refused", func(d *Deviations) { d.Connections.MaskLogoutReason = true }},
		{"discovery.restrictions.logout-close-connection-refused", func(d *Deviations) { d.Connections.AnyDiscoveryLogout = true }},
		{"auth.chap.identity-same-across-connections", func(d *Deviations) { d.Connections.AnyIdentity = true }},
		{"session-management.target-port.scsi-port-name-encoding", func(d *Deviations) { d.Connections.OtherTagInPortName = true }},
		{"session-management.identity.initiator-port-name-encoding", func(d *Deviations) { d.Connections.ShortISIDInPortName = true }},
		{"logout.time-fields.valid", func(d *Deviations) { d.Connections.WildLogoutTimes = true }},
		{"logout.close-connection.unit-attention-for-terminated-tasks", func(d *Deviations) { d.Connections.SilentTermination = true }},
		{"multi-connection.add.second-connection", func(d *Deviations) { d.Connections.RefuseFurther = true }},
		{"multi-connection.add.beyond-maximum-refused", func(d *Deviations) { d.Connections.OneBeyondMaximum = true }},
		{"multi-connection.add.cannot-include-status", func(d *Deviations) { d.Login.TSIHAloneFindsSession = true }},
		{"multi-connection.add.other-portal-group-refused", func(d *Deviations) { d.Connections.AnyPortalGroup = true }},
		{"multi-connection.add.same-portal-group-accepted", func(d *Deviations) { d.Connections.OnePortalOnly = true }},
		{"multi-connection.allegiance.responses-on-same-connection", func(d *Deviations) { d.Connections.R2TOnLead = true }},
		{"multi-connection.statsn.per-connection", func(d *Deviations) { d.Connections.SharedStatSN = true }},
		{"multi-connection.cmdsn.session-wide", func(d *Deviations) { d.Connections.JumpGaps = true }},
		{"multi-connection.cmdsn.window-shared", func(d *Deviations) { d.Connections.StaleExpCmdSN = true }},
		{"multi-connection.login.leading-only-keys-second", func(d *Deviations) { d.Connections.RenegotiateSession = true }},
		{"multi-connection.login.per-connection-digests", func(d *Deviations) { d.Connections.LeadDigests = true }},
		{"multi-connection.login.per-connection-mrdsl", func(d *Deviations) { d.Connections.LastDataSegmentLength = true }},
		{"multi-connection.loss.other-connection-continues", func(d *Deviations) { d.Connections.StallAfterLoss = true }},
		{"multi-connection.text.session-wide-effect", func(d *Deviations) { d.Connections.RedeclareElsewhere = true }},
		{"tmf.response-fence.negotiated-semantics", func(d *Deviations) { d.Connections.FencesNothingBefore = true }},
		{"tmf.response-fence.holds-following-status", func(d *Deviations) { d.Connections.FencesNothingBehind = true }},
		{"multi-connection.loss.async-message-on-other", func(d *Deviations) { d.Connections.SilentLoss = true }},
	}
}
