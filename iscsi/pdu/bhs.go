package pdu

import "encoding/binary"

// BHSLength is the length in bytes of the basic header segment. RFC 7143, Section 11.2.1.
const BHSLength = 48

// MaxDataSegmentLength is the largest length in bytes that the 24-bit field can express.
const MaxDataSegmentLength = 1<<24 - 1

// MaxAHSLength is the largest total length in bytes of the additional header segments: 255 words.
const MaxAHSLength = 255 * 4

// The bits of the first two bytes that most PDUs share. RFC 7143, Section 11.2.1.
const (
	bitImmediate byte = 0x40
	bitFinal     byte = 0x80
	opcodeMask   byte = 0x3f
)

// BHS is a basic header segment as on the wire. RFC 7143, Section 11.2.1. Callers may patch any byte of h[:].
type BHS [BHSLength]byte

// Opcode gives the operation code without the immediate bit.
func (h *BHS) Opcode() Opcode { return Opcode(h[0] & opcodeMask) }

// SetOpcode overwrites the six bits of the operation code.
func (h *BHS) SetOpcode(o Opcode) { h[0] = h[0]&^opcodeMask | byte(o)&opcodeMask }

// Immediate gives the I bit.
func (h *BHS) Immediate() bool { return h[0]&bitImmediate != 0 }

// SetImmediate sets or clears the I bit.
func (h *BHS) SetImmediate(on bool) { h[0] = withBit(h[0], bitImmediate, on) }

// Final gives the F bit; in the login PDUs the same bit is T.
func (h *BHS) Final() bool { return h[1]&bitFinal != 0 }

// SetFinal sets or clears the F bit.
func (h *BHS) SetFinal(on bool) { h[1] = withBit(h[1], bitFinal, on) }

// TotalAHSLength gives the length of all additional header segments in bytes, 0 to 1020, a multiple of 4.
func (h *BHS) TotalAHSLength() int { return int(h[4]) * 4 }

// SetTotalAHSLength stores a length in bytes, rounded up to whole words. Only the low eight bits of the word count are kept.
func (h *BHS) SetTotalAHSLength(n int) { h[4] = byte((n + 3) / 4) }

// DataSegmentLength gives the length of the data segment in bytes, without padding and digest.
func (h *BHS) DataSegmentLength() int { return int(h[5])<<16 | int(h[6])<<8 | int(h[7]) }

// SetDataSegmentLength stores the low 24 bits of n.
func (h *BHS) SetDataSegmentLength(n int) { h[5], h[6], h[7] = byte(n>>16), byte(n>>8), byte(n) }

// LUN gives bytes 8 to 15 as one big-endian number: the LUN in the form that SAM-5 defines. Login PDUs keep ISID and TSIH there.
func (h *BHS) LUN() uint64 { return binary.BigEndian.Uint64(h[8:]) }

// SetLUN stores bytes 8 to 15.
func (h *BHS) SetLUN(lun uint64) { binary.BigEndian.PutUint64(h[8:], lun) }

// ITT gives the Initiator Task Tag.
func (h *BHS) ITT() uint32 { return h.word(16) }

// SetITT stores the Initiator Task Tag.
func (h *BHS) SetITT(tag uint32) { h.setWord(16, tag) }

// word reads the four bytes at offset i, in network byte order.
func (h *BHS) word(i int) uint32 { return binary.BigEndian.Uint32(h[i:]) }

func (h *BHS) setWord(i int, v uint32) { binary.BigEndian.PutUint32(h[i:], v) }

func (h *BHS) half(i int) uint16 { return binary.BigEndian.Uint16(h[i:]) }

func (h *BHS) setHalf(i int, v uint16) { binary.BigEndian.PutUint16(h[i:], v) }

// begin clears the header and fills the first eight bytes, so that every encoder starts from zeroed reserved fields.
func (h *BHS) begin(o Opcode, flags byte, ahs, data int) {
	*h = BHS{}
	h[0], h[1] = byte(o), flags
	h.SetTotalAHSLength(ahs)
	h.SetDataSegmentLength(data)
}

// want returns a *FormatError unless the header carries opcode o.
func (h *BHS) want(o Opcode) error {
	if h.Opcode() == o {
		return nil
	}
	return &FormatError{Opcode: h.Opcode(), Field: "Opcode", Got: h.Opcode().String(), Want: o.String(), Clause: "RFC 7143, Section 11.2.1.2"}
}

// setTargetNumbers stores StatSN, ExpCmdSN and MaxCmdSN, which every PDU of a target has at offset 24.
func (h *BHS) setTargetNumbers(statSN, expCmdSN, maxCmdSN uint32) {
	h.setWord(24, statSN)
	h.setWord(28, expCmdSN)
	h.setWord(32, maxCmdSN)
}

func (h *BHS) targetNumbers() (statSN, expCmdSN, maxCmdSN uint32) {
	return h.word(24), h.word(28), h.word(32)
}

func withBit(b, bit byte, on bool) byte {
	if on {
		return b | bit
	}
	return b &^ bit
}

// flag gives bit when on, so that a flags byte can be written as a sum of its bits.
func flag(bit byte, on bool) byte {
	if on {
		return bit
	}
	return 0
}
