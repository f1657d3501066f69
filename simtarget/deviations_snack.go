package simtarget

import "github.com/iscsispec/iscsispec/iscsi/pdu"

// SNACKDeviations are faults of recovery by SNACK, at recovery level 1 and above.
type SNACKDeviations struct {
	// NewR2TSN numbers an R2T that is sent again with the next R2TSN.
	NewR2TSN bool
	// ToTheEnd sends all Data-In from BegRun on, whatever RunLength says.
	ToTheEnd bool
	// OneTooFew sends one Data-In fewer than a RunLength above 1 asks for.
	OneTooFew bool
	// ZeroIsNone takes a RunLength of 0 for a request for nothing.
	ZeroIsNone bool
	// OpenFromStart takes BegRun for 0 when RunLength is 0.
	OpenFromStart bool
	// NewStatSN sends a response again under the next StatSN.
	NewStatSN bool
	// OnlySCSIResponses retains no other responses than those of SCSI commands.
	OnlySCSIResponses bool
	// KeepAcknowledged answers a Status SNACK for an acknowledged StatSN with the oldest response that is retained.
	KeepAcknowledged bool
	// InventR2T sends an R2T under a number that was never used.
	InventR2T bool
	// ResendOnDataACK takes a DataACK for a request to send all data again.
	ResendOnDataACK bool
	// AnyDataACK takes a DataACK with a wrong Target Transfer Tag for an acknowledgement of all data of the task that it names, and rejects it.
	AnyDataACK bool
	// ForgetUnacknowledged sends no status for a read that asks for a DataACK.
	ForgetUnacknowledged bool
	// OldSegments cuts the data for an R-Data SNACK as it was cut before.
	OldSegments bool
	// AcceptReservedTag serves an R-Data SNACK with a reserved SNACK Tag.
	AcceptReservedTag bool
	// MaskType looks at the lowest two bits of the type, and takes a Status SNACK that names a task for a Data SNACK.
	MaskType bool
	// AnyTask answers a Data SNACK for an unknown task with the data of another one.
	AnyTask bool
	// CountCmdSN lets a SNACK take a CmdSN.
	CountCmdSN bool
	// FirstStatusOnly sends only the first response of a run.
	FirstStatusOnly bool
	// InventStatus answers a Status SNACK for what was never sent with a response of zeros under the StatSN that is asked for.
	InventStatus bool
}

// distortRun misreads what a Data SNACK asks for.
func (d *SNACKDeviations) distortRun(p *pdu.SNACKRequest) {
	if d.OpenFromStart && p.RunLength == 0 {
		p.BegRun = 0
	}
}

// distort changes which Data-In PDUs of those that can be had are sent.
func (d *SNACKDeviations) distort(want snackRun, p *pdu.SNACKRequest, next uint32) snackRun {
	switch {
	case d.ToTheEnd:
		want.end = next
	case d.ZeroIsNone && p.RunLength == 0:
		want.end = want.first
	case d.OneTooFew && p.RunLength > 1:
		want.end--
	}
	return want
}
