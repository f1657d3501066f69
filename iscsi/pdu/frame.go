package pdu

import "encoding/binary"

// Frame is one PDU as it travels. What is nil is computed when the frame is written; what is set is written as it stands, right or
// wrong. A frame that was read holds everything as received.
//
// The two length fields inside BHS are never recomputed: after FrameOf they are right, and patching them makes a frame whose header lies.
type Frame struct {
	BHS          BHS
	AHS          []byte  // additional header segments with their padding
	Data         []byte  // data segment without padding
	Pad          []byte  // nil: zero to three zero bytes, up to a multiple of four
	HeaderDigest *uint32 // nil: computed over BHS and AHS if header digests are on
	DataDigest   *uint32 // nil: computed over Data and Pad if data digests are on and Data is not empty
}

// FrameOf makes the frame of a PDU. AHS and Data are shared with p, not copied.
func FrameOf(p PDU) *Frame {
	f := new(Frame)
	p.EncodeBHS(&f.BHS)
	f.AHS, f.Data = p.Segments()
	return f
}

// Opcode gives the operation code in the header.
func (f *Frame) Opcode() Opcode { return f.BHS.Opcode() }

// Decode gives the PDU that the header's opcode names. Its segments are the frame's, not copies. An opcode that RFC 7143 does not
// define gives a *FormatError.
func (f *Frame) Decode() (PDU, error) {
	p := New(f.BHS.Opcode())
	if p == nil {
		return nil, &FormatError{
			Opcode: f.BHS.Opcode(), Field: "Opcode", Got: f.BHS.Opcode().String(),
			Want: "a defined opcode", Clause: "RFC 7143, Section 11.2.1.2",
		}
	}
	if err := p.DecodeBHS(&f.BHS); err != nil {
		return nil, err
	}
	p.SetSegments(f.AHS, f.Data)
	return p, nil
}

// Append writes the frame behind b and returns the longer slice. A digest is written where d asks for it; a forced digest is written only
// then too, since otherwise its place does not exist.
func (f *Frame) Append(b []byte, d Digests) []byte {
	start := len(b)
	b = append(b, f.BHS[:]...)
	b = append(b, f.AHS...)
	b = append(b, zeros[:padding(len(f.AHS))]...)
	if d.Header {
		b = appendDigest(b, f.HeaderDigest, b[start:])
	}
	start = len(b)
	b = append(b, f.Data...)
	b = append(b, f.pad()...)
	if d.Data && len(b) > start {
		b = appendDigest(b, f.DataDigest, b[start:])
	}
	return b
}

// WireLength gives the number of bytes that Append writes.
func (f *Frame) WireLength(d Digests) int {
	n := BHSLength + len(f.AHS) + padding(len(f.AHS))
	if d.Header {
		n += digestLength
	}
	if data := len(f.Data) + len(f.pad()); data > 0 {
		n += data
		if d.Data {
			n += digestLength
		}
	}
	return n
}

// HeaderDigestError gives the mismatch of a received header digest, or nil when there is none or it is right.
func (f *Frame) HeaderDigestError() *DigestError {
	if f.HeaderDigest == nil {
		return nil
	}
	return compare(SegmentHeader, *f.HeaderDigest, Checksum(f.BHS[:], f.AHS))
}

// DataDigestError gives the mismatch of a received data digest, or nil when there is none or it is right.
func (f *Frame) DataDigestError() *DigestError {
	if f.DataDigest == nil {
		return nil
	}
	return compare(SegmentData, *f.DataDigest, Checksum(f.Data, f.pad()))
}

func (f *Frame) pad() []byte {
	if f.Pad != nil {
		return f.Pad
	}
	return zeros[:padding(len(f.Data))]
}

const digestLength = 4

var zeros [4]byte

// padding gives how many bytes lead from n to the next multiple of four. RFC 7143, Section 11.1.
func padding(n int) int { return -n & 3 }

func appendDigest(b []byte, forced *uint32, covered []byte) []byte {
	if forced != nil {
		return binary.LittleEndian.AppendUint32(b, *forced)
	}
	return binary.LittleEndian.AppendUint32(b, Checksum(covered))
}

func compare(s Segment, got, want uint32) *DigestError {
	if got == want {
		return nil
	}
	return &DigestError{Segment: s, Got: got, Want: want}
}
