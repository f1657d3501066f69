package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// copies are the Data-In PDUs of a task by DataSN, in the order in which they came.
type copies map[uint32][]*pdu.DataIn

// dataOf sorts the Data-In PDUs of a task, and tells whether its status is among the PDUs.
func dataOf(events []probe.Event, itt uint32) (all copies, ended bool) {
	all = copies{}
	for _, e := range events {
		if e.Frame.BHS.ITT() != itt {
			continue
		}
		ended = ended || carriesStatus(e.PDU)
		if p, is := e.PDU.(*pdu.DataIn); is {
			all[p.DataSN] = append(all[p.DataSN], p)
		}
	}
	return all, ended
}

// someDataIn starts a READ of 8 KiB in segments of 1 KiB, and takes the first n Data-In PDUs. Its status is not acknowledged.
func (t *T) someDataIn(n int) (c *probe.Conn, task *probe.Task, first []probe.Event) {
	c = t.levelOne(probe.Login{Keys: Keys("MaxRecvDataSegmentLength=1024")})
	c.HoldExpStatSN = true
	task = c.Start(t.Read(c, 0, 8<<10))
	for range n {
		e := c.Answer()
		if _, is := probe.As[*pdu.DataIn](e); !is {
			t.Fail(e, "a Data-In PDU of a READ of 8 KiB")
		}
		first = append(first, e)
	}
	return c, task, first
}

// dataAgain asks for a run of Data-In PDUs after the first n have come. A length of 0 asks for all from there on.
func (t *T) dataAgain(n int, from, length uint32) {
	c, task, first := t.someDataIn(n)
	itt := task.PDU.ITT
	asked := func(sn uint32) bool { return sn >= from && (length == 0 || sn-from < length) }
	least := length
	if length == 0 {
		least = uint32(n) - from
	}
	p := &pdu.SNACKRequest{Type: pdu.SNACKData, ITT: itt, TTT: pdu.ReservedTag, BegRun: from, RunLength: length}
	r := t.snack(c, p, func(seen []probe.Event) bool {
		all, ended := dataOf(append(first[:n:n], seen...), itt)
		for sn := from; sn < from+least; sn++ {
			ended = ended && len(all[sn]) > 1
		}
		return ended
	})
	t.escalates(r, "the Data-In PDUs again")
	all, ended := dataOf(append(first[:n:n], r.seen...), itt)
	for sn := uint32(0); int(sn) < len(all); sn++ {
		came := all[sn]
		switch {
		case len(came) == 0:
			t.Fail(fmt.Sprintf("no Data-In with DataSN %d", sn), "Data-In PDUs without a gap")
		case sn >= from && sn < from+least && len(came) < 2:
			t.Fail(fmt.Sprintf("%v; DataSN %d did not come again", r, sn), fmt.Sprintf("DataSN %d again", sn))
		case len(came) > 2, len(came) > 1 && !asked(sn):
			t.Fail(fmt.Sprintf("DataSN %d comes %d times", sn, len(came)), "no more than what was asked for")
		case len(came) > 1 && plain(came[0]) != plain(came[1]):
			t.Fail(fmt.Sprintf("%v after %v", pdu.FrameOf(came[1]), pdu.FrameOf(came[0])), "the same PDU again")
		}
	}
	if !ended {
		t.Fail(r, "the status of the READ")
	}
}

// r2tAgain is snack.r2t.retransmitted.
func r2tAgain(t *T) {
	c := t.levelOne(solicited())
	data := pattern(60, 4096)
	task, first := t.Held(c, 0, data, 0)
	var again *pdu.R2T
	p := &pdu.SNACKRequest{Type: pdu.SNACKData, ITT: task.PDU.ITT, TTT: pdu.ReservedTag, BegRun: first.R2TSN, RunLength: 1}
	r := t.snack(c, p, func(seen []probe.Event) bool {
		again, _ = probe.As[*pdu.R2T](seen[len(seen)-1])
		return again != nil
	})
	if r.dropped() || r.async != nil || r.reject != nil && t.endsInCheck(c, task) {
		t.Warn("The target ends the matter at a higher level of recovery.", r, "the R2T again")
		return
	}
	switch {
	case again == nil:
		t.Fail(r, "the R2T again")
	case plain(again) != plain(first):
		t.Fail(fmt.Sprintf("%v after %v", pdu.FrameOf(again), pdu.FrameOf(first)), "the same R2T again")
	case iscsi.SNLess(again.ExpCmdSN, first.ExpCmdSN), iscsi.SNLess(again.MaxCmdSN, first.MaxCmdSN), int32(again.StatSN-first.StatSN) < 0:
		t.Fail(fmt.Sprintf("StatSN 0x%x, ExpCmdSN 0x%x, MaxCmdSN 0x%x after 0x%x, 0x%x, 0x%x", again.StatSN, again.ExpCmdSN, again.MaxCmdSN, first.StatSN,
			first.ExpCmdSN, first.MaxCmdSN), "equal or newer numbers")
	}
	task.Serve(first)
	t.Good(task.Await(), "the WRITE")
	t.Holds(c, 0, data, "read back")
}

// endsInCheck tells whether a task ends in CHECK CONDITION.
func (t *T) endsInCheck(c *probe.Conn, task *probe.Task) bool {
	p, is := probe.As[*pdu.SCSIResponse](c.AnswerTo(task.PDU.ITT))
	return is && p.Status == 2
}

// r2tNeverSent is snack.range.never-sent.
func r2tNeverSent(t *T) {
	c := t.levelOne(solicited())
	data := pattern(61, 4096)
	task, first := t.Held(c, 0, data, 0)
	r := t.refusal(c, &pdu.SNACKRequest{Type: pdu.SNACKData, ITT: task.PDU.ITT, TTT: pdu.ReservedTag, BegRun: 255, RunLength: 1})
	for _, e := range r.seen {
		if p, is := probe.As[*pdu.R2T](e); is && p.R2TSN == 255 {
			t.Fail(e, "a Reject")
		}
	}
	reject := t.refusedSNACK(r, pdu.RejectSNACK, pdu.RejectInvalidPDUField)
	switch {
	case reject.Reason != pdu.RejectProtocolError || reject.DataSN == first.R2TSN+1:
	case reject.DataSN == first.R2TSN:
		t.Warn("The Reject tells the last R2TSN and not the next.", fmt.Sprintf("R2TSN %d", reject.DataSN), fmt.Sprintf("R2TSN %d", first.R2TSN+1))
	default:
		t.Fail(fmt.Sprintf("a Reject with R2TSN %d", reject.DataSN), fmt.Sprintf("R2TSN %d, the next one", first.R2TSN+1))
	}
	task.Serve(first)
	t.Good(task.Await(), "the WRITE")
}

// reservedSNACKType is snack.type.reserved.
func reservedSNACKType(t *T) {
	c, task, first := t.someDataIn(3)
	itt := task.PDU.ITT
	r := t.refusal(c, &pdu.SNACKRequest{Type: 9, ITT: itt, TTT: pdu.ReservedTag, BegRun: 0, RunLength: 1})
	if r.dropped() {
		return
	}
	all, ended := dataOf(append(first, r.seen...), itt)
	for sn, came := range all {
		if len(came) > 1 {
			t.Fail(fmt.Sprintf("DataSN %d again", sn), "a Reject", "a drop")
		}
	}
	if !ended {
		result := task.Await()
		t.Good(result, "the READ")
	}
	switch {
	case r.reject == nil:
		t.Warn("A SNACK of a type that does not exist is passed over.", "silence", "a Reject", "a drop")
	case r.reject.Reason < pdu.RejectSNACK || r.reject.Reason > pdu.RejectCommandNotSupported && r.reject.Reason != pdu.RejectInvalidPDUField:
		t.Fail(r, "a Reject with reason 0x03, 0x04, 0x05 or 0x09", "a drop")
	}
}

// snackForNoTask is snack.itt.unknown-task.
func snackForNoTask(t *T) {
	c := t.levelOne(probe.Login{})
	c.HoldExpStatSN = true
	t.Good(c.Execute(t.Read(c, 0, 4096)), "a READ")
	r := t.refusal(c, &pdu.SNACKRequest{Type: pdu.SNACKData, ITT: 0xdead0007, TTT: pdu.ReservedTag, BegRun: 0, RunLength: 1})
	for _, e := range r.seen {
		if _, is := probe.As[*pdu.DataIn](e); is {
			t.Fail(e, "a Reject", "a drop")
		}
	}
	switch {
	case r.reject == nil && r.dropped(), r.reject != nil && r.reject.Reason == pdu.RejectInvalidPDUField:
		return
	}
	t.refusedSNACK(r, pdu.RejectSNACK)
}

// snackUnnumbered is snack.numbers.snack-is-unnumbered.
func snackUnnumbered(t *T) {
	c := t.levelOne(probe.Login{Keys: Keys("MaxRecvDataSegmentLength=1024")})
	t.answered(c.Execute(probe.TestUnitReady()))
	c.HoldExpStatSN = true
	read := t.Good(c.Execute(t.Read(c, 0, 8<<10)), "a READ")
	statSN, _ := statSNOf(read.Event.PDU)
	p := &pdu.SNACKRequest{Type: pdu.SNACKData, ITT: read.Task.PDU.ITT, TTT: pdu.ReservedTag, BegRun: 1, RunLength: 1}
	again := func(seen []probe.Event) bool { all, _ := dataOf(seen, p.ITT); return len(all[1]) > 0 }
	r := new(reply)
	p.ExpStatSN = c.ExpStatSN
	// A failed write shows in the next event.
	_ = c.Send(p)
	for !again(r.seen) {
		if r.end = c.Answer(); r.end.Kind != probe.Arrived {
			break
		}
		r.take(r.end)
		if r.reject != nil {
			break
		}
	}
	t.escalates(r, "the Data-In again")
	if !again(r.seen) {
		t.Fail(r, "the Data-In again")
	}
	c.HoldExpStatSN = false
	last := c.Execute(probe.TestUnitReady())
	t.answered(last)
	exp, _, _ := windowOf(last.Event.PDU)
	if want := last.Task.PDU.CmdSN + 1; exp != want {
		t.Fail(fmt.Sprintf("ExpCmdSN 0x%x", exp), fmt.Sprintf("ExpCmdSN 0x%x: a SNACK takes no CmdSN", want))
	}
	if sn, _ := statSNOf(last.Event.PDU); sn != statSN+1 {
		t.Fail(fmt.Sprintf("StatSN 0x%x", sn), fmt.Sprintf("StatSN 0x%x: a SNACK has no response of its own", statSN+1))
	}
}
