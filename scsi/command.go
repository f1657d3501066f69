package scsi

import "encoding/binary"

// Direction is where a command's data go, seen from the application client.
type Direction byte

// The directions.
const (
	NoData  Direction = iota
	DataIn            // from the device: iSCSI's R bit
	DataOut           // to the device: iSCSI's W bit
	// Bidirectional is both: as many bytes to the device as from it.
	Bidirectional
)

// String names the direction.
func (d Direction) String() string {
	switch d {
	case DataIn:
		return "data-in"
	case DataOut:
		return "data-out"
	case Bidirectional:
		return "both directions"
	}
	return "no data"
}

// Command is a parsed CDB: the fields of all commands of this package side by side, those that the command lacks being zero.
type Command struct {
	Opcode        Opcode
	ServiceAction byte // of the operation codes that have service actions
	Control       byte

	LBA    uint64 // first block
	Blocks uint32 // number of blocks; READ(6) and WRITE(6) carry 256 as 0, which is undone here

	Length uint32 // allocation length (data-in) or parameter list length (data-out), bytes

	EVPD             bool        // INQUIRY
	Page             byte        // page code of INQUIRY and MODE SENSE
	Subpage          byte        // MODE SENSE
	PageControl      PageControl // MODE SENSE
	NoBlockDesc      bool        // DBD of MODE SENSE
	DescriptorSense  bool        // DESC of REQUEST SENSE
	Report           SelectReport
	ForceUnitAccess  bool // FUA
	DisablePageOut   bool // DPO
	DisableWrite     bool // XDWRITEREAD(10)
	Protect          byte // RDPROTECT, WRPROTECT, VRPROTECT
	ByteCheck        byte // BYTCHK of VERIFY, 0 to 3
	Immediate        bool // IMMED of SYNCHRONIZE CACHE, PRE-FETCH, SANITIZE and START STOP UNIT
	Unmap            bool // of WRITE SAME
	Anchor           bool // of WRITE SAME and UNMAP
	NoDataOut        bool // NDOB of WRITE SAME(16)
	Start            bool // START STOP UNIT
	LoadEject        bool // START STOP UNIT
	PowerCondition   byte // START STOP UNIT
	ThirdParty       bool // RESERVE and RELEASE with the third-party, extent or LongID bit, obsolete forms
	Prevent          byte // PREVENT ALLOW MEDIUM REMOVAL, 2 bits
	PageFormat       bool // PF of MODE SELECT
	SavePages        bool // SP of MODE SELECT and LOG SENSE
	SelfTest         bool // SELFTEST of SEND DIAGNOSTIC
	SelfTestCode     byte // of SEND DIAGNOSTIC, 3 bits
	AtomicBoundary   uint16
	ListID           byte // of RECEIVE COPY RESULTS
	Extended         byte // PARAMETER DATA FORMAT of REPORT TARGET PORT GROUPS, RETD (1) of REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS
	DefectLists      byte // READ DEFECT DATA: bit 4 asks for the primary list, bit 3 for the grown one, bits 2 to 0 are the format
	ReservationScope byte
	ReservationType  ReservationType
	ReportOptions    byte   // REPORT SUPPORTED OPERATION CODES
	WithTimeouts     bool   // RCTD of the same
	RequestedOpcode  Opcode // of the same
	RequestedAction  uint16 // of the same
}

// ParseCommand reads a CDB of any command that this package builds; bytes beyond the command's own length are ignored, as iSCSI pads
// CDBs to 16 bytes. An unknown operation code or service action, or a CDB that is too short, is a *CDBError.
func ParseCommand(cdb []byte) (Command, error) {
	if len(cdb) == 0 {
		return Command{}, &CDBError{Code: InvalidFieldInCDB, Want: "at least 6 bytes"}
	}
	c := Command{Opcode: Opcode(cdb[0])}
	length := c.Opcode.CDBLength()
	if length == 0 {
		return c, &CDBError{Opcode: c.Opcode, Code: InvalidOpcode, Want: "a known operation code"}
	}
	if len(cdb) < length {
		return c, &CDBError{Opcode: c.Opcode, Code: InvalidFieldInCDB, Byte: len(cdb), Want: "a whole CDB"}
	}
	cdb = cdb[:length]
	c.Control = cdb[length-1]
	switch length {
	case 6:
		return c, c.parse6(cdb)
	case 10:
		return c, c.parse10(cdb)
	case 12:
		return c, c.parse12(cdb)
	}
	return c, c.parse16(cdb)
}

func (c *Command) parse6(cdb []byte) error {
	switch c.Opcode {
	case OpTestUnitReady:
	case OpRequestSense:
		c.DescriptorSense, c.Length = cdb[1]&1 != 0, uint32(cdb[4])
	case OpRead6, OpWrite6:
		c.LBA = uint64(binary.BigEndian.Uint32(cdb) & 0x1fffff)
		c.Blocks = uint32(cdb[4])
		if c.Blocks == 0 {
			c.Blocks = 256
		}
	case OpInquiry:
		c.EVPD, c.Page, c.Length = cdb[1]&1 != 0, cdb[2], uint32(binary.BigEndian.Uint16(cdb[3:]))
	case OpReserve6, OpRelease6:
		c.ThirdParty = cdb[1]&0x11 != 0
	case OpSendDiagnostic:
		c.SelfTestCode, c.SelfTest, c.Length = cdb[1]>>5, cdb[1]&4 != 0, uint32(binary.BigEndian.Uint16(cdb[3:]))
	case OpModeSense6:
		c.NoBlockDesc, c.PageControl, c.Page, c.Subpage = cdb[1]&8 != 0, PageControl(cdb[2]>>6), cdb[2]&0x3f, cdb[3]
		c.Length = uint32(cdb[4])
	case OpModeSelect6:
		c.PageFormat, c.SavePages, c.Length = cdb[1]&0x10 != 0, cdb[1]&1 != 0, uint32(cdb[4])
	case OpStartStopUnit:
		c.Immediate, c.PowerCondition = cdb[1]&1 != 0, cdb[4]>>4
		c.LoadEject, c.Start = cdb[4]&2 != 0, cdb[4]&1 != 0
	case OpPreventAllowRemoval:
		c.Prevent = cdb[4] & 3
	default:
		return c.unknown(0)
	}
	return nil
}

func (c *Command) parse10(cdb []byte) error {
	c.LBA = uint64(binary.BigEndian.Uint32(cdb[2:]))
	length := binary.BigEndian.Uint16(cdb[7:])
	c.Blocks = uint32(length)
	switch c.Opcode {
	case OpRead10, OpWrite10, OpVerify10, OpSynchronizeCache10, OpWriteSame10, OpWriteVerify10, OpPreFetch10, OpXDWriteRead10:
		c.parseBlockFlags(cdb[1])
		return nil
	case OpReadCapacity10:
		c.Blocks = 0
		return nil
	}
	c.LBA, c.Blocks, c.Length = 0, 0, uint32(length)
	switch c.Opcode {
	case OpUnmap:
		c.Anchor = cdb[1]&1 != 0
	case OpModeSense10:
		c.NoBlockDesc, c.PageControl, c.Page, c.Subpage = cdb[1]&8 != 0, PageControl(cdb[2]>>6), cdb[2]&0x3f, cdb[3]
	case OpModeSelect10:
		c.PageFormat, c.SavePages = cdb[1]&0x10 != 0, cdb[1]&1 != 0
	case OpReserve10, OpRelease10:
		c.ThirdParty = cdb[1]&0x13 != 0
	case OpReadDefectData10:
		c.DefectLists = cdb[2] & 0x1f
	case OpLogSense:
		c.SavePages, c.PageControl, c.Page, c.Subpage = cdb[1]&1 != 0, PageControl(cdb[2]>>6), cdb[2]&0x3f, cdb[3]
	case OpSanitize:
		return c.parseSanitize(cdb[1])
	case OpPersistentReserveIn:
		c.ServiceAction = cdb[1] & 0x1f
	case OpPersistentReserveOut:
		c.ServiceAction, c.ReservationScope, c.ReservationType = cdb[1]&0x1f, cdb[2]>>4, ReservationType(cdb[2]&0xf)
		c.Length = binary.BigEndian.Uint32(cdb[5:])
	default:
		return c.unknown(0)
	}
	return nil
}

func (c *Command) parseSanitize(flags byte) error {
	c.Immediate, c.ServiceAction = flags&0x80 != 0, flags&0x1f
	switch c.ServiceAction {
	case ServiceActionSanitizeOverwrite, ServiceActionSanitizeBlockErase, ServiceActionSanitizeCryptoErase, ServiceActionSanitizeExitFailure:
		return nil
	}
	return c.unknown(1)
}

func (c *Command) parse12(cdb []byte) error {
	c.Length = binary.BigEndian.Uint32(cdb[6:])
	switch c.Opcode {
	case OpRead12, OpWrite12, OpVerify12, OpWriteVerify12:
		c.LBA, c.Blocks, c.Length = uint64(binary.BigEndian.Uint32(cdb[2:])), c.Length, 0
		c.parseBlockFlags(cdb[1])
	case OpReportLUNs:
		c.Report = SelectReport(cdb[2])
	case OpReadDefectData12:
		c.DefectLists = cdb[1] & 0x1f
	case OpMaintenanceIn:
		return c.parseMaintenanceIn(cdb)
	case OpMaintenanceOut:
		if c.ServiceAction = cdb[1] & 0x1f; c.ServiceAction != ServiceActionSetPortGroups {
			return c.unknown(1)
		}
	default:
		return c.unknown(0)
	}
	return nil
}

func (c *Command) parseMaintenanceIn(cdb []byte) error {
	c.ServiceAction = cdb[1] & 0x1f
	switch c.ServiceAction {
	case ServiceActionReportPortGroups:
		c.Extended = cdb[1] >> 5
	case ServiceActionReportSupportedTMFs:
		c.Extended = cdb[2] >> 7
	case ServiceActionReportSupportedOpcodes:
		c.WithTimeouts, c.ReportOptions = cdb[2]&0x80 != 0, cdb[2]&7
		c.RequestedOpcode, c.RequestedAction = Opcode(cdb[3]), binary.BigEndian.Uint16(cdb[4:])
	default:
		return c.unknown(1)
	}
	return nil
}

func (c *Command) parse16(cdb []byte) error {
	c.LBA, c.Blocks = binary.BigEndian.Uint64(cdb[2:]), binary.BigEndian.Uint32(cdb[10:])
	switch c.Opcode {
	case OpRead16, OpWrite16, OpVerify16, OpSynchronizeCache16, OpWriteSame16, OpWriteVerify16, OpORWrite16, OpPreFetch16:
		c.parseBlockFlags(cdb[1])
	case OpCompareAndWrite:
		c.Blocks = uint32(cdb[13])
		c.parseBlockFlags(cdb[1])
	case OpWriteAtomic16:
		c.AtomicBoundary, c.Blocks = binary.BigEndian.Uint16(cdb[10:]), uint32(binary.BigEndian.Uint16(cdb[12:]))
		c.parseBlockFlags(cdb[1])
	case OpExtendedCopy, OpReceiveCopyResults:
		return c.parseCopy(cdb)
	case OpServiceActionIn16:
		c.Length, c.Blocks = c.Blocks, 0
		c.ServiceAction = cdb[1] & 0x1f
		switch c.ServiceAction {
		case ServiceActionReadCapacity16:
			c.LBA = 0
		case ServiceActionGetLBAStatus:
		default:
			return c.unknown(1)
		}
	default:
		return c.unknown(0)
	}
	return nil
}

// parseCopy reads the CDBs of third-party copies: EXTENDED COPY in its LID1 form, and what asks for its results.
func (c *Command) parseCopy(cdb []byte) error {
	c.ServiceAction, c.Length, c.LBA, c.Blocks = cdb[1]&0x1f, c.Blocks, 0, 0
	if c.Opcode == OpReceiveCopyResults {
		c.ListID = cdb[2]
		if c.ServiceAction != ServiceActionCopyStatus && c.ServiceAction != ServiceActionCopyParameters {
			return c.unknown(1)
		}
		return nil
	}
	if c.ServiceAction != 0 {
		return c.unknown(1)
	}
	return nil
}

// parseBlockFlags reads byte 1 of the commands that address blocks; the same bit means different things to different commands.
func (c *Command) parseBlockFlags(flags byte) {
	switch c.Opcode {
	case OpSynchronizeCache10, OpSynchronizeCache16, OpPreFetch10, OpPreFetch16:
		c.Immediate = flags&2 != 0
		return
	case OpVerify10, OpVerify12, OpVerify16, OpWriteVerify10, OpWriteVerify12, OpWriteVerify16:
		c.ByteCheck, c.DisablePageOut = flags>>1&3, flags&0x10 != 0
	case OpWriteSame10, OpWriteSame16:
		c.Anchor, c.Unmap = flags&0x10 != 0, flags&8 != 0
		c.NoDataOut = c.Opcode == OpWriteSame16 && flags&1 != 0
	case OpXDWriteRead10:
		c.DisableWrite = flags&4 != 0
		fallthrough
	default:
		c.ForceUnitAccess, c.DisablePageOut = flags&8 != 0, flags&0x10 != 0
	}
	c.Protect = flags >> 5
}

// unknown is about the operation code (byte 0) or, SPC-4 asks so, an unknown service action as a field of the CDB (byte 1).
func (c *Command) unknown(at int) error {
	if at == 0 {
		return &CDBError{Opcode: c.Opcode, Code: InvalidOpcode, Want: "a known operation code"}
	}
	return &CDBError{Opcode: c.Opcode, Code: InvalidFieldInCDB, Byte: at, Want: "a known service action"}
}

// Transfer returns the direction of the command's data and the number of bytes that its CDB asks for, on a medium with blocks of
// blockSize bytes. For data-in commands with an allocation length that is the most that can come.
func (c Command) Transfer(blockSize uint32) (Direction, uint64) {
	blocks := uint64(c.Blocks) * uint64(blockSize)
	switch c.Opcode {
	case OpRead6, OpRead10, OpRead12, OpRead16:
		return direction(DataIn, blocks)
	case OpWrite6, OpWrite10, OpWrite12, OpWrite16, OpWriteVerify10, OpWriteVerify12, OpWriteVerify16, OpORWrite16, OpWriteAtomic16:
		return direction(DataOut, blocks)
	case OpXDWriteRead10:
		return direction(Bidirectional, blocks)
	case OpCompareAndWrite: // what to compare with, and what to write
		return direction(DataOut, 2*blocks)
	case OpVerify10, OpVerify12, OpVerify16:
		switch c.ByteCheck {
		case 1:
			return direction(DataOut, blocks)
		case 3:
			return direction(DataOut, min(blocks, uint64(blockSize)))
		}
		return NoData, 0
	case OpWriteSame10, OpWriteSame16:
		if c.NoDataOut {
			return NoData, 0
		}
		return DataOut, uint64(blockSize)
	case OpReadCapacity10:
		return DataIn, Capacity10Length
	case OpInquiry, OpRequestSense, OpModeSense6, OpModeSense10, OpServiceActionIn16, OpReportLUNs, OpMaintenanceIn, OpPersistentReserveIn,
		OpReadDefectData10, OpReadDefectData12, OpLogSense, OpReceiveCopyResults:
		return direction(DataIn, uint64(c.Length))
	case OpModeSelect6, OpModeSelect10, OpUnmap, OpPersistentReserveOut, OpSendDiagnostic, OpSanitize, OpReserve10, OpRelease10,
		OpExtendedCopy, OpMaintenanceOut:
		return direction(DataOut, uint64(c.Length))
	}
	return NoData, 0
}

func direction(d Direction, n uint64) (Direction, uint64) {
	if n == 0 {
		return NoData, 0
	}
	return d, n
}
