package disk

import (
	"slices"

	"github.com/iscsispec/iscsispec/scsi"
)

// maxPreventers bounds the nexuses that forbid the removal of one medium.
const maxPreventers = 1 << 14

// notReady ends the commands that need a medium which is not there or does not turn. d.mu is held.
func (d *Disk) notReady(t *Task) bool {
	if !d.ejected && !d.stopped {
		return false
	}
	op := t.Command.Opcode
	switch {
	case needOf(op) != needsNothing, op == scsi.OpTestUnitReady, op == scsi.OpUnmap, op == scsi.OpSanitize, op == scsi.OpExtendedCopy:
	case d.ejected && (op == scsi.OpReadCapacity10 || op == scsi.OpServiceActionIn16 || op == scsi.OpReadDefectData10 || op == scsi.OpReadDefectData12):
	default:
		return false
	}
	if d.ejected {
		return t.fail(scsi.NotReady, scsi.MediumNotPresent)
	}
	return t.fail(scsi.NotReady, scsi.NotReadyInitCommand)
}

// refusesStartStop holds START STOP UNIT against what forbids to eject the medium (SBC-3, Section 5.23). d.mu is held.
func (d *Disk) refusesStartStop(t *Task) bool {
	c := &t.Command
	switch {
	case c.PowerCondition != 0 || !c.LoadEject:
		return false
	case !d.removable:
		return t.invalidField(4)
	case len(d.preventers) > 0: // the door is locked, whichever way the medium would go
		return t.fail(scsi.IllegalRequest, scsi.MediumRemovalPrevented)
	}
	return false
}

// startStop starts and stops the unit, and with LOEJ loads and ejects the medium. d.mu is held.
func (d *Disk) startStop(t *Task) {
	c := &t.Command
	if c.PowerCondition != 0 { // power conditions are not told apart
		return
	}
	d.stopped = !c.Start
	if !c.Start {
		t.check(d.medium.flush(), scsi.WriteError)
	}
	if c.LoadEject {
		d.setEjected(!c.Start, t.Nexus)
	}
}

// setEjected takes the medium out or puts it in; a medium that was put in is told to all nexuses but the one that did it. d.mu is held.
func (d *Disk) setEjected(ejected bool, except ...Nexus) {
	if d.ejected && !ejected {
		d.attentions.establish(scsi.MediumMayHaveChanged, except...)
	}
	d.ejected = ejected
}

// Eject takes the medium out, as an operator does, whoever prevents it. The disk has to be made with Config.Removable for initiators to expect
// that.
func (d *Disk) Eject() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.setEjected(true)
}

// Load puts the medium in. All connected nexuses get the unit attention NOT READY TO READY CHANGE, MEDIUM MAY HAVE CHANGED.
func (d *Disk) Load() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.setEjected(false)
	d.stopped = false
}

// preventRemoval keeps who forbids the removal of the medium; each nexus speaks for itself (SPC-4, Section 6.18).
func (d *Disk) preventRemoval(n Nexus, prevents bool) {
	at := slices.Index(d.preventers, n)
	switch {
	case prevents && at < 0 && len(d.preventers) < maxPreventers:
		d.preventers = append(d.preventers, n)
	case !prevents && at >= 0:
		d.preventers = slices.Delete(d.preventers, at, at+1)
	}
}
