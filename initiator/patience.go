package initiator

import (
	"fmt"
	"time"
)

// DefaultCommandTimeout is how long a SCSI command may go without an answer where LoginConfig.CommandTimeout is zero.
const DefaultCommandTimeout = 100 * time.Second

// patienceTicks is how often within CommandTimeout a session looks for commands that have gone without an answer for so long. One is given up at
// the look that finds it overdue: at CommandTimeout at the latest, and at 19/20 of it at the earliest.
const patienceTicks = 20

// ErrCommandTimeout says that the target did not answer a SCSI command within LoginConfig.CommandTimeout; ABORT TASK was sent for it (RFC 7143,
// Section 7.11). It is an ErrTimeout.
var ErrCommandTimeout = fmt.Errorf("SCSI command without an answer %w", ErrTimeout)

// patience finds the commands that the target does not answer. A command is stamped with the number of looks so far, which costs nothing on the
// data path; one timer does the looking while commands are open. The session's mutex guards it.
type patience struct {
	timer *time.Timer
	armed bool
	looks uint32
}

// watch stamps a task, and sees to it that somebody looks. The mutex is held.
func (s *Session) watch(t *task) {
	t.stamped = s.patience.looks
	if s.patience.armed || s.cfg.CommandTimeout <= 0 {
		return
	}
	s.patience.armed = true
	if s.patience.timer == nil {
		s.patience.timer = time.AfterFunc(s.cfg.CommandTimeout/patienceTicks, s.look)
		return
	}
	s.patience.timer.Reset(s.cfg.CommandTimeout / patienceTicks)
}

// look is the timer's function.
func (s *Session) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.patience
	p.looks++
	open := 0
	for _, c := range s.conns {
		open += c.commands
	}
	p.armed = open > 0 && s.culprit == nil
	if !p.armed {
		return
	}
	p.timer.Reset(s.cfg.CommandTimeout / patienceTicks)
	if s.dev.Recovery.NoCommandTimeout {
		return
	}
	for _, t := range s.tasks.inOrder() {
		overdue := t.kind == taskSCSI && t.req != nil && p.looks-t.stamped >= patienceTicks
		if overdue && !t.req.unhurried && t.conn.broken == nil {
			s.cancelTask(t, ErrCommandTimeout)
		}
	}
}
