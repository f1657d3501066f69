package initiator

import (
	"fmt"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// rejectSNACKChecks are those of the group reject at ErrorRecoveryLevel 1.
func rejectSNACKChecks() []Check {
	base, driver := level(1)
	return []Check{{ID: "reject.snack", Base: base, Driver: driver, Run: rejectedSNACK, Defects: []func(*ini.Deviations){func(d *ini.Deviations) {
		d.Reject.SNACKAgain, d.Recovery.SNACKForever = true, true
	}}}}
}

// snacksMax is how often an initiator may ask for data that it was refused.
const snacksMax = 5

// rejectedSNACK leaves a Data-In out, sends the status all the same, and rejects every SNACK.
func rejectedSNACK(t *T) {
	const lost = 3
	c := t.sessionAt(1)
	op := t.Start(Read{Blocks: pieceBlocks})
	task := c.Read()
	for n := range uint32(pieces) {
		if n != lost {
			c.piece(task, n)
		}
	}
	task.dataSN, task.moved = pieces, task.Length()
	c.whole(task)
	asked := 0
	for end := t.Now() + 4*AnswerTime; !op.Ended() && t.Now() < end; {
		e := c.TryNext(time.Second, pdu.OpSNACKRequest, pdu.OpTaskManagementRequest, pdu.OpSCSICommand, pdu.OpLogoutRequest)
		if e.Ended() {
			_ = c.Close() // the array's side ends too
			break
		}
		switch p := e.PDU.(type) {
		case *pdu.SNACKRequest:
			if asked++; asked > snacksMax {
				t.Fail(fmt.Sprintf("%d SNACKs, all but the last rejected", asked), fmt.Sprintf("at most %d", snacksMax))
			}
			c.Reject(e, pdu.RejectSNACK)
		case *pdu.TaskManagementRequest:
			c.Manage(p, pdu.TaskResponseComplete)
		case *pdu.LogoutRequest:
			c.Logout(p, pdu.LogoutSuccess)
		case *pdu.SCSICommand:
			if p.CmdSN == task.PDU.CmdSN {
				t.Fail(e, "a new CmdSN for a new attempt, since the target has received the command")
			}
			c.Good(c.task(e))
		}
	}
	if asked == 0 && !t.Own() {
		t.Skip("NOT-TESTABLE: no SNACK was sent.")
	}
	t.neverWrong(op)
	t.RAlive()
}
