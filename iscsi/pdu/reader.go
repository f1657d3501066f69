package pdu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// DefaultMaxDataSegmentLength is the data segment limit in bytes where Limits leaves it zero.
const DefaultMaxDataSegmentLength = 1 << 20

// Limits bounds what is taken from a peer. Zero stands for the default.
type Limits struct {
	MaxDataSegmentLength int // bytes; default DefaultMaxDataSegmentLength
	MaxAHSLength         int // bytes, all additional header segments together; default and most MaxAHSLength
}

func (l Limits) orDefault() Limits {
	if l.MaxDataSegmentLength <= 0 {
		l.MaxDataSegmentLength = DefaultMaxDataSegmentLength
	}
	if l.MaxAHSLength <= 0 || l.MaxAHSLength > MaxAHSLength {
		l.MaxAHSLength = MaxAHSLength
	}
	return l
}

// ErrDataLength is returned by Reader.ReadData when dst is not as long as the data segment. Nothing has been read then.
var ErrDataLength = errors.New("pdu: buffer does not have the length of the data segment")

// Reader takes PDUs from a byte stream. It reads ahead, so nobody else may read from the stream. One goroutine at a time may use it.
//
// ReadHeader and ReadData together are the path without allocation: the caller looks at the header and says where the data goes. Read is
// both in one and allocates a Frame. At a PDU's border the end of the stream is io.EOF, anywhere else io.ErrUnexpectedEOF.
type Reader struct {
	ahead   readAhead
	limits  Limits
	digests Digests

	ahs          []byte  // memory for additional header segments, once there were any
	scratch      [8]byte // padding and digests
	pad          int     // bytes of padding read last
	headerDigest *uint32 // of the PDU read last; points at headerSum
	dataDigest   *uint32
	headerSum    uint32
	dataSum      uint32
	pending      int  // length of a data segment not read yet
	skip         int  // bytes between here and the next PDU when pending data is not wanted
	lost         bool // a header could not be trusted
	trusting     Digests
}

// NewReader returns a Reader without digests.
func NewReader(r io.Reader, l Limits) *Reader {
	lender, _ := r.(Lender)
	return &Reader{ahead: readAhead{src: r, lender: lender}, limits: l.orDefault()}
}

// Arrived gives how many bytes have come from the stream, whole PDUs or not. Unlike the other methods it may be called from any goroutine.
func (r *Reader) Arrived() uint64 { return r.ahead.arrived.Load() }

// Release gives back the memory of a Lender, with what was read ahead in it. Reading may go on behind that.
func (r *Reader) Release() { r.ahead.release() }

// SetDigests says which digests the PDUs carry from the next one on.
func (r *Reader) SetDigests(d Digests) { r.digests = d }

// Trust says which digests are read but not compared from now on. It is for peers that are to break the rules.
func (r *Reader) Trust(d Digests) { r.trusting = d }

// SetLimits changes the limits from the next PDU on.
func (r *Reader) SetLimits(l Limits) { r.limits = l.orDefault() }

// Buffered gives how many bytes have been read ahead of the PDUs that were asked for.
func (r *Reader) Buffered() int { return len(r.ahead.rest) }

// ReadHeader reads the next basic header segment into h and gives the additional header segments, which stay valid until the next call. A
// data segment of the PDU before that nobody read is skipped.
//
// A *LengthError leaves h filled and the stream in step: the next ReadHeader skips what was too long. A *DigestError leaves h filled too,
// but no later call will succeed, since the length fields may be wrong, unless Resync takes them for right.
func (r *Reader) ReadHeader(h *BHS) (ahs []byte, err error) {
	if r.lost {
		return nil, errLost
	}
	if err := r.Discard(); err != nil {
		return nil, err
	}
	r.headerDigest, r.dataDigest, r.pad = nil, nil, 0
	if err := r.ahead.full(h[:]); err != nil {
		return nil, err
	}
	if n := h.TotalAHSLength(); n > r.limits.MaxAHSLength {
		r.skip = n + r.digestLength(r.digests.Header) + r.dataLength(h)
		return nil, &LengthError{Opcode: h.Opcode(), Segment: SegmentAHS, Got: n, Limit: r.limits.MaxAHSLength}
	}
	if n := h.TotalAHSLength(); n > 0 {
		if r.ahs == nil {
			r.ahs = make([]byte, MaxAHSLength)
		}
		ahs = r.ahs[:n]
		if err := r.fill(ahs); err != nil {
			return nil, err
		}
	}
	if r.digests.Header {
		if err := r.readHeaderDigest(h, ahs); err != nil {
			r.lost = true
			return ahs, err
		}
	}
	r.pending, r.skip = h.DataSegmentLength(), r.dataLength(h)
	if r.pending > r.limits.MaxDataSegmentLength {
		return ahs, &LengthError{Opcode: h.Opcode(), Segment: SegmentData, Got: r.pending, Limit: r.limits.MaxDataSegmentLength}
	}
	return ahs, nil
}

// Resync goes on behind a PDU whose header failed its digest, as if the length fields in h, which ReadHeader has filled, were right. Whether
// they were shows at the next header: a digest that fits there is no chance, and one that does not fit says that the stream is lost (RFC 7143,
// Section 7.8). Its data segment can be read, or is skipped. A *LengthError says that no such PDU would have been taken.
func (r *Reader) Resync(h *BHS) error {
	if n := h.DataSegmentLength(); n > r.limits.MaxDataSegmentLength {
		return &LengthError{Opcode: h.Opcode(), Segment: SegmentData, Got: n, Limit: r.limits.MaxDataSegmentLength}
	}
	r.lost, r.pending, r.skip = false, h.DataSegmentLength(), r.dataLength(h)
	return nil
}

var errLost = errors.New("pdu: the stream is out of step after a header digest error")

func (r *Reader) readHeaderDigest(h *BHS, ahs []byte) error {
	if err := r.fill(r.scratch[:digestLength]); err != nil {
		return err
	}
	r.headerSum = binary.LittleEndian.Uint32(r.scratch[:])
	r.headerDigest = &r.headerSum
	want := crc32.Update(crc32.Update(0, castagnoli, h[:]), castagnoli, ahs)
	if want != r.headerSum && !r.trusting.Header {
		return &DigestError{Segment: SegmentHeader, Got: r.headerSum, Want: want}
	}
	return nil
}

// ReadData reads the data segment of the PDU whose header was read last, and consumes padding and digest. Len(dst) must be the header's
// DataSegmentLength. After a *DigestError dst is filled and the stream is in step.
func (r *Reader) ReadData(dst []byte) error {
	if len(dst) != r.pending {
		return fmt.Errorf("%w: %d, want %d", ErrDataLength, len(dst), r.pending)
	}
	if r.pending == 0 {
		return nil
	}
	if err := r.fill(dst); err != nil {
		return err
	}
	tail := r.scratch[:r.skip-len(dst)]
	if err := r.fill(tail); err != nil {
		return err
	}
	return r.dataRead(dst, tail)
}

// DataInPlace is ReadData without copying: it gives the data segment where it was read ahead, valid until the next call for another PDU.
// Where not all of the segment has come yet it gives false and reads nothing.
func (r *Reader) DataInPlace() (data []byte, ok bool, err error) {
	if len(r.ahead.rest) < r.skip || r.pending == 0 {
		return nil, r.pending == 0, nil
	}
	data = r.ahead.rest[:r.pending:r.pending]
	tail := r.scratch[:copy(r.scratch[:], r.ahead.rest[r.pending:r.skip])]
	r.ahead.rest = r.ahead.rest[r.skip:]
	return data, true, r.dataRead(data, tail)
}

// dataRead is done when a data segment has been read, with padding and digest behind it.
func (r *Reader) dataRead(data, tail []byte) error {
	r.pending, r.skip, r.pad = 0, 0, padding(len(data))
	if len(tail) == r.pad {
		return nil
	}
	r.dataSum = binary.LittleEndian.Uint32(tail[r.pad:])
	r.dataDigest = &r.dataSum
	want := crc32.Update(crc32.Update(0, castagnoli, data), castagnoli, tail[:r.pad])
	if want != r.dataSum && !r.trusting.Data {
		return &DigestError{Segment: SegmentData, Got: r.dataSum, Want: want}
	}
	return nil
}

// Padding gives the padding of the data segment that ReadData read last, as it came; it is valid until the next call.
func (r *Reader) Padding() []byte { return r.scratch[:r.pad] }

// Discard skips a data segment that nobody read, with its padding and digest, without checking it.
func (r *Reader) Discard() error {
	if r.skip > 0 {
		n, err := r.ahead.discard(r.skip)
		r.skip -= n
		if err != nil {
			return unexpected(err)
		}
	}
	r.pending = 0
	return nil
}

// Read reads a whole PDU into a new Frame. With a *DigestError or *LengthError it returns what it has read of the frame as well.
func (r *Reader) Read() (*Frame, error) {
	f := new(Frame)
	ahs, err := r.ReadHeader(&f.BHS)
	if len(ahs) > 0 {
		f.AHS = append([]byte(nil), ahs...)
	}
	f.HeaderDigest = copied(r.headerDigest)
	if err != nil {
		if isFormat(err) {
			return f, err
		}
		return nil, err
	}
	if n := f.BHS.DataSegmentLength(); n > 0 {
		f.Data = make([]byte, n)
		err = r.ReadData(f.Data)
		if err != nil && !isFormat(err) {
			return nil, err
		}
		if r.pad > 0 {
			f.Pad = append([]byte(nil), r.scratch[:r.pad]...)
		}
		f.DataDigest = copied(r.dataDigest)
	}
	return f, err
}

// fill reads all of b: in the middle of a PDU every end of the stream is unexpected.
func (r *Reader) fill(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	return unexpected(r.ahead.full(b))
}

func (r *Reader) digestLength(on bool) int {
	if on {
		return digestLength
	}
	return 0
}

// dataLength gives how many bytes follow the header digest.
func (r *Reader) dataLength(h *BHS) int {
	n := h.DataSegmentLength()
	if n == 0 {
		return 0
	}
	return n + padding(n) + r.digestLength(r.digests.Data)
}

// isFormat reports whether err is about bytes that were read, and not about reading.
func isFormat(err error) bool {
	var digest *DigestError
	var length *LengthError
	return errors.As(err, &digest) || errors.As(err, &length)
}

func copied(v *uint32) *uint32 {
	if v == nil {
		return nil
	}
	return new(*v)
}
