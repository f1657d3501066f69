package probe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// Limits of what a target can make the probe hold.
const (
	inboxMax      = 64 << 20 // bytes that came and were not asked for; beyond it the transport is left waiting
	garbageLength = 1 << 20  // a header with an undefined opcode that announces more data than this is no header
)

// inbox holds what came over a connection until somebody asks. One goroutine fills it; PDUs are cut from the bytes only when
// asked for, since which digests they carry is known no sooner.
type inbox struct {
	conn   net.Conn
	peer   string        // what events call the other end
	change chan struct{} // capacity 1: something came or was taken
	bell   chan struct{} // the owner's, may be nil: something came
	room   chan struct{} // capacity 1: something was taken
	done   chan struct{} // closed when the goroutine has ended

	mu       sync.Mutex // never held while waiting
	data     []byte
	arrivals []arrival
	offset   int64 // of data[0] in the stream
	err      error // why the stream ended
	endedAt  time.Time
	broken   bool // Garbage was told, or the connection was closed: what still comes is not kept
}

// arrival says when the bytes before end came.
type arrival struct {
	end int64
	at  time.Time
}

func newInbox(conn net.Conn, peer string, bell chan struct{}) *inbox {
	b := &inbox{conn: conn, peer: peer, bell: bell, change: make(chan struct{}, 1), room: make(chan struct{}, 1), done: make(chan struct{})}
	go b.fill()
	return b
}

func (b *inbox) fill() {
	defer close(b.done)
	chunk := make([]byte, 64<<10)
	for {
		n, err := b.conn.Read(chunk)
		b.mu.Lock()
		if n > 0 && !b.broken {
			b.data = append(b.data, chunk[:n]...)
			b.arrivals = append(b.arrivals, arrival{end: b.offset + int64(len(b.data)), at: time.Now()})
		}
		if err != nil {
			b.err, b.endedAt = err, time.Now()
		}
		full := !b.broken && len(b.data) > inboxMax
		b.mu.Unlock()
		wake(b.change)
		wake(b.bell)
		if err != nil {
			return
		}
		for full {
			<-b.room
			b.mu.Lock()
			full = !b.broken && len(b.data) > inboxMax
			b.mu.Unlock()
		}
	}
}

// stop makes fill keep nothing more, so that it cannot wait for room when the connection closes.
func (b *inbox) stop() {
	b.mu.Lock()
	b.broken = true
	b.mu.Unlock()
	wake(b.room)
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// next returns the next event: a PDU that carries the digests, the end of the stream, or a TimedOut at the deadline.
func (b *inbox) next(ctx context.Context, deadline time.Time, digests pdu.Digests) Event {
	began := time.Now()
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for {
		if e, ok := b.take(digests); ok {
			return e
		}
		select {
		case <-b.change:
		case <-timer.C:
			if e, ok := b.take(digests); ok {
				return e
			}
			return Event{Kind: TimedOut, At: time.Now(), Waited: time.Since(began), Unframed: b.waiting()}
		case <-ctx.Done():
			return Event{Kind: Interrupted, At: time.Now(), Err: context.Cause(ctx)}
		}
	}
}

func (b *inbox) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.data)
}

// take cuts one PDU, or tells the end of the stream. Ok is false when more bytes are needed.
func (b *inbox) take(digests pdu.Digests) (Event, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.broken {
		if e, ok := b.cut(digests); ok {
			wake(b.room)
			return e, true
		}
	}
	if b.err == nil {
		return Event{}, false
	}
	return Event{peer: b.peer, Kind: endKind(b.err), At: b.endedAt, Err: b.err, Unframed: len(b.data)}, true
}

func endKind(err error) EventKind {
	switch {
	case errors.Is(err, io.EOF):
		return Closed
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return WasReset
	}
	return Failed
}

func (b *inbox) cut(digests pdu.Digests) (Event, bool) {
	if len(b.data) < pdu.BHSLength {
		return Event{}, false
	}
	header := pdu.BHS(b.data[:pdu.BHSLength])
	if !header.Opcode().Known() && header.DataSegmentLength() > garbageLength {
		return b.garbage(), true
	}
	length := wireLength(&header, digests)
	if len(b.data) < length {
		return Event{}, false
	}
	// The copy keeps the frame alive beyond the buffer.
	reader := pdu.NewReader(bytes.NewReader(bytes.Clone(b.data[:length])), pdu.Limits{MaxDataSegmentLength: pdu.MaxDataSegmentLength, MaxAHSLength: pdu.MaxAHSLength})
	reader.SetDigests(digests)
	frame, err := reader.Read()
	if frame == nil || err != nil && !isDataDigest(err) {
		e := b.garbage()
		e.Err = err
		return e, true
	}
	e := Event{Kind: Arrived, At: b.arrivedAt(length), Frame: frame, Err: err}
	if p, err := frame.Decode(); err == nil {
		e.PDU = p
	}
	b.drop(length)
	return e, true
}

// isDataDigest tells whether an error is about a data digest, after which the stream is still in step.
func isDataDigest(err error) bool {
	var digest *pdu.DigestError
	return errors.As(err, &digest) && digest.Segment == pdu.SegmentData
}

// wireLength returns how many bytes the PDU takes whose header is h.
func wireLength(h *pdu.BHS, digests pdu.Digests) int {
	f := pdu.Frame{BHS: *h}
	n := f.WireLength(pdu.Digests{Header: digests.Header}) + h.TotalAHSLength()
	if data := h.DataSegmentLength(); data > 0 {
		n += data + -data&3
		if digests.Data {
			n += 4
		}
	}
	return n
}

func (b *inbox) garbage() Event {
	b.broken = true
	wake(b.room)
	return Event{Kind: Garbage, At: b.arrivedAt(1), Unframed: len(b.data)}
}

// arrivedAt returns when the first n bytes had come.
func (b *inbox) arrivedAt(n int) time.Time {
	for _, a := range b.arrivals {
		if a.end >= b.offset+int64(n) {
			return a.at
		}
	}
	return time.Now()
}

func (b *inbox) drop(n int) {
	b.data = b.data[n:]
	if len(b.data) == 0 {
		b.data = nil
	}
	b.offset += int64(n)
	for len(b.arrivals) > 0 && b.arrivals[0].end <= b.offset {
		b.arrivals = b.arrivals[1:]
	}
}
