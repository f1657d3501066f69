package pdu

import (
	"errors"
	"io"
	"sync/atomic"
)

// Lender is a stream that brings the memory which it is read into, so that whoever waits for it holds none. NewReader uses it where its
// stream is one.
type Lender interface {
	io.Reader
	// Lend waits until bytes have come and gives them, at least one. They are the caller's until Return. The errors are Read's; with one
	// there are no bytes, and nothing to return.
	Lend() ([]byte, error)
	// Return gives back what Lend gave last, all of it.
	Return(lent []byte)
}

const (
	// readAheadBytes is how much is read at a time from a stream that is no Lender.
	readAheadBytes = 16 << 10
	// directBytes is from where on missing data is read to where it belongs and not ahead, so that it is not copied.
	directBytes = 4 << 10
	// emptyReadsMax is how often in a row a stream may give neither bytes nor an error.
	emptyReadsMax = 100
)

// readAhead holds what was read from a stream and not consumed.
type readAhead struct {
	src     io.Reader
	lender  Lender // src, where it is one
	lent    []byte // what the lender gave last
	buf     []byte // memory where there is no lender
	rest    []byte // not consumed; part of lent or buf
	err     error  // what the stream said behind the last bytes, and nobody was told yet
	arrived atomic.Uint64
}

// more reads ahead. There must be no rest.
func (a *readAhead) more() error {
	if a.lender != nil {
		a.release()
		lent, err := a.lender.Lend()
		a.lent, a.rest = lent, lent
		a.arrived.Add(uint64(len(lent)))
		return err
	}
	if a.buf == nil {
		a.buf = make([]byte, readAheadBytes)
	}
	n, err := a.read(a.buf)
	a.rest = a.buf[:n]
	return err
}

// release gives lent memory back.
func (a *readAhead) release() {
	if a.lent != nil {
		a.lender.Return(a.lent)
		a.lent, a.rest = nil, nil
	}
}

// read reads at least one byte from the stream itself. What the stream says behind bytes is kept for the next call.
func (a *readAhead) read(b []byte) (int, error) {
	if err := a.err; err != nil {
		a.err = nil
		return 0, err
	}
	for range emptyReadsMax {
		n, err := a.src.Read(b)
		a.arrived.Add(uint64(n))
		if n > 0 {
			a.err = err
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

// full reads all of b. At the end of the stream it gives io.EOF before the first byte, and io.ErrUnexpectedEOF behind it.
func (a *readAhead) full(b []byte) error {
	n := copy(b, a.rest)
	a.rest = a.rest[n:]
	for n < len(b) {
		var err error
		if missing := len(b) - n; missing < directBytes {
			if err = a.more(); err == nil {
				got := copy(b[n:], a.rest)
				a.rest = a.rest[got:]
				n += got
			}
		} else {
			var got int
			got, err = a.read(b[n:])
			n += got
		}
		if err != nil {
			if n > 0 {
				err = unexpected(err)
			}
			return err
		}
	}
	return nil
}

// discard consumes n bytes and returns how many it did consume.
func (a *readAhead) discard(n int) (int, error) {
	done := 0
	for {
		step := min(n-done, len(a.rest))
		a.rest = a.rest[step:]
		done += step
		if done == n {
			return n, nil
		}
		if err := a.more(); err != nil {
			return done, err
		}
	}
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
