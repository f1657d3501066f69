package faults

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// opcodes is a set of operation codes.
type opcodes uint64

func opcodesOf(ops ...pdu.Opcode) opcodes {
	var s opcodes
	for _, op := range ops {
		s |= 1 << op
	}
	return s
}

func (s opcodes) has(op pdu.Opcode) bool { return s>>op&1 != 0 }

// headerField is a field of the basic header segment that a predicate may name.
type headerField struct {
	name        string
	flag        bool // one bit: it stands alone in a predicate
	hexadecimal bool // prints so
	places      []fieldPlace
}

// fieldPlace is where a field lies in the PDUs of some operation codes: so many bytes in network byte order, shifted to the right, then masked.
type fieldPlace struct {
	ops      opcodes
	at, size int
	shift    uint
	mask     uint64
}

// in tells whether PDUs of the operation code have the field.
func (f headerField) in(op pdu.Opcode) bool {
	return slices.ContainsFunc(f.places, func(p fieldPlace) bool { return p.ops.has(op) })
}

// read gives the field's value, or reports that the PDU has no such field.
func (f headerField) read(h *pdu.BHS) (uint64, bool) {
	op := h.Opcode()
	for _, p := range f.places {
		if !p.ops.has(op) {
			continue
		}
		v := uint64(0)
		for _, b := range h[p.at : p.at+p.size] {
			v = v<<8 | uint64(b)
		}
		if f.name == "lun" {
			return flatLUN(v), true
		}
		return v >> p.shift & p.mask, true
	}
	return 0, false
}

// flatLUN gives the number of a single-level LUN in peripheral or flat addressing (SAM-5, Section 4.7), and all eight bytes of any other.
func flatLUN(lun uint64) uint64 {
	if first := lun >> 48; lun<<16 == 0 && first < 0x8000 && (first&0x4000 != 0 || first < 0x0100) {
		return first & 0x3fff
	}
	return lun
}

// carriesText tells whether a PDU's data segment is text.
func carriesText(op pdu.Opcode) bool { return textPDUs.has(op) }

// The groups of PDUs that share fields. RFC 7143, Section 11.
var (
	requests = opcodesOf(pdu.OpNOPOut, pdu.OpSCSICommand, pdu.OpTaskManagementRequest, pdu.OpLoginRequest, pdu.OpTextRequest, pdu.OpDataOut,
		pdu.OpLogoutRequest, pdu.OpSNACKRequest)
	responses = opcodesOf(pdu.OpNOPIn, pdu.OpSCSIResponse, pdu.OpTaskManagementResponse, pdu.OpLoginResponse, pdu.OpTextResponse, pdu.OpDataIn,
		pdu.OpLogoutResponse, pdu.OpR2T, pdu.OpAsyncMessage, pdu.OpReject)
	numbered  = requests &^ opcodesOf(pdu.OpDataOut, pdu.OpSNACKRequest) // those with a CmdSN and an I bit
	loginPDUs = opcodesOf(pdu.OpLoginRequest, pdu.OpLoginResponse)
	textPDUs  = loginPDUs | opcodesOf(pdu.OpTextRequest, pdu.OpTextResponse)
	tagged    = opcodesOf(pdu.OpNOPOut, pdu.OpTextRequest, pdu.OpDataOut, pdu.OpSNACKRequest, pdu.OpNOPIn, pdu.OpTextResponse, pdu.OpDataIn, pdu.OpR2T)
	addressed = opcodesOf(pdu.OpNOPOut, pdu.OpSCSICommand, pdu.OpTaskManagementRequest, pdu.OpTextRequest, pdu.OpDataOut, pdu.OpSNACKRequest,
		pdu.OpNOPIn, pdu.OpTextResponse, pdu.OpDataIn, pdu.OpR2T, pdu.OpAsyncMessage)
)

func bit(name string, at int, mask uint64, ops opcodes) headerField {
	return headerField{name: name, flag: true, places: []fieldPlace{{ops: ops, at: at, size: 1, mask: mask}}}
}

func word(name string, at, size int, ops opcodes) headerField {
	return headerField{name: name, places: []fieldPlace{{ops: ops, at: at, size: size, mask: 1<<(8*size) - 1}}}
}

func hexadecimal(f headerField) headerField {
	f.hexadecimal = true
	return f
}

// also adds a further place to a field.
func (f headerField) also(at, size int, shift uint, mask uint64, ops ...pdu.Opcode) headerField {
	f.places = append(f.places, fieldPlace{ops: opcodesOf(ops...), at: at, size: size, shift: shift, mask: mask})
	return f
}

// headerFields are the fields that predicates know, in the order in which they are told.
var headerFields = []headerField{
	bit("final", 1, 0x80, (requests|responses)&^loginPDUs),
	bit("immediate", 0, 0x40, numbered),
	bit("transit", 1, 0x80, loginPDUs),
	bit("continue", 1, 0x40, textPDUs),
	bit("read", 1, 0x40, opcodesOf(pdu.OpSCSICommand)),
	bit("write", 1, 0x20, opcodesOf(pdu.OpSCSICommand)),
	bit("acknowledge", 1, 0x40, opcodesOf(pdu.OpDataIn)),
	bit("status-present", 1, 0x01, opcodesOf(pdu.OpDataIn)),
	headerField{name: "csg"}.also(1, 1, 2, 3, pdu.OpLoginRequest, pdu.OpLoginResponse),
	headerField{name: "nsg"}.also(1, 1, 0, 3, pdu.OpLoginRequest, pdu.OpLoginResponse),
	word("ahs-words", 4, 1, requests|responses),
	word("length", 5, 3, requests|responses),
	word("lun", 8, 8, addressed),
	hexadecimal(word("isid", 8, 6, loginPDUs)),
	word("tsih", 14, 2, loginPDUs),
	hexadecimal(word("itt", 16, 4, requests|responses)),
	hexadecimal(word("ttt", 20, 4, tagged)),
	hexadecimal(word("referenced-tag", 20, 4, opcodesOf(pdu.OpTaskManagementRequest))),
	word("cid", 20, 2, opcodesOf(pdu.OpLoginRequest, pdu.OpLogoutRequest)),
	word("transfer", 20, 4, opcodesOf(pdu.OpSCSICommand)).also(44, 4, 0, 1<<32-1, pdu.OpR2T),
	word("cmdsn", 24, 4, numbered),
	word("expstatsn", 28, 4, requests),
	word("statsn", 24, 4, responses),
	word("expcmdsn", 28, 4, responses),
	word("maxcmdsn", 32, 4, responses),
	word("datasn", 36, 4, opcodesOf(pdu.OpDataOut, pdu.OpDataIn)),
	word("r2tsn", 36, 4, opcodesOf(pdu.OpR2T)),
	word("expdatasn", 36, 4, opcodesOf(pdu.OpSCSIResponse)),
	word("offset", 40, 4, opcodesOf(pdu.OpDataOut, pdu.OpDataIn, pdu.OpR2T)),
	word("residual", 44, 4, opcodesOf(pdu.OpSCSIResponse, pdu.OpDataIn)),
	hexadecimal(word("cdb", 32, 1, opcodesOf(pdu.OpSCSICommand))),
	hexadecimal(word("status", 36, 2, opcodesOf(pdu.OpLoginResponse)).also(3, 1, 0, 0xff, pdu.OpSCSIResponse, pdu.OpDataIn)),
	word("response", 2, 1, opcodesOf(pdu.OpSCSIResponse, pdu.OpTaskManagementResponse, pdu.OpLogoutResponse)),
	headerField{name: "reason"}.also(1, 1, 0, 0x7f, pdu.OpLogoutRequest).also(2, 1, 0, 0xff, pdu.OpReject),
	headerField{name: "function"}.also(1, 1, 0, 0x7f, pdu.OpTaskManagementRequest),
	word("event", 36, 1, opcodesOf(pdu.OpAsyncMessage)),
	headerField{name: "snack-type"}.also(1, 1, 0, 0x0f, pdu.OpSNACKRequest),
}

func headerFieldNamed(name string) (headerField, bool) {
	i := slices.IndexFunc(headerFields, func(f headerField) bool { return f.name == name })
	if i < 0 {
		return headerField{}, false
	}
	return headerFields[i], true
}

// PredicateFields are the names of the header fields that a [Predicate] knows: flags first, then numbers. transfer is the Expected Data Transfer Length of
// a SCSI Command and the Desired one of an R2T; status is a SCSI status, or in a Login Response the class times 256 plus the detail; cdb is the SCSI
// operation code; lun is the number of a peripheral or flat LUN.
func PredicateFields() []string {
	names := make([]string, len(headerFields))
	for i, f := range headerFields {
		names[i] = f.name
	}
	return names
}
