package simtarget

import (
	"strconv"

	"github.com/iscsispec/iscsispec/iscsi/text"
)

// sendTargets answers the key SendTargets (RFC 7143, Appendix C). In a Discovery session All lists every target, a name that target; in a
// Normal session, and in a Discovery session that names a target, only its own target is told.
func (s *session) sendTargets(c *connection, value string) text.Pairs {
	a := s.array
	a.mu.Lock()
	defer a.mu.Unlock()
	var records text.Pairs
	refused := text.Pairs{{Key: text.KeySendTargets, Value: text.Reject}}
	switch {
	case value == "" && s.target != nil:
		return a.targetRecord(c, s.target)
	case value == "":
		return refused
	case value == "All" && !s.discovery:
		return refused
	case value == "All":
		for _, t := range a.targets {
			records = append(records, a.targetRecord(c, t)...)
			if a.dev.Discovery.FirstTargetOnly {
				break
			}
		}
		return records
	}
	t := a.target(value)
	switch {
	case !s.discovery && t != s.target:
		return refused
	case t == nil:
		return nil
	}
	return a.targetRecord(c, t)
}

// targetRecord lists a target with its portals: name first, then one TargetAddress for each portal that is not hidden. The caller holds the
// array's lock.
func (a *Array) targetRecord(c *connection, t *target) text.Pairs {
	dev := &a.dev.Discovery
	records := text.Pairs{{Key: text.KeyTargetName, Value: t.Name}}
	if dev.AliasInRecords {
		records.Add(text.KeyTargetAlias, "alias of "+t.Name)
	}
	for _, p := range a.portals {
		if p.Hidden || !a.exported(t, p.answering()) || dev.OwnPortalOnly && p != c.portal {
			continue
		}
		address := p.address(c.local)
		if dev.WildcardAddress {
			address = "0.0.0.0:3260"
		}
		if !dev.OmitTag {
			address += "," + strconv.Itoa(int(p.answering().Tag))
		}
		records.Add(text.KeyTargetAddress, address)
	}
	return records
}
