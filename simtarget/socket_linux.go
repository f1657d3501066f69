package simtarget

import (
	"syscall"
	"unsafe"
)

// canTry says that tryRead and tryWrite work here.
const canTry = true

// vectorMax is how many pieces one system call takes (IOV_MAX).
const vectorMax = 1024

// vector is the pieces of a batch as the system call wants them.
type vector []syscall.Iovec

// tryRead reads from a socket that does not block. It reports whether there was nothing to read yet; at the end of the stream it gives 0
// bytes.
func tryRead(fd uintptr, b []byte) (n int, again bool, err error) {
	for {
		n, err = syscall.Read(int(fd), b)
		switch err {
		case nil:
			return n, false, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, true, nil
		default:
			return 0, false, err
		}
	}
}

// tryWrite writes to a socket that does not block, and reports whether anything of the batch is left.
func (b *batch) tryWrite(fd uintptr) (left bool, err error) {
	for next := 0; next < len(b.pieces); {
		b.vector = b.vector[:0]
		length := 0
		for ; next < len(b.pieces) && len(b.vector) < vectorMax; next++ {
			bytes := b.bytes(b.pieces[next])
			v := syscall.Iovec{Base: unsafe.SliceData(bytes)}
			v.SetLen(len(bytes))
			b.vector = append(b.vector, v)
			length += len(bytes)
		}
		n, err := writeVector(fd, b.vector)
		clear(b.vector)
		b.done += n
		if err != nil || n < length {
			return true, err
		}
	}
	return false, nil
}

func writeVector(fd uintptr, v vector) (int, error) {
	for {
		n, _, errno := syscall.Syscall(syscall.SYS_WRITEV, fd, uintptr(unsafe.Pointer(unsafe.SliceData(v))), uintptr(len(v)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, nil
		default:
			return 0, errno
		}
	}
}
