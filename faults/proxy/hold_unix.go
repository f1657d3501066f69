//go:build unix

package proxy

import (
	"net/netip"
	"syscall"
)

// portHold keeps a port from others while nobody listens on it: a socket that is bound to it and does not listen, so that connections are
// refused. A nil hold holds nothing.
type portHold struct{ socket int }

// holdPort takes the port, or gives nil when it cannot; then it is only hoped that nobody else takes it.
func holdPort(at netip.AddrPort) *portHold {
	family, address := syscall.AF_INET6, syscall.Sockaddr(&syscall.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()})
	if at.Addr().Is4() {
		family, address = syscall.AF_INET, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	}
	socket, err := syscall.Socket(family, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil
	}
	syscall.CloseOnExec(socket)
	if syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1) != nil || syscall.Bind(socket, address) != nil {
		_ = syscall.Close(socket) // it holds nothing
		return nil
	}
	return &portHold{socket}
}

// release gives the port back.
func (h *portHold) release() {
	if h != nil {
		_ = syscall.Close(h.socket) // there is nothing in it to lose
	}
}
