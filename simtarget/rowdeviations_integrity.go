package simtarget

func rowsIntegrity() []RowDeviation {
	return []RowDeviation{
		{"digest.crc32c.with-ahs", func(d *Deviations) { d.Integrity.DigestBehindBHS = true }},
		{"digest.header-error.missing-digest", func(d *Deviations) { d.Integrity.OverlookHeader = true }},
		{"digest.header-error.wrong-digest", func(d *Deviations) { d.Integrity.OverlookHeader = true }},
		{"digest.header-error.flipped-header-bit", func(d *Deviations) { d.Integrity.OverlookWriteHeader = true }},
		{"digest.data-error.command-with-immediate-data", func(d *Deviations) { d.Integrity.TakeDamagedCommand = true }},
		{"digest.data-error.data-out", func(d *Deviations) { d.Integrity.TakeDamagedData = true }},
		{"digest.data-error.unsolicited-data-out", func(d *Deviations) { d.Integrity.TakeDamagedUnsolicited = true }},
		{"digest.data-error.non-data-pdu", func(d *Deviations) { d.Integrity.TakeDamagedPing = true }},
		{"digest.recovery-r2t.range", func(d *Deviations) { d.Integrity.RecoverFromStart = true }},
		{"recovery.retry.inadvertent-duplicate-discarded", func(d *Deviations) { d.Integrity.StartDuplicate = true }},
		{"recovery.retry.duplicate-during-data-discarded", func(d *Deviations) { d.Integrity.RestartOnDuplicate = true }},
		{"recovery.retry.after-data-digest-error", func(d *Deviations) { d.Integrity.CountDamaged = true }},
		{"recovery.level-one.header-digest-error-continues", func(d *Deviations) { d.Integrity.OverlookHeader = true }},
	}
}
