package scripted

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// link is one connection as the initiator holds it, a net.Conn without a network behind it: what is written is cut into PDUs and handed to the
// array in the same call, and what the array sends arrives after a while, each piece at an instant of its own. So a run has no goroutines but the
// initiator's, and the same flow leaves the same record.
type link struct {
	array  *array
	number int // counted over the array's connections, from 1
	portal string

	mu       sync.Mutex // never held while waiting, nor while the array is called
	came     sync.Cond
	inbox    []byte
	ended    error // what Read gives when the inbox is empty: io.EOF or a reset
	closed   bool  // by the initiator
	deadline time.Time
	timer    *time.Timer

	// From here on the array's, under its lock.
	splitter *pdu.Splitter
	served   *served
}

func newLink(a *array, number int, portal string) *link {
	l := &link{array: a, number: number, portal: portal, splitter: pdu.NewSplitter(pdu.Limits{})}
	l.came.L = &l.mu
	return l
}

// Read waits for bytes of the array.
func (l *link) Read(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.closed:
			return 0, net.ErrClosed
		case l.late():
			return 0, os.ErrDeadlineExceeded
		case len(l.inbox) > 0:
			n := copy(b, l.inbox)
			l.inbox = l.inbox[n:]
			return n, nil
		case l.ended != nil:
			return 0, l.ended
		}
		l.came.Wait()
	}
}

// late reports whether the deadline has passed. The mutex is held.
func (l *link) late() bool { return !l.deadline.IsZero() && !time.Now().Before(l.deadline) }

// Write hands what came to the array.
func (l *link) Write(b []byte) (int, error) {
	l.mu.Lock()
	var err error
	switch {
	case l.closed:
		err = net.ErrClosed
	case l.late():
		err = os.ErrDeadlineExceeded
	case errors.Is(l.ended, syscall.ECONNRESET):
		err = syscall.EPIPE
	}
	l.mu.Unlock()
	if err != nil {
		return 0, err
	}
	l.array.heard(l, b)
	return len(b), nil
}

// Close ends the connection from the initiator's side.
func (l *link) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return net.ErrClosed
	}
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	l.came.Broadcast()
	l.mu.Unlock()
	l.array.left(l)
	return nil
}

// arrive puts bytes of the array where Read finds them.
func (l *link) arrive(b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended == nil && !l.closed {
		l.inbox = append(l.inbox, b...)
		l.came.Broadcast()
	}
}

// end ends the connection from the array's side. A reset throws away what was not read.
func (l *link) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended != nil {
		return
	}
	l.ended = err
	if !errors.Is(err, io.EOF) {
		l.inbox = nil
	}
	l.came.Broadcast()
}

// SetDeadline sets when Read and Write give up.
func (l *link) SetDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = t
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if rest := time.Until(t); !t.IsZero() && rest > 0 {
		l.timer = time.AfterFunc(rest, l.wake)
	}
	l.came.Broadcast()
	return nil
}

func (l *link) wake() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.came.Broadcast()
}

// SetReadDeadline and SetWriteDeadline are SetDeadline: writing never waits.
func (l *link) SetReadDeadline(t time.Time) error { return l.SetDeadline(t) }

// SetWriteDeadline does nothing.
func (l *link) SetWriteDeadline(time.Time) error { return nil }

// LocalAddr and RemoteAddr are addresses of the run's own.
func (l *link) LocalAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), uint16(40000+l.number)))
}

// RemoteAddr is the portal's.
func (l *link) RemoteAddr() net.Addr {
	if at, err := netip.ParseAddrPort(l.portal); err == nil {
		return net.TCPAddrFromAddrPort(at)
	}
	return &net.TCPAddr{}
}
