package disk

import (
	"fmt"
	"slices"
	"sync"

	"github.com/iscsispec/iscsispec/scsi"
)

// Limits of what PortGroups holds.
const (
	portGroupsMax = 32 // groups of an array
	groupPortsMax = 32 // target ports of a group
	sharersMax    = 1 << 14
)

// PortGroup is a target port group: target ports through which logical units are reached alike (SPC-4, Section 5.15.2.1).
type PortGroup struct {
	ID        uint16           // TARGET PORT GROUP
	State     scsi.AccessState // asymmetric access state
	Preferred bool             // PREF
	Ports     []uint16         // relative target port identifiers (Nexus.RelativePort), each in one group only
}

// PortGroupsConfig says what PortGroups are made from.
type PortGroupsConfig struct {
	Groups []PortGroup
	// Implicit says that the array changes states on its own account, Explicit that SET TARGET PORT GROUPS changes them; both may be true,
	// one has to be (TPGS of the standard INQUIRY data).
	Implicit, Explicit bool
	// TransitionSeconds is the IMPLICIT TRANSITION TIME that initiators are told; 0 tells none.
	TransitionSeconds byte
}

// PortGroups holds the asymmetric access states of an array's target port groups, for all disks that were made with it. Its methods may be
// called from many goroutines at once.
type PortGroups struct {
	implicit, explicit bool
	transitionSeconds  byte

	mu     sync.Mutex
	groups []portGroup
	disks  []*Disk // to be told of changes
}

type portGroup struct {
	PortGroup
	cause byte // STATUS CODE: what changed the state last
}

// Status codes of a target port group descriptor (SPC-4, Section 6.37).
const (
	causeNone     byte = 0
	causeExplicit byte = 1
	causeImplicit byte = 2
)

// NewPortGroups makes the groups, or returns a *ConfigError.
func NewPortGroups(c PortGroupsConfig) (*PortGroups, error) {
	if !c.Implicit && !c.Explicit {
		return nil, &ConfigError{Field: "TPGS", Want: "implicit or explicit asymmetric access, or both"}
	}
	if len(c.Groups) == 0 || len(c.Groups) > portGroupsMax {
		return nil, &ConfigError{Field: "number of target port groups", Got: uint64(len(c.Groups)), Want: fmt.Sprintf("1 to %d", portGroupsMax)}
	}
	g := &PortGroups{implicit: c.Implicit, explicit: c.Explicit, transitionSeconds: c.TransitionSeconds}
	ports := map[uint16]bool{}
	for _, group := range c.Groups {
		if slices.ContainsFunc(g.groups, func(known portGroup) bool { return known.ID == group.ID }) {
			return nil, &ConfigError{Field: "target port group", Got: uint64(group.ID), Want: "a number that no other group has"}
		}
		if len(group.Ports) == 0 || len(group.Ports) > groupPortsMax {
			return nil, &ConfigError{Field: "number of target ports of a group", Got: uint64(len(group.Ports)), Want: fmt.Sprintf("1 to %d", groupPortsMax)}
		}
		if !group.State.Primary() {
			return nil, &ConfigError{Field: "asymmetric access state", Got: uint64(group.State), Want: "a primary state: 0, 1, 2, 3 or 15"}
		}
		for _, port := range group.Ports {
			if port == 0 || ports[port] {
				return nil, &ConfigError{Field: "relative target port identifier", Got: uint64(port), Want: "1 to 65535, in one group"}
			}
			ports[port] = true
		}
		group.Ports = slices.Clone(group.Ports)
		g.groups = append(g.groups, portGroup{PortGroup: group})
	}
	return g, nil
}

// State returns the access state of a group, and whether there is such a group.
func (g *PortGroups) State(id uint16) (scsi.AccessState, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, group := range g.groups {
		if group.ID == id {
			return group.State, true
		}
	}
	return 0, false
}

// SetState changes the state of a group, as the array does on its own account, and reports whether there is such a group. With announce all
// connected nexuses get the unit attention ASYMMETRIC ACCESS STATE CHANGED.
func (g *PortGroups) SetState(id uint16, state scsi.AccessState, announce bool) bool {
	found := g.change([]scsi.GroupState{{ID: id, State: state}}, causeImplicit)
	if found && announce {
		g.announce()
	}
	return found
}

// change sets states, all of them or, when a group does not exist, none.
func (g *PortGroups) change(states []scsi.GroupState, cause byte) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := make([]int, len(states))
	for i, s := range states {
		at[i] = slices.IndexFunc(g.groups, func(known portGroup) bool { return known.ID == s.ID })
		if at[i] < 0 {
			return false
		}
	}
	for i, s := range states {
		g.groups[at[i]].State, g.groups[at[i]].cause = s.State, cause
	}
	return true
}

// announce tells the nexuses of all disks but those named. No disk's lock may be held.
func (g *PortGroups) announce(except ...Nexus) {
	g.mu.Lock()
	disks := slices.Clone(g.disks)
	g.mu.Unlock()
	for _, d := range disks {
		d.Attention(scsi.AsymmetricAccessChanged, except...)
	}
}

// join adds a disk to those that are told.
func (g *PortGroups) join(d *Disk) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.disks) < sharersMax {
		g.disks = append(g.disks, d)
	}
}

func (g *PortGroups) leave(d *Disk) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.disks = slices.DeleteFunc(g.disks, func(other *Disk) bool { return other == d })
}

// of returns the group that holds a target port; a port that no group holds is reached as if access were symmetric.
func (g *PortGroups) of(port uint16) (id uint16, state scsi.AccessState, found bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.groups {
		if slices.Contains(g.groups[i].Ports, port) {
			return g.groups[i].ID, g.groups[i].State, true
		}
	}
	return 0, scsi.ActiveOptimized, false
}

// tpgs is the field TPGS of the standard INQUIRY data.
func (g *PortGroups) tpgs() byte {
	tpgs := byte(0)
	if g.implicit {
		tpgs |= 1
	}
	if g.explicit {
		tpgs |= 2
	}
	return tpgs
}
