package pdu

const bitContinue byte = 0x40

// TextRequest carries key=value text from the initiator in full feature phase. RFC 7143, Section 11.10.
type TextRequest struct {
	Immediate        bool
	Final            bool
	Continue         bool // the C bit: the text goes on in the next request
	LUN              uint64
	ITT, TTT         uint32
	CmdSN, ExpStatSN uint32
	Data             []byte
}

// Opcode is OpTextRequest.
func (*TextRequest) Opcode() Opcode { return OpTextRequest }

// EncodeBHS implements PDU.
func (p *TextRequest) EncodeBHS(h *BHS) {
	h.begin(OpTextRequest, flag(bitFinal, p.Final)|flag(bitContinue, p.Continue), 0, len(p.Data))
	h.SetImmediate(p.Immediate)
	h.SetLUN(p.LUN)
	h.SetITT(p.ITT)
	h.setWord(20, p.TTT)
	h.setWord(24, p.CmdSN)
	h.setWord(28, p.ExpStatSN)
}

// DecodeBHS implements PDU.
func (p *TextRequest) DecodeBHS(h *BHS) error {
	if err := h.want(OpTextRequest); err != nil {
		return err
	}
	p.Immediate, p.Final, p.Continue = h.Immediate(), h.Final(), h[1]&bitContinue != 0
	p.LUN, p.ITT, p.TTT = h.LUN(), h.ITT(), h.word(20)
	p.CmdSN, p.ExpStatSN = h.word(24), h.word(28)
	return nil
}

// Segments implements PDU.
func (p *TextRequest) Segments() (ahs, data []byte) { return nil, p.Data }

// SetSegments implements PDU.
func (p *TextRequest) SetSegments(_, data []byte) { p.Data = data }

// TextResponse answers a TextRequest. RFC 7143, Section 11.11.
type TextResponse struct {
	Final                      bool
	Continue                   bool // the C bit: the text goes on in the next response
	LUN                        uint64
	ITT, TTT                   uint32 // TTT is ReservedTag in the last response of an exchange
	StatSN, ExpCmdSN, MaxCmdSN uint32
	Data                       []byte
}

// Opcode is OpTextResponse.
func (*TextResponse) Opcode() Opcode { return OpTextResponse }

// EncodeBHS implements PDU.
func (p *TextResponse) EncodeBHS(h *BHS) {
	h.begin(OpTextResponse, flag(bitFinal, p.Final)|flag(bitContinue, p.Continue), 0, len(p.Data))
	h.SetLUN(p.LUN)
	h.SetITT(p.ITT)
	h.setWord(20, p.TTT)
	h.setTargetNumbers(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
}

// DecodeBHS implements PDU.
func (p *TextResponse) DecodeBHS(h *BHS) error {
	if err := h.want(OpTextResponse); err != nil {
		return err
	}
	p.Final, p.Continue = h.Final(), h[1]&bitContinue != 0
	p.LUN, p.ITT, p.TTT = h.LUN(), h.ITT(), h.word(20)
	p.StatSN, p.ExpCmdSN, p.MaxCmdSN = h.targetNumbers()
	return nil
}

// Segments implements PDU.
func (p *TextResponse) Segments() (ahs, data []byte) { return nil, p.Data }

// SetSegments implements PDU.
func (p *TextResponse) SetSegments(_, data []byte) { p.Data = data }
