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
// back into service.
type doors struct {
	host    string
	port    int
	log     *trace.Log
	array   string
	names   map[string]string // virtual address to the portal's name
	special map[string]string // the portal's name to an address of its own

	mu    sync.Mutex
	given map[string]string // virtual address, or real one, to the real one
	count int               // portals that follow the first one's port
}

func newDoors(s *Spec, log *trace.Log) (*doors, error) {
	host, port, err := serving.SplitAddress(s.Listen)
	if err != nil {
		return nil, err
	}
	d := &doors{host: host, port: port, log: log, array: s.Name, special: s.Portals, names: map[string]string{}, given: map[string]string{}}
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
	// The array asks for the real address when the portal comes back.
	d.given[virtual], d.given[real], d.names[real] = real, real, name
	return d.log.Listener(listener, trace.NodeTarget, d.array+"/"+name), nil
}

var _ simtarget.ListenFunc = (*doors)(nil).open

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
