package pdu

// NOPOut is a ping of the initiator, or its answer to a ping of the target. RFC 7143, Section 11.18.
type NOPOut struct {
	Immediate        bool
	LUN              uint64
	ITT              uint32 // ReservedTag: no answer is wanted
	TTT              uint32 // copied from the NOP-In that is answered, else ReservedTag
	CmdSN, ExpStatSN uint32
	Data             []byte // ping data
}

// Opcode is OpNOPOut.
func (*NOPOut) Opcode() Opcode { return OpNOPOut }

// EncodeBHS implements PDU.
func (p *NOPOut) EncodeBHS(h *BHS) {
	h.begin(OpNOPOut, bitFinal, 0, len(p.Data))
	h.SetImmediate(p.Immediate)
	h.SetLUN(p.LUN)
	h.SetITT(p.ITT)
	h.setWord(20, p.TTT)
	h.setWord(24, p.CmdSN)
	h.setWord(28, p.ExpStatSN)
}

// DecodeBHS implements PDU.
func (p *NOPOut) DecodeBHS(h *BHS) error {
	if err := h.want(OpNOPOut); err != nil {
		return err
	}
	p.Immediate, p.LUN, p.ITT, p.TTT = h.Immediate(), h.LUN(), h.ITT(), h.word(20)
	p.CmdSN, p.ExpStatSN = h.word(24), h.word(28)
	return nil
}

// Segments implements PDU.
func (p *NOPOut) Segments() (ahs, data []byte) { return nil, p.Data }

// SetSegments implements PDU.
func (p *NOPOut) SetSegments(_, data []byte) { p.Data = data }

// NOPIn is a ping of the target, or its answer to a ping of the initiator. RFC 7143, Section 11.19.
type NOPIn struct {
	LUN                uint64
	ITT                uint32 // copied from the NOP-Out that is answered, else ReservedTag
	TTT                uint32 // ReservedTag: no answer is wanted
	StatSN             uint32 // not advanced when ITT is ReservedTag
	ExpCmdSN, MaxCmdSN uint32
	Data               []byte // ping data returned
}

// Opcode is OpNOPIn.
func (*NOPIn) Opcode() Opcode { return OpNOPIn }

// EncodeBHS implements PDU.
func (p *NOPIn) EncodeBHS(h *BHS) {
	h.begin(OpNOPIn, bitFinal, 0, len(p.Data))
	h.SetLUN(p.LUN)
	h.SetITT(p.ITT)
	h.setWord(20, p.TTT)
	h.setTargetNumbers(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
}

// DecodeBHS implements PDU.
func (p *NOPIn) DecodeBHS(h *BHS) error {
	if err := h.want(OpNOPIn); err != nil {
		return err
	}
	p.LUN, p.ITT, p.TTT = h.LUN(), h.ITT(), h.word(20)
	p.StatSN, p.ExpCmdSN, p.MaxCmdSN = h.targetNumbers()
	return nil
}

// Segments implements PDU.
func (p *NOPIn) Segments() (ahs, data []byte) { return nil, p.Data }

// SetSegments implements PDU.
func (p *NOPIn) SetSegments(_, data []byte) { p.Data = data }
