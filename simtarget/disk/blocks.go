package disk

import (
	"bytes"

	"github.com/iscsispec/iscsispec/scsi"
)

// executeBlocks ends the commands that address blocks. It runs without d.mu: the store has a lock of its own, and reads run beside
// each other.
func (d *Disk) executeBlocks(t *Task) {
	t.Status = scsi.StatusGood
	offset := t.Command.LBA * uint64(d.blockSize)
	switch t.Command.Opcode {
	case scsi.OpRead6, scsi.OpRead10, scsi.OpRead12, scsi.OpRead16:
		if cap(t.Buffer) < t.Length {
			t.Buffer = make([]byte, t.Length)
		}
		t.DataIn = t.Buffer[:t.Length]
		t.check(d.medium.read(t.DataIn, offset), scsi.UnrecoveredReadError)
	case scsi.OpWrite6, scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16:
		// Fewer data than the CDB asks for are the transport's overflow: what came is written, as far as it makes whole blocks.
		data := t.DataOut[:min(len(t.DataOut), t.Length)]
		data = data[:len(data)-len(data)%d.blockSize]
		t.check(d.medium.write(data, offset), scsi.WriteError)
	case scsi.OpVerify10, scsi.OpVerify16:
		d.verify(t, offset)
	case scsi.OpWriteSame10, scsi.OpWriteSame16:
		d.writeSame(t, offset)
	}
}

// verify compares the medium with the data-out when BYTCHK asks for it: block for block, or every block with the same one (SBC-3,
// Section 5.27).
func (d *Disk) verify(t *Task, offset uint64) {
	if t.Command.ByteCheck == 0 {
		return
	}
	if len(t.DataOut) < t.Length {
		t.fail(scsi.AbortedCommand, scsi.NotEnoughUnsolicitedData)
		return
	}
	block := make([]byte, d.blockSize)
	for i := range int(t.Command.Blocks) {
		want := t.DataOut[:d.blockSize]
		if t.Command.ByteCheck == 1 {
			want = t.DataOut[i*d.blockSize:][:d.blockSize]
		}
		if t.check(d.medium.read(block, offset+uint64(i*d.blockSize)), scsi.UnrecoveredReadError) {
			return
		}
		if !bytes.Equal(block, want) {
			s := scsi.NewSense(scsi.Miscompare, scsi.MiscompareDuringVerify)
			s.InformationValid, s.Information = true, uint64(i*d.blockSize+firstDifference(block, want))
			t.Fail(s)
			return
		}
	}
}

func firstDifference(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return len(a)
}

// writeSame writes one block over and over, from the LBA on or to the end of the medium when the CDB counts no blocks; a block of zeros,
// asked for or given, deallocates (SBC-3, Section 5.44).
func (d *Disk) writeSame(t *Task, offset uint64) {
	blocks := uint64(t.Command.Blocks)
	if blocks == 0 {
		blocks = d.Blocks() - t.Command.LBA
	}
	length := blocks * uint64(d.blockSize)
	var err error
	switch block := t.DataOut; {
	case t.Command.NoDataOut:
		err = d.medium.zero(offset, length)
	case len(block) < d.blockSize:
		t.fail(scsi.AbortedCommand, scsi.NotEnoughUnsolicitedData)
		return
	case isZero(block[:d.blockSize]):
		err = d.medium.zero(offset, length)
	default:
		err = d.medium.repeat(block[:d.blockSize], offset, length)
	}
	t.check(err, scsi.WriteError)
}

func isZero(b []byte) bool {
	return b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1])
}

// unmap deallocates: the blocks read as zeros from then on, as VPD page B2h promises. d.mu is held.
func (d *Disk) unmap(t *Task) {
	if t.Length == 0 {
		return
	}
	extents, err := scsi.ParseUnmapList(t.DataOut)
	if err != nil {
		t.fail(scsi.IllegalRequest, scsi.ParameterListLengthError)
		return
	}
	if len(extents) > maxUnmapDescriptors {
		t.fail(scsi.IllegalRequest, scsi.InvalidFieldInParameters)
		return
	}
	for _, e := range extents {
		if e.LBA > d.blocks || uint64(e.Blocks) > d.blocks-e.LBA {
			t.fail(scsi.IllegalRequest, scsi.LBAOutOfRange)
			return
		}
	}
	for _, e := range extents {
		if t.check(d.medium.zero(e.LBA*uint64(d.blockSize), uint64(e.Blocks)*uint64(d.blockSize)), scsi.WriteError) {
			return
		}
	}
}
