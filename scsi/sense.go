package scsi

import (
	"encoding/binary"
	"fmt"
)

// SenseKey is the class of a condition that sense data report (SPC-4, Section 4.5.6).
type SenseKey byte

// The sense keys of SPC-4, Section 4.5.6.
const (
	NoSense        SenseKey = 0x0
	RecoveredError SenseKey = 0x1
	NotReady       SenseKey = 0x2
	MediumError    SenseKey = 0x3
	HardwareError  SenseKey = 0x4
	IllegalRequest SenseKey = 0x5
	UnitAttention  SenseKey = 0x6
	DataProtect    SenseKey = 0x7
	BlankCheck     SenseKey = 0x8
	VendorSpecific SenseKey = 0x9
	CopyAborted    SenseKey = 0xa
	AbortedCommand SenseKey = 0xb
	VolumeOverflow SenseKey = 0xd
	Miscompare     SenseKey = 0xe
	Completed      SenseKey = 0xf
)

var senseKeyNames = [16]string{"NO SENSE", "RECOVERED ERROR", "NOT READY", "MEDIUM ERROR", "HARDWARE ERROR", "ILLEGAL REQUEST",
	"UNIT ATTENTION", "DATA PROTECT", "BLANK CHECK", "VENDOR SPECIFIC", "COPY ABORTED", "ABORTED COMMAND", "sense key 0xc",
	"VOLUME OVERFLOW", "MISCOMPARE", "COMPLETED"}

// String names the sense key as SPC-4 does.
func (k SenseKey) String() string { return senseKeyNames[k&0xf] }

// FieldPointer is the sense key specific part of ILLEGAL REQUEST sense data: it points at the field in error (SPC-4, Section 4.5.2.4.2).
type FieldPointer struct {
	Valid    bool   // false: the sense data have no field pointer
	InCDB    bool   // the field is in the CDB; otherwise in the parameter list
	BitValid bool   // Bit is meaningful
	Bit      byte   // 0 to 7, the leftmost bit of the field in error
	Byte     uint16 // the offset of the field's first byte
}

// Sense is sense data, the reason behind CHECK CONDITION (SPC-4, Section 4.5).
type Sense struct {
	Deferred         bool // about an earlier command
	Key              SenseKey
	Code             ASC // additional sense code and qualifier
	InformationValid bool
	Information      uint64 // for a medium or miscompare error, the LBA or offset; fixed format carries 32 bits
	CommandSpecific  uint64 // fixed format carries 32 bits
	Filemark         bool
	EndOfMedium      bool
	IncorrectLength  bool
	Pointer          FieldPointer
}

// FixedSenseLength is the length in bytes of the fixed format sense data that Append writes.
const FixedSenseLength = 18

// NewSense returns sense data with a key and a code, nothing else.
func NewSense(key SenseKey, code ASC) Sense { return Sense{Key: key, Code: code} }

// Append appends the sense data in fixed format, FixedSenseLength bytes (SPC-4, Section 4.5.3). Information that does not fit in 32
// bits is left out, as the standard asks.
func (s Sense) Append(b []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, FixedSenseLength)...)
	d := b[at:]
	d[0] = 0x70
	if s.Deferred {
		d[0] = 0x71
	}
	if s.InformationValid && s.Information <= 0xffffffff {
		d[0] |= 0x80
		binary.BigEndian.PutUint32(d[3:], uint32(s.Information))
	}
	d[2] = byte(s.Key)&0xf | s.streamBits()
	d[7] = FixedSenseLength - 8
	binary.BigEndian.PutUint32(d[8:], uint32(s.CommandSpecific))
	d[12], d[13] = s.Code.ASC(), s.Code.Qualifier()
	s.Pointer.put(d[15:18])
	return b
}

// AppendDescriptor appends the sense data in descriptor format, with an information descriptor and a sense key specific descriptor
// where there is something to say (SPC-4, Section 4.5.2).
func (s Sense) AppendDescriptor(b []byte) []byte {
	at := len(b)
	code := byte(0x72)
	if s.Deferred {
		code = 0x73
	}
	b = append(b, code, byte(s.Key)&0xf, s.Code.ASC(), s.Code.Qualifier(), 0, 0, 0, 0)
	if s.InformationValid {
		b = append(b, 0x00, 0x0a, 0x80, 0)
		b = binary.BigEndian.AppendUint64(b, s.Information)
	}
	if s.CommandSpecific != 0 {
		b = append(b, 0x01, 0x0a, 0, 0)
		b = binary.BigEndian.AppendUint64(b, s.CommandSpecific)
	}
	if s.Pointer.Valid {
		var specific [3]byte
		s.Pointer.put(specific[:])
		b = append(b, 0x02, 0x06, 0, 0, specific[0], specific[1], specific[2], 0)
	}
	if bits := s.streamBits(); bits != 0 {
		b = append(b, 0x04, 0x02, 0, bits)
	}
	b[at+7] = byte(len(b) - at - 8)
	return b
}

// ParseSense reads sense data of either format. Bytes that are missing at the end, because a buffer cut them, count as zero beyond the
// code; data that end before the code are a *DataError, and so is an unknown response code.
func ParseSense(b []byte) (Sense, error) {
	if len(b) == 0 {
		return Sense{}, &DataError{What: "sense data", Field: "length", Got: 0, Want: "at least 1 byte"}
	}
	switch code := b[0] & 0x7f; code {
	case 0x70, 0x71:
		return parseFixedSense(b)
	case 0x72, 0x73:
		return parseDescriptorSense(b)
	default:
		return Sense{}, &DataError{What: "sense data", Field: "response code", Got: uint64(code), Want: "0x70 to 0x73 (112 to 115)"}
	}
}

func parseFixedSense(b []byte) (Sense, error) {
	if len(b) < 3 {
		return Sense{}, &DataError{What: "fixed format sense data", Field: "length", Got: uint64(len(b)), Want: "at least 3 bytes"}
	}
	var d [FixedSenseLength]byte
	end := len(b)
	if len(b) >= 8 {
		end = min(end, 8+int(b[7]))
	}
	copy(d[:], b[:end])
	s := Sense{Deferred: d[0]&0x7f == 0x71, Key: SenseKey(d[2] & 0xf), Code: ASC(binary.BigEndian.Uint16(d[12:])),
		CommandSpecific: uint64(binary.BigEndian.Uint32(d[8:])), Pointer: parseFieldPointer(SenseKey(d[2]&0xf), d[15:])}
	if s.InformationValid = d[0]&0x80 != 0; s.InformationValid {
		s.Information = uint64(binary.BigEndian.Uint32(d[3:]))
	}
	s.setStreamBits(d[2])
	return s, nil
}

func parseDescriptorSense(b []byte) (Sense, error) {
	if len(b) < 4 {
		return Sense{}, &DataError{What: "descriptor format sense data", Field: "length", Got: uint64(len(b)), Want: "at least 4 bytes"}
	}
	s := Sense{Deferred: b[0]&0x7f == 0x73, Key: SenseKey(b[1] & 0xf), Code: ASC(binary.BigEndian.Uint16(b[2:]))}
	if len(b) < 8 {
		return s, nil
	}
	list := b[8:min(len(b), 8+int(b[7]))]
	for len(list) >= 2 && len(list) >= 2+int(list[1]) {
		kind, body := list[0], list[2:2+int(list[1])]
		list = list[2+len(body):]
		switch {
		case kind == 0x00 && len(body) >= 10:
			s.InformationValid = body[0]&0x80 != 0
			s.Information = binary.BigEndian.Uint64(body[2:])
		case kind == 0x01 && len(body) >= 10:
			s.CommandSpecific = binary.BigEndian.Uint64(body[2:])
		case kind == 0x02 && len(body) >= 5:
			s.Pointer = parseFieldPointer(s.Key, body[2:5])
		case kind == 0x04 && len(body) >= 2:
			s.setStreamBits(body[1])
		}
	}
	return s, nil
}

func (s Sense) streamBits() (bits byte) {
	if s.Filemark {
		bits |= 0x80
	}
	if s.EndOfMedium {
		bits |= 0x40
	}
	if s.IncorrectLength {
		bits |= 0x20
	}
	return bits
}

func (s *Sense) setStreamBits(bits byte) {
	s.Filemark, s.EndOfMedium, s.IncorrectLength = bits&0x80 != 0, bits&0x40 != 0, bits&0x20 != 0
}

func (p FieldPointer) put(d []byte) {
	if !p.Valid {
		return
	}
	d[0] = 0x80
	if p.InCDB {
		d[0] |= 0x40
	}
	if p.BitValid {
		d[0] |= 0x08 | p.Bit&7
	}
	binary.BigEndian.PutUint16(d[1:], p.Byte)
}

func parseFieldPointer(key SenseKey, d []byte) FieldPointer {
	if key != IllegalRequest || d[0]&0x80 == 0 {
		return FieldPointer{} // other keys put other things here
	}
	p := FieldPointer{Valid: true, InCDB: d[0]&0x40 != 0, BitValid: d[0]&0x08 != 0, Byte: binary.BigEndian.Uint16(d[1:])}
	if p.BitValid {
		p.Bit = d[0] & 7
	}
	return p
}

// String gives key and code, such as "UNIT ATTENTION 29/00 (POWER ON, RESET, OR BUS DEVICE RESET OCCURRED)".
func (s Sense) String() string { return fmt.Sprintf("%v %v", s.Key, s.Code) }
