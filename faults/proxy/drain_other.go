//go:build !linux

package proxy

import "net"

// unsent tells how many bytes of a connection the other end has not acknowledged, where the system tells: not here.
func unsent(net.Conn) int { return 0 }
