package initiator

import (
	"net"
	"syscall"
)

// directEntries is how many small PDUs at most are written by whoever queued them.
const directEntries = 8

// directWriter writes to a TCP connection without ever waiting: what the socket does not take at once stays with the caller.
type directWriter struct {
	raw     syscall.RawConn
	attempt func(fd uintptr) bool // Made once: a closure for each write would be memory for each write.
	data    []byte
	written int
}

// newDirectWriter returns nil where a connection cannot be written to without waiting.
func newDirectWriter(nc net.Conn) *directWriter {
	tcp, ok := nc.(*net.TCPConn)
	if !ok || !canTryWrite {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	d := &directWriter{raw: raw}
	d.attempt = func(fd uintptr) bool {
		d.written = tryWrite(fd, d.data)
		return true
	}
	return d
}

// write returns how many bytes the socket took. What stopped it, if anything, is met again by the next ordinary write.
func (d *directWriter) write(b []byte) int {
	d.data, d.written = b, 0
	_ = d.raw.Write(d.attempt)
	d.data = nil
	return d.written
}

// cork keeps what is queued from being left to the writer's goroutine until uncork, where it reports true. The reader does so around the ends
// of requests, where new ones are likely to be submitted. The mutex is held.
func (c *connection) cork() bool {
	if c.direct == nil || c.corked {
		return false
	}
	c.corked = true
	return true
}

// uncork sends off what was queued since cork. The mutex is held, but may be released meanwhile.
func (c *connection) uncork() {
	c.corked = false
	if len(c.queue) == 0 {
		return
	}
	if !c.direct.suits(c) {
		c.wake.Signal()
		return
	}
	batch, expStatSN := c.take()
	c.s.mu.Unlock()
	for i := range batch {
		_ = c.writer.add(&batch[i], expStatSN) // All of it has room in the buffer, so nothing is written yet.
	}
	unsent := !c.writer.flushDirectly(c.direct)
	c.s.mu.Lock()
	c.wrote(batch)
	c.unsent = unsent
	if unsent || len(c.queue) > 0 || c.broken != nil {
		c.wake.Signal()
	}
}

// suits reports whether what is queued is to be written by its sender: if nothing else is under way, so that the target has nothing to do
// until it comes, handing it to another goroutine would take longer than the write. It has to be small, and nobody else's memory. The
// mutex is held.
func (*directWriter) suits(c *connection) bool {
	n := len(c.queue)
	if n > directEntries || n < c.commands || c.writing || c.unsent || c.broken != nil {
		return false
	}
	for i := range c.queue {
		if e := &c.queue[i]; e.owner != nil || len(e.data) > wireCopyBytes {
			return false
		}
	}
	return true
}
