package initiator

import (
	"errors"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// hugeWindow is how many commands a deviating initiator thinks it may send when its arithmetic has gone wrong.
const hugeWindow = 1 << 20

// deviatingWindow is the window's answer as a deviating initiator understands it. The mutex is held.
func (s *Session) deviatingWindow() bool {
	w, dev := &s.window, &s.dev.Sequencing
	switch {
	case dev.UnsignedWindow:
		return w.next <= w.max
	case dev.WindowOffByOne:
		return iscsi.SNLessEq(w.next, w.max+1)
	case dev.OneCommandAtATime && s.openCommands() > 0:
		return false
	}
	return w.open()
}

// openCommands counts the commands under way. The mutex is held.
func (s *Session) openCommands() int {
	n := 0
	for _, c := range s.conns {
		n += c.commands
	}
	return n
}

// departWindow takes in ExpCmdSN and MaxCmdSN as they must not be taken. The mutex is held.
func (s *Session) departWindow(exp, highest uint32) {
	w, dev := &s.window, &s.dev.Sequencing
	contradiction := iscsi.SNLess(highest, exp-1)
	switch {
	case dev.HugeWindow && contradiction:
		w.max = w.next + hugeWindow
	case dev.TrustStaleMaxCmdSN && !contradiction:
		w.max = highest
	}
}

// departCommand changes a command as a deviating initiator sends it. The mutex is held.
func (s *Session) departCommand(t *task, command *pdu.SCSICommand) {
	dev := &s.dev.Sequencing
	if dev.SetsNACA && s.params.MaxConnections > 1 {
		setNACA(&command.CDB)
	}
	switch {
	case dev.FrozenCmdSN && scsi.Opcode(command.CDB[0]) == scsi.OpTestUnitReady:
		s.window.next--
	case dev.LengthInBlocks && movesBlocks(command.CDB[0]):
		command.ExpectedDataTransferLength /= 512
	case dev.NoFinalOnWrites && command.Write:
		command.Final = false
	case dev.UndefinedAttribute:
		command.Attr = 7
	case dev.TruncateLUN:
		command.LUN = command.LUN >> 48 & 0xff << 48
	case dev.UrgentIsImmediate && command.Attr == pdu.AttrHeadOfQueue:
		command.Immediate = true
		s.window.next--
	}
}

// setNACA sets the NACA bit in the control byte, which stands last (SAM-5, Section 5.2).
func setNACA(cdb *[16]byte) {
	switch cdb[0] >> 5 {
	case 0:
		cdb[5] |= 4
	case 1, 2:
		cdb[9] |= 4
	}
}

// movesBlocks reports whether a command reads or writes blocks.
func movesBlocks(opcode byte) bool {
	switch scsi.Opcode(opcode) {
	case scsi.OpRead10, scsi.OpRead16, scsi.OpWrite10, scsi.OpWrite16:
		return true
	}
	return false
}

// count gives a task the next number of eight bits.
func (tt *taskTable) count(t *task) {
	if tt.counted == nil {
		tt.counted = map[uint32]*task{}
	}
	tt.counter = (tt.counter + 1) & 0xff
	t.itt = tt.counter
	tt.counted[t.itt] = t
}

// deviatingExpStatSN is what a deviating initiator acknowledges. The mutex is held.
func (c *connection) deviatingExpStatSN() uint32 {
	switch dev := &c.s.dev.Sequencing; {
	case dev.AcknowledgesOneLess:
		return c.expStatSN - 1
	case dev.ExpStatSNFromZero && c.expStatSN == c.firstStatSN:
		return 0
	}
	return c.expStatSN
}

// departResponse changes a SCSI Response into what a deviating initiator takes it for. The mutex is held.
func (c *connection) departResponse(h *pdu.BHS, p *pdu.SCSIResponse, data []byte) {
	dev := &c.s.dev.Sequencing
	switch {
	case dev.ResponseOpensWindow:
		c.s.window.max++
	case dev.QualifierHonoured && (h[8] != 0 || h[9] != 0):
		p.Response = pdu.ResponseTargetFailure
	case dev.SenseIsCheckCondition && len(data) > 2:
		p.Status = byte(scsi.StatusCheckCondition)
	}
}

// rejectFault tells a target of its fault with a PDU that only targets send, and gives it time to leave.
func (c *connection) rejectFault(err error) {
	var fault *ProtocolError
	if !errors.As(err, &fault) {
		return
	}
	var e sendEntry
	rejected := make([]byte, len(e.header))
	rejected[0] = byte(fault.Opcode)
	p := pdu.Reject{Reason: pdu.RejectProtocolError, Data: rejected}
	p.EncodeBHS(&e.header)
	e.data = rejected
	c.s.mu.Lock()
	c.send(e)
	c.s.mu.Unlock()
	time.Sleep(deviatingRest)
}
