package initiator

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/scsi"
)

// Identity is what a logical unit says that it is. Two paths whose units have one identity lead to one device, and a unit
// that comes back under its LUN with another identity is another unit.
type Identity struct {
	// Designator is the best designator of the unit in VPD page 83h (SPC-4, Section 7.8.6): "naa.<hex>", "eui.<hex>", a SCSI
	// name, or "t10.<text>"; empty if the unit has none.
	Designator string
	// Serial is the unit serial number of VPD page 80h; empty if the unit has none.
	Serial string
	// Vendor and Product are the standard INQUIRY data's.
	Vendor, Product string
	// Place is where the unit was found, target and LUN. It counts only for a unit that tells neither of the first two.
	Place string
}

// Name returns the persistent name of the device: the same for the same identity data, and another for any other.
func (i Identity) Name() string {
	switch {
	case i.Designator != "" && i.Serial != "":
		return i.Designator + "+" + i.Serial
	case i.Designator != "":
		return i.Designator
	case i.Serial != "":
		return strings.Join([]string{"serial", i.Vendor, i.Product, i.Serial}, ".")
	default:
		return strings.Join([]string{"unit", i.Vendor, i.Product, i.Place}, ".")
	}
}

// identityOf puts an identity together from standard INQUIRY data and the designators and serial number of the VPD pages.
func identityOf(data scsi.InquiryData, designators []scsi.Designator, serial, target string, lun uint64) Identity {
	return Identity{
		Designator: bestDesignator(designators), Serial: strings.TrimSpace(serial),
		Vendor: strings.TrimSpace(data.Vendor), Product: strings.TrimSpace(data.Product),
		Place: fmt.Sprintf("%s/%v", target, scsi.LUN(lun)),
	}
}

// bestDesignator picks the designator of the unit itself that is most surely unique in the world.
func bestDesignator(designators []scsi.Designator) string {
	order := []scsi.DesignatorType{scsi.DesignatorNAA, scsi.DesignatorEUI64, scsi.DesignatorSCSIName, scsi.DesignatorT10}
	for _, want := range order {
		i := slices.IndexFunc(designators, func(d scsi.Designator) bool {
			return d.Association == scsi.OfLogicalUnit && d.Type == want && len(d.Identifier) > 0
		})
		if i < 0 {
			continue
		}
		switch d := designators[i]; want {
		case scsi.DesignatorNAA:
			return "naa." + hex.EncodeToString(d.Identifier)
		case scsi.DesignatorEUI64:
			return "eui." + hex.EncodeToString(d.Identifier)
		case scsi.DesignatorT10:
			return "t10." + strings.TrimSpace(d.Text())
		default:
			return d.Text()
		}
	}
	return ""
}
