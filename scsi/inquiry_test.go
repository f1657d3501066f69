package scsi

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStandardInquiry(t *testing.T) {
	d := InquiryData{DeviceType: TypeDisk, Version: 6, HierarchicalLUNs: true, ResponseDataFormat: 2, TargetPortGroups: 1, MultiPort: true,
		CommandQueuing: true, Vendor: "VENDOR", Product: "A product", Revision: "12345", VersionDescriptors: []uint16{DescriptorSAM5, DescriptorISCSI}}
	want := make([]byte, 96)
	want[2], want[3], want[4], want[5], want[6], want[7] = 6, 0x12, 91, 0x10, 0x10, 0x02
	copy(want[8:], "VENDOR  A product       1234")
	copy(want[58:], []byte{0x00, 0xa0, 0x09, 0x60})
	data := d.Append(nil)
	if diff := cmp.Diff(want, data); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	d.Revision = "1234"
	got, err := ParseInquiry(data)
	if diff := cmp.Diff(d, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for i := range data {
		got, err := ParseInquiry(data[:i])
		var bad *DataError
		switch {
		case i < 5 && !errors.As(err, &bad):
			t.Errorf("the first %d bytes: got %v, want a DataError", i, err)
		case i >= 36 && got.Revision != "1234", i >= 62 && len(got.VersionDescriptors) != 2:
			t.Errorf("the first %d bytes: got %+v", i, got)
		}
	}
}

func TestInquiryStopsAtTheAdditionalLength(t *testing.T) {
	data := InquiryData{Vendor: "VENDOR", Product: "PRODUCT", VersionDescriptors: []uint16{DescriptorSPC4}}.Append(nil)
	data[4] = 31 // 36 bytes, as old targets have it; what lies behind is not INQUIRY data
	got, err := ParseInquiry(data)
	if err != nil || got.Product != "PRODUCT" || got.VersionDescriptors != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestQualifierAndType(t *testing.T) {
	data := InquiryData{Qualifier: NotCapable, DeviceType: TypeNone, Removable: true}.Append(nil)
	if data[0] != 0x7f || data[1] != 0x80 {
		t.Errorf("starts with % x", data[:2])
	}
	if got, _ := ParseInquiry(data); got.Qualifier != NotCapable || got.DeviceType != TypeNone || !got.Removable {
		t.Errorf("got %+v", got)
	}
}

func TestVPDPages(t *testing.T) {
	serial := VPD{Page: VPDUnitSerialNumber, Body: []byte("SN12")}
	data := serial.Append(nil)
	if diff := cmp.Diff([]byte{0, 0x80, 0, 4, 'S', 'N', '1', '2'}, data); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got, err := ParseVPD(append(data, 0xff), VPDUnitSerialNumber) // bytes behind the page's end
	if err != nil || got.SerialNumber() != "SN12" {
		t.Errorf("got %q, %v", got.SerialNumber(), err)
	}
	for i := range 4 {
		if _, err := ParseVPD(data[:i], VPDUnitSerialNumber); err == nil {
			t.Errorf("the first %d bytes are taken", i)
		}
	}
	if _, err := ParseVPD(data, VPDDeviceIdentification); err == nil {
		t.Error("another page is taken")
	}
	pages := VPD{Body: []byte{0, 0x80, 0x83}}.SupportedPages()
	if diff := cmp.Diff([]VPDPage{VPDSupportedPages, VPDUnitSerialNumber, VPDDeviceIdentification}, pages); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBlockPages(t *testing.T) {
	limits := BlockLimits{WriteSameNonZero: true, MaxCompareAndWrite: 2, OptimalTransferGranularity: 3, MaxTransfer: 4, OptimalTransfer: 5,
		MaxPrefetch: 6, MaxUnmapLBACount: 7, MaxUnmapDescriptors: 8, OptimalUnmapGranularity: 9, UnmapGranularityAlignmentValid: true,
		UnmapGranularityAlignment: 10, MaxWriteSame: 11}
	want := make([]byte, 60) // offsets in the page, less its head of 4 bytes
	want[0], want[1] = 1, 2
	binary.BigEndian.PutUint16(want[6-4:], 3)
	binary.BigEndian.PutUint32(want[8-4:], 4)
	binary.BigEndian.PutUint32(want[12-4:], 5)
	binary.BigEndian.PutUint32(want[16-4:], 6)
	binary.BigEndian.PutUint32(want[20-4:], 7)
	binary.BigEndian.PutUint32(want[24-4:], 8)
	binary.BigEndian.PutUint32(want[28-4:], 9)
	binary.BigEndian.PutUint32(want[32-4:], 0x8000000a)
	binary.BigEndian.PutUint64(want[36-4:], 11)
	body := limits.AppendBody(nil)
	if diff := cmp.Diff(want, body); diff != "" {
		t.Errorf("block limits (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(limits, VPD{Body: body}.BlockLimits()); diff != "" {
		t.Errorf("block limits (-want +got):\n%s", diff)
	}
	characteristics := BlockDeviceCharacteristics{RotationRate: 7200, FormFactor: 2}
	if got := (VPD{Body: characteristics.AppendBody(nil)}).BlockDeviceCharacteristics(); got != characteristics {
		t.Errorf("got %+v, want %+v", got, characteristics)
	}
	provisioning := LogicalBlockProvisioning{ThresholdExponent: 1, Unmap: true, WriteSame10Unmap: true, ReadZeros: 1, ProvisioningType: 2}
	body = provisioning.AppendBody(nil)
	if diff := cmp.Diff([]byte{1, 0xa4, 2, 0}, body); diff != "" {
		t.Errorf("provisioning (-want +got):\n%s", diff)
	}
	if got := (VPD{Body: body}).LogicalBlockProvisioning(); got != provisioning {
		t.Errorf("got %+v, want %+v", got, provisioning)
	}
	empty := VPD{}
	if empty.BlockLimits() != (BlockLimits{}) || empty.LogicalBlockProvisioning() != (LogicalBlockProvisioning{}) {
		t.Error("an empty body is not all zeros")
	}
}

func TestDesignators(t *testing.T) {
	cases := []struct {
		designator Designator
		bytes      []byte
		text       string
	}{
		{NAADesignator([]byte{0x30, 1, 2, 3, 4, 5, 6, 7}), []byte{0x01, 0x03, 0, 8, 0x30, 1, 2, 3, 4, 5, 6, 7}, "3001020304050607"},
		{T10Designator("ABC", "x"), []byte{0x02, 0x01, 0, 9, 'A', 'B', 'C', ' ', ' ', ' ', ' ', ' ', 'x'}, "ABC     x"},
		{RelativePortDesignator(0x0102), []byte{0x51, 0x94, 0, 4, 0, 0, 1, 2}, "00000102"},
		{PortGroupDesignator(3), []byte{0x51, 0x95, 0, 4, 0, 0, 0, 3}, "00000003"},
		{PortNameDesignator("iqn.x", 0x2a), append([]byte{0x53, 0x98, 0, 16}, "iqn.x,t,0x002a\x00\x00"...), "iqn.x,t,0x002a"},
		{DeviceNameDesignator("iqn.abcd"), append([]byte{0x53, 0xa8, 0, 12}, "iqn.abcd\x00\x00\x00\x00"...), "iqn.abcd"},
	}
	var body []byte
	for _, c := range cases {
		got := c.designator.Append(nil)
		if diff := cmp.Diff(c.bytes, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.text, diff)
		}
		if text := c.designator.Text(); text != c.text {
			t.Errorf("text is %q, want %q", text, c.text)
		}
		body = append(body, got...)
	}
	list, err := VPD{Body: body}.Designators()
	if err != nil || len(list) != len(cases) {
		t.Fatalf("got %d designators, %v", len(list), err)
	}
	for i, c := range cases {
		if diff := cmp.Diff(c.designator, list[i]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.text, diff)
		}
	}
	if port, ok := list[2].Port(); !ok || port != 0x0102 {
		t.Errorf("relative port is %d, %v", port, ok)
	}
	if list, err := (VPD{Body: body[:len(body)-1]}).Designators(); err == nil || len(list) != len(cases)-1 {
		t.Errorf("a cut descriptor: got %d designators, %v", len(list), err)
	}
}

func FuzzParameterData(f *testing.F) {
	f.Add(InquiryData{Vendor: "V"}.Append(nil))
	f.Add(VPD{Page: VPDDeviceIdentification, Body: RelativePortDesignator(1).Append(nil)}.Append(nil))
	f.Add(AppendLUNList(nil, []LUN{LUNOf(1)}))
	f.Add(ModeData{HasBlocks: true, Pages: CachingPage{}.Append(nil)}.Append10(nil))
	f.Add(AppendFullStatus(nil, 1, []Registrant{{Key: 1, InitiatorPort: "iqn.x,i,0x800000000000"}}))
	f.Add(AppendUnmapList(nil, []Extent{{LBA: 1, Blocks: 2}}))
	f.Fuzz(func(t *testing.T, b []byte) { // nothing a device sends makes a parser panic
		ParseInquiry(b)
		ParseLUNList(b)
		ParseCapacity10(b)
		ParseCapacity16(b)
		ParseKeys(b)
		ParseReservation(b)
		ParseFullStatus(b)
		ParseUnmapList(b)
		ParsePersistentOut(b)
		ParseSupportedOpcodes(b)
		ParseCommand(b)
		for _, parse := range []func([]byte) (ModeData, error){ParseModeData6, ParseModeData10} {
			if m, err := parse(b); err == nil {
				m.Page(ModePageCaching)
			}
		}
		if len(b) > 1 {
			if v, err := ParseVPD(b, VPDPage(b[1])); err == nil {
				v.Designators()
				v.SupportedPages()
				v.BlockLimits()
				v.BlockDeviceCharacteristics()
				v.LogicalBlockProvisioning()
				v.SerialNumber()
			}
		}
	})
}
