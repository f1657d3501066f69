package initiator

// dataOutRows are the rows about what a write sends.
func dataOutRows() []RowDeviation {
	return []RowDeviation{
		{"dataout.datasn-per-sequence", func(d *Deviations) { d.DataOut.DataSNPerTask = true }},
		{"dataout.unsolicited-limited-by-firstburst", func(d *Deviations) { d.DataOut.FirstBurstBesideImmediate = true }},
		{"dataout.none-before-r2t", func(d *Deviations) { d.Session.UnsolicitedDespiteInitialR2T = true }},
		{"dataout.unsolicited-dataout-only", func(d *Deviations) { d.DataOut.ShortUnsolicited = true }},
		{"dataout.immediate-and-unsolicited", func(d *Deviations) { d.DataOut.FirstBurstBesideImmediate = true }},
		{"dataout.immediate-limited-by-mrdsl", func(d *Deviations) { d.DataOut.ImmediateByOwnLimit = true }},
		{"dataout.mrdsl-respected", func(d *Deviations) { d.DataOut.LongSegments = true }},
		{"dataout.fbit-unsolicited", func(d *Deviations) { d.DataOut.FinalOnEveryPDU = true }},
		{"dataout.fbit-solicited", func(d *Deviations) { d.DataOut.NoFinalAtBoundary = true }},
		{"dataout.buffer-offset", func(d *Deviations) { d.DataOut.OffsetRestarts = true }},
		{"dataout.ttt-echoed", func(d *Deviations) { d.DataOut.ZeroTagReserved = true }},
		{"r2t.single-pdu-answer", func(d *Deviations) { d.DataOut.AnswersWithRest = true }},
		{"r2t.multi-pdu-answer", func(d *Deviations) { d.DataOut.DropsLastFragment = true }},
		{"r2t.out-of-order-sequences", func(d *Deviations) { d.DataOut.RunningOffset = true }},
		{"r2t.order-across-tasks", func(d *Deviations) { d.DataOut.AnswersForEarlierTask = true }},
		{"r2t.multiple-outstanding", func(d *Deviations) { d.DataOut.LastR2TWins = true }},
		{"r2t.exceeds-max-outstanding", func(d *Deviations) { d.DataOut.R2TSlots = true }},
		{"r2t.r2tsn-gap", func(d *Deviations) { d.DataOut.IgnoreR2TSN = true }},
		{"r2t.beyond-edtl", func(d *Deviations) { d.DataOut.TrustLength = true }},
		{"r2t.over-maxburst", func(d *Deviations) { d.DataOut.CutsAtMaxBurst = true }},
		{"r2t.zero-length", func(d *Deviations) { d.DataOut.ZeroLengthStalls = true }},
		{"r2t.unknown-itt", func(d *Deviations) { d.DataOut.AnswersUnknownTask = true }},
		{"r2t.reserved-ttt", func(d *Deviations) { d.DataOut.IgnoresReservedTag = true }},
		{"dataout.early-status-stops", func(d *Deviations) { d.DataOut.WaitsForAllData = true }},
		{"dataout.unsolicited-and-early-r2t", func(d *Deviations) { d.DataOut.EarlyR2TJoinsBurst = true }},
		{"dataout.data-integrity", func(d *Deviations) { d.DataOut.ShiftsLastBurst = true }},
		{"dataout.zero-length-write", func(d *Deviations) { d.DataOut.ExpectsDataAlways = true }},
		{"dataout.word-multiple-segments", func(d *Deviations) { d.DataOut.FillsSegments = true }},
		{"dataout.unsolicited-order-across-commands", func(d *Deviations) { d.DataOut.RoundRobinBursts = true }},
		{"r2t.lun-mismatch", func(d *Deviations) { d.DataOut.LUNFromR2T = true }},
		{"r2t.duplicate-discarded", func(d *Deviations) { d.DataOut.ServesRepetitions = true }},
	}
}
