package initiator

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/iscsispec/iscsispec/scsi"
)

// diskAnswerTimeout is how long a unit may take over one command of a transfer, once its turn has come.
const diskAnswerTimeout = 60 * time.Second

// busyPause is how long a command rests after the unit was busy; each further rest is twice as long.
const busyPause = 10 * time.Millisecond

// transfer is a run of bytes to be moved between a disk and memory, a sink or a source: exactly one of the three is set.
type transfer struct {
	op             string
	offset, length int64
	memory         []byte
	sink           io.Writer
	source         io.Reader
}

// piece is the part of a transfer that one command moves. over gets a value whenever the request ends.
type piece struct {
	request Request
	offset  int64
	data    []byte
	buffer  []byte // What data lies in, unless it lies in the caller's memory.
	over    chan struct{}
}

// mover carries out one transfer: it keeps commands under way, begun and ended in the order of their offsets.
type mover struct {
	*transfer
	d     *Disk
	begun int64    // Bytes for which commands were begun.
	ended bool     // No further command is to be begun.
	err   error    // Why the source ended the transfer early.
	open  []*piece // Under way, oldest first.
	idle  []*piece
}

// move carries out a transfer and returns how many bytes from the front were moved.
func (d *Disk) move(ctx context.Context, t *transfer) (moved int64, err error) {
	m := &mover{transfer: t, d: d}
	for {
		for !m.ended && len(m.open) < m.d.depth && ctx.Err() == nil {
			m.begin()
		}
		switch {
		case ctx.Err() != nil:
			m.giveUp(context.Cause(ctx))
			return moved, context.Cause(ctx)
		case len(m.open) == 0:
			return moved, m.err
		}
		p := m.open[0]
		m.open = m.open[1:]
		if err := m.await(ctx, p); err != nil {
			m.giveUp(err)
			return moved, &TransferError{Op: m.op, Offset: p.offset, Length: len(p.data), Err: err}
		}
		if m.sink != nil {
			if n, err := m.sink.Write(p.data); err != nil {
				m.giveUp(err)
				return moved + int64(n), err
			}
		}
		moved += int64(len(p.data))
		m.idle = append(m.idle, p)
	}
}

// begin submits the next piece, if there is one.
func (m *mover) begin() {
	p := m.next()
	size := int(min(int64(m.d.step), m.length-m.begun))
	switch {
	case m.memory != nil:
		p.data = m.memory[m.begun:][:size]
	case m.sink != nil:
		p.data = p.room(m.d.step)[:size]
	case m.source != nil:
		p.data = m.fill(p.room(m.d.step)[:size])
	default:
		p.data = nil
	}
	m.ended = m.ended || m.begun+int64(len(p.data)) == m.length && m.source == nil
	if len(p.data) == 0 {
		m.ended = true
		return
	}
	p.offset = m.offset + m.begun
	lba, blocks := uint64(p.offset)/uint64(m.d.blockSize), uint32(len(p.data)/m.d.blockSize)
	r := &p.request
	r.LUN = m.d.lun
	if m.op == "write" {
		r.CDB, r.Write = scsi.Write(lba, blocks), p.data
	} else {
		r.CDB, r.Read = scsi.Read(lba, blocks), p.data
	}
	m.begun += int64(len(p.data))
	m.open = append(m.open, p)
	m.d.s.Submit(r)
}

// next returns a piece that is not in use.
func (m *mover) next() *piece {
	if n := len(m.idle); n > 0 {
		p := m.idle[n-1]
		m.idle = m.idle[:n-1]
		return p
	}
	p := &piece{over: make(chan struct{}, 1)}
	p.request.Done = func(*Request) { p.over <- struct{}{} }
	return p
}

func (p *piece) room(size int) []byte {
	if p.buffer == nil {
		p.buffer = make([]byte, size)
	}
	return p.buffer
}

// fill reads the next whole blocks from the source into b, and finds out how the source ends.
func (m *mover) fill(b []byte) []byte {
	if len(b) == 0 {
		// The medium is full: whatever the source still has is too much.
		if n, err := readFull(m.source, make([]byte, 1)); n > 0 {
			m.err = m.d.Check(m.offset, m.length+int64(m.d.blockSize))
		} else if !errors.Is(err, io.EOF) {
			m.err = err
		}
		return nil
	}
	n, err := readFull(m.source, b)
	odd := n % m.d.blockSize
	switch {
	case n == len(b):
		return b
	case !errors.Is(err, io.EOF):
		m.err = err
	case odd != 0:
		m.err = m.d.Check(m.offset, m.begun+int64(n))
	}
	m.ended = true
	return b[:n-odd]
}

// readFull is io.ReadFull, but leaves the error as it is, so that an input that was cut is not taken for one that ends.
func readFull(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var more int
		more, err = r.Read(b[n:])
		n += more
	}
	return n, err
}

// await waits until the target has carried out a piece, which is submitted again while a passing condition is in the way.
func (m *mover) await(ctx context.Context, p *piece) error {
	r := &p.request
	limit := time.NewTimer(diskAnswerTimeout)
	defer limit.Stop()
	for again := 0; ; again++ {
		select {
		case <-p.over:
		case <-limit.C:
			m.d.s.Cancel(r, ErrTimeout)
			<-p.over
		case <-ctx.Done():
			m.d.s.Cancel(r, context.Cause(ctx))
			<-p.over
		}
		switch status := scsi.Status(r.Status); {
		case r.Err != nil:
			return r.Err
		case status == scsi.StatusGood && r.Transferred == len(p.data):
			return nil
		case status == scsi.StatusGood:
			return &IncompleteError{Got: r.Transferred, Want: len(p.data)}
		case again == repeatsMax || !passing(r):
			return statusError(r)
		case status != scsi.StatusCheckCondition:
			if err := rest(ctx, busyPause<<again); err != nil {
				return err
			}
		}
		m.d.s.Submit(r)
	}
}

// giveUp cancels what is under way and waits until the session has let go of it.
func (m *mover) giveUp(err error) {
	for _, p := range m.open {
		m.d.s.Cancel(&p.request, err)
	}
	for _, p := range m.open {
		<-p.over
	}
	m.open = nil
}

// rest waits, at most until ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
