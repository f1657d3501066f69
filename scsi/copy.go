package scsi

import (
	"encoding/binary"
	"math"
)

// Types of the descriptors of EXTENDED COPY that this package knows (SPC-4, Sections 6.4.5 and 6.4.6).
const (
	CopyIdentification byte = 0xe4 // a copy target by a designator of VPD page 83h
	CopyBlocksToBlocks byte = 0x02 // a segment from disk to disk
)

// Lengths in bytes of the parts of an EXTENDED COPY parameter list.
const (
	CopyHeaderLength  = 16
	CopyDeviceLength  = 32
	CopySegmentLength = 28
)

// CopyDevice is a copy target of EXTENDED COPY, named as in VPD page 83h (SPC-4, Section 6.4.5.2).
type CopyDevice struct {
	Type       byte       // CopyIdentification; the other fields are about that
	DeviceType DeviceType // peripheral device type
	NullDevice bool       // NUL
	Designator Designator // at most 20 bytes
	BlockSize  uint32     // bytes, 24 bits
}

// CopySegment is a segment of EXTENDED COPY from blocks to blocks (SPC-4, Section 6.4.6.3).
type CopySegment struct {
	Type                     byte // CopyBlocksToBlocks; the other fields are about that
	DestinationCount         bool // DC: Blocks counts the destination's blocks
	Source, Destination      uint16
	Blocks                   uint16
	SourceLBA, DestinationAt uint64
}

// CopyList is the parameter list of EXTENDED COPY (SPC-4, Section 6.4.3).
type CopyList struct {
	ID       byte // list identifier
	Usage    byte // list ID usage, 2 bits: 0 keeps the result, 2 keeps it too, 3 has no identifier
	Devices  []CopyDevice
	Segments []CopySegment
	Inline   int // bytes of inline data
}

// ExtendedCopy builds an EXTENDED COPY CDB in the LID1 form, for a parameter list of that many bytes (SPC-4, Section 6.4).
func ExtendedCopy(parameterList uint32) []byte {
	cdb := make([]byte, 16)
	cdb[0] = byte(OpExtendedCopy)
	binary.BigEndian.PutUint32(cdb[10:], parameterList)
	return cdb
}

// ReceiveCopyResults builds a RECEIVE COPY RESULTS CDB: service action ServiceActionCopyStatus or ServiceActionCopyParameters.
func ReceiveCopyResults(action, listID byte, allocation uint32) []byte {
	cdb := make([]byte, 16)
	cdb[0], cdb[1], cdb[2] = byte(OpReceiveCopyResults), action, listID
	binary.BigEndian.PutUint32(cdb[10:], allocation)
	return cdb
}

// Append appends the parameter list.
func (l CopyList) Append(b []byte) []byte {
	at := len(b)
	b = append(b, l.ID, l.Usage&3<<3, 0, byte(len(l.Devices)*CopyDeviceLength))
	b[at+2] = byte(len(l.Devices) * CopyDeviceLength >> 8)
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(l.Segments)*CopySegmentLength))
	b = binary.BigEndian.AppendUint32(b, 0)
	for _, d := range l.Devices {
		b = d.append(b)
	}
	for _, s := range l.Segments {
		b = append(b, s.Type, bit(s.DestinationCount, 1), 0, CopySegmentLength-4)
		b = binary.BigEndian.AppendUint16(b, s.Source)
		b = binary.BigEndian.AppendUint16(b, s.Destination)
		b = append(b, 0, 0)
		b = binary.BigEndian.AppendUint16(b, s.Blocks)
		b = binary.BigEndian.AppendUint64(b, s.SourceLBA)
		b = binary.BigEndian.AppendUint64(b, s.DestinationAt)
	}
	return b
}

func (d CopyDevice) append(b []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, CopyDeviceLength)...)
	p := b[at:]
	p[0], p[1] = d.Type, bit(d.NullDevice, 5)|byte(d.DeviceType)&0x1f
	p[4], p[5] = d.Designator.CodeSet&0xf, byte(d.Designator.Association)&3<<4|byte(d.Designator.Type)&0xf
	p[7] = byte(copy(p[8:28], d.Designator.Identifier))
	binary.BigEndian.PutUint32(p[28:], d.BlockSize&0xffffff)
	return b
}

// ParseCopyHeader reads the first 16 bytes of a parameter list: the lengths in bytes of the lists of copy targets, segments and inline data.
// Fewer bytes are a *DataError.
func ParseCopyHeader(b []byte) (l CopyList, devices, segments int, err error) {
	if len(b) < CopyHeaderLength {
		return CopyList{}, 0, 0, &DataError{What: "EXTENDED COPY parameter list", Field: "length", Got: uint64(len(b)), Want: "at least 16 bytes"}
	}
	length := func(at int) int { return int(min(binary.BigEndian.Uint32(b[at:]), math.MaxInt32)) }
	return CopyList{ID: b[0], Usage: b[1] >> 3 & 3, Inline: length(12)}, int(binary.BigEndian.Uint16(b[2:])), length(8), nil
}

// ParseCopyDevice reads one copy target descriptor, of CopyDeviceLength bytes.
func ParseCopyDevice(p []byte) CopyDevice {
	return CopyDevice{Type: p[0], DeviceType: DeviceType(p[1] & 0x1f), NullDevice: p[1]&0x20 != 0, BlockSize: binary.BigEndian.Uint32(p[28:]) & 0xffffff,
		Designator: Designator{CodeSet: p[4] & 0xf, Association: Association(p[5] >> 4 & 3), Type: DesignatorType(p[5] & 0xf),
			Identifier: p[8 : 8+min(20, int(p[7]))]}}
}

// ParseCopySegment reads one segment descriptor from blocks to blocks, of CopySegmentLength bytes.
func ParseCopySegment(p []byte) CopySegment {
	return CopySegment{Type: p[0], DestinationCount: p[1]&2 != 0, Source: binary.BigEndian.Uint16(p[4:]), Destination: binary.BigEndian.Uint16(p[6:]),
		Blocks: binary.BigEndian.Uint16(p[10:]), SourceLBA: binary.BigEndian.Uint64(p[12:]), DestinationAt: binary.BigEndian.Uint64(p[20:])}
}

// CopyParameters is the answer to RECEIVE COPY OPERATING PARAMETERS (SPC-4, Section 6.20): what one EXTENDED COPY may ask for.
type CopyParameters struct {
	MaxDevices, MaxSegments uint16
	MaxDescriptorLength     uint32 // bytes
	MaxSegmentLength        uint32 // bytes
	MaxConcurrent           byte
	Granularity             byte // power of two, bytes
}

// Append appends the answer, with the descriptor types of this package.
func (p CopyParameters) Append(b []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, 44)...)
	d := b[at:]
	binary.BigEndian.PutUint32(d, 44+2-4)
	d[4] = 1 // SNLID: a list without identifier is taken
	binary.BigEndian.PutUint16(d[8:], p.MaxDevices)
	binary.BigEndian.PutUint16(d[10:], p.MaxSegments)
	binary.BigEndian.PutUint32(d[12:], p.MaxDescriptorLength)
	binary.BigEndian.PutUint32(d[16:], p.MaxSegmentLength)
	binary.BigEndian.PutUint16(d[34:], uint16(p.MaxConcurrent))
	d[36], d[37], d[43] = p.MaxConcurrent, p.Granularity, 2
	return append(b, CopyBlocksToBlocks, CopyIdentification)
}

// AppendCopyStatus appends the answer to RECEIVE COPY STATUS(LID1): how an EXTENDED COPY ended, after how many segments (SPC-4,
// Section 6.21).
func AppendCopyStatus(b []byte, failed bool, segments uint16) []byte {
	b = append(b, 0, 0, 0, 8, 1+bit(failed, 0))
	b = binary.BigEndian.AppendUint16(b, segments)
	return append(b, 0, 0, 0, 0, 0)
}
