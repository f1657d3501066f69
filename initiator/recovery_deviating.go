package initiator

import "github.com/iscsispec/iscsispec/iscsi/pdu"

// askForR2Ts is the defect SNACKOnSilence.
func (c *connection) askForR2Ts() {
	for _, t := range c.s.tasks.slots {
		if t.kind == taskSCSI && t.conn == c && t.req != nil && t.solicited < len(t.req.Write) && t.dataSN == 0 {
			c.sendSNACK(&pdu.SNACKRequest{Type: pdu.SNACKData, ITT: t.itt, TTT: pdu.ReservedTag, RunLength: 1})
		}
	}
}

// ownNumber is the defect CmdSNPerConnection.
func (c *connection) ownNumber() uint32 {
	if c.ownCmdSN == 0 {
		c.ownCmdSN = c.s.window.next - 1
	}
	c.ownCmdSN++
	return c.ownCmdSN - 1
}
