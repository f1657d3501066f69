package disk

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/iscsispec/iscsispec/scsi"
)

const (
	modelBlocks = 3 * chunkSize / 512
	modelMost   = 200 // blocks of one command
)

// model is a disk beside a plain slice of bytes that holds what it should hold.
type model struct {
	*rapid.T
	disk  *Disk
	bytes []byte
}

// place draws a run of at least one block.
func (m *model) place() (lba uint64, blocks int) {
	lba = rapid.Uint64Range(0, modelBlocks-1).Draw(m.T, "lba")
	return lba, rapid.IntRange(1, int(min(modelMost, modelBlocks-lba))).Draw(m.T, "blocks")
}

func (m *model) data(blocks int) []byte {
	return bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 64, 64).Draw(m.T, "data"), blocks*8)
}

func (m *model) at(lba uint64, blocks int) []byte { return m.bytes[lba*512:][:blocks*512] }

func (m *model) good(cdb []byte, out []byte) *Task {
	m.Helper()
	return m.ends(scsi.StatusGood, cdb, out)
}

func (m *model) ends(want scsi.Status, cdb, out []byte) *Task {
	m.Helper()
	task := do(m.disk, alice, cdb, out...)
	if task.Status != want {
		m.Fatalf("%v ends with %v %s, want %v", task.Command.Opcode, task.Status, senseOf(task), want)
	}
	return task
}

// withOpcode gives a READ(16) or WRITE(16) CDB another operation code of the same form.
func withOpcode(cdb []byte, op scsi.Opcode) []byte {
	cdb[0] = byte(op)
	return cdb
}

func compareAndWrite(lba uint64, blocks int) []byte {
	cdb := scsi.Write16(lba, 0)
	cdb[0], cdb[13] = byte(scsi.OpCompareAndWrite), byte(blocks)
	return cdb
}

func (m *model) write(*rapid.T) {
	lba, blocks := m.place()
	data := m.data(blocks)
	cdb := rapid.SampledFrom([][]byte{scsi.Write10(uint32(lba), uint16(blocks)), scsi.Write12(uint32(lba), uint32(blocks)), scsi.Write16(lba, uint32(blocks)),
		withOpcode(scsi.Write10(uint32(lba), uint16(blocks)), scsi.OpWriteVerify10), withOpcode(scsi.Write12(uint32(lba), uint32(blocks)), scsi.OpWriteVerify12),
		withOpcode(scsi.Write16(lba, uint32(blocks)), scsi.OpWriteVerify16)}).Draw(m.T, "form")
	m.good(cdb, data)
	copy(m.at(lba, blocks), data)
}

func (m *model) writeAtomic(*rapid.T) {
	lba, blocks := m.place()
	data := m.data(blocks)
	cdb := withOpcode(scsi.Write16(lba, 0), scsi.OpWriteAtomic16)
	cdb[13] = byte(blocks)
	m.good(cdb, data)
	copy(m.at(lba, blocks), data)
}

func (m *model) orWrite(*rapid.T) {
	lba, blocks := m.place()
	data := m.data(blocks)
	m.good(withOpcode(scsi.Write16(lba, uint32(blocks)), scsi.OpORWrite16), data)
	for i, b := range data {
		m.at(lba, blocks)[i] |= b
	}
}

func (m *model) compareAndWrite(*rapid.T) {
	lba, blocks := m.place()
	data := m.data(blocks)
	held := m.at(lba, blocks)
	if wrong := rapid.IntRange(-1, len(held)-1).Draw(m.T, "wrong"); wrong >= 0 {
		claim := bytes.Clone(held)
		claim[wrong] ^= 1
		task := m.ends(scsi.StatusCheckCondition, compareAndWrite(lba, blocks), append(claim, data...))
		if s, _ := scsi.ParseSense(task.Sense); s.Code != scsi.MiscompareDuringVerify || !s.InformationValid || s.Information != uint64(wrong) {
			m.Fatalf("a difference at %d is told as %v with %d", wrong, s, s.Information)
		}
		return
	}
	m.good(compareAndWrite(lba, blocks), append(bytes.Clone(held), data...))
	copy(held, data)
}

func (m *model) writeSame(*rapid.T) {
	lba, blocks := m.place()
	block := m.data(1)
	if rapid.Bool().Draw(m.T, "zeros") {
		clear(block)
	}
	cdb := scsi.WriteSame16(lba, uint32(blocks), rapid.Bool().Draw(m.T, "unmap"))
	out := block
	if rapid.Bool().Draw(m.T, "no data-out") {
		cdb[1] |= 1
		out, block = nil, make([]byte, 512)
	}
	m.good(cdb, out)
	copy(m.at(lba, blocks), bytes.Repeat(block, blocks))
}

func (m *model) unmap(*rapid.T) {
	var extents []scsi.Extent
	for range rapid.IntRange(0, 3).Draw(m.T, "extents") {
		lba, blocks := m.place()
		extents = append(extents, scsi.Extent{LBA: lba, Blocks: uint32(blocks)})
		clear(m.at(lba, blocks))
	}
	list := scsi.AppendUnmapList(nil, extents)
	m.good(scsi.Unmap(uint16(len(list))), list)
}

func (m *model) extendedCopy(*rapid.T) {
	from, blocks := m.place()
	to := rapid.Uint64Range(0, modelBlocks-uint64(blocks)).Draw(m.T, "to")
	list := copyList(m.disk, scsi.CopySegment{Type: scsi.CopyBlocksToBlocks, Blocks: uint16(blocks), SourceLBA: from, DestinationAt: to})
	m.good(scsi.ExtendedCopy(uint32(len(list))), list)
	copy(m.at(to, blocks), bytes.Clone(m.at(from, blocks)))
}

// copyList is the parameter list of an EXTENDED COPY within one disk.
func copyList(d *Disk, segments ...scsi.CopySegment) []byte {
	device := scsi.CopyDevice{Type: scsi.CopyIdentification, Designator: scsi.NAADesignator(d.Identity().NAA), BlockSize: uint32(d.BlockSize())}
	return scsi.CopyList{ID: 1, Devices: []scsi.CopyDevice{device}, Segments: segments}.Append(nil)
}

func (m *model) check(*rapid.T) {
	lba, blocks := m.place()
	if got := m.good(scsi.Read16(lba, uint32(blocks)), nil).DataIn; !bytes.Equal(got, m.at(lba, blocks)) {
		m.Fatalf("READ of %d blocks at %d differs", blocks, lba)
	}
	verify := scsi.Verify16(lba, uint32(blocks))
	verify[1] = 2 // BYTCHK 01b
	m.good(verify, bytes.Clone(m.at(lba, blocks)))
}

// Whatever is written by whatever command is read by the next, from memory and from a file.
func TestDiskIsLikeMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	configs := map[string]Config{"zeros": {}, "pattern": {Content: Pattern{Seed: 7}}, "file": {Store: Store{Kind: StoreFile, Path: path}},
		"thick": {Thick: true}, "large blocks": {PhysicalExponent: 3}}
	for name, config := range configs {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				config.Blocks = modelBlocks
				d, err := New(config)
				if err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := errorsOf(d.Close(), removeAll(path)); err != nil {
						t.Error(err)
					}
				}()
				m := &model{T: t, disk: d, bytes: make([]byte, modelBlocks*512)}
				d.ReadBlocks(m.bytes, 0)
				actions := map[string]func(*rapid.T){"write": m.write, "write atomic": m.writeAtomic, "orwrite": m.orWrite, "compare and write": m.compareAndWrite,
					"write same": m.writeSame, "unmap": m.unmap, "extended copy": m.extendedCopy, "": m.check}
				if config.Thick {
					delete(actions, "unmap")
					delete(actions, "write same")
				}
				t.Repeat(actions)
			})
		})
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func removeAll(path string) error { return os.RemoveAll(path) }
