package disk

import (
	"math"

	"github.com/iscsispec/iscsispec/scsi"
)

// What one command may ask for, as VPD page B0h tells it and refuses enforces it.
const (
	maxUnmapDescriptors = 64 // of one UNMAP parameter list
	maxUnmapBlocks      = math.MaxUint32
	maxSameBytes        = 1 << 30 // of one WRITE SAME
	maxAtomicBytes      = 1 << 20 // of one WRITE ATOMIC
	optimalBytes        = 1 << 20
)

// maxCompare is the most blocks that one COMPARE AND WRITE compares; its CDB counts to 255.
func (d *Disk) maxCompare() uint8 {
	return uint8(max(1, min(math.MaxUint8, d.maxTransferBytes/2/d.blockSize)))
}

func (d *Disk) maxAtomic() uint32 {
	return uint32(max(1, min(maxAtomicBytes, d.maxTransferBytes)/d.blockSize))
}

func (d *Disk) maxSame() uint64 { return uint64(maxSameBytes / d.blockSize) }

// sameBlocks is how many blocks a WRITE SAME writes: without a number all to the end of the medium. d.mu is held.
func (d *Disk) sameBlocks(c *scsi.Command) uint64 {
	if c.Blocks == 0 {
		return d.blocks - c.LBA
	}
	return uint64(c.Blocks)
}

// blockLimits is VPD page B0h.
func (d *Disk) blockLimits() scsi.BlockLimits {
	most := uint32(d.maxTransferBytes / d.blockSize)
	physical := uint32(1) << d.physicalExponent
	limits := scsi.BlockLimits{MaxTransfer: most, OptimalTransfer: min(most, uint32(max(1, optimalBytes/d.blockSize))),
		OptimalTransferGranularity: uint16(physical), MaxCompareAndWrite: d.maxCompare(), MaxWriteSame: d.maxSame(), MaxAtomicTransfer: d.maxAtomic()}
	if d.provisioning.thin {
		limits.MaxUnmapLBACount, limits.MaxUnmapDescriptors = maxUnmapBlocks, maxUnmapDescriptors
		limits.OptimalUnmapGranularity = max(physical, uint32(d.provisioning.granularity/d.blockSize))
		limits.UnmapGranularityAlignmentValid = true
	}
	return limits
}
