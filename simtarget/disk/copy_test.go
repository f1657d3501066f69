package disk

import (
	"bytes"
	"testing"

	"github.com/iscsispec/iscsispec/scsi"
)

// EXTENDED COPY from one logical unit of a target to another.
func TestCopyBetweenDisks(t *testing.T) {
	from, to := newDisk(t, Config{Content: Pattern{}, Identity: Identity{Serial: "from"}}), newDisk(t, Config{Identity: Identity{Serial: "to"}})
	units := NewInventory()
	units.Put(scsi.LUNOf(0), from, false)
	units.Put(scsi.LUNOf(1), to, false)
	device := func(d *Disk) scsi.CopyDevice {
		return scsi.CopyDevice{Type: scsi.CopyIdentification, Designator: scsi.NAADesignator(d.Identity().NAA), BlockSize: 512}
	}
	run := func(id byte, segments ...scsi.CopySegment) *Task {
		list := scsi.CopyList{ID: id, Devices: []scsi.CopyDevice{device(from), device(to)}, Segments: segments}.Append(nil)
		task := &Task{Nexus: alice, CDB: scsi.ExtendedCopy(uint32(len(list))), DataOut: list}
		units.Execute(scsi.LUNOf(0), task)
		return task
	}
	segment := scsi.CopySegment{Type: scsi.CopyBlocksToBlocks, Destination: 1, Blocks: 100, SourceLBA: 50, DestinationAt: 500}
	wantGood(t, run(1, segment))
	if got := do(to, alice, scsi.Read10(500, 100)).DataIn; (Pattern{}).Check(got, 50, 512) >= 0 {
		t.Error("other blocks were copied")
	}
	status := func(id byte) *Task {
		return do(from, alice, scsi.ReceiveCopyResults(scsi.ServiceActionCopyStatus, id, 64))
	}
	if got := status(1).DataIn; !bytes.Equal(got, []byte{0, 0, 0, 8, 1, 0, 1, 0, 0, 0, 0, 0}) {
		t.Errorf("the copy's status is % x", got)
	}
	wantCheck(t, status(1), scsi.IllegalRequest, scsi.InvalidFieldInCDB) // told once
	far := segment
	far.DestinationAt = 2000
	wantCheck(t, run(2, segment, far), scsi.CopyAborted, scsi.NoAdditionalSense)
	if got := status(2).DataIn; got[4] != 2 || got[6] != 1 {
		t.Errorf("the status of a copy that failed is % x", got)
	}
	nowhere := segment
	nowhere.Destination = 2
	wantCheck(t, run(3, nowhere), scsi.CopyAborted, scsi.CopyDeviceNotReachable)
	segment.Type = 3
	wantCheck(t, run(4, segment), scsi.IllegalRequest, scsi.SegmentTypeUnsupported)
	segment.Type = scsi.CopyBlocksToBlocks
	to.SetReadOnly(true, false)
	wantCheck(t, run(5, segment), scsi.DataProtect, scsi.WriteProtected)
	to.SetReadOnly(false, false)
	wantGood(t, do(to, bob, scsi.Reserve6()))
	wantStatus(t, run(6, segment), scsi.StatusReservationConflict)
}
