package initiator

import (
	"context"
	"net"
)

// Dialer opens transport connections. *net.Dialer is one, and so is a host of an in-memory network. The network is
// always "tcp" and the address "host:port", IPv6 hosts in brackets.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}
