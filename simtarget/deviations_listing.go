package simtarget

import (
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// ListingDeviations are faults of SendTargets, and of what a Discovery session may do.
type ListingDeviations struct {
	// NamedIsNormal takes a Discovery login that names a target for one of a Normal session.
	NamedIsNormal bool
	// UnbracketedIPv6 lists IPv6 addresses without brackets.
	UnbracketedIPv6 bool
	// OmitsPort lists addresses without their ports.
	OmitsPort bool
	// ByNameListsAll lists every target whatever name of a target is asked.
	ByNameListsAll bool
	// UnknownListsAll lists every target when a name is asked that no target has.
	UnknownListsAll bool
	// EmptyNamesISCSI answers an empty value on a Discovery session with a target of the name iSCSI.
	EmptyNamesISCSI bool
	// RejectsEmpty rejects the empty value on Normal sessions.
	RejectsEmpty bool
	// OwnNameListsAll lists every target when a Normal session asks for its own.
	OwnNameListsAll bool
	// ServesAllOnNormal lists every target on Normal sessions.
	ServesAllOnNormal bool
	// Truncates ends the answer where the first PDU is full.
	Truncates bool
	// AnswersOnce answers only the first SendTargets of a session.
	AnswersOnce bool
	// OwnPortalOnNormal lists only the portal in use on Normal sessions.
	OwnPortalOnNormal bool
	// ListsClosed lists targets that are closed to the initiator.
	ListsClosed bool
	// ResetsUnits answers task management on Discovery sessions as done.
	ResetsUnits bool
	// NegotiatesBurst negotiates MaxBurstLength on Discovery sessions.
	NegotiatesBurst bool
	// CrashesOnPing closes all portals at a ping on a Discovery session.
	CrashesOnPing bool
	// LogoutForRecovery takes a logout for recovery on Discovery sessions.
	LogoutForRecovery bool
	// PingsIdle pings Discovery sessions.
	PingsIdle bool
	// OpenToAll asks for no authentication on Discovery sessions, whatever the profile says.
	OpenToAll bool
	// KeepsNamed keeps a Discovery session that names a target beside another one of the same ISID.
	KeepsNamed bool
	// ProposesVendorKey proposes X-com.vendor.caps on Discovery sessions.
	ProposesVendorKey bool
}

// records is where faulty arrays answer SendTargets otherwise. The caller holds the array's lock.
func (d *ListingDeviations) records(s *session, c *connection, value string) (records text.Pairs, decides bool) {
	a := s.array
	known := a.target(value) != nil
	switch {
	case d.ByNameListsAll && known && s.discovery, d.UnknownListsAll && !known && value != "", d.OwnNameListsAll && known && !s.discovery,
		d.ServesAllOnNormal && value == "All" && !s.discovery:
		return a.allRecords(s, c), true
	case d.EmptyNamesISCSI && value == "" && s.discovery:
		return text.Pairs{{Key: text.KeyTargetName, Value: "iSCSI"}}, true
	case d.RejectsEmpty && value == "" && !s.discovery:
		return text.Pairs{{Key: text.KeySendTargets, Value: text.Reject}}, true
	case d.AnswersOnce && s.faults.listed:
		return nil, true
	}
	s.faults.listed = true
	return nil, false
}

// address is where faulty arrays write an address otherwise.
func (d *ListingDeviations) address(address string) string {
	if d.UnbracketedIPv6 {
		address = strings.NewReplacer("[", "", "]", "").Replace(address)
	}
	if i := strings.LastIndexByte(address, ':'); d.OmitsPort && i > 0 {
		address = address[:i]
	}
	return address
}

// serves is where faulty arrays take a PDU that has no place on a Discovery session. It reports whether they do. The caller holds the
// session's lock.
func (d *ListingDeviations) serves(s *session, c *connection, h *pdu.BHS) bool {
	switch {
	case d.ResetsUnits && h.Opcode() == pdu.OpTaskManagementRequest:
		s.send(c, &pdu.TaskManagementResponse{ITT: h.ITT()})
	case d.CrashesOnPing && h.Opcode() == pdu.OpNOPOut:
		s.later(func() {
			s.array.stopListening()
			s.array.closeConnection(s, c, EndRST, reasonDropped)
		})
	default:
		return false
	}
	return true
}
