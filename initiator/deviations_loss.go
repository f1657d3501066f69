package initiator

import (
	"errors"
	"io"
	"net"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// LossDeviations are faults in what is made of a lost connection, and in what a session takes over from the one that it replaces (RFC 7143,
// Sections 6.3.5 and 7.1.4.4).
type LossDeviations struct {
	// IgnoreFIN goes on listening where the target has closed.
	IgnoreFIN bool
	// PartialIsWhole takes a read for done whose last Data-In was cut off.
	PartialIsWhole bool
	// KeepMaxCmdSN goes on with the MaxCmdSN of the session before.
	KeepMaxCmdSN bool
	// AnswersOldTags answers R2Ts for tasks of the session before.
	AnswersOldTags bool
	// RandomISID logs in again under another ISID.
	RandomISID bool
	// OldSocketCounts ends the session when the socket of the session before fails.
	OldSocketCounts bool
}

// any reports whether any field is set.
func (d *LossDeviations) any() bool { return *d != LossDeviations{} }

// lossRows are the rows about recovery by a new session.
func lossRows() []RowDeviation {
	return []RowDeviation{
		{"recovery.erl0.fin", func(d *Deviations) { d.Loss.IgnoreFIN = true }},
		{"recovery.erl0.mid-pdu", func(d *Deviations) { d.Loss.PartialIsWhole = true }},
		{"recovery.erl0.new-numbering", func(d *Deviations) { d.Loss.KeepMaxCmdSN = true }},
		{"recovery.erl0.no-old-tags", func(d *Deviations) { d.Loss.AnswersOldTags = true }},
		{"recovery.reinstatement-isid", func(d *Deviations) { d.Loss.RandomISID = true }},
		{"recovery.reinstatement-waits-no-logout", func(d *Deviations) { d.Loss.OldSocketCounts = true }},
		{"recovery.snack.not-at-erl0", func(d *Deviations) { d.Recovery.IgnoreLevel = true }},
	}
}

// inherit gives a deviating session what it keeps of the one before it.
func (s *Session) inherit() {
	before := s.cfg.before
	if before == nil || !s.dev.Loss.KeepMaxCmdSN {
		return
	}
	before.mu.Lock()
	defer before.mu.Unlock()
	if iscsi.SNLess(s.window.max, before.window.max) {
		s.window.max = before.window.max
	}
}

// remember keeps the tag of a task that the loss of its connection ends. The mutex is held.
func (s *Session) remember(t *task) {
	if s.oldTags == nil {
		s.oldTags = map[uint32]*Request{}
	}
	s.oldTags[t.itt] = t.req
}

// sendForOldTag answers an R2T for a task of the session before from the request that was its, and is under way again. The mutex is held.
func (c *connection) sendForOldTag(p *pdu.R2T) {
	before := c.s.cfg.before
	if before == nil {
		return
	}
	r := before.oldTags[p.ITT]
	if r == nil || r.task.phase.Load() != requestSent || r.task.task == nil || int(p.BufferOffset)+int(p.DesiredDataTransferLength) > len(r.Write) {
		return
	}
	r.task.task.openR2Ts.Add(1)
	c.sendForeign(r.task.task, p, r.Write[p.BufferOffset:][:p.DesiredDataTransferLength])
}

// listenOn keeps the socket of a connection that has ended, and tells when it fails.
func (c *connection) listenOn() {
	_ = c.nc.SetDeadline(time.Time{})
	_, err := io.Copy(io.Discard, c.nc)
	_ = c.nc.Close()
	if err != nil {
		c.s.cfg.oldSocketFailed()
	}
}

// oldSocketFailed ends the session that there is now, although the socket was another one's.
func (s *managedSession) oldSocketFailed() {
	s.inbox.post(func() {
		if s.session != nil {
			s.session.fail(ErrClosed)
		}
	})
}

// keepsSocket tells whether a deviating initiator keeps the socket of a connection that ended by this cause.
func (c *connection) keepsSocket(cause error) bool {
	return c.s.dev.Loss.OldSocketCounts && errors.Is(cause, ErrPingTimeout) && c.s.cfg.oldSocketFailed != nil
}

// releaseSocket ends the reader of a connection whose socket is kept, or closes the socket.
func (c *connection) releaseSocket(cause error) {
	if c.keepsSocket(cause) {
		_ = c.nc.SetDeadline(time.Unix(1, 0)) // Lets go whoever reads or writes.
		return
	}
	_ = c.nc.Close() // Nothing more is wanted of it, and the cause is known.
}

// ignoresEnd waits, for an initiator that takes an orderly end for silence, until something else ends the connection.
func (c *connection) ignoresEnd(err error) {
	var timeout net.Error
	if errors.Is(err, io.EOF) && !errors.As(err, &timeout) {
		<-c.written
	}
}
