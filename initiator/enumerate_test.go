package initiator

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/iscsispec/iscsispec/scsi"
)

// fakeUnits answers an enumeration's questions from a table of units.
type fakeUnits struct {
	luns      []uint32
	qualifier map[uint32]scsi.Qualifier
	kind      map[uint32]scsi.DeviceType
	blocks    uint64
	asked     []string
	// before answers first, until it returns false.
	before func(q question) (reply, bool)
}

// check is a CHECK CONDITION.
func check(key scsi.SenseKey, code scsi.ASC) reply {
	return reply{status: scsi.StatusCheckCondition, sense: scsi.NewSense(key, code)}
}

// ask answers one question.
func (f *fakeUnits) ask(q question) reply {
	n, _ := scsi.LUN(q.lun).Number()
	f.asked = append(f.asked, fmt.Sprintf("%d:%x", n, q.cdb[:3]))
	if f.before != nil {
		if r, ok := f.before(q); ok {
			return r
		}
	}
	cut := func(b []byte) reply { return reply{data: b[:min(len(b), q.length)]} }
	switch {
	case q.cdb[0] == opReportLUNs:
		var list []scsi.LUN
		for _, l := range f.luns {
			list = append(list, scsi.LUNOf(l))
		}
		return cut(scsi.AppendLUNList(nil, list))
	case !slices.Contains(f.luns, n):
		return check(scsi.IllegalRequest, scsi.LUNNotSupported)
	case q.cdb[0] == opInquiry && q.cdb[1] == 0:
		return cut(scsi.InquiryData{Qualifier: f.qualifier[n], DeviceType: f.kind[n], Vendor: "EXAMPLE", Product: "DISK"}.Append(nil))
	case q.cdb[0] == opInquiry && q.cdb[2] == 0x80:
		return cut(scsi.VPD{Page: 0x80, Body: fmt.Appendf(nil, "SN%d", n)}.Append(nil))
	case q.cdb[0] == opInquiry && q.cdb[2] == 0x83:
		return cut(scsi.VPD{Page: 0x83, Body: scsi.NAADesignator([]byte{0x60, 1, 2, 3, 4, 5, 6, byte(n), 0, 0, 0, 0, 0, 0, 0, 0}).Append(nil)}.Append(nil))
	case q.cdb[0] == opInquiry && q.cdb[2] == 0:
		return cut(scsi.VPD{Page: 0, Body: []byte{0, 0x80, 0x83}}.Append(nil))
	case scsi.Opcode(q.cdb[0]) == scsi.OpReadCapacity10:
		return cut(scsi.CapacityOf(f.blocks, 512).Append(nil))
	case scsi.Opcode(q.cdb[0]) == scsi.OpServiceActionIn16:
		return cut(scsi.Capacity16{LastLBA: f.blocks - 1, BlockSize: 512}.Append(nil))
	}
	return check(scsi.IllegalRequest, scsi.InvalidOpcode)
}

// numbersOf lists the LUN numbers of units.
func numbersOf(units []*unit) (list []uint64) {
	for _, u := range units {
		list = append(list, lunNumber(u.lun))
	}
	return list
}

// TestEnumerate checks that gaps in the numbers, LUNs without a device, tapes and large disks come out right.
func TestEnumerate(t *testing.T) {
	f := &fakeUnits{
		luns: []uint32{0, 1, 5, 6, 300}, blocks: 1 << 33,
		qualifier: map[uint32]scsi.Qualifier{1: scsi.NotCapable}, kind: map[uint32]scsi.DeviceType{6: scsi.TypeSequential},
	}
	e := enumeration{target: "iqn.t", ask: f.ask}
	if err := e.run(); err != nil {
		t.Fatal(err)
	}
	if got, want := numbersOf(e.units), []uint64{0, 5, 6, 300}; !slices.Equal(got, want) {
		t.Fatalf("units %v, want %v", got, want)
	}
	if u := e.units[0]; u.blocks != 1<<33 || u.blockSize != 512 || u.name() != "naa.60010203040506000000000000000000+SN0" {
		t.Errorf("unit 0: %d blocks of %d, %q", u.blocks, u.blockSize, u.name())
	}
	if tape := e.units[2]; tape.blocks != 0 {
		t.Errorf("a tape has %d blocks", tape.blocks)
	}
	if e.changed {
		t.Error("a change was seen where none was told")
	}
}

// TestEnumerateAttention checks that unit attentions are absorbed, and that one about the list asks for another enumeration.
func TestEnumerateAttention(t *testing.T) {
	attentions := []scsi.ASC{scsi.PowerOnOrReset, scsi.NexusLossOccurred, scsi.LUNsDataChanged}
	f := &fakeUnits{luns: []uint32{0}, blocks: 8}
	f.before = func(q question) (reply, bool) {
		if scsi.Opcode(q.cdb[0]) != scsi.OpReadCapacity10 || len(attentions) == 0 {
			return reply{}, false
		}
		r := check(scsi.UnitAttention, attentions[0])
		attentions = attentions[1:]
		return r, true
	}
	e := enumeration{ask: f.ask}
	if err := e.run(); err != nil || len(e.units) != 1 || e.units[0].blocks != 8 {
		t.Fatalf("%v, %d units", err, len(e.units))
	}
	if !e.changed {
		t.Error("the change of the list was not seen")
	}
}

// TestEnumerateBounds checks that a target can neither hold the enumeration for ever nor make it grow without end.
func TestEnumerateBounds(t *testing.T) {
	busy := &fakeUnits{luns: []uint32{0}, before: func(question) (reply, bool) { return reply{status: scsi.StatusBusy}, true }}
	e := enumeration{ask: busy.ask}
	if err := e.run(); err != nil || len(e.units) != 0 {
		t.Errorf("a busy target: %v, %d units", err, len(e.units))
	}
	if len(busy.asked) > 3*repeatsMax {
		t.Errorf("%d commands to a target that is always busy", len(busy.asked))
	}
	long := &fakeUnits{blocks: 8, kind: map[uint32]scsi.DeviceType{}}
	for n := range uint32(2 * unitsMax) {
		long.luns = append(long.luns, n)
	}
	e = enumeration{ask: long.ask}
	if err := e.run(); err != nil || len(e.units) != unitsMax {
		t.Errorf("a long list: %v, %d units, want %d", err, len(e.units), unitsMax)
	}
}

// TestEnumerateFailures checks what is left out and what ends the enumeration.
func TestEnumerateFailures(t *testing.T) {
	refuse := func(op scsi.Opcode, r reply) *fakeUnits {
		return &fakeUnits{luns: []uint32{0}, blocks: 8, before: func(q question) (reply, bool) { return r, scsi.Opcode(q.cdb[0]) == op }}
	}
	illegal := check(scsi.IllegalRequest, scsi.InvalidOpcode)
	for _, c := range []struct {
		name  string
		f     *fakeUnits
		units int
		err   error
	}{
		{"no REPORT LUNS", refuse(scsi.OpReportLUNs, illegal), 1, nil},
		{"no INQUIRY", refuse(scsi.OpInquiry, illegal), 0, nil},
		{"no capacity", refuse(scsi.OpReadCapacity10, illegal), 1, nil},
		{"garbage for a list", refuse(scsi.OpReportLUNs, reply{data: []byte{1, 2}}), 1, nil},
		{"garbage for a name", refuse(scsi.OpInquiry, reply{data: []byte{0}}), 0, nil},
		{"command rejected", refuse(scsi.OpReadCapacity10, reply{err: &RejectError{}}), 1, nil},
		{"connection lost", refuse(scsi.OpReadCapacity10, reply{err: ErrTransportLost}), 0, ErrTransportLost},
	} {
		e := enumeration{ask: c.f.ask}
		if err := e.run(); !errors.Is(err, c.err) || len(e.units) != c.units {
			t.Errorf("%s: %v, %d units, want %v and %d", c.name, err, len(e.units), c.err, c.units)
		}
	}
}

// TestRefreshAsksWhatIsKnown checks that an informational session asks again only what its cache holds.
func TestRefreshAsksWhatIsKnown(t *testing.T) {
	f := &fakeUnits{luns: []uint32{0, 3}, blocks: 8}
	var c answerCache
	c.note(uint64(scsi.LUNOf(3)), scsi.InquiryVPD(0x80, 255), f.ask(question{lun: uint64(scsi.LUNOf(3)), cdb: scsi.InquiryVPD(0x80, 255), length: 255}).data)
	c.note(0, scsi.Inquiry(255), standardData("X"))
	f.asked = nil
	e := enumeration{ask: f.ask, refreshOnly: true, again: c.questions(), relist: c.listed()}
	if err := e.run(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"0:120000", "3:120180"}; !slices.Equal(f.asked, want) {
		t.Errorf("asked %v, want %v", f.asked, want)
	}
}

// TestIdentity checks which designator names a unit, and that any difference in identity data gives another name.
func TestIdentity(t *testing.T) {
	naa := scsi.NAADesignator([]byte{0x60, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	t10 := scsi.T10Designator("EXAMPLE", "X1")
	port := scsi.RelativePortDesignator(1)
	data := scsi.InquiryData{Vendor: "EXAMPLE ", Product: "DISK    "}
	for _, c := range []struct {
		designators []scsi.Designator
		serial      string
		want        string
	}{
		{[]scsi.Designator{port, t10, naa}, "S1", "naa.600102030405060708090a0b0c0d0e0f+S1"},
		{[]scsi.Designator{naa}, "S2", "naa.600102030405060708090a0b0c0d0e0f+S2"},
		{[]scsi.Designator{naa}, "", "naa.600102030405060708090a0b0c0d0e0f"},
		{[]scsi.Designator{port}, " S1 ", "serial.EXAMPLE.DISK.S1"},
		{nil, "", "unit.EXAMPLE.DISK.iqn.t/0"},
	} {
		if got := identityOf(data, c.designators, c.serial, "iqn.t", 0).Name(); got != c.want {
			t.Errorf("name %q, want %q", got, c.want)
		}
	}
}
