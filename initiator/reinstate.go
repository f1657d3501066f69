package initiator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// reinstateInterval is the time from the start of one login that is to reinstate a connection to the start of the next.
const reinstateInterval = 2 * time.Second

// reassignLimit bounds how often one task is carried on over another connection, so that a target which breaks every connection at the same task
// ends in session recovery.
const reassignLimit = 3

// reinstateLimit bounds how often in a row a connection is reinstated that ends again within reinstateLife: a target that lets every login in
// and then hangs up must not cause a storm of logins. Session recovery, with its slower pace, is what is left.
const (
	reinstateLimit = 3
	reinstateLife  = time.Minute
)

// errRetained says that the target no longer keeps the state of a lost connection.
var errRetained = errors.New("Time2Retain has passed")

// recoverable reports whether the session tries to go on without a connection that was lost: at level 2 by connection recovery, at level 1, while
// another connection lives, by logging the lost one out (RFC 7143, Sections 7.1.4.3 and 7.14). Format errors end the whole session (Section 7.7),
// and so does what its user asked for. The mutex is held.
func (s *Session) recoverable(c *connection) bool {
	var broken *ProtocolError
	var format *pdu.FormatError
	var length *pdu.LengthError
	cause := c.broken
	switch {
	case s.info.TSIH == 0, errors.Is(cause, ErrClosed), errors.As(cause, &broken), errors.As(cause, &format), errors.As(cause, &length):
		return false
	case s.params.ErrorRecoveryLevel < 2:
		return s.params.ErrorRecoveryLevel == 1 && s.hasOther(c) || s.dev.Recovery.WaitForRecovery
	}
	_, retain := s.respite(c)
	if c.generation >= reinstateLimit && c.shortLived() {
		return false
	}
	return retain > 0 && !slices.ContainsFunc(s.tasks.slots, func(t *task) bool { return t.conn == c && t.reassigned >= reassignLimit })
}

// shortLived reports whether a lost connection had lived for less than reinstateLife. The mutex is held, or the connection is gone.
func (c *connection) shortLived() bool { return c.brokenAt.Sub(c.since) < reinstateLife }

// respite returns for how long after the loss of a connection nothing is to be tried, and for how long after that the target keeps its state
// (RFC 7143, Section 7.5). The mutex is held.
func (s *Session) respite(c *connection) (wait, retain time.Duration) {
	if c.notice.hasWait {
		return c.notice.time2Wait, c.notice.time2Retain
	}
	return time.Duration(s.params.DefaultTime2Wait) * time.Second, time.Duration(s.params.DefaultTime2Retain) * time.Second
}

// recoverConnection is the goroutine that brings the tasks of a lost connection to another one. If it fails, the session is over.
func (s *Session) recoverConnection(c *connection) {
	err := s.recovery(c)
	s.mu.Lock()
	s.failed = slices.DeleteFunc(s.failed, func(other *connection) bool { return other == c })
	var others []*connection
	if err != nil && s.culprit == nil {
		c.broken = fmt.Errorf("%w; %w", c.broken, err)
		others = s.condemn(c)
	}
	last := s.finished()
	s.mu.Unlock()
	for _, other := range others {
		_ = other.nc.Close()
	}
	if last {
		s.end()
	}
}

// recovery waits out Time2Wait, takes the lost connection out of the target's session, and carries its tasks on.
func (s *Session) recovery(c *connection) error {
	s.mu.Lock()
	wait, retain := s.respite(c)
	lost, level := c.brokenAt, s.params.ErrorRecoveryLevel
	s.mu.Unlock()
	until := lost.Add(wait + retain)
	if s.dev.Recovery.NoExpiry {
		until = until.Add(time.Hour)
	}
	if level < 2 {
		until = lost.Add(wait + s.cfg.LogoutTimeout)
	}
	if level == 0 {
		<-s.life.Done() // Only a deviating initiator waits for what the level does not allow.
		return s.life.Err()
	}
	ctx, cancel := context.WithDeadlineCause(s.life, until, errRetained)
	defer cancel()
	if err := rest(ctx, time.Until(lost.Add(wait))); err != nil {
		return err
	}
	for tries := 1; ; tries++ {
		began := time.Now()
		home, err := s.replace(ctx, c)
		switch {
		case err == nil && level < 2:
			s.settleLost(c)
			return nil
		case err == nil:
			return s.reassignAll(ctx, c, home)
		case ctx.Err() != nil || final(err) || errors.Is(err, errRetained):
			return &RecoveryError{What: fmt.Sprintf("connection %d", c.cid), Tries: tries, Err: err}
		}
		if ended := rest(ctx, time.Until(began.Add(reinstateInterval))); ended != nil {
			return &RecoveryError{What: fmt.Sprintf("connection %d", c.cid), Tries: tries, Err: ended}
		}
	}
}

// replace makes the target let go of a lost connection: by a Logout Request on one that lives, or by reinstating it. It returns the connection
// that is to carry the tasks on.
func (s *Session) replace(ctx context.Context, c *connection) (*connection, error) {
	s.mu.Lock()
	home := s.idlest()
	if home == nil {
		cfg := s.joinConfig(c.at.current, c.cid, c.acknowledges())
		s.mu.Unlock()
		cfg.joins.generation = 1
		if c.shortLived() {
			cfg.joins.generation += c.generation
		}
		a := &loginAttempt{cfg: cfg, dev: s.dev, dialer: s.dialer}
		_, err := a.run(ctx)
		return a.joined, err
	}
	reason := pdu.LogoutRemoveForRecovery
	if s.params.ErrorRecoveryLevel < 2 {
		reason = pdu.LogoutCloseConnection
	}
	t, err := home.open(taskLogout, s.cfg.LogoutTimeout, fmt.Errorf("logout of connection %d %w", c.cid, ErrTimeout))
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	x := t.exchange
	x.named = c
	home.sendLogout(t, reason, c.cid)
	s.mu.Unlock()
	if err := x.wait(ctx); err != nil {
		return nil, err
	}
	return home, s.heedRemoval(ctx, x)
}

// heedRemoval acts on the answer to the Logout Request for a lost connection: it waits as the target says (RFC 7143, Section 11.15.3). A CID
// that the target does not know is as good as logged out, and a target that keeps nothing of the connection is a loss only if there is
// something to reassign.
func (s *Session) heedRemoval(ctx context.Context, x *exchange) error {
	switch response := pdu.LogoutResponseCode(x.response); {
	case response == pdu.LogoutCIDNotFound:
		return nil
	case response != pdu.LogoutSuccess:
		return &LogoutError{Response: response}
	case x.reason == pdu.LogoutCloseConnection:
		return nil
	case x.time2Retain == 0 && s.hasTasks(x.named):
		return errRetained
	}
	return rest(ctx, x.time2Wait)
}

// hasTasks reports whether any task belongs to a connection.
func (s *Session) hasTasks(c *connection) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.tasks.slots, func(t *task) bool { return t.kind != taskFree && t.conn == c })
}

// settleLost settles the tasks of a connection that has been logged out with reason 1.
func (s *Session) settleLost(c *connection) {
	var over completions
	s.mu.Lock()
	s.rehome(c, &over)
	s.mu.Unlock()
	over.run()
}

// reassignAll carries the tasks of a lost connection on over another one: TASK REASSIGN for those that the target has, the command again for those
// that it never acknowledged (RFC 7143, Section 7.2). What cannot be reassigned for the target knows nothing of it ends with ErrTransportLost.
func (s *Session) reassignAll(ctx context.Context, c, home *connection) error {
	type move struct {
		itt uint32
		x   *exchange
	}
	var moves []move
	var over completions
	var failure error
	s.mu.Lock()
	fate := c.fate()
	for _, t := range s.tasks.inOrder() {
		switch {
		case t.conn != c:
		case s.unseen(t):
			s.moveUnseen(t, home, &over)
		case t.req == nil || t.quit != nil || t.answered || !t.rewind(s):
			s.abandon(t, fate, &over)
		case s.dev.Recovery.ResendsReassigned:
			t.cmdSN = s.window.take()
			s.moveUnseen(t, home, &over)
		default:
			x, err := s.reassign(t, home)
			if err != nil {
				failure = err
				break
			}
			moves = append(moves, move{t.itt, x})
		}
	}
	s.pump()
	s.mu.Unlock()
	over.run()
	for _, m := range moves {
		if err := m.x.wait(ctx); err != nil {
			return &RecoveryError{What: "TASK REASSIGN", Tries: 1, Err: err}
		}
		if err := s.reassigned(m.itt, pdu.TaskResponse(m.x.response), fate); err != nil {
			return err
		}
	}
	return failure
}

// reassign sends TASK REASSIGN for a task over another connection, which the task belongs to from now on. The mutex is held.
func (s *Session) reassign(t *task, home *connection) (*exchange, error) {
	tm, err := home.open(taskManagement, s.cfg.AnswerTimeout, ErrTaskManagementTimeout)
	if err != nil {
		return nil, err
	}
	s.move(t, home)
	t.reassigned++
	s.watch(t)
	expDataSN := uint32(0)
	if len(t.req.Read) > 0 && !s.dev.Recovery.ZeroExpDataSN {
		expDataSN = t.dataSN
	}
	t.resync = len(t.req.Write) > 0
	s.queueTaskManagement(tm, TaskManagement{Function: pdu.FunctionTaskReassign}, &pdu.TaskManagementRequest{
		Immediate: true, Function: pdu.FunctionTaskReassign, LUN: t.lun, ReferencedTaskTag: t.itt, CmdSN: s.window.next, ExpDataSN: expDataSN,
	})
	return tm.exchange, nil
}

// reassigned takes in how the target answered a TASK REASSIGN. A task that it does not know ends; any other refusal is left to session recovery,
// which is the one way to be sure that the task does not go on at the target.
func (s *Session) reassigned(itt uint32, response pdu.TaskResponse, fate error) error {
	var over completions
	s.mu.Lock()
	t := s.tasks.find(itt)
	ended := t == nil || t.answered
	if !ended && response == pdu.TaskResponseNoTask {
		ended = true
		if t.req == nil {
			s.retire(t)
		} else {
			s.refused(t, fate)
			s.settle(t, &over) // Unless the new connection is at its memory; then that settles it.
		}
	}
	s.mu.Unlock()
	over.run()
	if ended || response == pdu.TaskResponseComplete || s.dev.Recovery.WaitAfterRefusal {
		return nil
	}
	return &RecoveryError{What: "TASK REASSIGN", Tries: 1, Err: &TaskManagementError{Response: response}}
}

// move lets a task belong to another connection. The mutex is held.
func (s *Session) move(t *task, home *connection) {
	t.conn.commands--
	t.conn = home
	home.commands++
	t.reading, t.outRefs, t.epoch = false, 0, home.epoch
	t.openR2Ts.Store(0)
}

// rewind takes a read back to where its data is whole, which is where the new connection is to go on: what came after a gap, and a status that was
// kept back, will come again (RFC 7143, Section 11.5.6). It reports false if that place is not known. The mutex is held.
func (t *task) rewind(s *Session) bool {
	m := t.mend
	t.mend = nil
	if len(t.req.Read) == 0 {
		return true
	}
	inOrder := s.params.DataPDUInOrder && s.params.DataSequenceInOrder
	switch {
	case m != nil && len(m.gaps) > 0 && inOrder:
		t.received, t.dataSN = t.arrived(), m.gaps.first(t.dataSN)
	case m != nil && len(m.gaps) > 0 && t.acked == 0:
		t.received, t.dataSN, t.spans = 0, 0, nil
	case m != nil && len(m.gaps) > 0:
		return false
	}
	if inOrder {
		t.received = t.arrived()
		t.spans, t.scattered = nil, false
	}
	t.acked, t.ackedBytes = t.dataSN, t.received
	return true
}

// moveUnseen sends a command again, over another connection, that the target has discarded or never had. The mutex is held.
func (s *Session) moveUnseen(t *task, home *connection, over *completions) {
	s.move(t, home)
	if t.req == nil || t.quit != nil {
		s.abort(t) // With RefCmdSN it fills the gap.
		s.settle(t, over)
		return
	}
	t.immediate, t.unsolicited = home.firstBurst(len(t.req.Write))
	s.transmit(t)
}

// endExchanges ends what was asked on a lost connection beside SCSI commands: immediate requests are not recovered (RFC 7143, Section 7.14).
// Commands that had their answer are completed. The mutex is held.
func (s *Session) endExchanges(c *connection, over *completions) {
	fate := c.fate()
	for _, t := range s.tasks.inOrder() {
		switch {
		case t.conn != c:
		case t.kind != taskSCSI || t.answered:
			s.abandon(t, fate, over)
		default:
			t.reading, t.outRefs = false, 0
			s.settle(t, over)
		}
	}
}

// unseen reports whether the target has shown in no way that it has the command of a task. The mutex is held.
func (s *Session) unseen(t *task) bool {
	return t.kind == taskSCSI && iscsi.SNLessEq(s.window.expected, t.cmdSN) && t.dataSN == 0
}
