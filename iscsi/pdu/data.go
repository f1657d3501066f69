package pdu

// DataOut carries data from the initiator, unsolicited or in answer to an R2T. RFC 7143, Section 11.7.
type DataOut struct {
	Final        bool
	LUN          uint64 // meaningful when TTT is not ReservedTag
	ITT, TTT     uint32 // TTT is ReservedTag for unsolicited data
	ExpStatSN    uint32
	DataSN       uint32
	BufferOffset uint32 // bytes
	Data         []byte
}

// Opcode is OpDataOut.
func (*DataOut) Opcode() Opcode { return OpDataOut }

// EncodeBHS implements PDU.
func (p *DataOut) EncodeBHS(h *BHS) {
	h.begin(OpDataOut, flag(bitFinal, p.Final), 0, len(p.Data))
	h.SetLUN(p.LUN)
	h.SetITT(p.ITT)
	h.setWord(20, p.TTT)
	h.setWord(28, p.ExpStatSN)
	h.setWord(36, p.DataSN)
	h.setWord(40, p.BufferOffset)
}

// DecodeBHS implements PDU.
func (p *DataOut) DecodeBHS(h *BHS) error {
	if err := h.want(OpDataOut); err != nil {
		return err
	}
	p.Final, p.LUN, p.ITT, p.TTT = h.Final(), h.LUN(), h.ITT(), h.word(20)
	p.ExpStatSN, p.DataSN, p.BufferOffset = h.word(28), h.word(36), h.word(40)
	return nil
}

// Segments implements PDU.
func (p *DataOut) Segments() (ahs, data []byte) { return nil, p.Data }

// SetSegments implements PDU.
func (p *DataOut) SetSegments(_, data []byte) { p.Data = data }

const (
	bitAcknowledge byte = 0x40
	bitStatus      byte = 0x01
)

// DataIn carries data to the initiator, and at the end of a read that went well its status too. RFC 7143, Section 11.7.
type DataIn struct {
	Final               bool
	Acknowledge         bool // the A bit: asks for a SNACK of type DataACK
	Overflow, Underflow bool
	StatusPresent       bool // the S bit: Status, StatSN and Residual are valid
	Status              byte
	LUN                 uint64 // meaningful when TTT is not ReservedTag
	ITT, TTT            uint32
	StatSN              uint32
	ExpCmdSN, MaxCmdSN  uint32
	DataSN              uint32
	BufferOffset        uint32 // bytes
	ResidualCount       uint32 // bytes
	Data                []byte
}

// Opcode is OpDataIn.
func (*DataIn) Opcode() Opcode { return OpDataIn }

// EncodeBHS implements PDU.
func (p *DataIn) EncodeBHS(h *BHS) {
	flags := flag(bitFinal, p.Final) | flag(bitAcknowledge, p.Acknowledge) | flag(bitOverflow, p.Overflow) |
		flag(bitUnderflow, p.Underflow) | flag(bitStatus, p.StatusPresent)
	h.begin(OpDataIn, flags, 0, len(p.Data))
	h[3] = p.Status
	h.SetLUN(p.LUN)
	h.SetITT(p.ITT)
	h.setWord(20, p.TTT)
	h.setTargetNumbers(p.StatSN, p.ExpCmdSN, p.MaxCmdSN)
	h.setWord(36, p.DataSN)
	h.setWord(40, p.BufferOffset)
	h.setWord(44, p.ResidualCount)
}

// DecodeBHS implements PDU.
func (p *DataIn) DecodeBHS(h *BHS) error {
	if err := h.want(OpDataIn); err != nil {
		return err
	}
	p.Final, p.Acknowledge = h.Final(), h[1]&bitAcknowledge != 0
	p.Overflow, p.Underflow, p.StatusPresent = h[1]&bitOverflow != 0, h[1]&bitUnderflow != 0, h[1]&bitStatus != 0
	p.Status, p.LUN, p.ITT, p.TTT = h[3], h.LUN(), h.ITT(), h.word(20)
	p.StatSN, p.ExpCmdSN, p.MaxCmdSN = h.targetNumbers()
	p.DataSN, p.BufferOffset, p.ResidualCount = h.word(36), h.word(40), h.word(44)
	return nil
}

// Segments implements PDU.
func (p *DataIn) Segments() (ahs, data []byte) { return nil, p.Data }

// SetSegments implements PDU.
func (p *DataIn) SetSegments(_, data []byte) { p.Data = data }
