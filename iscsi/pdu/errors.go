package pdu

import "fmt"

// FormatError tells that a PDU is not what its place or its opcode demands. RFC 7143, Section 7.7.
type FormatError struct {
	Opcode Opcode // of the PDU as received
	Field  string // the field, as the RFC names it
	Got    string // what was there
	Want   string // what was allowed
	Clause string // the rule, such as "RFC 7143, Section 11.2.1.2"
}

// Error names the field, what came and what was expected.
func (e *FormatError) Error() string {
	return fmt.Sprintf("pdu: %s: %s is %s, want %s (%s)", e.Opcode, e.Field, e.Got, e.Want, e.Clause)
}

// Segment names the part of a PDU that a digest or a limit covers.
type Segment int

// The segments of a PDU that are told apart in errors.
const (
	SegmentHeader Segment = iota // BHS and AHS together: what the header digest covers
	SegmentAHS                   // additional header segments
	SegmentData                  // data and padding
)

// String gives "header", "AHS" or "data".
func (s Segment) String() string {
	switch s {
	case SegmentHeader:
		return "header"
	case SegmentAHS:
		return "AHS"
	case SegmentData:
		return "data"
	}
	return fmt.Sprintf("segment %d", int(s))
}

// DigestError tells that a CRC32C did not match what it covers. RFC 7143, Section 7.8. After a wrong data digest the stream is still in
// step; after a wrong header digest no length can be trusted.
type DigestError struct {
	Segment   Segment // SegmentHeader or SegmentData
	Got, Want uint32  // as received, and as computed over the bytes received
}

// Error names the segment and both values.
func (e *DigestError) Error() string {
	return fmt.Sprintf("pdu: %s digest is 0x%08x, want 0x%08x (RFC 7143, Section 7.8)", e.Segment, e.Got, e.Want)
}

// LengthError tells that a segment is longer than the reader was told to take.
type LengthError struct {
	Opcode  Opcode  // of the PDU as received
	Segment Segment // SegmentAHS or SegmentData
	Got     int     // length in bytes that the header announces
	Limit   int     // the most that is taken, in bytes
}

// Error names the segment, its length and the limit.
func (e *LengthError) Error() string {
	return fmt.Sprintf("pdu: %s: %s segment of %d bytes, limit %d", e.Opcode, e.Segment, e.Got, e.Limit)
}
