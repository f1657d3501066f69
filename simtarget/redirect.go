package simtarget

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// redirect refuses a login with the address of another portal where the profile wants it (RFC 7143, Section 11.13.5). It is asked before
// and after authentication.
func (l *login) redirect(authenticated bool) error {
	a, dev := l.array, &l.dev.Redirect
	policy := a.loginPolicy().Redirect
	if policy.Mode == "" || policy.Mode == RedirectNone || policy.AfterAuthentication != authenticated || l.joins != nil {
		return nil
	}
	if l.discovery && dev.DropDiscovery {
		return &vanished{how: EndFIN, reason: "a Discovery session at a redirecting portal"}
	}
	if l.discovery && !policy.Discovery {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.redirects(l, &policy) {
		return nil
	}
	to := a.pick(l, &policy)
	if to == nil {
		return nil
	}
	no := &refusal{status: iscsi.StatusMovedTemporarily, reason: "redirected to portal " + to.Name}
	if policy.Mode == RedirectPermanent {
		no.status = iscsi.StatusMovedPermanently
	}
	if dev.DropExisting || dev.DropReinstated {
		a.dropLater(l)
	}
	if !dev.OmitAddress {
		no.keys = text.Pairs{{Key: text.KeyTargetAddress, Value: a.redirectAddress(l, to, &policy)}}
	}
	return no
}

// redirects reports whether this login is one to be redirected. The caller holds the lock.
func (a *Array) redirects(l *login, policy *RedirectPolicy) bool {
	dev, here := &a.dev.Redirect, l.c.portal
	if len(policy.From) > 0 && !slices.Contains(policy.From, here.Name) || len(policy.From) == 0 && here.Hidden {
		if !dev.Loop {
			return false
		}
	}
	if dev.Alternate {
		if a.faults.redirects++; a.faults.redirects%2 == 0 {
			return false
		}
	}
	if policy.Pick == PickOwner && l.target != nil && l.target.owner == here.Name {
		return false
	}
	if !policy.KeepFirst || l.discovery {
		return true
	}
	first := func(s *session) bool {
		return s.portal == here && s.target == l.target && s.initiator == l.initiator && !a.replaces(l, s)
	}
	return a.table.count(first) > 0 || dev.DropReinstated && a.table.count(func(s *session) bool { return a.replaces(l, s) }) > 0
}

// pick chooses the destination among the portals that are in service and export the target, or nil. The caller holds the lock.
func (a *Array) pick(l *login, policy *RedirectPolicy) *portal {
	dev := &a.dev.Redirect
	var choices []*portal
	for _, p := range a.portals {
		listed := slices.Contains(policy.To, p.Name) || len(policy.To) == 0 && p.Hidden
		if dev.Loop {
			listed = p != l.c.portal
		}
		serves := p.up && p != l.c.portal && p != l.c.door || dev.ToDeadPortal && !p.up
		if here := l.c.portal.Network; here != "" && p.Network != "" && here != p.Network {
			continue
		}
		if dev.ToDeadPortal && p.up {
			serves = false
		}
		if dev.ToUnexported {
			listed, serves = l.target != nil && !a.exported(l.target, p), true
		} else if l.target != nil && !a.exported(l.target, p) {
			continue
		}
		if listed && serves {
			choices = append(choices, p)
		}
	}
	if len(choices) == 0 {
		return nil
	}
	switch policy.Pick {
	case PickFixed:
		return choices[0]
	case PickSticky:
		return choices[spread(l.initiator, string(l.isid[:]), len(choices))]
	case PickInitiator:
		return choices[spread(l.initiator, l.targetName(), len(choices))]
	case PickOwner:
		for _, p := range choices {
			if l.target != nil && p.Name == l.target.owner {
				return p
			}
		}
		return choices[0]
	case PickLeastSessions:
		return slices.MinFunc(choices, func(x, y *portal) int {
			return a.table.count(func(s *session) bool { return s.portal == x }) - a.table.count(func(s *session) bool { return s.portal == y })
		})
	}
	a.picks++
	return choices[(a.picks-1)%len(choices)]
}

// spread maps two names to one of n places, always the same.
func spread(name, other string, n int) int {
	h := fnv.New32a()
	h.Write([]byte(name))
	h.Write([]byte(other))
	return int(h.Sum32() % uint32(n))
}

// targetName is the name of the login's target, "" without one.
func (l *login) targetName() string {
	if l.target == nil {
		return ""
	}
	return l.target.Name
}

// redirectAddress is the TargetAddress of a redirect: host and port without a portal group tag (RFC 7143, Section 13.8).
func (a *Array) redirectAddress(l *login, to *portal, policy *RedirectPolicy) string {
	address := to.address(l.c.local)
	if policy.OmitPort {
		address = withoutPort(address)
	}
	if a.dev.Redirect.BareIPv6 {
		address = strings.NewReplacer("[", "", "]", "").Replace(address)
	}
	if policy.WithTag || a.dev.Redirect.WithTag {
		address += "," + strconv.Itoa(int(to.Tag))
	}
	return address
}
