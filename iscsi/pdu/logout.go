package pdu

import "fmt"

// LogoutReason tells what a Logout Request ends. RFC 7143, Section 11.14.1.
type LogoutReason byte

// The logout reasons.
const (
	LogoutCloseSession      LogoutReason = 0
	LogoutCloseConnection   LogoutReason = 1
	LogoutRemoveForRecovery LogoutReason = 2
)

// String gives the reason in a few words.
func (r LogoutReason) String() string {
	names := [...]string{"close session", "close connection", "remove connection for recovery"}
	if int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("reason %d", byte(r))
}

// LogoutRequest asks the target to end a connection or the session in order. RFC 7143, Section 11.14.
type LogoutRequest struct {
	Immediate        bool
	Reason           LogoutReason // 0 to 127
	ITT              uint32
	CID              uint16 // the connection meant, unless the whole session is closed
	CmdSN, ExpStatSN uint32
}

// Opcode is OpLogoutRequest.
func (*LogoutRequest) Opcode() Opcode { return OpLogoutRequest }

// EncodeBHS implements PDU.
func (p *LogoutRequest) EncodeBHS(h *BHS) {
	h.begin(OpLogoutRequest, bitFinal|byte(p.Reason)&0x7f, 0, 0)
	h.SetImmediate(p.Immediate)
	h.SetITT(p.ITT)
	h.setHalf(20, p.CID)
	h.setWord(24, p.CmdSN)
	h.setWord(28, p.ExpStatSN)
}

// DecodeBHS implements PDU.
func (p *LogoutRequest) DecodeBHS(h *BHS) error {
	if err := h.want(OpLogoutRequest); err != nil {
		return err
	}
	p.Immediate, p.Reason = h.Immediate(), LogoutReason(h[1]&0x7f)
	p.ITT, p.CID = h.ITT(), h.half(20)
	p.CmdSN, p.ExpStatSN = h.word(24), h.word(28)
	return nil
}

// Segments implements PDU: there are none.
func (*LogoutRequest) Segments() (ahs, data []byte) { return nil, nil }

// SetSegments implements PDU: there are none.
func (*LogoutRequest) SetSegments(_, _ []byte) {}

// LogoutResponseCode is the outcome of a logout. RFC 7143, Section 11.15.1.
type LogoutResponseCode byte

// The outcomes of a logout.
const (
	LogoutSuccess              LogoutResponseCode = 0
	LogoutCIDNotFound          LogoutResponseCode = 1
	LogoutRecoveryNotSupported LogoutResponseCode = 2
	LogoutCleanupFailed        LogoutResponseCode = 3
)

// String gives the outcome in a few words.
func (r LogoutResponseCode) String() string {
	names := [...]string{"closed", "CID not found", "recovery not supported", "cleanup failed"}
	if int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("response %d", byte(r))
}

// LogoutResponse answers a LogoutRequest; the connection closes behind it. RFC 7143, Section 11.15.
type LogoutResponse struct {
	Response                   LogoutResponseCode
	ITT                        uint32
	StatSN, ExpCmdSN, MaxCmdSN uint32
	Time2Wait, Time2Retain     uint16 // seconds
}

// Opcode is OpLogoutResponse.
func (*LogoutResponse) Opcode() Opcode { return OpLogoutResponse }

// EncodeBHS implements PDU.
func (p *LogoutResponse) EncodeBHS(h *BHS) {
	h.begin(OpLogoutResponse, bitFinal, 0, 0)
	h[2] = byte(p.Response)
	h.SetITT(p.ITT)
	h.setTargetNumbers(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	h.setHalf(40, p.Time2Wait)
	h.setHalf(42, p.Time2Retain)
}

// DecodeBHS implements PDU.
func (p *LogoutResponse) DecodeBHS(h *BHS) error {
	if err := h.want(OpLogoutResponse); err != nil {
		return err
	}
	p.Response, p.ITT = LogoutResponseCode(h[2]), h.ITT()
	p.StatSN, p.ExpCmdSN, p.MaxCmdSN = h.targetNumbers()
	p.Time2Wait, p.Time2Retain = h.half(40), h.half(42)
	return nil
}

// Segments implements PDU: there are none.
func (*LogoutResponse) Segments() (ahs, data []byte) { return nil, nil }

// SetSegments implements PDU: there are none.
func (*LogoutResponse) SetSegments(_, _ []byte) {}
