package pdu

// R2T asks the initiator for the data of a write. RFC 7143, Section 11.8.
type R2T struct {
	LUN                       uint64
	ITT, TTT                  uint32
	StatSN                    uint32 // the next one to be used; an R2T does not advance it
	ExpCmdSN, MaxCmdSN        uint32
	R2TSN                     uint32
	BufferOffset              uint32 // bytes
	DesiredDataTransferLength uint32 // bytes, at least 1
}

// Opcode is OpR2T.
func (*R2T) Opcode() Opcode { return OpR2T }

// EncodeBHS implements PDU.
func (p *R2T) EncodeBHS(h *BHS) {
	h.begin(OpR2T, bitFinal, 0, 0)
	h.SetLUN(p.LUN)
	h.SetITT(p.ITT)
	h.setWord(20, p.TTT)
	h.setTargetNumbers(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	h.setWord(36, p.R2TSN)
	h.setWord(40, p.BufferOffset)
	h.setWord(44, p.DesiredDataTransferLength)
}

// DecodeBHS implements PDU.
func (p *R2T) DecodeBHS(h *BHS) error {
	if err := h.want(OpR2T); err != nil {
		return err
	}
	p.LUN, p.ITT, p.TTT = h.LUN(), h.ITT(), h.word(20)
	p.StatSN, p.ExpCmdSN, p.MaxCmdSN = h.targetNumbers()
	p.R2TSN, p.BufferOffset, p.DesiredDataTransferLength = h.word(36), h.word(40), h.word(44)
	return nil
}

// Segments implements PDU: there are none.
func (*R2T) Segments() (ahs, data []byte) { return nil, nil }

// SetSegments implements PDU: there are none.
func (*R2T) SetSegments(_, _ []byte) {}
