package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// again asks for the responses of a run again, and ends the part unless they come in order and unchanged.
func (t *T) again(c *probe.Conn, length uint32, want []probe.Event, reasons ...pdu.RejectReason) {
	first, _ := statSNOf(want[0].PDU)
	var got []probe.Event
	r := t.snack(c, statusSNACK(first, length), func(seen []probe.Event) bool {
		got = got[:0]
		for _, e := range seen {
			if sn, numbered := statSNOf(e.PDU); numbered && sn-first < uint32(len(want)) {
				got = append(got, e)
			}
		}
		return len(got) >= len(want)
	})
	t.escalates(r, "the responses again", reasons...)
	for i, w := range want {
		switch {
		case i >= len(got):
			t.Fail(fmt.Sprintf("%v; %d of %d responses came again", r, len(got), len(want)), fmt.Sprintf("%v again", w))
		case plain(got[i].PDU) != plain(w.PDU):
			t.Fail(got[i], fmt.Sprintf("%v again, but for ExpCmdSN and MaxCmdSN", w))
		}
	}
	if len(got) > len(want) {
		t.Fail(fmt.Sprintf("%d responses", len(got)), fmt.Sprintf("%d, each once", len(want)))
	}
}

// unacknowledged executes TEST UNIT READY so many times and acknowledges none of the responses.
func (t *T) unacknowledged(c *probe.Conn, n int) []probe.Event {
	c.HoldExpStatSN = true
	var events []probe.Event
	for range n {
		r := c.Execute(probe.TestUnitReady())
		t.answered(r)
		events = append(events, r.Event)
	}
	return events
}

func statusAgain(t *T) {
	c := t.levelOne(probe.Login{})
	// A Reject tells of a target that should not have agreed to the level.
	t.again(c, 1, t.unacknowledged(c, 1), pdu.RejectProtocolError, pdu.RejectCommandNotSupported, pdu.RejectInvalidPDUField)
}

func statusRun(t *T) {
	c := t.levelOne(probe.Login{})
	t.again(c, 0, t.unacknowledged(c, 3))
}

func otherResponsesAgain(t *T) {
	c := t.levelOne(probe.Login{})
	c.HoldExpStatSN = true
	var came []probe.Event
	answer := func(p pdu.PDU, itt uint32, want string) {
		// A failed write shows in the next event.
		_ = c.Send(p)
		e := c.AnswerTo(itt)
		if e.Kind != probe.Arrived {
			t.Fail(e, want)
		}
		came = append(came, e)
	}
	ping := c.NOPOut([]byte("any"))
	answer(ping, ping.ITT, "a NOP-In")
	request := c.TextRequest(Keys("SendTargets="))
	answer(request, request.ITT, "a Text Response")
	abort := c.TaskManagement(pdu.FunctionAbortTask, 0xdead0008, c.Session.CmdSN-1)
	answer(abort, abort.ITT, "a Task Management Response")
	for i, e := range came[1:] {
		before, _ := statSNOf(came[i].PDU)
		if sn, numbered := statSNOf(e.PDU); !numbered || sn != before+1 {
			t.Unclear("The target sent something else between the responses.")
		}
	}
	t.again(c, uint32(len(came)), came)
}

func acknowledgedStatus(t *T) {
	c := t.levelOne(probe.Login{})
	r := c.Execute(probe.TestUnitReady())
	t.answered(r)
	t.Check(c.Ping(nil), "a ping that acknowledges the response")
	old, _ := statSNOf(r.Event.PDU)
	answer := t.refusal(c, statusSNACK(old, 1))
	t.noResponse(answer, old)
	t.refusedSNACK(answer, pdu.RejectSNACK)
}

func statusNeverSent(t *T) {
	c := t.levelOne(probe.Login{})
	t.answered(c.Execute(probe.TestUnitReady()))
	t.Check(c.Ping(nil), "a ping that acknowledges the response")
	never := c.ExpStatSN + 100
	answer := t.refusal(c, statusSNACK(never, 1))
	t.noResponse(answer, never)
	if answer.reject == nil && !answer.dropped() {
		t.Warn("The target passes over a SNACK for a response that it never sent.", answer, "a Reject with reason 0x04")
		return
	}
	t.refusedSNACK(answer, pdu.RejectInvalidPDUField, pdu.RejectSNACK)
}

// noResponse ends the part when a SCSI Response came that nobody is waiting for, or another PDU with a StatSN that cannot be.
func (t *T) noResponse(r *reply, statSN uint32) {
	for _, e := range append(r.seen, r.end) {
		_, is := probe.As[*pdu.SCSIResponse](e)
		if sn, numbered := statSNOf(e.PDU); is || numbered && sn == statSN {
			t.Fail(e, "a Reject with reason 0x04")
		}
	}
}
