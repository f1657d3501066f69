package fuzz

import (
	"errors"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// ask sends a PDU and takes the answer.
func (r *run) ask(c *conn, p pdu.PDU) *got {
	r.send(c, p, Cut{}) // What a failed write comes from shows in what is read.
	return r.read(c, r.within())
}

// send writes a PDU, or as much of it as the cut lets through.
func (r *run) send(c *conn, p pdu.PDU, cut Cut) bool {
	l := &r.links[c.number]
	var d pdu.Digests
	if c.serving() {
		d = pdu.Digests{Header: c.header, Data: c.data}
	}
	r.buffer = pdu.FrameOf(p).Append(r.buffer[:0], d)
	b := r.buffer
	if cut.End != "" {
		b = b[:cut.At%len(b)]
	}
	r.sent++
	_ = l.conn.SetWriteDeadline(time.Now().Add(r.within()))
	_, err := l.conn.Write(b)
	return err == nil
}

// read takes the next PDU that is an answer: pings are answered and Asynchronous Messages passed over.
func (r *run) read(c *conn, within time.Duration) *got {
	l := &r.links[c.number]
	g := &got{}
	_ = l.conn.SetReadDeadline(time.Now().Add(within))
	for range passedMax {
		if err := l.take(g); err != nil {
			g.kind, g.note, g.reset = endOf(err), err.Error(), errors.Is(err, syscall.ECONNRESET)
			return g
		}
		switch g.header.Opcode() {
		case pdu.OpLoginResponse:
			if g.kind = Answered; g.login.DecodeBHS(&g.header) != nil || g.login.StatusClass != 0 {
				g.kind = Refused
			}
			return g
		case pdu.OpReject:
			g.kind = Rejected
			return g
		case pdu.OpAsyncMessage:
			c.counted = false // It took a StatSN.
			continue
		case pdu.OpNOPIn:
			var in pdu.NOPIn
			if in.DecodeBHS(&g.header) == nil && in.ITT == pdu.ReservedTag {
				if in.TTT != pdu.ReservedTag {
					r.send(c, &pdu.NOPOut{Immediate: true, LUN: in.LUN, ITT: pdu.ReservedTag, TTT: in.TTT, CmdSN: r.cmdSN(c), ExpStatSN: in.StatSN}, Cut{})
				}
				continue
			}
		}
		g.kind = Answered
		return g
	}
	g.kind, g.note = Garbage, "no answer among many PDUs"
	return g
}

// take reads one PDU.
func (l *link) take(g *got) error {
	if _, err := l.reader.ReadHeader(&g.header); err != nil {
		return err
	}
	n := g.header.DataSegmentLength()
	if n > 1<<20 {
		return &pdu.LengthError{Opcode: g.header.Opcode(), Segment: pdu.SegmentData, Got: n, Limit: 1 << 20}
	}
	g.data = slices.Grow(g.data[:0], n)[:n]
	return l.reader.ReadData(g.data)
}

// endOf tells of what kind the end of a stream is.
func endOf(err error) Kind {
	var length *pdu.LengthError
	var digest *pdu.DigestError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Silent
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Dropped
	case errors.As(err, &length), errors.As(err, &digest):
		return Garbage
	}
	return Dropped
}
