package scsi

import (
	"encoding/binary"
	"math"
)

// Lengths in bytes of the parameter data of READ CAPACITY.
const (
	Capacity10Length = 8
	Capacity16Length = 32
)

// Capacity10 is the parameter data of READ CAPACITY(10) (SBC-3, Section 5.15.2).
type Capacity10 struct {
	LastLBA   uint32 // 0xffffffff: the medium is larger, ask READ CAPACITY(16)
	BlockSize uint32 // bytes
}

// CapacityOf makes the answer of a medium with so many blocks.
func CapacityOf(blocks uint64, blockSize uint32) Capacity10 {
	return Capacity10{LastLBA: uint32(min(blocks-1, math.MaxUint32)), BlockSize: blockSize}
}

// Append appends Capacity10Length bytes.
func (c Capacity10) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, c.LastLBA)
	return binary.BigEndian.AppendUint32(b, c.BlockSize)
}

// TooLarge reports whether the medium is larger than READ CAPACITY(10) can say.
func (c Capacity10) TooLarge() bool { return c.LastLBA == math.MaxUint32 }

// ParseCapacity10 reads the parameter data of READ CAPACITY(10).
func ParseCapacity10(b []byte) (Capacity10, error) {
	if len(b) < Capacity10Length {
		return Capacity10{}, &DataError{What: "READ CAPACITY(10) data", Field: "length", Got: uint64(len(b)), Want: "8 bytes"}
	}
	return Capacity10{LastLBA: binary.BigEndian.Uint32(b), BlockSize: binary.BigEndian.Uint32(b[4:])}, nil
}

// Capacity16 is the parameter data of READ CAPACITY(16) (SBC-3, Section 5.16.2).
type Capacity16 struct {
	LastLBA            uint64
	BlockSize          uint32 // bytes
	ProtectionType     byte   // P_TYPE, 3 bits, with Protection
	Protection         bool   // PROT_EN
	PhysicalExponent   byte   // 2 to this power logical blocks make a physical one; 4 bits
	Provisioning       bool   // LBPME: not fully provisioned
	ReadZeros          bool   // LBPRZ: deallocated blocks read as zeros
	LowestAlignedBlock uint16 // 14 bits
}

// Append appends Capacity16Length bytes.
func (c Capacity16) Append(b []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, Capacity16Length)...)
	p := b[at:]
	binary.BigEndian.PutUint64(p, c.LastLBA)
	binary.BigEndian.PutUint32(p[8:], c.BlockSize)
	p[12] = c.ProtectionType&7<<1 | bit(c.Protection, 0)
	p[13] = c.PhysicalExponent & 0xf
	binary.BigEndian.PutUint16(p[14:], c.LowestAlignedBlock&0x3fff)
	p[14] |= bit(c.Provisioning, 7) | bit(c.ReadZeros, 6)
	return b
}

// ParseCapacity16 reads the parameter data of READ CAPACITY(16). The first 12 bytes have to be there; the rest counts as zero
// where an allocation length cut it.
func ParseCapacity16(b []byte) (Capacity16, error) {
	if len(b) < 12 {
		return Capacity16{}, &DataError{What: "READ CAPACITY(16) data", Field: "length", Got: uint64(len(b)), Want: "at least 12 bytes"}
	}
	var p [Capacity16Length]byte
	copy(p[:], b)
	return Capacity16{
		LastLBA: binary.BigEndian.Uint64(p[:]), BlockSize: binary.BigEndian.Uint32(p[8:]), ProtectionType: p[12] >> 1 & 7,
		Protection: p[12]&1 != 0, PhysicalExponent: p[13] & 0xf, Provisioning: p[14]&0x80 != 0, ReadZeros: p[14]&0x40 != 0,
		LowestAlignedBlock: binary.BigEndian.Uint16(p[14:]) & 0x3fff,
	}, nil
}
