package disk

import (
	"bytes"

	"github.com/iscsispec/iscsispec/scsi"
)

// executeBlocks ends the commands that address blocks. It runs without d.mu: the medium has a lock of its own, and reads run beside
// each other.
func (d *Disk) executeBlocks(t *Task) {
	t.Status = scsi.StatusGood
	c := &t.Command
	offset := c.LBA * uint64(d.blockSize)
	switch c.Opcode {
	case scsi.OpRead6, scsi.OpRead10, scsi.OpRead12, scsi.OpRead16:
		if cap(t.Buffer) < t.Length {
			t.Buffer = make([]byte, t.Length)
		}
		t.DataIn = t.Buffer[:t.Length]
		t.check(d.medium.read(t.DataIn, offset), scsi.UnrecoveredReadError)
	case scsi.OpWrite6, scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16:
		d.write(t, offset)
	case scsi.OpWriteVerify10, scsi.OpWriteVerify12, scsi.OpWriteVerify16:
		d.writeAndVerify(t, offset)
	case scsi.OpVerify10, scsi.OpVerify12, scsi.OpVerify16:
		d.verify(t, offset)
	case scsi.OpWriteSame10, scsi.OpWriteSame16:
		d.writeSame(t, offset)
	case scsi.OpSynchronizeCache10, scsi.OpSynchronizeCache16:
		t.check(d.medium.flush(), scsi.WriteError)
	case scsi.OpPreFetch10, scsi.OpPreFetch16: // all blocks are as near as they can be (SBC-3, Section 5.8)
		t.Status = scsi.StatusConditionMet
	default:
		d.executeExclusive(t, offset)
	}
}

// write stores what came. Fewer data than the CDB asks for are the transport's overflow: what makes whole blocks is written. It reports
// whether the medium did its part.
func (d *Disk) write(t *Task, offset uint64) bool {
	data := t.DataOut[:min(len(t.DataOut), t.Length)]
	data = data[:len(data)-len(data)%d.blockSize]
	return !t.check(d.medium.write(data, offset), scsi.WriteError) && !d.settle(t)
}

// settle brings written data to where they survive, when the command or the mode pages ask for it. It reports whether that failed.
func (d *Disk) settle(t *Task) bool {
	if !d.volatile || !t.Command.ForceUnitAccess && d.cached.Load() {
		return false
	}
	return t.check(d.medium.flush(), scsi.WriteError)
}

// writeAndVerify writes, and holds the medium against the data when BYTCHK asks for it (SBC-3, Section 5.35).
func (d *Disk) writeAndVerify(t *Task, offset uint64) {
	if d.write(t, offset) && !t.check(d.medium.flush(), scsi.WriteError) && t.Command.ByteCheck == 1 {
		d.compare(t, offset, len(t.DataOut)/d.blockSize)
	}
}

// verify compares the medium with the data-out when BYTCHK asks for it: block for block, or every block with the same one (SBC-3,
// Section 5.27).
func (d *Disk) verify(t *Task, offset uint64) {
	switch {
	case t.Command.ByteCheck == 0:
	case len(t.DataOut) < t.Length:
		t.fail(scsi.AbortedCommand, scsi.NotEnoughUnsolicitedData)
	default:
		d.compare(t, offset, int(t.Command.Blocks))
	}
}

// compare holds blocks against the data-out.
func (d *Disk) compare(t *Task, offset uint64, blocks int) {
	const piece = 64 << 10
	each := max(1, piece/d.blockSize)
	got := make([]byte, each*d.blockSize)
	for at := 0; at < blocks; at += each {
		got = got[:min(each, blocks-at)*d.blockSize]
		if t.check(d.medium.read(got, offset+uint64(at*d.blockSize)), scsi.UnrecoveredReadError) {
			return
		}
		for i := 0; i < len(got); i += d.blockSize {
			want := t.DataOut[:d.blockSize]
			if t.Command.ByteCheck == 1 {
				want = t.DataOut[at*d.blockSize+i:][:d.blockSize]
			}
			if block := got[i:][:d.blockSize]; !bytes.Equal(block, want) {
				t.miscompare(at*d.blockSize + i + firstDifference(block, want))
				return
			}
		}
	}
}

// miscompare ends the task over the first byte that differs, counted in bytes from the first one that was compared.
func (t *Task) miscompare(at int) {
	s := scsi.NewSense(scsi.Miscompare, scsi.MiscompareDuringVerify)
	s.InformationValid, s.Information = true, uint64(at)
	t.Fail(s)
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
// asked for or given, deallocates on a disk that does that (SBC-3, Section 5.44). A block of anything else is written, UNMAP bit or not: what
// is read afterwards has to be that block (SBC-3, Section 4.7.3.4).
func (d *Disk) writeSame(t *Task, offset uint64) {
	d.mu.Lock()
	length := d.sameBlocks(&t.Command) * uint64(d.blockSize)
	d.mu.Unlock()
	block := t.DataOut
	switch {
	case t.Command.NoDataOut:
		block = make([]byte, d.blockSize)
	case len(block) < d.blockSize:
		t.fail(scsi.AbortedCommand, scsi.NotEnoughUnsolicitedData)
		return
	}
	var err error
	if block = block[:d.blockSize]; d.provisioning.thin && isZero(block) {
		err = d.medium.zero(offset, length)
	} else {
		err = d.medium.repeat(block, offset, length)
	}
	if !t.check(err, scsi.WriteError) {
		d.settle(t)
	}
}

func isZero(b []byte) bool {
	return b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1])
}
