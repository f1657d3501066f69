package fuzz

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// wireMax bounds what one direction of a wire holds that nobody has read, in bytes. Beyond it the writer gets an error, since no flow says so
// much.
const wireMax = 4 << 20

// direction is one direction of a wire: bytes that were written and not read yet.
type direction struct {
	mu     sync.Mutex
	change sync.Cond
	data   []byte
	spare  []byte // memory for what comes next while data is lent
	read   int
	eof    bool // the writer has ended it
	reset  bool // the writer has reset it
	closed bool // the reader is gone
	late   bool // the reader's deadline has passed
}

// wire is one end of a connection in memory that delivers at once. It works in a bubble, and costs as little as can be: what network faults
// do to a login is a flow's own cuts.
type wire struct {
	in, out  *direction
	local    net.Addr
	remote   net.Addr
	deadline time.Time
	abrupt   bool
}

// wireAddr is the address of an end.
type wireAddr string

// Network is "tcp": the peers are told so.
func (wireAddr) Network() string  { return "tcp" }
func (a wireAddr) String() string { return string(a) }

// newWire makes the two ends of a connection.
func newWire(from, to wireAddr) (dialled, accepted *wire) {
	there, back := &direction{}, &direction{}
	there.change.L, back.change.L = &there.mu, &back.mu
	return &wire{in: back, out: there, local: from, remote: to}, &wire{in: there, out: back, local: to, remote: from}
}

// Read implements net.Conn.
func (w *wire) Read(b []byte) (int, error) {
	d := w.in
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := w.await(); err != nil {
		return 0, err
	}
	n := copy(b, d.data[d.read:])
	if d.read += n; d.read == len(d.data) {
		d.data, d.read = d.data[:0], 0
	}
	return n, nil
}

// await waits until there are bytes. The caller holds the lock of the direction that is read.
func (w *wire) await() error {
	d := w.in
	var timer *time.Timer
	for d.read == len(d.data) {
		switch {
		case d.closed:
			return net.ErrClosed
		case d.reset:
			return syscall.ECONNRESET
		case d.eof:
			return io.EOF
		case d.late:
			return os.ErrDeadlineExceeded
		}
		if timer == nil && !w.deadline.IsZero() {
			timer = time.AfterFunc(time.Until(w.deadline), d.expire)
			defer timer.Stop()
		}
		d.change.Wait()
	}
	return nil
}

// Lend implements pdu.Lender: readers hold no memory of their own.
func (w *wire) Lend() ([]byte, error) {
	d := w.in
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := w.await(); err != nil {
		return nil, err
	}
	lent := d.data[d.read:]
	d.data, d.read, d.spare = d.spare[:0], 0, nil
	return lent, nil
}

// Return implements pdu.Lender.
func (w *wire) Return(lent []byte) {
	w.in.mu.Lock()
	w.in.spare = lent
	w.in.mu.Unlock()
}

func (d *direction) expire() {
	d.mu.Lock()
	d.late = true
	d.mu.Unlock()
	d.change.Broadcast()
}

// Write implements net.Conn.
func (w *wire) Write(b []byte) (int, error) {
	d := w.out
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.eof || d.reset:
		return 0, net.ErrClosed
	case d.closed || len(d.data)+len(b) > wireMax:
		return 0, syscall.EPIPE
	}
	d.data = append(d.data, b...)
	d.change.Broadcast()
	return len(b), nil
}

// Close implements net.Conn; behind SetLinger(0) it is a reset.
func (w *wire) Close() error {
	w.in.mu.Lock()
	w.in.closed = true
	w.in.mu.Unlock()
	w.in.change.Broadcast()
	w.out.mu.Lock()
	w.out.eof = true
	if w.abrupt {
		w.out.reset, w.out.data, w.out.read = true, nil, 0
	}
	w.out.mu.Unlock()
	w.out.change.Broadcast()
	return nil
}

// CloseWrite ends this end's direction only.
func (w *wire) CloseWrite() error {
	w.out.mu.Lock()
	w.out.eof = true
	w.out.mu.Unlock()
	w.out.change.Broadcast()
	return nil
}

// SetLinger makes Close a reset when seconds is 0.
func (w *wire) SetLinger(seconds int) error {
	w.abrupt = seconds == 0
	return nil
}

// LocalAddr implements net.Conn.
func (w *wire) LocalAddr() net.Addr { return w.local }

// RemoteAddr implements net.Conn.
func (w *wire) RemoteAddr() net.Addr { return w.remote }

// SetDeadline implements net.Conn; writes never wait.
func (w *wire) SetDeadline(t time.Time) error { return w.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn; writes never wait.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn. It holds for reads that begin later; who reads is who sets it.
func (w *wire) SetReadDeadline(t time.Time) error {
	w.in.mu.Lock()
	w.deadline, w.in.late = t, false
	w.in.mu.Unlock()
	return nil
}

// exchange is a network of wires: listeners by address.
type exchange struct {
	mu        sync.Mutex
	listeners map[string]*listener
	dialled   int
}

// listener is one address of an exchange.
type listener struct {
	address wireAddr
	conns   chan net.Conn
	done    chan struct{}
	once    sync.Once
}

// listen opens an address; it is the array's ListenFunc.
func (x *exchange) listen(address string) (net.Listener, error) {
	l := &listener{address: wireAddr(address), conns: make(chan net.Conn), done: make(chan struct{})}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.listeners == nil {
		x.listeners = map[string]*listener{}
	}
	x.listeners[address] = l
	return l, nil
}

// dial opens a connection to an address, from an address of its own.
func (x *exchange) dial(address string) (net.Conn, error) {
	x.mu.Lock()
	l := x.listeners[address]
	x.dialled++
	x.mu.Unlock()
	if l == nil {
		return nil, syscall.ECONNREFUSED
	}
	dialled, accepted := newWire("10.0.1.1:40000", l.address)
	select {
	case l.conns <- accepted:
		return dialled, nil
	case <-l.done:
		return nil, syscall.ECONNREFUSED
	}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return l.address }
