package initiator

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// never, among the statuses, is no answer at all.
const never scsi.Status = 0xff

// moody serves a unit of 64 KiB blocks, and answers the first commands on the medium with the given statuses; every
// CHECK CONDITION comes with the sense.
func moody(n *fakeNetwork, sense scsi.Sense, statuses ...scsi.Status) {
	n.at(portalA, func(e *fakeEnd) {
		if !e.login() {
			return
		}
		for p := e.read(); p != nil; p = e.read() {
			c, ok := p.(*pdu.SCSICommand)
			if !ok {
				continue
			}
			status := scsi.StatusGood
			switch scsi.Opcode(c.CDB[0]) {
			case scsi.OpReadCapacity10:
				e.dataIn(c.ITT, scsi.CapacityOf(64, 65536).Append(nil))
				continue
			case scsi.OpInquiry:
				e.write(&pdu.SCSIResponse{
					ITT: c.ITT, Status: byte(scsi.StatusCheckCondition),
					Data: pdu.SenseSegment(scsi.NewSense(scsi.IllegalRequest, scsi.InvalidFieldInCDB).Append(nil)),
				})
				continue
			}
			if len(statuses) > 0 {
				status, statuses = statuses[0], statuses[1:]
			}
			switch status {
			case never:
			case scsi.StatusGood:
				e.dataIn(c.ITT, bytes.Repeat([]byte{c.CDB[5]}, int(c.ExpectedDataTransferLength)))
			case scsi.StatusCheckCondition:
				data := sense.Append(nil)
				e.write(&pdu.SCSIResponse{ITT: c.ITT, Status: byte(status), Data: append([]byte{0, byte(len(data))}, data...)})
			default:
				e.write(&pdu.SCSIResponse{ITT: c.ITT, Status: byte(status)})
			}
		}
	})
}

// TestDiskRepeatsWhatMayBeRepeated meets a unit attention and a busy unit on the way, and takes rests.
func TestDiskRepeatsWhatMayBeRepeated(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		moody(n, scsi.NewSense(scsi.UnitAttention, scsi.PowerOnOrReset), scsi.StatusCheckCondition, scsi.StatusBusy, scsi.StatusTaskSetFull)
		d, err := OpenDisk(t.Context(), mustLogin(t, n, config()), 0, DiskOptions{})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var got strings.Builder
		if n, err := d.ReadTo(t.Context(), &got, 0, d.Size()); err != nil || n != 64*65536 {
			t.Fatalf("%d, %v", n, err)
		}
		for i := range 16 {
			// Each command carries four blocks.
			if want := strings.Repeat(string([]byte{byte(4 * i)}), 4*65536); got.String()[i*4*65536:][:4*65536] != want {
				t.Errorf("piece %d is not in its place", i)
			}
		}
		if took := time.Since(began); took != 2*busyPause {
			t.Errorf("rested for %v, want %v", took, 2*busyPause)
		}
	})
}

func TestDiskDoesNotRepeatRefusals(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		moody(n, scsi.NewSense(scsi.MediumError, scsi.UnrecoveredReadError), scsi.StatusGood, scsi.StatusCheckCondition)
		d, err := OpenDisk(t.Context(), mustLogin(t, n, config()), 0, DiskOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var failed *TransferError
		var status *StatusError
		read, err := d.ReadAt(make([]byte, d.Size()), 0)
		if read != diskStep || !errors.As(err, &failed) || failed.Offset != diskStep || !errors.As(err, &status) || status.Status != scsi.StatusCheckCondition {
			t.Errorf("%d, %v", read, err)
		}
	})
}

func TestDiskDoesNotWaitForEver(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		moody(n, scsi.Sense{}, scsi.StatusGood, never)
		d, err := OpenDisk(t.Context(), mustLogin(t, n, config()), 0, DiskOptions{})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if read, err := d.ReadAt(make([]byte, d.Size()), 0); read != diskStep || !errors.Is(err, ErrTimeout) {
			t.Errorf("%d, %v", read, err)
		}
		if took := time.Since(began); took != diskAnswerTimeout {
			t.Errorf("took %v", took)
		}
	})
}

// TestParameterDataOutliveAMiscount meets a target that reports what it sent as the residual.
func TestParameterDataOutliveAMiscount(t *testing.T) {
	bubble(t, func(t *testing.T, n *fakeNetwork) {
		n.at(portalA, func(e *fakeEnd) {
			if !e.login() {
				return
			}
			for p := e.read(); p != nil; p = e.read() {
				c, ok := p.(*pdu.SCSICommand)
				switch {
				case !ok:
				case scsi.Opcode(c.CDB[0]) == scsi.OpReportLUNs:
					data := scsi.AppendLUNList(nil, []scsi.LUN{0})
					e.write(&pdu.DataIn{Final: true, StatusPresent: true, ITT: c.ITT, Underflow: true, ResidualCount: uint32(len(data)), Data: data})
				case scsi.Opcode(c.CDB[0]) == scsi.OpInquiry && c.CDB[1] == 0:
					data := scsi.InquiryData{Version: 5, Vendor: "MISCOUNT"}.Append(nil)
					e.write(&pdu.DataIn{Final: true, StatusPresent: true, ITT: c.ITT, Underflow: true, ResidualCount: uint32(len(data)), Data: data})
				default:
					e.write(&pdu.SCSIResponse{
						ITT: c.ITT, Status: byte(scsi.StatusCheckCondition),
						Data: pdu.SenseSegment(scsi.NewSense(scsi.IllegalRequest, scsi.InvalidFieldInCDB).Append(nil)),
					})
				}
			}
		})
		s := mustLogin(t, n, config())
		units, err := s.Units(t.Context())
		if err != nil || len(units) != 1 || units[0].Identity.Vendor != "MISCOUNT" {
			t.Errorf("%+v, %v", units, err)
		}
		var short *IncompleteError
		if data, err := s.Query(t.Context(), 0, scsi.Inquiry(260), 260); len(data) != scsi.InquiryLength || !errors.As(err, &short) {
			t.Errorf("%d bytes, %v", len(data), err)
		}
	})
}
