package proxy

import (
	"encoding/binary"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// strangeMax bounds the data segment of a PDU whose operation code RFC 7143 does not define, in bytes: what claims more is taken for bytes
// that are no iSCSI at all.
const strangeMax = 1 << 20

// track finds the borders of the PDUs of one direction without keeping more of them than a header. It goes by the lengths in headers and the
// digests that the login has agreed on; once a header cannot be one, the rest of the stream is not looked at.
type track struct {
	digests pdu.Digests
	header  []byte // of the PDU under way, as much as has come, at most a basic header segment
	size    int    // bytes of the PDU under way that have come
	lost    bool
}

// next tells how many of the bytes belong to the PDU under way and whether it ends with them. It stops behind the basic header segment, so
// that a PDU with more than that comes in two pieces at least. When the direction is lost, everything belongs to one PDU without an end.
func (t *track) next(b []byte) (n int, whole bool) {
	if t.lost {
		return len(b), false
	}
	if t.size == 0 {
		t.header = t.header[:0]
	}
	if missing := pdu.BHSLength - len(t.header); missing > 0 {
		n = min(missing, len(b))
		t.header = append(t.header, b[:n]...)
		t.size += n
		if n < missing {
			return n, false
		}
		t.lost = t.strange()
	} else {
		n = min(t.length()-t.size, len(b))
		t.size += n
	}
	if t.lost || t.size < t.length() {
		return n, false
	}
	t.size = 0
	return n, true
}

// length is that of the whole PDU under way, whose header is complete.
func (t *track) length() int {
	h := pdu.BHS(t.header)
	n := pdu.BHSLength + h.TotalAHSLength()
	if t.digests.Header {
		n += 4
	}
	if data := h.DataSegmentLength(); data > 0 {
		n += (data + 3) &^ 3
		if t.digests.Data {
			n += 4
		}
	}
	return n
}

// strange reports a header that is none.
func (t *track) strange() bool {
	h := pdu.BHS(t.header)
	return !h.Opcode().Known() && h.DataSegmentLength() > strangeMax
}

// frameOf reads one whole PDU.
func frameOf(b []byte, d pdu.Digests) *pdu.Frame {
	h := pdu.BHS(b)
	f := &pdu.Frame{BHS: h}
	rest := b[pdu.BHSLength:]
	take := func(n int) []byte {
		part := rest[:n:n]
		rest = rest[n:]
		return part
	}
	f.AHS = take(h.TotalAHSLength())
	if d.Header {
		f.HeaderDigest = new(binary.LittleEndian.Uint32(take(4)))
	}
	data := h.DataSegmentLength()
	f.Data = take(data)
	f.Pad = take(-data & 3)
	if d.Data && data > 0 {
		f.DataDigest = new(binary.LittleEndian.Uint32(take(4)))
	}
	return f
}
