package scsi

import "encoding/binary"

// SelectReport is the REPORT LUNS field that says which logical units are listed (SPC-4, Section 6.33).
type SelectReport byte

// The values of SelectReport that the standard defines.
const (
	ReportAddressed SelectReport = 0x00 // all that this nexus can address, without well known logical units
	ReportWellKnown SelectReport = 0x01 // well known logical units only
	ReportAll       SelectReport = 0x02 // both
)

// AppendLUNList appends the parameter data of REPORT LUNS: an eight byte header with the list's length, then eight bytes a LUN.
func AppendLUNList(b []byte, luns []LUN) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(8*len(luns)))
	b = append(b, 0, 0, 0, 0)
	for _, lun := range luns {
		b = binary.BigEndian.AppendUint64(b, uint64(lun))
	}
	return b
}

// ParseLUNList reads the parameter data of REPORT LUNS. It returns the whole LUNs that b holds, and the length in bytes that the
// complete list would have with its header, which is more than len(b) where the allocation length cut the list.
func ParseLUNList(b []byte) (luns []LUN, complete int, err error) {
	if len(b) < 8 {
		return nil, 0, &DataError{What: "REPORT LUNS parameter data", Field: "header", Got: uint64(len(b)), Want: "at least 8 bytes"}
	}
	length := uint64(binary.BigEndian.Uint32(b))
	if length%8 != 0 {
		return nil, 0, &DataError{What: "REPORT LUNS parameter data", Field: "LUN list length", Got: length, Want: "a multiple of 8"}
	}
	list := b[8:]
	if uint64(len(list)) > length {
		list = list[:length]
	}
	luns = make([]LUN, 0, len(list)/8)
	for ; len(list) >= 8; list = list[8:] {
		luns = append(luns, LUN(binary.BigEndian.Uint64(list)))
	}
	return luns, int(length) + 8, nil
}
