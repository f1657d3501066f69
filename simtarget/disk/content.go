package disk

import (
	"encoding/binary"
	"math/bits"
)

// Content is what a disk's blocks hold before anything is written to them. It is computed, not stored: the same block always gives the
// same bytes.
type Content interface {
	// Fill writes the blocks from lba on into dst, whose length is a multiple of blockSize.
	Fill(dst []byte, lba uint64, blockSize int)
}

// Zeros is the content of a disk that is all zeros.
type Zeros struct{}

// Fill clears dst.
func (Zeros) Fill(dst []byte, _ uint64, _ int) { clear(dst) }

// Pattern is the known per-block pattern: a block starts with its address as eight bytes big-endian, and each following group of eight
// bytes is a mix of Seed, address and position, so that a block in the wrong place, a shifted one and a torn one all show.
type Pattern struct{ Seed uint64 }

// Fill writes the pattern.
func (p Pattern) Fill(dst []byte, lba uint64, blockSize int) {
	for ; len(dst) >= blockSize; dst, lba = dst[blockSize:], lba+1 {
		p.fillBlock(dst[:blockSize], lba)
	}
}

func (p Pattern) fillBlock(block []byte, lba uint64) {
	x := p.Seed ^ lba*golden
	binary.BigEndian.PutUint64(block, lba)
	rest := block[8:]
	for len(rest) >= 32 { // four at a time: what is read and was never written is computed each time
		b := (*[32]byte)(rest)
		binary.LittleEndian.PutUint64(b[0:], mix(x+golden))
		binary.LittleEndian.PutUint64(b[8:], mix(x+golden2))
		binary.LittleEndian.PutUint64(b[16:], mix(x+golden3))
		x += golden4
		binary.LittleEndian.PutUint64(b[24:], mix(x))
		rest = rest[32:]
	}
	for ; len(rest) >= 8; rest = rest[8:] {
		x += golden
		binary.LittleEndian.PutUint64(rest, mix(x))
	}
}

// golden is the step of x from one group of eight bytes to the next; the others are as many steps, modulo 2^64.
const (
	golden  uint64 = 0x9e3779b97f4a7c15
	golden2        = 0x9e3779b97f4a7c15 * 2 & (1<<64 - 1)
	golden3        = 0x9e3779b97f4a7c15 * 3 & (1<<64 - 1)
	golden4        = 0x9e3779b97f4a7c15 * 4 & (1<<64 - 1)
)

func mix(x uint64) uint64 {
	high, low := bits.Mul64(x, 0xbf58476d1ce4e5b9)
	return high ^ low
}

// Block returns one block of the pattern, newly made.
func (p Pattern) Block(lba uint64, blockSize int) []byte {
	b := make([]byte, blockSize)
	p.Fill(b, lba, blockSize)
	return b
}

// Check holds data, read from lba on, against the pattern. It returns the offset of the first byte that differs, or -1 when none does; a
// last part of a block is compared too.
func (p Pattern) Check(data []byte, lba uint64, blockSize int) int {
	want := make([]byte, blockSize)
	for at := 0; at < len(data); at, lba = at+blockSize, lba+1 {
		p.Fill(want, lba, blockSize)
		for i, b := range data[at:min(len(data), at+blockSize)] {
			if b != want[i] {
				return at + i
			}
		}
	}
	return -1
}
