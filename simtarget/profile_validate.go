package simtarget

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
)

// windowMax bounds the command window of a session.
const windowMax = 1024

// sessionConnectionsMax bounds the connections of one session.
const sessionConnectionsMax = 64

// Validate reports as a *ProfileError the first field that cannot be, or that contradicts another.
func (p *Profile) Validate() error {
	for _, check := range []func() error{
		p.checkNames, p.checkPortals, p.checkTargets, p.checkLogin, p.checkRedirect, p.checkSession, p.checkData, p.checkRanges,
		p.checkFailover, p.checkContradictions,
	} {
		if err := check(); err != nil {
			e := &ProfileError{Reason: err.Error()}
			if at := (*fieldError)(nil); errors.As(err, &at) {
				e.Field, e.Reason = at.path, at.reason
			}
			e.Name = p.Name
			return e
		}
	}
	return nil
}

// fieldError is what is wrong with one field, named by its place in the YAML file.
type fieldError struct{ path, reason string }

func (e *fieldError) Error() string { return e.path + ": " + e.reason }

func wrong(path, format string, args ...any) error {
	return &fieldError{path, fmt.Sprintf(format, args...)}
}

func (p *Profile) checkNames() error {
	if p.Name == "" {
		return wrong("name", "name is missing")
	}
	for _, ch := range p.Name {
		if (ch < 'a' || ch > 'z') && (ch < '0' || ch > '9') && ch != '-' {
			return wrong("name", "name %q, want lower-case letters, digits and hyphens", p.Name)
		}
	}
	for i, d := range p.Differs {
		if d.Row == "" || d.Why == "" {
			return wrong(fmt.Sprintf("differs[%d]", i), "want a row's id and why")
		}
	}
	_, err := p.defects()
	return err
}

func (p *Profile) checkPortals() error {
	if len(p.Portals) == 0 {
		return wrong("portals", "portals are missing")
	}
	for i, portal := range p.Portals {
		at := fmt.Sprintf("portals[%d]", i)
		if portal.Name == "" {
			return wrong(at, "portal %d has no name", i+1)
		}
		if _, err := netip.ParseAddrPort(portal.Address); err != nil {
			return wrong(at+".address", "portal address %q, want ip:port", portal.Address)
		}
		if portal.Down && portal.Silent {
			return wrong(at+".silent", "portal %q is both down and silent, want one", portal.Name)
		}
		for _, other := range p.Portals[:i] {
			if other.Name == portal.Name || other.Address == portal.Address {
				return wrong(at, "portal %q has the name or address of another", portal.Name)
			}
		}
	}
	return nil
}

func (p *Profile) checkTargets() error {
	if len(p.Targets) == 0 {
		return wrong("targets", "targets are missing")
	}
	for i, t := range p.Targets {
		at := fmt.Sprintf("targets[%d]", i)
		if err := iscsi.ValidName(t.Name); err != nil {
			return wrong(at+".name", "target %q: %v", t.Name, err)
		}
		if slices.ContainsFunc(p.Targets[:i], func(other Target) bool { return other.Name == t.Name }) {
			return wrong(at+".name", "target %q twice", t.Name)
		}
		if err := p.checkPortalNames(at+".portals", t.Portals); err != nil {
			return err
		}
		if t.Owner != "" {
			if err := p.checkPortalName(at+".owner", t.Owner); err != nil {
				return err
			}
			if len(t.Portals) > 0 && !slices.Contains(t.Portals, t.Owner) {
				return wrong(at+".owner", "portal %q is not one of the target's portals", t.Owner)
			}
		}
		for j, lun := range t.LUNs {
			here := fmt.Sprintf("%s.luns[%d]", at, j)
			if lun.Number > scsi.MaxFlatLUN {
				return wrong(here+".number", "logical unit number %d, want at most %d", lun.Number, scsi.MaxFlatLUN)
			}
			if slices.ContainsFunc(t.LUNs[:j], func(other LUN) bool { return other.Number == lun.Number }) {
				return wrong(here+".number", "target %q has logical unit %d twice", t.Name, lun.Number)
			}
			if err := t.config(lun).Validate(); err != nil {
				return wrong(here, "target %s, logical unit %d: %v", t.Name, lun.Number, err)
			}
		}
	}
	return nil
}

func (p *Profile) checkPortalName(at, name string) error {
	if slices.ContainsFunc(p.Portals, func(known Portal) bool { return known.Name == name }) {
		return nil
	}
	var names []string
	for _, known := range p.Portals {
		names = append(names, known.Name)
	}
	return wrong(at, "no portal %q, want one of %s", name, strings.Join(names, ", "))
}

func (p *Profile) checkPortalNames(at string, names []string) error {
	for i, name := range names {
		if err := p.checkPortalName(fmt.Sprintf("%s[%d]", at, i), name); err != nil {
			return err
		}
	}
	return nil
}

func (p *Profile) checkTargetName(at, name string) error {
	if name == "" || slices.ContainsFunc(p.Targets, func(t Target) bool { return t.Name == name }) {
		return nil
	}
	return wrong(at, "no target %q", name)
}

// oneOf reports a word that is none of those allowed, with the nearest that is.
func oneOf[S ~string](at string, got S, allowed ...S) error {
	if slices.Contains(allowed, got) {
		return nil
	}
	var list []string
	for _, a := range allowed {
		if a != "" {
			list = append(list, string(a))
		}
	}
	hint := ""
	if near := nearest(string(got), list); near != "" {
		hint = fmt.Sprintf(" (nearest: %s)", near)
	}
	return wrong(at, "%q, want one of %s%s", got, strings.Join(list, ", "), hint)
}
