//go:build !unix

package serving

import (
	"net"
	"net/netip"
)

// PortHold keeps a port from other programs while nobody listens on it, where the system offers that: not here. A nil hold holds nothing.
type PortHold struct{ at netip.AddrPort }

// HoldPort takes a port until Release; port 0 stands for a free one. Listen may take the same port meanwhile, other programs are given another
// one. Where the system offers no such thing it is only hoped that nobody takes the port.
func HoldPort(at netip.AddrPort) (*PortHold, error) {
	listener, err := Listen(at.String())
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	if tcp, ok := listener.Addr().(*net.TCPAddr); ok {
		at = netip.AddrPortFrom(at.Addr(), tcp.AddrPort().Port())
	}
	return &PortHold{at}, nil
}

// Release gives the port back.
func (h *PortHold) Release() {}
