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
	OpSendDiagnostic       Opcode = 0x1d
	OpWriteVerify10        Opcode = 0x2e
	OpPreFetch10           Opcode = 0x34
	OpReadDefectData10     Opcode = 0x37
	OpSanitize             Opcode = 0x48
	OpLogSense             Opcode = 0x4d
	OpXDWriteRead10        Opcode = 0x53
	OpReserve10            Opcode = 0x56
	OpRelease10            Opcode = 0x57
	OpExtendedCopy         Opcode = 0x83
	OpReceiveCopyResults   Opcode = 0x84
	OpCompareAndWrite      Opcode = 0x89
	OpORWrite16            Opcode = 0x8b
	OpWriteVerify16        Opcode = 0x8e
	OpPreFetch16           Opcode = 0x90
	OpWriteAtomic16        Opcode = 0x9c
	OpMaintenanceOut       Opcode = 0xa4
	OpWriteVerify12        Opcode = 0xae
	OpVerify12             Opcode = 0xaf
	OpReadDefectData12     Opcode = 0xb7
)

// Service actions of the operation codes above that are told apart by one.
const (
	ServiceActionReadCapacity16         byte = 0x10 // of OpServiceActionIn16
	ServiceActionGetLBAStatus           byte = 0x12 // of OpServiceActionIn16
	ServiceActionReportPortGroups       byte = 0x0a // of OpMaintenanceIn
	ServiceActionReportSupportedOpcodes byte = 0x0c // of OpMaintenanceIn
	ServiceActionReportSupportedTMFs    byte = 0x0d // of OpMaintenanceIn
	ServiceActionSetPortGroups          byte = 0x0a // of OpMaintenanceOut
	ServiceActionCopyStatus             byte = 0x00 // of OpReceiveCopyResults
	ServiceActionCopyParameters         byte = 0x03 // of OpReceiveCopyResults
	ServiceActionSanitizeOverwrite      byte = 0x01 // of OpSanitize
	ServiceActionSanitizeBlockErase     byte = 0x02 // of OpSanitize
	ServiceActionSanitizeCryptoErase    byte = 0x03 // of OpSanitize
	ServiceActionSanitizeExitFailure    byte = 0x1f // of OpSanitize
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
	OpSendDiagnostic: "SEND DIAGNOSTIC", OpWriteVerify10: "WRITE AND VERIFY(10)", OpPreFetch10: "PRE-FETCH(10)",
	OpReadDefectData10: "READ DEFECT DATA(10)", OpSanitize: "SANITIZE", OpLogSense: "LOG SENSE", OpReserve10: "RESERVE(10)",
	OpRelease10: "RELEASE(10)", OpExtendedCopy: "EXTENDED COPY", OpReceiveCopyResults: "RECEIVE COPY RESULTS",
	OpCompareAndWrite: "COMPARE AND WRITE", OpORWrite16: "ORWRITE(16)", OpWriteVerify16: "WRITE AND VERIFY(16)",
	OpPreFetch16: "PRE-FETCH(16)", OpWriteAtomic16: "WRITE ATOMIC(16)", OpMaintenanceOut: "MAINTENANCE OUT", OpXDWriteRead10: "XDWRITEREAD(10)",
	OpWriteVerify12: "WRITE AND VERIFY(12)", OpVerify12: "VERIFY(12)", OpReadDefectData12: "READ DEFECT DATA(12)",
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
