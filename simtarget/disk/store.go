package disk

import (
	"errors"
	"sync"
)

// chunkSize is the unit of storage, in bytes: what has never been written costs nothing.
const chunkSize = 64 << 10

// zeroChunk stands for every chunk that was deallocated as a whole. It is never written to.
var zeroChunk = new([chunkSize]byte)

// store is a sparse run of bytes in chunks over computed content. Reads run beside each other; a write runs alone. Offsets and lengths
// are multiples of the block size, and have been held against the capacity by the caller.
type store struct {
	blockSize   int
	content     Content
	zeroContent bool // the content is Zeros, so that no chunk is as good as zeroChunk
	limit       int  // chunks that may be stored

	mu     sync.RWMutex
	chunks map[uint64]*[chunkSize]byte
	stored int // chunks that take memory, without zeroChunk
}

var _ medium = (*store)(nil)

func newStore(blockSize int, content Content, limitBytes int64) *store {
	_, zero := content.(Zeros)
	return &store{blockSize: blockSize, content: content, zeroContent: zero, limit: int(max(1, limitBytes/chunkSize)),
		chunks: map[uint64]*[chunkSize]byte{}}
}

// read fills dst with the bytes from offset on.
func (s *store) read(dst []byte, offset uint64) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.readLocked(dst, offset)
	return nil
}

func (s *store) readLocked(dst []byte, offset uint64) {
	for len(dst) > 0 {
		index, within := offset/chunkSize, int(offset%chunkSize)
		n := min(len(dst), chunkSize-within)
		if c := s.chunks[index]; c != nil {
			copy(dst[:n], c[within:])
		} else {
			s.content.Fill(dst[:n], offset/uint64(s.blockSize), s.blockSize)
		}
		dst, offset = dst[n:], offset+uint64(n)
	}
}

// write stores src from offset on.
func (s *store) write(src []byte, offset uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writeLocked(src, offset)
}

func (s *store) writeLocked(src []byte, offset uint64) error {
	if !s.room(offset, uint64(len(src))) {
		return errNoRoom
	}
	for len(src) > 0 {
		index, within := offset/chunkSize, int(offset%chunkSize)
		n := copy(s.own(index, within == 0 && len(src) >= chunkSize)[within:], src)
		src, offset = src[n:], offset+uint64(n)
	}
	return nil
}

// change reads, edits and writes in one piece.
func (s *store) change(offset uint64, n int, edit func([]byte) bool) error {
	data := make([]byte, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readLocked(data, offset)
	if !edit(data) {
		return nil
	}
	return s.writeLocked(data, offset)
}

// flush does nothing: memory is as far as it goes.
func (*store) flush() error { return nil }

// close does nothing: the memory goes with the disk.
func (*store) close() error { return nil }

// repeat stores block over and over in n bytes from offset on.
func (s *store) repeat(block []byte, offset, n uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.room(offset, n) {
		return errNoRoom
	}
	for end := offset + n; offset < end; offset += uint64(len(block)) {
		copy(s.own(offset/chunkSize, false)[offset%chunkSize:], block)
	}
	return nil
}

// zero makes n bytes from offset on read as zeros, and gives back the memory of whole chunks.
func (s *store) zero(offset, n uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := offset + n
	whole, wholeEnd := (offset+chunkSize-1)/chunkSize, end/chunkSize
	if whole > wholeEnd { // within one chunk
		return s.clearPart(offset, n)
	}
	if !s.zeroContent && uint64(len(s.chunks))+wholeEnd-whole > 64*uint64(s.limit) {
		return errNoRoom // each whole chunk costs a place in the table
	}
	if err := errors.Join(s.clearPart(offset, whole*chunkSize-offset), s.clearPart(wholeEnd*chunkSize, end-wholeEnd*chunkSize)); err != nil {
		return err
	}
	s.dropRange(whole, wholeEnd)
	return nil
}

// erase forgets the content too, so that it costs nothing however large the disk is.
func (s *store) erase(uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.content, s.zeroContent, s.stored = Zeros{}, true, 0
	clear(s.chunks)
	return nil
}

// clearPart zeroes a part of one chunk.
func (s *store) clearPart(offset, n uint64) error {
	index, within := offset/chunkSize, offset%chunkSize
	c := s.chunks[index]
	switch {
	case n == 0 || c == zeroChunk || c == nil && s.zeroContent:
		return nil
	case c == nil && s.stored >= s.limit:
		return errNoRoom
	}
	clear(s.own(index, false)[within : within+n])
	return nil
}

// dropRange makes whole chunks zeros. Where the table has fewer entries than the range, it goes through the table, so that a peer that
// deallocates a huge disk takes no time; the order of that is not seen.
func (s *store) dropRange(from, end uint64) {
	if s.zeroContent && end-from > uint64(len(s.chunks)) {
		for index := range s.chunks {
			if index >= from && index < end {
				s.drop(index)
			}
		}
		return
	}
	for index := from; index < end; index++ {
		s.drop(index)
	}
}

// drop makes a whole chunk zeros and gives its memory back.
func (s *store) drop(index uint64) {
	if c := s.chunks[index]; c != nil && c != zeroChunk {
		s.stored--
	}
	if s.zeroContent {
		delete(s.chunks, index)
		return
	}
	s.chunks[index] = zeroChunk
}

// own returns the chunk for writing, making it from the content unless all of it will be overwritten.
func (s *store) own(index uint64, overwritten bool) *[chunkSize]byte {
	c := s.chunks[index]
	if c != nil && c != zeroChunk {
		return c
	}
	fresh := new([chunkSize]byte)
	if c == nil && !overwritten {
		s.content.Fill(fresh[:], index*chunkSize/uint64(s.blockSize), s.blockSize)
	}
	s.chunks[index] = fresh
	s.stored++
	return fresh
}

// room reports whether a write there stays within the limit.
func (s *store) room(offset, n uint64) bool {
	if n == 0 {
		return true
	}
	free := s.limit - s.stored
	for index := offset / chunkSize; index <= (offset+n-1)/chunkSize; index++ {
		if c := s.chunks[index]; c == nil || c == zeroChunk {
			if free--; free < 0 {
				return false
			}
		}
	}
	return true
}
