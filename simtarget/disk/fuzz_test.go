package disk

import (
	"testing"

	"github.com/iscsispec/iscsispec/scsi"
)

// FuzzTask hands an inventory an arbitrary command with arbitrary data, and another behind it: each ends, with a status, within what it may
// return, and what the disks store stays within its limit.
func FuzzTask(f *testing.F) {
	for _, cdb := range [][]byte{
		scsi.Inquiry(96), scsi.InquiryVPD(scsi.VPDBlockLimits, 255), scsi.ReportLUNs(scsi.ReportAddressed, 64), scsi.Read10(0, 8), scsi.Write16(1, 1),
		scsi.Unmap(24), scsi.WriteSame16(0, 8, true), scsi.ModeSense6(0x3f, 255), scsi.PersistentReserveOut(scsi.PersistentRegister, scsi.WriteExclusive),
		scsi.ReportSupportedOpcodes(1024), scsi.Verify10(0, 1), scsi.GetLBAStatus(0, 64), compareAndWrite(3, 2), atomic16(7, 3), scsi.ModeSelect6(16),
		scsi.ExtendedCopy(76), scsi.ReceiveCopyResults(0, 1, 64), scsi.SetPortGroups(8), scsi.ReportPortGroups(true, 64), prevent(1), loadEject(0),
		form16(scsi.OpORWrite16, 0, 1), form10(scsi.OpWriteVerify10, 0, 1), form16(scsi.OpPreFetch16, 0, 0), scsi.ReportSupportedTMFs(16),
		form12(scsi.OpReadDefectData12, 0, 8), {byte(scsi.OpSanitize), 1, 0, 0, 0, 0, 0, 0, 6, 0}, {byte(scsi.OpSendDiagnostic), 4, 0, 0, 0, 0},
		with(with(make10(scsi.OpLogSense), 2, 0x40), 8, 64), scsi.PersistentReserveOut(scsi.PersistentRegisterAndMove, 0), scsi.StartStopUnit(false),
	} {
		f.Add(cdb, make([]byte, 1024), uint64(0))
	}
	f.Add(scsi.Unmap(24), scsi.AppendUnmapList(nil, []scsi.Extent{{LBA: 1, Blocks: 2}}), uint64(0))
	f.Add(scsi.TestUnitReady(), []byte{}, uint64(0x4001000000000000))
	f.Fuzz(func(t *testing.T, cdb, data []byte, lun uint64) {
		const most = 1 << 20
		groups, err := NewPortGroups(PortGroupsConfig{Explicit: true, Groups: []PortGroup{{ID: 1, Ports: []uint16{1}}}})
		if err != nil {
			t.Fatal(err)
		}
		i := NewInventory()
		var disks []*Disk
		for n, c := range []Config{{Content: Pattern{}}, {Removable: true, PortGroups: groups}} {
			c.Blocks, c.MaxStoredBytes, c.MaxTransferBytes = 2048, most/2, most/2
			d := newDisk(t, c)
			i.Put(scsi.LUNOf(uint32(n)), d, false)
			disks = append(disks, d)
		}
		for _, n := range []Nexus{alice, bob} {
			i.Connect(n, scsi.NoAdditionalSense)
			task := &Task{Nexus: n, CDB: cdb, DataOutSize: len(data)}
			if !i.Begin(scsi.LUN(lun), task) {
				task.DataOut = data[:max(0, min(len(data), task.Length))]
				i.Execute(scsi.LUN(lun), task)
			}
			if task.Length < 0 || task.Direction == scsi.DataIn && len(task.DataIn) > task.Length || len(task.DataIn) > most {
				t.Errorf("% x presents %d bytes, asks for %d", cdb, len(task.DataIn), task.Length)
			}
			if (task.Status == scsi.StatusCheckCondition) != (len(task.Sense) > 0) {
				t.Errorf("% x ends with status %v and sense % x", cdb, task.Status, task.Sense)
			}
		}
		for _, d := range disks {
			if s := d.medium.(*store); s.stored*chunkSize > most/2 {
				t.Errorf("% x has %d bytes stored", cdb, s.stored*chunkSize)
			}
		}
	})
}
