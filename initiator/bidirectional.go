package initiator

import "github.com/iscsispec/iscsispec/iscsi/pdu"

// maxCDBLength is the longest command descriptor block in bytes: one of variable length whose own length byte is at its most.
const maxCDBLength = 260

// extend makes the additional header segments of a command whose CDB is long or that transfers both ways (RFC 7143, Section 11.2.2). They
// stay in the request until it is submitted again.
func (r *Request) extend(command *pdu.SCSICommand, dev *SequencingDeviations) {
	if len(r.CDB) > len(command.CDB) {
		command.SetFullCDB(r.CDB)
	}
	if command.Read && command.Write {
		command.ExpectedDataTransferLength = uint32(len(r.Write))
		command.SetExpectedReadDataLength(uint32(len(r.Read)))
	}
	r.task.ahs = command.AHS
	if dev.ShortAHSLength && len(r.CDB) > len(command.CDB) {
		r.task.ahs[1]--
	}
}

// residuals are what a SCSI Response, or the last Data-In in its place, says about bytes that were not transferred. In a Data-In there is
// no room for those of the read part of a bidirectional command (RFC 7143, Sections 11.4.5 and 11.7.6).
type residuals struct {
	overflow, underflow         bool
	count                       uint32
	readOverflow, readUnderflow bool
	readCount                   uint32
}

func residualsOf(p *pdu.SCSIResponse) residuals {
	return residuals{p.Overflow, p.Underflow, p.ResidualCount, p.BidiOverflow, p.BidiUnderflow, p.BidiReadResidualCount}
}

// check finds flags that exclude each other.
func (r *residuals) check(op pdu.Opcode) error {
	if r.overflow && r.underflow {
		return bothResiduals(op, "O and U")
	}
	if r.readOverflow && r.readUnderflow {
		return bothResiduals(op, "o and u")
	}
	return nil
}

func bothResiduals(op pdu.Opcode, flags string) error {
	return &ProtocolError{Opcode: op, Field: flags, Got: "both 1", Want: "at most one", Clause: "RFC 7143, Section 11.4.1"}
}
