package simtarget

import (
	"strconv"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// sendTargets answers the key SendTargets (RFC 7143, Appendix C). In a Discovery session All lists every target, a name that target; in a
// Normal session, and in a Discovery session that names a target, only its own target is told.
func (s *session) sendTargets(c *connection, value string) text.Pairs {
	a := s.array
	a.mu.Lock()
	defer a.mu.Unlock()
	if records, decides := a.dev.Listing.records(s, c, value); decides {
		return records
	}
	refused := text.Pairs{{Key: text.KeySendTargets, Value: text.Reject}}
	switch {
	case value == "" && s.target != nil:
		return a.targetRecord(c, s.target)
	case value == "":
		return refused
	case value == "All" && !s.discovery:
		return refused
	case value == "All":
		return a.allRecords(s, c)
	}
	t := a.target(value)
	switch {
	case !s.discovery && t != s.target:
		return refused
	case t == nil || a.closedTo(t, s.initiator):
		return nil
	}
	return a.targetRecord(c, t)
}

// allRecords lists all targets but those that are closed to the session's initiator. The caller holds the array's lock.
func (a *Array) allRecords(s *session, c *connection) text.Pairs {
	var records text.Pairs
	for _, t := range a.targets {
		if a.closedTo(t, s.initiator) {
			continue
		}
		records = append(records, a.targetRecord(c, t)...)
		if a.dev.Discovery.FirstTargetOnly {
			break
		}
	}
	return records
}

// closedTo reports whether the profile keeps an initiator out of a target by name, as one that it is not authorised for or that it is not to
// find. The caller holds the array's lock.
func (a *Array) closedTo(t *target, initiator string) bool {
	for _, r := range a.profile.Login.Refuse {
		status, is := r.With.status()
		hides := is && (status == iscsi.StatusAuthorizationFailure || status == iscsi.StatusNotFound)
		if hides && r.Initiator == initiator && r.Target == t.Name && r.Portal == "" && !r.Discovery && !a.dev.Listing.ListsClosed {
			return true
		}
	}
	return false
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
		own := dev.OwnPortalOnly || a.dev.Listing.OwnPortalOnNormal && !c.session.discovery
		if p.Hidden || !a.exported(t, p.answering()) || own && p != c.portal {
			continue
		}
		address := a.dev.Listing.address(p.address(c.local))
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
