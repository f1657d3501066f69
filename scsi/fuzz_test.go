package scsi

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzVPD: a page that is understood is written as one that reads the same, and its views stay within it.
func FuzzVPD(f *testing.F) {
	for _, d := range []Designator{NAADesignator([]byte{0x60, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}), T10Designator("VENDOR", "id"), RelativePortDesignator(1)} {
		f.Add(VPD{Page: VPDDeviceIdentification, Body: d.Append(nil)}.Append(nil))
	}
	f.Add(VPD{Page: VPDBlockLimits, Body: make([]byte, 60)}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 2 {
			return
		}
		page, err := ParseVPD(b, VPDPage(b[1]))
		if err != nil {
			return
		}
		again, err := ParseVPD(page.Append(nil), page.Page)
		if err != nil || again.Page != page.Page || !bytes.Equal(again.Body, page.Body) {
			t.Fatalf("% x reads %+v, and that %+v, %v", b, page, again, err)
		}
		list, _ := page.Designators()
		length := 0
		for _, d := range list {
			length += 4 + len(d.Identifier)
		}
		if length > len(page.Body) {
			t.Errorf("%d bytes of designators in a body of %d", length, len(page.Body))
		}
	})
}

// FuzzCommand: a CDB that is understood asks for a transfer that can be told.
func FuzzCommand(f *testing.F) {
	for _, cdb := range [][]byte{
		Read6(1, 2), Read10(1, 2), Read12(1, 2), Read16(1, 2), Write6(1, 2), Write16(1, 2), WriteSame16(1, 2, true), Unmap(24), Inquiry(96), ReportLUNs(ReportAddressed, 64),
		ReadCapacity16(32), ModeSense10(ModePageCaching, 255), PersistentReserveIn(ReadKeys, 8), StartStopUnit(true), SynchronizeCache16(0, 0), Verify16(1, 2),
	} {
		f.Add(cdb)
	}
	f.Fuzz(func(t *testing.T, cdb []byte) {
		first, err := ParseCommand(cdb)
		if err != nil {
			_ = err.Error()
			return
		}
		again, err := ParseCommand(append(bytes.Clone(cdb), make([]byte, 16)...))
		if diff := cmp.Diff(first, again); err != nil || diff != "" {
			t.Fatalf("with padding: %v, (-without +with):\n%s", err, diff)
		}
		for _, blockSize := range []uint32{512, 4096} {
			if direction, length := first.Transfer(blockSize); direction == NoData && length != 0 {
				t.Errorf("% x moves %d bytes nowhere", cdb, length)
			}
		}
		if first.Opcode.CDBLength() > len(cdb) {
			t.Errorf("% x has %d bytes, and was read as %d", cdb, len(cdb), first.Opcode.CDBLength())
		}
	})
}

// FuzzLUNList: the LUNs of REPORT LUNS data that were read are written to what reads the same.
func FuzzLUNList(f *testing.F) {
	f.Add(AppendLUNList(nil, []LUN{LUNOf(0), LUNOf(300), LUNOf(20000)}))
	f.Add([]byte{0, 0, 0, 16, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		luns, complete, err := ParseLUNList(b)
		if err != nil {
			return
		}
		if 8+8*len(luns) > min(len(b), complete) {
			t.Fatalf("% x gives %d LUNs of %d", b, len(luns), complete)
		}
		again, _, err := ParseLUNList(AppendLUNList(nil, luns))
		if diff := cmp.Diff(luns, again); err != nil || diff != "" && len(luns) > 0 {
			t.Errorf("%v, (-first +again):\n%s", err, diff)
		}
		for _, l := range luns {
			_ = l.String()
		}
	})
}

// FuzzParameterLists: parameter lists of every kind are read or refused, and what is read is written as what reads the same.
func FuzzParameterLists(f *testing.F) {
	f.Add(AppendGroupStates(nil, []GroupState{{State: Standby, ID: 7}}))
	f.Add(AppendPortGroups(nil, []GroupStatus{{ID: 1, Ports: []uint16{1, 2}}}, false, 0))
	f.Add(PersistentMove{Key: 1, ServiceActionKey: 2, RelativePort: 3, InitiatorPort: "iqn.2026-11.example:a,i,0x800000000001"}.Append(nil))
	f.Add(ControlPage{DescriptorSense: true}.Append([]byte{0, 0, 0, 0}))
	f.Add(CopyList{ID: 1, Devices: []CopyDevice{{Type: CopyIdentification}}, Segments: []CopySegment{{Type: CopyBlocksToBlocks}}}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if states, err := ParseGroupStates(b); err == nil {
			again, err := ParseGroupStates(AppendGroupStates(nil, states))
			if diff := cmp.Diff(states, again); err != nil || diff != "" {
				t.Errorf("%v, (-first +again):\n%s", err, diff)
			}
		}
		if groups, err := ParsePortGroups(b, false); err == nil && len(groups) > 0 {
			again, err := ParsePortGroups(AppendPortGroups(nil, groups, true, 1), true)
			if diff := cmp.Diff(groups, again); err != nil || diff != "" {
				t.Errorf("%v, (-first +again):\n%s", err, diff)
			}
		}
		if move, err := ParsePersistentMove(b); err == nil {
			again, err := ParsePersistentMove(move.Append(nil))
			if diff := cmp.Diff(move, again); err != nil || diff != "" {
				t.Errorf("%v, (-first +again):\n%s", err, diff)
			}
		}
		for _, parse := range []func([]byte) (ModeData, error){ParseModeParameters6, ParseModeParameters10} {
			if data, err := parse(b); err == nil && len(data.Pages) > len(b) {
				t.Errorf("%d bytes of pages in a list of %d", len(data.Pages), len(b))
			}
		}
		if _, devices, segments, err := ParseCopyHeader(b); err == nil && (devices < 0 || segments < 0) {
			t.Errorf("lists of %d and %d bytes", devices, segments)
		}
		if len(b) >= CopyDeviceLength {
			if d := ParseCopyDevice(b); len(d.Designator.Identifier) > 20 {
				t.Errorf("a designator of %d bytes", len(d.Designator.Identifier))
			}
		}
		if len(b) >= CopySegmentLength {
			s := ParseCopySegment(b)
			list := CopyList{Segments: []CopySegment{s}}.Append(nil)
			if again := ParseCopySegment(list[CopyHeaderLength:]); again != s {
				t.Errorf("%+v reads as %+v", s, again)
			}
		}
	})
}
