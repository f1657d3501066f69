package faults

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// Position is a byte offset inside a PDU, from the PDU's start (Region empty) or from the start of one of its parts.
type Position struct {
	Region Region
	Offset int // at least 0
}

// Region is a part of a PDU as it travels.
type Region string

// The regions. A region that the PDU does not have is as long as nothing, at the place where it would be.
const (
	FromStart    Region = ""              // the basic header segment
	FromAHS      Region = "ahs"           // the additional header segments
	HeaderDigest Region = "header-digest" // the CRC32C over the headers
	FromData     Region = "data"          // the data segment
	FromPadding  Region = "padding"       // the zeros that fill the data segment up to whole words
	DataDigest   Region = "data-digest"   // the CRC32C over data and padding
	AtEnd        Region = "end"           // behind the PDU's last byte; the offset is 0
)

// String is the text form: "20", "data", "data+4", "end".
func (p Position) String() string {
	switch {
	case p.Region == FromStart:
		return strconv.Itoa(p.Offset)
	case p.Offset == 0:
		return string(p.Region)
	}
	return string(p.Region) + "+" + strconv.Itoa(p.Offset)
}

// ParsePosition reads what [Position.String] writes. The error is an *[Error].
func ParsePosition(s string) (Position, error) {
	region, offset, plus := strings.Cut(s, "+")
	if !plus && s != "" && s[0] >= '0' && s[0] <= '9' {
		region, offset, plus = "", s, true
	}
	p := Position{Region: Region(region)}
	bad := func(field, got, want string) (Position, error) {
		return Position{}, &Error{Text: s, Field: field, Got: got, Want: want}
	}
	switch p.Region {
	case FromStart, FromAHS, HeaderDigest, FromData, FromPadding, DataDigest:
	case AtEnd:
		if plus {
			return bad("byte", s, "end alone: nothing lies behind it")
		}
	default:
		return bad("region", strconv.Quote(region), "ahs, header-digest, data, padding, data-digest or end")
	}
	if plus {
		n, err := strconv.ParseUint(offset, 10, 24)
		if err != nil {
			return bad("offset", strconv.Quote(offset), fmt.Sprintf("a number from 0 to %d", sizeMax))
		}
		p.Offset = int(n)
	} else if region == "" {
		return bad("byte", "nothing", "an offset or a region")
	}
	return p, nil
}

// Locate gives the offset, from the PDU's first byte, of a position in a PDU whose first bytes and digests are known. If whole, the PDU has ended and size is its
// length in bytes. It reports false while the header is too short to tell; the offset may lie behind the PDU's end.
func (p Position) Locate(header []byte, d pdu.Digests, size int, whole bool) (int, bool) {
	if p.Region == FromStart {
		return p.Offset, true
	}
	if whole && p.Region == AtEnd {
		return size, true
	}
	if len(header) < pdu.BHSLength {
		return size, false
	}
	l := layoutOf((*pdu.BHS)(header[:pdu.BHSLength]), d)
	switch p.Region {
	case FromAHS:
		return pdu.BHSLength + p.Offset, true
	case HeaderDigest:
		return l.headerDigest + p.Offset, true
	case FromData:
		return l.data + p.Offset, true
	case FromPadding:
		return l.padding + p.Offset, true
	case DataDigest:
		return l.dataDigest + p.Offset, true
	}
	return l.end, true
}

// layout is where the parts of a PDU begin, in bytes from its start.
type layout struct{ headerDigest, data, padding, dataDigest, end int }

func layoutOf(h *pdu.BHS, d pdu.Digests) layout {
	var l layout
	l.headerDigest = pdu.BHSLength + h.TotalAHSLength()
	l.data = l.headerDigest
	if d.Header {
		l.data += 4
	}
	size := h.DataSegmentLength()
	l.padding = l.data + size
	l.dataDigest = l.data + (size+3)&^3
	l.end = l.dataDigest
	if d.Data && size > 0 {
		l.end += 4
	}
	return l
}
