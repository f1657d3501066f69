package initiator

import (
	"encoding/binary"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// StatusDeviations are faults in reading a SCSI Response (RFC 7143, Section 11.4), and in finding what a PDU belongs to.
type StatusDeviations struct {
	// IgnoreExpDataSN does not compare ExpDataSN with what came.
	IgnoreExpDataSN bool
	// CountNothing takes all data for transferred, whatever came.
	CountNothing bool
	// OverflowIsUnderflow subtracts the residual count of an overflow.
	OverflowIsUnderflow bool
	// BothResiduals takes a residual that is overflow and underflow at once, and subtracts it twice.
	BothResiduals bool
	// CountWithoutFlags subtracts a residual count though it is neither overflow nor underflow.
	CountWithoutFlags bool
	// SenseWithLength delivers sense data with its length in front.
	SenseWithLength bool
	// SenseBeyondSegment delivers as much sense data as its length says, however much there is.
	SenseBeyondSegment bool
	// RepeatAfterCRC sends a command again as it was, after sense data about a digest error.
	RepeatAfterCRC bool
	// IgnoreSenseOfWrites takes CHECK CONDITION of a write for GOOD.
	IgnoreSenseOfWrites bool
	// UnknownSenseIsGood takes CHECK CONDITION with additional sense 0C/0D for GOOD.
	UnknownSenseIsGood bool
	// SNACKSenseIsGood takes CHECK CONDITION with additional sense 11/13 for GOOD, and all data for there.
	SNACKSenseIsGood bool
	// BusyIsGood takes BUSY for GOOD without data.
	BusyIsGood bool
	// ConflictIsGood takes RESERVATION CONFLICT for GOOD.
	ConflictIsGood bool
	// RepeatTaskSetFull sends a command that met TASK SET FULL again, at once.
	RepeatTaskSetFull bool
	// IgnoreResponseCode looks at the status byte alone.
	IgnoreResponseCode bool
	// LowTagBits finds tasks by the low half of the Initiator Task Tag.
	LowTagBits bool
}

func (d *StatusDeviations) any() bool { return *d != StatusDeviations{} }

// departStatus changes a SCSI Response to how a deviating initiator sees it, or deals with it in another way and reports that it has. The
// mutex is held.
func (c *connection) departStatus(t *task, p *pdu.SCSIResponse, data *[]byte) (done bool) {
	d, r := &c.s.dev.Status, t.req
	p.Data = *data
	sense, _ := scsi.ParseSense(p.Sense())
	switch status := scsi.Status(p.Status); {
	case status == scsi.StatusCheckCondition && d.RepeatAfterCRC && sense.Code == scsi.ProtocolServiceCRCError:
		t.dataSN, t.received = 0, 0
		c.s.transmit(t)
		return true
	case status == scsi.StatusTaskSetFull && d.RepeatTaskSetFull:
		c.s.retire(t)
		r.task.task = nil
		c.s.waiting.push(r)
		r.task.phase.Store(requestWaiting)
		return true
	case status == scsi.StatusCheckCondition && (d.IgnoreSenseOfWrites && len(r.Write) > 0 || d.UnknownSenseIsGood && sense.Code == scsi.NotEnoughUnsolicitedData),
		status == scsi.StatusBusy && d.BusyIsGood,
		status == scsi.StatusReservationConflict && d.ConflictIsGood:
		p.Status, p.Underflow, p.ResidualCount = 0, true, uint32(len(r.Read)+len(r.Write))
	}
	if status := scsi.Status(p.Status); status == scsi.StatusCheckCondition && d.SNACKSenseIsGood && sense.Code == scsi.ReadErrorFailedRetransmit {
		p.Status, t.received, t.spans, t.scattered = 0, len(r.Read), nil, false
		p.Underflow, p.ResidualCount = false, 0
	}
	switch {
	case d.IgnoreResponseCode:
		p.Response = pdu.ResponseCompleted
	case d.IgnoreExpDataSN:
		p.ExpDataSN = 0
	case d.CountNothing:
		t.received = len(r.Read)
	case d.OverflowIsUnderflow && p.Overflow:
		p.Overflow, p.Underflow = false, true
	case d.CountWithoutFlags && !p.Overflow && p.ResidualCount > 0:
		p.Underflow = true
	case d.BothResiduals && p.Overflow && p.Underflow:
		t.conclude(p.Status, &residuals{}, c.s.dev)
		r.Transferred = max(0, r.Transferred-2*int(p.ResidualCount))
		c.s.settle(t, &c.over)
		return true
	}
	if n := len(*data); n >= 2 {
		length := int(binary.BigEndian.Uint16(*data))
		switch {
		case d.SenseWithLength:
			*data = append((*data)[:2:2], *data...)
		case d.SenseBeyondSegment && length > n-2:
			*data = append(*data, make([]byte, length-n+2)...)
		}
	}
	return false
}
