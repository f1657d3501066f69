package pdu

import (
	"encoding/binary"
)

// Piece is what a Splitter or a Dialogue found: either one whole frame, or bytes that cannot be framed.
type Piece struct {
	Frame  *Frame // nil when Raw is set
	Raw    []byte // bytes that belong to no frame
	Offset int64  // of the piece's first byte in its direction of the stream
	Length int    // bytes that the piece takes in the stream
}

// Splitter cuts one direction of a byte stream into frames. It never fails: when a header announces a segment beyond the limits, or its
// header digest is wrong and no known opcode is there, this byte and all that follow it are handed out raw, since where the next PDU begins
// cannot be known any more. Wrong digests on a header that looks right are left for the caller to see in the frame.
//
// It holds at most one PDU and what one call of Feed brought.
type Splitter struct {
	limits  Limits
	digests Digests
	buf     []byte
	offset  int64 // of buf[0] in the stream
	lost    bool
}

// NewSplitter returns a Splitter at the start of a stream without digests.
func NewSplitter(l Limits) *Splitter { return &Splitter{limits: l.orDefault()} }

// SetDigests says which digests the PDUs carry that Next has not handed out yet.
func (s *Splitter) SetDigests(d Digests) { s.digests = d }

// Feed takes over the next bytes of the stream; b is copied.
func (s *Splitter) Feed(b []byte) { s.buf = append(s.buf, b...) }

// Next hands out the next piece, or false when the bytes so far hold no whole one. Its slices are the caller's.
func (s *Splitter) Next() (Piece, bool) {
	if s.lost {
		return s.Flush()
	}
	if len(s.buf) < BHSLength {
		return Piece{}, false
	}
	h := BHS(s.buf)
	if h.TotalAHSLength() > s.limits.MaxAHSLength || h.DataSegmentLength() > s.limits.MaxDataSegmentLength {
		s.lost = true
		return s.Flush()
	}
	n := s.wireLength(&h)
	if len(s.buf) < n {
		return Piece{}, false
	}
	p := Piece{Frame: s.frame(h, s.buf[:n]), Offset: s.offset, Length: n}
	if !h.Opcode().Known() && p.Frame.HeaderDigestError() != nil {
		s.lost = true
		return s.Flush()
	}
	s.advance(n)
	return p, true
}

// Flush hands out raw what is left: an unfinished PDU, when the stream has ended.
func (s *Splitter) Flush() (Piece, bool) {
	if len(s.buf) == 0 {
		return Piece{}, false
	}
	p := Piece{Raw: append([]byte(nil), s.buf...), Offset: s.offset, Length: len(s.buf)}
	s.advance(len(s.buf))
	return p, true
}

// Pending gives how many bytes of an unfinished PDU are held.
func (s *Splitter) Pending() int { return len(s.buf) }

// Need gives how many bytes are missing until the PDU at hand is whole, as far as its header tells; 0 when the stream is out of step.
func (s *Splitter) Need() int {
	switch {
	case s.lost:
		return 0
	case len(s.buf) < BHSLength:
		return BHSLength - len(s.buf)
	}
	h := BHS(s.buf)
	return max(0, s.wireLength(&h)-len(s.buf))
}

func (s *Splitter) wireLength(h *BHS) int {
	n := BHSLength + h.TotalAHSLength()
	if s.digests.Header {
		n += digestLength
	}
	if data := h.DataSegmentLength(); data > 0 {
		n += data + padding(data)
		if s.digests.Data {
			n += digestLength
		}
	}
	return n
}

// frame copies the bytes of one whole PDU.
func (s *Splitter) frame(h BHS, b []byte) *Frame {
	f := &Frame{BHS: h}
	b = append([]byte(nil), b[BHSLength:]...)
	take := func(n int) []byte {
		if n == 0 {
			return nil
		}
		part := b[:n:n]
		b = b[n:]
		return part
	}
	f.AHS = take(h.TotalAHSLength())
	if s.digests.Header {
		f.HeaderDigest = new(binary.LittleEndian.Uint32(take(digestLength)))
	}
	data := h.DataSegmentLength()
	f.Data = take(data)
	f.Pad = take(padding(data))
	if s.digests.Data && data > 0 {
		f.DataDigest = new(binary.LittleEndian.Uint32(take(digestLength)))
	}
	return f
}

func (s *Splitter) advance(n int) {
	s.offset += int64(n)
	s.buf = s.buf[n:]
	if len(s.buf) == 0 {
		s.buf = nil // do not keep the room of a large PDU
	}
}
