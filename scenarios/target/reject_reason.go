package target

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// rejectReasonChecks are those of the group reject that are about reasons and what becomes of the task.
func rejectReasonChecks() []Check {
	return []Check{
		{ID: "reject.statsn.consumed", Run: rejectCounts},
		{ID: "reject.reason.withdrawn-not-used", Run: withdrawnReason},
		{ID: "reject.opcode.reserved-initiator-opcode", Run: func(t *T) {
			for _, op := range []byte{0x07, 0x0f, 0x1b, 0x1f} {
				t.Part(fmt.Sprintf("opcode 0x%02x", op), func() { t.refusesOpcode(op) })
			}
		}},
		{ID: "reject.opcode.target-opcode-from-initiator", Run: func(t *T) {
			for _, p := range []pdu.PDU{&pdu.SCSIResponse{ITT: 5}, &pdu.R2T{ITT: 5, TTT: 5, DesiredDataTransferLength: 512}, &pdu.LoginResponse{ITT: 5}} {
				t.Part(p.Opcode().String(), func() { t.refusesOwn(p) })
			}
		}},
		{ID: "reject.snack.at-level-zero", Risk: scenarios.Writes, Run: snackAtLevelZero},
		{ID: "reject.task.command-reject-leaves-gap", Run: rejectedCommandLeavesGap},
		{ID: "reject.task.terminated-task-gets-status", Risk: scenarios.Writes, Run: rejectedDataEndsTask},
		{ID: "reject.format.no-reject-of-reject-loop", Run: rejectOfReject},
		{ID: "reject.format.long-operation-out-of-resources", Run: manyOpenTexts},
		{ID: "reject.format.waiting-for-logout", Run: commandBeforeLogout},
	}
}

func rejectCounts(t *T) {
	for i := range 3 {
		c := t.Open(probe.Login{})
		frame := offences(c)[i]
		r := c.Execute(probe.TestUnitReady())
		t.answered(r)
		k, _ := statSNOf(r.Event.PDU)
		// A failed write shows in the next event.
		_ = c.SendFrame(frame)
		e := c.Await(t.Options().QuietTime, func(e probe.Event) bool { _, is := probe.As[*pdu.Reject](e); return is })
		reject, is := probe.As[*pdu.Reject](e)
		if !is {
			continue
		}
		r = c.Execute(probe.TestUnitReady())
		if !r.Answered {
			continue // a target may close the connection behind a Reject
		}
		if next, _ := statSNOf(r.Event.PDU); reject.StatSN != k+1 || next != k+2 {
			t.Fail(fmt.Sprintf("StatSN 0x%x, 0x%x in the Reject, 0x%x", k, reject.StatSN, next), "three numbers in a row")
		}
		if reject.ExpCmdSN != c.Session.CmdSN-1 {
			t.Fail(fmt.Sprintf("ExpCmdSN 0x%x in the Reject", reject.ExpCmdSN), fmt.Sprintf("ExpCmdSN 0x%x", c.Session.CmdSN-1))
		}
		return
	}
	t.Skip("No PDU that was tried brings about a Reject behind which the session goes on.")
}

func withdrawnReason(t *T) {
	seen := false
	for _, spoil := range []func(p *pdu.TextRequest){
		func(p *pdu.TextRequest) { p.TTT = 0x0badcafe },
		func(p *pdu.TextRequest) { p.Continue = true },
		func(p *pdu.TextRequest) { p.Data = Keys("MaxRecvDataSegmentLength=511").Append(nil) },
		func(p *pdu.TextRequest) { p.Data = []byte("no equals sign\x00") },
	} {
		c := t.Open(probe.Login{})
		request := c.TextRequest(Keys(unknownKey + "=1"))
		spoil(request)
		_, e := t.texted(c, request)
		reject, is := probe.As[*pdu.Reject](e)
		if !is {
			continue
		}
		seen = true
		if r := reject.Reason; r < pdu.RejectDataDigestError || r == pdu.RejectNegotiationReset || r > pdu.RejectWaitingForLogout {
			t.Fail(fmt.Sprintf("a Reject with reason 0x%02x", byte(r)), "reason 0x02 to 0x0a, or 0x0c")
		}
	}
	if !seen {
		t.Skip("No text that was tried brings about a Reject.")
	}
}

// foreignFrame makes an immediate PDU of any operation code.
func foreignFrame(c *probe.Conn, op byte) *pdu.Frame {
	var f pdu.Frame
	f.BHS[0], f.BHS[1] = 0x40|op, 0x80
	f.BHS.SetITT(c.NewTag())
	return &f
}

func (t *T) refusesOpcode(op byte) {
	c := t.Open(probe.Login{})
	// A failed write shows in the next event.
	_ = c.SendFrame(foreignFrame(c, op))
	e := c.Answer()
	if t.Rejected(e, true, pdu.RejectCommandNotSupported, pdu.RejectProtocolError, pdu.RejectInvalidPDUField) != nil {
		t.Check(c.Ping(nil), "a ping behind the Reject")
	}
}

func (t *T) refusesOwn(p pdu.PDU) {
	c := t.Open(probe.Login{})
	// A failed write shows in the next event.
	_ = c.Send(p)
	e, silent := c.AwaitSilence()
	if silent {
		t.Survives(c, "the connection")
		t.Warn("A PDU that only targets send is passed over in silence.", e, "a Reject", "a drop")
		return
	}
	if t.Rejected(e, true, pdu.RejectProtocolError, pdu.RejectCommandNotSupported, pdu.RejectInvalidPDUField) != nil {
		t.Survives(c, "the connection behind the Reject")
	}
}

func snackAtLevelZero(t *T) {
	c := t.Open(solicited("ErrorRecoveryLevel=0"))
	if level := c.Session.Params.ErrorRecoveryLevel; level != 0 {
		t.Skip("ErrorRecoveryLevel is %d.", level)
	}
	task, r2t := t.Held(c, 0, pattern(70, 4096), 0)
	snack := &pdu.SNACKRequest{LUN: task.PDU.LUN, ITT: task.PDU.ITT, TTT: pdu.ReservedTag, ExpStatSN: c.ExpStatSN, RunLength: 1}
	next := c.ExpStatSN
	// A failed write shows in the next event.
	_ = c.Send(snack)
	e, silent := c.AwaitSilence()
	switch p := e.PDU.(type) {
	case *pdu.Reject:
		t.soundReject(e, p, pdu.FrameOf(snack))
		if p.StatSN != next {
			t.Fail(fmt.Sprintf("a Reject with StatSN 0x%x", p.StatSN), fmt.Sprintf("StatSN 0x%x", next))
		}
	case *pdu.R2T:
		if p.TTT != r2t.TTT || p.BufferOffset != r2t.BufferOffset || p.R2TSN != r2t.R2TSN {
			t.Fail(e, "the R2T again")
		}
	case *pdu.SCSIResponse:
		t.Fail(e, "a Reject", "a drop")
	default:
		if e.Ended() {
			return
		}
		if !silent {
			t.Fail(e, "a Reject", "a drop")
		}
		t.Warn("A SNACK at recovery level 0 is passed over in silence.", e, "a Reject", "a drop")
	}
	task.Serve(r2t)
	if r := task.Await(); !r.Good() && !r.Check(scsi.ReadErrorFailedRetransmit) {
		t.Fail(r, "GOOD", "CHECK CONDITION, SNACK rejected")
	}
}

// rejectedCommands are commands that targets are known to reject.
func rejectedCommands() []probe.Command {
	unknownAHS := probe.TestUnitReady()
	unknownAHS.Patch = func(p *pdu.SCSICommand) {
		p.AHS = pdu.AppendAHS(nil, pdu.AHS{Type: 0x3f, Specific: make([]byte, 5)})
	}
	reserved := probe.TestUnitReady()
	reserved.Patch = func(p *pdu.SCSICommand) { p.ITT = pdu.ReservedTag }
	unasked := probe.TestUnitReady()
	unasked.Patch = func(p *pdu.SCSICommand) { p.Data = make([]byte, 512) }
	open := probe.Command{CDB: scsi.Inquiry(96), Read: 96}
	open.Patch = func(p *pdu.SCSICommand) { p.Final = false }
	return []probe.Command{unasked, open, unknownAHS, reserved}
}

func rejectedCommandLeavesGap(t *T) {
	for _, command := range rejectedCommands() {
		c := t.Open(probe.Login{})
		n := c.Session.CmdSN
		r := c.Execute(command)
		reject := r.Rejected()
		if reject == nil {
			continue
		}
		c.Session.CmdSN = n
		if reject.ExpCmdSN == n+1 {
			c.Session.CmdSN = n + 1
		}
		next := c.Execute(probe.TestUnitReady())
		switch {
		case reject.ExpCmdSN == n:
			if !next.Answered {
				t.Fail(next, "the command that fills the gap is executed")
			}
		case reject.ExpCmdSN == n+1 && next.Answered:
			t.Warn("The CmdSN of a rejected command counts as received.", "ExpCmdSN n+1, and the session goes on from there", "ExpCmdSN n")
		default:
			t.Fail(fmt.Sprintf("ExpCmdSN 0x%x in the Reject of CmdSN 0x%x, then %v", reject.ExpCmdSN, n, next), fmt.Sprintf("ExpCmdSN 0x%x", n))
		}
		return
	}
	t.Skip("No command that was tried brings about a Reject.")
}

func rejectedDataEndsTask(t *T) {
	for _, spoil := range []func(p *pdu.DataOut){func(p *pdu.DataOut) { p.TTT ^= 0x5a5a5a5a }, func(p *pdu.DataOut) { p.BufferOffset += 1024 }} {
		c := t.Open(solicited())
		task, r2t := t.Held(c, 0, pattern(71, 4096), 0)
		for _, p := range task.DataOut(r2t.TTT, int(r2t.BufferOffset), 512) {
			spoil(p)
			p.Final = false
			// A failed write shows in the next event.
			_ = c.Send(p)
		}
		e := c.Await(t.Options().QuietTime, func(e probe.Event) bool { _, is := probe.As[*pdu.Reject](e); return is })
		if e.Kind == probe.Arrived {
			task.Serve(r2t)
			t.comesToEnd(c, task)
			return
		}
	}
	t.Skip("No data that was tried brings about a Reject.")
}

// comesToEnd ends the part unless a task gets its status within 30 s, or the target drops the connection.
func (t *T) comesToEnd(c *probe.Conn, task *probe.Task) {
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); {
		switch r := task.Await(); {
		case r.Answered, r.Event.Ended():
			return
		case r.Event.Kind != probe.TimedOut && r.Rejected() == nil: // a further Reject of the data is passed by
			t.Fail(r, "a status", "a drop")
		}
	}
	response, e := c.Manage(c.TaskManagement(pdu.FunctionAbortTask, task.PDU.ITT, task.PDU.CmdSN))
	if e.Ended() {
		return
	}
	what := "no status within 30 s"
	if response != nil && response.Response == pdu.TaskResponseNoTask {
		what += ", and the target does not know the task any more"
	}
	t.Fail(what, "a status", "an R2T", "a drop")
}

func rejectOfReject(t *T) {
	c := t.Open(probe.Login{})
	// A failed write shows in the next event.
	_ = c.Send(&pdu.Reject{Reason: pdu.RejectProtocolError, Data: make([]byte, pdu.BHSLength)})
	t.Quiet(c)
	count := 0
	for _, s := range t.Received(c) {
		if _, is := s.PDU.(*pdu.Reject); is {
			count++
		}
	}
	if count > 1 {
		t.Warn("One Reject is answered with several.", fmt.Sprintf("%d", count), "one at most")
	}
}

func manyOpenTexts(t *T) {
	c := t.Open(probe.Login{})
	for range 100 {
		response, e := t.texted(c, openText(c, text.Pairs{{Key: unknownKey, Value: "1"}}))
		if _, rejected := probe.As[*pdu.Reject](e); rejected {
			c.Session.CmdSN = c.Session.ExpCmdSN // what is rejected does not count
		} else if e.Ended() {
			break
		} else if response == nil {
			t.FailFirmly(e, "a Text Response", "a Reject", "a drop")
		}
	}
	if r := t.Login(probe.Login{}); !r.Granted() {
		t.FailFirmly(r, "a new session")
	}
}

func commandBeforeLogout(t *T) {
	c := t.Open(probe.Login{})
	t.asyncOf(c, simtarget.Async{Event: pdu.AsyncLogoutRequest})
	r := c.Execute(probe.TestUnitReady())
	if reject := r.Rejected(); reject != nil {
		if reject.Reason != pdu.RejectWaitingForLogout {
			t.Warn("A command is rejected with another reason while a logout is awaited.", r, "a Reject with reason 0x0c", "its execution")
		}
		c.Session.CmdSN = reject.ExpCmdSN
	}
	response, e := c.Logout(pdu.LogoutCloseSession, c.CID)
	if response == nil && !e.Ended() {
		t.FailFirmly(e, "a Logout Response")
	}
}
