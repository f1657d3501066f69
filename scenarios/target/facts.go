package target

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// Facts are what is known about the target before a check starts: of a simulated array by its profile, of a foreign one by what was
// learned once before the run.
type Facts struct {
	// Front is the portal under test. Where it redirects, logins of ordinary checks go to Portal instead.
	Front, Portal iscsi.Address
	// Portals are those of the target under test that SendTargets is to list.
	Portals []iscsi.TargetAddress
	// Targets are the names of all targets that SendTargets=All is to list, the one under test included.
	Targets []string
	// LUNs are the logical units of the target under test, in the wire's form.
	LUNs []uint64
	// Unit is the size of the logical unit under test.
	Unit probe.Capacity
	// ReadOnly tells that the logical unit takes no writes.
	ReadOnly bool
	// AuthRequired tells that a login without credentials is refused.
	AuthRequired bool
	// OpenDiscovery tells that Discovery sessions are granted without credentials, as some targets do that ask for them elsewhere.
	OpenDiscovery bool
	// Alone tells why the target bears no second session of one initiator name; empty where it does, or where that is not known.
	Alone string
	// Agreed are the results of a login that offers as much as the keys allow; the defaults where that is not known.
	Agreed text.Params
}

// Other returns a logical unit of the target that is not the one under test, for checks that need two.
func (f *Facts) Other(lun uint64) (uint64, bool) {
	for _, other := range f.LUNs {
		if other != lun {
			return other, true
		}
	}
	return 0, false
}

// learned are the facts of a foreign target.
func learned(front iscsi.Address, a *probe.Abilities) Facts {
	f := Facts{Front: front, Portal: front, Portals: a.Portals(), LUNs: a.LUNs, Unit: a.Unit, ReadOnly: a.WriteProtected,
		AuthRequired: a.AuthRequired, OpenDiscovery: a.Discovery && !a.DiscoveryAuth, Agreed: a.Agreed, Alone: a.Alone}
	if a.Redirect != nil {
		f.Portal = a.Redirect.Address
	}
	for _, record := range a.Targets {
		f.Targets = append(f.Targets, record.Name)
	}
	return f
}

// moved are the facts of a target whose portal under test has another address now.
func (f Facts) moved(front iscsi.Address) Facts {
	f.Portals = slices.Clone(f.Portals)
	for i := range f.Portals {
		if f.Portals[i].HostPort() == f.Front.HostPort() {
			f.Portals[i].Address = front
		}
	}
	if f.Portal.HostPort() == f.Front.HostPort() {
		f.Portal = front
	}
	f.Front = front
	return f
}

// profiled are the facts of a simulated array.
func profiled(p *simtarget.Profile) (Facts, error) {
	under := underTest(p)
	f := Facts{Agreed: text.DefaultParams(), AuthRequired: len(p.Login.CHAP.Users) > 0 && !p.Login.CHAP.Optional,
		OpenDiscovery: len(p.Login.CHAP.Users) == 0 || p.Login.CHAP.OpenDiscovery}
	for _, portal := range p.Portals {
		shown := portal.Address
		if portal.Advertised != "" {
			shown = portal.Advertised
		}
		address, err := iscsi.ParseAddress(shown)
		if err != nil {
			return f, err
		}
		if exports(under, portal.Name) && !portal.Hidden {
			f.Portals = append(f.Portals, iscsi.TargetAddress{Address: address, Tag: portal.Tag, HasTag: true})
		}
	}
	var err error
	if f.Front, err = iscsi.ParseAddress(p.Portals[0].Address); err != nil {
		return f, err
	}
	f.Portal = f.Front
	for _, t := range p.Targets {
		f.Targets = append(f.Targets, t.Name)
	}
	for _, lun := range under.LUNs {
		f.LUNs = append(f.LUNs, uint64(scsi.LUNOf(lun.Number)))
	}
	first := under.LUNs[0]
	size := uint64(512)
	if first.BlockSize > 0 {
		size = uint64(first.BlockSize)
	}
	f.Unit, f.ReadOnly = probe.Capacity{BlockSize: uint32(size), Blocks: uint64(first.Size) / size}, first.ReadOnly
	return f, nil
}

// underTest is the target whose name is TargetName, or the last one where a check gave its array targets of its own.
func underTest(p *simtarget.Profile) simtarget.Target {
	for _, t := range p.Targets {
		if t.Name == TargetName {
			return t
		}
	}
	return p.Targets[len(p.Targets)-1]
}

func exports(t simtarget.Target, portal string) bool {
	return len(t.Portals) == 0 || slices.Contains(t.Portals, portal)
}
