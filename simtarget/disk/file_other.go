//go:build !linux

package disk

import "os"

// fileGranularity is the smallest run that is deallocated for sure, in bytes.
const fileGranularity = 4096

// lockFile does nothing here.
func lockFile(*os.File) error { return nil }

// allocated takes the file's length for what it takes: how much of that are holes is not known here.
func allocated(file *os.File) (uint64, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	return uint64(info.Size()), nil
}

func deallocate(file *os.File, offset, n uint64) error { return writeZeros(file, offset, n) }

// extent takes everything for data.
func extent(_ *os.File, offset, end uint64) (n uint64, mapped bool) { return end - offset, true }
