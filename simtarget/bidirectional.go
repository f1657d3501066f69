package simtarget

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// This file is what additional header segments bring: CDBs of more than 16 bytes, and the read length of commands that transfer in both
// directions (RFC 7143, Section 11.2.2).

// cdbMax is the longest CDB (SPC-4, Section 4.2.3).
const cdbMax = 260

// extend takes what the additional header segments of a command say.
func (k *task) extend(p *pdu.SCSICommand) error {
	if err := soundAHS(p.AHS); err != nil {
		return err
	}
	full, err := p.FullCDB()
	if err != nil {
		return err
	}
	if len(full) > cdbMax {
		return &pdu.FormatError{Opcode: pdu.OpSCSICommand, Field: "length of the CDB", Got: fmt.Sprint(len(full)), Want: fmt.Sprintf("at most %d", cdbMax),
			Clause: "RFC 7143, Section 11.2.2.3"}
	}
	if len(full) > len(k.cdbBuf) {
		k.cdb = append([]byte(nil), full...)
	}
	length, both, err := p.ExpectedReadDataLength()
	if err != nil {
		return err
	}
	if k.bidi = k.read && k.write; k.bidi != both {
		return &pdu.FormatError{Opcode: pdu.OpSCSICommand, Field: "expected read data length", Got: fmt.Sprintf("R=%t, W=%t, segment present: %t", k.read, k.write, both),
			Want: "a segment with R=1 and W=1, and only then", Clause: "RFC 7143, Section 11.2.2.4"}
	}
	k.readLength = length
	return nil
}

// receives is how many bytes of read data the initiator takes of a command that reads.
func (k *task) receives() int {
	if k.bidi {
		return int(k.readLength)
	}
	return int(k.edtl)
}

// dataSN numbers the Data-In PDUs of a command. Those of a bidirectional command share their numbers with its R2Ts (RFC 7143,
// Section 11.7.5).
func (k *task) dataSN(pieces int) uint32 {
	if k.bidi && !k.conn.array.dev.DataIn.SeparateNumbers {
		return k.transfer.r2tSN + uint32(pieces)
	}
	return uint32(pieces)
}

// both fills in what the SCSI Response of a bidirectional command tells beside the residual of its write part (RFC 7143, Section 11.4.5.2).
// ExpDataSN counts its Data-In PDUs alone, though they share their numbers with R2Ts (RFC 7143, Section 11.4.8).
func (k *task) both(p *pdu.SCSIResponse) {
	presented := 0
	if k.device.Status == scsi.StatusGood {
		presented = len(k.device.DataIn)
	}
	expected := int(k.readLength)
	switch {
	case presented > expected:
		p.BidiOverflow, p.BidiReadResidualCount = true, uint32(presented-expected)
	case presented < expected:
		p.BidiUnderflow, p.BidiReadResidualCount = true, uint32(expected-presented)
	}
}
