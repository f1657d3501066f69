package disk

import "github.com/iscsispec/iscsispec/scsi"

// supported is what a disk can do, in the order in which REPORT SUPPORTED OPERATION CODES tells it. A set bit in Usage is one that the
// disk looks at (SPC-4, Section 6.35.3).
var supported = []scsi.CommandUsage{
	usage(scsi.OpTestUnitReady, 0, 0, 0, 0, 4),
	usage(scsi.OpRequestSense, 1, 0, 0, 0xff, 4),
	usage(scsi.OpRead6, 0x1f, 0xff, 0xff, 0xff, 4),
	usage(scsi.OpWrite6, 0x1f, 0xff, 0xff, 0xff, 4),
	usage(scsi.OpInquiry, 1, 0xff, 0xff, 0xff, 4),
	usage(scsi.OpReserve6, 0x11, 0, 0, 0, 4),
	usage(scsi.OpRelease6, 0x11, 0, 0, 0, 4),
	usage(scsi.OpModeSense6, 8, 0xff, 0xff, 0xff, 4),
	usage(scsi.OpStartStopUnit, 1, 0, 0, 0xf1, 4),
	usage(scsi.OpReadCapacity10, 0, 0, 0, 0, 0, 0, 0, 0, 4),
	usage(scsi.OpRead10, 0xf8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 4),
	usage(scsi.OpWrite10, 0xf8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 4),
	usage(scsi.OpVerify10, 0xf6, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 4),
	usage(scsi.OpSynchronizeCache10, 2, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 4),
	usage(scsi.OpWriteSame10, 0xf8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 4),
	usage(scsi.OpUnmap, 1, 0, 0, 0, 0, 0, 0xff, 0xff, 4),
	usage(scsi.OpModeSense10, 8, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 4),
	action(scsi.OpPersistentReserveIn, byte(scsi.ReadKeys), 0, 0, 0, 0, 0, 0xff, 0xff, 4),
	action(scsi.OpPersistentReserveIn, byte(scsi.ReadReservation), 0, 0, 0, 0, 0, 0xff, 0xff, 4),
	action(scsi.OpPersistentReserveIn, byte(scsi.ReportCapabilities), 0, 0, 0, 0, 0, 0xff, 0xff, 4),
	action(scsi.OpPersistentReserveIn, byte(scsi.ReadFullStatus), 0, 0, 0, 0, 0, 0xff, 0xff, 4),
	action(scsi.OpPersistentReserveOut, byte(scsi.PersistentRegister), 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 4),
	action(scsi.OpPersistentReserveOut, byte(scsi.PersistentReserve), 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 4),
	action(scsi.OpPersistentReserveOut, byte(scsi.PersistentRelease), 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 4),
	action(scsi.OpPersistentReserveOut, byte(scsi.PersistentClear), 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 4),
	action(scsi.OpPersistentReserveOut, byte(scsi.PersistentPreempt), 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 4),
	action(scsi.OpPersistentReserveOut, byte(scsi.PersistentPreemptAbort), 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 4),
	action(scsi.OpPersistentReserveOut, byte(scsi.PersistentRegisterAndIgnore), 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 4),
	usage(scsi.OpRead16, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpWrite16, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpVerify16, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpSynchronizeCache16, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpWriteSame16, 0xf9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	action(scsi.OpServiceActionIn16, scsi.ServiceActionReadCapacity16, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 4),
	action(scsi.OpServiceActionIn16, scsi.ServiceActionGetLBAStatus, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpReportLUNs, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 4),
	action(scsi.OpMaintenanceIn, scsi.ServiceActionReportSupportedOpcodes, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpRead12, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpWrite12, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
}

// usage describes a command without service actions; bits are the CDB's usage behind the operation code.
func usage(op scsi.Opcode, bits ...byte) scsi.CommandUsage {
	return scsi.CommandUsage{Opcode: op, Usage: append([]byte{byte(op)}, bits...)}
}

// action describes a service action; bits are the CDB's usage behind byte 1, whose lower five bits are the service action itself.
func action(op scsi.Opcode, serviceAction byte, bits ...byte) scsi.CommandUsage {
	return scsi.CommandUsage{Opcode: op, HasServiceAction: true, ServiceAction: uint16(serviceAction),
		Usage: append([]byte{byte(op), serviceAction}, bits...)}
}

// usageOf finds a command; serviceAction counts only for the operation codes that have service actions.
func usageOf(op scsi.Opcode, serviceAction uint16) *scsi.CommandUsage {
	for i := range supported {
		if c := &supported[i]; c.Opcode == op && (!c.HasServiceAction || c.ServiceAction == serviceAction) {
			return c
		}
	}
	return nil
}

// reportSupported answers REPORT SUPPORTED OPERATION CODES (SPC-4, Section 6.35). Timeouts
// descriptors come where they are asked for, and give no timeout.
func (d *Disk) reportSupported(t *Task) {
	c := &t.Command
	found := usageOf(c.RequestedOpcode, c.RequestedAction)
	first := usageOf(c.RequestedOpcode, firstAction(c.RequestedOpcode))
	hasActions := first != nil && first.HasServiceAction
	switch c.ReportOptions {
	case scsi.ReportAllCommands:
		t.present(scsi.AppendSupportedOpcodes(t.Buffer[:0], supported, c.WithTimeouts))
		return
	case scsi.ReportByOpcode:
		if hasActions {
			t.invalidField(2)
			return
		}
	case scsi.ReportByServiceAction:
		if first != nil && !hasActions {
			t.invalidField(2)
			return
		}
	case scsi.ReportByEither:
		if !hasActions && c.RequestedAction != 0 {
			found = nil
		}
	default:
		t.invalidField(2)
		return
	}
	t.present(scsi.AppendSupportedOpcode(t.Buffer[:0], found, c.WithTimeouts))
}

// firstAction returns a service action that the operation code has, or 0.
func firstAction(op scsi.Opcode) uint16 {
	for _, c := range supported {
		if c.Opcode == op {
			return c.ServiceAction
		}
	}
	return 0
}
