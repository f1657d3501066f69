package disk

import (
	"slices"

	"github.com/iscsispec/iscsispec/scsi"
)

// supported is what disks can do, in the order in which REPORT SUPPORTED OPERATION CODES tells it. A set bit in Usage is one that the
// disk looks at (SPC-4, Section 6.35.3).
var supported = []scsi.CommandUsage{
	usage(scsi.OpTestUnitReady, 0, 0, 0, 0, 4),
	usage(scsi.OpRequestSense, 1, 0, 0, 0xff, 4),
	usage(scsi.OpRead6, 0x1f, 0xff, 0xff, 0xff, 4),
	usage(scsi.OpWrite6, 0x1f, 0xff, 0xff, 0xff, 4),
	usage(scsi.OpInquiry, 1, 0xff, 0xff, 0xff, 4),
	usage(scsi.OpReserve6, 0x11, 0, 0, 0, 4),
	usage(scsi.OpRelease6, 0x11, 0, 0, 0, 4),
	usage(scsi.OpModeSelect6, 0x11, 0, 0, 0xff, 4),
	usage(scsi.OpModeSense6, 8, 0xff, 0xff, 0xff, 4),
	usage(scsi.OpStartStopUnit, 1, 0, 0, 0xf3, 4),
	usage(scsi.OpSendDiagnostic, 0xe4, 0, 0xff, 0xff, 4),
	usage(scsi.OpPreventAllowRemoval, 0, 0, 0, 3, 4),
	usage(scsi.OpReadCapacity10, 0, 0, 0, 0, 0, 0, 0, 0, 4),
	usage(scsi.OpRead10, 0xf8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 4),
	usage(scsi.OpWrite10, 0xf8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 4),
	usage(scsi.OpWriteVerify10, 0xf6, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 4),
	usage(scsi.OpVerify10, 0xf6, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 4),
	usage(scsi.OpPreFetch10, 2, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 4),
	usage(scsi.OpSynchronizeCache10, 2, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 4),
	usage(scsi.OpReadDefectData10, 0, 0x1f, 0, 0, 0, 0, 0xff, 0xff, 4),
	usage(scsi.OpWriteSame10, 0xf8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 4),
	usage(scsi.OpUnmap, 1, 0, 0, 0, 0, 0, 0xff, 0xff, 4),
	action(scsi.OpSanitize, scsi.ServiceActionSanitizeOverwrite, 0, 0, 0, 0, 0, 0xff, 0xff, 4),
	action(scsi.OpSanitize, scsi.ServiceActionSanitizeBlockErase, 0, 0, 0, 0, 0, 0xff, 0xff, 4),
	action(scsi.OpSanitize, scsi.ServiceActionSanitizeCryptoErase, 0, 0, 0, 0, 0, 0xff, 0xff, 4),
	action(scsi.OpSanitize, scsi.ServiceActionSanitizeExitFailure, 0, 0, 0, 0, 0, 0xff, 0xff, 4),
	usage(scsi.OpLogSense, 1, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 4),
	usage(scsi.OpXDWriteRead10, 0xfc, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 4),
	usage(scsi.OpModeSelect10, 0x11, 0, 0, 0, 0, 0, 0xff, 0xff, 4),
	usage(scsi.OpReserve10, 0x13, 0, 0, 0, 0, 0, 0xff, 0xff, 4),
	usage(scsi.OpRelease10, 0x13, 0, 0, 0, 0, 0, 0xff, 0xff, 4),
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
	action(scsi.OpPersistentReserveOut, byte(scsi.PersistentRegisterAndMove), 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 4),
	action(scsi.OpExtendedCopy, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 4),
	action(scsi.OpReceiveCopyResults, scsi.ServiceActionCopyStatus, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 4),
	action(scsi.OpReceiveCopyResults, scsi.ServiceActionCopyParameters, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpRead16, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpCompareAndWrite, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0xff, 0, 4),
	usage(scsi.OpWrite16, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpORWrite16, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpWriteVerify16, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpVerify16, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpPreFetch16, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpSynchronizeCache16, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpWriteSame16, 0xf9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpWriteAtomic16, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	action(scsi.OpServiceActionIn16, scsi.ServiceActionReadCapacity16, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 4),
	action(scsi.OpServiceActionIn16, scsi.ServiceActionGetLBAStatus, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpReportLUNs, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 4),
	action(scsi.OpMaintenanceIn, scsi.ServiceActionReportPortGroups, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 4),
	action(scsi.OpMaintenanceIn, scsi.ServiceActionReportSupportedTMFs, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 4),
	action(scsi.OpMaintenanceOut, scsi.ServiceActionSetPortGroups, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 4),
	action(scsi.OpMaintenanceIn, scsi.ServiceActionReportSupportedOpcodes, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpRead12, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpWrite12, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpWriteVerify12, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpVerify12, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 4),
	usage(scsi.OpReadDefectData12, 0x1f, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 4),
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

// Recommended command timeouts, in seconds: what a host can wait before it takes the command for lost.
const (
	commandTimeout = 30
	wholeTimeout   = 300 // of commands that go over the whole medium
)

// commandSet is what one disk can do.
type commandSet struct {
	list []scsi.CommandUsage
	at   [256][]scsi.CommandUsage // by operation code, aliasing list
}

// newCommandSet takes what the disk's settings leave of what disks can do, told in ascending order of operation codes.
func newCommandSet(d *Disk) *commandSet {
	s := &commandSet{}
	for _, c := range supported {
		if d.lacks(&c) {
			continue
		}
		c.Recommended = commandTimeout
		if c.Opcode == scsi.OpSanitize || isWriteSame(c.Opcode) || isSynchronizeCache(c.Opcode) || c.Opcode == scsi.OpUnmap {
			c.Recommended = wholeTimeout
		}
		s.list = append(s.list, c)
	}
	slices.SortStableFunc(s.list, func(a, b scsi.CommandUsage) int { return int(a.Opcode) - int(b.Opcode) })
	for i, n := 0, 0; i < len(s.list); i = n {
		for n = i; n < len(s.list) && s.list[n].Opcode == s.list[i].Opcode; {
			n++
		}
		s.at[s.list[i].Opcode] = s.list[i:n:n]
	}
	return s
}

// lacks reports whether the disk's settings take the command away.
func (d *Disk) lacks(c *scsi.CommandUsage) bool {
	switch c.Opcode {
	case scsi.OpUnmap:
		return !d.provisioning.thin
	case scsi.OpServiceActionIn16:
		return !d.provisioning.thin && c.ServiceAction == uint16(scsi.ServiceActionGetLBAStatus)
	case scsi.OpMaintenanceIn:
		return d.groups == nil && c.ServiceAction == uint16(scsi.ServiceActionReportPortGroups)
	case scsi.OpMaintenanceOut:
		return d.groups == nil || !d.groups.explicit
	case scsi.OpPreventAllowRemoval:
		return !d.removable
	}
	return false
}

// has reports whether the disk knows the operation code, whatever its service actions.
func (s *commandSet) has(op scsi.Opcode) bool { return len(s.at[op]) > 0 }

// find finds a command; serviceAction counts only for the operation codes that have service actions.
func (s *commandSet) find(op scsi.Opcode, serviceAction uint16) *scsi.CommandUsage {
	for i := range s.at[op] {
		if c := &s.at[op][i]; !c.HasServiceAction || c.ServiceAction == serviceAction {
			return c
		}
	}
	return nil
}

// reportSupported answers REPORT SUPPORTED OPERATION CODES (SPC-4, Section 6.35). Timeouts
// descriptors come where they are asked for.
func (d *Disk) reportSupported(t *Task) {
	c := &t.Command
	found, known := d.commands.find(c.RequestedOpcode, c.RequestedAction), d.commands.at[c.RequestedOpcode]
	hasActions := len(known) > 0 && known[0].HasServiceAction
	switch c.ReportOptions {
	case scsi.ReportAllCommands:
		t.present(scsi.AppendSupportedOpcodes(t.Buffer[:0], d.commands.list, c.WithTimeouts))
		return
	case scsi.ReportByOpcode:
		if hasActions {
			t.invalidField(2)
			return
		}
	case scsi.ReportByServiceAction:
		if len(known) > 0 && !hasActions {
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
