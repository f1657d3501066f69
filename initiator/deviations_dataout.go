package initiator

// DataOutDeviations are faults in what a write sends, unasked or in answer to R2Ts (RFC 7143, Sections 4.2.5.2, 11.7 and 11.8).
type DataOutDeviations struct {
	// DataSNPerTask counts DataSN on from one sequence of a task to the next.
	DataSNPerTask bool
	// FirstBurstBesideImmediate sends FirstBurstLength of unsolicited Data-Out on top of the immediate data.
	FirstBurstBesideImmediate bool
	// ShortUnsolicited ends the unsolicited data halfway to what was agreed.
	ShortUnsolicited bool
	// ImmediateByOwnLimit limits immediate data by this side's own MaxRecvDataSegmentLength, and not by FirstBurstLength either.
	ImmediateByOwnLimit bool
	// LongSegments sends Data-Out segments of 64 KiB whatever the target takes.
	LongSegments bool
	// FillsSegments fills each segment to the limit, whole words or not.
	FillsSegments bool
	// FinalOnEveryPDU sets F in each Data-Out.
	FinalOnEveryPDU bool
	// NoFinalAtBoundary leaves F clear where a sequence ends with a full segment.
	NoFinalAtBoundary bool
	// DropsLastFragment leaves out the last PDU of an answer of several when it is not a full segment.
	DropsLastFragment bool
	// OffsetRestarts counts the Buffer Offset from 0 in the answer to each R2T.
	OffsetRestarts bool
	// ZeroTagReserved answers an R2T of tag 0 under 0xffffffff.
	ZeroTagReserved bool
	// AnswersWithRest answers an R2T with all that is left of the write.
	AnswersWithRest bool
	// RunningOffset answers each R2T with what follows the answer before, wherever it asks for data.
	RunningOffset bool
	// AnswersForEarlierTask answers an R2T under the task of the R2T before, if that is another one and not over.
	AnswersForEarlierTask bool
	// LastR2TWins rests a millisecond before it answers an R2T of a task, and forgets it for another that comes meanwhile.
	LastR2TWins bool
	// R2TSlots keeps R2Ts in as many slots as were agreed, numbered by R2TSN, and takes the data of what is beyond from slot 0.
	R2TSlots bool
	// IgnoreR2TSN looks neither at R2TSN nor at the order of the ranges.
	IgnoreR2TSN bool
	// TrustLength sends as much as an R2T asks for, beyond the end of the write too.
	TrustLength bool
	// CutsAtMaxBurst cuts the answer to an R2T that asks for more at MaxBurstLength.
	CutsAtMaxBurst bool
	// ZeroLengthStalls takes an R2T for nothing for the last of its task.
	ZeroLengthStalls bool
	// AnswersUnknownTask sends zeros for an R2T that names no write.
	AnswersUnknownTask bool
	// IgnoresReservedTag passes over an R2T of tag 0xffffffff.
	IgnoresReservedTag bool
	// WaitsForAllData does not believe a status before all data was asked for.
	WaitsForAllData bool
	// EarlyR2TJoinsBurst takes the first R2T after unsolicited data for a part of it: same tag, DataSN counted on.
	EarlyR2TJoinsBurst bool
	// ShiftsLastBurst sends the last burst from one byte before its place if the write is no multiple of MaxBurstLength.
	ShiftsLastBurst bool
	// ExpectsDataAlways announces unsolicited data with a WRITE of no blocks.
	ExpectsDataAlways bool
	// RoundRobinBursts sends the second half of unsolicited Data-Out a millisecond after the first.
	RoundRobinBursts bool
	// LUNFromR2T copies the LUN of an R2T into its answer without comparing it.
	LUNFromR2T bool
	// ServesRepetitions answers an R2T again when it is repeated.
	ServesRepetitions bool
}

// any reports whether any field is set.
func (d *DataOutDeviations) any() bool { return *d != DataOutDeviations{} }
