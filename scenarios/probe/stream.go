package probe

import (
	"fmt"
	"net"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// Stream is one end of a connection, whichever side of the protocol it is on: bytes go out as they are told, and what comes is cut into
// PDUs when somebody asks. It belongs to one goroutine.
type Stream struct {
	// Digests are in force on the connection, for both directions.
	Digests pdu.Digests

	raw      net.Conn
	inbox    *inbox
	closed   bool
	closeErr error
}

// NewStream takes over a connection. Events call the other end peer, as in "the initiator". Bell, where not nil, gets a token, when it
// has room for one, each time something came: who has several streams waits for all of them at once. Close has to be called.
func NewStream(raw net.Conn, peer string, bell chan struct{}) *Stream {
	return &Stream{raw: raw, inbox: newInbox(raw, peer, bell)}
}

// Poll returns the next event without waiting; ok is false when there is none. The end of the connection is returned over and over.
func (s *Stream) Poll() (e Event, ok bool) { return s.inbox.take(s.Digests) }

// LocalAddr and RemoteAddr are the addresses of the two ends.
func (s *Stream) LocalAddr() net.Addr { return s.raw.LocalAddr() }

// RemoteAddr returns the other end's address.
func (s *Stream) RemoteAddr() net.Addr { return s.raw.RemoteAddr() }

// Write writes bytes, and gives up after a time.
func (s *Stream) Write(b []byte, within time.Duration) error {
	if err := s.raw.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	if _, err := s.raw.Write(b); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return nil
}

// Shut closes this end's direction only (FIN), where the transport can.
func (s *Stream) Shut() error {
	half, ok := s.raw.(interface{ CloseWrite() error })
	if !ok {
		return s.Close()
	}
	return half.CloseWrite()
}

// Reset closes the connection with a RST, where the transport can.
func (s *Stream) Reset() error {
	if l, ok := s.raw.(interface{ SetLinger(int) error }); ok {
		// Where the transport cannot linger, a plain close is the nearest thing.
		_ = l.SetLinger(0)
	}
	return s.Close()
}

// Close closes the connection. It may be called again, and says the same.
func (s *Stream) Close() error {
	if s.closed {
		return s.closeErr
	}
	s.closed = true
	s.closeErr = s.raw.Close()
	s.inbox.stop()
	return s.closeErr
}

// Done is closed when the stream's goroutine has ended, which it does after Close.
func (s *Stream) Done() <-chan struct{} { return s.inbox.done }
