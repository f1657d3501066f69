package target

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// This file is about what a task does not take along when it is reassigned.

// snackTagForgotten is recovery.reassign.snack-tag-zero.
func snackTagForgotten(t *T) {
	const tag = 0x11
	first, second := t.paired("MaxRecvDataSegmentLength=4096")
	first.HoldExpStatSN = true
	read := t.Good(first.Execute(t.Read(first, 0, 16<<10)), "a READ")
	itt := read.Task.PDU.ITT
	if r := first.Text(Keys("MaxRecvDataSegmentLength=512")); !r.Complete {
		t.Skip("The target takes no new MaxRecvDataSegmentLength in full feature phase: %v.", r.Event)
	}
	r := t.snack(first, &pdu.SNACKRequest{Type: pdu.SNACKRData, ITT: itt, TTT: tag}, func(seen []probe.Event) bool {
		p, is := probe.As[*pdu.SCSIResponse](seen[len(seen)-1])
		return is && p.ITT == itt
	})
	if !r.whole {
		t.Skip("The target does not serve an R-Data SNACK: %v.", r)
	}
	// Where the transport cannot reset, a close is as abrupt.
	_ = first.Reset()
	if !t.freed(second, first.CID) || !t.taken(t.reassigned(second, itt, 0)) {
		return
	}
	again := &probe.Task{Conn: second, Command: read.Task.Command, PDU: read.Task.PDU}
	result := t.Good(again.Await(), "the read that was reassigned")
	if status, is := result.Event.PDU.(*pdu.SCSIResponse); is && status.SNACKTag != 0 {
		t.Fail(fmt.Sprintf("a SCSI Response with SNACK Tag 0x%x", status.SNACKTag), "SNACK Tag 0")
	}
	t.Survives(second, "the connection that took the task over")
}

// immediateEnds is recovery.reassign.immediate-commands-end.
func immediateEnds(t *T) {
	first, second := t.paired()
	command, err := first.WriteCommand(0, pattern(83, 4096))
	t.Check(err, "the size of the logical unit")
	command.Immediate = true
	task := first.Start(command)
	e := first.AnswerTo(task.PDU.ITT)
	if _, is := probe.As[*pdu.R2T](e); !is {
		t.Skip("An immediate WRITE does not wait for its data: %v.", e)
	}
	cid := first.CID
	// Where the transport cannot reset, a close is as abrupt.
	_ = first.Reset()
	t.idle(time.Second, second) // so that the loss, and not the logout, is what ends the connection
	if !t.freed(second, cid) {
		return
	}
	want := "task does not exist"
	switch code := t.reassigned(second, task.PDU.ITT, 0); code {
	case pdu.TaskResponseNoTask:
	case pdu.TaskResponseComplete:
		t.Fail(code, want)
	default:
		t.Warn("An immediate command that ended with its connection is not answered for as one that does not exist.", code, want)
	}
	t.Quiet(second)
	if late := ofTask(t.Received(second), task.PDU.ITT); len(late) > 0 {
		t.Fail(fmt.Sprintf("%v for the immediate WRITE", late[0].Event.PDU), "nothing more for it")
	}
	t.Check(second.ClearUnitAttentions(), "TEST UNIT READY")
}
