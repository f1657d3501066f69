package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/iscsispec/iscsispec/scsi"
)

// field is one thing that a unit tells. Its value is a text, a number, a bool, or a list of texts.
type field struct {
	name  string
	value any
}

// fieldList keeps fields in their order, in JSON too.
type fieldList []field

// MarshalJSON writes an object whose members stand in the order of the list.
func (l fieldList) MarshalJSON() ([]byte, error) {
	parts := make([]string, 0, len(l))
	for _, f := range l {
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		parts = append(parts, fmt.Sprintf("%q:%s", f.name, value))
	}
	return []byte("{" + strings.Join(parts, ",") + "}"), nil
}

// print writes a line a field, and a line for each element of a list.
func (l fieldList) print(w io.Writer) error {
	width := 0
	for _, f := range l {
		width = max(width, len(f.name))
	}
	for _, f := range l {
		name, values := strings.ReplaceAll(f.name, "_", " "), []string{fmt.Sprint(f.value)}
		switch value := f.value.(type) {
		case []string:
			values = value
		case bool:
			values[0] = map[bool]string{true: "yes", false: "no"}[value]
		}
		if len(values) == 0 {
			values = []string{"none"}
		}
		for _, v := range values {
			if _, err := fmt.Fprintf(w, "%-*s  %s\n", width, name, v); err != nil {
				return err
			}
			name = ""
		}
	}
	return nil
}

// describePage names what a page of vital product data says; a page that is not known here is shown in hexadecimal.
func describePage(data []byte, page scsi.VPDPage) (fieldList, error) {
	vpd, err := scsi.ParseVPD(data, page)
	if err != nil {
		return nil, err
	}
	fields := fieldList{{"page", fmt.Sprintf("0x%02x", byte(page))}}
	switch page {
	case scsi.VPDSupportedPages:
		pages := []string{}
		for _, p := range vpd.SupportedPages() {
			pages = append(pages, fmt.Sprintf("0x%02x", byte(p)))
		}
		return append(fields, field{"pages", pages}), nil
	case scsi.VPDUnitSerialNumber:
		return append(fields, field{"serial", vpd.SerialNumber()}), nil
	case scsi.VPDDeviceIdentification:
		designators, err := vpd.Designators()
		if err != nil {
			return nil, err
		}
		names := []string{}
		for _, d := range designators {
			names = append(names, designatorText(d))
		}
		return append(fields, field{"designators", names}), nil
	case scsi.VPDBlockLimits:
		return append(fields, describeLimits(vpd.BlockLimits())...), nil
	case scsi.VPDBlockDeviceCharacteristics:
		c := vpd.BlockDeviceCharacteristics()
		return append(fields, field{"rotation_rate", c.RotationRate}, field{"form_factor", c.FormFactor}), nil
	case scsi.VPDLogicalBlockProvisioning:
		p := vpd.LogicalBlockProvisioning()
		return append(fields, field{"unmap", p.Unmap}, field{"write_same_16_unmap", p.WriteSame16Unmap},
			field{"write_same_10_unmap", p.WriteSame10Unmap}, field{"read_zeros", p.ReadZeros}, field{"anchor", p.Anchor},
			field{"provisioning_type", p.ProvisioningType}, field{"threshold_exponent", p.ThresholdExponent}), nil
	}
	return append(fields, field{"body", strings.Split(strings.TrimRight(hex.Dump(vpd.Body), "\n"), "\n")}), nil
}

// designatorText names one designator: what it names, its form, and the name.
func designatorText(d scsi.Designator) string {
	of := map[scsi.Association]string{scsi.OfLogicalUnit: "unit", scsi.OfTargetPort: "target port", scsi.OfTargetDevice: "target device"}
	form := map[scsi.DesignatorType]string{
		scsi.DesignatorT10: "t10", scsi.DesignatorEUI64: "eui", scsi.DesignatorNAA: "naa", scsi.DesignatorRelativePort: "relative port",
		scsi.DesignatorPortGroup: "port group", scsi.DesignatorSCSIName: "name",
	}[d.Type]
	if form == "" {
		form = fmt.Sprintf("form %d", d.Type)
	}
	if n, ok := d.Port(); ok {
		return fmt.Sprintf("%s, %s: %d", of[d.Association], form, n)
	}
	return fmt.Sprintf("%s, %s: %s", of[d.Association], form, d.Text())
}

// describeLimits names the limits of page B0h, in blocks; 0 is not reported.
func describeLimits(l scsi.BlockLimits) fieldList {
	return fieldList{
		{"max_transfer", l.MaxTransfer}, {"optimal_transfer", l.OptimalTransfer}, {"optimal_granularity", l.OptimalTransferGranularity},
		{"max_prefetch", l.MaxPrefetch}, {"max_compare_and_write", l.MaxCompareAndWrite}, {"max_unmap_blocks", l.MaxUnmapLBACount},
		{"max_unmap_descriptors", l.MaxUnmapDescriptors}, {"optimal_unmap_granularity", l.OptimalUnmapGranularity},
		{"unmap_alignment_valid", l.UnmapGranularityAlignmentValid}, {"unmap_alignment", l.UnmapGranularityAlignment},
		{"max_write_same", l.MaxWriteSame}, {"write_same_non_zero", l.WriteSameNonZero},
	}
}
