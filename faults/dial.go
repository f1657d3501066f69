package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/iscsispec/iscsispec/trace"
)

// The kinds and node of the events that the network records.
const (
	kindDial       = trace.KindDial
	kindDialFailed = trace.KindDialFailed
	kindAccepted   = trace.KindAccepted
	kindLink       = trace.KindLink
	kindFault      = trace.KindFault
	nodeNetwork    = trace.NodeNetwork
)

// synRepeats are the instants, from the start of a dial, at which TCP repeats an unanswered connection request; after the last one
// it gives up with ETIMEDOUT 64 s later.
var synRepeats = []time.Duration{0, 1 * time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second, 31 * time.Second, 63 * time.Second, 127 * time.Second}

// dialing is a connection request under way.
type dialing struct {
	host                 *Host
	name                 string
	local, portal        netip.AddrPort
	toDialer, toAcceptor lane
	started              time.Duration
	repeat               int
	over                 bool
	done                 chan struct{} // closed when over
	link                 *link
	err                  error
}

// DialContext opens a connection to address, "host:port" with an IP address or a name of [Network.Name]. The network must be "tcp",
// "tcp4" or "tcp6". Errors are those of net.Dialer: an *net.OpError that works with errors.Is on syscall.ECONNREFUSED,
// syscall.EHOSTUNREACH, context.DeadlineExceeded and context.Canceled. A portal that is silenced answers nothing, so the call waits for ctx.
func (h *Host) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError(network)}
	}
	portal, err := h.network.resolve(address)
	if err != nil {
		h.network.record(trace.Event{Kind: kindDialFailed, Node: h.name, From: h.addr.String(), To: address, Err: trace.ErrorText(err)})
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	d, err := h.startDial(portal)
	if err != nil {
		return nil, err
	}
	select {
	case <-d.done:
	case <-ctx.Done():
		h.network.abandon(d, ctx.Err())
	}
	if d.err != nil {
		return nil, d.err
	}
	return h.network.log.Tap(d.link.dialer, h.name, d.name), nil
}

func (n *Network) resolve(address string) (netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil || port == 0 {
		return netip.AddrPort{}, &net.AddrError{Err: "invalid port", Addr: address}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		known, ok := n.names[host]
		if !ok {
			return netip.AddrPort{}, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		ip = known
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(port)), nil
}

func (h *Host) startDial(portal netip.AddrPort) (*dialing, error) {
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	d := &dialing{host: h, portal: portal, started: n.now(), done: make(chan struct{})}
	d.local = netip.AddrPortFrom(h.addr, h.nextPort)
	if h.nextPort++; h.nextPort == 0 {
		h.nextPort = 49152
	}
	n.dials[portal]++
	d.name = fmt.Sprintf("%s#%d", portal, n.dials[portal])
	if n.closed {
		return nil, d.fail(net.ErrClosed)
	}
	var free bool
	if d.toDialer, free = n.lanes.take(d.name + "<"); free {
		d.toAcceptor, free = n.lanes.take(d.name + ">")
	}
	if !free {
		n.lanes.release(&d.toDialer)
		return nil, d.fail(os.NewSyscallError("connect", syscall.ENOBUFS))
	}
	n.record(trace.Event{Kind: kindDial, Node: h.name, Conn: d.name, From: d.local.String(), To: portal.String()})
	n.sendSYN(d)
	return d, nil
}

func (d *dialing) fail(err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Source: tcpAddr(d.local), Addr: tcpAddr(d.portal), Err: err}
}

// sendSYN sends a connection request on its way, first or repeated.
func (n *Network) sendSYN(d *dialing) {
	at := d.toAcceptor.next(max(n.now(), d.started+synRepeats[d.repeat]) + n.opts.Latency)
	n.schedule(at, func() { n.answerSYN(d) })
}

// answerSYN decides what becomes of a connection request that has reached the portal's side.
func (n *Network) answerSYN(d *dialing) {
	if d.over {
		return
	}
	service, by := n.service(d)
	l, move := n.answering(d.portal)
	machine := d.portal.Addr()
	if move != nil {
		machine = move.fault.To.Addr()
		if service == stateUp {
			n.feltMove(move, d.name)
		}
	}
	switch {
	case service == stateSilent || service == stateUp && l != nil && len(l.backlog) >= backlogMax:
		by.bite()
		n.repeatSYN(d)
	case service == stateRefused:
		by.bite()
		n.answer(d, nil, syscall.ECONNREFUSED)
	case l != nil:
		n.answer(d, l, nil)
	case n.reachable(machine):
		n.answer(d, nil, syscall.ECONNREFUSED)
	default:
		n.answer(d, nil, syscall.EHOSTUNREACH)
	}
}

func (n *Network) repeatSYN(d *dialing) {
	if d.repeat++; d.repeat < len(synRepeats)-1 {
		n.sendSYN(d)
		return
	}
	n.schedule(d.toDialer.next(d.started+synRepeats[len(synRepeats)-1]), func() {
		n.finish(d, os.NewSyscallError("connect", syscall.ETIMEDOUT))
	})
}

// reachable tells whether a machine has the address.
func (n *Network) reachable(ip netip.Addr) bool {
	for _, h := range n.hosts {
		if h.addr == ip {
			return true
		}
	}
	for _, p := range n.portals {
		if p.addr.Addr() == ip && p.state != "" {
			return true
		}
	}
	return false
}

// answer sends the reply of the portal's side back to the dialler.
func (n *Network) answer(d *dialing, l *listener, refusal error) {
	n.schedule(d.toDialer.next(n.now()+n.opts.Latency), func() {
		if d.over {
			return
		}
		if refusal != nil {
			n.finish(d, os.NewSyscallError("connect", refusal))
			return
		}
		d.link = newLink(n, d.name, d.host, l.host, d.local, d.portal, d.toDialer, d.toAcceptor)
		d.link.listener = l
		n.conns = append(n.conns, d.link)
		n.hold(d.link)
		d.link.acceptor.in.push(segment{kind: segmentAccept})
		d.over = true
		close(d.done)
	})
}

// finish ends a dial without a connection.
func (n *Network) finish(d *dialing, err error) {
	if d.over {
		return
	}
	d.over = true
	d.err = d.fail(err)
	n.lanes.release(&d.toDialer)
	n.lanes.release(&d.toAcceptor)
	n.record(trace.Event{Kind: kindDialFailed, Node: d.host.name, Conn: d.name, From: d.local.String(), To: d.portal.String(), Err: trace.ErrorText(err)})
	close(d.done)
}

// abandon ends a dial because its context did. A dial that was over first keeps its outcome.
func (n *Network) abandon(d *dialing, cause error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if errors.Is(cause, context.DeadlineExceeded) {
		cause = dialTimeout{}
	}
	n.finish(d, cause)
}

// dialTimeout is what net.Dialer reports when the context's deadline passes.
type dialTimeout struct{}

// Error is the text of the standard library.
func (dialTimeout) Error() string { return "i/o timeout" }

// Timeout marks the error as a timeout.
func (dialTimeout) Timeout() bool { return true }

// Temporary is for net.Error.
func (dialTimeout) Temporary() bool { return true }

// Is makes errors.Is(err, context.DeadlineExceeded) hold.
func (dialTimeout) Is(target error) bool {
	return target == context.DeadlineExceeded || target == os.ErrDeadlineExceeded
}
