package initiator

import (
	"fmt"
	"slices"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// spansMax bounds the separate pieces of one read that a target may leave holes between.
const spansMax = 4096

// span is a run of bytes of a buffer, from one offset to before another.
type span struct{ from, to int }

// spans are the parts of a buffer that are filled: apart from each other, and in order. They are kept for reads whose data may come in any
// order (RFC 7143, Sections 13.18 and 13.19); otherwise a count of bytes says it all.
type spans []span

// add enters n bytes at an offset. Bytes that were there already are an error, since two PDUs of different DataSN cannot both be right.
func (s *spans) add(offset, n int) error {
	if n == 0 {
		return nil
	}
	list := *s
	i, _ := slices.BinarySearchFunc(list, offset, func(e span, offset int) int { return e.from - offset })
	after := i < len(list) && list[i].from < offset+n
	before := i > 0 && list[i-1].to > offset
	if after || before {
		return &ProtocolError{
			Opcode: pdu.OpDataIn, Field: "Buffer Offset", Got: fmt.Sprintf("%d bytes at %d, some of them again", n, offset),
			Want: "each byte once", Clause: "RFC 7143, Section 11.7.6",
		}
	}
	joinsNext, joinsLast := i < len(list) && list[i].from == offset+n, i > 0 && list[i-1].to == offset
	switch {
	case joinsLast && joinsNext:
		list[i-1].to = list[i].to
		*s = slices.Delete(list, i, i+1)
	case joinsLast:
		list[i-1].to += n
	case joinsNext:
		list[i].from = offset
	case len(list) == spansMax:
		return &ProtocolError{
			Opcode: pdu.OpDataIn, Field: "Buffer Offset", Got: fmt.Sprintf("%d pieces apart from each other", spansMax+1),
			Want: fmt.Sprintf("at most %d", spansMax), Clause: "RFC 7143, Section 13.18",
		}
	default:
		*s = slices.Insert(list, i, span{offset, offset + n})
	}
	return nil
}

// remove takes n bytes at an offset out again, all of which are in.
func (s *spans) remove(offset, n int) {
	list := *s
	i, found := slices.BinarySearchFunc(list, offset, func(e span, offset int) int { return e.from - offset })
	if !found {
		i--
	}
	if n == 0 || i < 0 {
		return
	}
	e := list[i]
	var rest spans
	if e.from < offset {
		rest = append(rest, span{e.from, offset})
	}
	if offset+n < e.to {
		rest = append(rest, span{offset + n, e.to})
	}
	*s = slices.Replace(list, i, i+1, rest...)
}

// arrived counts the bytes from the front of the buffer that have come without a hole.
func (t *task) arrived() int {
	switch {
	case len(t.spans) == 0 && t.scattered:
		return 0
	case len(t.spans) == 0:
		return t.received
	case t.spans[0].from > 0:
		return 0
	}
	return t.spans[0].to
}
