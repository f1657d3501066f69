package scripted

import (
	"errors"
	"syscall"
)

// isErrno reports whether an error is one of the system's.
func isErrno(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno)
}
