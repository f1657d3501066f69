package scsi

import (
	"encoding/binary"
)

// VPDPage is the code of a vital product data page (SPC-4, Section 7.8).
type VPDPage byte

// The pages that this package builds and reads.
const (
	VPDSupportedPages             VPDPage = 0x00
	VPDUnitSerialNumber           VPDPage = 0x80
	VPDDeviceIdentification       VPDPage = 0x83
	VPDBlockLimits                VPDPage = 0xb0
	VPDBlockDeviceCharacteristics VPDPage = 0xb1
	VPDLogicalBlockProvisioning   VPDPage = 0xb2
)

// VPD is a vital product data page without its meaning: the head that all pages share, and the body behind its four bytes.
type VPD struct {
	Qualifier  Qualifier
	DeviceType DeviceType
	Page       VPDPage
	Body       []byte // at most 65535 bytes; ParseVPD's aliases its argument
}

// Append appends the page with its head.
func (v VPD) Append(b []byte) []byte {
	b = append(b, byte(v.Qualifier)<<5|byte(v.DeviceType)&0x1f, byte(v.Page), byte(len(v.Body)>>8), byte(len(v.Body)))
	return append(b, v.Body...)
}

// ParseVPD reads a page's head, holds it against the page that was asked for, and hands out the body, which ends where the data end when
// an allocation length cut it. Fewer than 4 bytes or another page are a *DataError: targets that do not know EVPD answer with
// standard INQUIRY data.
func ParseVPD(b []byte, page VPDPage) (VPD, error) {
	if len(b) < 4 {
		return VPD{}, &DataError{What: "VPD page", Field: "length", Got: uint64(len(b)), Want: "at least 4 bytes"}
	}
	if VPDPage(b[1]) != page {
		return VPD{}, &DataError{What: "VPD page", Field: "page code", Got: uint64(b[1]), Want: "the page that was asked for"}
	}
	end := min(len(b), 4+int(binary.BigEndian.Uint16(b[2:])))
	return VPD{Qualifier: Qualifier(b[0] >> 5), DeviceType: DeviceType(b[0] & 0x1f), Page: page, Body: b[4:end]}, nil
}

// SupportedPages reads the body of page 00h: one page code a byte.
func (v VPD) SupportedPages() []VPDPage {
	pages := make([]VPDPage, len(v.Body))
	for i, p := range v.Body {
		pages[i] = VPDPage(p)
	}
	return pages
}

// SerialNumber reads the body of page 80h: ASCII, without the padding.
func (v VPD) SerialNumber() string { return text(v.Body) }

// BlockLimits is page B0h (SBC-3, Section 6.6.3). Lengths are in blocks; 0 means not reported.
type BlockLimits struct {
	WriteSameNonZero               bool // WSNZ: WRITE SAME does not take 0 blocks for "to the end"
	MaxCompareAndWrite             uint8
	OptimalTransferGranularity     uint16
	MaxTransfer                    uint32
	OptimalTransfer                uint32
	MaxPrefetch                    uint32
	MaxUnmapLBACount               uint32
	MaxUnmapDescriptors            uint32
	OptimalUnmapGranularity        uint32
	UnmapGranularityAlignmentValid bool
	UnmapGranularityAlignment      uint32 // 31 bits
	MaxWriteSame                   uint64
	MaxAtomicTransfer              uint32 // SBC-4: the most that WRITE ATOMIC writes in one piece
}

// AppendBody appends the 60 bytes behind the page's head.
func (l BlockLimits) AppendBody(b []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, 60)...)
	p := b[at:]
	p[0], p[1] = bit(l.WriteSameNonZero, 0), l.MaxCompareAndWrite
	binary.BigEndian.PutUint16(p[2:], l.OptimalTransferGranularity)
	binary.BigEndian.PutUint32(p[4:], l.MaxTransfer)
	binary.BigEndian.PutUint32(p[8:], l.OptimalTransfer)
	binary.BigEndian.PutUint32(p[12:], l.MaxPrefetch)
	binary.BigEndian.PutUint32(p[16:], l.MaxUnmapLBACount)
	binary.BigEndian.PutUint32(p[20:], l.MaxUnmapDescriptors)
	binary.BigEndian.PutUint32(p[24:], l.OptimalUnmapGranularity)
	binary.BigEndian.PutUint32(p[28:], l.UnmapGranularityAlignment&0x7fffffff)
	p[28] |= bit(l.UnmapGranularityAlignmentValid, 7)
	binary.BigEndian.PutUint64(p[32:], l.MaxWriteSame)
	binary.BigEndian.PutUint32(p[40:], l.MaxAtomicTransfer)
	return b
}

// BlockLimits reads the body of page B0h. Fields beyond the end of the body are zero.
func (v VPD) BlockLimits() BlockLimits {
	var p [60]byte
	copy(p[:], v.Body)
	return BlockLimits{
		WriteSameNonZero: p[0]&1 != 0, MaxCompareAndWrite: p[1], OptimalTransferGranularity: binary.BigEndian.Uint16(p[2:]),
		MaxTransfer: binary.BigEndian.Uint32(p[4:]), OptimalTransfer: binary.BigEndian.Uint32(p[8:]),
		MaxPrefetch: binary.BigEndian.Uint32(p[12:]), MaxUnmapLBACount: binary.BigEndian.Uint32(p[16:]),
		MaxUnmapDescriptors: binary.BigEndian.Uint32(p[20:]), OptimalUnmapGranularity: binary.BigEndian.Uint32(p[24:]),
		UnmapGranularityAlignmentValid: p[28]&0x80 != 0, UnmapGranularityAlignment: binary.BigEndian.Uint32(p[28:]) & 0x7fffffff,
		MaxWriteSame: binary.BigEndian.Uint64(p[32:]), MaxAtomicTransfer: binary.BigEndian.Uint32(p[40:]),
	}
}

// BlockDeviceCharacteristics is page B1h (SBC-3, Section 6.6.2).
type BlockDeviceCharacteristics struct {
	RotationRate uint16 // revolutions a minute; 0 not reported, 1 no rotating medium
	FormFactor   byte   // 0 not reported
	// AfterBlockErase and AfterCryptoErase, 2 bits, say how blocks are read after SANITIZE before they are written (WABEREQ and WACEREQ): 0 not
	// reported, 1 with GOOD status, 2 and 3 with CHECK CONDITION.
	AfterBlockErase, AfterCryptoErase byte
}

// AppendBody appends the 60 bytes behind the page's head.
func (c BlockDeviceCharacteristics) AppendBody(b []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, 60)...)
	binary.BigEndian.PutUint16(b[at:], c.RotationRate)
	b[at+3] = c.AfterBlockErase<<6 | c.AfterCryptoErase&3<<4 | c.FormFactor&0xf
	return b
}

// BlockDeviceCharacteristics reads the body of page B1h. Fields beyond the end of the body are zero.
func (v VPD) BlockDeviceCharacteristics() BlockDeviceCharacteristics {
	var p [4]byte
	copy(p[:], v.Body)
	return BlockDeviceCharacteristics{RotationRate: binary.BigEndian.Uint16(p[:]), FormFactor: p[3] & 0xf,
		AfterBlockErase: p[3] >> 6, AfterCryptoErase: p[3] >> 4 & 3}
}

// LogicalBlockProvisioning is page B2h without a provisioning group descriptor (SBC-3, Section 6.6.4).
type LogicalBlockProvisioning struct {
	ThresholdExponent byte
	Unmap             bool // LBPU: UNMAP is supported
	WriteSame16Unmap  bool // LBPWS: WRITE SAME(16) with its UNMAP bit is supported
	WriteSame10Unmap  bool // LBPWS10
	ReadZeros         byte // LBPRZ, 3 bits: 1 says that deallocated blocks read as zeros
	Anchor            bool // ANC_SUP
	ProvisioningType  byte // 0 not reported or fully provisioned, 1 resource, 2 thin
}

// AppendBody appends the 4 bytes behind the page's head.
func (p LogicalBlockProvisioning) AppendBody(b []byte) []byte {
	return append(b, p.ThresholdExponent,
		bit(p.Unmap, 7)|bit(p.WriteSame16Unmap, 6)|bit(p.WriteSame10Unmap, 5)|p.ReadZeros&7<<2|bit(p.Anchor, 1),
		p.ProvisioningType&7, 0)
}

// LogicalBlockProvisioning reads the body of page B2h. Fields beyond the end of the body are zero.
func (v VPD) LogicalBlockProvisioning() LogicalBlockProvisioning {
	var p [4]byte
	copy(p[:], v.Body)
	return LogicalBlockProvisioning{ThresholdExponent: p[0], Unmap: p[1]&0x80 != 0, WriteSame16Unmap: p[1]&0x40 != 0,
		WriteSame10Unmap: p[1]&0x20 != 0, ReadZeros: p[1] >> 2 & 7, Anchor: p[1]&2 != 0, ProvisioningType: p[2] & 7}
}
