package disk

import (
	"bytes"

	"github.com/iscsispec/iscsispec/scsi"
)

// What one EXTENDED COPY may ask for, as RECEIVE COPY OPERATING PARAMETERS tells it.
const (
	maxCopyDevices      = 4
	maxCopySegments     = 16
	maxCopySegmentBytes = 16 << 20
	maxCopyListBytes    = maxCopyDevices*scsi.CopyDeviceLength + maxCopySegments*scsi.CopySegmentLength
	maxCopyResults      = 32 // kept by a disk; the oldest goes
)

// copyResult is how an EXTENDED COPY ended, for whoever asks.
type copyResult struct {
	nexus    Nexus
	id       byte
	failed   bool
	segments uint16
}

// extendedCopy copies blocks between the disks of an inventory, or within this one (SPC-4, Section 6.4). It is over when the command is. No
// lock is held.
func (d *Disk) extendedCopy(t *Task) {
	t.Status = scsi.StatusGood
	if t.Length == 0 {
		return
	}
	list, code := parseCopyList(t)
	if code != scsi.NoAdditionalSense {
		t.fail(scsi.IllegalRequest, code)
		return
	}
	done := d.copySegments(t, list)
	if list.Usage == copyKeepsNothing {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dropCopyResult(t.Nexus, list.ID)
	if len(d.copies) == maxCopyResults {
		d.copies = d.copies[1:]
	}
	d.copies = append(d.copies, copyResult{nexus: t.Nexus, id: list.ID, failed: t.Status != scsi.StatusGood, segments: uint16(done)})
}

// copyKeepsNothing is the LIST ID USAGE of a list without an identifier.
const copyKeepsNothing = 3

func (d *Disk) dropCopyResult(n Nexus, id byte) {
	for i, r := range d.copies {
		if r.nexus == n && r.id == id {
			d.copies = append(d.copies[:i:i], d.copies[i+1:]...)
			return
		}
	}
}

// parseCopyList reads the parameter list as far as it can be judged without the devices.
func parseCopyList(t *Task) (scsi.CopyList, scsi.ASC) {
	b := t.DataOut[:min(len(t.DataOut), t.Length)]
	list, devices, segments, err := scsi.ParseCopyHeader(b)
	if err != nil {
		return list, scsi.ParameterListLengthError
	}
	if devices+segments > maxCopyListBytes {
		return list, scsi.ParameterListLengthError
	}
	if list.Usage == 1 || list.Usage == copyKeepsNothing && list.ID != 0 || devices%scsi.CopyDeviceLength != 0 {
		return list, scsi.InvalidFieldInParameters
	}
	if devices/scsi.CopyDeviceLength > maxCopyDevices {
		return list, scsi.TooManyCopyDevices
	}
	b = b[scsi.CopyHeaderLength:]
	if devices > len(b) || segments > len(b)-devices {
		return list, scsi.ParameterListLengthError
	}
	if list.Inline > 0 {
		return list, scsi.InlineDataExceeded
	}
	for ; devices > 0; b, devices = b[scsi.CopyDeviceLength:], devices-scsi.CopyDeviceLength {
		device := scsi.ParseCopyDevice(b)
		if device.Type != scsi.CopyIdentification {
			return list, scsi.CopyDeviceTypeUnsupported
		}
		list.Devices = append(list.Devices, device)
	}
	for b = b[:segments]; len(b) > 0; b = b[scsi.CopySegmentLength:] {
		switch {
		case len(list.Segments) == maxCopySegments:
			return list, scsi.TooManySegments
		case b[0] != scsi.CopyBlocksToBlocks:
			return list, scsi.SegmentTypeUnsupported
		case len(b) < scsi.CopySegmentLength || b[2] != 0 || b[3] != scsi.CopySegmentLength-4:
			return list, scsi.InvalidFieldInParameters
		}
		list.Segments = append(list.Segments, scsi.ParseCopySegment(b))
	}
	return list, scsi.NoAdditionalSense
}

// copySegments copies one segment after the other, up to the first that cannot be, and returns how many it did.
func (d *Disk) copySegments(t *Task, list scsi.CopyList) int {
	for i, s := range list.Segments {
		if int(s.Source) >= len(list.Devices) || int(s.Destination) >= len(list.Devices) {
			t.fail(scsi.CopyAborted, scsi.CopyDeviceNotReachable)
			return i
		}
		from, to := d.copyDevice(t, list.Devices[s.Source]), d.copyDevice(t, list.Devices[s.Destination])
		if from == nil || to == nil {
			t.fail(scsi.CopyAborted, scsi.CopyDeviceNotReachable)
			return i
		}
		if !from.copyTo(t, to, s) {
			return i
		}
	}
	return len(list.Segments)
}

// copyDevice finds the disk that a descriptor names: this one, or another of the inventory through which the command came.
func (d *Disk) copyDevice(t *Task, device scsi.CopyDevice) *Disk {
	if device.NullDevice || device.DeviceType != scsi.TypeDisk {
		return nil
	}
	if d.named(device.Designator) {
		return d
	}
	for _, unit := range t.siblings() {
		if other, isDisk := unit.(*Disk); isDisk && other.named(device.Designator) {
			return other
		}
	}
	return nil
}

// named reports whether a designator of the logical unit is this disk's, as VPD page 83h tells it.
func (d *Disk) named(designator scsi.Designator) bool {
	if designator.Association != scsi.OfLogicalUnit {
		return false
	}
	id := d.Identity()
	switch designator.Type {
	case scsi.DesignatorNAA:
		return bytes.Equal(designator.Identifier, id.NAA)
	case scsi.DesignatorT10: // a copy target descriptor has room for the first 20 bytes
		full := scsi.T10Designator(id.Vendor, id.Product+" "+id.Serial).Identifier
		return len(full) <= 20 && bytes.Equal(designator.Identifier, full)
	}
	return false
}

// copyTo copies one segment. It ends the task and returns false when that cannot be.
func (d *Disk) copyTo(t *Task, to *Disk, s scsi.CopySegment) bool {
	if d.blockSize != to.blockSize {
		return !t.fail(scsi.CopyAborted, scsi.CopyDeviceTypeIncorrect)
	}
	size := uint64(d.blockSize)
	n := uint64(s.Blocks)
	if have := d.Blocks(); s.SourceLBA > have || n > have-s.SourceLBA {
		return !t.fail(scsi.CopyAborted, scsi.NoAdditionalSense)
	}
	if have := to.Blocks(); s.DestinationAt > have || n > have-s.DestinationAt {
		return !t.fail(scsi.CopyAborted, scsi.NoAdditionalSense)
	}
	if n*size > maxCopySegmentBytes {
		return !t.fail(scsi.IllegalRequest, scsi.InvalidFieldInParameters)
	}
	if to.copyRefused(t, true) || d.copyRefused(t, false) {
		return false
	}
	data := make([]byte, n*size)
	return !t.check(d.medium.read(data, s.SourceLBA*size), scsi.UnrecoveredReadError) &&
		!t.check(to.medium.write(data, s.DestinationAt*size), scsi.WriteError)
}

// copyRefused ends the task when the state of the disk forbids this nexus to read or write: another disk has not seen the command's Begin.
func (d *Disk) copyRefused(t *Task, write bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	probe := scsi.Command{Opcode: scsi.OpRead16}
	if write {
		probe.Opcode = scsi.OpWrite16
	}
	check := Task{Nexus: t.Nexus, Command: probe}
	if d.conflicts(&check) {
		t.Status, t.DataIn = scsi.StatusReservationConflict, nil
		return true
	}
	return d.notReady(t) || write && d.refusesWrite(t)
}

// copyResults answers RECEIVE COPY RESULTS (SPC-4, Sections 6.20 and 6.21). A status is told once. d.mu is held.
func (d *Disk) copyResults(t *Task) {
	if t.Command.ServiceAction == scsi.ServiceActionCopyParameters {
		parameters := scsi.CopyParameters{MaxDevices: maxCopyDevices, MaxSegments: maxCopySegments, MaxConcurrent: 1,
			MaxDescriptorLength: maxCopyListBytes, MaxSegmentLength: maxCopySegmentBytes}
		for size := d.blockSize; size > 1; size >>= 1 {
			parameters.Granularity++
		}
		t.present(parameters.Append(t.Buffer[:0]))
		return
	}
	for _, r := range d.copies {
		if r.nexus == t.Nexus && r.id == t.Command.ListID {
			t.present(scsi.AppendCopyStatus(t.Buffer[:0], r.failed, r.segments))
			d.dropCopyResult(r.nexus, r.id)
			return
		}
	}
	t.invalidField(2)
}
