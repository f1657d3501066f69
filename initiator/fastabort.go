package initiator

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// fastAbort reports whether the FastAbort semantics were agreed: data for tasks that are being aborted ends at once (RFC 7143,
// Sections 4.2.3.4 and 13.23).
func (s *Session) fastAbort() bool { return s.params.TaskReporting == "FastAbort" }

// prepare does what has to be done before the task management request p of slot t goes out. The mutex is held.
func (s *Session) prepare(t *task, p *pdu.TaskManagementRequest) {
	x := t.exchange
	if x.closesSession() {
		s.resetBefore = t.order
	}
	if !x.several() || !s.fastAbort() || s.dev.TaskManagement.DataAfterFastAbort {
		return
	}
	for _, other := range s.tasks.slots {
		if x.covers(other) && len(other.out()) > 0 {
			other.withheld = true
			other.stopped.Store(true)
		}
	}
}

// out is the data that the task sends, nil when its requester has been answered.
func (t *task) out() []byte {
	if t.req == nil {
		return nil
	}
	return t.req.Write
}

// declineR2T answers an R2T that no data is sent for. Until a task set is aborted the target waits for the end of every sequence it has
// asked for, even of a task that was given up here; so it gets one without data (RFC 7143, Section 4.2.3.3). The mutex is held.
func (c *connection) declineR2T(t *task, p *pdu.R2T) error {
	if t == nil || t.kind != taskSCSI || t.withheld || c.phase >= phaseLeaving || p.TTT == pdu.ReservedTag || !c.s.setAborting(t) {
		return nil
	}
	if c.answers++; c.answers > pingAnswersMax {
		return &ProtocolError{
			Opcode: pdu.OpR2T, Field: "R2T", Got: fmt.Sprintf("%d whose answers are not taken", c.answers),
			Want: fmt.Sprintf("at most %d", pingAnswersMax), Clause: "RFC 7143, Section 13.17",
		}
	}
	end := pdu.DataOut{Final: true, LUN: t.lun, ITT: t.itt, TTT: p.TTT, BufferOffset: p.BufferOffset}
	var e sendEntry
	end.EncodeBHS(&e.header)
	c.send(e)
	return nil
}

// setAborting reports whether a function that ends all tasks of a set, t among them, waits for its answer. The mutex is held.
func (s *Session) setAborting(t *task) bool {
	for _, other := range s.tasks.slots {
		if other.kind == taskManagement && other.exchange != nil && other.exchange.several() && other.exchange.covers(t) {
			return true
		}
	}
	return false
}

// tasksTerminated acts on event 5: all tasks of the unit that this connection carries are being ended, and no response of theirs will
// come. The event is acknowledged at once, since the target waits for that (RFC 7143, Section 11.9.1). Without FastAbort a target must
// not send it, and it changes nothing. The mutex is held.
func (c *connection) tasksTerminated(p *pdu.AsyncMessage) {
	s := c.s
	if !s.fastAbort() || s.dev.TaskManagement.IgnoreTermination {
		return
	}
	for _, t := range s.tasks.inOrder() {
		if t.kind == taskSCSI && t.conn == c && t.lun == p.LUN && !t.answered {
			s.terminate(t, &c.over)
		}
	}
	if c.answers++; c.answers <= pingAnswersMax {
		c.sendPing(pdu.ReservedTag, pdu.ReservedTag, p.LUN, nil)
	}
}
