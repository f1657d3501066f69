package scsi

import "fmt"

// Opcode is the first byte of a CDB (SPC-4, Section 4.2.5.1). Its upper three bits are the group code, which gives the CDB's length.
type Opcode byte

// The operation codes that this package builds and parses.
const (
	OpTestUnitReady        Opcode = 0x00
	OpRequestSense         Opcode = 0x03
	OpRead6                Opcode = 0x08
	OpWrite6               Opcode = 0x0a
	OpInquiry              Opcode = 0x12
	OpModeSelect6          Opcode = 0x15
	OpReserve6             Opcode = 0x16
	OpRelease6             Opcode = 0x17
	OpModeSense6           Opcode = 0x1a
	OpStartStopUnit        Opcode = 0x1b
	OpPreventAllowRemoval  Opcode = 0x1e
	OpReadCapacity10       Opcode = 0x25
	OpRead10               Opcode = 0x28
	OpWrite10              Opcode = 0x2a
	OpVerify10             Opcode = 0x2f
	OpSynchronizeCache10   Opcode = 0x35
	OpWriteSame10          Opcode = 0x41
	OpUnmap                Opcode = 0x42
	OpModeSelect10         Opcode = 0x55
	OpModeSense10          Opcode = 0x5a
	OpPersistentReserveIn  Opcode = 0x5e
	OpPersistentReserveOut Opcode = 0x5f
	OpRead16               Opcode = 0x88
	OpWrite16              Opcode = 0x8a
	OpVerify16             Opcode = 0x8f
	OpSynchronizeCache16   Opcode = 0x91
	OpWriteSame16          Opcode = 0x93
	OpServiceActionIn16    Opcode = 0x9e
	OpReportLUNs           Opcode = 0xa0
	OpMaintenanceIn        Opcode = 0xa3
	OpRead12               Opcode = 0xa8
	OpWrite12              Opcode = 0xaa
)

// Service actions of the operation codes above that are told apart by one.
const (
	ServiceActionReadCapacity16         byte = 0x10 // of OpServiceActionIn16
	ServiceActionGetLBAStatus           byte = 0x12 // of OpServiceActionIn16
	ServiceActionReportSupportedOpcodes byte = 0x0c // of OpMaintenanceIn
)

var opcodeNames = [256]string{
	OpTestUnitReady: "TEST UNIT READY", OpRequestSense: "REQUEST SENSE", OpRead6: "READ(6)", OpWrite6: "WRITE(6)",
	OpInquiry: "INQUIRY", OpModeSelect6: "MODE SELECT(6)", OpReserve6: "RESERVE(6)", OpRelease6: "RELEASE(6)",
	OpModeSense6: "MODE SENSE(6)", OpStartStopUnit: "START STOP UNIT", OpPreventAllowRemoval: "PREVENT ALLOW MEDIUM REMOVAL",
	OpReadCapacity10: "READ CAPACITY(10)", OpRead10: "READ(10)", OpWrite10: "WRITE(10)", OpVerify10: "VERIFY(10)",
	OpSynchronizeCache10: "SYNCHRONIZE CACHE(10)", OpWriteSame10: "WRITE SAME(10)", OpUnmap: "UNMAP",
	OpModeSelect10: "MODE SELECT(10)", OpModeSense10: "MODE SENSE(10)", OpPersistentReserveIn: "PERSISTENT RESERVE IN",
	OpPersistentReserveOut: "PERSISTENT RESERVE OUT", OpRead16: "READ(16)", OpWrite16: "WRITE(16)", OpVerify16: "VERIFY(16)",
	OpSynchronizeCache16: "SYNCHRONIZE CACHE(16)", OpWriteSame16: "WRITE SAME(16)", OpServiceActionIn16: "SERVICE ACTION IN(16)",
	OpReportLUNs: "REPORT LUNS", OpMaintenanceIn: "MAINTENANCE IN", OpRead12: "READ(12)", OpWrite12: "WRITE(12)",
}

// String names the operation code as the standards do, or gives its value when this package does not know it.
func (o Opcode) String() string {
	if name := opcodeNames[o]; name != "" {
		return name
	}
	return fmt.Sprintf("opcode 0x%02x", byte(o))
}

// CDBLength returns the number of bytes of a CDB with this operation code: 6, 10, 12 or 16, or 0 for the groups whose length the
// operation code does not tell (32-byte and vendor specific CDBs; SPC-4, Section 4.2.5.1).
func (o Opcode) CDBLength() int {
	switch o >> 5 {
	case 0:
		return 6
	case 1, 2:
		return 10
	case 4:
		return 16
	case 5:
		return 12
	}
	return 0
}
