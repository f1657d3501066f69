package disk

import (
	"errors"
	"syscall"

	"github.com/iscsispec/iscsispec/scsi"
)

// Nexus is an I_T nexus: one initiator port and one target port (RFC 7143, Section 4.4.3). It is comparable, and two sessions whose
// Nexus is equal are the same nexus to reservations and unit attentions.
type Nexus struct {
	InitiatorPort string // initiator name, ",i,0x", ISID in twelve hexadecimal digits
	Target        string // the target's iSCSI name; empty leaves the port designators out of VPD page 83h
	PortGroupTag  uint16 // target portal group tag
	RelativePort  uint16 // relative target port identifier, from 1; 0 leaves that designator out
}

// Task is one SCSI command on its way through a logical unit. The caller owns it and may use it again for another command after
// Reset; a logical unit keeps no reference to it or to its buffers.
type Task struct {
	Nexus         Nexus
	CDB           []byte // at least the command's own length; iSCSI's padding to 16 bytes may be there
	ProtocolLevel byte   // the session's iSCSIProtocolLevel, for INQUIRY's version descriptor (RFC 7144, Section 4.2); 0 claims no version
	DataOut       []byte // for Execute: the data that came from the initiator, Length bytes or fewer
	DataOutSize   int    // the size of the initiator's Data-Out Buffer in bytes, if the transport tells it (SAM-5, Section 5.1); 0 is not known
	Buffer        []byte // DataIn is put here when its capacity suffices; otherwise new memory is taken

	Command   scsi.Command   // set by Begin: the parsed CDB, as far as it could be parsed
	Direction scsi.Direction // set by Begin
	Length    int            // set by Begin: bytes that the CDB asks to transfer in that direction

	Status scsi.Status // set when the command ends
	Sense  []byte      // with CHECK CONDITION only, fixed format unless the mode pages say otherwise; valid until Reset
	DataIn []byte      // set when the command ends: what the device presents, cut to the allocation length; may alias Buffer

	// Aborted is set when the command ends: the nexuses whose tasks on the logical unit it aborts, as PREEMPT AND ABORT does. Ending those tasks
	// is the caller's; a unit attention tells their initiators.
	Aborted []Nexus

	begun           bool
	descriptorSense bool
	unit            LogicalUnit // set by Inventory.Begin
	inventory       *Inventory  // set by Inventory.Begin
	senseBuf        [senseSize]byte
}

// senseSize is the most that sense data of this package take: a header, and descriptors for information, command specific information and
// the field in error.
const senseSize = 8 + 12 + 12 + 8

// Reset makes the task new, keeping only Buffer.
func (t *Task) Reset() { *t = Task{Buffer: t.Buffer} }

// Fail ends the task with CHECK CONDITION and the sense data, and presents no data.
func (t *Task) Fail(s scsi.Sense) {
	t.Status, t.DataIn = scsi.StatusCheckCondition, nil
	if t.descriptorSense {
		t.Sense = s.AppendDescriptor(t.senseBuf[:0])
		return
	}
	t.Sense = s.Append(t.senseBuf[:0])
}

// siblings are the logical units of the target through which the command came.
func (t *Task) siblings() []LogicalUnit {
	if t.inventory == nil {
		return nil
	}
	return t.inventory.units()
}

// fail is Fail with a key and a code; it returns true for the "has ended" result of Begin.
func (t *Task) fail(key scsi.SenseKey, code scsi.ASC) bool {
	t.Fail(scsi.NewSense(key, code))
	return true
}

// check ends the task when the medium could not do its part: for want of room, or with a medium error of the code. It reports whether it did.
func (t *Task) check(err error, code scsi.ASC) bool {
	switch {
	case err == nil:
		return false
	case errors.Is(err, errNoRoom), errors.Is(err, syscall.ENOSPC):
		return t.fail(scsi.DataProtect, scsi.SpaceAllocationFailed)
	}
	return t.fail(scsi.MediumError, code)
}

// present ends the task with GOOD and data, cut to the CDB's allocation length.
func (t *Task) present(data []byte) {
	t.Status, t.DataIn = scsi.StatusGood, data[:min(len(data), t.Length)]
}

// invalidField ends the task over a field of its CDB.
func (t *Task) invalidField(at int) bool {
	t.Fail((&scsi.CDBError{Opcode: t.Command.Opcode, Code: scsi.InvalidFieldInCDB, Byte: at}).Sense())
	return true
}
