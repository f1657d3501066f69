package simtarget

import "github.com/iscsispec/iscsispec/iscsi/pdu"

// reject tells the initiator that a PDU was not taken (RFC 7143, Section 11.17). A non-immediate command that is rejected does not count as
// received: ExpCmdSN stays where it is (RFC 7143, Section 7.3). The caller holds the session's lock.
func (s *session) reject(c *connection, h *pdu.BHS, reason pdu.RejectReason) {
	p := pdu.Reject{Reason: reason}
	if !s.array.dev.Reject.NoHeader {
		p.Data = append([]byte(nil), h[:]...)
	}
	c.tally.rejects++
	s.recordReject(h, reason)
	if s.faultyReject(c, h, &p) {
		return
	}
	s.send(c, &p)
}

// rejected is reject for callers without the lock.
func (s *session) rejected(c *connection, h *pdu.BHS, reason pdu.RejectReason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.attached {
		if h.Opcode() == pdu.OpSCSICommand {
			s.ignored.add(h.ITT())
		}
		s.reject(c, h, reason)
	}
}
