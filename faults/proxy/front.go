package proxy

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/internal/serving"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/trace"
)

const (
	// FrontsMax bounds the portals that one proxy stands for, those of Options and those that arrays announce.
	FrontsMax = 256
	// portsTried is how many ports behind the first one are tried for a portal that an array announces, before any free one is taken.
	portsTried = 64
	// acceptRetry is how long accepting waits when the system has no room for another connection.
	acceptRetry = 50 * time.Millisecond
)

// front is the listener that stands for one portal of an array. Proxy.mu guards what is not said to be fixed.
type front struct {
	proxy   *Proxy
	array   iscsi.Address  // the array's portal, as it is dialled; fixed
	key     string         // the same as text, with its port; fixed
	listens netip.AddrPort // where the front listens; fixed

	listener net.Listener      // nil while connections are refused
	hold     *serving.PortHold // keeps the port meanwhile
	reach    netip.AddrPort
	accepted int    // connections so far
	state    string // of the portal, as the trace has it
}

// normal gives an address in the one form by which portals are told apart.
func normal(a iscsi.Address) iscsi.Address {
	if ip, err := netip.ParseAddr(a.Host); err == nil {
		a.Host = ip.Unmap().String()
	} else {
		a.Host = strings.ToLower(strings.TrimSuffix(a.Host, "."))
	}
	if a.Port == 0 {
		a.Port = iscsi.DefaultPort
	}
	return a
}

// arrayAddr is the address of the array's portal: for a name, the one that it was last reached at.
func (f *front) arrayAddr() netip.AddrPort {
	if ip, err := netip.ParseAddr(f.array.Host); err == nil {
		return netip.AddrPortFrom(ip, f.array.Port)
	}
	return f.reach
}

// addFront opens a front for a portal of an array, at an address or, when that is empty, behind the ones there are. The caller holds p.mu.
func (p *Proxy) addFront(array iscsi.Address, listen string) (*front, error) {
	if len(p.fronts) == FrontsMax {
		return nil, ErrTooManyPortals
	}
	f := &front{proxy: p, array: array, key: array.HostPort()}
	listener, err := p.listen(listen)
	if err != nil {
		return nil, err
	}
	f.listens = addrPortOf(listener.Addr())
	p.fronts = append(p.fronts, f)
	f.open(listener)
	p.refreshPortal(f, "listening")
	return f, nil
}

// listen opens a listener, for an empty address at the next port that is free.
func (p *Proxy) listen(address string) (net.Listener, error) {
	if address != "" {
		return serving.Listen(address)
	}
	for p.nextPort > 0 && p.nextPort <= min(p.firstPort+portsTried, 65535) {
		address := net.JoinHostPort(p.host, strconv.Itoa(p.nextPort))
		p.nextPort++
		if listener, err := serving.Listen(address); err == nil {
			return listener, nil
		}
	}
	return serving.Listen(net.JoinHostPort(p.host, "0"))
}

// open lets a front accept connections.
func (f *front) open(l net.Listener) {
	f.listener = l
	f.proxy.running.Go(func() { f.accept(l) })
}

func (f *front) accept(l net.Listener) {
	for {
		near, err := l.Accept()
		switch {
		case err == nil:
			f.proxy.admit(f, near)
		case errors.Is(err, net.ErrClosed):
			return
		default: // The system has no room for it now.
			select {
			case <-time.After(acceptRetry):
			case <-f.proxy.over.Done():
				return
			}
		}
	}
}

// shut refuses connections as a port does where nobody listens, and keeps the port. The caller holds p.mu.
func (f *front) shut() {
	if f.listener == nil {
		return
	}
	f.listener.Close()
	f.listener = nil
	f.hold, _ = serving.HoldPort(f.listens) // without a hold it is only hoped that nobody else takes the port
}

// reopen listens again at the same port. The caller holds p.mu.
func (f *front) reopen() {
	if f.listener != nil || f.proxy.ended {
		return
	}
	listener, err := serving.Listen(f.listens.String())
	f.hold.Release()
	f.hold = nil
	if err != nil {
		f.proxy.note("the portal %s does not come back: %v", f.key, err)
		return
	}
	f.open(listener)
}

// standIn gives the address that stands for a portal which an array names to the initiator of a connection, and opens it when it is new. It
// reports false where the name stays as it is: it is one of the proxy's own, or there is no room for another.
func (p *Proxy) standIn(c *conn, named iscsi.Address) (iscsi.Address, bool) {
	named = normal(named)
	ip, notIP := netip.ParseAddr(named.Host)
	if notIP == nil && ip.IsUnspecified() { // any address of the array's: the one that was dialled
		named.Host = c.front.array.Host
		ip, notIP = netip.ParseAddr(named.Host)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return iscsi.Address{}, false
	}
	found := p.frontFor(named)
	if notIP == nil && found == nil {
		at := netip.AddrPortFrom(ip, named.Port)
		for _, f := range p.fronts {
			if f.listens == at {
				return iscsi.Address{}, false
			}
			if f.reach == at {
				found = f
			}
		}
	}
	if found == nil {
		var err error
		if found, err = p.addFront(named, ""); err != nil {
			p.note("the array names %s, and no listener can stand for it: %v", named.HostPort(), err)
			return iscsi.Address{}, false
		}
		p.note("%s stands for %s, which the array has named", found.listens, found.key)
	}
	host := found.listens.Addr()
	if host.IsUnspecified() {
		host = addrPortOf(c.near.LocalAddr()).Addr()
	}
	return iscsi.Address{Host: host.String(), Port: found.listens.Port()}, true
}

// frontFor finds the front of a portal in its normal form, or nil.
func (p *Proxy) frontFor(a iscsi.Address) *front {
	for _, f := range p.fronts {
		if f.array == a {
			return f
		}
	}
	return nil
}

// reached remembers where a portal was reached, so that an array that calls it by its number is understood.
func (f *front) reached(at net.Addr) {
	f.proxy.mu.Lock()
	defer f.proxy.mu.Unlock()
	f.reach = addrPortOf(at)
}

// refreshPortal leaves a change of a portal's service in the trace.
func (p *Proxy) refreshPortal(f *front, reason string) {
	state := trace.LinkHeal
	for i := len(p.inForce) - 1; i >= 0 && state == trace.LinkHeal; i-- {
		if r := p.inForce[i]; p.touchesPortal(r.fault.Scope, f) {
			state = serviceOf(r.fault)
		}
	}
	if state == f.state {
		return
	}
	was := f.state
	f.state = state
	if was == "" && state == trace.LinkHeal {
		state = "listening"
	}
	p.record(trace.Event{Kind: trace.KindLink, Node: trace.NodeNetwork, To: f.key, State: state, Was: was, Reason: reason})
}

func addrPortOf(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		at := tcp.AddrPort()
		return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	}
	return netip.AddrPort{}
}
