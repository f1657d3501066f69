package faults

import (
	"net/netip"
	"slices"
	"strconv"
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
	return Both, &Error{Text: s, Field: "dir", Got: strconv.Quote(s), Want: "to-initiator, to-target or both"}
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
		return Scope{}, &Error{Text: address, Field: "portal", Got: err.Error(), Want: "ip:port"}
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
		return Scope{}, &Error{Text: s, Field: "scope", Got: "a name with one of , = / or a blank", Want: "*, a portal, a connection or a host"}
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

// Touches tells whether the scope takes in one connection: by the portal that was dialled, by the carrier's name for it, or by the names or
// addresses of the hosts at its ends. The portal's address counts as a host too.
func (s Scope) Touches(portal netip.AddrPort, conn string, hosts ...string) bool {
	switch {
	case s.all():
		return true
	case s.Portal.IsValid():
		return s.Portal == portal
	case s.Conn != "":
		return s.Conn == conn
	}
	return s.Host == portal.Addr().String() || slices.Contains(hosts, s.Host)
}

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

// hasDial tells whether the scope takes in a connection request that has come to a portal.
func (s Scope) hasDial(d *dialing, portal netip.AddrPort, listening *Host) bool {
	switch {
	case s.all():
		return true
	case s.Portal.IsValid():
		return s.Portal == portal
	case s.Conn != "":
		return s.Conn == d.name
	}
	return s.isHost(d.host) || s.isHost(listening) || s.Host == portal.Addr().String()
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

// Covers tells whether healing s also heals what other broke.
func (s Scope) Covers(other Scope) bool {
	if s.all() || s == other {
		return true
	}
	return s.Portal.IsValid() && strings.HasPrefix(other.Conn, s.Portal.String()+"#")
}
