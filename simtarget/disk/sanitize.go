package disk

import (
	"bytes"
	"encoding/binary"

	"github.com/iscsispec/iscsispec/scsi"
)

// refusesSanitize looks at the CDB of SANITIZE (SBC-3, Section 5.22). d.mu is held.
func (d *Disk) refusesSanitize(t *Task) bool {
	c := &t.Command
	switch overwrite := c.ServiceAction == scsi.ServiceActionSanitizeOverwrite; {
	case t.CDB[1]&0x40 != 0 || nonZero(t.CDB[2:7]): // reserved; a mistake here costs all data
		return t.invalidField(1)
	case !overwrite && c.Length != 0, overwrite && (c.Length < sanitizeHeader+1 || c.Length > uint32(d.blockSize)+sanitizeHeader):
		return t.invalidField(7)
	}
	return d.refusesWrite(t)
}

func nonZero(b []byte) bool { return !isZero(b) }

// sanitizeHeader is the length in bytes of the overwrite parameter list in front of the pattern.
const sanitizeHeader = 4

// sanitize destroys all user data. It is over when the command is, IMMED or not, so there is never one in progress or failed.
func (d *Disk) sanitize(t *Task) {
	t.Status = scsi.StatusGood
	switch t.Command.ServiceAction {
	case scsi.ServiceActionSanitizeOverwrite:
		d.overwrite(t)
	case scsi.ServiceActionSanitizeBlockErase, scsi.ServiceActionSanitizeCryptoErase:
		t.check(d.medium.erase(d.Blocks()*uint64(d.blockSize)), scsi.WriteError)
	}
	if t.Status == scsi.StatusGood {
		t.check(d.medium.flush(), scsi.WriteError)
	}
}

// overwrite fills the medium with the initialization pattern.
func (d *Disk) overwrite(t *Task) {
	list := t.DataOut
	if len(list) < t.Length {
		t.fail(scsi.IllegalRequest, scsi.ParameterListLengthError)
		return
	}
	pattern := list[sanitizeHeader:t.Length]
	length, count, test := int(binary.BigEndian.Uint16(list[2:])), list[0]&0x1f, list[0]&0x60
	if count == 0 || test != 0 || length == 0 || length > len(pattern) || length > d.blockSize {
		t.fail(scsi.IllegalRequest, scsi.InvalidFieldInParameters)
		return
	}
	block := bytes.Repeat(pattern[:length], d.blockSize/length+1)[:d.blockSize]
	if invert := list[0]&0x80 != 0; invert && count%2 == 0 { // each pass inverts what the one before it wrote
		for i := range block {
			block[i] = ^block[i]
		}
	}
	size := d.Blocks() * uint64(d.blockSize)
	if err := d.medium.erase(size); err != nil || isZero(block) {
		t.check(err, scsi.WriteError)
		return
	}
	t.check(d.medium.repeat(block, 0, size), scsi.WriteError)
}
