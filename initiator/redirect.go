package initiator

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/trace"
)

// redirectLimit bounds the redirects that one login follows in a row, and the further addresses of redirects that it tries in all: each
// may take a whole LoginTimeout.
const redirectLimit = 32

var (
	// ErrRedirectLimit says that a login was redirected more than 32 times in a row.
	ErrRedirectLimit = fmt.Errorf("more than %d redirects in a row", redirectLimit)
	// ErrNoAddress says that a redirect came without a TargetAddress.
	ErrNoAddress = errors.New("redirect without TargetAddress, want at least one (RFC 7143, Section 11.13.5)")
)

// moved is a Login Response with a status of class 1: not a failure, but an order to go elsewhere.
type moved struct {
	status    iscsi.Status
	addresses []string // The values of TargetAddress, in order.
}

func (m *moved) Error() string { return "moved: " + m.status.String() }

// run logs in at the configured portal and follows redirects. A redirect may come in any Login Response; the login at the new portal
// begins from nothing (RFC 7143, Section 11.13.5).
func (a *loginAttempt) run(ctx context.Context) (*Session, error) {
	candidates := []iscsi.Address{a.cfg.Portal}
	var last *moved
	var from iscsi.Address
	for {
		s, at, err := a.any(ctx, candidates, last, from)
		if err == nil {
			return s, nil
		}
		var m *moved
		if !errors.As(err, &m) {
			return nil, a.redirectFailure(last, from, err)
		}
		last, from = m, at
		if len(a.redirects) >= a.limit() && !a.dev.Redirect.NoLimit {
			return nil, a.redirectFailure(last, from, ErrRedirectLimit)
		}
		if candidates, err = a.targets(m, from); err != nil {
			return nil, a.redirectFailure(last, from, err)
		}
	}
}

// limit is how many redirects in a row are followed.
func (a *loginAttempt) limit() int {
	if n := a.cfg.Manners.orOwn().RedirectLimit; n > 0 {
		return n
	}
	return redirectLimit
}

// any tries portals in order until one lets the login in, redirects it, or refuses it for good. It returns the portal that the outcome
// is of.
func (a *loginAttempt) any(ctx context.Context, portals []iscsi.Address, m *moved, from iscsi.Address) (*Session, iscsi.Address, error) {
	followed := len(a.redirects)
	for i, portal := range portals {
		if m != nil {
			a.redirects = append(a.redirects[:followed], Redirect{Status: m.status, From: from, To: portal})
			a.cfg.Log.Record(trace.Event{
				Kind: trace.KindNote, Node: trace.NodeInitiator, From: from.HostPort(), To: portal.HostPort(),
				State: "redirect", Reason: m.status.String(),
			})
		}
		s, err := a.loginAt(ctx, portal)
		if err == nil || i == len(portals)-1 || ctx.Err() != nil || final(err) || a.alternatives == redirectLimit {
			return s, portal, err
		}
		a.alternatives++
	}
	panic("initiator: a redirect without portals")
}

// final reports whether an outcome at one of several portals makes the others not worth trying.
func final(err error) bool {
	var m *moved
	var failed *LoginError
	return errors.As(err, &m) || errors.Is(err, ErrAuthFailed) ||
		errors.As(err, &failed) && failed.Status.Class() == iscsi.ClassInitiatorError
}

// redirectFailure wraps the failure if a redirect led to it.
func (a *loginAttempt) redirectFailure(m *moved, from iscsi.Address, err error) error {
	if m == nil {
		return err
	}
	return &RedirectError{Redirects: a.redirects, Status: m.status, From: from, Err: err}
}

// targets reads the addresses of a redirect. One that cannot be read fails the login: where the others lead, the target did not mean.
func (a *loginAttempt) targets(m *moved, from iscsi.Address) ([]iscsi.Address, error) {
	var list []iscsi.Address
	for _, value := range m.addresses {
		if value == "" {
			continue
		}
		address, err := a.target(value, from)
		if err != nil {
			return nil, err
		}
		list = append(list, address)
	}
	if len(list) == 0 && a.dev.Redirect.MissingAddressRetries {
		a.redirects = nil
		return []iscsi.Address{a.cfg.Portal}, nil
	}
	if len(list) == 0 {
		return nil, ErrNoAddress
	}
	if a.dev.Redirect.LastAddressOnly {
		list = list[len(list)-1:]
	}
	return list, nil
}

// target reads one address. A portal group tag, which has no business in a redirect, is dropped.
func (a *loginAttempt) target(value string, from iscsi.Address) (iscsi.Address, error) {
	if address, ok := a.misread(value); ok {
		return address, nil
	}
	t, err := iscsi.ParseTargetAddress(value)
	if err != nil {
		return iscsi.Address{}, err
	}
	if t.HasTag && a.cfg.Manners.orOwn().RefusesTag {
		return iscsi.Address{}, &iscsi.AddressError{Text: value, Reason: "expected no portal group tag in a redirect"}
	}
	if reason := unroutable(t.Host); reason != "" {
		return iscsi.Address{}, &iscsi.AddressError{Text: value, Reason: reason}
	}
	if _, err := netip.ParseAddr(t.Host); err != nil && a.dev.Redirect.OnlyDottedQuads {
		return iscsi.Address{}, &iscsi.AddressError{Text: value, Reason: "expected a dotted quad"}
	}
	return t.Address, nil
}

// unroutable tells what is wrong with a host that looks like an IPv4 address and is none: no name server should be asked for it.
func unroutable(host string) string {
	if strings.Trim(host, "0123456789.") != "" {
		return ""
	}
	if a, err := netip.ParseAddr(host); err != nil || !a.Is4() {
		return "expected an IPv4 address of four numbers up to 255"
	}
	return ""
}

// misread reads an address in the wrong way that a deviation names.
func (a *loginAttempt) misread(value string) (iscsi.Address, bool) {
	dev := &a.dev.Redirect
	switch host, rest, colon := strings.Cut(value, ":"); {
	case dev.SplitFirstColon && colon:
		return iscsi.Address{Host: strings.Trim(host, "["), Port: leadingNumber(rest)}, true
	case dev.TagInPort && strings.Contains(value, ","):
		n, _ := strconv.ParseUint(rest, 10, 16) // "3260,1" is no number: 0.
		return iscsi.Address{Host: host, Port: uint16(n)}, true
	case dev.TruncatePort && colon:
		n, err := strconv.ParseUint(rest, 10, 64)
		return iscsi.Address{Host: host, Port: uint16(n)}, err == nil
	}
	return iscsi.Address{}, false
}

// leadingNumber reads the digits that s begins with, as a lax parser does.
func leadingNumber(s string) uint16 {
	end := len(s) - len(strings.TrimLeft(s, "0123456789"))
	n, _ := strconv.ParseUint(s[:end], 10, 16) // None, or too many: 0.
	return uint16(n)
}

// hostPort is the address to dial.
func (a *loginAttempt) hostPort(portal iscsi.Address) string {
	if a.dev.Redirect.PortZero && portal.Port == 0 && len(a.redirects) > 0 {
		return portal.String() + ":0"
	}
	return portal.HostPort()
}

// strayed is the defect AnyAddressMoves: it follows a TargetAddress in a login that succeeded.
func (a *loginAttempt) strayed(x *loginExchange) error {
	values := x.stray.Values(text.KeyTargetAddress)
	if len(values) == 0 || !a.dev.Redirect.AnyAddressMoves {
		return nil
	}
	return &moved{status: iscsi.StatusMovedTemporarily, addresses: values}
}
