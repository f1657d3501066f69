package disk

import (
	"testing"

	"github.com/iscsispec/iscsispec/scsi"
)

func benchmarkRead(b *testing.B, content Content, written bool) {
	const blocks = 128 // 64 KiB
	d := newDisk(b, Config{Blocks: 131072, Content: content})
	if written {
		d.WriteBlocks(make([]byte, 64<<20), 0)
	}
	task := &Task{Buffer: make([]byte, 0, blocks*512)}
	cdbs := [][]byte{scsi.Read10(0, blocks), scsi.Read10(64000, blocks)}
	b.SetBytes(blocks * 512)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		task.Reset()
		task.CDB = cdbs[i%2]
		d.Execute(task)
	}
}

func BenchmarkReadStored64K(b *testing.B)  { benchmarkRead(b, Zeros{}, true) }
func BenchmarkReadPattern64K(b *testing.B) { benchmarkRead(b, Pattern{}, false) }
func BenchmarkReadZeros64K(b *testing.B)   { benchmarkRead(b, Zeros{}, false) }

func BenchmarkWrite64K(b *testing.B) {
	d := newDisk(b, Config{Blocks: 131072})
	task, data, cdb := &Task{}, make([]byte, 64<<10), scsi.Write10(640, 128)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		task.Reset()
		task.CDB, task.DataOut = cdb, data
		d.Execute(task)
	}
}

func BenchmarkTestUnitReady(b *testing.B) {
	d := newDisk(b, Config{})
	task, cdb := &Task{}, scsi.TestUnitReady()
	b.ReportAllocs()
	for b.Loop() {
		task.Reset()
		task.CDB = cdb
		d.Execute(task)
	}
}
