package disk

import (
	"bytes"

	"github.com/iscsispec/iscsispec/scsi"
)

// executeExclusive ends the commands that read and write in one piece.
func (d *Disk) executeExclusive(t *Task, offset uint64) {
	if len(t.DataOut) < t.Length { // nothing is written in part
		t.fail(scsi.AbortedCommand, scsi.NotEnoughUnsolicitedData)
		return
	}
	var err error
	switch t.Command.Opcode {
	case scsi.OpCompareAndWrite:
		err = d.compareAndWrite(t, offset)
	case scsi.OpORWrite16:
		err = d.medium.change(offset, t.Length, func(data []byte) bool {
			for i, b := range t.DataOut[:t.Length] {
				data[i] |= b
			}
			return true
		})
	case scsi.OpXDWriteRead10:
		err = d.exchange(t, offset)
	case scsi.OpWriteAtomic16:
		err = d.medium.write(t.DataOut[:t.Length], offset)
	}
	if !t.check(err, scsi.WriteError) && t.Status == scsi.StatusGood {
		d.settle(t)
	}
}

// exchange writes the data-out, unless DISABLE WRITE is set, and presents it combined by XOR with what was there (SBC-3, Section 5.43).
func (d *Disk) exchange(t *Task, offset uint64) error {
	if cap(t.Buffer) < t.Length {
		t.Buffer = make([]byte, t.Length)
	}
	t.DataIn = t.Buffer[:t.Length]
	return d.medium.change(offset, t.Length, func(data []byte) bool {
		for i, b := range t.DataOut[:t.Length] {
			t.DataIn[i] = data[i] ^ b
		}
		if t.Command.DisableWrite {
			return false
		}
		copy(data, t.DataOut)
		return true
	})
}

// compareAndWrite writes the second half of the data-out when the medium holds the first (SBC-3, Section 5.3).
func (d *Disk) compareAndWrite(t *Task, offset uint64) error {
	want, fresh := t.DataOut[:t.Length/2], t.DataOut[t.Length/2:t.Length]
	return d.medium.change(offset, len(want), func(data []byte) bool {
		if !bytes.Equal(data, want) {
			t.miscompare(firstDifference(data, want))
			return false
		}
		copy(data, fresh)
		return true
	})
}
