package initiator

import (
	"slices"
	"testing"

	"github.com/iscsispec/iscsispec/iscsi"
)

// Portals of the tests of redirects.
var (
	pA = iscsi.Address{Host: "192.0.2.1", Port: 3260}
	pB = iscsi.Address{Host: "192.0.2.2", Port: 3260}
)

// TestRedirectMemory checks where attempts begin after a temporary and after a permanent redirect, and when they fail.
func TestRedirectMemory(t *testing.T) {
	temporary := []Redirect{{Status: iscsi.StatusMovedTemporarily, From: pA, To: pB}}
	permanent := []Redirect{{Status: iscsi.StatusMovedPermanently, From: pA, To: pB}}
	for _, c := range []struct {
		name      string
		redirects []Redirect
		failures  int
		want      []iscsi.Address
	}{
		{"none", nil, 2, []iscsi.Address{pA, pA, pA}},
		{"temporary", temporary, 2, []iscsi.Address{pA, pA, pA}},
		{"permanent", permanent, 3, []iscsi.Address{pB, pA, pB, pA}},
	} {
		m := redirectMemory{configured: pA}
		m.loggedIn(m.next(), c.redirects, &sound)
		got := []iscsi.Address{m.next()}
		for range c.failures {
			m.attemptFailed(pB, &sound)
			got = append(got, m.next())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: attempts at %v, want %v", c.name, got, c.want)
		}
	}
}

// TestRedirectMemoryFades checks that a login let in at the configured portal ends an earlier permanent move.
func TestRedirectMemoryFades(t *testing.T) {
	m := redirectMemory{configured: pA}
	m.loggedIn(m.next(), []Redirect{{Status: iscsi.StatusMovedPermanently, From: pA, To: pB}}, &sound)
	m.loggedIn(m.next(), nil, &sound)
	if m.next() != pB {
		t.Error("a login at the remembered portal made the memory fade")
	}
	m.attemptFailed(pB, &sound)
	m.loggedIn(m.next(), nil, &sound)
	if m.next() != pA {
		t.Error("a login at the configured portal left the memory")
	}
}

// TestDiscoverySet checks groups, tags, repeated answers, and a target without an address.
func TestDiscoverySet(t *testing.T) {
	addr := func(a iscsi.Address, tag int) iscsi.TargetAddress {
		return iscsi.TargetAddress{Address: a, Tag: uint16(tag), HasTag: tag > 0}
	}
	var d discoverySet
	d.learn([]DiscoveredTarget{
		{Name: "iqn.t1", Addresses: []iscsi.TargetAddress{addr(pB, 2), addr(pA, 1), addr(iscsi.Address{Host: "192.0.2.3"}, 2)}},
		{Name: "iqn.t2"},
	}, pA)
	groups := d.groups("iqn.t1")
	if len(groups) != 2 || groups[0].tag != 2 || len(groups[0].addresses) != 2 || groups[1].addresses[0] != pA {
		t.Errorf("groups %+v", groups)
	}
	if g := d.groups("iqn.t2"); len(g) != 1 || g[0].addresses[0] != pA || g[0].hasTag {
		t.Errorf("a target without address: %+v, want the portal asked", g)
	}
	if tag, ok := d.tagOf("iqn.t1", iscsi.Address{Host: "192.0.2.2"}); !ok || tag != 2 {
		t.Errorf("tag %v %v, want 2: the default port was left out", tag, ok)
	}
	d.learn([]DiscoveredTarget{{Name: "iqn.t1", Addresses: []iscsi.TargetAddress{addr(pA, 1)}}}, pA)
	if len(d.targets) != 2 || len(d.groups("iqn.t1")) != 1 {
		t.Errorf("a repeated answer left %+v", d.targets)
	}
}
