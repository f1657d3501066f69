package initiator

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// connection is one TCP connection in full feature phase: a reader, which owns all that arrives, and a writer, which owns all that
// leaves. Whatever both need is guarded by the session's mutex, which nobody holds while reading or writing.
type connection struct {
	s          *Session
	nc         net.Conn
	cid        uint16
	at         connectionPlace
	generation int       // How often in a row it was reinstated, this time included.
	since      time.Time // When it entered the full feature phase.
	reader     *pdu.Reader
	writer     *wireWriter
	direct     *directWriter // nil where all writing is left to the writer.
	written    chan struct{} // Closed when the writer has ended.
	gone       chan struct{} // Closed when the connection has left its session.

	// Guarded by the session's mutex.
	phase     connectionPhase
	notice    notice
	commands  int // SCSI tasks that belong to the connection.
	peerLimit int // The longest data segment that the target takes on this connection.
	ownLimit  int // The longest that this side has declared to take.
	queue     []sendEntry
	spare     []sendEntry // What the next queue is made in.
	writing   bool        // The queue before is being written, by the writer or directly.
	corked    bool        // The queue is about to be written directly.
	unsent    bool        // A direct write has left something in the writer's buffer.
	wake      sync.Cond   // Tells the writer that there is something to write or the connection is broken.
	expStatSN uint32      // StatSN expected next.
	// firstStatSN is the first one after the login, which only a deviating initiator looks at.
	firstStatSN uint32
	broken      error // Why the connection ends; nil while it lives.
	brokenAt    time.Time
	heard       time.Time // When the last PDU arrived.
	ping        keepalive
	ack         acknowledger
	answers     int // To what the target may ask at will (pings, DataACK, gaps), queued since the writer last took the queue.

	gaps      gaps // StatSN that did not come.
	held      []heldStatus
	mends     []*task // Tasks of which something is missing.
	mendTimer *time.Timer
	mendArmed bool
	mendDue   bool // Something has just been noticed to be missing.
	stuck     stuckCommand
	epoch     uint32 // Counts the changes of ownLimit.
	maxCmdSN  uint32 // The last that has come on this connection, which only a deviating initiator goes by,
	ownCmdSN  uint32 // and its own count of commands.

	// Owned by the reader.
	over    completions
	scratch []byte

	// Of deviating initiators.
	lastRead  []byte // The memory of the read that was issued last; guarded by the session's mutex.
	concealed uint32 // StatSNs that are not acknowledged; guarded by the session's mutex.
	deaf      bool   // Nothing that arrives is looked at any more.
	// askedBefore is the tag of the last R2T, which only a deviating initiator looks at.
	askedBefore uint32
}

// connectionPhase orders the life of a connection; it only grows.
type connectionPhase byte

const (
	phaseOpen     connectionPhase = iota
	phaseDraining                 // The target asked for a logout: what was sent is waited for, nothing new is sent.
	phaseLeaving                  // The Logout Request is on its way.
)

// connectionPlace tells one connection of a session from the others: where it leads, and what was agreed for it alone.
type connectionPlace struct {
	configured, current iscsi.Address
	redirects           []Redirect
	local, remote       net.Addr
	params              text.Params // As the login on this connection ended.
}

// describe puts what is the connection's own into the description of its session. The mutex is held.
func (c *connection) describe(info *SessionInfo) {
	info.CID, info.Configured, info.Current, info.Redirects = c.cid, c.at.configured, c.at.current, c.at.redirects
	info.LocalAddress, info.RemoteAddress = c.at.local, c.at.remote
	p := &info.Params
	p.HeaderDigest, p.DataDigest = c.at.params.HeaderDigest, c.at.params.DataDigest
	p.MaxRecvDataSegmentLength, p.PeerMaxRecvDataSegmentLength = c.ownLimit, c.peerLimit
}

// newConnection makes the connection of a login that has just ended well, of which it takes over the reader and what that has read ahead.
func (s *Session) newConnection(nc net.Conn, reader *pdu.Reader, cid uint16, at connectionPlace, expStatSN uint32) *connection {
	d := pdu.Digests{Header: at.params.HeaderDigest, Data: at.params.DataDigest}
	reader.SetDigests(d)
	receivable := at.params.MaxRecvDataSegmentLength
	if s.dev.Keys.ReceiveOneLess {
		receivable--
	}
	reader.SetLimits(pdu.Limits{MaxDataSegmentLength: receivable})
	if s.dev.DataIn.WaitForLongSegments {
		reader.SetLimits(pdu.Limits{MaxDataSegmentLength: pdu.MaxDataSegmentLength})
	}
	reader.Trust(pdu.Digests{Header: s.dev.Digest.TrustHeaders, Data: s.dev.Digest.TrustData})
	now := time.Now()
	c := &connection{
		s: s, nc: nc, cid: cid, at: at, since: now, reader: reader, writer: newWireWriter(nc, d),
		written: make(chan struct{}), gone: make(chan struct{}), expStatSN: expStatSN, heard: now, peerLimit: at.params.PeerMaxRecvDataSegmentLength,
		ownLimit: at.params.MaxRecvDataSegmentLength,
	}
	if s.dev.DataOut.any() {
		c.writer.dev = &s.dev.DataOut
	}
	c.writer.digest = s.dev.Digest
	c.writer.bare, c.firstStatSN = s.dev.Sequencing.NoPadding, expStatSN
	c.wake.L = &s.mu
	c.direct = newDirectWriter(nc)
	return c
}

// run starts the goroutines of a connection that is in its session's list.
func (c *connection) run() {
	c.ack.told = c.firstStatSN
	c.ping.start(c)
	c.ack.start(c)
	go c.write()
	go c.read()
}

// read is the reader's goroutine. It outlives the writer and takes the connection out of the session.
func (c *connection) read() {
	err := c.readAll()
	if c.s.dev.Loss.IgnoreFIN {
		c.ignoresEnd(err)
	}
	if errors.Is(err, errDeafened) {
		<-c.written
	}
	if c.s.dev.Sequencing.RejectsFaults {
		c.rejectFault(err)
	}
	c.fail(err)
	<-c.written
	c.ping.stop()
	c.ack.stop()
	c.stopMend()
	c.over.run()
	if c.keepsSocket(c.broken) {
		go c.listenOn()
	}
	c.s.left(c)
}

// readAll takes PDUs in until the connection ends.
func (c *connection) readAll() error {
	var h pdu.BHS
	for {
		if _, err := c.reader.ReadHeader(&h); err != nil {
			return err
		}
		err := c.receive(&h)
		if h.Opcode() != pdu.OpDataIn && c.s.mendable(err) {
			c.spoiled(&h)
			err = nil
		}
		if err == nil {
			err = c.reader.Discard()
		}
		if err != nil {
			return err
		}
		c.s.mu.Lock()
		if c.mendDue {
			err = c.repair(time.Now())
		}
		corked := c.cork()
		c.s.pump()
		c.s.mu.Unlock()
		c.over.run()
		if corked {
			c.s.mu.Lock()
			c.uncork()
			c.s.mu.Unlock()
		}
		if err != nil {
			return err
		}
	}
}

// spoiled treats a PDU other than Data-In whose data digest was wrong as one that did not come (RFC 7143, Section 7.8).
func (c *connection) spoiled(h *pdu.BHS) {
	if h.Opcode() == pdu.OpNOPIn && h.ITT() == pdu.ReservedTag {
		return // Its StatSN is not its own.
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.spoiledStatus(binary.BigEndian.Uint32(h[24:]))
}

// receive works one PDU off. Its data segment, if any, is still to be read; what the handler leaves is skipped. Nothing may be sent for
// a PDU before all of it has been read: the rest may have to be waited for, and what leaves meanwhile would leave by chance.
func (c *connection) receive(h *pdu.BHS) error {
	if c.s.dev.Peer.any() {
		if done, err := c.departOpcode(h); done {
			return err
		}
	}
	switch h.Opcode() {
	case pdu.OpDataIn:
		return c.receiveDataIn(h)
	case pdu.OpSCSIResponse:
		return c.receiveResponse(h)
	case pdu.OpR2T:
		return c.receiveR2T(h)
	case pdu.OpNOPIn:
		return c.receiveNOPIn(h)
	case pdu.OpTaskManagementResponse:
		return c.receiveTaskManagement(h)
	case pdu.OpTextResponse:
		return c.receiveText(h)
	case pdu.OpLogoutResponse:
		return c.receiveLogout(h)
	case pdu.OpAsyncMessage:
		return c.receiveAsync(h)
	case pdu.OpReject:
		return c.receiveReject(h)
	}
	return &ProtocolError{
		Opcode: h.Opcode(), Field: "Opcode", Got: h.Opcode().String(),
		Want: "a PDU of a target in full feature phase", Clause: "RFC 7143, Section 11.2.1.2",
	}
}

// fail ends the connection, and with it whatever cannot go on without it; the first cause counts. It does not wait.
func (c *connection) fail(cause error) {
	c.s.mu.Lock()
	if c.broken != nil {
		c.s.mu.Unlock()
		return
	}
	c.stop(cause, time.Now())
	others := c.s.lose(c)
	c.s.mu.Unlock()
	if c.s.dev.Logout.LeavesSocketOpen && errors.Is(cause, ErrLoggedOut) {
		time.AfterFunc(2*DefaultLogoutTimeout, func() { _ = c.nc.Close() })
		return
	}
	c.releaseSocket(cause)
	for _, other := range others {
		_ = other.nc.Close()
	}
}

// stop marks the connection as ended, which its writer notices; its socket is still to be closed. The mutex is held.
func (c *connection) stop(cause error, at time.Time) {
	c.broken, c.brokenAt = cause, at
	c.wake.Broadcast()
}

// fate is the error of all that the end of this connection leaves without an answer. The mutex is held.
func (c *connection) fate() error {
	if c.s.byUser {
		return ErrLoggedOut
	}
	return fmt.Errorf("%w: %w", ErrTransportLost, c.broken)
}

// note takes in the numbers that every PDU of a target carries. What they let out is sent after the PDU. The mutex is held.
func (c *connection) note(expCmdSN, maxCmdSN uint32) {
	c.heard = time.Now()
	if c.s.dev.Sequencing.any() {
		c.s.departWindow(expCmdSN, maxCmdSN)
	}
	c.s.window.update(expCmdSN, maxCmdSN)
	c.maxCmdSN = maxCmdSN
}

// numbered takes in the StatSN of a PDU that advances it. It reports false for a repetition, which is to be ignored. Without error
// recovery a gap is an error: the session has to be begun anew. The mutex is held.
func (c *connection) numbered(op pdu.Opcode, statSN uint32) (bool, error) {
	switch {
	case statSN == c.expStatSN:
		c.expStatSN++
		return true, nil
	case c.s.recovers():
		return c.missedStatus(op, statSN)
	case iscsi.SNLess(statSN, c.expStatSN):
		return c.s.dev.Sequencing.OldStatSNTaken, nil
	case c.s.dev.Sequencing.AnyStatSN:
		c.expStatSN = statSN + 1
		return true, nil
	}
	return false, wrongNumber(op, "StatSN", statSN, c.expStatSN, "RFC 7143, Section 4.2.2.2")
}

// segment reads the whole data segment into memory that is valid until the next call.
func (c *connection) segment(h *pdu.BHS) ([]byte, error) {
	n := h.DataSegmentLength()
	if cap(c.scratch) < n {
		c.scratch = make([]byte, n)
	}
	b := c.scratch[:n]
	return b, c.reader.ReadData(b)
}

func wrongNumber[T uint32 | int](op pdu.Opcode, field string, got, want T, clause string) error {
	return &ProtocolError{
		Opcode: op, Field: field, Got: strconv.FormatInt(int64(got), 10), Want: strconv.FormatInt(int64(want), 10), Clause: clause,
	}
}

func outOfRange(op pdu.Opcode, field string, offset uint32, length, limit int, clause string) error {
	return &ProtocolError{
		Opcode: op, Field: field, Got: fmt.Sprintf("%d bytes at %d", length, offset),
		Want: fmt.Sprintf("at most %d bytes", limit), Clause: clause,
	}
}
