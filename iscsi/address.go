package iscsi

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultPort is the TCP port where a portal listens when its address names none (RFC 7143, Section 13.8).
const DefaultPort = 3260

// maxHostLength is the longest host name of the DNS; IPv6 literals with a zone are shorter.
const maxHostLength = 255

// Address is where a portal is reached over TCP.
type Address struct {
	// Host is a DNS name, an IPv4 or an IPv6 address, the last without brackets.
	Host string
	// Port is the TCP port. 0 means that the text named none, hence DefaultPort.
	Port uint16
}

// AddressError says why a text is no address.
type AddressError struct {
	// Text is what was read.
	Text string
	// Reason says what was expected and what came.
	Reason string
}

// Error names the text and the reason.
func (e *AddressError) Error() string { return fmt.Sprintf("address %q: %s", e.Text, e.Reason) }

// String returns "host" or "host:port", with brackets around an IPv6 address: the form of a TargetAddress value
// (RFC 7143, Section 13.8). A port of 0 is left out.
func (a Address) String() string {
	host := a.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if a.Port == 0 {
		return host
	}
	return host + ":" + strconv.Itoa(int(a.Port))
}

// HostPort returns "host:port" as a dialer takes it, with DefaultPort when the address names no port.
func (a Address) HostPort() string {
	if a.Port == 0 {
		a.Port = DefaultPort
	}
	return a.String()
}

// IsZero reports whether the address is empty.
func (a Address) IsZero() bool { return a == Address{} }

// MarshalText writes the form of String.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText writes; empty text gives the zero address.
func (a *Address) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*a = Address{}
		return nil
	}
	parsed, err := ParseAddress(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}

// ParseAddress reads "host", "host:port", "[ipv6]" or "[ipv6]:port". An IPv6 address without brackets and with no
// port is understood too, since people type it. Errors are *AddressError.
func ParseAddress(s string) (Address, error) {
	host, port := s, uint16(0)
	if _, err := netip.ParseAddr(s); err != nil || !strings.Contains(s, ":") {
		if host, port, err = cutPort(s); err != nil {
			return Address{}, err
		}
	}
	if reason := hostFault(host); reason != "" {
		return Address{}, &AddressError{Text: s, Reason: reason}
	}
	return Address{Host: host, Port: port}, nil
}

func cutPort(s string) (host string, port uint16, err error) {
	rest := ""
	if strings.HasPrefix(s, "[") {
		inner, after, found := strings.Cut(s[1:], "]")
		if !found {
			return "", 0, &AddressError{Text: s, Reason: `expected "]" after an IPv6 address`}
		}
		if a, err := netip.ParseAddr(inner); err != nil || !a.Is6() {
			return "", 0, &AddressError{Text: s, Reason: "expected an IPv6 address between brackets"}
		}
		host, rest = inner, after
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		host, rest = s[:i], s[i:]
	} else {
		host = s
	}
	if rest == "" {
		return host, 0, nil
	}
	if rest[0] != ':' {
		return "", 0, &AddressError{Text: s, Reason: `expected ":port" or nothing after "]"`}
	}
	n, err := parsePort(rest[1:])
	if err != nil {
		return "", 0, &AddressError{Text: s, Reason: err.Error()}
	}
	return host, n, nil
}

func parsePort(s string) (uint16, error) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, fmt.Errorf("expected a decimal port, got %q", s)
		}
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("expected a port from 1 to 65535, got %q", s)
	}
	return uint16(n), nil
}

func hostFault(host string) string {
	if host == "" {
		return "expected a host"
	}
	if len(host) > maxHostLength {
		return fmt.Sprintf("expected a host of at most %d bytes, got %d", maxHostLength, len(host))
	}
	what, name := "host name", host
	if strings.Contains(host, ":") { // An IPv6 address, of which only the zone is still to be looked at.
		_, zone, _ := strings.Cut(host, "%")
		what, name = "zone", zone
	}
	for i := range len(name) {
		c := name[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return fmt.Sprintf("character %q cannot stand in a %s", c, what)
		}
	}
	return ""
}
