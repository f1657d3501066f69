package disk

import "github.com/iscsispec/iscsispec/scsi"

// access is what a command does to a logical unit, as reservations see it (SPC-4, Section 5.13.3 and SBC-3, Section 4.17).
type access byte

const (
	unaffected access = iota // allowed whoever holds a reservation
	persists                 // PERSISTENT RESERVE, with rules of its own
	reserves                 // RESERVE(6)
	reads
	writes
)

func accessOf(c *scsi.Command) access {
	switch c.Opcode {
	case scsi.OpInquiry, scsi.OpReportLUNs, scsi.OpRequestSense, scsi.OpMaintenanceIn, scsi.OpRelease6, scsi.OpRelease10,
		scsi.OpReadCapacity10, scsi.OpLogSense, scsi.OpReceiveCopyResults:
		return unaffected
	case scsi.OpServiceActionIn16:
		if c.ServiceAction == scsi.ServiceActionReadCapacity16 {
			return unaffected
		}
	case scsi.OpPersistentReserveIn, scsi.OpPersistentReserveOut:
		return persists
	case scsi.OpReserve6, scsi.OpReserve10:
		return reserves
	case scsi.OpSynchronizeCache10, scsi.OpSynchronizeCache16, scsi.OpUnmap, scsi.OpSanitize, scsi.OpExtendedCopy, scsi.OpModeSelect6,
		scsi.OpModeSelect10, scsi.OpSendDiagnostic, scsi.OpMaintenanceOut:
		return writes
	case scsi.OpPreventAllowRemoval:
		if c.Prevent == 0 {
			return unaffected
		}
		return writes
	case scsi.OpStartStopUnit:
		if !c.Start || c.PowerCondition != 0 {
			return writes
		}
		return unaffected
	}
	if needOf(c.Opcode) == needsRoom {
		return writes
	}
	return reads
}

// conflicts reports whether a reservation forbids the command to this nexus. d.mu is held.
func (d *Disk) conflicts(t *Task) bool {
	kind := accessOf(&t.Command)
	if kind == unaffected {
		return false
	}
	if d.reserved != nil { // SPC-2 reservations and persistent ones exclude each other
		return kind == persists || *d.reserved != t.Nexus
	}
	switch kind {
	case persists:
		return false
	case reserves:
		return len(d.persistent.registrations) > 0
	}
	return d.persistent.conflicts(t.Nexus, kind, t.Command.Opcode)
}
