package scsi

import "encoding/binary"

// Extent is a run of blocks, as the block descriptors of UNMAP have it (SBC-3, Section 5.26.2).
type Extent struct {
	LBA    uint64
	Blocks uint32
}

// AppendUnmapList appends the parameter list of UNMAP: an eight byte header and 16 bytes an extent. At most 4095 extents fit.
func AppendUnmapList(b []byte, extents []Extent) []byte {
	n := uint16(16 * len(extents))
	b = binary.BigEndian.AppendUint16(b, n+6)
	b = binary.BigEndian.AppendUint16(b, n)
	b = append(b, 0, 0, 0, 0)
	for _, e := range extents {
		b = binary.BigEndian.AppendUint64(b, e.LBA)
		b = binary.BigEndian.AppendUint32(b, e.Blocks)
		b = append(b, 0, 0, 0, 0)
	}
	return b
}

// ParseUnmapList reads the parameter list of UNMAP. As SBC-3 asks, a descriptor that is not whole is ignored and no error; a header that
// is not whole is a *DataError.
func ParseUnmapList(b []byte) ([]Extent, error) {
	if len(b) < 8 {
		return nil, &DataError{What: "UNMAP parameter list", Field: "length", Got: uint64(len(b)), Want: "at least 8 bytes"}
	}
	list := b[8:min(len(b), 8+int(binary.BigEndian.Uint16(b[2:])))]
	extents := make([]Extent, 0, len(list)/16)
	for ; len(list) >= 16; list = list[16:] {
		extents = append(extents, Extent{LBA: binary.BigEndian.Uint64(list), Blocks: binary.BigEndian.Uint32(list[8:])})
	}
	return extents, nil
}
