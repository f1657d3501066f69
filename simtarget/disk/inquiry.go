package disk

import "github.com/iscsispec/iscsispec/scsi"

func (d *Disk) deviceType() scsi.DeviceType {
	if d.sequential {
		return scsi.TypeSequential
	}
	return scsi.TypeDisk
}

// inquiry presents the standard data or a VPD page (SPC-4, Section 6.6). d.mu is held.
func (d *Disk) inquiry(t *Task) {
	if !t.Command.EVPD {
		if t.Command.Page != 0 {
			t.invalidField(2)
			return
		}
		t.present(d.standardInquiry(t.ProtocolLevel).Append(t.Buffer[:0]))
		return
	}
	page := scsi.VPD{DeviceType: d.deviceType(), Page: scsi.VPDPage(t.Command.Page)}
	switch page.Page {
	case scsi.VPDSupportedPages:
		page.Body = []byte{byte(scsi.VPDSupportedPages), byte(scsi.VPDUnitSerialNumber), byte(scsi.VPDDeviceIdentification),
			byte(scsi.VPDBlockLimits), byte(scsi.VPDBlockDeviceCharacteristics), byte(scsi.VPDLogicalBlockProvisioning)}
		if d.sequential {
			page.Body = page.Body[:3] // the others are a block device's
		}
	case scsi.VPDUnitSerialNumber:
		page.Body = []byte(d.identity.Serial)
	case scsi.VPDDeviceIdentification:
		page.Body = d.designators(t.Nexus)
	default:
		if d.sequential || !d.blockPage(&page) {
			t.invalidField(2)
			return
		}
	}
	t.present(page.Append(t.Buffer[:0]))
}

func (d *Disk) standardInquiry(protocolLevel byte) scsi.InquiryData {
	command := scsi.DescriptorSBC3
	if d.sequential {
		command = scsi.DescriptorSSC4
	}
	tpgs := byte(0)
	if d.groups != nil {
		tpgs = d.groups.tpgs()
	}
	return scsi.InquiryData{
		Removable: d.removable, TargetPortGroups: tpgs, ThirdPartyCopy: !d.sequential,
		DeviceType: d.deviceType(), Version: 6, NormalACA: true, HierarchicalLUNs: true, ResponseDataFormat: 2, CommandQueuing: true, MultiPort: true,
		Vendor: d.identity.Vendor, Product: d.identity.Product, Revision: d.identity.Revision,
		VersionDescriptors: []uint16{scsi.DescriptorSAM5, scsi.DescriptorISCSI + uint16(protocolLevel&0x1f), scsi.DescriptorSPC4, command},
	}
}

// designators is the body of page 83h: the unit by NAA and by vendor and serial, then the port and the device that the command came
// through.
func (d *Disk) designators(n Nexus) []byte {
	b := scsi.NAADesignator(d.identity.NAA).Append(nil)
	b = scsi.T10Designator(d.identity.Vendor, d.identity.Product+" "+d.identity.Serial).Append(b)
	if n.RelativePort != 0 {
		b = scsi.RelativePortDesignator(n.RelativePort).Append(b)
		if d.groups != nil {
			if id, _, found := d.groups.of(n.RelativePort); found {
				b = scsi.PortGroupDesignator(id).Append(b)
			}
		}
	}
	if n.Target != "" {
		b = scsi.PortNameDesignator(n.Target, n.PortGroupTag).Append(b)
		b = scsi.DeviceNameDesignator(n.Target).Append(b)
	}
	return b
}

// blockPage fills in one of the pages of block devices.
func (d *Disk) blockPage(page *scsi.VPD) bool {
	switch page.Page {
	case scsi.VPDBlockLimits:
		page.Body = d.blockLimits().AppendBody(nil)
	case scsi.VPDBlockDeviceCharacteristics:
		page.Body = scsi.BlockDeviceCharacteristics{RotationRate: 1, AfterBlockErase: 1, AfterCryptoErase: 1}.AppendBody(nil)
	case scsi.VPDLogicalBlockProvisioning:
		body := scsi.LogicalBlockProvisioning{}
		if d.provisioning.thin {
			body = scsi.LogicalBlockProvisioning{Unmap: true, WriteSame16Unmap: true, WriteSame10Unmap: true, ReadZeros: 1, ProvisioningType: 2}
		}
		page.Body = body.AppendBody(nil)
	default:
		return false
	}
	return true
}
