package serving

import "net/netip"

// Address is the address that is held.
func (h *PortHold) Address() netip.AddrPort { return h.at }

// loopback is an address of this machine's own, with any port.
var loopback = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)

// HoldLoopback takes a free port of 127.0.0.1, so that connections to it are refused until Release.
func HoldLoopback() (*PortHold, error) { return HoldPort(loopback) }
