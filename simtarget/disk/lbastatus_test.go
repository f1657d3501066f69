package disk

import (
	"encoding/binary"
	"testing"

	"github.com/iscsispec/iscsispec/scsi"
)

func TestLBAStatus(t *testing.T) {
	const chunk = chunkSize / 512
	d := newDisk(t, Config{Blocks: 8*chunk + 5})
	wantGood(t, do(d, alice, scsi.Write10(2*chunk+3, 1), make([]byte, 512)...))
	wantGood(t, do(d, alice, scsi.Write10(3*chunk, 1), make([]byte, 512)...))
	patterned := newDisk(t, Config{Blocks: 4 * chunk, Content: Pattern{}})
	wantGood(t, do(patterned, alice, scsi.Unmap(24), scsi.AppendUnmapList(nil, []scsi.Extent{{LBA: chunk, Blocks: chunk}})...))
	huge := newDisk(t, Config{Blocks: 1 << 40})
	cases := []struct {
		disk   *Disk
		lba    uint64
		blocks uint32
		state  scsi.Provisioning
	}{
		{d, 0, 2 * chunk, scsi.Deallocated},
		{d, chunk + 1, chunk - 1, scsi.Deallocated},
		{d, 2*chunk + 9, 2*chunk - 9, scsi.Mapped},
		{d, 4 * chunk, 4*chunk + 5, scsi.Deallocated},
		{patterned, 0, chunk, scsi.Mapped},
		{patterned, chunk, chunk, scsi.Deallocated},
		{huge, 0, maxStatusChunks * chunk, scsi.Deallocated}, // what one command looks through is bounded
	}
	for _, c := range cases {
		task := do(c.disk, alice, scsi.GetLBAStatus(c.lba, 64))
		wantGood(t, task)
		b := task.DataIn
		if len(b) != 24 || binary.BigEndian.Uint32(b) != 20 || binary.BigEndian.Uint64(b[8:]) != c.lba ||
			binary.BigEndian.Uint32(b[16:]) != c.blocks || scsi.Provisioning(b[20]) != c.state {
			t.Errorf("from block %d on: % x, want %d blocks in state %d", c.lba, b, c.blocks, c.state)
		}
	}
	s := wantCheck(t, do(d, alice, scsi.GetLBAStatus(8*chunk+5, 24)), scsi.IllegalRequest, scsi.LBAOutOfRange)
	if s.Information != 8*chunk+5 {
		t.Errorf("the sense data names block %d", s.Information)
	}
	if cut := do(d, alice, scsi.GetLBAStatus(0, 8)).DataIn; len(cut) != 8 {
		t.Errorf("%d bytes come for an allocation of 8", len(cut))
	}
}
