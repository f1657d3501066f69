package faults

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"github.com/iscsispec/iscsispec/trace"
)

// listener is a portal's net.Listener.
type listener struct {
	host       *Host
	portal     netip.AddrPort
	acceptable sync.Cond
	backlog    []*link
	closed     bool
}

// Listen opens a portal at address, "ip:port". Any address may be used that nobody listens on: a host has as many interfaces as it has portals.
func (h *Host) Listen(address string) (net.Listener, error) {
	n := h.network
	portal, err := n.resolve(address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: err}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	fail := func(err error) (net.Listener, error) {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: tcpAddr(portal), Err: err}
	}
	if n.closed {
		return fail(net.ErrClosed)
	}
	if n.listeners[portal] != nil {
		return fail(os.NewSyscallError("bind", syscall.EADDRINUSE))
	}
	if len(n.portals) == portalsMax {
		return fail(fmt.Errorf("more than %d portals", portalsMax))
	}
	l := &listener{host: h, portal: portal}
	l.acceptable.L = &n.mu
	n.listeners[portal] = l
	n.notePortals("listening", portal)
	return l, nil
}

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) {
	n := l.host.network
	n.mu.Lock()
	for len(l.backlog) == 0 && !l.closed {
		l.acceptable.Wait()
	}
	if l.closed {
		n.mu.Unlock()
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: tcpAddr(l.portal), Err: net.ErrClosed}
	}
	c := l.backlog[0]
	l.backlog = l.backlog[1:]
	n.record(trace.Event{Kind: kindAccepted, Node: l.host.name, Conn: c.name, From: c.dialer.local.String(), To: l.portal.String()})
	n.mu.Unlock()
	return n.log.Tap(c.acceptor, l.host.name, c.name), nil
}

// accepted puts a connection whose handshake is complete where Accept finds it.
func (c *link) accepted() {
	l := c.listener
	if l.closed {
		c.acceptor.closed = true
		c.acceptor.out.push(segment{kind: segmentReset})
		c.release()
		return
	}
	l.backlog = append(l.backlog, c)
	l.acceptable.Signal()
}

// Close stops listening. Connections that nobody has accepted are reset; accepted ones live on.
func (l *listener) Close() error {
	n := l.host.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.closed {
		return &net.OpError{Op: "close", Net: "tcp", Addr: tcpAddr(l.portal), Err: net.ErrClosed}
	}
	l.shut()
	n.notePortals("listener closed", l.portal)
	return nil
}

// shut closes the listener. The caller holds n.mu.
func (l *listener) shut() {
	n := l.host.network
	l.closed = true
	delete(n.listeners, l.portal)
	for _, c := range l.backlog {
		c.acceptor.closed = true
		c.acceptor.out.push(segment{kind: segmentReset})
		c.release()
	}
	l.backlog = nil
	l.acceptable.Broadcast()
}

// Addr is the portal's *net.TCPAddr.
func (l *listener) Addr() net.Addr { return tcpAddr(l.portal) }
