package disk

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// fileGranularity is the smallest run that is deallocated for sure, in bytes: the block of the usual file systems.
const fileGranularity = 4096

// lockFile keeps a second user off the file; the lock goes with the file's closing.
func lockFile(file *os.File) error {
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("is in use: %w", err)
	}
	return nil
}

// allocated returns how many bytes the file takes.
func allocated(file *os.File) (uint64, error) {
	var s syscall.Stat_t
	if err := syscall.Fstat(int(file.Fd()), &s); err != nil {
		return 0, fmt.Errorf("fstat: %w", err)
	}
	return uint64(s.Blocks) * 512, nil
}

// deallocate makes a hole; the edges that are no whole blocks of the file system are zeroed by that too.
func deallocate(file *os.File, offset, n uint64) error {
	const keepSize, punchHole = 1, 2
	err := error(syscall.EINTR)
	for errors.Is(err, syscall.EINTR) {
		err = syscall.Fallocate(int(file.Fd()), keepSize|punchHole, int64(offset), int64(n))
	}
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return writeZeros(file, offset, n)
	}
	return err
}

// extent looks for the next place where data begin or end.
func extent(file *os.File, offset, end uint64) (n uint64, mapped bool) {
	const seekData, seekHole = 3, 4
	data, err := syscall.Seek(int(file.Fd()), int64(offset), seekData)
	switch {
	case errors.Is(err, syscall.ENXIO): // no data behind offset
		return end - offset, false
	case err != nil:
		return end - offset, true
	case uint64(data) > offset:
		return min(uint64(data), end) - offset, false
	}
	hole, err := syscall.Seek(int(file.Fd()), int64(offset), seekHole)
	if err != nil || uint64(hole) <= offset {
		return end - offset, true
	}
	return min(uint64(hole), end) - offset, true
}
