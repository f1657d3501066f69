package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// fileStore keeps a disk in a sparse file. The lock is held across the file's I/O: it is what makes a write, or a compare and write, one
// piece to every reader. Nothing else waits for it.
type fileStore struct {
	limit uint64 // bytes that the file may take; 0 is no limit but the capacity

	mu   sync.RWMutex
	file *os.File
}

var _ medium = (*fileStore)(nil)

// openFileStore opens or makes the file; capacity and limit are bytes.
func openFileStore(path string, capacity uint64, limit int64) (*fileStore, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	s := &fileStore{file: file}
	if limit > 0 && uint64(limit) < capacity {
		s.limit = uint64(limit)
	}
	if err := s.prepare(capacity); err != nil {
		return nil, errors.Join(fmt.Errorf("disk: %s: %w", path, err), file.Close())
	}
	return s, nil
}

// prepare locks the file and brings it to the capacity.
func (s *fileStore) prepare(capacity uint64) error {
	if err := lockFile(s.file); err != nil {
		return err
	}
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("is no regular file but %v", info.Mode().Type())
	}
	switch size := uint64(info.Size()); {
	case size > capacity:
		return fmt.Errorf("has %d bytes, more than the disk's capacity of %d", size, capacity)
	case size < capacity:
		return s.file.Truncate(int64(capacity))
	}
	return nil
}

func (s *fileStore) read(dst []byte, offset uint64) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.readLocked(dst, offset)
}

// readLocked reads; what lies behind the end of the file, as after a growth of the capacity, is zeros.
func (s *fileStore) readLocked(dst []byte, offset uint64) error {
	n, err := s.file.ReadAt(dst, int64(offset))
	if errors.Is(err, io.EOF) {
		clear(dst[n:])
		return nil
	}
	return err
}

func (s *fileStore) write(src []byte, offset uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writeLocked(src, offset)
}

func (s *fileStore) writeLocked(src []byte, offset uint64) error {
	if err := s.room(uint64(len(src))); err != nil {
		return err
	}
	_, err := s.file.WriteAt(src, int64(offset))
	return err
}

// room holds what the file takes against the limit. It counts the bytes to come as if all of them were new.
func (s *fileStore) room(n uint64) error {
	if s.limit == 0 {
		return nil
	}
	taken, err := allocated(s.file)
	if err == nil && taken+n > s.limit {
		return errNoRoom
	}
	return err
}

func (s *fileStore) repeat(block []byte, offset, n uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.room(n); err != nil {
		return err
	}
	const piece = 1 << 20
	data := bytes.Repeat(block, int(max(1, min(piece, n)/uint64(len(block)))))
	for n > 0 {
		part := data[:min(n, uint64(len(data)))]
		if _, err := s.file.WriteAt(part, int64(offset)); err != nil {
			return err
		}
		offset, n = offset+uint64(len(part)), n-uint64(len(part))
	}
	return nil
}

func (s *fileStore) zero(offset, n uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return deallocate(s.file, offset, n)
}

func (s *fileStore) erase(end uint64) error { return s.zero(0, end) }

// writeZeros is the way of deallocate where no holes can be made: blocks that read as zeros are left alone.
func writeZeros(file *os.File, offset, n uint64) error {
	const piece = 1 << 18
	data := make([]byte, min(piece, n))
	for ; n > 0; offset, n = offset+uint64(len(data)), n-uint64(len(data)) {
		data = data[:min(n, uint64(len(data)))]
		read, err := file.ReadAt(data, int64(offset))
		if errors.Is(err, io.EOF) && read == 0 {
			return nil
		}
		if err == nil && isZero(data) {
			continue
		}
		clear(data)
		if _, err := file.WriteAt(data, int64(offset)); err != nil {
			return err
		}
	}
	return nil
}

func (s *fileStore) change(offset uint64, n int, edit func([]byte) bool) error {
	data := make([]byte, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.readLocked(data, offset); err != nil || !edit(data) {
		return err
	}
	return s.writeLocked(data, offset)
}

func (s *fileStore) run(offset, end uint64) (uint64, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return extent(s.file, offset, end)
}

func (s *fileStore) flush() error { return s.file.Sync() }

func (s *fileStore) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.file.Sync(); errors.Is(err, os.ErrClosed) {
		return nil // a second time
	} else if err != nil {
		return errors.Join(err, s.file.Close())
	}
	return s.file.Close()
}
