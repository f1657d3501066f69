package simtarget

func rowsSnack() []RowDeviation {
	return []RowDeviation{
		{"snack.r2t.retransmitted", func(d *Deviations) { d.SNACK.NewR2TSN = true }},
		{"snack.data.single-pdu", func(d *Deviations) { d.SNACK.ToTheEnd = true }},
		{"snack.data.run-of-pdus", func(d *Deviations) { d.SNACK.OneTooFew = true }},
		{"snack.data.everything", func(d *Deviations) { d.SNACK.ZeroIsNone = true }},
		{"snack.data.open-ended-run", func(d *Deviations) { d.SNACK.OpenFromStart = true }},
		{"snack.status.scsi-response", func(d *Deviations) { d.SNACK.NewStatSN = true }},
		{"snack.status.other-responses", func(d *Deviations) { d.SNACK.OnlySCSIResponses = true }},
		{"snack.status.already-acknowledged", func(d *Deviations) { d.SNACK.KeepAcknowledged = true }},
		{"snack.range.never-sent", func(d *Deviations) { d.SNACK.InventR2T = true }},
		{"snack.dataack.accepted-silently", func(d *Deviations) { d.SNACK.ResendOnDataACK = true }},
		{"snack.dataack.missing-tolerated", func(d *Deviations) { d.SNACK.ForgetUnacknowledged = true }},
		{"reject.snack.dataack-invalid", func(d *Deviations) { d.SNACK.AnyDataACK = true }},
		{"snack.rdata.resegmentation", func(d *Deviations) { d.SNACK.OldSegments = true }},
		{"snack.rdata.invalid-tag", func(d *Deviations) { d.SNACK.AcceptReservedTag = true }},
		{"snack.type.reserved", func(d *Deviations) { d.SNACK.MaskType = true }},
		{"snack.itt.unknown-task", func(d *Deviations) { d.SNACK.AnyTask = true }},
		{"snack.numbers.snack-is-unnumbered", func(d *Deviations) { d.SNACK.CountCmdSN = true }},
		{"snack.status.run-of-responses", func(d *Deviations) { d.SNACK.FirstStatusOnly = true }},
		{"snack.status.never-sent", func(d *Deviations) { d.SNACK.InventStatus = true }},
	}
}
