package pdu

import "fmt"

// RejectReason tells why a target rejected a PDU. RFC 7143, Section 11.17.1.
type RejectReason byte

// The reject reasons.
const (
	RejectDataDigestError     RejectReason = 0x02
	RejectSNACK               RejectReason = 0x03
	RejectProtocolError       RejectReason = 0x04
	RejectCommandNotSupported RejectReason = 0x05
	RejectTooManyImmediate    RejectReason = 0x06
	RejectTaskInProgress      RejectReason = 0x07
	RejectInvalidDataACK      RejectReason = 0x08
	RejectInvalidPDUField     RejectReason = 0x09
	RejectLongOperation       RejectReason = 0x0a
	RejectNegotiationReset    RejectReason = 0x0b // deprecated by RFC 7143
	RejectWaitingForLogout    RejectReason = 0x0c
)

var rejectReasonNames = [...]string{
	RejectDataDigestError: "data digest error", RejectSNACK: "SNACK reject", RejectProtocolError: "protocol error",
	RejectCommandNotSupported: "command not supported", RejectTooManyImmediate: "too many immediate commands",
	RejectTaskInProgress: "task in progress", RejectInvalidDataACK: "invalid data ack", RejectInvalidPDUField: "invalid PDU field",
	RejectLongOperation: "long operation reject", RejectNegotiationReset: "negotiation reset", RejectWaitingForLogout: "waiting for logout",
}

// String gives the reason in a few words.
func (r RejectReason) String() string {
	if int(r) < len(rejectReasonNames) && rejectReasonNames[r] != "" {
		return rejectReasonNames[r]
	}
	return fmt.Sprintf("reason 0x%02x", byte(r))
}

// Reject tells the initiator that a PDU of its was not accepted. RFC 7143, Section 11.17.
type Reject struct {
	Reason                     RejectReason
	StatSN, ExpCmdSN, MaxCmdSN uint32
	DataSN                     uint32 // DataSN or R2TSN expected, for a data digest error on Data-Out
	Data                       []byte // the header of the PDU that was rejected, and digests if the target wants so
}

// Opcode is OpReject.
func (*Reject) Opcode() Opcode { return OpReject }

// EncodeBHS implements PDU.
func (p *Reject) EncodeBHS(h *BHS) {
	h.begin(OpReject, bitFinal, 0, len(p.Data))
	h[2] = byte(p.Reason)
	h.SetITT(ReservedTag)
	h.setTargetNumbers(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	h.setWord(36, p.DataSN)
}

// DecodeBHS implements PDU.
func (p *Reject) DecodeBHS(h *BHS) error {
	if err := h.want(OpReject); err != nil {
		return err
	}
	p.Reason = RejectReason(h[2])
	p.StatSN, p.ExpCmdSN, p.MaxCmdSN = h.targetNumbers()
	p.DataSN = h.word(36)
	return nil
}

// Segments implements PDU.
func (p *Reject) Segments() (ahs, data []byte) { return nil, p.Data }

// SetSegments implements PDU.
func (p *Reject) SetSegments(_, data []byte) { p.Data = data }

// Rejected gives the basic header segment of the PDU that was rejected, or false when the data segment is too short to hold one.
func (p *Reject) Rejected() (BHS, bool) {
	if len(p.Data) < BHSLength {
		return BHS{}, false
	}
	return BHS(p.Data[:BHSLength]), true
}
