package simtarget

import (
	"errors"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// serve takes PDUs in full feature phase until the connection ends.
func (c *connection) serve() {
	c.reader.SetDigests(c.digests)
	c.reader.SetLimits(pdu.Limits{MaxDataSegmentLength: c.params.MaxRecvDataSegmentLength})
	var h pdu.BHS
	for !c.deaf.Load() {
		c.array.dev.Robustness.blockingSend(c)
		if c.out.crowded.Load() || c.array.reads.full() || c.array.answers.full() {
			c.makeRoom()
		}
		c.settle()
		ahs, err := c.reader.ReadHeader(&h)
		switch {
		case c.deaf.Load():
			return
		case err != nil && tooLong(err) && c.array.dev.Text.HangsOnOversized:
			c.end(EndSilent)
			return
		case err != nil && tooLong(err) && !c.array.dev.Robustness.oversized(c.array):
			continue
		case err != nil && tooLong(err):
			c.session.rejected(c, &h, pdu.RejectInvalidPDUField)
			c.answerFirst()
			continue
		case err != nil && badDigest(err) && c.array.dev.Integrity.overlooks(&h) && c.reader.Resync(&h) == nil:
		case err != nil && c.passesOver(err, &h):
			continue
		case err != nil:
			c.streamFailed(err)
			return
		case c.array.dev.Digest.HeaderOver44Bytes && c.digests.Header, c.array.dev.Integrity.DigestBehindBHS && c.digests.Header && len(ahs) > 0:
			c.end(EndFIN)
			return
		case !c.array.dev.Robustness.header(c, &h, ahs):
			continue
		case c.array.dev.Login.DropEarlyBytes && time.Since(c.granted) < earlyBytesTime:
			continue
		}
		c.headersLost = 0
		data, err := c.readData(h.DataSegmentLength())
		if err != nil && !badDigest(err) {
			c.streamFailed(err)
			return
		}
		c.session.arrived(c, &h, ahs, data, err != nil && !c.array.dev.Integrity.takes(&h))
		c.dataDone()
	}
}

// tooLong reports whether a segment exceeds what the array takes: the stream is in step all the same.
func tooLong(err error) bool {
	var e *pdu.LengthError
	return errors.As(err, &e)
}

func badDigest(err error) bool {
	var e *pdu.DigestError
	return errors.As(err, &e)
}

// earlyBytesTime is how long the deviation DropEarlyBytes is not ready.
const earlyBytesTime = 100 * time.Millisecond

// headersLostMax is how many headers in a row may have a wrong digest.
const headersLostMax = 3

// passesOver goes on behind a PDU with a header digest error where recovery level 1 was agreed. The next header's digest tells whether the
// length was right; when it is wrong time and again, the connection ends (RFC 7143, Section 7.8).
func (c *connection) passesOver(err error, h *pdu.BHS) bool {
	c.headersLost++
	return c.headersLost <= headersLostMax && badDigest(err) && c.sent != nil && c.reader.Resync(h) == nil
}

// streamFailed ends a connection whose stream has ended or cannot be trusted any more. A header digest error ends it too: no length of the
// PDU is certain (RFC 7143, Section 7.8).
func (c *connection) streamFailed(err error) {
	if badDigest(err) {
		c.end(EndFIN)
	}
}

// readData reads a data segment into memory that stays valid until dataDone.
func (c *connection) readData(n int) ([]byte, error) {
	c.socket.expect(n)
	if data, there, err := c.reader.DataInPlace(); there {
		return data, err
	}
	c.scratch = scratchBuffer(n)
	return c.scratch.bytes, c.reader.ReadData(c.scratch.bytes)
}

// surrender hands over the memory of readData when it holds these data, n bytes, and nothing else: then they need not be copied.
func (c *connection) surrender(data []byte, n int) *buffer {
	b := c.scratch
	if b == nil || len(data) != n || len(b.bytes) != n || &b.bytes[0] != &data[0] || !c.array.writes.take(cap(b.bytes)) {
		return nil
	}
	b.account, c.scratch = &c.array.writes, nil
	return b
}

// dataDone gives the memory of readData back.
func (c *connection) dataDone() {
	c.scratch.release()
	c.scratch = nil
}

// makeRoom writes what is held back, and waits when the peer does not take it.
func (c *connection) makeRoom() {
	c.flush()
	c.out.waitForRoom()
	if c.socket != nil {
		c.out.hold()
	}
}

// arrived handles one PDU. What has to be done without the session's lock is done before it returns.
func (s *session) arrived(c *connection, h *pdu.BHS, ahs, data []byte, damaged bool) {
	s.mu.Lock()
	c.tally.received(pdu.BHSLength + len(ahs) + len(data))
	if c.attached || s.array.dev.Recovery.ServeReplacedConnection && !s.closed {
		c.pings.heard()
		if s.fastAborted > 0 {
			s.acknowledged(c, word(h, 28))
		}
		if s.fences {
			s.takeAcknowledged(c, word(h, 28))
		}
		s.array.dev.Sequencing.wraps(s, c, h)
		s.dispatch(c, h, ahs, data, damaged)
		if len(s.managing) > 0 {
			s.manageWaiting()
		}
	}
	if len(s.after) > 0 && len(s.conns) > 1 {
		c.flush() // another connection may pause here
	}
	for len(s.after) > 0 {
		after := s.after
		s.after = nil
		s.mu.Unlock()
		for _, do := range after {
			do()
		}
		s.mu.Lock()
	}
	s.mu.Unlock()
}

// dispatch finds the handler of a PDU. The caller holds the session's lock.
func (s *session) dispatch(c *connection, h *pdu.BHS, ahs, data []byte, damaged bool) {
	op := h.Opcode()
	switch op {
	case pdu.OpSCSICommand, pdu.OpDataOut, pdu.OpNOPOut, pdu.OpTextRequest, pdu.OpTaskManagementRequest, pdu.OpLogoutRequest, pdu.OpSNACKRequest:
	case pdu.OpLoginRequest:
		if s.array.dev.LoginForm.LogsInAgain {
			s.again(c, h)
			return
		}
		s.reject(c, h, pdu.RejectProtocolError)
		return
	default:
		if op.FromTarget() {
			s.reject(c, h, pdu.RejectProtocolError)
		} else {
			s.reject(c, h, pdu.RejectCommandNotSupported)
		}
		return
	}
	if c.sent != nil && !damaged {
		s.takeExpStatSN(c, word(h, 28))
	}
	if s.discovery && !s.servesInDiscovery(h) {
		if s.array.dev.Listing.serves(s, c, h) {
			return
		}
		s.reject(c, h, pdu.RejectProtocolError)
		return
	}
	if len(ahs) > 0 && op != pdu.OpSCSICommand {
		s.reject(c, h, pdu.RejectInvalidPDUField)
		return
	}
	switch op {
	case pdu.OpDataOut:
		s.dataOut(c, h, data, damaged)
	case pdu.OpSNACKRequest:
		s.snack(c, h)
	default:
		s.numbered(c, h, ahs, data, damaged)
	}
}

// servesInDiscovery reports whether a Discovery session takes a PDU: it is for text and logout (RFC 7143, Section 4.3). Answers to the array's
// own pings are taken too.
func (s *session) servesInDiscovery(h *pdu.BHS) bool {
	switch h.Opcode() {
	case pdu.OpTextRequest, pdu.OpLogoutRequest:
		return true
	case pdu.OpNOPOut:
		return h.ITT() == pdu.ReservedTag
	case pdu.OpSCSICommand:
		return s.array.dev.Discovery.ServeSCSI
	}
	return false
}

// numbered handles the PDUs that carry a CmdSN: immediate ones now, the others in their order (RFC 7143, Section 4.2.2.1).
func (s *session) numbered(c *connection, h *pdu.BHS, ahs, data []byte, damaged bool) {
	r := request{bhs: *h, ahs: ahs, data: data}
	if h.Immediate() {
		if s.array.dev.Sequencing.IgnoresWhenClosed && s.order.closed() {
			return
		}
		if s.accept(c, &r, damaged) {
			s.advanceImmediate(h)
			s.execute(c, &r)
		}
		return
	}
	if !s.order.admits(s.array, r.cmdSN()) {
		if s.array.dev.Sequencing.executes(&s.order, r.cmdSN()) && s.accept(c, &r, damaged) {
			s.execute(c, &r)
			return
		}
		if h.Opcode() == pdu.OpSCSICommand {
			s.ignored.add(h.ITT())
		}
		s.array.dev.Integrity.again(s, c, &r)
		return
	}
	if !s.accept(c, &r, damaged) {
		return
	}
	s.noteOrder(c, r.cmdSN())
	if s.faults.stalled || !s.order.isNext(r.cmdSN()) {
		if s.array.dev.Sequencing.ArrivalOrder || s.array.dev.TaskManagement.AllImmediate && h.Opcode() == pdu.OpTaskManagementRequest {
			s.order.waiting[r.cmdSN()] = &request{}
			s.execute(c, &r)
			return
		}
		s.keep(c, &r)
		s.noteGap()
		return
	}
	s.countTwice()
	s.uncountRequest(h)
	s.execute(c, &r)
	for !s.closed {
		next := s.order.next()
		if next == nil {
			return
		}
		s.countTwice()
		s.execute(next.conn, next)
		next.release()
	}
}

// accept looks whether a PDU can be taken at all, before its CmdSN counts, and rejects it otherwise (RFC 7143, Section 7.3).
func (s *session) accept(c *connection, r *request, damaged bool) bool {
	if damaged {
		if s.array.dev.Integrity.CountDamaged && !r.bhs.Immediate() {
			s.order.exp++
		}
		s.reject(c, &r.bhs, pdu.RejectDataDigestError)
		return false
	}
	switch op := r.bhs.Opcode(); op {
	case pdu.OpSCSICommand:
		return s.acceptCommand(c, r)
	case pdu.OpTaskManagementRequest:
		return s.acceptManagement(c, r)
	case pdu.OpTextRequest, pdu.OpLogoutRequest:
		if s.tasks.find(r.bhs.ITT()) != nil {
			s.reject(c, &r.bhs, pdu.RejectTaskInProgress)
			return false
		}
	}
	return true
}

// acceptManagement looks at a Task Management Function Request on arrival: its tag may not be in use, and only so many may wait (RFC 7143,
// Sections 4.2.2.1 and 11.2.1.8).
func (s *session) acceptManagement(c *connection, r *request) bool {
	itt := r.bhs.ITT()
	k := s.tasks.find(itt)
	switch {
	case itt == pdu.ReservedTag:
		s.reject(c, &r.bhs, pdu.RejectInvalidPDUField)
	case (k != nil && k.phase != phaseAborted || s.managementOf(itt) != nil) && !s.array.dev.TaskManagement.MixUpTags:
		s.reject(c, &r.bhs, pdu.RejectTaskInProgress)
	case r.bhs.Immediate() && len(s.managing) >= managingMax, s.array.dev.Sequencing.busyWithPing(s, &r.bhs):
		s.reject(c, &r.bhs, pdu.RejectTooManyImmediate)
	default:
		return true
	}
	return false
}

// execute carries out a PDU whose turn has come. A request without an opcode of its own stands for a CmdSN that was plugged.
func (s *session) execute(c *connection, r *request) {
	switch {
	case r.bhs == pdu.BHS{}:
	case r.task != nil:
		s.start(c, r.task)
	default:
		switch r.bhs.Opcode() {
		case pdu.OpNOPOut:
			s.nopOut(c, r)
		case pdu.OpTextRequest:
			s.textRequest(c, r)
		case pdu.OpTaskManagementRequest:
			s.taskManagement(c, r)
		case pdu.OpLogoutRequest:
			s.logout(c, r)
		}
	}
}

// later puts work behind the session's lock: it is done by the same goroutine before it reads on.
func (s *session) later(do func()) { s.after = append(s.after, do) }

// advanceImmediate is where a deviation lets immediate NOP-Outs take a CmdSN.
func (s *session) advanceImmediate(h *pdu.BHS) {
	if s.array.dev.Sequencing.ImmediateAdvances && h.Opcode() == pdu.OpNOPOut {
		s.order.exp++
	}
}

// countTwice is where a deviation tells of two commands for each one.
func (s *session) countTwice() {
	if s.array.dev.Sequencing.DoubleExpCmdSN {
		s.order.shift++
	}
}

// tagRing remembers the last tags of commands that were ignored or rejected, so that data which was sent along with them is dropped.
type tagRing struct {
	tags [32]uint32
	next int
	size int
}

func (t *tagRing) add(itt uint32) {
	t.tags[t.next] = itt
	t.next = (t.next + 1) % len(t.tags)
	t.size = min(t.size+1, len(t.tags))
}

func (t *tagRing) has(itt uint32) bool {
	for _, tag := range t.tags[:t.size] {
		if tag == itt {
			return true
		}
	}
	return false
}
