package pdu

import "fmt"

// Stage is a two-bit login stage, CSG or NSG. RFC 7143, Section 11.12.3.
type Stage byte

// The login stages. Value 2 is reserved.
const (
	StageSecurity    Stage = 0
	StageOperational Stage = 1
	StageFullFeature Stage = 3
)

// String gives the stage in one or two words.
func (s Stage) String() string {
	switch s {
	case StageSecurity:
		return "security"
	case StageOperational:
		return "operational"
	case StageFullFeature:
		return "full feature"
	}
	return fmt.Sprintf("stage %d", byte(s))
}

const bitTransit byte = 0x80

func loginFlags(transit, cont bool, csg, nsg Stage) byte {
	return flag(bitTransit, transit) | flag(bitContinue, cont) | byte(csg)&3<<2 | byte(nsg)&3
}

// LoginRequest is one step of a login. RFC 7143, Section 11.12. Its opcode byte always carries the I bit.
type LoginRequest struct {
	Transit, Continue      bool // the T and C bits
	CSG, NSG               Stage
	VersionMax, VersionMin byte
	ISID                   [6]byte
	TSIH                   uint16 // 0: a new session
	ITT                    uint32
	CID                    uint16
	CmdSN, ExpStatSN       uint32
	Data                   []byte // key=value text
}

// Opcode is OpLoginRequest.
func (*LoginRequest) Opcode() Opcode { return OpLoginRequest }

// EncodeBHS implements PDU.
func (p *LoginRequest) EncodeBHS(h *BHS) {
	h.begin(OpLoginRequest, loginFlags(p.Transit, p.Continue, p.CSG, p.NSG), 0, len(p.Data))
	h.SetImmediate(true)
	h[2], h[3] = p.VersionMax, p.VersionMin
	copy(h[8:14], p.ISID[:])
	h.setHalf(14, p.TSIH)
	h.SetITT(p.ITT)
	h.setHalf(20, p.CID)
	h.setWord(24, p.CmdSN)
	h.setWord(28, p.ExpStatSN)
}

// DecodeBHS implements PDU.
func (p *LoginRequest) DecodeBHS(h *BHS) error {
	if err := h.want(OpLoginRequest); err != nil {
		return err
	}
	p.Transit, p.Continue = h[1]&bitTransit != 0, h[1]&bitContinue != 0
	p.CSG, p.NSG = Stage(h[1]>>2&3), Stage(h[1]&3)
	p.VersionMax, p.VersionMin = h[2], h[3]
	copy(p.ISID[:], h[8:14])
	p.TSIH, p.ITT, p.CID = h.half(14), h.ITT(), h.half(20)
	p.CmdSN, p.ExpStatSN = h.word(24), h.word(28)
	return nil
}

// Segments implements PDU.
func (p *LoginRequest) Segments() (ahs, data []byte) { return nil, p.Data }

// SetSegments implements PDU.
func (p *LoginRequest) SetSegments(_, data []byte) { p.Data = data }

// LoginResponse answers a LoginRequest. RFC 7143, Section 11.13.
type LoginResponse struct {
	Transit, Continue          bool // the T and C bits
	CSG, NSG                   Stage
	VersionMax, VersionActive  byte
	ISID                       [6]byte
	TSIH                       uint16
	ITT                        uint32
	StatSN, ExpCmdSN, MaxCmdSN uint32
	StatusClass, StatusDetail  byte
	Data                       []byte // key=value text
}

// Status gives class and detail as one number, such as 0x0101.
func (p *LoginResponse) Status() uint16 { return uint16(p.StatusClass)<<8 | uint16(p.StatusDetail) }

// SetStatus stores class and detail from one number, such as 0x0101.
func (p *LoginResponse) SetStatus(s uint16) { p.StatusClass, p.StatusDetail = byte(s>>8), byte(s) }

// Opcode is OpLoginResponse.
func (*LoginResponse) Opcode() Opcode { return OpLoginResponse }

// EncodeBHS implements PDU.
func (p *LoginResponse) EncodeBHS(h *BHS) {
	h.begin(OpLoginResponse, loginFlags(p.Transit, p.Continue, p.CSG, p.NSG), 0, len(p.Data))
	h[2], h[3] = p.VersionMax, p.VersionActive
	copy(h[8:14], p.ISID[:])
	h.setHalf(14, p.TSIH)
	h.SetITT(p.ITT)
	h.setTargetNumbers(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	h[36], h[37] = p.StatusClass, p.StatusDetail
}

// DecodeBHS implements PDU.
func (p *LoginResponse) DecodeBHS(h *BHS) error {
	if err := h.want(OpLoginResponse); err != nil {
		return err
	}
	p.Transit, p.Continue = h[1]&bitTransit != 0, h[1]&bitContinue != 0
	p.CSG, p.NSG = Stage(h[1]>>2&3), Stage(h[1]&3)
	p.VersionMax, p.VersionActive = h[2], h[3]
	copy(p.ISID[:], h[8:14])
	p.TSIH, p.ITT = h.half(14), h.ITT()
	p.StatSN, p.ExpCmdSN, p.MaxCmdSN = h.targetNumbers()
	p.StatusClass, p.StatusDetail = h[36], h[37]
	return nil
}

// Segments implements PDU.
func (p *LoginResponse) Segments() (ahs, data []byte) { return nil, p.Data }

// SetSegments implements PDU.
func (p *LoginResponse) SetSegments(_, data []byte) { p.Data = data }
