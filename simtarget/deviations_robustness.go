package simtarget

import (
	"io"
	"net"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// RobustnessDeviations are faults that hostile and clumsy peers bring out. What crashes ends every session with a reset and listens no more.
type RobustnessDeviations struct {
	// SerialLogin logs in one connection at a time.
	SerialLogin bool
	// LeakLoginLock lets nobody in any more once a connection has died in the middle of its login.
	LeakLoginLock bool
	// LeakTasks loses tasks that wait for data when their connection dies, until none is left.
	LeakTasks bool

	// IgnoreOversized drops PDUs with more data than the array takes, without a word.
	IgnoreOversized bool
	// AllocateAnnounced takes memory for whatever a header announces, and crashes over the 32nd that is beyond the limit.
	AllocateAnnounced bool
	// OversizedLoginCrashes crashes over a Login Request of more than 8192 bytes.
	OversizedLoginCrashes bool
	// MalformedAHSLoops never comes back from a malformed additional header segment: the connection is not served any more.
	MalformedAHSLoops bool
	// LoseStepOverAHS takes the additional header segments of PDUs other than SCSI Commands for the next PDU, and waits for the rest of it.
	LoseStepOverAHS bool
	// WholeHeaderPerRead drops connections on which less than a header comes at a time.
	WholeHeaderPerRead bool
	// GarbageStopsListening closes the portal over a PDU other than a Login Request before the login.
	GarbageStopsListening bool
	// MalformedPDUCrashes crashes over an operation code that does not exist.
	MalformedPDUCrashes bool
	// UnfinishedCommandCrashes crashes over a SCSI Command without the F bit and without data.
	UnfinishedCommandCrashes bool
	// ReservedByteIsFlag does not answer PDUs whose third byte, which is reserved in most, is not zero.
	ReservedByteIsFlag bool
	// DirtyReservedFields sends NOP-In with something in bytes 1 to 3.
	DirtyReservedFields bool
	// MaskAttribute takes two bits of a task attribute, so that reserved codes stand for others.
	MaskAttribute bool
	// KeepHalfOpen waits for a login without end.
	KeepHalfOpen bool
	// FloodStopsListening closes the portal when more than 256 connections are open.
	FloodStopsListening bool
	// UnboundedLoginText joins the parts of a text whatever their number, and crashes at 1 MiB.
	UnboundedLoginText bool
	// RoundsOverflowStack crashes in the 200th exchange of a login.
	RoundsOverflowStack bool
	// BlockingSend lets every session wait while one peer does not read.
	BlockingSend bool
	// IgnoreEndOfStream keeps connections open that their peer has ended in its direction.
	IgnoreEndOfStream bool
	// ReservedTagCrashes crashes over a SCSI Command with the Initiator Task Tag 0xffffffff.
	ReservedTagCrashes bool
	// DataInUnasked sends Data-In for commands without the R bit.
	DataInUnasked bool
	// AllocateEDTL takes the expected length as memory, and crashes where that is more than 1 GiB.
	AllocateEDTL bool
	// UnmaskedLUN never answers commands to logical unit numbers of the methods 2 and 3.
	UnmaskedLUN bool
	// StrayLoginEndsSession ends the oldest other session of the target for each Login Request in full feature phase.
	StrayLoginEndsSession bool
	// SerialiseBehindWrite begins no command while another one waits for data.
	SerialiseBehindWrite bool
	// EchoUnknown sends the header of a PDU with an unknown operation code back as it came.
	EchoUnknown bool
	// KeepAHSLength leaves TotalAHSLength of the command in the response.
	KeepAHSLength bool
}

const reasonCrash = "crash"

// crash is what the faults above do when the array dies of them. No lock is held.
func (a *Array) crash() {
	a.mu.Lock()
	for _, p := range a.portals {
		a.shut(p)
	}
	sessions := a.table.all()
	a.mu.Unlock()
	for _, s := range sessions {
		a.closeSession(s, EndRST, reasonCrash)
	}
}

// stopListening closes the portals, and leaves the sessions alone.
func (a *Array) stopListening() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.portals {
		a.shut(p)
	}
}

// header is where faults act on a PDU of full feature phase before it is looked at. It reports whether the connection goes on with it. No
// lock is held.
func (d *RobustnessDeviations) header(c *connection, h *pdu.BHS, ahs []byte) bool {
	a, op := c.array, h.Opcode()
	switch {
	case d.UnfinishedCommandCrashes && op == pdu.OpSCSICommand && !h.Final() && h.DataSegmentLength() == 0,
		d.ReservedTagCrashes && op == pdu.OpSCSICommand && h.ITT() == pdu.ReservedTag,
		d.AllocateEDTL && op == pdu.OpSCSICommand && word(h, 20) > 1<<30,
		d.MalformedPDUCrashes && !op.Known():
		a.crash()
	case d.LoseStepOverAHS && len(ahs) > 0 && op != pdu.OpSCSICommand, d.MalformedAHSLoops && op == pdu.OpSCSICommand && malformed(ahs):
		c.end(EndSilent)
	case d.StrayLoginEndsSession && op == pdu.OpLoginRequest:
		for _, s := range a.selected(Which{Target: c.session.target.Name}) {
			if s != c.session {
				a.closeSession(s, EndRST, reasonCrash)
				break
			}
		}
		return true
	case d.ReservedByteIsFlag && h[2] != 0, d.UnmaskedLUN && op == pdu.OpSCSICommand && h[8]&0x80 != 0:
	case d.EchoUnknown && !op.Known():
		c.out.put(outgoing{bhs: *h, digests: c.digests})
	default:
		return true
	}
	// What is not served does not count, and is not in the way of what follows.
	return false
}

func malformed(ahs []byte) bool {
	_, err := pdu.ParseAHS(ahs)
	return err != nil
}

// oversized is where faults act on a PDU with too much data. It reports whether the array rejects it.
func (d *RobustnessDeviations) oversized(a *Array) bool {
	if d.AllocateAnnounced {
		a.mu.Lock()
		a.faults.announced++
		full := a.faults.announced >= 32
		a.mu.Unlock()
		if full {
			a.crash()
		}
		return false
	}
	return !d.IgnoreOversized
}

// login is where faults act on a Login Request that is too long, or one too many.
func (d *RobustnessDeviations) login(l *login, length int) {
	l.taken += length
	switch {
	case d.OversizedLoginCrashes && length > loginDataMax, d.UnboundedLoginText && l.taken > 1<<20, d.RoundsOverflowStack && l.exchanges >= 200:
		l.array.crash()
		l.c.abort()
	}
}

// accepted is where a fault gives up listening. The caller holds the array's lock.
func (d *RobustnessDeviations) accepted(a *Array) {
	if d.FloodStopsListening && len(a.connections) > 256 {
		for _, p := range a.portals {
			a.shut(p)
		}
	}
}

// stream is where faults act on the bytes that come.
func (d *RobustnessDeviations) stream(conn net.Conn) io.Reader {
	if d.WholeHeaderPerRead {
		return wholeHeaders{conn}
	}
	return conn
}

// wholeHeaders ends with an error where less than a header comes at a time.
type wholeHeaders struct{ net.Conn }

// Read reads once.
func (w wholeHeaders) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err == nil && n < pdu.BHSLength {
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// waits is where a fault keeps a command behind one that waits for data.
func (d *RobustnessDeviations) waits(s *session, k *task) bool {
	if !d.SerialiseBehindWrite {
		return false
	}
	for _, other := range s.tasks.tasks {
		if other != k && other.phase == phaseData {
			return true
		}
	}
	return false
}

// dirty is where faults spoil the header of an outgoing PDU.
func (d *RobustnessDeviations) dirty(h *pdu.BHS) {
	if d.DirtyReservedFields && h.Opcode() == pdu.OpNOPIn {
		h[2], h[3] = 0xde, 0xad
	}
}

// dataOf is what a command presents to its initiator.
func (d *RobustnessDeviations) dataOf(k *task) []byte {
	if !k.read && (!d.DataInUnasked || k.device.Direction != scsi.DataIn) {
		return nil
	}
	return k.device.DataIn
}

// blockingSend is where a fault lets everybody wait for a peer that does not read.
func (d *RobustnessDeviations) blockingSend(c *connection) {
	if !d.BlockingSend {
		return
	}
	select {
	case c.array.faultLocks.gate <- struct{}{}:
		c.flush()
		c.out.waitForRoom()
		<-c.array.faultLocks.gate
	case <-c.gone:
	}
}
