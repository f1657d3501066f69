package scsi

import (
	"encoding/binary"
	"strings"
)

// DeviceType is the peripheral device type (SPC-4, Section 6.6.2).
type DeviceType byte

// The device types that this project speaks of.
const (
	TypeDisk       DeviceType = 0x00 // direct access block device
	TypeSequential DeviceType = 0x01 // sequential access device, a tape
	TypeWellKnown  DeviceType = 0x1e // well known logical unit
	TypeNone       DeviceType = 0x1f // unknown or no device
)

// Qualifier is the peripheral qualifier (SPC-4, Section 6.6.2).
type Qualifier byte

// The peripheral qualifiers.
const (
	Connected    Qualifier = 0 // a device is connected, as far as the device server can tell
	NotConnected Qualifier = 1 // the device server could support a device here, but none is connected
	NotCapable   Qualifier = 3 // the device server cannot support a device at this LUN
)

// Version descriptors (SPC-4, Section 6.6.5 and Table 147). An iSCSI descriptor is DescriptorISCSI plus the iSCSIProtocolLevel that the
// session agreed (RFC 7144, Section 4.2).
const (
	DescriptorSAM5  uint16 = 0x00a0
	DescriptorSPC4  uint16 = 0x0460
	DescriptorSBC3  uint16 = 0x04c0
	DescriptorSSC4  uint16 = 0x0520
	DescriptorISCSI uint16 = 0x0960
)

// InquiryLength is the number of bytes of standard INQUIRY data that Append writes: up to the eighth version descriptor and the
// reserved bytes behind them.
const InquiryLength = 96

// InquiryData is the standard INQUIRY data (SPC-4, Section 6.6.2).
type InquiryData struct {
	Qualifier          Qualifier
	DeviceType         DeviceType
	Removable          bool
	Version            byte // 6 claims SPC-4, 5 SPC-3
	NormalACA          bool
	HierarchicalLUNs   bool
	ResponseDataFormat byte // 2 in all standards since SCSI-2
	TargetPortGroups   byte // TPGS, 0 to 3
	ThirdPartyCopy     bool
	Protect            bool
	MultiPort          bool
	CommandQueuing     bool
	Vendor             string   // up to 8 characters of ASCII
	Product            string   // up to 16
	Revision           string   // up to 4
	VersionDescriptors []uint16 // up to 8
}

// Append appends InquiryLength bytes. Texts are cut or padded with spaces to their fields.
func (d InquiryData) Append(b []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, InquiryLength)...)
	p := b[at:]
	p[0] = byte(d.Qualifier)<<5 | byte(d.DeviceType)&0x1f
	p[1] = bit(d.Removable, 7)
	p[2] = d.Version
	p[3] = bit(d.NormalACA, 5) | bit(d.HierarchicalLUNs, 4) | d.ResponseDataFormat&0xf
	p[4] = InquiryLength - 5
	p[5] = d.TargetPortGroups&3<<4 | bit(d.ThirdPartyCopy, 3) | bit(d.Protect, 0)
	p[6] = bit(d.MultiPort, 4)
	p[7] = bit(d.CommandQueuing, 1)
	putText(p[8:16], d.Vendor)
	putText(p[16:32], d.Product)
	putText(p[32:36], d.Revision)
	for i, v := range d.VersionDescriptors[:min(8, len(d.VersionDescriptors))] {
		binary.BigEndian.PutUint16(p[58+2*i:], v)
	}
	return b
}

// ParseInquiry reads standard INQUIRY data, which may be cut by an allocation length: fields beyond the end, or beyond the additional
// length, are left at zero. Fewer than 5 bytes are a *DataError.
func ParseInquiry(b []byte) (InquiryData, error) {
	if len(b) < 5 {
		return InquiryData{}, &DataError{What: "standard INQUIRY data", Field: "length", Got: uint64(len(b)), Want: "at least 5 bytes"}
	}
	var p [InquiryLength]byte
	n := copy(p[:], b[:min(len(b), int(b[4])+5)])
	d := InquiryData{
		Qualifier: Qualifier(p[0] >> 5), DeviceType: DeviceType(p[0] & 0x1f), Removable: p[1]&0x80 != 0, Version: p[2],
		NormalACA: p[3]&0x20 != 0, HierarchicalLUNs: p[3]&0x10 != 0, ResponseDataFormat: p[3] & 0xf,
		TargetPortGroups: p[5] >> 4 & 3, ThirdPartyCopy: p[5]&8 != 0, Protect: p[5]&1 != 0,
		MultiPort: p[6]&0x10 != 0, CommandQueuing: p[7]&2 != 0,
		Vendor: text(p[8:16]), Product: text(p[16:32]), Revision: text(p[32:36]),
	}
	for at := 58; at+2 <= min(n, 74); at += 2 {
		if v := binary.BigEndian.Uint16(p[at:]); v != 0 {
			d.VersionDescriptors = append(d.VersionDescriptors, v)
		}
	}
	return d, nil
}

func bit(set bool, n uint) byte {
	if set {
		return 1 << n
	}
	return 0
}

// putText writes left-aligned ASCII padded with spaces (SPC-4, Section 4.3.1).
func putText(field []byte, s string) {
	n := copy(field, s)
	for i := n; i < len(field); i++ {
		field[i] = ' '
	}
}

func text(field []byte) string { return strings.TrimRight(string(field), " \x00") }
