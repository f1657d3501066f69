package initiator

import "github.com/iscsispec/iscsispec/iscsi/pdu"

// changeDigestsLive lets a deviating initiator apply the digest setting to a connection in use. A sound one leaves it alone: what
// was negotiated holds until the session is removed and added again.
func (s *managedSession) changeDigestsLive() {
	if s.m.dev.Paths.DigestsChangeLive && s.session != nil {
		s.session.forceDigests(offersCRC(s.cfg.Login.HeaderDigest), offersCRC(s.cfg.Login.DataDigest))
	}
}

// offersCRC reports whether CRC32C is preferred.
func offersCRC(preference []string) bool { return len(preference) > 0 && preference[0] == "CRC32C" }

// forceDigests lets what is sent from now on carry digests or not, whatever was negotiated.
func (s *Session) forceDigests(header, data bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forcedDigests = &pdu.Digests{Header: header, Data: data}
}
