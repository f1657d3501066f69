package disk

import "github.com/iscsispec/iscsispec/scsi"

// unmap deallocates: the blocks read as zeros from then on, as VPD page B2h promises (SBC-3, Section 5.26).
func (d *Disk) unmap(t *Task) {
	t.Status = scsi.StatusGood
	if t.Length == 0 {
		return
	}
	extents, err := scsi.ParseUnmapList(t.DataOut)
	if err != nil {
		t.fail(scsi.IllegalRequest, scsi.ParameterListLengthError)
		return
	}
	if len(extents) > maxUnmapDescriptors {
		t.fail(scsi.IllegalRequest, scsi.InvalidFieldInParameters)
		return
	}
	capacity, sum := d.Blocks(), uint64(0)
	for _, e := range extents {
		if e.LBA > capacity || uint64(e.Blocks) > capacity-e.LBA {
			t.outOfRange(max(e.LBA, capacity))
			return
		}
		if sum += uint64(e.Blocks); sum > maxUnmapBlocks {
			t.fail(scsi.IllegalRequest, scsi.InvalidFieldInParameters)
			return
		}
	}
	for _, e := range extents {
		if e.Blocks > 0 && t.check(d.medium.zero(e.LBA*uint64(d.blockSize), uint64(e.Blocks)*uint64(d.blockSize)), scsi.WriteError) {
			return
		}
	}
	d.settle(t)
}
