package server

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"

	"github.com/iscsispec/iscsispec/internal/serving"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// doors gives each portal of an array an address of its own to listen on, and the same one again when the portal comes
// back into service: meanwhile the port is kept from other programs.
type doors struct {
	host    string
	port    int
	log     *trace.Log
	array   string
	names   map[string]string // virtual address to the portal's name
	special map[string]string // the portal's name to an address of its own

	mu    sync.Mutex
	given map[string]string            // virtual address, or real one, to the real one
	count int                          // portals that follow the first one's port
	holds map[string]*serving.PortHold // real address to what keeps it while the portal is out of service; nil behind close
}

func newDoors(s *Spec, log *trace.Log) (*doors, error) {
	host, port, err := serving.SplitAddress(s.Listen)
	if err != nil {
		return nil, err
	}
	d := &doors{host: host, port: port, log: log, array: s.Name, special: s.Portals, names: map[string]string{}, given: map[string]string{}, holds: map[string]*serving.PortHold{}}
	for _, p := range s.Profile.Portals {
		d.names[p.Address] = p.Name
	}
	return d, nil
}

// open is the array's simtarget.ListenFunc.
func (d *doors) open(virtual string) (net.Listener, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := d.names[virtual]
	address, again := d.given[virtual]
	if !again {
		address = d.special[name]
	}
	if address == "" {
		port := d.port
		if port != 0 {
			port += d.count
		}
		address = net.JoinHostPort(d.host, strconv.Itoa(port))
		d.count++
	}
	listener, err := serving.Listen(address)
	if err != nil {
		return nil, err
	}
	real := listener.Addr().String()
	d.holds[real].Release()
	delete(d.holds, real)
	// The array asks for the real address when the portal comes back.
	d.given[virtual], d.given[real], d.names[real] = real, real, name
	return d.log.Listener(&door{listener, d}, trace.NodeTarget, d.array+"/"+name), nil
}

// door is the listener of a portal, whose port is held when it closes.
type door struct {
	net.Listener
	doors *doors
}

// Close ends the listener.
func (l *door) Close() error {
	err := l.Listener.Close()
	l.doors.hold(l.Addr())
	return err
}

// hold keeps the port of a portal that has gone out of service, until it comes back.
func (d *doors) hold(at net.Addr) {
	tcp, ok := at.(*net.TCPAddr)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !ok || d.holds == nil || d.holds[at.String()] != nil {
		return
	}
	// Without a hold it is only hoped that nobody else takes the port.
	d.holds[at.String()], _ = serving.HoldPort(tcp.AddrPort())
}

// close gives all ports back.
func (d *doors) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, h := range d.holds {
		h.Release()
	}
	d.holds = nil
}

var _ simtarget.ListenFunc = (*doors)(nil).open

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
