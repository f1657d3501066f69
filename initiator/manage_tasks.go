package initiator

import (
	"context"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// ManageTasks sends any task management function through a session that is up; see Session.ManageTasks. Requests in the queue that a
// function ends are completed with ErrAborted first. A session that is down has no tasks at the target: a function that ends tasks is
// done then, and a query gets an error that matches ErrTransportLost. For one request, Abort is the better way: it finds the
// request wherever it is.
func (m *Manager) ManageTasks(ctx context.Context, id SessionID, tm TaskManagement) (TaskManagementAnswer, error) {
	s, err := m.find(id)
	if err != nil {
		return TaskManagementAnswer{}, err
	}
	if !s.kind.TakesCommands() {
		return TaskManagementAnswer{}, fmt.Errorf("task management through a session of kind %v: %w", s.kind, ErrNotSupported)
	}
	ends := reach(tm.Function) > 1
	unit := tm.Function == pdu.FunctionAbortTaskSet || tm.Function == pdu.FunctionClearTaskSet || tm.Function == pdu.FunctionLogicalUnitReset
	var session *Session
	s.ask(func() {
		if session = s.session; ends {
			s.failQueue(func(p *pending) bool { return !unit || p.req.LUN == tm.LUN }, ErrAborted, false)
		}
	})
	switch {
	case session != nil:
		return session.ManageTasks(ctx, tm)
	case ends:
		return TaskManagementAnswer{}, nil
	}
	return TaskManagementAnswer{}, fmt.Errorf("session %s is not connected: %w", id, ErrTransportLost)
}
