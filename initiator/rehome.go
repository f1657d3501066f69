package initiator

import "github.com/iscsispec/iscsispec/iscsi"

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
		if t.kind != taskSCSI || t.answered || home == nil || !s.unseen(t) {
			s.abandon(t, fate, over)
			continue
		}
		c.commands--
		t.conn = home
		home.commands++
		if t.req == nil || t.quit != nil {
			s.abort(t) // With RefCmdSN it fills the gap.
			s.settle(t, over)
			continue
		}
		t.immediate, t.unsolicited = home.firstBurst(len(t.req.Write))
		s.transmit(t)
	}
	s.pump()
}

// unseen reports whether the target has shown in no way that it has the command of a task. The mutex is held.
func (s *Session) unseen(t *task) bool {
	return iscsi.SNLessEq(s.window.expected, t.cmdSN) && t.dataSN == 0
}
