package scsi

import "encoding/binary"

// Provisioning says what stands behind a run of blocks (SBC-3, Section 5.4.2.2).
type Provisioning byte

// The provisioning states that a device without anchored blocks knows.
const (
	Mapped      Provisioning = 0 // the blocks take storage, or may
	Deallocated Provisioning = 1 // the blocks take none; with LBPRZ they read as zeros
)

// LBAStatus tells the state of a run of blocks.
type LBAStatus struct {
	Extent
	State Provisioning // 4 bits
}

// GetLBAStatus builds a GET LBA STATUS CDB for the blocks from lba on (SBC-3, Section 5.4). An allocation of 24 bytes holds one run.
func GetLBAStatus(lba uint64, allocation uint32) []byte {
	cdb := make([]byte, 16)
	cdb[0], cdb[1] = byte(OpServiceActionIn16), ServiceActionGetLBAStatus
	binary.BigEndian.PutUint64(cdb[2:], lba)
	binary.BigEndian.PutUint32(cdb[10:], allocation)
	return cdb
}

// AppendLBAStatus appends the parameter data of GET LBA STATUS: an eight byte header, and 16 bytes a run.
func AppendLBAStatus(b []byte, runs ...LBAStatus) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(4+16*len(runs)))
	b = append(b, 0, 0, 0, 0)
	for _, r := range runs {
		b = binary.BigEndian.AppendUint64(b, r.LBA)
		b = binary.BigEndian.AppendUint32(b, r.Blocks)
		b = append(b, byte(r.State)&0xf, 0, 0, 0)
	}
	return b
}
