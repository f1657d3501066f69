package initiator

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi"
)

// addressesMax bounds what is remembered of one target.
const addressesMax = 256

// discoverySet remembers the targets that discovery told, in the order in which they were first seen, with their
// addresses as told last. It is a plain state type; the Manager guards it.
type discoverySet struct {
	targets []DiscoveredTarget
	index   map[string]int // Where a name is in targets.
}

// portalGroup is one target port: a tag and the addresses that share it.
type portalGroup struct {
	tag       uint16
	hasTag    bool
	addresses []iscsi.Address
}

// learn takes over an answer to SendTargets that came through the portal at via, and returns it complete: a target without an
// address is reached where it was asked for (RFC 7143, Appendix C).
func (d *discoverySet) learn(targets []DiscoveredTarget, via iscsi.Address) []DiscoveredTarget {
	if d.index == nil {
		d.index = make(map[string]int)
	}
	targets = slices.Clone(targets)
	for k := range targets {
		t := &targets[k]
		if len(t.Addresses) == 0 {
			t.Addresses = []iscsi.TargetAddress{{Address: via}}
		}
		known := DiscoveredTarget{Name: t.Name, Addresses: slices.Clone(t.Addresses[:min(len(t.Addresses), addressesMax)])}
		if i, again := d.index[t.Name]; again {
			d.targets[i] = known
		} else if len(d.targets) < targetsMax {
			d.index[t.Name] = len(d.targets)
			d.targets = append(d.targets, known)
		}
	}
	return targets
}

// addresses returns what is known of a target.
func (d *discoverySet) addresses(target string) []iscsi.TargetAddress {
	i, known := d.index[target]
	if !known {
		return nil
	}
	return d.targets[i].Addresses
}

// groups returns the target ports of a target in the order in which discovery told them. Addresses without a tag are taken
// for ports of their own.
func (d *discoverySet) groups(target string) []portalGroup {
	var groups []portalGroup
	for _, a := range d.addresses(target) {
		i := slices.IndexFunc(groups, func(g portalGroup) bool { return g.hasTag && a.HasTag && g.tag == a.Tag })
		if i < 0 {
			groups = append(groups, portalGroup{tag: a.Tag, hasTag: a.HasTag})
			i = len(groups) - 1
		}
		groups[i].addresses = append(groups[i].addresses, a.Address)
	}
	return groups
}

// groupOf returns the portals of a target that share a portal group tag, in the order in which discovery told them.
func (d *discoverySet) groupOf(target string, tag uint16) []iscsi.Address {
	for _, g := range d.groups(target) {
		if g.hasTag && g.tag == tag {
			return slices.Clone(g.addresses)
		}
	}
	return nil
}

// tagOf returns the portal group tag that discovery told for a portal of a target.
func (d *discoverySet) tagOf(target string, portal iscsi.Address) (uint16, bool) {
	for _, a := range d.addresses(target) {
		if a.HasTag && a.HostPort() == portal.HostPort() {
			return a.Tag, true
		}
	}
	return 0, false
}
