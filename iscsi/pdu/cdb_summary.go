package pdu

import (
	"encoding/binary"
	"fmt"
)

// cdbForm says where a command that moves blocks keeps its address and its count.
type cdbForm struct {
	name          string
	lba, lbaSize  int // offset and size in bytes; size 0: the command addresses no blocks
	count, number int
}

// cdbNames holds the commands that hosts send to disks, for one-line summaries only: package scsi knows what they mean.
var cdbNames = [256]cdbForm{
	0x00: {name: "TEST UNIT READY"},
	0x03: {name: "REQUEST SENSE"},
	0x08: {"READ(6)", 1, 3, 4, 1},
	0x0a: {"WRITE(6)", 1, 3, 4, 1},
	0x12: {name: "INQUIRY"},
	0x15: {name: "MODE SELECT(6)"},
	0x16: {name: "RESERVE(6)"},
	0x17: {name: "RELEASE(6)"},
	0x1a: {name: "MODE SENSE(6)"},
	0x1b: {name: "START STOP UNIT"},
	0x1d: {name: "SEND DIAGNOSTIC"},
	0x1e: {name: "PREVENT ALLOW MEDIUM REMOVAL"},
	0x25: {name: "READ CAPACITY(10)"},
	0x28: {"READ(10)", 2, 4, 7, 2},
	0x2a: {"WRITE(10)", 2, 4, 7, 2},
	0x2e: {"WRITE AND VERIFY(10)", 2, 4, 7, 2},
	0x2f: {"VERIFY(10)", 2, 4, 7, 2},
	0x35: {"SYNCHRONIZE CACHE(10)", 2, 4, 7, 2},
	0x41: {"WRITE SAME(10)", 2, 4, 7, 2},
	0x42: {name: "UNMAP"},
	0x55: {name: "MODE SELECT(10)"},
	0x5a: {name: "MODE SENSE(10)"},
	0x5e: {name: "PERSISTENT RESERVE IN"},
	0x5f: {name: "PERSISTENT RESERVE OUT"},
	0x88: {"READ(16)", 2, 8, 10, 4},
	0x89: {name: "COMPARE AND WRITE"},
	0x8a: {"WRITE(16)", 2, 8, 10, 4},
	0x8f: {"VERIFY(16)", 2, 8, 10, 4},
	0x91: {"SYNCHRONIZE CACHE(16)", 2, 8, 10, 4},
	0x93: {"WRITE SAME(16)", 2, 8, 10, 4},
	0x9e: {name: "SERVICE ACTION IN(16)"},
	0xa0: {name: "REPORT LUNS"},
	0xa3: {name: "MAINTENANCE IN"},
	0xa8: {"READ(12)", 2, 4, 6, 4},
	0xaa: {"WRITE(12)", 2, 4, 6, 4},
}

// cdbSummary names a command and, where it has them, its block address and count.
func cdbSummary(cdb []byte) string {
	f := cdbNames[cdb[0]]
	switch {
	case f.name == "":
		return fmt.Sprintf("CDB 0x%02x", cdb[0])
	case cdb[0] == 0x12 && cdb[1]&1 != 0:
		return fmt.Sprintf("INQUIRY page 0x%02x", cdb[2])
	case cdb[0] == 0x9e && cdb[1]&0x1f == 0x10:
		return "READ CAPACITY(16)"
	case f.lbaSize == 0:
		return f.name
	}
	return fmt.Sprintf("%s lba=%d blocks=%d", f.name, number(cdb[f.lba:f.lba+f.lbaSize]), number(cdb[f.count:f.count+f.number]))
}

func number(b []byte) uint64 {
	var wide [8]byte
	copy(wide[8-len(b):], b)
	return binary.BigEndian.Uint64(wide[:])
}

func statusName(s byte) string {
	switch s {
	case 0x00:
		return "GOOD"
	case 0x02:
		return "CHECK CONDITION"
	case 0x04:
		return "CONDITION MET"
	case 0x08:
		return "BUSY"
	case 0x18:
		return "RESERVATION CONFLICT"
	case 0x28:
		return "TASK SET FULL"
	case 0x30:
		return "ACA ACTIVE"
	case 0x40:
		return "TASK ABORTED"
	}
	return fmt.Sprintf("status 0x%02x", s)
}

// senseSummary gives key/ASC/ASCQ of fixed (0x70, 0x71) and descriptor (0x72, 0x73) sense data.
func senseSummary(sense []byte) string {
	switch code := sense[0] & 0x7f; {
	case (code == 0x70 || code == 0x71) && len(sense) >= 14:
		return fmt.Sprintf("%x/%02x/%02x", sense[2]&0x0f, sense[12], sense[13])
	case (code == 0x72 || code == 0x73) && len(sense) >= 4:
		return fmt.Sprintf("%x/%02x/%02x", sense[1]&0x0f, sense[2], sense[3])
	}
	return fmt.Sprintf("of %d bytes", len(sense))
}
