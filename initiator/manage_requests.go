package initiator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scsi"
)

// Submit hands a request to a session and returns at once; r.Done is called exactly once when it is over. Requests of one
// session are sent in the order of their submission, over losses too. While the session is down, INQUIRY and REPORT LUNS
// are answered from what is remembered, and all else waits, up to the bound. A deadline that is not zero ends the request with
// ErrTimeout. The error, with which Done is not called, is ErrNoSession or ErrNotSupported.
func (m *Manager) Submit(id SessionID, r *Request, deadline time.Time) error {
	release := m.pass()
	defer release()
	s, err := m.find(id)
	if err != nil {
		return err
	}
	return s.accept(r, deadline)
}

// accept hands a request to the owner.
func (s *managedSession) accept(r *Request, deadline time.Time) error {
	if !s.kind.TakesCommands() {
		return fmt.Errorf("SCSI command through a session of kind %v: %w", s.kind, ErrNotSupported)
	}
	if !s.inbox.post(func() { s.submit(newPending(0, r, deadline)) }) {
		return fmt.Errorf("session: %w", ErrNoSession)
	}
	return nil
}

// Do submits a request and waits for its end. The context's deadline is the request's; when the context ends otherwise, the
// request is given up with the context's error. Do returns r.Err, or the error of Submit.
func (m *Manager) Do(ctx context.Context, id SessionID, r *Request) error {
	release := m.pass()
	s, err := m.find(id)
	release()
	if err != nil {
		return err
	}
	return s.do(ctx, r)
}

// do submits a request and waits for it. The session's owner decides how it ends, the passing of its deadline included, so
// that two things at one instant never race.
func (s *managedSession) do(ctx context.Context, r *Request) error {
	over := make(chan struct{})
	done := r.Done
	r.Done = func(r *Request) {
		r.Done = done
		if done != nil {
			done(r)
		}
		close(over)
	}
	deadline, _ := ctx.Deadline()
	if err := s.accept(r, deadline); err != nil {
		r.Done = done
		return err
	}
	select {
	case <-over:
	case <-ctx.Done():
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			s.inbox.post(func() { s.giveUpRequest(r, context.Cause(ctx)) })
		}
		<-over
	}
	return r.Err
}

// giveUpRequest gives a request up if it is still under way.
func (s *managedSession) giveUpRequest(r *Request, err error) {
	if p, ok := s.active[r]; ok {
		s.giveUp(p, err)
	}
}

// Abort aborts a request by task management. One that waits takes effect at once: it completes with ErrAborted and is never
// sent. For one that the target has, ABORT TASK is sent; the error is *TaskManagementError if the target answers anything but
// that the task is done with or unknown. A request that is not under way is ErrNotSupported.
func (m *Manager) Abort(ctx context.Context, id SessionID, r *Request) error {
	s, err := m.find(id)
	if err != nil {
		return err
	}
	var session *Session
	err = ErrNoSession
	s.ask(func() { session, err = s.abort(r) })
	if session == nil || err != nil {
		return err
	}
	response, err := session.AbortTask(ctx, r)
	if err == nil && response != pdu.TaskResponseComplete && response != pdu.TaskResponseNoTask {
		err = &TaskManagementError{Response: response}
	}
	return err
}

// abort resolves the abort of a waiting request, and returns the Session that has one in flight.
func (s *managedSession) abort(r *Request) (*Session, error) {
	p, ok := s.active[r]
	switch {
	case !ok:
		return nil, fmt.Errorf("abort of a request that is not under way: %w", ErrNotSupported)
	case s.queue.remove(p):
		if s.m.dev.Queue.AbortKeepsEntry {
			s.haunt(p)
		}
		s.complete(p, ErrAborted)
		return nil, nil
	case s.session == nil:
		p.quit = ErrAborted // The connection broke a moment ago, and the request is on its way back.
		return nil, nil
	}
	return s.session, nil
}

// TaskManagementError says that the target refused a task management function.
type TaskManagementError struct{ Response pdu.TaskResponse }

// Error names the response.
func (e *TaskManagementError) Error() string {
	return fmt.Sprintf("task management response %v", e.Response)
}

// ResetLUN resets a logical unit. Requests for it that wait complete with ErrAborted. While the session is down that is all:
// the target has no tasks of it. Otherwise LOGICAL UNIT RESET is sent.
func (m *Manager) ResetLUN(ctx context.Context, id SessionID, lun uint64) error {
	return m.reset(ctx, id, TaskManagement{Function: pdu.FunctionLogicalUnitReset, LUN: lun},
		func(p *pending) bool { return p.req.LUN == lun })
}

// ResetTarget resets the target: TARGET WARM RESET, and ResetLUN's effects on the requests of all its units.
func (m *Manager) ResetTarget(ctx context.Context, id SessionID) error {
	return m.reset(ctx, id, TaskManagement{Function: pdu.FunctionTargetWarmReset}, func(*pending) bool { return true })
}

// reset aborts the waiting requests in scope and, if the session is up, sends the function.
func (m *Manager) reset(ctx context.Context, id SessionID, tm TaskManagement, scope func(*pending) bool) error {
	s, err := m.find(id)
	if err != nil {
		return err
	}
	if !s.kind.TakesCommands() {
		return fmt.Errorf("task management through a session of kind %v: %w", s.kind, ErrNotSupported)
	}
	var session *Session
	s.ask(func() {
		session = s.session
		if session != nil || !m.dev.Queue.ResetNeedsTarget {
			s.failQueue(scope, ErrAborted, false)
		}
	})
	if session == nil {
		if m.dev.Queue.ResetNeedsTarget {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		return nil
	}
	response, err := session.TaskManagement(ctx, tm)
	if err == nil && response != pdu.TaskResponseComplete {
		err = &TaskManagementError{Response: response}
	}
	return err
}

// Ping sends a ping through a session that is up and returns what came back.
func (m *Manager) Ping(ctx context.Context, id SessionID, data []byte) ([]byte, error) {
	session, err := m.connection(id)
	if err != nil {
		return nil, err
	}
	return session.Ping(ctx, data)
}

// Text sends a Text Request through a session that is up and returns the target's pairs.
func (m *Manager) Text(ctx context.Context, id SessionID, pairs text.Pairs) (text.Pairs, error) {
	session, err := m.connection(id)
	if err != nil {
		return nil, err
	}
	if m.dev.Text.ResumesExchange {
		return m.textAsBefore(ctx, id, session, pairs)
	}
	return session.Text(ctx, pairs)
}

// connection returns the Session beneath a session, or an error that matches ErrTransportLost if there is none now.
func (m *Manager) connection(id SessionID) (*Session, error) {
	s, err := m.find(id)
	if err != nil {
		return nil, err
	}
	var session *Session
	if s.ask(func() { session = s.session }); session == nil {
		return nil, fmt.Errorf("session %s is not connected: %w", id, ErrTransportLost)
	}
	return session, nil
}

// Inquiry sends an INQUIRY for standard data and returns it, at most allocation bytes. A status other than GOOD is *StatusError.
func (m *Manager) Inquiry(ctx context.Context, id SessionID, lun uint64, allocation uint16) ([]byte, error) {
	return m.query(ctx, id, lun, scsi.Inquiry(allocation), int(allocation))
}

// InquiryVPD sends an INQUIRY for a vital product data page and returns it, at most allocation bytes.
func (m *Manager) InquiryVPD(ctx context.Context, id SessionID, lun uint64, page scsi.VPDPage, allocation uint16) ([]byte, error) {
	return m.query(ctx, id, lun, scsi.InquiryVPD(page, allocation), int(allocation))
}

// ReportLUNs sends a REPORT LUNS and returns its parameter data, at most allocation bytes.
func (m *Manager) ReportLUNs(ctx context.Context, id SessionID, allocation uint32) ([]byte, error) {
	return m.query(ctx, id, 0, scsi.ReportLUNs(scsi.ReportAddressed, allocation), int(allocation))
}

// ReadCapacity sends a READ CAPACITY(10) and, if the unit is larger than that can say, a READ CAPACITY(16).
func (m *Manager) ReadCapacity(ctx context.Context, id SessionID, lun uint64) (blocks uint64, blockSize uint32, err error) {
	return readCapacity(func(cdb []byte, length int) ([]byte, error) { return m.query(ctx, id, lun, cdb, length) })
}

// query sends one command that reads, and returns what came.
func (m *Manager) query(ctx context.Context, id SessionID, lun uint64, cdb []byte, length int) ([]byte, error) {
	r := &Request{LUN: lun, CDB: cdb, Read: make([]byte, length)}
	if err := m.Do(ctx, id, r); err != nil {
		return nil, err
	}
	if scsi.Status(r.Status) != scsi.StatusGood {
		return nil, &StatusError{Status: scsi.Status(r.Status), Sense: r.Sense}
	}
	return r.Read[:r.Transferred], nil
}

// StatusError says that the target answered a command with another status than GOOD.
type StatusError struct {
	Status scsi.Status
	// Sense holds the sense data as they came; empty if there were none.
	Sense []byte
}

// Error names the status and, where there is one, the sense.
func (e *StatusError) Error() string {
	if sense, err := scsi.ParseSense(e.Sense); err == nil {
		return fmt.Sprintf("status %v, %v", e.Status, sense)
	}
	return fmt.Sprintf("status %v", e.Status)
}
