package disk

import (
	"math"

	"github.com/iscsispec/iscsispec/scsi"
)

// maxStatusChunks bounds what one GET LBA STATUS looks through; behind that the initiator asks again (SBC-3, Section 5.4.2.1).
const maxStatusChunks = 1 << 12

// lbaStatus tells of one run of blocks whether it takes memory. d.mu is held.
func (d *Disk) lbaStatus(t *Task) {
	size := uint64(d.blockSize)
	run := scsi.LBAStatus{Extent: scsi.Extent{LBA: t.Command.LBA}, State: scsi.Deallocated}
	n, mapped := d.medium.run(run.LBA*size, d.blocks*size)
	if n%size != 0 && n < size { // a file system with smaller blocks than the disk's
		n, mapped = size, true
	}
	if mapped {
		run.State = scsi.Mapped
	}
	run.Blocks = uint32(min(n/size, math.MaxUint32))
	t.present(scsi.AppendLBAStatus(t.Buffer[:0], run))
}

// run returns how many bytes from offset on, and before end, are alike in taking memory or not.
func (s *store) run(offset, end uint64) (n uint64, mapped bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	index := offset / chunkSize
	mapped = s.mapped(index)
	last := min(index+maxStatusChunks, (end+chunkSize-1)/chunkSize)
	for index++; index < last && s.mapped(index) == mapped; {
		index++
	}
	return min(index*chunkSize, end) - offset, mapped
}

// mapped reports whether a chunk holds more than zeros that nobody keeps. Computed content counts as kept.
func (s *store) mapped(index uint64) bool {
	c := s.chunks[index]
	return c != zeroChunk && (c != nil || !s.zeroContent)
}
