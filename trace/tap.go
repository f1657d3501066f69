package trace

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// Tap wraps one end of a connection and records the PDUs that pass, under the name of the node that holds this end and the name that the
// connection has at both of its ends. It records KindConnUp at once and KindConnClosed as the ends close; what cannot be framed and what an
// ending connection leaves unfinished is recorded as KindBytes.
//
// A PDU counts as sent when its last byte is handed to the transport, before the transport has taken it: so no answer is ever recorded
// before its question. A failed write is recorded as a note.
//
// Deadlines, CloseWrite and SetLinger pass through; where c has no such method they return errors.ErrUnsupported. A nil Log returns c.
func (l *Log) Tap(c net.Conn, node, conn string) net.Conn {
	if l == nil {
		return c
	}
	t := &tap{Conn: c, log: l, node: node, name: conn, dialogue: pdu.NewDialogue(pdu.Limits{})}
	l.Record(Event{Kind: KindConnUp, Node: node, Conn: conn, From: address(c.LocalAddr()), To: address(c.RemoteAddr())})
	return t
}

type tap struct {
	net.Conn
	log  *Log
	node string
	name string

	mu       sync.Mutex // never held across a call of Conn
	dialogue *pdu.Dialogue
	sends    pdu.Direction // the direction that this end sends in
	began    bool          // sends is known
	aborts   bool          // SetLinger(0): closing resets
	ended    bool          // the other end's closing is recorded
	closed   bool          // this end's closing is recorded
	halved   bool          // this end's half-close is recorded
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	defer t.log.awaitRoom()
	t.mu.Lock()
	defer t.mu.Unlock()
	if n > 0 {
		t.feed(false, b[:n])
	}
	if err != nil && !t.ended && !t.closed {
		t.readFailed(err)
	}
	return n, err
}

func (t *tap) Write(b []byte) (int, error) {
	t.mu.Lock()
	if !t.closed {
		t.feed(true, b)
	}
	t.mu.Unlock()
	t.log.awaitRoom()
	n, err := t.Conn.Write(b)
	if err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		if !t.closed {
			t.record(Event{Kind: KindNote, Reason: "write failed", Err: ErrorText(err), Attrs: []Attr{A("written", n), A("of", len(b))}})
			if isReset(err) && !t.ended {
				t.ended = true
				t.record(Event{Kind: KindConnClosed, State: CloseRSTReceived, Err: ErrorText(err)})
			}
		}
	}
	return n, err
}

// Close records how this end closes, once, with what both directions left unfinished.
func (t *tap) Close() error {
	t.mu.Lock()
	if !t.closed {
		t.closed = true
		t.flush(true)
		t.flush(false)
		state := CloseFINSent
		if t.aborts {
			state = CloseRSTSent
		}
		t.record(Event{Kind: KindConnClosed, State: state})
	}
	t.mu.Unlock()
	return t.Conn.Close()
}

// CloseWrite ends this end's direction and keeps reading.
func (t *tap) CloseWrite() error {
	c, ok := t.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	t.mu.Lock()
	if !t.halved && !t.closed {
		t.halved = true
		t.flush(true)
		t.record(Event{Kind: KindConnClosed, State: CloseHalfSent})
	}
	t.mu.Unlock()
	return c.CloseWrite()
}

// SetLinger sets what Close does with unsent data; 0 seconds make it reset the connection.
func (t *tap) SetLinger(seconds int) error {
	c, ok := t.Conn.(interface{ SetLinger(int) error })
	if !ok {
		return errors.ErrUnsupported
	}
	t.mu.Lock()
	t.aborts = seconds == 0
	t.mu.Unlock()
	return c.SetLinger(seconds)
}

// NetConn gives the connection beneath.
func (t *tap) NetConn() net.Conn { return t.Conn }

// feed cuts bytes into PDUs and records them. The side that speaks first is the initiator.
func (t *tap) feed(sent bool, b []byte) {
	if !t.began && len(b) > 0 {
		t.began = true
		t.sends = pdu.ToTarget
		if !sent {
			t.sends = pdu.ToInitiator
		}
	}
	for _, p := range t.dialogue.Feed(t.direction(sent), b) {
		t.piece(sent, p)
	}
}

func (t *tap) direction(sent bool) pdu.Direction {
	if sent {
		return t.sends
	}
	return t.sends.Reverse()
}

func (t *tap) piece(sent bool, p pdu.Piece) {
	if p.Frame == nil {
		state := Received
		if sent {
			state = Sent
		}
		t.record(Event{Kind: KindBytes, State: state, Raw: p.Raw})
		return
	}
	kind := KindPDUReceived
	if sent {
		kind = KindPDUSent
	}
	t.record(Event{Kind: kind, PDU: PDUOf(p.Frame, t.log.limits.MaxDataBytesPDU)})
}

func (t *tap) flush(sent bool) {
	if p, ok := t.dialogue.Flush(t.direction(sent)); ok {
		t.piece(sent, p)
	}
}

// readFailed records the other end's closing. A deadline that has passed closes nothing.
func (t *tap) readFailed(err error) {
	var state string
	switch {
	case errors.Is(err, io.EOF):
		state = CloseFINReceived
	case isReset(err):
		state = CloseRSTReceived
	default:
		return
	}
	t.ended = true
	t.flush(false)
	e := Event{Kind: KindConnClosed, State: state}
	if state == CloseRSTReceived {
		e.Err = ErrorText(err)
	}
	t.record(e)
}

func (t *tap) record(e Event) {
	e.Node, e.Conn = t.node, t.name
	t.log.Record(e)
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNABORTED)
}

// ErrorText gives an error's text for an event: without the addresses that a *net.OpError adds, because port numbers differ from run to run.
func ErrorText(err error) string {
	if err == nil {
		return ""
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

func address(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}
