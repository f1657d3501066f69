package initiator

import "github.com/iscsispec/iscsispec/iscsi/text"

// checkText refuses pairs that an initiator may not send in full feature phase (RFC 7143, Sections 6.2, 6.4 and 13).
func (s *Session) checkText(pairs text.Pairs) error {
	for i, p := range pairs {
		if want, clause := s.textFault(pairs, i); want != "" {
			return &text.KeyError{Key: p.Key, Value: p.Value, Want: want, Clause: clause}
		}
	}
	return nil
}

// textFault says what is expected instead of pair i, and where that is said, or "".
func (s *Session) textFault(pairs text.Pairs, i int) (want, clause string) {
	p := pairs[i]
	if _, twice := pairs[:i].Get(p.Key); twice {
		return "each key once", "RFC 7143, Section 6.4"
	}
	if text.Reserved(p.Value) {
		return "a value that is no answer", "RFC 7143, Section 6.2"
	}
	key, known := text.Lookup(p.Key)
	switch {
	case !known && !text.ValidKeyName(p.Key):
		return "a key of at most 63 letters, digits and .-+@_, the first a capital letter", "RFC 7143, Section 6.1"
	case !known && s.info.Type == DiscoverySession:
		return "no private key in a discovery session", "RFC 7143, Section 13.22"
	case !known:
		return "", ""
	case key.Senders&text.Initiator == 0 || key.Use != text.AnyPhase && key.Use != text.FullFeatureOnly:
		return "a key that an initiator may send in full feature phase", key.Clause
	case key.Function == text.Command && len(pairs) > 1:
		return "no other key beside it", "RFC 7143, Appendix C"
	case !key.Admits(p.Value):
		return "a value that the key takes", key.Clause
	}
	return "", ""
}
