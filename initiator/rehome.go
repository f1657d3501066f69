package initiator

// rehome settles the tasks of a connection that was logged out while its session goes on, in the order of submission. The target has
// terminated those that it had acknowledged (RFC 7143, Section 7.6) and discarded the others, whose CmdSN have become gaps: they are sent again
// as they were, over another connection (Section 7.2.1). The mutex is held.
func (s *Session) rehome(c *connection, over *completions) {
	fate := c.fate()
	for _, t := range s.tasks.inOrder() {
		if t.conn != c {
			continue
		}
		t.reading, t.outRefs = false, 0
		home := s.idlest()
		if t.answered || home == nil || !s.unseen(t) || s.dev.Recovery.LeaveGap {
			s.abandon(t, fate, over)
			continue
		}
		s.moveUnseen(t, home, over)
	}
	s.pump()
}
