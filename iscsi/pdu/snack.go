package pdu

import "fmt"

// SNACKType tells what a SNACK Request asks for. RFC 7143, Section 11.16.1.
type SNACKType byte

// The SNACK types.
const (
	SNACKData    SNACKType = 0 // Data-In or R2T PDUs again
	SNACKStatus  SNACKType = 1 // responses again
	SNACKDataACK SNACKType = 2 // acknowledges Data-In PDUs
	SNACKRData   SNACKType = 3 // Data-In PDUs again, perhaps cut anew
)

// String gives the type's name.
func (t SNACKType) String() string {
	names := [...]string{"Data/R2T", "Status", "DataACK", "R-Data"}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("type %d", byte(t))
}

// SNACKRequest asks for PDUs again or acknowledges them. RFC 7143, Section 11.16.
type SNACKRequest struct {
	Type      SNACKType // 0 to 15
	LUN       uint64
	ITT       uint32
	TTT       uint32 // Target Transfer Tag, or the SNACK Tag of an R-Data SNACK
	ExpStatSN uint32
	BegRun    uint32
	RunLength uint32 // 0: all from BegRun on
}

// Opcode is OpSNACKRequest.
func (*SNACKRequest) Opcode() Opcode { return OpSNACKRequest }

// EncodeBHS implements PDU.
func (p *SNACKRequest) EncodeBHS(h *BHS) {
	h.begin(OpSNACKRequest, bitFinal|byte(p.Type)&0x0f, 0, 0)
	h.SetLUN(p.LUN)
	h.SetITT(p.ITT)
	h.setWord(20, p.TTT)
	h.setWord(28, p.ExpStatSN)
	h.setWord(40, p.BegRun)
	h.setWord(44, p.RunLength)
}

// DecodeBHS implements PDU.
func (p *SNACKRequest) DecodeBHS(h *BHS) error {
	if err := h.want(OpSNACKRequest); err != nil {
		return err
	}
	p.Type, p.LUN, p.ITT, p.TTT = SNACKType(h[1]&0x0f), h.LUN(), h.ITT(), h.word(20)
	p.ExpStatSN, p.BegRun, p.RunLength = h.word(28), h.word(40), h.word(44)
	return nil
}

// Segments implements PDU: there are none.
func (*SNACKRequest) Segments() (ahs, data []byte) { return nil, nil }

// SetSegments implements PDU: there are none.
func (*SNACKRequest) SetSegments(_, _ []byte) {}
