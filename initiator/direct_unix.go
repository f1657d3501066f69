//go:build unix

package initiator

import "syscall"

// canTryWrite says that tryWrite works here.
const canTryWrite = true

// tryWrite writes to a socket that does not block, and returns how many bytes it took.
func tryWrite(fd uintptr, b []byte) int {
	n, err := syscall.Write(int(fd), b)
	if err != nil {
		return 0
	}
	return n
}
