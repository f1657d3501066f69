package pdu

import (
	"encoding/binary"
	"fmt"
)

// AHSType tells what an additional header segment holds. RFC 7143, Section 11.2.2.1.
type AHSType byte

// The types of additional header segments.
const (
	AHSExtendedCDB            AHSType = 1
	AHSBidirectionalReadData  AHSType = 2
	ahsOverhead                       = 3 // length and type
	bidirectionalReadDataSize         = 5 // one reserved byte and four of length
)

// AHS is one additional header segment. RFC 7143, Section 11.2.2.
type AHS struct {
	Type     AHSType
	Specific []byte // all behind the type byte, without padding; the first byte of the two defined types is reserved
}

// AppendAHS appends segments with their padding and returns the longer slice.
func AppendAHS(b []byte, segments ...AHS) []byte {
	for _, s := range segments {
		b = binary.BigEndian.AppendUint16(b, uint16(len(s.Specific)))
		b = append(b, byte(s.Type))
		b = append(b, s.Specific...)
		b = append(b, zeros[:padding(ahsOverhead+len(s.Specific))]...)
	}
	return b
}

// ParseAHS cuts the additional header segments of a PDU apart. A length that leads beyond the end gives a *FormatError.
func ParseAHS(b []byte) ([]AHS, error) {
	var segments []AHS
	for len(b) > 0 {
		if len(b) < 4 {
			return nil, ahsError(fmt.Sprintf("%d bytes left", len(b)), "whole words")
		}
		n := int(binary.BigEndian.Uint16(b))
		end := ahsOverhead + n
		if end += padding(end); end > len(b) {
			return nil, ahsError(fmt.Sprint(n), fmt.Sprintf("at most %d", len(b)-ahsOverhead))
		}
		segments = append(segments, AHS{Type: AHSType(b[2]), Specific: b[ahsOverhead : ahsOverhead+n]})
		b = b[end:]
	}
	return segments, nil
}

func ahsError(got, want string) error {
	return &FormatError{Opcode: OpSCSICommand, Field: "AHSLength", Got: got, Want: want, Clause: "RFC 7143, Section 11.2.2.2"}
}

// SetFullCDB stores a CDB of any length up to 1000 bytes: what exceeds 16 bytes goes into an Extended CDB segment in front of the segments
// that are there. RFC 7143, Section 11.2.2.3.
func (p *SCSICommand) SetFullCDB(cdb []byte) {
	p.CDB = [16]byte{}
	n := copy(p.CDB[:], cdb)
	if n == len(cdb) {
		return
	}
	specific := append([]byte{0}, cdb[n:]...)
	p.AHS = append(AppendAHS(nil, AHS{Type: AHSExtendedCDB, Specific: specific}), p.AHS...)
}

// FullCDB gives the CDB with the rest that an Extended CDB segment holds. RFC 7143, Section 11.2.2.3.
func (p *SCSICommand) FullCDB() ([]byte, error) {
	rest, err := p.segment(AHSExtendedCDB)
	if err != nil || len(rest) == 0 {
		return p.CDB[:], err
	}
	return append(p.CDB[:len(p.CDB):len(p.CDB)], rest[1:]...), nil
}

// SetExpectedReadDataLength appends the segment that a bidirectional command needs: how many bytes its read part takes. RFC 7143,
// Section 11.2.2.4.
func (p *SCSICommand) SetExpectedReadDataLength(n uint32) {
	specific := binary.BigEndian.AppendUint32([]byte{0}, n)
	p.AHS = AppendAHS(p.AHS, AHS{Type: AHSBidirectionalReadData, Specific: specific})
}

// ExpectedReadDataLength gives the read length in bytes of a bidirectional command; false when there is none. RFC 7143, Section 11.2.2.4.
func (p *SCSICommand) ExpectedReadDataLength() (uint32, bool, error) {
	specific, err := p.segment(AHSBidirectionalReadData)
	if err != nil || specific == nil {
		return 0, false, err
	}
	if len(specific) != bidirectionalReadDataSize {
		return 0, false, ahsError(fmt.Sprint(len(specific)), fmt.Sprint(bidirectionalReadDataSize))
	}
	return binary.BigEndian.Uint32(specific[1:]), true, nil
}

// segment gives the specific part of the first segment of type t, or nil.
func (p *SCSICommand) segment(t AHSType) ([]byte, error) {
	segments, err := ParseAHS(p.AHS)
	if err != nil {
		return nil, err
	}
	for _, s := range segments {
		if s.Type == t {
			return s.Specific, nil
		}
	}
	return nil, nil
}
