package disk

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"testing"

	"pgregory.net/rapid"
)

// The store against a plain slice of bytes, under any run of writes, zeroing, repeating and reading.
func TestStoreIsLikeMemory(t *testing.T) {
	const blockSize, blocks = 512, 3 * chunkSize / 512
	contents := map[string]Content{"zeros": Zeros{}, "pattern": Pattern{Seed: 7}}
	for _, name := range []string{"zeros", "pattern"} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				s := newStore(blockSize, contents[name], 1<<20)
				model := make([]byte, blocks*blockSize)
				contents[name].Fill(model, 0, blockSize)
				place := func() (offset, n uint64) {
					from := rapid.Uint64Range(0, blocks-1).Draw(t, "from")
					return from * blockSize, rapid.Uint64Range(0, min(300, blocks-from)).Draw(t, "blocks") * blockSize
				}
				t.Repeat(map[string]func(*rapid.T){
					"write": func(t *rapid.T) {
						offset, n := place()
						data := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, int(n))
						if s.write(data, offset) != nil {
							t.Fatal("write refused")
						}
						copy(model[offset:], data)
					},
					"zero": func(*rapid.T) {
						offset, n := place()
						if s.zero(offset, n) != nil {
							t.Fatal("zero refused")
						}
						clear(model[offset : offset+n])
					},
					"repeat": func(*rapid.T) {
						offset, n := place()
						block := bytes.Repeat([]byte{0xa5}, blockSize)
						if s.repeat(block, offset, n) != nil {
							t.Fatal("repeat refused")
						}
						copy(model[offset:], bytes.Repeat([]byte{0xa5}, int(n)))
					},
					"": func(t *rapid.T) {
						offset, n := place()
						got := make([]byte, n)
						if err := s.read(got, offset); err != nil || !bytes.Equal(got, model[offset:offset+n]) {
							t.Fatalf("read of %d bytes at %d differs", n, offset)
						}
					},
				})
			})
		})
	}
}

func TestStoreKeepsItsLimit(t *testing.T) {
	s := newStore(512, Pattern{}, 3*chunkSize)
	three := make([]byte, 3*chunkSize)
	if s.write(three, 0) != nil {
		t.Fatal("three chunks are refused")
	}
	if s.write(three[:512], 3*chunkSize) == nil || s.repeat(three[:512], 100*chunkSize, 512) == nil {
		t.Error("a fourth chunk is taken")
	}
	if s.write(three[:chunkSize], chunkSize) != nil {
		t.Error("a chunk that is there is refused")
	}
	if s.zero(0, chunkSize) != nil || s.stored != 2 {
		t.Errorf("%d chunks are stored after one was zeroed", s.stored)
	}
	if s.write(three[:512], 9*chunkSize) != nil {
		t.Error("the memory of the zeroed chunk did not come back")
	}
}

func TestZeroingNothingCostsNothing(t *testing.T) {
	s := newStore(512, Zeros{}, chunkSize)
	if s.zero(0, 1<<40) != nil || len(s.chunks) != 0 {
		t.Errorf("%d entries for an empty disk", len(s.chunks))
	}
}

func TestPatternTellsBlocksApart(t *testing.T) {
	p := Pattern{Seed: 1}
	data := make([]byte, 64*512)
	p.Fill(data, 100, 512)
	if at := p.Check(data, 100, 512); at != -1 {
		t.Fatalf("its own pattern differs at %d", at)
	}
	if at := p.Check(data[:700], 100, 512); at != -1 {
		t.Fatalf("a part of a block differs at %d", at)
	}
	if at := p.Check(data, 101, 512); at < 0 || at > 7 {
		t.Errorf("a shifted read differs at %d, want in the address", at)
	}
	if (Pattern{Seed: 2}).Check(data, 100, 512) < 0 {
		t.Error("another seed gives the same content")
	}
	data[5*512+511] ^= 1
	if at := p.Check(data, 100, 512); at != 5*512+511 {
		t.Errorf("a flipped bit at %d is found at %d", 5*512+511, at)
	}
	seen := map[string]uint64{}
	for lba := range uint64(1000) { // behind the address too
		words := string(p.Block(lba, 512)[8:])
		if other, there := seen[words]; there {
			t.Fatalf("blocks %d and %d are alike", other, lba)
		}
		seen[words] = lba
	}
}

// The pattern is told in its documentation; how it is computed at speed must not show.
func TestPatternIsAsTold(t *testing.T) {
	p := Pattern{Seed: 7}
	for _, size := range []int{512, 520, 4096} {
		block := p.Block(99, size)
		lba := uint64(99)
		x := p.Seed ^ lba*golden
		want := binary.BigEndian.AppendUint64(nil, 99)
		for len(want) < size {
			x += golden
			high, low := bits.Mul64(x, 0xbf58476d1ce4e5b9)
			want = binary.LittleEndian.AppendUint64(want, high^low)
		}
		if !bytes.Equal(block, want) {
			t.Errorf("blocks of %d bytes: first difference at byte %d", size, firstDifference(block, want))
		}
	}
}
