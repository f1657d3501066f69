package scsi

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCapacity(t *testing.T) {
	c := CapacityOf(131072, 512)
	data := c.Append(nil)
	if diff := cmp.Diff([]byte{0, 1, 0xff, 0xff, 0, 0, 2, 0}, data); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, err := ParseCapacity10(data); got != c || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if !CapacityOf(1<<32+1, 512).TooLarge() || CapacityOf(1<<32-1, 512).TooLarge() {
		t.Error("the border of 32 bits is elsewhere")
	}
	long := Capacity16{LastLBA: 0x0102030405060708, BlockSize: 4096, ProtectionType: 2, Protection: true, PhysicalExponent: 3, Provisioning: true,
		ReadZeros: true, LowestAlignedBlock: 0x1234}
	want := append([]byte{1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0x10, 0, 0x05, 0x03, 0xd2, 0x34}, make([]byte, 16)...)
	data = long.Append(nil)
	if diff := cmp.Diff(want, data); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i := range len(data) + 1 {
		got, err := ParseCapacity16(data[:i])
		if (i < 12) != (err != nil) {
			t.Errorf("the first %d bytes: %v", i, err)
		}
		if i >= 16 && got != long || i >= 12 && got.LastLBA != long.LastLBA {
			t.Errorf("the first %d bytes: %+v", i, got)
		}
	}
	for i := range 8 {
		if _, err := ParseCapacity10(make([]byte, i)); err == nil {
			t.Errorf("%d bytes are taken", i)
		}
	}
}

func TestModeData(t *testing.T) {
	pages := ControlPage{DescriptorSense: true, SoftwareWriteLock: true, UnrestrictedQueue: true, TaskAbortedOnClear: true, BusyTimeout: 0xffff}.Append(
		CachingPage{WriteCacheEnabled: true}.Append(nil))
	wantPages := append([]byte{0x08, 18, 4}, make([]byte, 17)...)
	wantPages = append(wantPages, 0x0a, 10, 0x04, 0x10, 0x08, 0x40, 0, 0, 0xff, 0xff, 0, 0)
	if diff := cmp.Diff(wantPages, pages); diff != "" {
		t.Fatalf("pages (-want +got):\n%s", diff)
	}
	m := ModeData{WriteProtected: true, DPOFUA: true, HasBlocks: true, Blocks: 1 << 33, BlockSize: 512, Pages: pages}
	descriptor := []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0}
	six := append(append([]byte{43, 0, 0x90, 8}, descriptor...), pages...)
	ten := append(append([]byte{0, 46, 0, 0x90, 0, 0, 0, 8}, descriptor...), pages...)
	if diff := cmp.Diff(six, m.Append6(nil)); diff != "" {
		t.Errorf("MODE SENSE(6) (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(ten, m.Append10(nil)); diff != "" {
		t.Errorf("MODE SENSE(10) (-want +got):\n%s", diff)
	}
	m.Blocks = 0xffffffff
	got6, err6 := ParseModeData6(six)
	got10, err10 := ParseModeData10(ten)
	for _, got := range []ModeData{got6, got10} {
		if diff := cmp.Diff(m, got); diff != "" || err6 != nil || err10 != nil {
			t.Errorf("%v %v (-want +got):\n%s", err6, err10, diff)
		}
	}
	if page, ok := got6.Page(ModePageControl); !ok || len(page) != 12 {
		t.Errorf("the control page is % x, %v", page, ok)
	}
	if _, ok := got6.Page(ModePageDisconnect); ok {
		t.Error("a page that is not there was found")
	}
	for i := range six {
		if _, err := ParseModeData6(six[:i]); (i < 12) != (err != nil) {
			t.Errorf("MODE SENSE(6), the first %d bytes: %v", i, err)
		}
	}
}

func TestUnmapList(t *testing.T) {
	extents := []Extent{{LBA: 0x0102030405060708, Blocks: 9}, {LBA: 1, Blocks: 2}}
	data := AppendUnmapList(nil, extents)
	want := []byte{0, 38, 0, 32, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0}
	if diff := cmp.Diff(want, data); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i := range len(data) + 1 {
		got, err := ParseUnmapList(data[:i])
		if i < 8 {
			if err == nil {
				t.Errorf("the first %d bytes are taken", i)
			}
			continue
		}
		if diff := cmp.Diff(extents[:(i-8)/16], got); diff != "" || err != nil {
			t.Errorf("the first %d bytes: %v (-want +got):\n%s", i, err, diff)
		}
	}
}

func TestPersistentReservationData(t *testing.T) {
	p := PersistentOutParameters{Key: 1, ServiceActionKey: 2, AllTargetPorts: true, PersistPowerLoss: true}
	data := p.Append(nil)
	if diff := cmp.Diff([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0x05, 0, 0, 0}, data); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, err := ParsePersistentOut(data); got != p || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := ParsePersistentOut(data[:23]); err == nil {
		t.Error("23 bytes are taken")
	}
	generation, keys, err := ParseKeys(AppendKeys(nil, 7, []uint64{1, 2}))
	if diff := cmp.Diff([]uint64{1, 2}, keys); diff != "" || generation != 7 || err != nil {
		t.Errorf("keys: %d, %v (-want +got):\n%s", generation, err, diff)
	}
	held := &Reservation{Key: 5, Type: WriteExclusiveRegistrantsOnly}
	if data := AppendReservation(nil, 1, held); len(data) != 24 || data[21] != 5 {
		t.Errorf("reservation is % x", data)
	}
	for _, want := range []*Reservation{held, nil} {
		_, got, err := ParseReservation(AppendReservation(nil, 7, want))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("reservation: %v (-want +got):\n%s", err, diff)
		}
	}
	if diff := cmp.Diff([]byte{0, 8, 0, 0x80, 0xea, 0x01, 0, 0}, PersistentCapabilities{}.Append(nil)); diff != "" {
		t.Errorf("capabilities (-want +got):\n%s", diff)
	}
}

func TestFullStatus(t *testing.T) {
	list := []Registrant{
		{Key: 1, Holder: true, Type: ExclusiveAccess, RelativePort: 2, InitiatorPort: "iqn.abc,i,0x80a1b2c3d4e5"},
		{Key: 3, RelativePort: 1, InitiatorPort: "iqn.d,i,0x800000000001"},
	}
	data := AppendFullStatus(nil, 9, list)
	name := "iqn.abc,i,0x80a1b2c3d4e5" // 24 characters, so 28 bytes with null and padding
	first := append([]byte{
		0, 0, 0, 0, 0, 0, 0, 1, // key
		0, 0, 0, 0, // reserved
		1, 3, // R_HOLDER; scope and type
		0, 0, 0, 0, // reserved
		0, 2, // relative target port
		0, 0, 0, 32, // additional descriptor length
		0x45, 0, 0, 28, // TransportID: format 01b, iSCSI
	}, name+"\x00\x00\x00\x00"...)
	if diff := cmp.Diff(first, data[8:8+len(first)]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	generation, got, err := ParseFullStatus(data)
	if diff := cmp.Diff(list, got); diff != "" || generation != 9 || err != nil {
		t.Errorf("%d, %v (-want +got):\n%s", generation, err, diff)
	}
	if _, got, err := ParseFullStatus(data[:len(data)-1]); err == nil || len(got) != 1 {
		t.Errorf("a cut descriptor: %d registrants, %v", len(got), err)
	}
}

func TestSupportedOpcodes(t *testing.T) {
	list := []CommandUsage{{Opcode: OpRead10, Usage: make([]byte, 10)}, {Opcode: OpPersistentReserveIn, HasServiceAction: true, ServiceAction: 2, Usage: make([]byte, 10)}}
	data := AppendSupportedOpcodes(nil, list, false)
	want := []byte{0, 0, 0, 16, 0x28, 0, 0, 0, 0, 0, 0, 10, 0x5e, 0, 0, 2, 0, 1, 0, 10}
	if diff := cmp.Diff(want, data); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	timed := AppendSupportedOpcodes(nil, list, true)
	wantFirst := []byte{0, 0, 0, 40, 0x28, 0, 0, 0, 0, 2, 0, 10, 0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x5e}
	if diff := cmp.Diff(wantFirst, timed[:len(wantFirst)]); diff != "" {
		t.Errorf("with timeouts (-want +got):\n%s", diff)
	}
	list[0].Usage, list[1].Usage = nil, nil
	for _, form := range [][]byte{data, timed} {
		got, err := ParseSupportedOpcodes(form)
		if diff := cmp.Diff(list, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	if diff := cmp.Diff([]byte{0, 3, 0, 2, 1, 2}, AppendSupportedOpcode(nil, &CommandUsage{Usage: []byte{1, 2}}, false)); diff != "" {
		t.Errorf("one command (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]byte{0, 1, 0, 0}, AppendSupportedOpcode(nil, nil, true)); diff != "" {
		t.Errorf("no such command (-want +got):\n%s", diff)
	}
}
