package scsi

import (
	"encoding/binary"
	"fmt"
)

// Association says what a designator names (SPC-4, Section 7.8.6.1).
type Association byte

// The associations.
const (
	OfLogicalUnit  Association = 0
	OfTargetPort   Association = 1
	OfTargetDevice Association = 2
)

// DesignatorType is the form of a designator (SPC-4, Section 7.8.6.1).
type DesignatorType byte

// The designator types that this package builds.
const (
	DesignatorT10          DesignatorType = 1
	DesignatorEUI64        DesignatorType = 2
	DesignatorNAA          DesignatorType = 3
	DesignatorRelativePort DesignatorType = 4
	DesignatorPortGroup    DesignatorType = 5
	DesignatorSCSIName     DesignatorType = 8
)

// Code sets of designators (SPC-4, Section 7.8.6.1).
const (
	CodeSetBinary byte = 1
	CodeSetASCII  byte = 2
	CodeSetUTF8   byte = 3
)

// ProtocolISCSI is the protocol identifier of iSCSI (SPC-4, Section 7.6.1).
const ProtocolISCSI byte = 5

// Designator is one designation descriptor of VPD page 83h (SPC-4, Section 7.8.6).
type Designator struct {
	Association   Association
	Type          DesignatorType
	CodeSet       byte
	ProtocolValid bool // PIV: Protocol is meaningful
	Protocol      byte // 4 bits
	Identifier    []byte
}

// NAADesignator names a logical unit by an NAA identifier of 8 bytes (NAA 2, 3, 5) or 16 bytes (NAA 6); the NAA value is the first four
// bits of id, which is aliased.
func NAADesignator(id []byte) Designator {
	return Designator{Association: OfLogicalUnit, Type: DesignatorNAA, CodeSet: CodeSetBinary, Identifier: id}
}

// T10Designator names a logical unit by vendor and a text of the vendor's (SPC-4, Section 7.8.6.4).
func T10Designator(vendor, id string) Designator {
	b := make([]byte, 8, 8+len(id))
	putText(b, vendor)
	return Designator{Association: OfLogicalUnit, Type: DesignatorT10, CodeSet: CodeSetASCII, Identifier: append(b, id...)}
}

// RelativePortDesignator names the target port through which the command came by its relative identifier, 1 to 65535.
func RelativePortDesignator(port uint16) Designator {
	return portDesignator(DesignatorRelativePort, CodeSetBinary, []byte{0, 0, byte(port >> 8), byte(port)})
}

// PortGroupDesignator names the target port group (of asymmetric access) that holds the target port.
func PortGroupDesignator(group uint16) Designator {
	return portDesignator(DesignatorPortGroup, CodeSetBinary, []byte{0, 0, byte(group >> 8), byte(group)})
}

// PortNameDesignator names the iSCSI target port: the target's name, ",t,0x" and the portal group tag in four hexadecimal digits (RFC 7143,
// Section 4.4.2 and SPC-4, Section 7.8.6.11). The text is null-terminated and null-padded to a multiple of four bytes.
func PortNameDesignator(target string, tag uint16) Designator {
	return portDesignator(DesignatorSCSIName, CodeSetUTF8, scsiName(fmt.Sprintf("%s,t,0x%04x", target, tag)))
}

// DeviceNameDesignator names the target device by its iSCSI name.
func DeviceNameDesignator(target string) Designator {
	d := portDesignator(DesignatorSCSIName, CodeSetUTF8, scsiName(target))
	d.Association = OfTargetDevice
	return d
}

func portDesignator(kind DesignatorType, codeSet byte, id []byte) Designator {
	return Designator{Association: OfTargetPort, Type: kind, CodeSet: codeSet, ProtocolValid: true, Protocol: ProtocolISCSI, Identifier: id}
}

func scsiName(name string) []byte {
	b := append([]byte(name), 0)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// Append appends the descriptor: four bytes and the identifier, which may have up to 255 bytes.
func (d Designator) Append(b []byte) []byte {
	code := d.CodeSet & 0xf
	if d.ProtocolValid {
		code |= d.Protocol << 4
	}
	b = append(b, code, bit(d.ProtocolValid, 7)|byte(d.Association)&3<<4|byte(d.Type)&0xf, 0, byte(len(d.Identifier)))
	return append(b, d.Identifier...)
}

// Text returns the identifier of an ASCII or UTF-8 designator without its padding, or the bytes of a binary one in hexadecimal.
func (d Designator) Text() string {
	if d.CodeSet == CodeSetASCII || d.CodeSet == CodeSetUTF8 {
		return text(d.Identifier)
	}
	return fmt.Sprintf("%x", d.Identifier)
}

// Port returns the number in a relative target port or target port group designator.
func (d Designator) Port() (uint16, bool) {
	if d.Type != DesignatorRelativePort && d.Type != DesignatorPortGroup || len(d.Identifier) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint16(d.Identifier[2:]), true
}

// Designators reads the body of page 83h; identifiers alias it. A descriptor that the end of the body cuts is a *DataError, beside
// those before it.
func (v VPD) Designators() ([]Designator, error) {
	var list []Designator
	for b := v.Body; len(b) > 0; {
		if len(b) < 4 || len(b) < 4+int(b[3]) {
			return list, &DataError{What: "VPD page 83h", Field: "bytes of the last descriptor", Got: uint64(len(b)), Want: "a whole descriptor"}
		}
		d := Designator{CodeSet: b[0] & 0xf, ProtocolValid: b[1]&0x80 != 0, Association: Association(b[1] >> 4 & 3),
			Type: DesignatorType(b[1] & 0xf), Identifier: b[4 : 4+int(b[3])]}
		if d.ProtocolValid {
			d.Protocol = b[0] >> 4
		}
		list = append(list, d)
		b = b[4+int(b[3]):]
	}
	return list, nil
}
