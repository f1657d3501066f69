package disk

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsispec/iscsispec/internal/leaks"
	"github.com/iscsispec/iscsispec/scsi"
)

func TestMain(m *testing.M) { leaks.Main(m) }

var (
	alice = Nexus{InitiatorPort: "iqn.2026-11.example:alice,i,0x800000000001", Target: "iqn.2026-11.example:array", PortGroupTag: 1, RelativePort: 1}
	bob   = Nexus{InitiatorPort: "iqn.2026-11.example:bob,i,0x800000000002", Target: "iqn.2026-11.example:array", PortGroupTag: 2, RelativePort: 2}
)

func newDisk(t testing.TB, c Config) *Disk {
	t.Helper()
	if c.Blocks == 0 {
		c.Blocks = 2048
	}
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// do runs one command to its end.
func do(u LogicalUnit, n Nexus, cdb []byte, out ...byte) *Task {
	task := &Task{Nexus: n, CDB: cdb, DataOut: out}
	u.Execute(task)
	return task
}

func wantGood(t *testing.T, task *Task) {
	t.Helper()
	if task.Status != scsi.StatusGood || task.Sense != nil {
		t.Fatalf("%v ends with %v %s, want GOOD", task.Command.Opcode, task.Status, senseOf(task))
	}
}

func wantCheck(t *testing.T, task *Task, key scsi.SenseKey, code scsi.ASC) scsi.Sense {
	t.Helper()
	s, err := scsi.ParseSense(task.Sense)
	if task.Status != scsi.StatusCheckCondition || err != nil || s.Key != key || s.Code != code || task.DataIn != nil {
		t.Fatalf("%v ends with %v %s, want CHECK CONDITION with %v %v", task.Command.Opcode, task.Status, senseOf(task), key, code)
	}
	return s
}

func wantStatus(t *testing.T, task *Task, want scsi.Status) {
	t.Helper()
	if task.Status != want {
		t.Fatalf("%v ends with %v %s, want %v", task.Command.Opcode, task.Status, senseOf(task), want)
	}
}

func senseOf(task *Task) string {
	if s, err := scsi.ParseSense(task.Sense); err == nil {
		return s.String()
	}
	return ""
}

func TestNewRefusesWhatCannotBe(t *testing.T) {
	for _, c := range []Config{{}, {Blocks: 1, BlockSize: 1000}, {Blocks: 1, BlockSize: 1 << 20}, {Blocks: 1 << 60}, {Blocks: 1, Identity: Identity{NAA: []byte{1}}},
		{Blocks: 1, BlockSize: 4096, MaxTransferBytes: 512}} {
		var bad *ConfigError
		if _, err := New(c); !errors.As(err, &bad) {
			t.Errorf("%+v: got %v, want a ConfigError", c, err)
		}
	}
}

func TestReadAndWriteInEveryForm(t *testing.T) {
	d := newDisk(t, Config{Content: Pattern{Seed: 3}})
	forms := []struct{ write, read []byte }{
		{scsi.Write6(7, 2), scsi.Read6(7, 2)}, {scsi.Write10(130, 2), scsi.Read10(130, 2)},
		{scsi.Write12(255, 2), scsi.Read12(255, 2)}, {scsi.Write16(2046, 2), scsi.Read16(2046, 2)},
	}
	for i, f := range forms {
		before := do(d, alice, f.read)
		wantGood(t, before)
		if at := (Pattern{Seed: 3}).Check(before.DataIn, before.Command.LBA, 512); at >= 0 {
			t.Errorf("%v: the pattern differs at %d", before.Command.Opcode, at)
		}
		data := bytes.Repeat([]byte{byte(i + 1)}, 1024)
		wantGood(t, do(d, alice, f.write, data...))
		after := do(d, alice, f.read)
		if !bytes.Equal(after.DataIn, data) || after.Direction != scsi.DataIn || after.Length != 1024 {
			t.Errorf("%v gives other data than were written", after.Command.Opcode)
		}
	}
	neighbours := do(d, alice, scsi.Read10(132, 100))
	if at := (Pattern{Seed: 3}).Check(neighbours.DataIn, 132, 512); at >= 0 {
		t.Errorf("a neighbour changed at %d", at)
	}
}

func TestReadUsesTheCallersBuffer(t *testing.T) {
	d := newDisk(t, Config{})
	task := &Task{CDB: scsi.Read10(0, 8), Buffer: make([]byte, 0, 8192)}
	d.Execute(task)
	if len(task.DataIn) != 4096 || &task.DataIn[0] != &task.Buffer[:1][0] {
		t.Error("the data are not in the buffer")
	}
	allocations := testing.AllocsPerRun(100, func() {
		buffer := task.Buffer
		task.Reset()
		task.CDB, task.Buffer = readCDB, buffer
		d.Execute(task)
	})
	if allocations != 0 {
		t.Errorf("a READ into the buffer allocates %v times", allocations)
	}
}

var readCDB = scsi.Read10(0, 8)

func TestRanges(t *testing.T) {
	d := newDisk(t, Config{Blocks: 2048, MaxTransferBytes: 64 << 10})
	good := [][]byte{scsi.Read10(2047, 1), scsi.Read10(2048, 0), scsi.Read16(0, 128), scsi.SynchronizeCache10(0, 0), scsi.SynchronizeCache16(0, 2048),
		scsi.Verify10(0, 2048), scsi.Write10(2048, 0)}
	for _, cdb := range good {
		wantGood(t, do(d, alice, cdb))
	}
	outside := [][]byte{scsi.Read10(2048, 1), scsi.Read10(2049, 0), scsi.Read10(0, 2049), scsi.Read16(1<<63, 1), scsi.Read16(^uint64(0), 2), scsi.Write10(2048, 1),
		scsi.Verify16(2048, 1), scsi.SynchronizeCache10(2047, 2), scsi.WriteSame10(2048, 0), scsi.WriteSame16(2047, 2, true), scsi.Read6(0x1fffff, 0)}
	for _, cdb := range outside {
		s := wantCheck(t, do(d, alice, cdb, make([]byte, 512)...), scsi.IllegalRequest, scsi.LBAOutOfRange)
		if !s.InformationValid && s.Information == 0 && cdb[0] != byte(scsi.OpRead16) {
			t.Errorf("% x: no address is told", cdb)
		}
	}
	s := wantCheck(t, do(d, alice, scsi.Read10(0, 129)), scsi.IllegalRequest, scsi.InvalidFieldInCDB)
	if want := (scsi.FieldPointer{Valid: true, InCDB: true, Byte: 7}); s.Pointer != want {
		t.Errorf("field pointer is %+v, want %+v", s.Pointer, want)
	}
}

func TestBeginTellsTheLengthAndEndsWhatCannotBe(t *testing.T) {
	d := newDisk(t, Config{ReadOnly: true})
	task := &Task{Nexus: alice, CDB: scsi.Write10(0, 4)}
	if !d.Begin(task) || task.Direction != scsi.DataOut || task.Length != 2048 {
		t.Errorf("ended %v, %v of %d bytes", task.Status, task.Direction, task.Length)
	}
	wantCheck(t, task, scsi.DataProtect, scsi.WriteProtected)
	d.SetReadOnly(false, false)
	task = &Task{Nexus: alice, CDB: scsi.Write10(0, 4)}
	if d.Begin(task) {
		t.Fatalf("ended with %v", task.Status)
	}
	task.DataOut = bytes.Repeat([]byte{1}, 1500) // an overflow: two whole blocks came
	d.Execute(task)
	wantGood(t, task)
	got := do(d, alice, scsi.Read10(0, 4)).DataIn
	if want := append(bytes.Repeat([]byte{1}, 1024), make([]byte, 1024)...); !bytes.Equal(got, want) {
		t.Error("other than the two whole blocks that came were written")
	}
}

func TestWriteSameUnmapAndVerify(t *testing.T) {
	d := newDisk(t, Config{Content: Pattern{}})
	block := bytes.Repeat([]byte{9}, 512)
	wantGood(t, do(d, alice, scsi.WriteSame10(10, 200), block...))
	check := scsi.Verify10(10, 200)
	check[1] = 6 // every block against the same one
	wantGood(t, do(d, alice, check, block...))
	check = scsi.Verify16(209, 2)
	check[1] = 2
	s := wantCheck(t, do(d, alice, check, bytes.Repeat([]byte{9}, 1024)...), scsi.Miscompare, scsi.MiscompareDuringVerify)
	if s.Information != 512 {
		t.Errorf("the difference is told at %d, want 512", s.Information)
	}
	wantGood(t, do(d, alice, scsi.Unmap(24), scsi.AppendUnmapList(nil, []scsi.Extent{{LBA: 20, Blocks: 5}})...))
	if got := do(d, alice, scsi.Read10(19, 7)).DataIn; got[0] != 9 || !isZero(got[512:6*512]) || got[6*512] != 9 {
		t.Error("other blocks than 20 to 24 were deallocated")
	}
	wantGood(t, do(d, alice, scsi.WriteSame16(1000, 0, true), make([]byte, 512)...))
	if got := do(d, alice, scsi.Read10(1000, 1048)).DataIn; !isZero(got) {
		t.Error("0 blocks did not reach the end")
	}
	wantCheck(t, do(d, alice, scsi.Unmap(24), scsi.AppendUnmapList(nil, []scsi.Extent{{LBA: 2048, Blocks: 1}})...), scsi.IllegalRequest, scsi.LBAOutOfRange)
	wantCheck(t, do(d, alice, scsi.Unmap(4), 0, 0, 0, 0), scsi.IllegalRequest, scsi.ParameterListLengthError)
	wantGood(t, do(d, alice, scsi.Unmap(0)))
}

func TestInquiry(t *testing.T) {
	d := newDisk(t, Config{Identity: Identity{Vendor: "ACME", Product: "Rocket", Revision: "1.0", Serial: "SN-1"}})
	task := &Task{Nexus: alice, CDB: scsi.Inquiry(255), ProtocolLevel: 2}
	d.Execute(task)
	wantGood(t, task)
	got, err := scsi.ParseInquiry(task.DataIn)
	want := scsi.InquiryData{DeviceType: scsi.TypeDisk, Version: 6, NormalACA: true, HierarchicalLUNs: true, ResponseDataFormat: 2, MultiPort: true, CommandQueuing: true, ThirdPartyCopy: true,
		Vendor: "ACME", Product: "Rocket", Revision: "1.0", VersionDescriptors: []uint16{0x00a0, 0x0962, 0x0460, 0x04c0}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if cut := do(d, alice, scsi.Inquiry(5)); len(cut.DataIn) != 5 {
		t.Errorf("%d bytes for an allocation of 5", len(cut.DataIn))
	}
	page := func(n Nexus, code scsi.VPDPage) scsi.VPD {
		t.Helper()
		task := do(d, n, scsi.InquiryVPD(code, 255))
		wantGood(t, task)
		v, err := scsi.ParseVPD(task.DataIn, code)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, code := range page(alice, scsi.VPDSupportedPages).SupportedPages() {
		page(alice, code)
	}
	if serial := page(alice, scsi.VPDUnitSerialNumber).SerialNumber(); serial != "SN-1" {
		t.Errorf("serial number is %q", serial)
	}
	names := func(n Nexus) (list []string) {
		designators, err := page(n, scsi.VPDDeviceIdentification).Designators()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range designators {
			list = append(list, d.Text())
		}
		return list
	}
	naa := scsi.NAADesignator(LocalNAA("SN-1")).Text()
	if diff := cmp.Diff([]string{naa, "ACME    Rocket SN-1", "00000002", "iqn.2026-11.example:array,t,0x0002", "iqn.2026-11.example:array"}, names(bob)); diff != "" {
		t.Errorf("designators (-want +got):\n%s", diff)
	}
	if naa[0] != '3' {
		t.Errorf("NAA identifier %s is not locally assigned", naa)
	}
	wantCheck(t, do(d, alice, scsi.InquiryVPD(0xc0, 255)), scsi.IllegalRequest, scsi.InvalidFieldInCDB)
	pageWithoutEVPD := scsi.Inquiry(255)
	pageWithoutEVPD[2] = 0x80
	wantCheck(t, do(d, alice, pageWithoutEVPD), scsi.IllegalRequest, scsi.InvalidFieldInCDB)
}

func TestSequentialDevice(t *testing.T) {
	d := newDisk(t, Config{Sequential: true})
	if got, _ := scsi.ParseInquiry(do(d, alice, scsi.Inquiry(255)).DataIn); got.DeviceType != scsi.TypeSequential {
		t.Errorf("device type is %#x", got.DeviceType)
	}
	wantCheck(t, do(d, alice, scsi.InquiryVPD(scsi.VPDBlockLimits, 255)), scsi.IllegalRequest, scsi.InvalidFieldInCDB)
	wantGood(t, do(d, alice, scsi.Read10(0, 1)))
}

func TestCapacityAndModes(t *testing.T) {
	d := newDisk(t, Config{Blocks: 1 << 33, BlockSize: 4096})
	if c, _ := scsi.ParseCapacity10(do(d, alice, scsi.ReadCapacity10()).DataIn); !c.TooLarge() || c.BlockSize != 4096 {
		t.Errorf("READ CAPACITY(10): %+v", c)
	}
	if c, _ := scsi.ParseCapacity16(do(d, alice, scsi.ReadCapacity16(32)).DataIn); c.LastLBA != 1<<33-1 || c.BlockSize != 4096 || !c.Provisioning {
		t.Errorf("READ CAPACITY(16): %+v", c)
	}
	for _, cdb := range [][]byte{scsi.ModeSense6(scsi.ModePageAll, 255), scsi.ModeSense10(scsi.ModePageAll, 255)} {
		task := do(d, alice, cdb)
		wantGood(t, task)
		parse := scsi.ParseModeData6
		if cdb[0] == byte(scsi.OpModeSense10) {
			parse = scsi.ParseModeData10
		}
		m, err := parse(task.DataIn)
		caching, hasCaching := m.Page(scsi.ModePageCaching)
		_, hasControl := m.Page(scsi.ModePageControl)
		if err != nil || !hasCaching || !hasControl || !m.HasBlocks || m.WriteProtected || caching[2]&4 != 0 {
			t.Errorf("%v: %+v, %v", task.Command.Opcode, m, err)
		}
	}
	d.SetReadOnly(true, false)
	if m, _ := scsi.ParseModeData6(do(d, alice, scsi.ModeSense6(scsi.ModePageCaching, 255)).DataIn); !m.WriteProtected {
		t.Error("write protection does not show")
	}
	wantCheck(t, do(d, alice, scsi.ModeSense6(scsi.ModePageDisconnect, 255)), scsi.IllegalRequest, scsi.InvalidFieldInCDB)
	saved := scsi.ModeSense6(scsi.ModePageCaching, 255)
	saved[2] |= 0xc0
	wantCheck(t, do(d, alice, saved), scsi.IllegalRequest, scsi.SavingNotSupported)
}

func TestUnknownCommands(t *testing.T) {
	d := newDisk(t, Config{})
	wantCheck(t, do(d, alice, []byte{0x1c, 0, 0, 0, 0, 0}), scsi.IllegalRequest, scsi.InvalidOpcode)
	wantCheck(t, do(d, alice, []byte{byte(scsi.OpPreventAllowRemoval), 0, 0, 0, 0, 0}), scsi.IllegalRequest, scsi.InvalidOpcode) // known but not had
	wantCheck(t, do(d, alice, scsi.PersistentReserveIn(9, 64)), scsi.IllegalRequest, scsi.InvalidFieldInCDB)
	wantCheck(t, do(d, alice, nil), scsi.IllegalRequest, scsi.InvalidFieldInCDB)
}

// Every command that the disk says it has is one that it executes, and the other way round.
func TestSupportedOperationCodesAreTrue(t *testing.T) {
	d := newDisk(t, Config{})
	listed, err := scsi.ParseSupportedOpcodes(do(d, alice, scsi.ReportSupportedOpcodes(65535)).DataIn)
	if err != nil || len(listed) != len(d.commands.list) {
		t.Fatalf("%d commands are listed, %v", len(listed), err)
	}
	has := map[scsi.Opcode]bool{}
	for _, c := range listed {
		has[c.Opcode] = true
	}
	for op := range 256 {
		cdb := make([]byte, 16)
		cdb[0] = byte(op)
		switch scsi.Opcode(op) {
		case scsi.OpServiceActionIn16:
			cdb[1] = scsi.ServiceActionReadCapacity16
		case scsi.OpMaintenanceIn:
			cdb[1] = scsi.ServiceActionReportSupportedOpcodes
		}
		task := &Task{Nexus: alice, CDB: cdb}
		d.Begin(task)
		s, _ := scsi.ParseSense(task.Sense)
		if refused := s.Code == scsi.InvalidOpcode; refused == has[scsi.Opcode(op)] {
			t.Errorf("%v: listed %v, refused %v", scsi.Opcode(op), has[scsi.Opcode(op)], refused)
		}
	}
	one := do(d, alice, scsi.ReportSupportedOpcode(scsi.OpRead10, 64)).DataIn
	if len(one) != 14 || one[1] != 3 || one[3] != 10 || one[4] != 0x28 || one[11] != 0xff {
		t.Errorf("READ(10) is told as % x", one)
	}
	if none := do(d, alice, scsi.ReportSupportedOpcode(0x1c, 64)).DataIn; len(none) != 4 || none[1] != 1 {
		t.Errorf("an unknown command is told as % x", none)
	}
	wantCheck(t, do(d, alice, scsi.ReportSupportedOpcode(scsi.OpPersistentReserveIn, 64)), scsi.IllegalRequest, scsi.InvalidFieldInCDB)
	for _, c := range supported {
		if len(c.Usage) != c.Opcode.CDBLength() {
			t.Errorf("%v: usage data of %d bytes for a CDB of %d", c.Opcode, len(c.Usage), c.Opcode.CDBLength())
		}
	}
}

func TestStopAndStart(t *testing.T) {
	d := newDisk(t, Config{})
	wantGood(t, do(d, alice, scsi.StartStopUnit(false)))
	wantCheck(t, do(d, alice, scsi.TestUnitReady()), scsi.NotReady, scsi.NotReadyInitCommand)
	wantCheck(t, do(d, alice, scsi.Read10(0, 1)), scsi.NotReady, scsi.NotReadyInitCommand)
	wantGood(t, do(d, alice, scsi.Inquiry(36)))
	wantGood(t, do(d, alice, scsi.StartStopUnit(true)))
	wantGood(t, do(d, alice, scsi.Read10(0, 1)))
}
