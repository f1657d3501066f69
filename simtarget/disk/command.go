package disk

import (
	"errors"

	"github.com/iscsispec/iscsispec/scsi"
)

// Begin looks at a command before its data move: see LogicalUnit.
func (d *Disk) Begin(t *Task) bool {
	t.begun = true
	command, err := scsi.ParseCommand(t.CDB)
	t.Command = command
	d.mu.Lock()
	defer d.mu.Unlock()
	if code, waits := d.takeAttention(t); waits {
		return t.fail(scsi.UnitAttention, code)
	}
	if err != nil || usageOf(command.Opcode, uint16(command.ServiceAction)) == nil {
		return t.refuse(err)
	}
	direction, length := command.Transfer(uint32(d.blockSize))
	t.Direction, t.Length = direction, int(length)
	if d.conflicts(t) {
		t.Status = scsi.StatusReservationConflict
		return true
	}
	return d.refuses(t, length)
}

// Execute ends a command: see LogicalUnit.
func (d *Disk) Execute(t *Task) {
	if !t.begun && d.Begin(t) {
		return
	}
	if t.Command.Blocks > 0 || isWriteSame(t.Command.Opcode) {
		d.executeBlocks(t)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.executeOther(t)
}

// takeAttention hands out the unit attention that ends this command. INQUIRY, REPORT LUNS and REQUEST SENSE are executed in spite of one
// (SAM-5, Section 5.14).
func (d *Disk) takeAttention(t *Task) (scsi.ASC, bool) {
	switch t.Command.Opcode {
	case scsi.OpInquiry, scsi.OpReportLUNs, scsi.OpRequestSense:
		return 0, false
	}
	return d.attentions.take(t.Nexus)
}

// refuse ends a command whose CDB cannot be parsed, or that the disk lacks.
func (t *Task) refuse(err error) bool {
	var bad *scsi.CDBError
	if !errors.As(err, &bad) {
		bad = &scsi.CDBError{Opcode: t.Command.Opcode, Code: scsi.InvalidOpcode}
		if usageOf(t.Command.Opcode, firstAction(t.Command.Opcode)) != nil { // it is the service action that is unknown
			bad = &scsi.CDBError{Opcode: t.Command.Opcode, Code: scsi.InvalidFieldInCDB, Byte: 1}
		}
	}
	t.Fail(bad.Sense())
	return true
}

// refuses holds the command against the state of the disk, and ends it when it cannot be executed.
func (d *Disk) refuses(t *Task, length uint64) bool {
	c := &t.Command
	if d.stopped && (c.Blocks > 0 || c.Opcode == scsi.OpTestUnitReady || isWriteSame(c.Opcode)) {
		return t.fail(scsi.NotReady, scsi.NotReadyInitCommand)
	}
	switch c.Opcode {
	case scsi.OpRead6, scsi.OpRead10, scsi.OpRead12, scsi.OpRead16:
		return d.refusesRange(t, length)
	case scsi.OpWrite6, scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16:
		return d.refusesRange(t, length) || d.refusesWrite(t)
	case scsi.OpVerify10, scsi.OpVerify16:
		if c.ByteCheck == 2 {
			return t.invalidField(1)
		}
		return d.refusesRange(t, length)
	case scsi.OpSynchronizeCache10, scsi.OpSynchronizeCache16:
		return d.refusesRange(t, 0)
	case scsi.OpWriteSame10, scsi.OpWriteSame16:
		if c.Anchor {
			return t.invalidField(1)
		}
		return d.refusesRange(t, length) || d.refusesWrite(t)
	case scsi.OpServiceActionIn16:
		if c.LBA >= d.blocks {
			return t.outOfRange(c.LBA)
		}
	case scsi.OpUnmap:
		if c.Anchor {
			return t.invalidField(1)
		}
		return d.refusesWrite(t)
	case scsi.OpReserve6, scsi.OpRelease6:
		if c.ThirdParty {
			return t.invalidField(1)
		}
	case scsi.OpPersistentReserveOut:
		if c.Length != scsi.PersistentOutLength {
			return t.fail(scsi.IllegalRequest, scsi.ParameterListLengthError)
		}
	}
	return false
}

// refusesRange holds addresses against the capacity, and the length against the most that one command may move (SBC-3, Section 4.5).
func (d *Disk) refusesRange(t *Task, length uint64) bool {
	c := &t.Command
	switch {
	case c.Protect != 0: // protection information is not supported
		return t.invalidField(1)
	case c.LBA > d.blocks || uint64(c.Blocks) > d.blocks-c.LBA || isWriteSame(c.Opcode) && c.LBA == d.blocks:
		return t.outOfRange(max(c.LBA, d.blocks))
	case length > uint64(d.maxTransferBytes):
		return t.invalidField(transferLengthAt(c.Opcode))
	}
	return false
}

// outOfRange ends the task over the first address that the disk lacks.
func (t *Task) outOfRange(lba uint64) bool {
	s := scsi.NewSense(scsi.IllegalRequest, scsi.LBAOutOfRange)
	s.InformationValid, s.Information = true, lba
	t.Fail(s)
	return true
}

// transferLengthAt returns the offset of the field that counts blocks.
func transferLengthAt(op scsi.Opcode) int {
	switch op.CDBLength() {
	case 6:
		return 4
	case 10:
		return 7
	case 12:
		return 6
	}
	return 10
}

func (d *Disk) refusesWrite(t *Task) bool {
	if d.readOnly {
		return t.fail(scsi.DataProtect, scsi.WriteProtected)
	}
	return false
}

func isWriteSame(op scsi.Opcode) bool { return op == scsi.OpWriteSame10 || op == scsi.OpWriteSame16 }

// executeOther ends the commands that do not address blocks in their CDB. d.mu is held.
func (d *Disk) executeOther(t *Task) {
	t.Status = scsi.StatusGood
	switch t.Command.Opcode {
	case scsi.OpInquiry:
		d.inquiry(t)
	case scsi.OpRequestSense:
		d.requestSense(t)
	case scsi.OpReadCapacity10:
		t.present(scsi.CapacityOf(d.blocks, uint32(d.blockSize)).Append(t.Buffer[:0]))
	case scsi.OpServiceActionIn16:
		if t.Command.ServiceAction == scsi.ServiceActionGetLBAStatus {
			d.lbaStatus(t)
			return
		}
		c := scsi.Capacity16{LastLBA: d.blocks - 1, BlockSize: uint32(d.blockSize), Provisioning: true, ReadZeros: true}
		t.present(c.Append(t.Buffer[:0]))
	case scsi.OpModeSense6, scsi.OpModeSense10:
		d.modeSense(t)
	case scsi.OpReportLUNs: // a disk without an Inventory is the only one
		t.present(scsi.AppendLUNList(t.Buffer[:0], []scsi.LUN{scsi.LUNOf(0)}))
	case scsi.OpMaintenanceIn:
		d.reportSupported(t)
	case scsi.OpStartStopUnit:
		if t.Command.PowerCondition == 0 {
			d.stopped = !t.Command.Start
		}
	case scsi.OpUnmap:
		d.unmap(t)
	case scsi.OpReserve6:
		holder := t.Nexus
		d.reserved = &holder
	case scsi.OpRelease6:
		if d.reserved != nil && *d.reserved == t.Nexus {
			d.reserved = nil
		}
	case scsi.OpPersistentReserveIn:
		d.persistent.in(t)
	case scsi.OpPersistentReserveOut:
		d.persistentOut(t)
	}
}

// requestSense presents a waiting unit attention, which that clears, or that there is nothing to tell (SPC-4, Section 6.39).
func (d *Disk) requestSense(t *Task) {
	sense := scsi.NewSense(scsi.NoSense, scsi.NoAdditionalSense)
	if code, waits := d.attentions.take(t.Nexus); waits {
		sense = scsi.NewSense(scsi.UnitAttention, code)
	} else if d.stopped {
		sense = scsi.NewSense(scsi.NoSense, scsi.LowPowerConditionOn)
	}
	if t.Command.DescriptorSense {
		t.present(sense.AppendDescriptor(t.Buffer[:0]))
		return
	}
	t.present(sense.Append(t.Buffer[:0]))
}
