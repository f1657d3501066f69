package initiator

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi"
)

// redirectMemory decides at which portal a login attempt begins (RFC 7143, Section 11.13.5). A temporary redirect
// leaves no mark: each attempt begins at the configured portal. The portal of a permanent one is tried first from then on,
// and the configured portal in turn with it, so that neither can lock the session out by dying. A plain value.
type redirectMemory struct {
	// configured is the portal that the session was asked to use.
	configured iscsi.Address
	// permanent is the portal that a permanent redirect led to; zero if there was none.
	permanent iscsi.Address
	// failed counts the attempts that failed since the latest login.
	failed int
}

// next returns where the next attempt begins: the permanent portal, the configured one and then the others of the portal group, where these
// are to be tried, each in its turn from one failed attempt to the next.
func (m *redirectMemory) next(others ...iscsi.Address) iscsi.Address {
	var places []iscsi.Address
	for _, a := range append([]iscsi.Address{m.permanent, m.configured}, others...) {
		if !a.IsZero() && !slices.ContainsFunc(places, func(o iscsi.Address) bool { return o.HostPort() == a.HostPort() }) {
			places = append(places, a)
		}
	}
	return places[m.failed%len(places)]
}

// loggedIn takes note of the redirects that a successful login followed, which began at from. A login that began at the configured
// portal and was sent elsewhere only for now shows that an earlier permanent move holds no longer. What another portal of the portal
// group says of itself is not remembered.
func (m *redirectMemory) loggedIn(from iscsi.Address, redirects []Redirect, dev *Deviations) {
	fromConfigured := from == m.configured
	m.failed = 0
	if len(redirects) > 0 && dev.Reconnect.TemporarySticks {
		m.configured, m.permanent = redirects[len(redirects)-1].To, iscsi.Address{}
		return
	}
	switch to, ok := PermanentPortal(redirects); {
	case ok && !dev.Reconnect.PermanentForgotten && (fromConfigured || from == m.permanent):
		m.permanent = to
	case fromConfigured:
		m.permanent = iscsi.Address{}
	}
}

// attemptFailed takes note of a failed attempt that got as far as last.
func (m *redirectMemory) attemptFailed(last iscsi.Address, dev *Deviations) {
	m.failed++
	if dev.Reconnect.DeadRedirectSticks && !last.IsZero() {
		m.configured, m.permanent = last, iscsi.Address{}
	}
}
