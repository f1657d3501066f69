package disk

import "errors"

// StoreKind says where a disk keeps what is written to it.
type StoreKind string

// The kinds.
const (
	StoreMemory StoreKind = "memory" // sparse memory, gone with the process; the default
	StoreFile   StoreKind = "file"   // a sparse file, kept; deallocated blocks become holes where the operating system can
	StoreNull   StoreKind = "null"   // nowhere: writes end with GOOD and are forgotten, reads give Config.Content
)

// Store says where a disk keeps what is written to it.
type Store struct {
	Kind StoreKind // empty is StoreMemory
	// Path is the file of StoreFile. It is made when it does not exist, and grows (as a hole) to the disk's capacity; a larger one is
	// refused, since blocks would be lost. It is locked against a second use where the operating system can. Persistent reservations
	// that outlive a loss of power stand in a second file, Path with ".reservations" behind it.
	Path string
}

// errNoRoom says that a write would pass the limit of what may be stored. Nothing was written.
var errNoRoom = errors.New("disk: the limit of stored bytes is reached")

// medium keeps the bytes of a disk. Offsets and lengths are in bytes, multiples of the block size, and have been held against the
// capacity by the caller. Any number of calls may run at once; a read sees each write, repeat, zero and change as a whole or not at all.
// Errors are errNoRoom, or what the operating system said.
type medium interface {
	// read fills dst with the bytes from offset on.
	read(dst []byte, offset uint64) error
	// write stores src from offset on.
	write(src []byte, offset uint64) error
	// repeat stores block over and over in n bytes from offset on; n is a multiple of the block's length.
	repeat(block []byte, offset, n uint64) error
	// zero makes n bytes from offset on read as zeros, and gives their room back as far as it can.
	zero(offset, n uint64) error
	// erase makes all bytes before end read as zeros, whatever they held before anything was written, and gives their room back.
	erase(end uint64) error
	// change hands n bytes from offset on to edit, and stores them when it returns true; nothing else is written in between.
	change(offset uint64, n int, edit func([]byte) bool) error
	// run returns how many bytes from offset on, and before end, are alike in taking room or not.
	run(offset, end uint64) (n uint64, mapped bool)
	// flush brings all that was written to where it survives.
	flush() error
	// close flushes and gives everything back. Nothing may be called afterwards.
	close() error
}

// StoreKind tells where the disk keeps what is written to it.
func (d *Disk) StoreKind() StoreKind {
	switch d.medium.(type) {
	case *fileStore:
		return StoreFile
	case nullStore:
		return StoreNull
	}
	return StoreMemory
}

func newMedium(c *Config) (medium, error) {
	switch c.Store.Kind {
	case "", StoreMemory:
		return newStore(c.BlockSize, c.Content, c.MaxStoredBytes), nil
	case StoreNull:
		return nullStore{blockSize: c.BlockSize, content: c.Content}, nil
	case StoreFile:
		return openFileStore(c.Store.Path, c.Blocks*uint64(c.BlockSize), c.MaxStoredBytes)
	}
	panic("disk: a store that Config.Validate lets pass")
}

// nullStore keeps nothing: what is written is forgotten, what is read is computed. It measures what lies in front of a disk.
type nullStore struct {
	blockSize int
	content   Content
}

func (s nullStore) read(dst []byte, offset uint64) error {
	s.content.Fill(dst, offset/uint64(s.blockSize), s.blockSize)
	return nil
}

func (nullStore) write([]byte, uint64) error          { return nil }
func (nullStore) repeat([]byte, uint64, uint64) error { return nil }
func (nullStore) zero(uint64, uint64) error           { return nil }
func (nullStore) erase(uint64) error                  { return nil }
func (nullStore) flush() error                        { return nil }
func (nullStore) close() error                        { return nil }

func (s nullStore) change(offset uint64, n int, edit func([]byte) bool) error {
	data := make([]byte, n)
	err := s.read(data, offset)
	edit(data)
	return err
}

func (nullStore) run(offset, end uint64) (uint64, bool) { return end - offset, true }
