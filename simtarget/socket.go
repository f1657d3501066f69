package simtarget

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// socket is the reading goroutine's access to a TCP connection. It waits for bytes without holding memory for them, and writes without
// waiting. Before it reads it writes what was held back. A nil socket stands for a connection that offers no such access: its PDUs are
// written by a goroutine, and read in the ordinary way.
type socket struct {
	c   *connection
	raw syscall.RawConn

	// The attempts are made once: a closure for each system call would be memory for each.
	read, write func(fd uintptr) bool

	// Of the reading goroutine.
	lent    *[lentBytes]byte
	large   bool // the last data segment was large, and the next may be
	n       int
	readErr error

	// Of whoever writes.
	batch    *batch
	left     bool
	writeErr error
}

const (
	// lentBytes is how much is read at a time.
	lentBytes = 64 << 10
	// shortBytes is how much is read at a time behind a data segment of largeBytes: where the next one is as large, most of it can be read to
	// where it belongs.
	shortBytes = 1 << 10
	largeBytes = 16 << 10
)

var lentPool = sync.Pool{New: func() any { return new([lentBytes]byte) }}

// newSocket returns nil where there is no such access.
func newSocket(c *connection) *socket {
	tcp, isTCP := c.conn.(*net.TCPConn)
	if !isTCP || !canTry {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	s := &socket{c: c, raw: raw}
	s.read, s.write = s.attemptRead, s.attemptWrite
	return s
}

// Lend waits for bytes (pdu.Lender).
func (s *socket) Lend() ([]byte, error) {
	s.c.flush()
	err := s.raw.Read(s.read)
	if err == nil {
		err = s.readErr
	}
	if err != nil {
		return nil, err
	}
	s.c.out.hold()
	return s.lent[:s.n], nil
}

// attemptRead takes memory from the pool for as long as the system call takes, and keeps it when there are bytes in it.
func (s *socket) attemptRead(fd uintptr) bool {
	s.lent, _ = lentPool.Get().(*[lentBytes]byte)
	size := lentBytes
	if s.large {
		size = shortBytes
	}
	n, again, err := tryRead(fd, s.lent[:size])
	if n == 0 && !again && err == nil {
		err = io.EOF
	}
	s.n, s.readErr = n, err
	if n == 0 {
		s.Return(nil)
	}
	return !again
}

// expect is told the length of each data segment.
func (s *socket) expect(n int) {
	if s != nil {
		s.large = n >= largeBytes
	}
}

// Return gives the memory back.
func (s *socket) Return([]byte) {
	lentPool.Put(s.lent)
	s.lent = nil
}

// Read reads to where the bytes belong.
func (s *socket) Read(b []byte) (int, error) {
	s.c.flush()
	n, err := s.c.conn.Read(b)
	s.c.out.hold()
	return n, err
}

// tryWrite writes what the socket takes of a batch at once, and reports whether anything is left.
func (s *socket) tryWrite(b *batch) (left bool, err error) {
	s.batch, s.writeErr = b, nil
	if err := s.raw.Write(s.write); err != nil {
		return false, err
	}
	s.batch = nil
	return s.left, s.writeErr
}

func (s *socket) attemptWrite(fd uintptr) bool {
	s.left, s.writeErr = s.batch.tryWrite(fd)
	return true
}
