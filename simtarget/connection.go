package simtarget

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

// lingerTime is how long a connection that the array has ended in order stays readable, so that the peer gets what was sent last and not a
// reset.
const lingerTime = 2 * time.Second

// connection is one TCP connection from accept to close. One goroutine reads it, logs it in, executes what it reads, and writes what comes
// of that; another one writes what it cannot write without waiting, and what did not come of anything read.
type connection struct {
	array   *Array
	portal  *portal // that answers
	door    *portal // that listens: another one where the address has moved
	conn    net.Conn
	ordinal uint64 // counts the connections of the array from 1
	local   string // the address that the initiator connected to
	remote  string
	socket  *socket // nil where the transport is no TCP
	reader  *pdu.Reader
	out     outbox

	// Of the reading goroutine, and not changed once the session has the connection.
	cid         uint16
	session     *session
	params      text.Params
	digests     pdu.Digests
	granted     time.Time // when full feature phase began
	scratch     *buffer   // holds the data segment that was read last, where it is not read in place
	headersLost int       // so many headers before had a wrong digest

	// Of the session's lock in full feature phase, of the reading goroutine before.
	attached   bool   // one of the session's connections
	ownExp     uint32 // a deviation: the ExpCmdSN that this connection has brought about
	statSN     uint32
	acked      uint32 // the newest ExpStatSN, where the response fence is kept
	tally      tally
	textState  textExchange
	pings      pingState
	sent       *sentResponses // nil at recovery level 0
	logoutWait bool           // an Asynchronous Message has asked for logout

	opens     bool        // the login has made a new Normal session
	paused    atomic.Bool // somebody has waited since the last read, so that what came meanwhile lies ready
	deaf      atomic.Bool // what comes in is dropped: the connection is ending, or silent
	inSession atomic.Bool // full feature phase has begun
	linger    atomic.Pointer[time.Timer]
	closing   sync.Once
	gone      chan struct{} // closed when the connection is closed
}

func newConnection(a *Array, p *portal, conn net.Conn, ordinal uint64) *connection {
	c := &connection{
		array: a, portal: p, conn: conn, ordinal: ordinal,
		local: conn.LocalAddr().String(), remote: conn.RemoteAddr().String(),
		gone: make(chan struct{}),
	}
	c.out.init(&a.reads, &a.answers, c.startWriter)
	limits := pdu.Limits{MaxDataSegmentLength: loginDataMax}
	if c.socket = newSocket(c); c.socket != nil {
		c.reader = pdu.NewReader(c.socket, limits)
	} else {
		c.reader = pdu.NewReader(a.dev.Robustness.stream(conn), limits)
	}
	return c
}

// run serves the connection from accept to close. What it calls before it serves and behind that is not inlined: their variables would
// stay on the stack of every idle connection, and make it twice as large.
func (c *connection) run() {
	if c.enter() {
		c.serve()
	}
	c.leave()
}

// enter logs in and reports whether full feature phase has begun.
//
//go:noinline
func (c *connection) enter() bool {
	timeout := time.AfterFunc(c.array.loginPolicy().Timeout, c.abort)
	if c.array.dev.Robustness.KeepHalfOpen {
		timeout.Stop()
	}
	full := c.login()
	timeout.Stop()
	if full && c.opens && len(c.array.script.steps) > 0 {
		c.array.sessionOpened(c)
	}
	return full
}

// leave ends the connection.
//
//go:noinline
func (c *connection) leave() {
	if c.array.dev.Robustness.IgnoreEndOfStream && c.inSession.Load() && !c.deaf.Load() {
		<-c.array.done
	}
	c.flush()
	c.reader.Release()
	c.drain()
	// The writer may hold an answer that became due at the very instant at which the peer's end was seen: it goes out first, so
	// that which of the two goroutines is quicker does not show.
	c.startLinger()
	c.out.waitUntilWritten()
	c.close()
	c.array.connectionLost(c)
	c.array.connectionOver(c)
}

// drainBytes is how much is read at a time where all is dropped.
const drainBytes = 4 << 10

// answerTime is how long an answer may take to go out before what it refuses is read and dropped.
const answerTime = 10 * time.Millisecond

// answerFirst lets an answer go out before what it refuses is read, so that which of two goroutines is quicker does not show in a bubble. A
// peer that reads nothing before it has written all is not kept waiting for long.
func (c *connection) answerFirst() {
	if c.socket == nil {
		c.out.awaitWritten(answerTime)
	}
}

// drain reads and drops what still comes, until the peer closes or the connection does.
func (c *connection) drain() {
	if !c.deaf.Load() {
		return
	}
	c.answerFirst()
	scratch := scratchBuffer(drainBytes)
	defer scratch.release()
	for {
		if _, err := c.conn.Read(scratch.bytes); err != nil {
			return
		}
	}
}

// end ends the connection behind what waits to be written. It may be called from any goroutine, and never waits.
func (c *connection) end(how Ending) {
	c.deaf.Store(true)
	switch how {
	case EndSilent:
		c.out.silence()
	case EndRST:
		c.startLinger()
		c.out.finish(EndRST)
	default:
		c.startLinger()
		c.out.finish(EndFIN)
	}
}

// endAfter queues a last PDU with the end of the connection behind it.
func (c *connection) endAfter(p outgoing, how Ending) {
	c.deaf.Store(true)
	if how == EndSilent {
		c.out.put(p)
		c.out.silence()
		return
	}
	p.end = how
	c.startLinger()
	c.out.put(p)
}

func (c *connection) startLinger() {
	t := time.AfterFunc(lingerTime, c.close)
	if old := c.linger.Swap(t); old != nil {
		old.Stop()
	}
}

// finishWriting is the writer's part of an orderly end.
func (c *connection) finishWriting(how Ending) {
	if how == EndRST {
		c.reset()
		return
	}
	half, can := c.conn.(interface{ CloseWrite() error })
	if !can || half.CloseWrite() != nil {
		c.close()
	}
}

// abort closes the connection at once.
func (c *connection) abort() {
	c.deaf.Store(true)
	c.close()
}

// reset makes closing send RST where the transport can.
func (c *connection) reset() {
	if l, can := c.conn.(interface{ SetLinger(int) error }); can {
		_ = l.SetLinger(0) // a connection that is gone already cannot be reset
	}
	c.close()
}

func (c *connection) close() {
	c.closing.Do(func() {
		c.deaf.Store(true)
		_ = c.conn.Close()
		c.out.close()
		if t := c.linger.Load(); t != nil {
			t.Stop()
		}
		close(c.gone)
	})
}

// settle lets the writer finish before the reader goes on after a pause. What came during the pause lies ready, so both would act at one
// instant, and which was quicker would show.
func (c *connection) settle() {
	if c.paused.Load() {
		c.paused.Store(false)
		c.out.waitUntilWritten()
	}
}

// pause waits for d, unless the connection closes first; it reports whether the connection is still there. The reading goroutine
// pauses, or that of another connection of the session, whose request let one of this connection have its turn.
func (c *connection) pause(d time.Duration) bool {
	if d <= 0 {
		return !c.deaf.Load()
	}
	c.paused.Store(true)
	c.flush()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return !c.deaf.Load()
	case <-c.gone:
		return false
	}
}
