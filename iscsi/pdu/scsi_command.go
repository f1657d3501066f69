package pdu

import "fmt"

// TaskAttribute is the three-bit ATTR field of a SCSI Command. RFC 7143, Section 11.3.1.
type TaskAttribute byte

// The task attributes.
const (
	AttrUntagged    TaskAttribute = 0
	AttrSimple      TaskAttribute = 1
	AttrOrdered     TaskAttribute = 2
	AttrHeadOfQueue TaskAttribute = 3
	AttrACA         TaskAttribute = 4
)

// String gives the attribute's name.
func (a TaskAttribute) String() string {
	names := [...]string{"untagged", "simple", "ordered", "head of queue", "ACA"}
	if int(a) < len(names) {
		return names[a]
	}
	return fmt.Sprintf("attribute %d", byte(a))
}

const (
	bitRead  byte = 0x40
	bitWrite byte = 0x20
)

// SCSICommand carries a command descriptor block to a logical unit, with immediate data when it is a write. RFC 7143, Section 11.3.
type SCSICommand struct {
	Immediate, Final, Read, Write bool
	Attr                          TaskAttribute // 0 to 7
	LUN                           uint64
	ITT                           uint32
	ExpectedDataTransferLength    uint32 // bytes; for a bidirectional command the write's
	CmdSN, ExpStatSN              uint32
	CDB                           [16]byte // zero-padded; the first 16 bytes of a longer one, whose rest is in AHS
	AHS                           []byte
	Data                          []byte // immediate data
}

// Opcode is OpSCSICommand.
func (*SCSICommand) Opcode() Opcode { return OpSCSICommand }

// EncodeBHS implements PDU.
func (p *SCSICommand) EncodeBHS(h *BHS) {
	h.begin(OpSCSICommand, flag(bitFinal, p.Final)|flag(bitRead, p.Read)|flag(bitWrite, p.Write)|byte(p.Attr)&7, len(p.AHS), len(p.Data))
	h.SetImmediate(p.Immediate)
	h.SetLUN(p.LUN)
	h.SetITT(p.ITT)
	h.setWord(20, p.ExpectedDataTransferLength)
	h.setWord(24, p.CmdSN)
	h.setWord(28, p.ExpStatSN)
	copy(h[32:], p.CDB[:])
}

// DecodeBHS implements PDU.
func (p *SCSICommand) DecodeBHS(h *BHS) error {
	if err := h.want(OpSCSICommand); err != nil {
		return err
	}
	p.Immediate, p.Final = h.Immediate(), h.Final()
	p.Read, p.Write = h[1]&bitRead != 0, h[1]&bitWrite != 0
	p.Attr = TaskAttribute(h[1] & 7)
	p.LUN, p.ITT = h.LUN(), h.ITT()
	p.ExpectedDataTransferLength, p.CmdSN, p.ExpStatSN = h.word(20), h.word(24), h.word(28)
	copy(p.CDB[:], h[32:])
	return nil
}

// Segments implements PDU.
func (p *SCSICommand) Segments() (ahs, data []byte) { return p.AHS, p.Data }

// SetSegments implements PDU.
func (p *SCSICommand) SetSegments(ahs, data []byte) { p.AHS, p.Data = ahs, data }

// SCSIResponseCode is the iSCSI service response of a SCSI Response. RFC 7143, Section 11.4.3.
type SCSIResponseCode byte

// The service responses.
const (
	ResponseCompleted     SCSIResponseCode = 0x00 // command completed at target: Status is valid
	ResponseTargetFailure SCSIResponseCode = 0x01 // the target failed to execute: Status is not valid
)

const (
	bitBidiOverflow  byte = 0x10
	bitBidiUnderflow byte = 0x08
	bitOverflow      byte = 0x04
	bitUnderflow     byte = 0x02
)

// SCSIResponse ends a task. RFC 7143, Section 11.4.
type SCSIResponse struct {
	BidiOverflow, BidiUnderflow          bool // the o and u bits: the read part of a bidirectional command
	Overflow, Underflow                  bool // the O and U bits
	Response                             SCSIResponseCode
	Status                               byte // SCSI status
	ITT, SNACKTag                        uint32
	StatSN, ExpCmdSN, MaxCmdSN           uint32
	ExpDataSN                            uint32 // number of R2T and Data-In PDUs that the target sent for the command
	BidiReadResidualCount, ResidualCount uint32 // bytes
	Data                                 []byte // sense length (2 bytes), sense data, response data
}

// Opcode is OpSCSIResponse.
func (*SCSIResponse) Opcode() Opcode { return OpSCSIResponse }

// EncodeBHS implements PDU.
func (p *SCSIResponse) EncodeBHS(h *BHS) {
	flags := bitFinal | flag(bitBidiOverflow, p.BidiOverflow) | flag(bitBidiUnderflow, p.BidiUnderflow) |
		flag(bitOverflow, p.Overflow) | flag(bitUnderflow, p.Underflow)
	h.begin(OpSCSIResponse, flags, 0, len(p.Data))
	h[2], h[3] = byte(p.Response), p.Status
	h.SetITT(p.ITT)
	h.setWord(20, p.SNACKTag)
	h.setTargetNumbers(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	h.setWord(36, p.ExpDataSN)
	h.setWord(40, p.BidiReadResidualCount)
	h.setWord(44, p.ResidualCount)
}

// DecodeBHS implements PDU.
func (p *SCSIResponse) DecodeBHS(h *BHS) error {
	if err := h.want(OpSCSIResponse); err != nil {
		return err
	}
	p.BidiOverflow, p.BidiUnderflow = h[1]&bitBidiOverflow != 0, h[1]&bitBidiUnderflow != 0
	p.Overflow, p.Underflow = h[1]&bitOverflow != 0, h[1]&bitUnderflow != 0
	p.Response, p.Status = SCSIResponseCode(h[2]), h[3]
	p.ITT, p.SNACKTag = h.ITT(), h.word(20)
	p.StatSN, p.ExpCmdSN, p.MaxCmdSN = h.targetNumbers()
	p.ExpDataSN, p.BidiReadResidualCount, p.ResidualCount = h.word(36), h.word(40), h.word(44)
	return nil
}

// Segments implements PDU.
func (p *SCSIResponse) Segments() (ahs, data []byte) { return nil, p.Data }

// SetSegments implements PDU.
func (p *SCSIResponse) SetSegments(_, data []byte) { p.Data = data }

// Sense gives the sense data, or nil when there is none or its length field does not fit the data segment. RFC 7143, Section 11.4.7.
func (p *SCSIResponse) Sense() []byte {
	if len(p.Data) < 2 {
		return nil
	}
	n := int(p.Data[0])<<8 | int(p.Data[1])
	if n == 0 || 2+n > len(p.Data) {
		return nil
	}
	return p.Data[2 : 2+n]
}

// SenseSegment gives a data segment that holds sense data and its length. Sense longer than 65535 bytes is cut.
func SenseSegment(sense []byte) []byte {
	n := min(len(sense), 0xffff)
	return append([]byte{byte(n >> 8), byte(n)}, sense[:n]...)
}
