package simtarget

import (
	"errors"
	"net"
	"net/netip"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi"
)

// portal is a network portal at run time. The array's lock guards what may change.
type portal struct {
	Portal
	index    int // 1 for the first: the relative target port identifier
	up       bool
	listener net.Listener
	real     string        // the address that the listener has, once it had one
	silent   bool          // connections are taken and never answered
	moves    int           // how often the address was taken away
	behind   *portal       // who answers at the address since it has moved; nil means itself
	turn     chan struct{} // one place, for who may log in next where logins are taken one at a time
}

// address is what initiators are told, in the form of TargetAddress without a tag (RFC 7143, Section 13.8). local is the address that the
// asking connection came to: it stands in for a wildcard address.
func (p *portal) address(local string) string {
	if p.Advertised != "" {
		return p.Advertised
	}
	real := p.real
	if real == "" {
		real = p.Address
	}
	addr, err := netip.ParseAddrPort(real)
	if err != nil || !addr.Addr().IsUnspecified() {
		return real
	}
	if host, _, err := net.SplitHostPort(local); err == nil {
		return iscsi.Address{Host: host, Port: addr.Port()}.String()
	}
	return real
}

// withoutPort leaves the default port out of an address.
func withoutPort(address string) string { return strings.TrimSuffix(address, ":3260") }

// open starts to listen. The caller holds the array's lock.
func (a *Array) open(p *portal) error {
	if p.listener != nil || a.listen == nil {
		return nil
	}
	address := p.real
	if address == "" {
		address = p.Address
	}
	l, err := a.listen(address)
	if err != nil {
		return err
	}
	p.listener, p.up = l, !p.silent
	p.real = l.Addr().String()
	a.wg.Add(1)
	go a.acceptLoop(p, l)
	return nil
}

// shut stops listening. The caller holds the array's lock.
func (a *Array) shut(p *portal) {
	p.up = false
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
}

func (a *Array) acceptLoop(p *portal, l net.Listener) {
	defer a.wg.Done()
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			if a.pause(acceptRetry) { // want of descriptors or memory
				continue
			}
			return
		}
		a.accepted(p, conn)
	}
}

// accepted starts to serve a connection.
func (a *Array) accepted(p *portal, conn net.Conn) {
	a.mu.Lock()
	if a.closed || len(a.connections) >= a.connectionsMax || a.hostLocked(conn.RemoteAddr().String()) {
		a.mu.Unlock()
		_ = conn.Close()
		return
	}
	a.ordinal++
	c := newConnection(a, p.answering(), conn, a.ordinal)
	c.door = p
	a.connections[c.ordinal] = c
	a.dev.Robustness.accepted(a)
	a.wg.Add(1)
	a.mu.Unlock()
	go func() {
		defer a.wg.Done()
		c.run()
	}()
}

// connectionOver forgets a connection.
func (a *Array) connectionOver(c *connection) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c.addTo(&a.counts.over, true)
	delete(a.connections, c.ordinal)
}
