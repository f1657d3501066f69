package proxy

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"sync/atomic"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
)

const (
	// segmentDefault is how much text an initiator takes in one PDU that has not said anything else: MaxRecvDataSegmentLength (RFC 7143,
	// Section 13.12), in bytes.
	segmentDefault = 8192
	// addressMax bounds a pair of TargetAddress, in bytes; what is longer is none and passes as it is.
	addressMax = 512
)

var addressKey = []byte(text.KeyTargetAddress + "=")

// rewriter replaces the portals that a target names to one initiator, in redirections and in answers to SendTargets (RFC 7143, Section
// 11.13.5 and Appendix C), by others. Nothing else of the text changes, and a PDU that names none stays as it is, byte by byte.
//
// Text may be continued over PDUs anywhere, within an address too (the C bit, Section 6.1). The number of PDUs is not the rewriter's to
// change, so a piece of an address at the end of one moves to the next, and so does what a PDU has no room for. In the last one an address
// stays as it is where its replacement would make the PDU longer than the initiator takes.
type rewriter struct {
	// front gives the address that takes the place of one that the target names, and whether there is one.
	front func(named iscsi.Address) (iscsi.Address, bool)
	// kept is told of an address that stays for want of room.
	kept func(named string)

	// Of the direction to the target.
	request text.Assembler

	// Set there, read by the other.
	limit atomic.Int32 // bytes of text that the initiator takes in one PDU, by its own word; 0 while it has not said
	fresh atomic.Bool  // the initiator has asked for another text

	// Of the direction to the initiator.
	full   bool   // full feature phase has begun: the limit counts
	moved  []byte // text of a continued answer that has not found room, replaced already
	piece  []byte // the beginning of an address that goes on in the next PDU
	inside bool   // the next PDU begins within a pair that is none of an address
}

// watch reads what an initiator says about the length of PDUs that it takes.
func (r *rewriter) watch(f *pdu.Frame) {
	if op := f.Opcode(); op != pdu.OpLoginRequest && op != pdu.OpTextRequest || f.HeaderDigestError() != nil || f.DataDigestError() != nil {
		return
	}
	if f.Opcode() == pdu.OpTextRequest && binary.BigEndian.Uint32(f.BHS[20:]) == pdu.ReservedTag {
		r.fresh.Store(true)
	}
	pairs, _, _ := r.request.Add(f.Data, continues(f)) // what cannot be read says nothing
	for _, p := range pairs {
		if p.Key != text.KeyMaxRecvDataSegmentLength {
			continue
		}
		if n, err := strconv.ParseUint(p.Value, 0, 24); err == nil && n >= 512 {
			r.limit.Store(int32(n))
		}
	}
}

func continues(f *pdu.Frame) bool { return f.BHS[1]&0x40 != 0 }

// rewrite replaces the addresses in one PDU of the target's and reports whether anything has changed. Lengths and digests are right then.
// A PDU whose digest was wrong when it came stays as it is, so that the fault is not hidden.
func (r *rewriter) rewrite(f *pdu.Frame) bool {
	wrong := f.HeaderDigestError() != nil || f.DataDigestError() != nil
	if r.fresh.Swap(false) || wrong {
		r.moved, r.piece, r.inside = nil, nil, false
	}
	if wrong {
		return false
	}
	more := continues(f)
	was := f.Data
	in := append(r.piece, f.Data...)
	room := r.room(len(was))
	out := r.moved
	r.moved, r.piece = nil, nil
	if more {
		whole, piece := r.cut(in)
		r.piece = bytes.Clone(piece)
		out = r.replace(out, whole, unbounded)
		if len(out) > room {
			out, r.moved = out[:room:room], bytes.Clone(out[room:])
		}
	} else {
		out = r.replace(out, in, room-len(out)-len(in))
		r.inside = false
	}
	if bytes.Equal(out, was) {
		return false
	}
	f.Data, f.Pad, f.HeaderDigest, f.DataDigest = out, nil, nil, nil
	f.BHS.SetDataSegmentLength(len(out))
	return true
}

// room is how much text the initiator takes in a PDU; a target that sends more knows why.
func (r *rewriter) room(came int) int {
	limit := segmentDefault
	if said := int(r.limit.Load()); r.full && said > 0 {
		limit = said
	}
	return max(limit, came)
}

// cut parts text that goes on in another PDU in front of an address that may be unfinished.
func (r *rewriter) cut(in []byte) (whole, piece []byte) {
	last := bytes.LastIndexByte(in, 0) + 1
	tail := in[last:]
	if last == 0 && r.inside {
		return in, nil
	}
	if len(tail) <= addressMax && (bytes.HasPrefix(addressKey, tail) || bytes.HasPrefix(tail, addressKey)) {
		return in[:last], tail
	}
	return in, nil
}

// unbounded is room for any text.
const unbounded = 1 << 30

// replace appends the text with other addresses to out, as far as it does not grow by more than spare bytes. It remembers whether the text
// ends within a pair.
func (r *rewriter) replace(out, in []byte, spare int) []byte {
	for len(in) > 0 {
		pair, rest, ended := bytes.Cut(in, []byte{0})
		in = rest
		value, named := bytes.CutPrefix(pair, addressKey)
		if named && !r.inside && len(pair) <= addressMax {
			if other, ok := r.other(string(value)); ok && len(other)-len(value) <= max(spare, 0) {
				spare -= len(other) - len(value)
				pair = append(bytes.Clone(addressKey), other...)
			} else if ok {
				r.kept(string(value))
			}
		}
		out = append(out, pair...)
		if r.inside = !ended; ended {
			out = append(out, 0)
		}
	}
	return out
}

// other gives the value that takes the place of a TargetAddress.
func (r *rewriter) other(value string) (string, bool) {
	named, err := iscsi.ParseTargetAddress(value)
	if err != nil {
		return "", false
	}
	front, ok := r.front(named.Address)
	if !ok {
		return "", false
	}
	named.Address = front
	return named.String(), true
}
