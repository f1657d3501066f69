package monitor

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/trace"
)

// The rules about the form of single PDUs. They rest on nothing but the PDU itself.
var (
	targetOpcodes = rule{side: target, row: "robustness.sender.only-target-opcodes", name: "operation codes of a target",
		clause: "RFC 7143, Section 11.2.1.2", spoils: everything}
	noStrayData = rule{side: target, row: "robustness.sender.no-ahs-no-stray-data", name: "no stray segments", clause: "RFC 7143, Section 11.2"}
	targetZeros = rule{side: target, row: "robustness.reserved.zero-in-target-pdus", name: "reserved fields", clause: "RFC 7143, Section 11", lenient: true}
	targetPad   = rule{side: target, row: "data-in.padding.zero-filled", name: "padding", clause: "RFC 7143, Section 11.1"}
	headerCRC   = rule{side: target, row: "digest.crc32c.header-value-correct", name: "header digest", clause: "RFC 7143, Section 11.2.3", spoils: everything}
	dataCRC     = rule{side: target, row: "digest.crc32c.data-value-correct", name: "data digest", clause: "RFC 7143, Section 11.2.3", spoils: everything}

	initiatorOpcodes = rule{side: initiator, row: "cmd.only-initiator-opcodes", name: "operation codes of an initiator",
		clause: "RFC 7143, Section 11.2.1.2", spoils: everything}
	initiatorZeros = rule{side: initiator, row: "cmd.reserved-zero", name: "reserved fields", clause: "RFC 7143, Section 11"}
	noStrayAHS     = rule{side: initiator, row: "cmd.reserved-zero", name: "TotalAHSLength", clause: "RFC 7143, Section 11.2.1.5", spoils: everything}
	initiatorPad   = rule{side: initiator, row: "cmd.padding", name: "padding", clause: "RFC 7143, Section 11.1"}
	initiatorCRC   = rule{side: initiator, row: "digest.sent-correct", name: "digests", clause: "RFC 7143, Section 11.2.3", spoils: everything}
)

// form looks at one PDU by itself.
func (c *conn) form(from side, p *trace.PDU) {
	op := p.Opcode()
	if from == initiator {
		switch {
		case op.Known() && !op.FromTarget():
		case op >= 0x1c && op <= 0x1e: // a vendor's own
			c.spoil(initiator, everything)
		default:
			c.broken(&initiatorOpcodes, "opcode 0x%02x", byte(op))
			return
		}
		if op != pdu.OpSCSICommand && p.Header.TotalAHSLength() != 0 {
			c.broken(&noStrayAHS, "%s with TotalAHSLength %d", op, p.Header.TotalAHSLength()/4)
		}
		c.zeros(&initiatorZeros, &p.Header, initiatorReserved[op], initiatorBits[op])
		c.padding(&initiatorPad, p)
		c.digests(&initiatorCRC, &initiatorCRC, p)
		return
	}
	switch {
	case op.Known() && op.FromTarget():
	case op >= 0x3c && op <= 0x3e: // a vendor's own
		c.spoil(target, everything)
	default:
		c.broken(&targetOpcodes, "opcode 0x%02x", byte(op))
		return
	}
	if n := p.Header.TotalAHSLength(); n != 0 {
		c.broken(&noStrayData, "%s with TotalAHSLength %d", op, n/4)
	}
	switch op {
	case pdu.OpR2T, pdu.OpTaskManagementResponse, pdu.OpLogoutResponse:
		if n := p.Header.DataSegmentLength(); n != 0 {
			c.broken(&noStrayData, "%s with %d bytes of data", op, n)
		}
	}
	c.zeros(&targetZeros, &p.Header, targetReserved[op], targetBits[op])
	c.padding(&targetPad, p)
	c.digests(&headerCRC, &dataCRC, p)
}

// The bytes that the formats reserve without any condition, as ranges, and the bits of the second byte (RFC 7143, Sections 11.3 to 11.19).
var (
	targetReserved = [64][][2]int{
		pdu.OpNOPIn:                  {{2, 4}, {36, 48}},
		pdu.OpTaskManagementResponse: {{3, 4}, {11, 16}, {20, 24}, {36, 48}}, // 8 to 10 belong to RFC 7144
		pdu.OpLoginResponse:          {{20, 24}, {38, 48}},
		pdu.OpTextResponse:           {{2, 4}, {36, 48}},
		pdu.OpDataIn:                 {{2, 3}},
		pdu.OpLogoutResponse:         {{3, 4}, {8, 16}, {20, 24}, {36, 40}, {44, 48}},
		pdu.OpR2T:                    {{2, 4}},
		pdu.OpAsyncMessage:           {{2, 4}, {20, 24}, {44, 48}},
		pdu.OpReject:                 {{3, 4}, {8, 16}, {20, 24}, {40, 48}},
	}
	targetBits = [64]byte{pdu.OpNOPIn: 0x7f, pdu.OpSCSIResponse: 0x61, pdu.OpTaskManagementResponse: 0x7f, pdu.OpLoginResponse: 0x30,
		pdu.OpTextResponse: 0x3f, pdu.OpDataIn: 0x38, pdu.OpLogoutResponse: 0x7f, pdu.OpR2T: 0x7f, pdu.OpAsyncMessage: 0x7f, pdu.OpReject: 0x7f}

	initiatorReserved = [64][][2]int{
		pdu.OpNOPOut:                {{2, 4}, {32, 48}},
		pdu.OpSCSICommand:           {{2, 4}},
		pdu.OpTaskManagementRequest: {{2, 4}, {44, 48}},
		pdu.OpLoginRequest:          {{22, 24}, {32, 48}},
		pdu.OpTextRequest:           {{2, 4}, {32, 48}},
		pdu.OpDataOut:               {{2, 4}, {24, 28}, {32, 36}, {44, 48}},
		pdu.OpLogoutRequest:         {{2, 4}, {8, 16}, {22, 24}, {32, 48}},
		pdu.OpSNACKRequest:          {{2, 4}, {24, 28}, {32, 40}},
	}
	initiatorBits = [64]byte{pdu.OpNOPOut: 0x7f, pdu.OpSCSICommand: 0x18, pdu.OpLoginRequest: 0x30, pdu.OpTextRequest: 0x3f,
		pdu.OpDataOut: 0x7f, pdu.OpSNACKRequest: 0x70}
)

// zeros holds reserved bytes and bits to be zero.
func (c *conn) zeros(r *rule, h *pdu.BHS, ranges [][2]int, bits byte) {
	if set := h[1] & bits; set != 0 {
		c.broken(r, "%s: the reserved bits 0x%02x of byte 1 are set", h.Opcode(), set)
		return
	}
	for _, bounds := range ranges {
		for i := bounds[0]; i < bounds[1]; i++ {
			if h[i] != 0 {
				c.broken(r, "%s: byte %d, which is reserved, is 0x%02x", h.Opcode(), i, h[i])
				return
			}
		}
	}
}

// padding holds the bytes behind the data to be zero. RFC 7143, Section 11.1: "should" is the word, and a receiver need not look.
func (c *conn) padding(r *rule, p *trace.PDU) {
	if p.Pad == nil || p.Cut > 0 {
		return
	}
	if len(p.Pad) != -len(p.Data)&3 {
		return // the end of a connection, or a length that lies: framing shows elsewhere
	}
	c.warned(r, "%s: the padding is % x", p.Opcode(), p.Pad)
}

// digests holds the checksums that are there to be right.
func (c *conn) digests(header, data *rule, p *trace.PDU) {
	if p.HeaderDigest != nil {
		if want := pdu.Checksum(p.Header[:], p.AHS); *p.HeaderDigest != want {
			c.broken(header, "%s: header digest 0x%08x, want 0x%08x", p.Opcode(), *p.HeaderDigest, want)
		}
	}
	if p.DataDigest != nil && p.Cut == 0 {
		pad := p.Pad
		if pad == nil {
			pad = noPad[:-len(p.Data)&3]
		}
		if want := pdu.Checksum(p.Data, pad); *p.DataDigest != want {
			c.broken(data, "%s: data digest 0x%08x, want 0x%08x", p.Opcode(), *p.DataDigest, want)
		}
	}
}

var noPad [3]byte

// hex prints a tag or a number as ladders show it.
func hex(n uint32) string { return fmt.Sprintf("0x%08x", n) }
