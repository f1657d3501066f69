package serving

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// SplitAddress reads "HOST:PORT", the port being a number from 0 to 65535. An IPv6 address stands in brackets.
func SplitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		if ip, ipErr := netip.ParseAddr(address); ipErr == nil && ip.Is6() {
			return "", 0, fmt.Errorf("%q: want HOST:PORT, an IPv6 address in brackets: [%s]:3260", address, address)
		}
		return "", 0, fmt.Errorf("%q: want HOST:PORT", address)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%q: want a port from 0 to 65535", address)
	}
	return host, port, nil
}

// Listen listens on an address of TCP. Errors are *ListenError.
func Listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, &ListenError{Address: address, Err: err}
	}
	return listener, nil
}

// ListenError is an address that cannot be listened on.
type ListenError struct {
	Address string
	Err     error
}

// Error says why, and what helps.
func (e *ListenError) Error() string {
	reason, help := e.Err.Error(), ""
	switch {
	case errors.Is(e.Err, syscall.EADDRINUSE):
		reason, help = "the port is in use", "stop what listens there, or take port 0 for a free one"
	case errors.Is(e.Err, syscall.EACCES):
		reason, help = "this user may not listen there", "take a port above 1023"
	case errors.Is(e.Err, syscall.EADDRNOTAVAIL):
		reason, help = "this machine has no such address", "take 127.0.0.1, [::1], or 0.0.0.0 for all of them"
	}
	if help != "" {
		help = ": " + help
	}
	return fmt.Sprintf("cannot listen on %s: %s%s", e.Address, reason, help)
}

// Unwrap gives the system's error.
func (e *ListenError) Unwrap() error { return e.Err }

// ErrNotLoopback is wrapped by the errors of OpenPage and CheckLoopback for an address that is not one of loopback.
var ErrNotLoopback = errors.New("the status page is for this machine alone")

// CheckLoopback gives an error for an address that other machines could reach.
func CheckLoopback(address string) error {
	host, _, err := SplitAddress(address)
	if err != nil {
		return fmt.Errorf("status address %w", err)
	}
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%w: %q is no loopback address; want 127.0.0.1, [::1] or localhost, and a port", ErrNotLoopback, host)
}
