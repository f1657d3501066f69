package target

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// dataDigests logs in with data digests, and clears unit attentions.
func (t *T) dataDigests(more ...string) *probe.Conn {
	c := t.WithDigests(pdu.Digests{Data: true}, more...)
	t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the login")
	return c
}

// damagedSession is the session of digest.data-error.data-out.
func (t *T) damagedSession(more ...string) *probe.Conn {
	return t.dataDigests(append([]string{"ImmediateData=No", "InitialR2T=Yes"}, more...)...)
}

// damagedImmediateData is digest.data-error.command-with-immediate-data.
func damagedImmediateData(t *T) {
	c := t.dataDigests("ImmediateData=Yes", "InitialR2T=Yes", "FirstBurstLength=512")
	if !c.Session.Params.ImmediateData {
		t.Skip("The target does not agree to ImmediateData=Yes.")
	}
	size := len(t.Write(c, 0, pattern(90, 512)).Write)
	if size > c.Session.Params.FirstBurstLength {
		t.Skip("A block of %d bytes is more than the target takes as immediate data.", size)
	}
	old := pattern(91, size)
	t.Fill(c, 0, old)
	command := t.Write(c, 0, pattern(92, size))
	p := c.Request(command)
	p.Data = command.Write
	// What comes of it is told by the events that follow.
	_ = c.SendRaw(damaged(c, p))
	e := c.AnswerTo(p.ITT)
	if e.Ended() {
		t.untouched(c, map[uint32][]byte{0: old})
		return
	}
	if response, is := probe.As[*pdu.SCSIResponse](e); is {
		if exact, _ := crcError(response); !exact {
			t.Fail(e, "a Reject with reason 0x02", "a drop")
		}
		t.Warn("The target answers a damaged command with CHECK CONDITION instead of a Reject.", e, "a Reject with reason 0x02", "a drop")
		t.untouched(c, map[uint32][]byte{0: old})
		return
	}
	t.Rejected(e, false, pdu.RejectDataDigestError)
	// The CmdSN counts as not received: the next command takes it.
	c.Session.CmdSN = p.CmdSN
	data := pattern(93, size)
	second := t.Write(c, 0, data)
	second.NoUnsolicited = true
	r := c.Execute(second)
	if r.Event.Ended() { // The level of recovery may be 0, and the drop have followed the Reject.
		t.untouched(c, map[uint32][]byte{0: old})
		return
	}
	t.Good(r, "a WRITE with the CmdSN of the rejected one")
	if late := ofTask(t.Received(c), p.ITT); len(late) > 0 {
		t.Fail(late[0].Event.PDU, "nothing more for the rejected command")
	}
	t.Holds(c, 0, data, "read back")
}

// mishap is what came of a write one of whose Data-Out PDUs was damaged.
type mishap struct {
	rejected bool
	recovery []*pdu.R2T // R2Ts for what was sent before
	early    bool       // the response came before the PDU with the F bit
	response *pdu.SCSIResponse
	end      probe.Event // why there is no response
}

// sequenceOf makes the Data-Out PDUs of a sequence, so long each at most.
func sequenceOf(task *probe.Task, ttt uint32, offset, length, segment int) []*pdu.DataOut {
	var all []*pdu.DataOut
	for at := offset; at < offset+length; at += segment {
		p := task.DataOut(ttt, at, min(segment, offset+length-at))[0]
		p.DataSN, p.Final = uint32(len(all)), at+segment >= offset+length
		all = append(all, p)
	}
	return all
}

// mishap sends a sequence of Data-Out whose first PDU is damaged, the last one after a pause of 1 s, and serves R2Ts to the end of the task.
func (t *T) mishap(c *probe.Conn, task *probe.Task, sequence []*pdu.DataOut) *mishap {
	m := new(mishap)
	end := sequence[len(sequence)-1]
	sent := end.BufferOffset + uint32(len(end.Data))
	// What comes of it is told by the events that follow.
	_ = c.SendRaw(damaged(c, sequence[0]))
	for _, p := range sequence[1 : len(sequence)-1] {
		_ = c.Send(p)
	}
	pause := time.Now().Add(time.Second)
	for final := false; m.response == nil; {
		wait := time.Until(pause)
		if final {
			wait = t.Options().AnswerTimeout
		}
		e := c.Next(max(wait, 0))
		if e.Kind == probe.TimedOut && !final {
			final = true
			end.ExpStatSN = c.ExpStatSN
			_ = c.Send(end)
			continue
		}
		if e.Kind != probe.Arrived {
			m.end = e
			return m
		}
		switch p := e.PDU.(type) {
		case *pdu.Reject:
			h, whole := p.Rejected()
			m.rejected = m.rejected || whole && h.ITT() == task.PDU.ITT && p.Reason == pdu.RejectDataDigestError
		case *pdu.R2T:
			if p.BufferOffset < sent {
				m.recovery = append(m.recovery, p)
			}
			task.Serve(p)
		case *pdu.SCSIResponse:
			m.early, m.response = !final, p
		}
	}
	return m
}

// judge tells what is wrong with the outcome, for rows that accept recovery, CHECK CONDITION and a drop.
func (t *T) judge(c *probe.Conn, m *mishap, data []byte) {
	want := []string{"a Reject with reason 0x02 and recovery or CHECK CONDITION", "a drop"}
	if m.response == nil {
		if !m.end.Ended() {
			t.Fail(m.end, want...)
		}
		return
	}
	exact, close := crcError(m.response)
	good := m.response.Status == 0 && m.response.Response == pdu.ResponseCompleted
	switch {
	case good && len(m.recovery) == 0:
		t.Fail("GOOD for a write of which a part never came undamaged", want...)
	case !good && m.early:
		t.Fail("CHECK CONDITION before all data that was asked for has come", want...)
	case !good && !close:
		t.Fail(pdu.FrameOf(m.response), want...)
	case !good && !exact:
		t.Warn("The sense data does not tell of a CRC error.", fmt.Sprintf("% x", m.response.Sense()), "0x47/0x05")
	}
	if !m.rejected {
		t.Warn("The target does not reject the damaged Data-Out.", pdu.FrameOf(m.response), want...)
	}
	if good {
		t.Holds(c, 0, data, "read back")
	}
}

// damagedDataOut is digest.data-error.data-out.
func (t *T) damagedDataOut(c *probe.Conn) *mishap {
	n := t.room(c, 0, 8<<10)
	t.Fill(c, 0, pattern(94, n))
	data := pattern(95, n)
	task, r2t := t.Held(c, 0, data, 0)
	length := int(r2t.DesiredDataTransferLength)
	segment := min(max(512, length/4), c.Params.PeerMaxRecvDataSegmentLength)
	if length <= segment {
		t.Skip("The target asks for %d bytes at a time, which is one Data-Out.", length)
	}
	m := t.mishap(c, task, sequenceOf(task, r2t.TTT, int(r2t.BufferOffset), length, segment))
	t.judge(c, m, data)
	return m
}

// damagedUnsolicited is digest.data-error.unsolicited-data-out.
func damagedUnsolicited(t *T) {
	c := t.dataDigests("InitialR2T=No", "ImmediateData=No")
	params := c.Session.Params
	if params.InitialR2T || params.FirstBurstLength < 1024 {
		t.Skip("The target agrees to InitialR2T=%v and FirstBurstLength=%d.", params.InitialR2T, params.FirstBurstLength)
	}
	n := t.room(c, 0, 1024)
	t.Fill(c, 0, pattern(96, n))
	data := pattern(97, n)
	command := t.Write(c, 0, data)
	if len(command.Write) > params.FirstBurstLength {
		t.Skip("A block of %d bytes is more than the target takes unasked.", len(command.Write))
	}
	command.NoUnsolicited = true
	command.Patch = func(p *pdu.SCSICommand) { p.Final = false }
	task := held(c, command)
	m := t.mishap(c, task, sequenceOf(task, pdu.ReservedTag, 0, len(command.Write), 512))
	t.judge(c, m, data)
}

// held sends a WRITE whose data its caller sends.
func held(c *probe.Conn, command probe.Command) *probe.Task {
	task := &probe.Task{Conn: c, Command: command, PDU: c.Request(command)}
	// A failed write shows in the next event.
	_ = c.Send(task.PDU)
	return task
}

// damagedPings is digest.data-error.non-data-pdu.
func damagedPings(t *T) {
	c := t.dataDigests()
	ping := c.NOPOut(t.Random(16))
	request := c.TextRequest(Keys("SendTargets="))
	request.Immediate, request.CmdSN = true, ping.CmdSN
	c.Session.CmdSN = ping.CmdSN
	right := c.NOPOut(t.Random(16))
	// What comes of it is told by the events that follow.
	_ = c.SendRaw(damaged(c, ping))
	_ = c.SendRaw(damaged(c, request))
	_ = c.Send(right)
	reasons := map[uint32]pdu.RejectReason{}
	for {
		e := c.Answer()
		if e.Ended() {
			return
		}
		if e.Kind != probe.Arrived {
			t.Fail(e, "an answer to the right ping", "a drop")
		}
		itt := e.Frame.BHS.ITT()
		if p, is := probe.As[*pdu.Reject](e); is {
			if h, whole := p.Rejected(); whole {
				reasons[h.ITT()] = p.Reason
			}
			continue
		}
		if itt == ping.ITT || itt == request.ITT {
			t.Fail(e, "a Reject with reason 0x02", "a drop")
		}
		if itt == right.ITT {
			break
		}
	}
	for _, damaged := range []struct {
		what string
		itt  uint32
	}{{"a damaged ping", ping.ITT}, {"a damaged Text Request", request.ITT}} {
		switch reason, rejected := reasons[damaged.itt]; {
		case !rejected:
			t.Warn("The target passes over "+damaged.what+".", "silence", "a Reject with reason 0x02", "a drop")
		case reason != pdu.RejectDataDigestError:
			t.Warn("The target rejects "+damaged.what+" with another reason.", reason, "a Reject with reason 0x02", "a drop")
		}
	}
}

// recoveryR2TRange is digest.recovery-r2t.range.
func recoveryR2TRange(t *T) {
	c := t.damagedSession("ErrorRecoveryLevel=1")
	if c.Session.Params.ErrorRecoveryLevel < 1 {
		t.Skip("The target agrees to ErrorRecoveryLevel=%d.", c.Session.Params.ErrorRecoveryLevel)
	}
	n := t.room(c, 0, 8<<10)
	data := pattern(98, n)
	task, first := t.Held(c, 0, data, 0)
	length := int(first.DesiredDataTransferLength)
	segment := min(max(512, length/4), c.Params.PeerMaxRecvDataSegmentLength)
	if length <= segment {
		t.Skip("The target asks for %d bytes at a time, which is one Data-Out.", length)
	}
	m := t.mishap(c, task, sequenceOf(task, first.TTT, int(first.BufferOffset), length, segment))
	if len(m.recovery) == 0 {
		t.Skip("The target sends no recovery R2T.")
	}
	end := first.BufferOffset + first.DesiredDataTransferLength
	numbers, covered := []uint32{}, first.BufferOffset
	for _, s := range ofTask(t.Received(c), task.PDU.ITT) {
		if p, is := s.PDU.(*pdu.R2T); is {
			numbers = append(numbers, p.R2TSN)
		}
	}
	t.numbered("the R2TSN", numbers)
	for _, p := range m.recovery {
		upto := p.BufferOffset + p.DesiredDataTransferLength
		if p.DesiredDataTransferLength == 0 || p.DesiredDataTransferLength > uint32(c.Session.Params.MaxBurstLength) || p.BufferOffset < first.BufferOffset || upto > end {
			t.Fail(pdu.FrameOf(p), fmt.Sprintf("1 to MaxBurstLength bytes between %d and %d", first.BufferOffset, end))
		}
		if p.BufferOffset <= covered {
			covered = max(covered, upto)
		}
	}
	if want := first.BufferOffset + uint32(segment); covered < want {
		t.Fail(fmt.Sprintf("R2Ts again for the bytes %d to %d", first.BufferOffset, covered), fmt.Sprintf("bytes %d to %d, which were damaged", first.BufferOffset, want))
	}
}
