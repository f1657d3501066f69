package simtarget

func rowsListing() []RowDeviation {
	return []RowDeviation{
		{"discovery.session.with-target-name-accepted", func(d *Deviations) { d.Listing.NamedIsNormal = true }},
		{"discovery.sendtargets.ipv6-brackets", func(d *Deviations) { d.Listing.UnbracketedIPv6 = true }},
		{"discovery.sendtargets.default-port-may-be-omitted", func(d *Deviations) { d.Listing.OmitsPort = true }},
		{"discovery.sendtargets.by-name", func(d *Deviations) { d.Listing.ByNameListsAll = true }},
		{"discovery.sendtargets.by-unknown-name", func(d *Deviations) { d.Listing.UnknownListsAll = true }},
		{"discovery.sendtargets.empty-value-on-discovery", func(d *Deviations) { d.Listing.EmptyNamesISCSI = true }},
		{"discovery.sendtargets.normal-empty-value", func(d *Deviations) { d.Listing.RejectsEmpty = true }},
		{"discovery.sendtargets.normal-own-name", func(d *Deviations) { d.Listing.OwnNameListsAll = true }},
		{"discovery.sendtargets.normal-all-refused", func(d *Deviations) { d.Listing.ServesAllOnNormal = true }},
		{"discovery.sendtargets.long-answer-is-split", func(d *Deviations) { d.Listing.Truncates = true }},
		{"discovery.sendtargets.repeatable", func(d *Deviations) { d.Listing.AnswersOnce = true }},
		{"discovery.sendtargets.portal-group-complete", func(d *Deviations) { d.Listing.OwnPortalOnNormal = true }},
		{"discovery.restrictions.task-management-refused", func(d *Deviations) { d.Listing.ResetsUnits = true }},
		{"discovery.restrictions.other-text-keys", func(d *Deviations) { d.Listing.NegotiatesBurst = true }},
		{"discovery.restrictions.nop-out", func(d *Deviations) { d.Listing.CrashesOnPing = true }},
		{"discovery.restrictions.logout-recovery-refused", func(d *Deviations) { d.Listing.LogoutForRecovery = true }},
		{"discovery.restrictions.unsolicited-pdus", func(d *Deviations) { d.Listing.PingsIdle = true }},
		{"discovery.access.hidden-targets-not-listed", func(d *Deviations) { d.Listing.ListsClosed = true }},
		{"discovery.chap.required-when-configured", func(d *Deviations) { d.Listing.OpenToAll = true }},
		{"discovery.reinstatement.named-session", func(d *Deviations) { d.Listing.KeepsNamed = true }},
		{"discovery.session.no-vendor-keys", func(d *Deviations) { d.Listing.ProposesVendorKey = true }},
	}
}
