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
	t.descriptorSense = d.modes.descriptorSense
	if code, waits := d.takeAttention(t); waits {
		return t.fail(scsi.UnitAttention, code)
	}
	if err != nil || d.commands.find(command.Opcode, uint16(command.ServiceAction)) == nil {
		return t.refuse(err, d.commands.has(command.Opcode))
	}
	direction, length := command.Transfer(uint32(d.blockSize))
	t.Direction, t.Length = direction, int(length)
	if d.groups != nil && d.inaccessible(t) {
		return true
	}
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
	op := t.Command.Opcode
	if t.Command.Blocks > 0 || isWriteSame(op) || isSynchronizeCache(op) {
		d.executeBlocks(t)
		return
	}
	switch op { // what takes time, or calls other disks
	case scsi.OpUnmap:
		d.unmap(t)
	case scsi.OpSanitize:
		d.sanitize(t)
	case scsi.OpExtendedCopy:
		d.extendedCopy(t)
	case scsi.OpMaintenanceOut:
		d.setPortGroups(t)
	case scsi.OpPersistentReserveOut:
		d.persistentOutAndSave(t)
	default:
		d.mu.Lock()
		defer d.mu.Unlock()
		d.executeOther(t)
	}
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

// refuse ends a command whose CDB cannot be parsed, or that the device lacks; known says that it has the operation code, so that it is the
// service action that it lacks.
func (t *Task) refuse(err error, known bool) bool {
	var bad *scsi.CDBError
	switch {
	case errors.As(err, &bad) && (known || bad.Code != scsi.InvalidFieldInCDB || bad.Byte != 1):
	case known:
		bad = &scsi.CDBError{Opcode: t.Command.Opcode, Code: scsi.InvalidFieldInCDB, Byte: 1}
	default:
		bad = &scsi.CDBError{Opcode: t.Command.Opcode, Code: scsi.InvalidOpcode}
	}
	t.Fail(bad.Sense())
	return true
}

// refuses holds the command against the state of the disk, and ends it when it cannot be executed.
func (d *Disk) refuses(t *Task, length uint64) bool {
	if d.notReady(t) {
		return true
	}
	c := &t.Command
	switch needOf(c.Opcode) {
	case needsRange:
		return d.refusesFlags(t) || d.refusesRange(t, length)
	case needsRoom:
		return d.refusesFlags(t) || t.misfits() || d.refusesRange(t, length) || d.refusesWrite(t)
	}
	switch c.Opcode {
	case scsi.OpServiceActionIn16:
		if c.LBA >= d.blocks {
			return t.outOfRange(c.LBA)
		}
	case scsi.OpUnmap:
		if c.Anchor {
			return t.invalidField(1)
		}
		return d.refusesWrite(t)
	case scsi.OpSanitize:
		return d.refusesSanitize(t)
	case scsi.OpReserve6, scsi.OpRelease6, scsi.OpReserve10, scsi.OpRelease10:
		if c.ThirdParty {
			return t.invalidField(1)
		}
	case scsi.OpPersistentReserveOut:
		move := c.ServiceAction == byte(scsi.PersistentRegisterAndMove)
		if !move && c.Length != scsi.PersistentOutLength || move && c.Length < scsi.PersistentOutLength+24 {
			return t.fail(scsi.IllegalRequest, scsi.ParameterListLengthError)
		}
	case scsi.OpModeSelect6, scsi.OpModeSelect10:
		if !c.PageFormat && c.Length > 0 || c.SavePages { // pages are as the standards have them, and none is saved
			return t.invalidField(1)
		}
	}
	return d.refusesDeviceCommand(t)
}

// refusesDeviceCommand holds the commands that act on the device as a whole against what it knows.
func (d *Disk) refusesDeviceCommand(t *Task) bool {
	c := &t.Command
	switch c.Opcode {
	case scsi.OpPreventAllowRemoval:
		if c.Prevent > 1 { // obsolete
			return t.invalidField(4)
		}
	case scsi.OpStartStopUnit:
		return d.refusesStartStop(t)
	case scsi.OpSendDiagnostic:
		if c.SelfTestCode != 0 || c.Length != 0 {
			return t.invalidField(1)
		}
	case scsi.OpMaintenanceIn:
		if c.ServiceAction == scsi.ServiceActionReportPortGroups && c.Extended > 1 {
			return t.invalidField(1)
		}
	case scsi.OpLogSense:
		if c.SavePages || c.PageControl != 1 { // the current cumulative values are all there is
			return t.invalidField(1 + int(bitOf(!c.SavePages)))
		}
	}
	return false
}

func bitOf(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// need says what a command that addresses blocks takes for granted.
type need byte

const (
	needsNothing need = iota
	needsRange        // the blocks are there
	needsRoom         // and may be written
)

func needOf(op scsi.Opcode) need {
	switch op {
	case scsi.OpRead6, scsi.OpRead10, scsi.OpRead12, scsi.OpRead16, scsi.OpVerify10, scsi.OpVerify12, scsi.OpVerify16,
		scsi.OpSynchronizeCache10, scsi.OpSynchronizeCache16, scsi.OpPreFetch10, scsi.OpPreFetch16:
		return needsRange
	case scsi.OpWrite6, scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16, scsi.OpWriteVerify10, scsi.OpWriteVerify12, scsi.OpWriteVerify16,
		scsi.OpWriteSame10, scsi.OpWriteSame16, scsi.OpORWrite16, scsi.OpCompareAndWrite, scsi.OpWriteAtomic16, scsi.OpXDWriteRead10:
		return needsRoom
	}
	return needsNothing
}

// refusesFlags looks at what stands beside the address in a CDB.
func (d *Disk) refusesFlags(t *Task) bool {
	c := &t.Command
	if c.Protect != 0 { // protection information is not supported
		return t.invalidField(1)
	}
	switch c.Opcode {
	case scsi.OpVerify10, scsi.OpVerify12, scsi.OpVerify16:
		if c.ByteCheck == 2 {
			return t.invalidField(1)
		}
	case scsi.OpWriteVerify10, scsi.OpWriteVerify12, scsi.OpWriteVerify16:
		if c.ByteCheck > 1 {
			return t.invalidField(1)
		}
	case scsi.OpWriteSame10, scsi.OpWriteSame16:
		if c.Anchor || c.Unmap && !d.provisioning.thin { // no block can be anchored
			return t.invalidField(1)
		}
	case scsi.OpWriteAtomic16:
		if c.AtomicBoundary != 0 { // VPD page B0h tells of none
			return t.invalidField(10)
		}
	}
	return false
}

// misfits ends a command whose data mean different things by their place, when the initiator has more or fewer of them than the CDB counts:
// the initiator means something else than it says. Plain writes take what fits; residuals tell the rest.
func (t *Task) misfits() bool {
	if t.DataOutSize == 0 || t.DataOutSize == t.Length {
		return false
	}
	switch t.Command.Opcode {
	case scsi.OpCompareAndWrite:
		return t.invalidField(13)
	case scsi.OpWriteSame10, scsi.OpWriteSame16:
		return t.invalidField(transferLengthAt(t.Command.Opcode))
	}
	return false
}

// refusesRange holds addresses against the capacity, and the length against the most that one command may move (SBC-3, Section 4.5).
func (d *Disk) refusesRange(t *Task, length uint64) bool {
	c := &t.Command
	if c.LBA > d.blocks || uint64(c.Blocks) > d.blocks-c.LBA || isWriteSame(c.Opcode) && c.LBA == d.blocks {
		return t.outOfRange(max(c.LBA, d.blocks))
	}
	tooMuch := false
	switch c.Opcode {
	case scsi.OpSynchronizeCache10, scsi.OpSynchronizeCache16, scsi.OpPreFetch10, scsi.OpPreFetch16: // nothing is moved
	case scsi.OpVerify10, scsi.OpVerify12, scsi.OpVerify16:
		tooMuch = c.ByteCheck != 0 && uint64(c.Blocks) > uint64(d.maxTransferBytes/d.blockSize)
	case scsi.OpCompareAndWrite:
		if c.Blocks > uint32(d.maxCompare()) {
			return t.invalidField(13)
		}
	case scsi.OpWriteAtomic16:
		if c.Blocks > d.maxAtomic() {
			return t.invalidField(12)
		}
	case scsi.OpWriteSame10, scsi.OpWriteSame16:
		tooMuch = d.sameBlocks(c) > d.maxSame()
	default:
		tooMuch = length > uint64(d.maxTransferBytes)
	}
	if tooMuch {
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
	switch {
	case d.readOnly:
		return t.fail(scsi.DataProtect, scsi.WriteProtected)
	case d.modes.softwareWriteProtect:
		return t.fail(scsi.DataProtect, scsi.SoftwareWriteProtected)
	}
	return false
}

func isWriteSame(op scsi.Opcode) bool { return op == scsi.OpWriteSame10 || op == scsi.OpWriteSame16 }

func isSynchronizeCache(op scsi.Opcode) bool {
	return op == scsi.OpSynchronizeCache10 || op == scsi.OpSynchronizeCache16
}

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
		c := scsi.Capacity16{LastLBA: d.blocks - 1, BlockSize: uint32(d.blockSize), Provisioning: d.provisioning.thin, ReadZeros: d.provisioning.thin,
			PhysicalExponent: byte(d.physicalExponent)}
		t.present(c.Append(t.Buffer[:0]))
	case scsi.OpModeSense6, scsi.OpModeSense10:
		d.modeSense(t)
	case scsi.OpModeSelect6, scsi.OpModeSelect10:
		d.modeSelect(t)
	case scsi.OpReportLUNs: // a disk without an Inventory is the only one
		t.present(scsi.AppendLUNList(t.Buffer[:0], []scsi.LUN{scsi.LUNOf(0)}))
	case scsi.OpMaintenanceIn:
		d.maintenanceIn(t)
	case scsi.OpReserve6, scsi.OpReserve10:
		holder := t.Nexus
		d.reserved = &holder
	case scsi.OpRelease6, scsi.OpRelease10:
		if d.reserved != nil && *d.reserved == t.Nexus {
			d.reserved = nil
		}
	case scsi.OpPersistentReserveIn:
		d.persistent.in(t)
	default:
		d.executeDevice(t)
	}
}

// executeDevice ends the commands about the device behind the blocks. d.mu is held.
func (d *Disk) executeDevice(t *Task) {
	switch t.Command.Opcode {
	case scsi.OpStartStopUnit:
		d.startStop(t)
	case scsi.OpPreventAllowRemoval:
		d.preventRemoval(t.Nexus, t.Command.Prevent == 1)
	case scsi.OpReadDefectData10:
		t.present(append(t.Buffer[:0], 0, t.Command.DefectLists, 0, 0)) // the lists are there and empty
	case scsi.OpReadDefectData12:
		t.present(append(t.Buffer[:0], 0, t.Command.DefectLists, 0, 0, 0, 0, 0, 0))
	case scsi.OpLogSense:
		d.logSense(t)
	case scsi.OpReceiveCopyResults:
		d.copyResults(t)
	}
}

// maintenanceIn answers what the device tells of itself by service actions.
func (d *Disk) maintenanceIn(t *Task) {
	switch t.Command.ServiceAction {
	case scsi.ServiceActionReportPortGroups:
		d.reportPortGroups(t)
	case scsi.ServiceActionReportSupportedTMFs:
		t.present(supportedTMFs(t.ProtocolLevel).Append(t.Buffer[:0], t.Command.Extended == 1))
	default:
		d.reportSupported(t)
	}
}

// supportedTMFs are the functions that package simtarget carries out on a session of the protocol level (RFC 7144, Section 6).
func supportedTMFs(protocolLevel byte) scsi.SupportedTMFs {
	queries := protocolLevel >= 2
	return scsi.SupportedTMFs{AbortTask: true, AbortTaskSet: true, ClearACA: true, ClearTaskSet: true, LogicalUnitReset: true, TargetReset: true,
		QueryTask: queries, QueryTaskSet: queries, QueryAsynchronousEvent: queries}
}

// requestSense presents a waiting unit attention, which that clears, or that there is nothing to tell (SPC-4, Section 6.39).
func (d *Disk) requestSense(t *Task) {
	sense := scsi.NewSense(scsi.NoSense, scsi.NoAdditionalSense)
	if code, waits := d.attentions.take(t.Nexus); waits {
		sense = scsi.NewSense(scsi.UnitAttention, code)
	} else if d.ejected {
		sense = scsi.NewSense(scsi.NotReady, scsi.MediumNotPresent)
	} else if d.stopped {
		sense = scsi.NewSense(scsi.NoSense, scsi.LowPowerConditionOn)
	}
	if t.Command.DescriptorSense {
		t.present(sense.AppendDescriptor(t.Buffer[:0]))
		return
	}
	t.present(sense.Append(t.Buffer[:0]))
}
