package scsi

import (
	"encoding/binary"
	"math"
)

// TestUnitReady builds a TEST UNIT READY CDB (SPC-4, Section 6.47).
func TestUnitReady() []byte { return make([]byte, 6) }

// RequestSense builds a REQUEST SENSE CDB that asks for fixed format sense data (SPC-4, Section 6.39).
func RequestSense(allocation uint8) []byte {
	return []byte{byte(OpRequestSense), 0, 0, 0, allocation, 0}
}

// Inquiry builds an INQUIRY CDB for the standard data (SPC-4, Section 6.6).
func Inquiry(allocation uint16) []byte {
	return []byte{byte(OpInquiry), 0, 0, byte(allocation >> 8), byte(allocation), 0}
}

// InquiryVPD builds an INQUIRY CDB for a vital product data page (SPC-4, Section 6.6).
func InquiryVPD(page VPDPage, allocation uint16) []byte {
	return []byte{byte(OpInquiry), 1, byte(page), byte(allocation >> 8), byte(allocation), 0}
}

// ReportLUNs builds a REPORT LUNS CDB (SPC-4, Section 6.33). The standard asks for an allocation of at least 16 bytes.
func ReportLUNs(report SelectReport, allocation uint32) []byte {
	cdb := make([]byte, 12)
	cdb[0], cdb[2] = byte(OpReportLUNs), byte(report)
	binary.BigEndian.PutUint32(cdb[6:], allocation)
	return cdb
}

// ReadCapacity10 builds a READ CAPACITY(10) CDB (SBC-3, Section 5.15). The answer has Capacity10Length bytes.
func ReadCapacity10() []byte {
	cdb := make([]byte, 10)
	cdb[0] = byte(OpReadCapacity10)
	return cdb
}

// ReadCapacity16 builds a READ CAPACITY(16) CDB (SBC-3, Section 5.16). The whole answer has Capacity16Length bytes.
func ReadCapacity16(allocation uint32) []byte {
	cdb := make([]byte, 16)
	cdb[0], cdb[1] = byte(OpServiceActionIn16), ServiceActionReadCapacity16
	binary.BigEndian.PutUint32(cdb[10:], allocation)
	return cdb
}

// Read6 builds a READ(6) CDB (SBC-3, Section 5.10). Only the lower 21 bits of lba are carried; blocks 0 stands for 256 blocks.
func Read6(lba uint32, blocks uint8) []byte { return transfer6(OpRead6, lba, blocks) }

// Write6 builds a WRITE(6) CDB (SBC-3, Section 5.31). Only the lower 21 bits of lba are carried; blocks 0 stands for 256 blocks.
func Write6(lba uint32, blocks uint8) []byte { return transfer6(OpWrite6, lba, blocks) }

func transfer6(op Opcode, lba uint32, blocks uint8) []byte {
	return []byte{byte(op), byte(lba>>16) & 0x1f, byte(lba >> 8), byte(lba), blocks, 0}
}

// Read10 builds a READ(10) CDB (SBC-3, Section 5.11). 0 blocks transfers nothing.
func Read10(lba uint32, blocks uint16) []byte { return transfer10(OpRead10, lba, blocks) }

// Write10 builds a WRITE(10) CDB (SBC-3, Section 5.32). 0 blocks transfers nothing.
func Write10(lba uint32, blocks uint16) []byte { return transfer10(OpWrite10, lba, blocks) }

// XDWriteRead10 builds an XDWRITEREAD(10) CDB (SBC-3, Section 5.43): as many bytes go to the device as come from it.
func XDWriteRead10(lba uint32, blocks uint16) []byte { return transfer10(OpXDWriteRead10, lba, blocks) }

// SynchronizeCache10 builds a SYNCHRONIZE CACHE(10) CDB (SBC-3, Section 5.24). 0 blocks means to the end of the medium.
func SynchronizeCache10(lba uint32, blocks uint16) []byte {
	return transfer10(OpSynchronizeCache10, lba, blocks)
}

// Verify10 builds a VERIFY(10) CDB without byte check, so without data-out (SBC-3, Section 5.27).
func Verify10(lba uint32, blocks uint16) []byte { return transfer10(OpVerify10, lba, blocks) }

// WriteSame10 builds a WRITE SAME(10) CDB; its data-out is one block. 0 blocks means to the end of the medium (SBC-3, Section 5.43).
func WriteSame10(lba uint32, blocks uint16) []byte { return transfer10(OpWriteSame10, lba, blocks) }

func transfer10(op Opcode, lba uint32, blocks uint16) []byte {
	cdb := make([]byte, 10)
	cdb[0] = byte(op)
	binary.BigEndian.PutUint32(cdb[2:], lba)
	binary.BigEndian.PutUint16(cdb[7:], blocks)
	return cdb
}

// Read12 builds a READ(12) CDB (SBC-3, Section 5.12).
func Read12(lba, blocks uint32) []byte { return transfer12(OpRead12, lba, blocks) }

// Write12 builds a WRITE(12) CDB (SBC-3, Section 5.33).
func Write12(lba, blocks uint32) []byte { return transfer12(OpWrite12, lba, blocks) }

func transfer12(op Opcode, lba, blocks uint32) []byte {
	cdb := make([]byte, 12)
	cdb[0] = byte(op)
	binary.BigEndian.PutUint32(cdb[2:], lba)
	binary.BigEndian.PutUint32(cdb[6:], blocks)
	return cdb
}

// Read16 builds a READ(16) CDB (SBC-3, Section 5.13).
func Read16(lba uint64, blocks uint32) []byte { return transfer16(OpRead16, lba, blocks) }

// Write16 builds a WRITE(16) CDB (SBC-3, Section 5.34).
func Write16(lba uint64, blocks uint32) []byte { return transfer16(OpWrite16, lba, blocks) }

// SynchronizeCache16 builds a SYNCHRONIZE CACHE(16) CDB (SBC-3, Section 5.25). 0 blocks means to the end of the medium.
func SynchronizeCache16(lba uint64, blocks uint32) []byte {
	return transfer16(OpSynchronizeCache16, lba, blocks)
}

// Verify16 builds a VERIFY(16) CDB without byte check, so without data-out (SBC-3, Section 5.29).
func Verify16(lba uint64, blocks uint32) []byte { return transfer16(OpVerify16, lba, blocks) }

// WriteSame16 builds a WRITE SAME(16) CDB; its data-out is one block. With unmap the device may deallocate the blocks instead
// (SBC-3, Section 5.44).
func WriteSame16(lba uint64, blocks uint32, unmap bool) []byte {
	cdb := transfer16(OpWriteSame16, lba, blocks)
	if unmap {
		cdb[1] |= 0x08
	}
	return cdb
}

func transfer16(op Opcode, lba uint64, blocks uint32) []byte {
	cdb := make([]byte, 16)
	cdb[0] = byte(op)
	binary.BigEndian.PutUint64(cdb[2:], lba)
	binary.BigEndian.PutUint32(cdb[10:], blocks)
	return cdb
}

// Read builds the shortest of READ(10) and READ(16) that can carry lba and blocks.
func Read(lba uint64, blocks uint32) []byte {
	if lba <= math.MaxUint32 && blocks <= math.MaxUint16 {
		return Read10(uint32(lba), uint16(blocks))
	}
	return Read16(lba, blocks)
}

// Write builds the shortest of WRITE(10) and WRITE(16) that can carry lba and blocks.
func Write(lba uint64, blocks uint32) []byte {
	if lba <= math.MaxUint32 && blocks <= math.MaxUint16 {
		return Write10(uint32(lba), uint16(blocks))
	}
	return Write16(lba, blocks)
}

// Unmap builds an UNMAP CDB for a parameter list of that many bytes (SBC-3, Section 5.26); see AppendUnmapList.
func Unmap(parameterList uint16) []byte {
	cdb := make([]byte, 10)
	cdb[0] = byte(OpUnmap)
	binary.BigEndian.PutUint16(cdb[7:], parameterList)
	return cdb
}

// StartStopUnit builds a START STOP UNIT CDB with power condition 0 (SBC-3, Section 5.23).
func StartStopUnit(start bool) []byte {
	cdb := []byte{byte(OpStartStopUnit), 0, 0, 0, 0, 0}
	if start {
		cdb[4] = 1
	}
	return cdb
}

// Reserve6 builds a RESERVE(6) CDB for the whole logical unit (SPC-2, Section 7.21).
func Reserve6() []byte { return []byte{byte(OpReserve6), 0, 0, 0, 0, 0} }

// Release6 builds a RELEASE(6) CDB for the whole logical unit (SPC-2, Section 7.17).
func Release6() []byte { return []byte{byte(OpRelease6), 0, 0, 0, 0, 0} }

// ModeSense6 builds a MODE SENSE(6) CDB for current values, block descriptors allowed (SPC-4, Section 6.13).
func ModeSense6(page ModePage, allocation uint8) []byte {
	return []byte{byte(OpModeSense6), 0, byte(page) & 0x3f, 0, allocation, 0}
}

// ModeSense10 builds a MODE SENSE(10) CDB for current values, block descriptors allowed (SPC-4, Section 6.14).
func ModeSense10(page ModePage, allocation uint16) []byte {
	cdb := make([]byte, 10)
	cdb[0], cdb[2] = byte(OpModeSense10), byte(page)&0x3f
	binary.BigEndian.PutUint16(cdb[7:], allocation)
	return cdb
}

// PersistentReserveIn builds a PERSISTENT RESERVE IN CDB (SPC-4, Section 6.15).
func PersistentReserveIn(action PersistentInAction, allocation uint16) []byte {
	cdb := make([]byte, 10)
	cdb[0], cdb[1] = byte(OpPersistentReserveIn), byte(action)&0x1f
	binary.BigEndian.PutUint16(cdb[7:], allocation)
	return cdb
}

// PersistentReserveOut builds a PERSISTENT RESERVE OUT CDB for a basic parameter list (SPC-4, Section 6.16); the scope is the
// logical unit. The data-out is a PersistentOutParameters.
func PersistentReserveOut(action PersistentOutAction, kind ReservationType) []byte {
	cdb := make([]byte, 10)
	cdb[0], cdb[1], cdb[2] = byte(OpPersistentReserveOut), byte(action)&0x1f, byte(kind)&0x0f
	binary.BigEndian.PutUint32(cdb[5:], PersistentOutLength)
	return cdb
}

// ReportSupportedOpcodes builds a REPORT SUPPORTED OPERATION CODES CDB that asks for all commands (SPC-4, Section 6.35).
func ReportSupportedOpcodes(allocation uint32) []byte {
	cdb := make([]byte, 12)
	cdb[0], cdb[1] = byte(OpMaintenanceIn), ServiceActionReportSupportedOpcodes
	binary.BigEndian.PutUint32(cdb[6:], allocation)
	return cdb
}

// ReportSupportedOpcode builds a REPORT SUPPORTED OPERATION CODES CDB about one operation code that has no service actions
// (SPC-4, Section 6.35, reporting options 001b).
func ReportSupportedOpcode(op Opcode, allocation uint32) []byte {
	cdb := ReportSupportedOpcodes(allocation)
	cdb[2], cdb[3] = 1, byte(op)
	return cdb
}
