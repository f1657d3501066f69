package initiator

import (
	"context"
	"slices"

	"github.com/iscsispec/iscsispec/iscsi"
)

// DiscoveryDeviations are faults in SendTargets (RFC 7143, Appendix C).
type DiscoveryDeviations struct {
	// FreshTagOnContinue asks for the rest of an answer under a new task tag.
	FreshTagOnContinue bool
	// ContinueOnTTT asks for more whenever the answer carries a target transfer tag, even if it is final.
	ContinueOnTTT bool
	// ZeroTTT begins a text exchange with TTT 0.
	ZeroTTT bool
	// FreshOnReservedTTT begins anew when an answer that is not final carries the reserved target transfer tag.
	FreshOnReservedTTT bool
	// MergeAddresses gives every target the addresses of all.
	MergeAddresses bool
	// NoSessionType leaves the SessionType out of the login.
	NoSessionType bool
	// TagInPort reads the digits of the tag as the last ones of the port.
	TagInPort bool
	// TagAsPort takes the tag for the port of an address that has none.
	TagAsPort bool
	// AddressRequired forgets targets that come without an address.
	AddressRequired bool
	// WaitForRecords goes on waiting when the answer is empty.
	WaitForRecords bool
	// KeepDuplicates tells targets and addresses as often as they come.
	KeepDuplicates bool
	// StopAtMalformed takes the records before a malformed one for the whole answer.
	StopAtMalformed bool
	// CutLong keeps the first 4096 targets of a longer answer without a word.
	CutLong bool
	// PartIsWhole takes what came before a loss for the whole answer.
	PartIsWhole bool
	// ForeignKeyEmpties takes an answer with another key for one without targets.
	ForeignKeyEmpties bool
	// InLogin puts SendTargets into the last Login Request too.
	InLogin bool
	// VendorKey sends a private key in the login of a discovery session.
	VendorKey bool
	// IgnorePings leaves pings of the target in a discovery session unanswered.
	IgnorePings bool
	// RecoveryLevel offers and answers ErrorRecoveryLevel=2 in the login of a discovery session.
	RecoveryLevel bool
}

// ignoresPings is the defect IgnorePings.
func (c *connection) ignoresPings() bool {
	return c.s.dev.Discovery.IgnorePings && c.s.info.Type == DiscoverySession
}

// misreadAddress makes the faults of reading one address.
func (r *recordReader) misreadAddress(a *iscsi.TargetAddress) {
	switch {
	case r.dev.TagInPort && a.HasTag && a.Port != 0:
		a.Port, a.Tag, a.HasTag = a.Port*10+a.Tag, 0, false
	case r.dev.TagAsPort && a.HasTag && a.Port == 0:
		a.Port, a.Tag, a.HasTag = a.Tag, 0, false
	}
}

// distort returns the targets as the initiator's defects have them.
func (r *recordReader) distort(ctx context.Context) []DiscoveredTarget {
	switch {
	case r.dev.MergeAddresses:
		var all []iscsi.TargetAddress
		for _, t := range r.targets {
			all = append(all, t.Addresses...)
		}
		for i := range r.targets {
			r.targets[i].Addresses = all
		}
	case r.dev.AddressRequired:
		return slices.DeleteFunc(r.targets, func(t DiscoveredTarget) bool { return len(t.Addresses) == 0 })
	case r.dev.WaitForRecords && len(r.targets) == 0:
		<-ctx.Done()
	case r.dev.CutLong:
		return r.targets[:min(len(r.targets), 4096)]
	case r.dev.ForeignKeyEmpties && r.foreign:
		return nil
	}
	return r.targets
}

// discoveryRows are the rows about SendTargets and the discovery session.
func discoveryRows() []RowDeviation {
	return []RowDeviation{
		{"discovery.login-shape", func(d *Deviations) { d.Discovery.NoSessionType = true }},
		{"discovery.sendtargets-request", func(d *Deviations) { d.Discovery.ZeroTTT = true }},
		{"discovery.continuation", func(d *Deviations) { d.Discovery.FreshTagOnContinue = true }},
		{"discovery.ttt-ignored-when-final", func(d *Deviations) { d.Discovery.ContinueOnTTT = true }},
		{"discovery.f0-reserved-ttt", func(d *Deviations) { d.Discovery.FreshOnReservedTTT = true }},
		{"discovery.foreign-keys", func(d *Deviations) { d.Discovery.ForeignKeyEmpties = true }},
		{"discovery.parse.single", func(d *Deviations) { d.Discovery.TagInPort = true }},
		{"discovery.parse.multi", func(d *Deviations) { d.Discovery.MergeAddresses = true }},
		{"discovery.parse.no-address", func(d *Deviations) { d.Discovery.AddressRequired = true }},
		{"discovery.parse.empty", func(d *Deviations) { d.Discovery.WaitForRecords = true }},
		{"discovery.parse.duplicates", func(d *Deviations) { d.Discovery.KeepDuplicates = true }},
		{"discovery.parse.malformed", func(d *Deviations) { d.Discovery.StopAtMalformed = true }},
		{"discovery.parse.default-port", func(d *Deviations) { d.Discovery.TagAsPort = true }},
		{"discovery.large", func(d *Deviations) { d.Discovery.CutLong = true }},
		{"discovery.ends-cleanly", func(d *Deviations) { d.Discovery.IgnorePings = true }},
		{"discovery.severed", func(d *Deviations) { d.Discovery.PartIsWhole = true }},
		{"discovery.mrdsl-own-limit", func(d *Deviations) { d.Keys.ReceiveOneLess = true }},
		{"discovery.erl-zero", func(d *Deviations) { d.Discovery.RecoveryLevel = true }},
		{"discovery.no-vendor-keys", func(d *Deviations) { d.Discovery.VendorKey = true }},
		{"discovery.sendtargets-not-in-login", func(d *Deviations) { d.Discovery.InLogin = true }},
	}
}
