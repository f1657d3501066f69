package initiator

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// changeDigestsLive lets a deviating initiator apply the digest setting to a connection in use. A sound one leaves it alone: what
// was negotiated holds until the session is removed and added again.
func (s *managedSession) changeDigestsLive() {
	if s.m.dev.Login.LoginInFullFeature && s.session != nil {
		s.session.loginAgain()
	}
	if s.m.dev.Paths.DigestsChangeLive && s.session != nil {
		s.session.forceDigests(offersCRC(s.cfg.Login.HeaderDigest), offersCRC(s.cfg.Login.DataDigest))
	}
}

// frameByConfig lets a deviating initiator frame a new connection by the setting of the moment.
func (s *managedSession) frameByConfig() {
	if s.m.dev.Paths.FramingFromConfig {
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

// loginAgain is the defect LoginInFullFeature: it begins a login on the connection in use.
func (s *Session) loginAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := pdu.LoginRequest{CSG: pdu.StageOperational, ISID: s.info.ISID, TSIH: s.info.TSIH, ITT: loginTag, CID: s.info.CID, CmdSN: s.window.next}
	var e sendEntry
	p.EncodeBHS(&e.header)
	for _, c := range s.conns {
		c.send(e)
	}
}

// toleratedNone is what a deviating initiator takes a digest offer of CRC32C alone for.
const toleratedNone = "CRC32C,None"

// tolerateNone is the defect AcceptUnofferedNone: the negotiation is told that None was offered, where only CRC32C was.
func (x *loginExchange) tolerateNone(wants []text.Want) {
	for i := range wants {
		if w := &wants[i]; x.dev.Login.AcceptUnofferedNone && isDigest(w.Key) && w.Offer == "CRC32C" {
			w.Offer, w.Require = toleratedNone, false
		}
	}
}

// hideNone keeps what tolerateNone added off the wire.
func (x *loginExchange) hideNone(pairs text.Pairs) {
	for i := range pairs {
		if p := &pairs[i]; x.dev.Login.AcceptUnofferedNone && isDigest(p.Key) && p.Value == toleratedNone {
			p.Value = "CRC32C"
		}
	}
}

// isDigest reports whether a key is about a digest.
func isDigest(key string) bool { return key == text.KeyHeaderDigest || key == text.KeyDataDigest }
