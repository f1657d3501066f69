package initiator

import (
	"context"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// DiscoveredTarget is one record of a SendTargets answer.
type DiscoveredTarget struct {
	// Name is the target's iSCSI name.
	Name string
	// Addresses are its portals in the order of the answer; empty means that the target is reached at the portal that was asked.
	Addresses []iscsi.TargetAddress
}

// SendTargets asks for targets (RFC 7143, Appendix C): "All" in a discovery session, a target's name, or "" for the target of a normal
// session. Any malformed record fails the whole answer.
func (s *Session) SendTargets(ctx context.Context, which string) ([]DiscoveredTarget, error) {
	pairs, err := s.Text(ctx, text.Pairs{{Key: text.KeySendTargets, Value: which}})
	if err != nil {
		return nil, err
	}
	targets, err := parseTargets(pairs)
	if err == nil && s.dev.Discovery.MergeAddresses {
		mergeAddresses(targets)
	}
	return targets, err
}

// parseTargets reads the records: a TargetName, followed by its addresses.
func parseTargets(pairs text.Pairs) ([]DiscoveredTarget, error) {
	var targets []DiscoveredTarget
	for _, p := range pairs {
		switch p.Key {
		case text.KeyTargetName:
			if err := iscsi.ValidName(p.Value); err != nil {
				return nil, fmt.Errorf("SendTargets answer: %w", err)
			}
			targets = append(targets, DiscoveredTarget{Name: p.Value})
		case text.KeyTargetAddress:
			if len(targets) == 0 {
				return nil, fmt.Errorf("SendTargets answer: expected TargetName first, got %v (RFC 7143, Appendix C)", p)
			}
			a, err := iscsi.ParseTargetAddress(p.Value)
			if err != nil {
				return nil, fmt.Errorf("SendTargets answer: %w", err)
			}
			last := &targets[len(targets)-1]
			last.Addresses = append(last.Addresses, a)
		case text.KeySendTargets:
			return nil, fmt.Errorf("SendTargets answer: target refused the request with %v: %w", p, ErrNotSupported)
		}
	}
	return targets, nil
}

// mergeAddresses is the defect of that name.
func mergeAddresses(targets []DiscoveredTarget) {
	var all []iscsi.TargetAddress
	for _, t := range targets {
		all = append(all, t.Addresses...)
	}
	for i := range targets {
		targets[i].Addresses = all
	}
}
