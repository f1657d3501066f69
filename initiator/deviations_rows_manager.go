package initiator

// managerRows are the rows about the choices of the session manager.
func managerRows() []RowDeviation {
	return []RowDeviation{
		{"session-type.boot.user-logoff-refused", func(d *Deviations) { d.Manager.BootRefusedLate = true }},
		{"reconnect.cadence.jitter-bounds", func(d *Deviations) { d.Manager.JitterDrifts = true }},
		{"reconnect.portal-failover", func(d *Deviations) { d.Manager.FailoverNewISID = true }},
		{"sessions.add.io-spread-no-loss", func(d *Deviations) { d.Manager.SwitchReplays = true }},
	}
}
