package disk

import (
	"fmt"
	"testing"

	"github.com/iscsispec/iscsispec/scsi"
)

// with changes one byte of a CDB.
func with(cdb []byte, at int, b byte) []byte {
	cdb[at] |= b
	return cdb
}

// form16 is a CDB of 16 bytes with an LBA and a number of blocks.
func form16(op scsi.Opcode, lba uint64, blocks uint32) []byte {
	return withOpcode(scsi.Read16(lba, blocks), op)
}

func form12(op scsi.Opcode, lba, blocks uint32) []byte {
	return withOpcode(scsi.Read12(lba, blocks), op)
}

func form10(op scsi.Opcode, lba uint32, blocks uint16) []byte {
	return withOpcode(scsi.Read10(lba, blocks), op)
}

func atomic16(lba uint64, blocks uint16) []byte {
	cdb := form16(scsi.OpWriteAtomic16, lba, 0)
	cdb[12], cdb[13] = byte(blocks>>8), byte(blocks)
	return cdb
}

// Fields that a disk of 2048 blocks refuses, each with the sense data and the place of the field where it is in the CDB.
func TestFieldsThatAreRefused(t *testing.T) {
	const none = -1
	illegal := func(code scsi.ASC) scsi.Sense { return scsi.NewSense(scsi.IllegalRequest, code) }
	field, beyond := illegal(scsi.InvalidFieldInCDB), illegal(scsi.LBAOutOfRange)
	length, parameters := illegal(scsi.ParameterListLengthError), illegal(scsi.InvalidFieldInParameters)
	for _, c := range []struct {
		what string
		cdb  []byte
		out  []byte
		want scsi.Sense
		at   int
	}{
		{"RDPROTECT", with(scsi.Read10(0, 1), 1, 0x20), nil, field, 1},
		{"WRPROTECT", with(scsi.Write16(0, 1), 1, 0xe0), make([]byte, 512), field, 1},
		{"WRPROTECT of ORWRITE", with(form16(scsi.OpORWrite16, 0, 1), 1, 0x20), make([]byte, 512), field, 1},
		{"VRPROTECT", with(form12(scsi.OpVerify12, 0, 1), 1, 0x20), nil, field, 1},
		{"BYTCHK 10b", with(scsi.Verify10(0, 1), 1, 4), nil, field, 1},
		{"BYTCHK 11b of WRITE AND VERIFY", with(form10(scsi.OpWriteVerify10, 0, 1), 1, 6), make([]byte, 512), field, 1},
		{"READ(6) beyond the end", scsi.Read6(2047, 2), nil, beyond, none},
		{"READ(12) beyond the end", scsi.Read12(2048, 1), nil, beyond, none},
		{"READ(16) of none beyond the end", scsi.Read16(2049, 0), nil, beyond, none},
		{"PRE-FETCH(10) beyond the end", form10(scsi.OpPreFetch10, 2048, 1), nil, beyond, none},
		{"PRE-FETCH(16) beyond the end", form16(scsi.OpPreFetch16, 1<<60, 0), nil, beyond, none},
		{"SYNCHRONIZE CACHE beyond the end", scsi.SynchronizeCache16(2000, 49), nil, beyond, none},
		{"COMPARE AND WRITE beyond the end", compareAndWrite(2048, 1), make([]byte, 1024), beyond, none},
		{"WRITE ATOMIC beyond the end", atomic16(2047, 2), make([]byte, 1024), beyond, none},
		{"GET LBA STATUS beyond the end", scsi.GetLBAStatus(2048, 24), nil, beyond, none},
		{"more than the most", scsi.Read10(0, 65), nil, field, 7},
		{"more than the most", scsi.Read16(0, 65), nil, field, 10},
		{"more than the most", form12(scsi.OpWriteVerify12, 0, 65), make([]byte, 65*512), field, 6},
		{"more than the most to compare", compareAndWrite(0, 33), make([]byte, 66*512), field, 13},
		{"more than the most to compare by VERIFY", with(scsi.Verify16(0, 65), 1, 6), make([]byte, 512), field, 10},
		{"more than the most in one piece", atomic16(0, 65), make([]byte, 65*512), field, 12},
		{"an atomic boundary", with(atomic16(0, 1), 11, 1), make([]byte, 512), field, 10},
		{"ANCHOR of WRITE SAME", with(scsi.WriteSame16(0, 1, true), 1, 0x10), make([]byte, 512), field, 1},
		{"ANCHOR of UNMAP", with(scsi.Unmap(24), 1, 1), make([]byte, 24), field, 1},
		{"a third party", with(scsi.Reserve6(), 1, 0x10), nil, field, 1},
		{"LongID", with(make10(scsi.OpReserve10), 1, 2), nil, field, 1},
		{"MODE SELECT without PF", []byte{0x15, 0, 0, 0, 4, 0}, make([]byte, 4), field, 1},
		{"MODE SELECT with SP", []byte{0x15, 0x11, 0, 0, 4, 0}, make([]byte, 4), field, 1},
		{"a short mode parameter list", scsi.ModeSelect6(3), make([]byte, 3), length, none},
		{"a self test by code", []byte{0x1d, 0x20, 0, 0, 0, 0}, nil, field, 1},
		{"a log page that is not there", with(with(make10(scsi.OpLogSense), 2, 0x4d), 8, 4), nil, field, 2},
		{"log values that are not current", with(make10(scsi.OpLogSense), 8, 4), nil, field, 2},
		{"an unknown service action", []byte{0xa3, 0x1e, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, nil, field, 1},
		{"an unknown service action of SANITIZE", with(make10(scsi.OpSanitize), 1, 7), nil, field, 1},
		{"a parameter list of BLOCK ERASE", with(with(make10(scsi.OpSanitize), 1, 2), 8, 8), make([]byte, 8), field, 7},
		{"no pattern to overwrite with", with(with(make10(scsi.OpSanitize), 1, 1), 8, 4), make([]byte, 4), field, 7},
		{"a pattern of no length", with(with(make10(scsi.OpSanitize), 1, 1), 8, 8), []byte{1, 0, 0, 0, 1, 2, 3, 4}, parameters, none},
		{"no pass of overwriting", with(with(make10(scsi.OpSanitize), 1, 1), 8, 8), []byte{0, 0, 0, 4, 1, 2, 3, 4}, parameters, none},
		{"LOEJ of a disk that stays", []byte{0x1b, 0, 0, 0, 2, 0}, nil, field, 4},
		{"a copy without a header", scsi.ExtendedCopy(8), make([]byte, 8), length, none},
		{"results of a copy that never was", scsi.ReceiveCopyResults(scsi.ServiceActionCopyStatus, 9, 64), nil, field, 2},
		{"half a reservation", with(scsi.PersistentReserveOut(scsi.PersistentRegister, 0), 8, 1), make([]byte, 25), length, none},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := newDisk(t, Config{MaxTransferBytes: 64 * 512})
			s := wantCheck(t, do(d, alice, c.cdb, c.out...), c.want.Key, c.want.Code)
			if c.at != none && (!s.Pointer.Valid || !s.Pointer.InCDB || int(s.Pointer.Byte) != c.at) {
				t.Errorf("the field pointer is %+v, want byte %d of the CDB", s.Pointer, c.at)
			}
		})
	}
}

func make10(op scsi.Opcode) []byte { return append([]byte{byte(op)}, make([]byte, 9)...) }

// What page B0h says is what is refused: the most is taken, and one more is not.
func TestBlockLimitsAreKept(t *testing.T) {
	for _, config := range []Config{{}, {MaxTransferBytes: 1 << 16}, {BlockSize: 4096, Blocks: 1 << 20}, {BlockSize: 65536, Blocks: 4096}} {
		t.Run(fmt.Sprintf("blocks of %d", config.BlockSize), func(t *testing.T) {
			config.Blocks = max(config.Blocks, 1<<22)
			d := newDisk(t, config)
			page, err := scsi.ParseVPD(do(d, alice, scsi.InquiryVPD(scsi.VPDBlockLimits, 64)).DataIn, scsi.VPDBlockLimits)
			if err != nil {
				t.Fatal(err)
			}
			limits := page.BlockLimits()
			begins := func(cdb []byte) bool {
				task := &Task{Nexus: alice, CDB: cdb}
				return !d.Begin(task)
			}
			for what, begun := range map[string][2]bool{
				"transfer": {begins(scsi.Write16(0, limits.MaxTransfer)), begins(scsi.Write16(0, limits.MaxTransfer+1))},
				"same":     {begins(scsi.WriteSame16(0, uint32(limits.MaxWriteSame), true)), begins(scsi.WriteSame16(0, uint32(limits.MaxWriteSame)+1, true))},
				"atomic":   {begins(atomic16(0, uint16(limits.MaxAtomicTransfer))), begins(atomic16(0, uint16(limits.MaxAtomicTransfer)+1))},
			} {
				if begun != [2]bool{true, false} {
					t.Errorf("%s: the most and one more begin %v", what, begun)
				}
			}
			if most := int(limits.MaxCompareAndWrite); !begins(compareAndWrite(0, most)) || most < 255 && begins(compareAndWrite(0, most+1)) {
				t.Errorf("COMPARE AND WRITE of %d blocks is not the most", most)
			}
			many := scsi.AppendUnmapList(nil, make([]scsi.Extent, limits.MaxUnmapDescriptors+1))
			wantCheck(t, do(d, alice, scsi.Unmap(uint16(len(many))), many...), scsi.IllegalRequest, scsi.InvalidFieldInParameters)
			wantGood(t, do(d, alice, scsi.Unmap(uint16(len(many)-16)), many[:len(many)-16]...))
		})
	}
}

// Data-out of another size than the CDB counts is refused where the place of data gives their meaning.
func TestDataOutThatMisfits(t *testing.T) {
	d := newDisk(t, Config{})
	for _, cdb := range [][]byte{compareAndWrite(0, 1), scsi.WriteSame10(0, 1), scsi.WriteSame16(0, 1, true), compareAndWrite(0, 0)} {
		for _, size := range []int{256, 2048} {
			task := &Task{Nexus: alice, CDB: cdb, DataOutSize: size}
			d.Execute(task)
			wantCheck(t, task, scsi.IllegalRequest, scsi.InvalidFieldInCDB)
		}
	}
	task := &Task{Nexus: alice, CDB: scsi.Write10(0, 1), DataOutSize: 1024, DataOut: make([]byte, 512)}
	d.Execute(task)
	wantGood(t, task)
}

// Commands without blocks do nothing, and well.
func TestNoBlocks(t *testing.T) {
	d := newDisk(t, Config{})
	for _, cdb := range [][]byte{scsi.Read10(2048, 0), scsi.Read12(0, 0), scsi.Write16(2048, 0), scsi.Verify10(0, 0), form16(scsi.OpORWrite16, 0, 0),
		compareAndWrite(0, 0), atomic16(0, 0), form10(scsi.OpWriteVerify10, 0, 0), form12(scsi.OpVerify12, 2048, 0), scsi.SynchronizeCache10(0, 0)} {
		wantGood(t, do(d, alice, cdb))
	}
	for _, cdb := range [][]byte{form10(scsi.OpPreFetch10, 0, 8), form16(scsi.OpPreFetch16, 2040, 8)} {
		wantStatus(t, do(d, alice, cdb), scsi.StatusConditionMet)
	}
	for _, cdb := range [][]byte{append(make10(scsi.OpReadDefectData10)[:8], 8, 0), form12(scsi.OpReadDefectData12, 0, 8)} {
		wantGood(t, do(d, alice, cdb))
	}
	wantGood(t, do(d, alice, []byte{0x1d, 4, 0, 0, 0, 0})) // a self test
}
