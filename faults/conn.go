package faults

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"math/rand/v2"

	"github.com/iscsispec/iscsispec/trace"
)

// link is one connection: two ends, and a stream toward each of them.
type link struct {
	network          *Network
	name             string // "<portal>#<n>"
	portal           netip.AddrPort
	dialer, acceptor *end
	follow           follower // finds the borders of PDUs
	listener         *listener
}

// end is one end of a connection: the net.Conn that its owner holds.
type end struct {
	link          *link
	host          *Host
	local, remote netip.AddrPort
	in, out       *stream
	readable      sync.Cond
	writable      sync.Cond
	readLimit     deadline
	writeLimit    deadline

	closed   bool // by its owner
	wrote    bool // its owner has ended its half of the conversation
	finished bool // the peer has ended its half
	broken   bool // a reset arrived, or a fault cut the connection
	told     bool // the owner was told of the reset once
	abrupt   bool // SetLinger(0)
}

var (
	_ net.Conn = (*end)(nil)
	_ interface {
		CloseWrite() error
		SetLinger(sec int) error
	} = (*end)(nil)
)

func newLink(n *Network, name string, from, to *Host, local, portal netip.AddrPort, toDialer, toAcceptor lane) *link {
	c := &link{network: n, name: name, portal: portal}
	c.dialer = &end{link: c, host: from, local: local, remote: portal}
	c.acceptor = &end{link: c, host: to, local: portal, remote: local}
	stream := func(toward *end, dir Direction, l lane) *stream {
		return &stream{link: c, dir: dir, toward: toward, lane: l,
			rand: rand.New(rand.NewPCG(keyed(n.seed, "jitter", name, string(dir)), n.seed))}
	}
	c.dialer.in = stream(c.dialer, ToInitiator, toDialer)
	c.acceptor.in = stream(c.acceptor, ToTarget, toAcceptor)
	c.dialer.out, c.acceptor.out = c.acceptor.in, c.dialer.in
	for _, e := range []*end{c.dialer, c.acceptor} {
		e.readable.L, e.writable.L = &n.mu, &n.mu
	}
	c.follow.start()
	return c
}

func (c *link) opposite(e *end) *end {
	if e == c.dialer {
		return c.acceptor
	}
	return c.dialer
}

// release forgets the connection once both owners have closed it.
func (c *link) release() {
	if !c.dialer.closed || !c.acceptor.closed {
		return
	}
	n := c.network
	for _, s := range []*stream{c.dialer.in, c.acceptor.in} {
		s.drop()
		s.received = nil
		n.lanes.release(&s.lane)
	}
	n.conns = slices.DeleteFunc(n.conns, func(other *link) bool { return other == c })
	n.rules = slices.DeleteFunc(n.rules, func(r *rule) bool { return r.by != nil && r.fault.Scope.Conn == c.name })
}

func (e *end) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: tcpAddr(e.local), Addr: tcpAddr(e.remote), Err: err}
}

// Read hands out bytes that have arrived. What arrived before a reset or the end of the stream can still be read.
func (e *end) Read(b []byte) (int, error) {
	mu := &e.link.network.mu
	mu.Lock()
	defer mu.Unlock()
	for {
		switch {
		case e.closed:
			return 0, e.fail("read", net.ErrClosed)
		case e.readLimit.passed():
			return 0, e.fail("read", os.ErrDeadlineExceeded)
		case len(b) == 0:
			return 0, nil
		case e.in.unread > 0:
			return e.in.take(b), nil
		case e.broken:
			e.told = true
			return 0, e.fail("read", os.NewSyscallError("read", syscall.ECONNRESET))
		case e.finished:
			return 0, io.EOF
		}
		e.readable.Wait()
	}
}

// Write sends b, waiting while the window is full. b is copied.
func (e *end) Write(b []byte) (int, error) {
	n := e.link.network
	n.mu.Lock()
	defer n.mu.Unlock()
	total := 0
	for {
		if err := e.unwritable(); err != nil {
			return total, e.fail("write", err)
		}
		if total == len(b) {
			return total, nil
		}
		room := n.opts.Window - e.out.inflight
		if room <= 0 && !e.out.lost {
			e.out.writers++
			e.writable.Wait()
			e.out.writers--
			continue
		}
		k := len(b) - total
		if !e.out.lost {
			k = min(k, room)
		}
		e.out.accept(b[total : total+k])
		e.out.flush()
		total += k
	}
}

func (e *end) unwritable() error {
	switch {
	case e.closed:
		return net.ErrClosed
	case e.writeLimit.passed():
		return os.ErrDeadlineExceeded
	case e.wrote:
		return os.NewSyscallError("write", syscall.EPIPE)
	case e.broken && e.told:
		return os.NewSyscallError("write", syscall.EPIPE)
	case e.broken:
		e.told = true
		return os.NewSyscallError("write", syscall.ECONNRESET)
	}
	return nil
}

// Close ends the connection in both directions. As with TCP, the peer sees a reset when SetLinger(0) was called or when
// received bytes were left unread, and the end of the stream otherwise.
func (e *end) Close() error {
	n := e.link.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if e.closed {
		return e.fail("close", net.ErrClosed)
	}
	e.closed = true
	e.readLimit.stop()
	e.writeLimit.stop()
	if !e.broken {
		e.out.end()
		switch {
		case e.abrupt || e.in.unread > 0:
			e.out.push(segment{kind: segmentReset})
		case !e.wrote:
			e.out.push(segment{kind: segmentFin})
		}
	}
	e.wake()
	e.link.release()
	return nil
}

// CloseWrite ends this end's half of the conversation; reading goes on.
func (e *end) CloseWrite() error {
	n := e.link.network
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case e.closed:
		return e.fail("close", net.ErrClosed)
	case e.wrote:
		return nil
	case e.broken:
		return e.fail("close", os.NewSyscallError("shutdown", syscall.ENOTCONN))
	}
	e.wrote = true
	e.out.end()
	e.out.push(segment{kind: segmentFin})
	e.wake()
	return nil
}

// SetLinger with 0 makes Close reset the connection; with any other value Close is orderly.
func (e *end) SetLinger(sec int) error {
	n := e.link.network
	n.mu.Lock()
	defer n.mu.Unlock()
	e.abrupt = sec == 0
	return nil
}

// reset makes the connection unusable for its owner. What had arrived stays readable; what was on its way to the peer is lost.
func (e *end) reset() {
	if e.broken {
		return
	}
	e.broken = true
	if !e.out.lost { // a fault that has cut the stream knows what still arrives
		e.out.drop()
	}
	e.wake()
}

func (e *end) wake() {
	e.readable.Broadcast()
	e.writable.Broadcast()
}

// noteArrival records what the connection came to at this end.
func (e *end) noteArrival(state string) {
	c := e.link
	c.network.record(trace.Event{Kind: kindLink, Node: nodeNetwork, Conn: c.name, State: state,
		From: c.opposite(e).host.name, To: e.host.name, Reason: "arrived at " + e.host.name})
}

// LocalAddr is a *net.TCPAddr.
func (e *end) LocalAddr() net.Addr { return tcpAddr(e.local) }

// RemoteAddr is a *net.TCPAddr.
func (e *end) RemoteAddr() net.Addr { return tcpAddr(e.remote) }

// SetDeadline sets both deadlines.
func (e *end) SetDeadline(t time.Time) error {
	if err := e.SetReadDeadline(t); err != nil {
		return err
	}
	return e.SetWriteDeadline(t)
}

// SetReadDeadline makes Read fail with os.ErrDeadlineExceeded from t on; the zero time means never.
func (e *end) SetReadDeadline(t time.Time) error { return e.limit(&e.readLimit, &e.readable, t) }

// SetWriteDeadline makes Write fail with os.ErrDeadlineExceeded from t on; the zero time means never.
func (e *end) SetWriteDeadline(t time.Time) error { return e.limit(&e.writeLimit, &e.writable, t) }

func (e *end) limit(d *deadline, cond *sync.Cond, t time.Time) error {
	mu := &e.link.network.mu
	mu.Lock()
	defer mu.Unlock()
	if e.closed {
		return e.fail("set", net.ErrClosed)
	}
	d.set(t, func() {
		mu.Lock()
		defer mu.Unlock()
		cond.Broadcast()
	})
	cond.Broadcast()
	return nil
}

// String names the connection and the end, for messages.
func (e *end) String() string { return fmt.Sprintf("%s at %s", e.link.name, e.host.name) }

// deadline is an instant that a waiting call must not outlast.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

func (d *deadline) set(t time.Time, ring func()) {
	d.stop()
	d.at = t
	if wait := time.Until(t); !t.IsZero() && wait > 0 {
		d.timer = time.AfterFunc(wait, ring)
	}
}
