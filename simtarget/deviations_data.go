package simtarget

import (
	"encoding/binary"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// DataInDeviations are faults of read data.
type DataInDeviations struct {
	// DataSNRestarts numbers each sequence from 0.
	DataSNRestarts bool
	// NoFinalBit never sets F; status comes apart.
	NoFinalBit bool
	// CheckConditionInDataIn puts CHECK CONDITION into a Data-In.
	CheckConditionInDataIn bool
	// OffsetRestarts counts Buffer Offset from 0 in each sequence.
	OffsetRestarts bool
	// ResidualFromAllocation counts the residual from the allocation length.
	ResidualFromAllocation bool
	// SeparateNumbers counts the Data-In PDUs of a bidirectional command from 0, beside its R2Ts.
	SeparateNumbers bool
	// StatusBeforeData sends the SCSI Response before the data.
	StatusBeforeData bool
	// UnderflowWithoutStatus sets U in Data-In without status.
	UnderflowWithoutStatus bool
	// TaskTagAsTransferTag puts the Initiator Task Tag into the Target Transfer Tag where no acknowledgement is asked for.
	TaskTagAsTransferTag bool
	// AcknowledgeLast asks for an acknowledgement of the last Data-In, whatever the recovery level.
	AcknowledgeLast bool
	// AcknowledgeEach asks for an acknowledgement of each Data-In at recovery level 1 and above.
	AcknowledgeEach bool
	// BeyondExpected sends all that the logical unit presents, however little is expected.
	BeyondExpected bool
	// OddSegments cuts data by MaxRecvDataSegmentLength though it is no multiple of four.
	OddSegments bool
	// EmptyLast ends each transfer with a Data-In without data.
	EmptyLast bool
	// NoOverflow never reports an overflow.
	NoOverflow bool
	// UnderflowWhenExact sets U with a residual of 0 where there is none.
	UnderflowWhenExact bool
	// ListLengthAsExpected makes the LUN list length of REPORT LUNS fit the expected length.
	ListLengthAsExpected bool
	// NoResidualOfFailure sets U with a residual of 0 where a command fails before any data.
	NoResidualOfFailure bool
	// OverflowOfInventory takes what the allocation length cuts off for an overflow.
	OverflowOfInventory bool
	// LastNumberAsCount shows the last DataSN as ExpDataSN.
	LastNumberAsCount bool
	// SharedNumbers counts DataSN over all commands.
	SharedNumbers bool
	// StalePadding pads with other bytes than zero.
	StalePadding bool
	// StatusOfWrite answers a write that went well with a Data-In that has no data.
	StatusOfWrite bool
}

// distort spoils a residual.
func (d *DataInDeviations) distort(r residual, k *task, presented int, both bool) residual {
	if d.ResidualFromAllocation && r.underflow && k.device.Direction == scsi.DataIn {
		r.count = uint32(max(0, k.device.Length-presented))
	}
	if both && r.underflow && k.opcode() == scsi.OpInquiry {
		r.overflow = true
	}
	switch {
	case d.NoOverflow && r.overflow:
		return residual{}
	case d.UnderflowWhenExact && !r.overflow && !r.underflow:
		r.underflow = true
	case d.NoResidualOfFailure && r.underflow && k.device.Status == scsi.StatusCheckCondition:
		r.count = 0
	}
	return r
}

// presents is where a fault counts what the allocation length has cut off.
func (d *DataInDeviations) presents(k *task, n int) int {
	data := k.device.DataIn
	switch {
	case !d.OverflowOfInventory:
	case k.opcode() == scsi.OpReportLUNs && len(data) >= 8:
		return max(n, int(binary.BigEndian.Uint32(data))+8)
	case k.opcode() == scsi.OpInquiry && len(data) >= 5:
		return max(n, int(data[4])+5)
	}
	return n
}

// spoil is where faults act on the header of a Data-In.
func (d *DataInDeviations) spoil(s *session, k *task, p *pdu.DataIn, last bool) {
	if d.UnderflowWithoutStatus && !p.StatusPresent {
		p.Underflow = true
	}
	if d.AcknowledgeLast && last {
		p.Acknowledge, p.TTT, p.LUN = true, 1, k.lun
	}
	if d.TaskTagAsTransferTag && !p.Acknowledge {
		p.TTT = k.itt
	}
	if d.SharedNumbers {
		p.DataSN = s.faults.dataSN
		s.faults.dataSN++
	}
}

// cut is what goes out of the data that a command presents.
func (d *DataInDeviations) cut(k *task, data []byte) []byte {
	whole := len(data)
	if n := k.receives(); n < whole && !d.BeyondExpected {
		data = data[:n]
	}
	if d.ListLengthAsExpected && k.opcode() == scsi.OpReportLUNs && len(data) < whole && len(data) >= 8 {
		data = append([]byte(nil), data...)
		binary.BigEndian.PutUint32(data, uint32(len(data)-8))
	}
	return data
}

// DataOutDeviations are faults of write data.
type DataOutDeviations struct {
	// ReservedTTT sends R2Ts with the Target Transfer Tag 0xffffffff.
	ReservedTTT bool
	// R2TSNPerSession counts R2TSN over all commands.
	R2TSNPerSession bool
	// SkipLastBurst never asks for the last burst of a write that needs several.
	SkipLastBurst bool
	// LoseLastByte spoils the last byte of each burst.
	LoseLastByte bool
	// WaitDespiteImmediate waits for Data-Out although all data came with the command.
	WaitDespiteImmediate bool

	// SolicitAgain asks for the data that came with the command.
	SolicitAgain bool
	// EmptyR2T sends an R2T for no data when all has come.
	EmptyR2T bool
	// R2TForRead sends an R2T for a read.
	R2TForRead bool
	// ConstantTTT gives all R2Ts one Target Transfer Tag, and files what comes under the oldest task.
	ConstantTTT bool
	// FullSegmentsOnly takes a Data-Out below MaxRecvDataSegmentLength for the last of its sequence.
	FullSegmentsOnly bool
	// DropsOnEmpty ends the connection over a Data-Out without data.
	DropsOnEmpty bool
	// TakesSurplus cuts off what an R2T did not ask for.
	TakesSurplus bool
	// FillsWithZeros completes a burst that ends too early with zeros.
	FillsWithZeros bool
	// IgnoresTTT takes data with any Target Transfer Tag for the oldest R2T of its task.
	IgnoresTTT bool
	// IgnoresLUN takes data with any LUN.
	IgnoresLUN bool
	// IgnoresOffset counts data that lie behind what their R2T asked for.
	IgnoresOffset bool
	// IgnoresDataSN does not look at DataSN.
	IgnoresDataSN bool
	// CountsDuplicates counts what has come already as new, at recovery level 1 and above.
	CountsDuplicates bool
	// AnswersAtOnce ends a write at the first bad Data-Out, in the middle of the sequence.
	AnswersAtOnce bool
	// LosesStepOverFailure takes the immediate data of a write that fails for the next PDU, and waits for the rest of it.
	LosesStepOverFailure bool
	// IgnoresFirstBurst takes immediate data beyond FirstBurstLength.
	IgnoresFirstBurst bool
	// TakesUnagreedImmediate takes immediate data although ImmediateData=No was agreed.
	TakesUnagreedImmediate bool
	// WritesAllImmediate writes what came beyond the expected length to the blocks behind.
	WritesAllImmediate bool
	// FirstBurstApart counts FirstBurstLength for Data-Out alone, without the immediate data.
	FirstBurstApart bool
	// RefusesUnsolicited rejects unsolicited Data-Out.
	RefusesUnsolicited bool
	// TakesUnasked takes unsolicited Data-Out although InitialR2T=Yes was agreed.
	TakesUnasked bool
	// UnlimitedUnsolicited takes unsolicited data of any amount.
	UnlimitedUnsolicited bool
	// ZerosForUnsolicited takes what unsolicited data lacks for zeros, and asks for no more.
	ZerosForUnsolicited bool
	// WaitsDespiteFinal waits for unsolicited data although the F bit of the command says that none comes.
	WaitsDespiteFinal bool
	// AnswersStray sends a SCSI Response for data of an unknown task.
	AnswersStray bool
	// LeaksStray keeps the data of unknown tasks, and crashes when there is no more memory.
	LeaksStray bool
	// WritesExpected writes as many blocks as are expected, whatever the CDB says.
	WritesExpected bool
	// SilentOverflow does not tell that a command writes more than is expected.
	SilentOverflow bool
	// DataAtOnce takes unsolicited data only directly behind its command.
	DataAtOnce bool
	// OldestTakesUnsolicited files unsolicited data under the oldest command that waits for some.
	OldestTakesUnsolicited bool
}

// waits reports whether WaitDespiteImmediate holds a complete write back.
func (d *DataOutDeviations) waits(t *transfer) bool {
	return d.WaitDespiteImmediate && t.want > 0 && t.r2tSN == 0 && t.dataSN == 0
}

// loseLastByte spoils the end of a burst that n more bytes complete.
func (d *DataOutDeviations) loseLastByte(t *transfer, r *r2t, n int) {
	if d.LoseLastByte && r.got+n == r.to && r.to <= len(t.buffer.bytes) {
		t.buffer.bytes[r.to-1] ^= 0xff
	}
}
