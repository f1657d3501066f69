package simtarget

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scsi"
)

// windowMax bounds the command window of a session.
const windowMax = 1024

// sessionConnectionsMax bounds the connections of one session.
const sessionConnectionsMax = 64

// Validate reports as a *ProfileError the first field that cannot be.
func (p *Profile) Validate() error {
	for _, check := range []func() error{p.checkNames, p.checkPortals, p.checkTargets, p.checkLogin, p.checkSession, p.checkData, p.checkRecovery} {
		if err := check(); err != nil {
			return &ProfileError{Name: p.Name, Reason: err.Error()}
		}
	}
	return nil
}

func (p *Profile) checkNames() error {
	if p.Name == "" {
		return fmt.Errorf("name is missing")
	}
	for _, ch := range p.Name {
		if (ch < 'a' || ch > 'z') && (ch < '0' || ch > '9') && ch != '-' {
			return fmt.Errorf("name %q, want lower-case letters, digits and hyphens", p.Name)
		}
	}
	return nil
}

func (p *Profile) checkPortals() error {
	if len(p.Portals) == 0 {
		return fmt.Errorf("portals are missing")
	}
	for i, portal := range p.Portals {
		if portal.Name == "" {
			return fmt.Errorf("portal %d has no name", i+1)
		}
		if _, err := netip.ParseAddrPort(portal.Address); err != nil {
			return fmt.Errorf("portal address %q, want ip:port", portal.Address)
		}
		for _, other := range p.Portals[:i] {
			if other.Name == portal.Name || other.Address == portal.Address {
				return fmt.Errorf("portal %q has the name or address of another", portal.Name)
			}
		}
	}
	return nil
}

func (p *Profile) checkTargets() error {
	if len(p.Targets) == 0 {
		return fmt.Errorf("targets are missing")
	}
	for i, t := range p.Targets {
		if err := iscsi.ValidName(t.Name); err != nil {
			return fmt.Errorf("target %q: %w", t.Name, err)
		}
		if slices.ContainsFunc(p.Targets[:i], func(other Target) bool { return other.Name == t.Name }) {
			return fmt.Errorf("target %q twice", t.Name)
		}
		if err := p.checkPortalNames("target portals", t.Portals); err != nil {
			return err
		}
		for j, lun := range t.LUNs {
			if lun.Number > scsi.MaxFlatLUN {
				return fmt.Errorf("logical unit number %d, want at most %d", lun.Number, scsi.MaxFlatLUN)
			}
			if slices.ContainsFunc(t.LUNs[:j], func(other LUN) bool { return other.Number == lun.Number }) {
				return fmt.Errorf("target %q has logical unit %d twice", t.Name, lun.Number)
			}
			if err := t.config(lun).Validate(); err != nil {
				return fmt.Errorf("target %s, logical unit %d: %w", t.Name, lun.Number, err)
			}
		}
	}
	return nil
}

func (p *Profile) checkPortalNames(what string, names []string) error {
	for _, name := range names {
		if !slices.ContainsFunc(p.Portals, func(known Portal) bool { return known.Name == name }) {
			return fmt.Errorf("%s: no portal %q", what, name)
		}
	}
	return nil
}

func (p *Profile) checkLogin() error {
	r := p.Login.Redirect
	if err := oneOf("redirect mode", r.Mode, "", RedirectNone, RedirectTemporary, RedirectPermanent); err != nil {
		return err
	}
	if err := oneOf("redirect pick", r.Pick, "", PickRoundRobin, PickFixed, PickLeastSessions, PickSticky); err != nil {
		return err
	}
	for _, list := range []struct {
		what  string
		names []string
	}{{"redirect from", r.From}, {"redirect to", r.To}, {"open portals", p.Login.CHAP.OpenPortals}} {
		if err := p.checkPortalNames(list.what, list.names); err != nil {
			return err
		}
	}
	if p.Login.Timeout < time.Second {
		return fmt.Errorf("login timeout %q, want 1s or more", p.Login.Timeout)
	}
	for _, n := range p.Login.CHAP.Algorithms {
		if n < 5 || n > 8 {
			return fmt.Errorf("CHAP algorithm %d, want 5 to 8", n)
		}
	}
	return nil
}

func (p *Profile) checkSession() error {
	s := p.Session
	if _, isStatus := s.OnExcess.status(); !isStatus {
		if err := oneOf("on_excess", s.OnExcess, ExcessFIN, ExcessRST, ExcessKillOldest); err != nil {
			return fmt.Errorf("%w, or a login status such as 0x0206", err)
		}
	}
	if err := oneOf("identity", s.Identity, IdentityNameISIDTag, IdentityNameISID, IdentityName, IdentityAddress); err != nil {
		return err
	}
	if err := oneOf("replaced", s.Replaced, EndFIN, EndRST, EndAsync, EndSilent); err != nil {
		return err
	}
	if s.CommandWindow < 1 || s.CommandWindow > windowMax {
		return fmt.Errorf("command window %d, want 1 to %d", s.CommandWindow, windowMax)
	}
	if s.ImmediateCommands < 1 || s.ImmediateCommands > windowMax {
		return fmt.Errorf("immediate commands %d, want 1 to %d", s.ImmediateCommands, windowMax)
	}
	if s.MaxConnections < 1 || s.MaxConnections > sessionConnectionsMax {
		return fmt.Errorf("max_connections is %d, want 1 to %d", s.MaxConnections, sessionConnectionsMax)
	}
	if s.ErrorRecoveryLevel < 0 || s.ErrorRecoveryLevel > 2 {
		return fmt.Errorf("error_recovery_level is %d, want 0 to 2", s.ErrorRecoveryLevel)
	}
	return nil
}

func (p *Profile) checkData() error {
	d := p.Data
	for _, policy := range []DigestPolicy{d.HeaderDigest, d.DataDigest} {
		if err := oneOf("digest", policy, DigestNone, DigestAllow, DigestRequire); err != nil {
			return err
		}
	}
	for value := range strings.SplitSeq(d.TaskReporting, ",") {
		if err := oneOf("task_reporting", value, "", "RFC3720", "ResponseFence", fastAbort); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name           string
		value, low, hi int
	}{
		{"protocol_level", d.ProtocolLevel, 0, 2},
		{"max_recv_data_segment_length", d.MaxRecvDataSegmentLength, 512, 1<<24 - 1},
		{"max_burst_length", d.MaxBurstLength, 512, 1<<24 - 1},
		{"first_burst_length", d.FirstBurstLength, 512, d.MaxBurstLength},
		{"max_outstanding_r2t", d.MaxOutstandingR2T, 1, 65535},
		{"time2wait", d.Time2Wait, 0, 3600}, {"time2retain", d.Time2Retain, 0, 3600},
	} {
		if f.value < f.low || f.value > f.hi {
			return fmt.Errorf("%s is %d, want %d to %d", f.name, f.value, f.low, f.hi)
		}
	}
	return nil
}

// oneOf reports a word that is none of those allowed.
func oneOf[S ~string](what string, got S, allowed ...S) error {
	if slices.Contains(allowed, got) {
		return nil
	}
	list := ""
	for _, a := range allowed {
		if a == "" {
			continue
		}
		if list != "" {
			list += ", "
		}
		list += string(a)
	}
	return fmt.Errorf("%s %q, want one of %s", what, got, list)
}
