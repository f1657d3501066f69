//go:build !unix

package proxy

import "net/netip"

// portHold keeps a port from others while nobody listens on it, where the system offers that: not here.
type portHold struct{}

func holdPort(netip.AddrPort) *portHold { return nil }

func (h *portHold) release() {}
