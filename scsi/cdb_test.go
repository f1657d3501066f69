package scsi

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// commands holds every builder's bytes, written by hand, beside what ParseCommand makes of them.
var commands = []struct {
	name   string
	got    []byte
	bytes  []byte
	parsed Command
}{
	{"TEST UNIT READY", TestUnitReady(), []byte{0x00, 0, 0, 0, 0, 0}, Command{Opcode: OpTestUnitReady}},
	{"REQUEST SENSE", RequestSense(252), []byte{0x03, 0, 0, 0, 252, 0}, Command{Opcode: OpRequestSense, Length: 252}},
	{"INQUIRY", Inquiry(0x0102), []byte{0x12, 0, 0, 1, 2, 0}, Command{Opcode: OpInquiry, Length: 0x102}},
	{"INQUIRY of a VPD page", InquiryVPD(VPDDeviceIdentification, 255), []byte{0x12, 1, 0x83, 0, 255, 0},
		Command{Opcode: OpInquiry, EVPD: true, Page: 0x83, Length: 255}},
	{"REPORT LUNS", ReportLUNs(ReportAll, 0x01020304), []byte{0xa0, 0, 2, 0, 0, 0, 1, 2, 3, 4, 0, 0},
		Command{Opcode: OpReportLUNs, Report: ReportAll, Length: 0x01020304}},
	{"READ CAPACITY(10)", ReadCapacity10(), []byte{0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0}, Command{Opcode: OpReadCapacity10}},
	{"READ CAPACITY(16)", ReadCapacity16(32), []byte{0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0},
		Command{Opcode: OpServiceActionIn16, ServiceAction: 0x10, Length: 32}},
	{"READ(6)", Read6(0x1fffff, 0), []byte{0x08, 0x1f, 0xff, 0xff, 0, 0}, Command{Opcode: OpRead6, LBA: 0x1fffff, Blocks: 256}},
	{"WRITE(6)", Write6(0x010203, 4), []byte{0x0a, 1, 2, 3, 4, 0}, Command{Opcode: OpWrite6, LBA: 0x010203, Blocks: 4}},
	{"READ(10)", Read10(0x01020304, 0x0506), []byte{0x28, 0, 1, 2, 3, 4, 0, 5, 6, 0}, Command{Opcode: OpRead10, LBA: 0x01020304, Blocks: 0x506}},
	{"WRITE(10)", Write10(0x01020304, 0x0506), []byte{0x2a, 0, 1, 2, 3, 4, 0, 5, 6, 0}, Command{Opcode: OpWrite10, LBA: 0x01020304, Blocks: 0x506}},
	{"SYNCHRONIZE CACHE(10)", SynchronizeCache10(1, 2), []byte{0x35, 0, 0, 0, 0, 1, 0, 0, 2, 0}, Command{Opcode: OpSynchronizeCache10, LBA: 1, Blocks: 2}},
	{"VERIFY(10)", Verify10(1, 2), []byte{0x2f, 0, 0, 0, 0, 1, 0, 0, 2, 0}, Command{Opcode: OpVerify10, LBA: 1, Blocks: 2}},
	{"WRITE SAME(10)", WriteSame10(1, 2), []byte{0x41, 0, 0, 0, 0, 1, 0, 0, 2, 0}, Command{Opcode: OpWriteSame10, LBA: 1, Blocks: 2}},
	{"READ(12)", Read12(0x01020304, 0x05060708), []byte{0xa8, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0}, Command{Opcode: OpRead12, LBA: 0x01020304, Blocks: 0x05060708}},
	{"WRITE(12)", Write12(0x01020304, 0x05060708), []byte{0xaa, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0}, Command{Opcode: OpWrite12, LBA: 0x01020304, Blocks: 0x05060708}},
	{"READ(16)", Read16(0x0102030405060708, 0x090a0b0c), []byte{0x88, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0},
		Command{Opcode: OpRead16, LBA: 0x0102030405060708, Blocks: 0x090a0b0c}},
	{"WRITE(16)", Write16(1, 2), []byte{0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0}, Command{Opcode: OpWrite16, LBA: 1, Blocks: 2}},
	{"SYNCHRONIZE CACHE(16)", SynchronizeCache16(1, 2), []byte{0x91, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0}, Command{Opcode: OpSynchronizeCache16, LBA: 1, Blocks: 2}},
	{"VERIFY(16)", Verify16(1, 2), []byte{0x8f, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0}, Command{Opcode: OpVerify16, LBA: 1, Blocks: 2}},
	{"WRITE SAME(16)", WriteSame16(1, 2, true), []byte{0x93, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0}, Command{Opcode: OpWriteSame16, LBA: 1, Blocks: 2, Unmap: true}},
	{"UNMAP", Unmap(24), []byte{0x42, 0, 0, 0, 0, 0, 0, 0, 24, 0}, Command{Opcode: OpUnmap, Length: 24}},
	{"START STOP UNIT", StartStopUnit(true), []byte{0x1b, 0, 0, 0, 1, 0}, Command{Opcode: OpStartStopUnit, Start: true}},
	{"RESERVE(6)", Reserve6(), []byte{0x16, 0, 0, 0, 0, 0}, Command{Opcode: OpReserve6}},
	{"RELEASE(6)", Release6(), []byte{0x17, 0, 0, 0, 0, 0}, Command{Opcode: OpRelease6}},
	{"MODE SENSE(6)", ModeSense6(ModePageAll, 192), []byte{0x1a, 0, 0x3f, 0, 192, 0}, Command{Opcode: OpModeSense6, Page: 0x3f, Length: 192}},
	{"MODE SENSE(10)", ModeSense10(ModePageCaching, 0x0102), []byte{0x5a, 0, 8, 0, 0, 0, 0, 1, 2, 0}, Command{Opcode: OpModeSense10, Page: 8, Length: 0x102}},
	{"PERSISTENT RESERVE IN", PersistentReserveIn(ReadFullStatus, 512), []byte{0x5e, 3, 0, 0, 0, 0, 0, 2, 0, 0},
		Command{Opcode: OpPersistentReserveIn, ServiceAction: 3, Length: 512}},
	{"PERSISTENT RESERVE OUT", PersistentReserveOut(PersistentReserve, ExclusiveAccess), []byte{0x5f, 1, 3, 0, 0, 0, 0, 0, 24, 0},
		Command{Opcode: OpPersistentReserveOut, ServiceAction: 1, ReservationType: ExclusiveAccess, Length: 24}},
	{"REPORT SUPPORTED OPERATION CODES", ReportSupportedOpcodes(1024), []byte{0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0},
		Command{Opcode: OpMaintenanceIn, ServiceAction: 0x0c, Length: 1024}},
	{"REPORT SUPPORTED OPERATION CODES of one", ReportSupportedOpcode(OpUnmap, 64), []byte{0xa3, 0x0c, 1, 0x42, 0, 0, 0, 0, 0, 64, 0, 0},
		Command{Opcode: OpMaintenanceIn, ServiceAction: 0x0c, Length: 64, ReportOptions: 1, RequestedOpcode: OpUnmap}},
}

func TestCommands(t *testing.T) {
	for _, c := range commands {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.bytes, c.got); diff != "" {
				t.Errorf("built (-want +got):\n%s", diff)
			}
			padded := make([]byte, 16) // as iSCSI carries it
			copy(padded, c.bytes)
			got, err := ParseCommand(padded)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.parsed, got); diff != "" {
				t.Errorf("parsed (-want +got):\n%s", diff)
			}
			for i := range c.bytes {
				var bad *CDBError
				if _, err := ParseCommand(c.bytes[:i]); !errors.As(err, &bad) {
					t.Errorf("the first %d bytes: got %v, want a CDBError", i, err)
				}
			}
		})
	}
}

func TestFlagsOfBlockCommands(t *testing.T) {
	set := func(cdb []byte, flags byte) []byte { cdb[1] |= flags; return cdb }
	cases := []struct {
		cdb  []byte
		want Command
	}{
		{set(Read10(0, 1), 0x28), Command{Opcode: OpRead10, Blocks: 1, ForceUnitAccess: true, Protect: 1}},
		{set(Verify10(0, 1), 0x06), Command{Opcode: OpVerify10, Blocks: 1, ByteCheck: 3}},
		{set(SynchronizeCache10(0, 1), 0x02), Command{Opcode: OpSynchronizeCache10, Blocks: 1, Immediate: true}},
		{set(WriteSame16(0, 1, false), 0x19), Command{Opcode: OpWriteSame16, Blocks: 1, Anchor: true, Unmap: true, NoDataOut: true}},
		{set(WriteSame10(0, 1), 0x01), Command{Opcode: OpWriteSame10, Blocks: 1}}, // the bit is obsolete there
		{set(Reserve6(), 0x10), Command{Opcode: OpReserve6, ThirdParty: true}},
	}
	for _, c := range cases {
		got, err := ParseCommand(c.cdb)
		if err != nil {
			t.Errorf("% x: %v", c.cdb, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("% x (-want +got):\n%s", c.cdb, diff)
		}
	}
}

func TestUnknownCommands(t *testing.T) {
	cases := []struct {
		cdb  []byte
		code ASC
		at   int
	}{
		{[]byte{0x1c, 0, 0, 0, 0, 0}, InvalidOpcode, 0},
		{append([]byte{0x7f}, make([]byte, 31)...), InvalidOpcode, 0},
		{append([]byte{0xff}, make([]byte, 15)...), InvalidOpcode, 0},
		{append([]byte{0x9e, 0x13}, make([]byte, 14)...), InvalidFieldInCDB, 1},
		{append([]byte{0xa3, 0x05}, make([]byte, 10)...), InvalidFieldInCDB, 1},
	}
	for _, c := range cases {
		_, err := ParseCommand(c.cdb)
		var bad *CDBError
		if !errors.As(err, &bad) || bad.Code != c.code || bad.Byte != c.at {
			t.Errorf("% x: got %v, want %v at byte %d", c.cdb, err, c.code, c.at)
			continue
		}
		want := Sense{Key: IllegalRequest, Code: c.code, Pointer: FieldPointer{Valid: true, InCDB: true, Byte: uint16(c.at)}}
		if diff := cmp.Diff(want, bad.Sense()); diff != "" {
			t.Errorf("% x: sense (-want +got):\n%s", c.cdb, diff)
		}
	}
}

func TestTransfer(t *testing.T) {
	verify := Verify10(0, 3)
	verify[1] = 2
	verifySame := Verify10(0, 3)
	verifySame[1] = 6
	noData := WriteSame16(0, 9, true)
	noData[1] |= 1
	cases := []struct {
		cdb       []byte
		direction Direction
		bytes     uint64
	}{
		{TestUnitReady(), NoData, 0},
		{Read6(0, 0), DataIn, 256 * 512},
		{Read10(0, 0), NoData, 0},
		{Write16(0, 1<<31), DataOut, 1 << 40},
		{Verify10(0, 3), NoData, 0},
		{verify, DataOut, 3 * 512},
		{verifySame, DataOut, 512},
		{WriteSame10(0, 100), DataOut, 512},
		{noData, NoData, 0},
		{ReadCapacity10(), DataIn, 8},
		{ReadCapacity16(12), DataIn, 12},
		{GetLBAStatus(1, 24), DataIn, 24},
		{Inquiry(0), NoData, 0},
		{Inquiry(36), DataIn, 36},
		{Unmap(24), DataOut, 24},
		{PersistentReserveOut(PersistentRegister, 0), DataOut, 24},
		{SynchronizeCache10(0, 100), NoData, 0},
	}
	for _, c := range cases {
		command, err := ParseCommand(c.cdb)
		if err != nil {
			t.Fatal(err)
		}
		if direction, n := command.Transfer(512); direction != c.direction || n != c.bytes {
			t.Errorf("%v % x: got %v of %d bytes, want %v of %d", command.Opcode, c.cdb, direction, n, c.direction, c.bytes)
		}
	}
}

func TestReadAndWriteTakeTheShortestForm(t *testing.T) {
	cases := []struct {
		cdb  []byte
		want Opcode
	}{
		{Read(0xffffffff, 0xffff), OpRead10}, {Read(0x100000000, 1), OpRead16}, {Read(0, 0x10000), OpRead16},
		{Write(0xffffffff, 0xffff), OpWrite10}, {Write(0x100000000, 1), OpWrite16}, {Write(0, 0x10000), OpWrite16},
	}
	for _, c := range cases {
		if got := Opcode(c.cdb[0]); got != c.want {
			t.Errorf("% x is %v, want %v", c.cdb, got, c.want)
		}
	}
}
