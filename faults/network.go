package faults

import (
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/iscsispec/iscsispec/trace"
)

// Limits of a network. They are far above what a scenario needs and keep a runaway one from eating the machine.
const (
	backlogMax  = 128     // connections that wait to be accepted at one listener
	portalsMax  = 1024    // portals whose service is followed
	rulesMax    = 4096    // faults in force at once
	windowSmall = 4 << 10 // the smallest window worth simulating
)

// Options are the physical properties of a network. The zero value means the defaults.
type Options struct {
	Latency time.Duration // one way, for every delivery; 0 means 100 µs
	Jitter  time.Duration // up to this much is added to each delivery; 0 means 50 µs, negative means none
	Window  int           // bytes that one direction holds, written and not read; 0 means 4 MiB, at least 4 KiB
}

func (o Options) withDefaults() Options {
	if o.Latency <= 0 {
		o.Latency = 100 * time.Microsecond
	}
	if o.Jitter == 0 {
		o.Jitter = 50 * time.Microsecond
	}
	if o.Window == 0 {
		o.Window = 4 << 20
	}
	o.Window = max(o.Window, windowSmall)
	return o
}

// Network is an in-memory network. All its methods may be called from any goroutine. Its connections belong to whoever dialled or accepted them;
// the network must be closed when the run ends.
type Network struct {
	seed  uint64
	log   *trace.Log
	opts  Options
	start time.Time

	mu        sync.Mutex // never held across a wait
	closed    bool
	lanes     lanes
	agenda    agenda
	eventSeq  uint64
	timer     *time.Timer
	hosts     []*Host // in order of creation
	conns     []*link // the open ones, in order of their dials
	listeners map[netip.AddrPort]*listener
	portals   []*portal // in the order in which they became known
	dials     map[netip.AddrPort]int
	rules     []*rule // in force, in the order they were put there
	armed     []*rule // waiting for a protocol position
	own       lane    // of the network's own doings
	names     map[string]netip.Addr
}

// portal is what the network remembers about one address that is listened on or named by a fault.
type portal struct {
	addr  netip.AddrPort
	state string // of the last "link" event; "" before the first
}

// NewNetwork starts a network: its clock is at zero now. The log may be nil.
func NewNetwork(seed uint64, log *trace.Log, opts Options) *Network {
	n := &Network{
		seed: seed, log: log, opts: opts.withDefaults(), start: time.Now(),
		listeners: map[netip.AddrPort]*listener{},
		dials:     map[netip.AddrPort]int{},
		names:     map[string]netip.Addr{},
	}
	n.own, _ = n.lanes.take("network")
	return n
}

// Host attaches a machine to the network. The name appears as the trace's node; addr is the IP address that its dials come from. Several hosts
// may share a name (the ports of one initiator) but not an address. It panics when addr is no IP address or taken, since both
// are mistakes of whoever wrote the scenario.
func (n *Network) Host(name, addr string) *Host {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		panic(fmt.Sprintf("faults: host %q: %v", name, err))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range n.hosts {
		if h.addr == ip {
			panic(fmt.Sprintf("faults: host %q: address %s belongs to %q", name, addr, h.name))
		}
	}
	h := &Host{network: n, name: name, addr: ip, nextPort: 49152}
	n.hosts = append(n.hosts, h)
	return h
}

// Name makes a DNS name resolve to an IP address for every host.
func (n *Network) Name(name, addr string) error {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return fmt.Errorf("faults: name %q: %w", name, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[name] = ip
	return nil
}

// ConnFrom gives the name of the open connection that was dialled from a local address, "" when there is none.
func (n *Network) ConnFrom(local net.Addr) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		if local != nil && c.dialer.local.String() == local.String() {
			return c.name
		}
	}
	return ""
}

// Close ends the network: listeners close, open connections are reset, waiting dials fail. It is safe to call twice.
func (n *Network) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return
	}
	n.closed = true
	if n.timer != nil {
		n.timer.Stop()
	}
	for _, p := range n.portals {
		if l := n.listeners[p.addr]; l != nil {
			l.shut()
		}
	}
	for _, c := range n.conns {
		c.dialer.reset()
		c.acceptor.reset()
	}
	n.agenda = nil
}

// now is the time since the network's start.
func (n *Network) now() time.Duration { return time.Since(n.start) }

func (n *Network) record(e trace.Event) {
	if n.log.Enabled() {
		n.log.Record(e)
	}
}

// keyed hashes a seed and stable names into a number. FNV-1a is fixed for ever, so a printed seed replays in another process.
func keyed(seed uint64, names ...string) uint64 {
	h := fnv.New64a()
	var b [8]byte
	for i := range b {
		b[i] = byte(seed >> (8 * i))
	}
	h.Write(b[:])
	for _, name := range names {
		h.Write([]byte(name))
		h.Write([]byte{0})
	}
	return h.Sum64()
}

// Host is a machine on a network: it dials from its own address and listens on any address that nobody else listens on.
type Host struct {
	network  *Network
	name     string
	addr     netip.Addr
	nextPort uint16 // guarded by network.mu
}

// Addr is the address that the host dials from.
func (h *Host) Addr() netip.Addr { return h.addr }

// Name is the node under which the host appears in the trace.
func (h *Host) Name() string { return h.name }

func tcpAddr(a netip.AddrPort) net.Addr { return net.TCPAddrFromAddrPort(a) }
