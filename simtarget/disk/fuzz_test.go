package disk

import (
	"testing"

	"github.com/iscsispec/iscsispec/scsi"
)

// FuzzTask hands an inventory arbitrary commands with arbitrary data: each ends, with a status, within what it may return.
func FuzzTask(f *testing.F) {
	for _, cdb := range [][]byte{
		scsi.Inquiry(96), scsi.InquiryVPD(scsi.VPDBlockLimits, 255), scsi.ReportLUNs(scsi.ReportAddressed, 64), scsi.Read10(0, 8), scsi.Write16(1, 1),
		scsi.Unmap(24), scsi.WriteSame16(0, 8, true), scsi.ModeSense6(0x3f, 255), scsi.PersistentReserveOut(scsi.PersistentRegister, scsi.WriteExclusive),
		scsi.ReportSupportedOpcodes(1024), scsi.Verify10(0, 1), scsi.GetLBAStatus(0, 64),
	} {
		f.Add(cdb, make([]byte, 512), uint64(0))
	}
	f.Add(scsi.Unmap(24), scsi.AppendUnmapList(nil, []scsi.Extent{{LBA: 1, Blocks: 2}}), uint64(0))
	f.Add(scsi.TestUnitReady(), []byte{}, uint64(0x4001000000000000))
	f.Fuzz(func(t *testing.T, cdb, data []byte, lun uint64) {
		d, err := New(Config{Blocks: 2048, MaxStoredBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		i := NewInventory()
		i.Put(scsi.LUNOf(0), d, false)
		task := &Task{Nexus: Nexus{InitiatorPort: "iqn.2026-01.io.example:a,i,0x800000000000"}, CDB: cdb}
		if !i.Begin(scsi.LUN(lun), task) {
			task.DataOut = data[:max(0, min(len(data), task.Length))]
			i.Execute(scsi.LUN(lun), task)
		}
		if task.Length < 0 || task.Direction == scsi.DataIn && len(task.DataIn) > task.Length {
			t.Errorf("% x presents %d bytes, asks for %d", cdb, len(task.DataIn), task.Length)
		}
		if (task.Status == scsi.StatusCheckCondition) != (len(task.Sense) > 0) {
			t.Errorf("% x ends with status %v and sense % x", cdb, task.Status, task.Sense)
		}
	})
}
