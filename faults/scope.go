package faults

import (
	"fmt"
	"net/netip"
	"strings"
)

// Direction names one direction of a connection by who receives. The initiator is whoever dialled.
type Direction string

// The directions. Both is the default wherever a direction may be left out.
const (
	Both        Direction = ""
	ToInitiator Direction = "to-initiator"
	ToTarget    Direction = "to-target"
)

func (d Direction) covers(other Direction) bool { return d == Both || d == other }

func parseDirection(s string) (Direction, error) {
	switch d := Direction(s); d {
	case ToInitiator, ToTarget:
		return d, nil
	case "both":
		return Both, nil
	}
	return Both, fmt.Errorf("direction %q is none of to-initiator, to-target, both", s)
}

// Scope says what a fault touches. The zero value is everything; otherwise exactly one field is set.
type Scope struct {
	Portal netip.AddrPort // connections to this portal, and dials to it
	Conn   string         // one connection, by the network's name for it
	Host   string         // every connection that has an end at a host of this name or address
}

// Everything is the scope of the whole network.
var Everything = Scope{}

// AtPortal is the scope of one portal, "ip:port".
func AtPortal(address string) (Scope, error) {
	portal, err := netip.ParseAddrPort(address)
	if err != nil {
		return Scope{}, fmt.Errorf("faults: portal %q: want ip:port: %w", address, err)
	}
	return Scope{Portal: portal}, nil
}

// ParseScope reads what [Scope.String] writes: "*", "10.0.0.1:3260" (a portal), "10.0.0.1:3260#2" (a connection), anything else a host.
func ParseScope(s string) (Scope, error) {
	switch {
	case s == "*" || s == "":
		return Everything, nil
	case strings.Contains(s, "#"):
		return Scope{Conn: s}, nil
	}
	if portal, err := netip.ParseAddrPort(s); err == nil {
		return Scope{Portal: portal}, nil
	}
	if strings.ContainsAny(s, ",=/ ") {
		return Scope{}, fmt.Errorf("faults: scope %q is neither * nor a portal, a connection or a host", s)
	}
	return Scope{Host: s}, nil
}

// String is the text form that [ParseScope] reads.
func (s Scope) String() string {
	_, value := s.field()
	return value
}

// field gives the key and the value of the scope in a fault's text form.
func (s Scope) field() (key, value string) {
	switch {
	case s.Portal.IsValid():
		return "portal", s.Portal.String()
	case s.Conn != "":
		return "conn", s.Conn
	case s.Host != "":
		return "host", s.Host
	}
	return "portal", "*"
}

func (s Scope) all() bool { return s == Everything }

func (s Scope) isHost(h *Host) bool {
	return h != nil && (s.Host == h.name || s.Host == h.addr.String())
}

func (s Scope) hasLink(c *link) bool {
	switch {
	case s.all():
		return true
	case s.Portal.IsValid():
		return s.Portal == c.portal
	case s.Conn != "":
		return s.Conn == c.name
	}
	return s.isHost(c.dialer.host) || s.isHost(c.acceptor.host) || s.Host == c.portal.Addr().String()
}

func (s Scope) hasDial(d *dialing, listening *Host) bool {
	switch {
	case s.all():
		return true
	case s.Portal.IsValid():
		return s.Portal == d.portal
	case s.Conn != "":
		return s.Conn == d.name
	}
	return s.isHost(d.host) || s.isHost(listening) || s.Host == d.portal.Addr().String()
}

// hasPortal tells whether the scope takes in a whole portal, for whoever dials it.
func (s Scope) hasPortal(p netip.AddrPort, listening *Host) bool {
	switch {
	case s.all():
		return true
	case s.Portal.IsValid():
		return s.Portal == p
	}
	return s.Host != "" && (s.isHost(listening) || s.Host == p.Addr().String())
}

// covers tells whether healing s also heals what other broke.
func (s Scope) covers(other Scope) bool {
	if s.all() || s == other {
		return true
	}
	return s.Portal.IsValid() && strings.HasPrefix(other.Conn, s.Portal.String()+"#")
}
