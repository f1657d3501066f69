package initiator

import (
	"context"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// Submit hands a request to the session and returns at once. Requests are sent in the order of submission, as far as the target's
// command window is open; what does not fit waits. A request that cannot be sent at all is completed with an error like any other.
func (s *Session) Submit(r *Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.task.phase.Load() != requestIdle {
		panic("initiator: request submitted while under way")
	}
	r.begin()
	if err := s.refuse(r); err != nil {
		r.Err = err
		s.decided().add(r)
		return
	}
	r.task.phase.Store(requestWaiting)
	s.waiting.push(r)
	c := s.idlest()
	corked := c != nil && c.cork()
	s.pump()
	if corked {
		c.uncork()
	}
}

// Do submits a request and waits for its end; it returns r.Err. When ctx ends first, the request is given up as by Cancel with the
// context's error, and Do returns as soon as the session has let go of the request's memory.
func (s *Session) Do(ctx context.Context, r *Request) error {
	if r.task.wake == nil {
		r.task.wake = make(chan struct{}, 1)
	}
	r.task.waited = true
	s.Submit(r)
	select {
	case <-r.task.wake:
	case <-ctx.Done():
		s.Cancel(r, context.Cause(ctx))
		<-r.task.wake
	}
	return r.Err
}

// refuse tells why a request cannot be taken. The mutex is held.
func (s *Session) refuse(r *Request) error {
	switch {
	case s.phase >= sessionLeaving && s.byUser:
		return ErrLoggedOut
	case s.culprit != nil:
		return s.fate()
	case s.info.Type == DiscoverySession && !s.dev.Kinds.DiscoveryProbes:
		return fmt.Errorf("SCSI command in a discovery session: %w", ErrNotSupported)
	case len(r.CDB) == 0 || len(r.CDB) > maxCDBLength:
		return fmt.Errorf("CDB of %d bytes, want 1 to %d: %w", len(r.CDB), maxCDBLength, ErrNotSupported)
	case uint64(len(r.Read)) > 0xffffffff || uint64(len(r.Write)) > 0xffffffff:
		return fmt.Errorf("transfer of 4 GiB or more: %w", ErrNotSupported)
	}
	return nil
}

// pump sends what waits while the command window is open. The mutex is held.
func (s *Session) pump() {
	for r := s.waiting.first; r != nil; r = s.waiting.first {
		if !s.mayCommand() {
			return
		}
		c := s.idlest()
		if c == nil {
			return
		}
		if s.dev.Recovery.WindowPerConnection && c.maxCmdSN != 0 && iscsi.SNLess(c.maxCmdSN, s.window.next) {
			return
		}
		t := s.tasks.add(taskSCSI, c)
		if t == nil {
			return
		}
		s.waiting.remove(r)
		s.issue(t, r)
	}
}

// mayCommand reports whether the window lets a further command out. The mutex is held.
func (s *Session) mayCommand() bool {
	if s.dev.Sequencing.any() {
		return s.deviatingWindow()
	}
	return s.window.open() || s.dev.Recovery.WindowPerConnection || s.dev.Session.IgnoreWindow
}

// idlest picks the connection for the next command: of those that take commands the one with the fewest open, and of equals the oldest. It
// is nil when there is none. The mutex is held.
func (s *Session) idlest() *connection {
	var best *connection
	for _, c := range s.conns {
		closing := c.phase > phaseOpen && !s.dev.Logout.CommandsAfterLogout && (c.phase != phaseDraining || !s.dev.Sequencing.CommandsWhileDraining)
		if closing || c.broken != nil || best != nil && best.commands <= c.commands {
			continue
		}
		best = c
	}
	return best
}

// issue sends one SCSI command with the unsolicited data that goes with it (RFC 7143, Section 11.3). The mutex is held.
func (s *Session) issue(t *task, r *Request) {
	r.task.task, r.Sent = t, true
	r.task.phase.Store(requestSent)
	s.order++
	t.req, t.lun, t.order, t.cmdSN = r, r.LUN, s.order, s.window.take()
	if s.dev.Recovery.CmdSNPerConnection {
		t.cmdSN = t.conn.ownNumber()
	}
	t.conn.commands++
	t.immediate, t.unsolicited = t.conn.firstBurst(len(r.Write))
	s.transmit(t)
}

// transmit puts the command of a task and its unsolicited data into the write queue, for the first time or again: as a retry it is the same
// PDU (RFC 7143, Section 7.2.1). The mutex is held.
func (s *Session) transmit(t *task) {
	r, immediate, unsolicited := t.req, t.immediate, t.unsolicited
	t.solicited, t.epoch = immediate+unsolicited, t.conn.epoch
	s.watch(t)
	if s.params.ErrorRecoveryLevel > 0 && !t.conn.mendArmed {
		t.conn.armMend()
	}
	if s.dev.DataIn.any() && len(r.Read) > 0 {
		t.conn.lastRead = r.Read
	}
	command := pdu.SCSICommand{
		Final: unsolicited == 0, Read: len(r.Read) > 0, Write: len(r.Write) > 0, Attr: r.Attr, LUN: r.LUN, ITT: t.itt,
		ExpectedDataTransferLength: uint32(len(r.Read) + len(r.Write)), CmdSN: t.cmdSN, Data: r.Write[:immediate],
	}
	copy(command.CDB[:], r.CDB)
	if s.dev.DataOut.ExpectsDataAlways && len(r.Write) == 0 && isWrite(r.CDB) {
		command.Write, command.Final = true, false
	}
	e := sendEntry{data: r.Write[:immediate]}
	if len(r.CDB) > len(command.CDB) || command.Read && command.Write {
		r.extend(&command, &s.dev.Sequencing)
		e.owner = t
	}
	if immediate > 0 {
		e.owner = t
	}
	if s.dev.Sequencing.any() {
		s.departCommand(t, &command)
	}
	command.EncodeBHS(&e.header)
	if pad := -immediate & 3; pad > 0 && s.dev.Sequencing.PadCounted {
		e.header.SetDataSegmentLength(immediate + pad)
	}
	t.conn.send(e)
	if unsolicited > 0 {
		t.conn.sendData(t, pdu.ReservedTag, immediate, unsolicited)
	}
}

// firstBurst tells how much of n bytes to write goes out with the command and how much after it without being asked for
// (RFC 7143, Sections 13.10, 13.11 and 13.14).
func (c *connection) firstBurst(n int) (immediate, unsolicited int) {
	s := c.s
	dev, burst := &s.dev.DataOut, min(n, s.params.FirstBurstLength)
	if s.params.ImmediateData {
		immediate = min(burst, c.peerLimit)
		if dev.ImmediateByOwnLimit {
			immediate = min(n, c.ownLimit)
		}
		if s.dev.Keys.ImmediateIgnoresLimit {
			immediate = burst
		}
	}
	if !s.params.InitialR2T || s.dev.Session.UnsolicitedDespiteInitialR2T {
		unsolicited = max(0, burst-immediate)
		if dev.FirstBurstBesideImmediate {
			unsolicited = min(n-immediate, s.params.FirstBurstLength)
		}
		if dev.ShortUnsolicited {
			unsolicited /= 2
		}
	}
	return immediate, unsolicited
}

// settle completes a task whose outcome is known, or whose requester gave up, once its memory is free. The mutex is held.
func (s *Session) settle(t *task, over *completions) {
	if t.kind != taskSCSI || t.req == nil || t.reading || t.outRefs > 0 {
		return
	}
	r := t.req
	switch {
	case t.answered:
		s.retire(t)
	case t.quit != nil:
		r.Err = t.quit
		t.req = nil // The slot stays taken until the target has answered.
	default:
		return
	}
	over.add(r)
}

// retire frees a slot and lets go on what waited for it. The mutex is held.
func (s *Session) retire(t *task) {
	c := t.conn
	s.free(t, s.dev.Session.EarlyTaskTag)
	if c.phase == phaseDraining {
		c.drained()
	}
	s.abortNext()
	if s.phase == sessionOpen {
		s.pump()
	}
}

// free gives a slot back. The mutex is held.
func (s *Session) free(t *task, sameTag bool) {
	if t.kind == taskSCSI {
		t.conn.commands--
	}
	if t.mend != nil {
		t.conn.letGo(t)
	}
	s.unaborted(t, false)
	s.tasks.retire(t, sameTag)
}

// Cancel gives a request up: it is completed with err, unless it is over already, as soon as the session has let go of its memory.
// If the target has it, ABORT TASK is sent. Cancel reports whether the request was still under way.
func (s *Session) Cancel(r *Request, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.task.phase.Load() {
	case requestWaiting:
		s.waiting.remove(r)
		r.Err = err
		s.decided().add(r)
		return true
	case requestSent:
		return s.cancelTask(r.task.task, err)
	}
	return false
}

// cancelTask gives up a request that the target has. The mutex is held.
func (s *Session) cancelTask(t *task, err error) bool {
	if t.answered || t.quit != nil {
		return false
	}
	t.quit = err
	t.stopped.Store(true)
	s.abort(t)
	if !t.busy() {
		s.settle(t, s.decided())
	}
	return true
}
