//go:build unix

package serving

import (
	"net/netip"
	"os"
	"syscall"
)

// PortHold keeps a port from other programs while nobody listens on it: a socket that is bound to it and does not listen, so that connections
// are refused. A nil hold holds nothing.
type PortHold struct {
	socket int
	at     netip.AddrPort
}

// HoldPort takes a port until Release; port 0 stands for a free one. Listen may take the same port meanwhile, other programs are given another
// one. Where the system offers no such thing it is only hoped that nobody takes the port.
func HoldPort(at netip.AddrPort) (*PortHold, error) {
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	family, address := syscall.AF_INET6, syscall.Sockaddr(&syscall.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()})
	if at.Addr().Is4() {
		family, address = syscall.AF_INET, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	}
	syscall.ForkLock.RLock() // a program that is started now must not take the socket along
	socket, err := syscall.Socket(family, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(socket)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	h := &PortHold{socket: socket, at: at}
	if err := h.bind(address); err != nil {
		h.Release()
		return nil, &ListenError{Address: at.String(), Err: err}
	}
	return h, nil
}

func (h *PortHold) bind(address syscall.Sockaddr) error {
	if err := syscall.SetsockoptInt(h.socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if err := syscall.Bind(h.socket, address); err != nil {
		return os.NewSyscallError("bind", err)
	}
	bound, err := syscall.Getsockname(h.socket)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	switch a := bound.(type) {
	case *syscall.SockaddrInet4:
		h.at = netip.AddrPortFrom(h.at.Addr(), uint16(a.Port))
	case *syscall.SockaddrInet6:
		h.at = netip.AddrPortFrom(h.at.Addr(), uint16(a.Port))
	}
	return nil
}

// Release gives the port back.
func (h *PortHold) Release() {
	if h != nil {
		_ = syscall.Close(h.socket) // there is nothing in it to lose
	}
}
