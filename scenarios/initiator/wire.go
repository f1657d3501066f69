package initiator

import (
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// commandOf tells the operation code of a SCSI Command; false for other PDUs.
func commandOf(p pdu.PDU) (scsi.Opcode, bool) {
	c, is := p.(*pdu.SCSICommand)
	if !is {
		return 0, false
	}
	return scsi.Opcode(c.CDB[0]), true
}
