package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// duplicated judges the end of a write whose command was sent twice. The R2T that is open is served, or what is left of it.
func (t *T) duplicated(c *probe.Conn, task *probe.Task, data []byte, serve func()) {
	serve()
	itt := task.PDU.ITT
	r := task.Await()
	if r.Event.Ended() {
		t.Warn("The target drops the connection over a command that comes twice.", r, "one status")
		return
	}
	t.Good(r, "the WRITE")
	t.Check(c.Ping(nil), "a ping")
	var pieces []piece
	statuses := 0
	for _, s := range t.Received(c) {
		switch p := s.PDU.(type) {
		case *pdu.Reject:
			if h, whole := p.Rejected(); whole && h.ITT() == itt {
				t.Fail(s.Event.PDU, "silence about the second copy")
			}
		case *pdu.SCSIResponse:
			if p.ITT == itt {
				statuses++
			}
		case *pdu.R2T:
			if p.ITT == itt {
				pieces = append(pieces, piece{uint64(p.BufferOffset), uint64(p.BufferOffset + p.DesiredDataTransferLength)})
			}
		}
	}
	if statuses != 1 {
		t.Fail(fmt.Sprintf("%d responses", statuses), "one")
	}
	if t.covers("the R2Ts", uint64(task.PDU.ExpectedDataTransferLength), pieces) {
		t.Fail("a second R2T for the same range", "one")
	}
	t.Holds(c, 0, data, "read back")
}

// duplicateDiscarded is recovery.retry.inadvertent-duplicate-discarded.
func duplicateDiscarded(t *T) {
	c := t.Open(solicited())
	data := pattern(110, t.room(c, 0, 4096))
	task, r2t := t.Held(c, 0, data, 0)
	// A failed write shows in the next event.
	_ = c.Send(task.PDU)
	t.duplicated(c, task, data, func() { task.Serve(r2t) })
}

// duplicateDuringData is recovery.retry.duplicate-during-data-discarded.
func duplicateDuringData(t *T) {
	c := t.Open(solicited())
	data := pattern(111, t.room(c, 0, 4096))
	task, r2t := t.Held(c, 0, data, 0)
	length := int(r2t.DesiredDataTransferLength)
	sequence := sequenceOf(task, r2t.TTT, int(r2t.BufferOffset), length, min((length+1)/2, c.Params.PeerMaxRecvDataSegmentLength))
	t.duplicated(c, task, data, func() {
		task.Forget(r2t)
		for i, p := range sequence {
			if i == 1 {
				_ = c.Send(task.PDU)
			}
			// A failed write shows in the next event.
			_ = c.Send(p)
		}
	})
}

// retryAfterDigestError is recovery.retry.after-data-digest-error.
func retryAfterDigestError(t *T) {
	c := t.dataDigests("ErrorRecoveryLevel=1", "ImmediateData=Yes")
	params := c.Session.Params
	if params.ErrorRecoveryLevel < 1 || !params.ImmediateData {
		t.Skip("The target agrees to ErrorRecoveryLevel=%d and ImmediateData=%v.", params.ErrorRecoveryLevel, params.ImmediateData)
	}
	data := pattern(112, t.room(c, 0, 512))
	command := t.Write(c, 0, data)
	if len(command.Write) > min(params.FirstBurstLength, c.Params.PeerMaxRecvDataSegmentLength) {
		t.Skip("A block of %d bytes is more than the target takes as immediate data.", len(command.Write))
	}
	p := c.Request(command)
	p.Data = command.Write
	// What comes of it is told by the events that follow.
	_ = c.SendRaw(damaged(c, p))
	e := c.AnswerTo(p.ITT)
	if e.Ended() {
		t.Skip("The target escalates to session recovery: %v.", e)
	}
	reject := t.Rejected(e, false, pdu.RejectDataDigestError)
	if reject.ExpCmdSN != p.CmdSN {
		t.Fail(fmt.Sprintf("ExpCmdSN 0x%x", reject.ExpCmdSN), fmt.Sprintf("ExpCmdSN 0x%x: the command counts as not received", p.CmdSN))
	}
	p.ExpStatSN = c.ExpStatSN
	task := &probe.Task{Conn: c, Command: command, PDU: p}
	_ = c.Send(p)
	r := task.Await()
	if r.Event.Ended() {
		t.Skip("The target escalates to session recovery: %v.", r)
	}
	t.Good(r, "the command that is sent again")
	t.Holds(c, 0, data, "read back")
}

// headerErrorContinues is recovery.level-one.header-digest-error-continues.
func headerErrorContinues(t *T) {
	c := t.headerDigests("ErrorRecoveryLevel=1")
	if c.Session.Params.ErrorRecoveryLevel < 1 {
		t.Skip("The target agrees to ErrorRecoveryLevel=%d.", c.Session.Params.ErrorRecoveryLevel)
	}
	p := c.Request(probe.TestUnitReady())
	// What comes of it is told by the events that follow.
	_ = c.SendRaw(damaged(c, p))
	ping := c.NOPOut(nil)
	_ = c.Send(ping)
	for {
		e := c.Answer()
		if e.Ended() {
			t.Note("the target drops the connection over a wrong header digest")
			return
		}
		if e.Kind != probe.Arrived {
			t.Note("the target does not find the next PDU behind a wrong header digest")
			return
		}
		reject, is := probe.As[*pdu.Reject](e)
		switch {
		case is:
			if h, whole := reject.Rejected(); whole && h.ITT() == p.ITT {
				t.Warn("The target rejects a PDU of whose header it can trust nothing.", e, "silence", "a drop")
			}
		case e.Frame.BHS.ITT() == p.ITT:
			t.FailFirmly(e, "silence", "a drop")
		case e.Frame.BHS.ITT() == ping.ITT:
			t.Note("the target goes on behind a wrong header digest")
			return
		}
	}
}
