package initiator

import (
	"context"
	"fmt"
	"slices"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// targetsMax bounds the targets of one answer to SendTargets, and what is remembered of discovery.
const targetsMax = 16384

// DiscoveredTarget is what discovery told of one target.
type DiscoveredTarget struct {
	// Name is the target's iSCSI name.
	Name string
	// Addresses are its portals in the order of the answer; empty means that the target is reached at the portal that was asked.
	Addresses []iscsi.TargetAddress
}

// SendTargets asks for targets (RFC 7143, Appendix C): "All" in a discovery session, "" for the target of a normal session, or a target's
// name; anything else is refused with ErrNotSupported or an *iscsi.NameError. A target or an address that comes twice is told once. Any malformed record fails the whole answer; keys other than
// TargetName and TargetAddress are passed over and change nothing.
func (s *Session) SendTargets(ctx context.Context, which string) ([]DiscoveredTarget, error) {
	if err := s.checkTargets(which); err != nil {
		return nil, err
	}
	pairs, err := s.Text(ctx, text.Pairs{{Key: text.KeySendTargets, Value: which}})
	if err != nil {
		return nil, err
	}
	records, err := parseTargets(&s.dev.Discovery, pairs)
	if err != nil {
		return nil, fmt.Errorf("SendTargets answer: %w", err)
	}
	return records.distort(ctx), nil
}

// checkTargets refuses what SendTargets may not ask for in this session.
func (s *Session) checkTargets(which string) error {
	discovery := s.info.Type == DiscoverySession
	switch {
	case which == "All" && !discovery, which == "" && discovery:
		return fmt.Errorf("SendTargets=%s in a session of type %v: %w", which, s.info.Type, ErrNotSupported)
	case which == "All" || which == "":
		return nil
	}
	if err := iscsi.ValidName(which); err != nil {
		return fmt.Errorf("SendTargets: %w", err)
	}
	return nil
}

// parseTargets reads the records of an answer to SendTargets.
func parseTargets(dev *DiscoveryDeviations, pairs text.Pairs) (*recordReader, error) {
	r := &recordReader{dev: dev, index: make(map[string]int)}
	for _, p := range pairs {
		if err := r.take(p); err != nil {
			if dev.StopAtMalformed {
				break
			}
			return nil, err
		}
	}
	return r, nil
}

// recordReader puts the records of an answer to SendTargets together: a TargetName, followed by its addresses.
type recordReader struct {
	dev     *DiscoveryDeviations
	targets []DiscoveredTarget
	index   map[string]int // Where a name is in targets.
	current int            // The target that addresses belong to.
	foreign bool
}

func (r *recordReader) take(p text.Pair) error {
	switch p.Key {
	case text.KeyTargetName:
		return r.name(p.Value)
	case text.KeyTargetAddress:
		if len(r.targets) == 0 {
			return fmt.Errorf("expected TargetName first, got %v (RFC 7143, Appendix C)", p)
		}
		return r.address(p.Value)
	case text.KeySendTargets:
		return fmt.Errorf("target refused the request with %v: %w", p, ErrNotSupported)
	}
	r.foreign = true
	return nil
}

func (r *recordReader) name(name string) error {
	if err := iscsi.ValidName(name); err != nil {
		return err
	}
	if i, again := r.index[name]; again && !r.dev.KeepDuplicates {
		r.current = i
		return nil
	}
	if len(r.targets) == targetsMax {
		return &text.LimitError{What: "targets", Limit: targetsMax, Got: targetsMax + 1}
	}
	r.current = len(r.targets)
	r.index[name] = r.current
	r.targets = append(r.targets, DiscoveredTarget{Name: name})
	return nil
}

func (r *recordReader) address(value string) error {
	a, err := iscsi.ParseTargetAddress(value)
	if err != nil {
		return err
	}
	r.misreadAddress(&a)
	t := &r.targets[r.current]
	again := slices.ContainsFunc(t.Addresses, func(o iscsi.TargetAddress) bool {
		return o.HostPort() == a.HostPort() && o.Tag == a.Tag && o.HasTag == a.HasTag
	})
	if !again || r.dev.KeepDuplicates {
		t.Addresses = append(t.Addresses, a)
	}
	return nil
}
