package simtarget

import "github.com/iscsispec/iscsispec/iscsi/pdu"

// IntegrityDeviations are faults with PDUs whose digests are wrong, and with commands that come twice.
type IntegrityDeviations struct {
	// DigestBehindBHS expects the header digest directly behind the basic header segment: a PDU with an AHS ends the connection.
	DigestBehindBHS bool
	// OverlookHeader executes PDUs whose header digest is wrong, OverlookWriteHeader only SCSI Commands with the W bit.
	OverlookHeader, OverlookWriteHeader bool
	// TakeDamagedCommand executes commands whose immediate data has a wrong digest.
	TakeDamagedCommand bool
	// TakeDamagedData stores Data-Out whose digest is wrong, TakeDamagedUnsolicited only where it is unsolicited.
	TakeDamagedData, TakeDamagedUnsolicited bool
	// TakeDamagedPing answers NOP-Outs and Text Requests whose data has a wrong digest.
	TakeDamagedPing bool
	// RecoverFromStart asks from the first byte of the write on in recovery R2Ts, and numbers them 0.
	RecoverFromStart bool
	// StartDuplicate starts a second task for a command that comes again while it is in progress.
	StartDuplicate bool
	// RestartOnDuplicate counts the data of a write from the start of its bursts when the command comes again.
	RestartOnDuplicate bool
	// CountDamaged counts the CmdSN of a command that is rejected for a wrong data digest as received.
	CountDamaged bool
}

// overlooks reports whether a header whose digest is wrong is taken for right.
func (d *IntegrityDeviations) overlooks(h *pdu.BHS) bool {
	return d.OverlookHeader || d.OverlookWriteHeader && h.Opcode() == pdu.OpSCSICommand && h[1]&0x20 != 0
}

// takes reports whether data whose digest is wrong is taken for right.
func (d *IntegrityDeviations) takes(h *pdu.BHS) bool {
	switch h.Opcode() {
	case pdu.OpSCSICommand:
		return d.TakeDamagedCommand
	case pdu.OpDataOut:
		return d.TakeDamagedData || d.TakeDamagedUnsolicited && word(h, 20) == pdu.ReservedTag
	case pdu.OpNOPOut, pdu.OpTextRequest:
		return d.TakeDamagedPing
	}
	return false
}

// again is where a faulty array acts on a command that came before.
func (d *IntegrityDeviations) again(s *session, c *connection, r *request) {
	if r.bhs.Opcode() != pdu.OpSCSICommand {
		return
	}
	old := s.tasks.find(r.bhs.ITT())
	if old == nil {
		return
	}
	if d.RestartOnDuplicate {
		for i := range old.transfer.r2ts {
			burst := &old.transfer.r2ts[i]
			burst.got, burst.dataSN = burst.from, 0
		}
	}
	if k, err := s.newTask(&r.bhs, r.ahs); d.StartDuplicate && err == nil {
		k.conn = c
		k.transfer.begin(s, c, k, true, r.data)
		s.tasks.add(k)
		s.start(c, k)
	}
}
