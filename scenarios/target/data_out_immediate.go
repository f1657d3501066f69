package target

import (
	"bytes"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// immediateChecks are those of the group data-out that are about immediate data.
func immediateChecks() []Check {
	return []Check{
		{ID: "data-out.r2t.starts-after-unsolicited", Risk: scenarios.Writes, Run: func(t *T) {
			c := t.agreeing(true, true, 512)
			t.restAfter(c, pattern(62, max(1024, t.blockOf())), 512, 512)
		}},
		{ID: "data-out.r2t.no-data-needed-no-r2t", Risk: scenarios.Writes, Run: noR2TNeeded},
		{ID: "data-out.immediate.exceeds-first-burst", Risk: scenarios.Writes, Run: immediateBeyondFirstBurst},
		{ID: "data-out.immediate.refused-when-not-negotiated", Risk: scenarios.Writes, Run: immediateUnagreed},
		{ID: "data-out.immediate.exceeds-edtl", Risk: scenarios.Writes, Run: immediateBeyondExpected},
		{ID: "data-out.immediate.partial-then-unsolicited", Risk: scenarios.Writes, Array: unsolicited, Run: func(t *T) {
			c := t.agreeing(false, true, 4096)
			t.restAfter(c, pattern(63, max(8192, t.blockOf())), 1024, 4096)
		}},
	}
}

// restAfter writes data of which so many bytes are immediate, and all up to first are unsolicited. The R2Ts have to ask for the rest.
func (t *T) restAfter(c *probe.Conn, data []byte, immediate, first int) {
	task := c.Start(t.announced(c, 0, data, immediate, immediate == first))
	if immediate < first {
		puts(c, sequenceFrom(task, pdu.ReservedTag, immediate, first-immediate))
	}
	r2t, e := task.AwaitR2T()
	want := fmt.Sprintf("an R2T from %d", first)
	if r2t == nil {
		t.Fail(e, want)
	}
	if int(r2t.BufferOffset) > first {
		t.Fail(fmt.Sprintf("an R2T from %d", r2t.BufferOffset), want)
	}
	t.Good(task.Await(), "the WRITE")
	t.Holds(c, 0, data, "read back")
	if int(r2t.BufferOffset) < first {
		t.Warn("An R2T asks again for data that has come unasked.", fmt.Sprintf("an R2T from %d", r2t.BufferOffset), want)
	}
}

func noR2TNeeded(t *T) {
	c := t.Open(probe.Login{Keys: Keys("ImmediateData=Yes")})
	block := t.blockOf()
	if p := c.Session.Params; !p.ImmediateData || block > p.FirstBurstLength || block > takes(c) {
		t.Skip("The target does not take a block of %d bytes as immediate data.", block)
	}
	task := c.Start(t.announced(c, 0, pattern(64, block), block, true))
	var again *pdu.R2T
	for {
		r2t, e := task.AwaitR2T()
		switch response, is := probe.As[*pdu.SCSIResponse](e); {
		case r2t == nil && is && response.Status == byte(scsi.StatusGood):
			if again != nil {
				t.Warn("An R2T asks again for data that came with the command.", fmt.Sprintf("%d bytes from %d", again.DesiredDataTransferLength, again.BufferOffset), "no R2T")
			}
			return
		case r2t == nil:
			t.Fail(e, "GOOD without an R2T")
		case r2t.DesiredDataTransferLength == 0, uint64(r2t.BufferOffset)+uint64(r2t.DesiredDataTransferLength) > uint64(block):
			t.Fail(fmt.Sprintf("an R2T for %d bytes from %d", r2t.DesiredDataTransferLength, r2t.BufferOffset), "no R2T")
		}
		if again = r2t; len(task.R2Ts) > 64 {
			t.Fail("R2Ts without end", "no R2T")
		}
		task.Serve(r2t)
	}
}

// unwanted judges the answer to immediate data that must not be. Lenient says what GOOD means.
func (t *T) unwanted(c *probe.Conn, r probe.Result, lenient string) {
	want := []string{"CHECK CONDITION 0c/0c", "a Reject with reason 04 or 09", "a drop"}
	reject := r.Rejected()
	switch {
	case r.Event.Ended(), r.Check(scsi.UnexpectedUnsolicitedData):
	case t.writable(r).Check():
		t.Warn("The write fails with other sense data.", r, want...)
	case reject != nil:
		t.fitting([]*pdu.Reject{reject})
		c.Session.CmdSN = reject.ExpCmdSN
		t.inStep(c, r.Task.PDU.ITT)
	case r.Good():
		t.Warn(lenient, r, want...)
	default:
		t.Fail(r, want...)
	}
}

// inStep ends the part when a connection on which a command was rejected has lost its framing: a ping stays without an answer, or PDUs are
// rejected that were never sent.
func (t *T) inStep(c *probe.Conn, itt uint32) {
	ping := c.NOPOut(nil)
	// A failed write shows in the next event.
	_ = c.Send(ping)
	e := c.AnswerTo(ping.ITT)
	if _, is := probe.As[*pdu.NOPIn](e); !is && !e.Ended() {
		t.Fail(fmt.Sprintf("a ping behind the Reject: %v", e), "a NOP-In", "a drop")
	}
	for _, s := range t.Received(c) {
		if p, is := s.PDU.(*pdu.Reject); is {
			if h, whole := p.Rejected(); !whole || h.ITT() != itt {
				t.Fail(s.Event.PDU, "no Reject of a PDU that was never sent")
			}
		}
	}
}

func immediateBeyondFirstBurst(t *T) {
	c := t.agreeing(true, true, 512)
	data := pattern(65, max(1024, t.blockOf()))
	if len(data) > takes(c) {
		t.Skip("The target takes no more than %d bytes in a PDU.", takes(c))
	}
	t.unwanted(c, c.Execute(t.announced(c, 0, data, len(data), true)), "The target takes more immediate data than FirstBurstLength.")
}

func immediateUnagreed(t *T) {
	c := t.Open(solicited())
	data := pattern(66, max(1024, t.blockOf()))
	if len(data) > takes(c) {
		t.Skip("The target takes no more than %d bytes in a PDU.", takes(c))
	}
	r := c.Execute(t.announced(c, 0, data, len(data), true))
	t.unwanted(c, r, "The target takes immediate data that was not agreed on.")
	if !r.Event.Ended() && c.Ping(nil) == nil {
		t.Fill(c, 0, data)
		t.Holds(c, 0, data, "a solicited WRITE behind it")
	}
}

func immediateBeyondExpected(t *T) {
	c := t.Open(probe.Login{Keys: Keys("ImmediateData=Yes", "InitialR2T=Yes")})
	block := t.blockOf()
	if p := c.Session.Params; !p.ImmediateData || 2*block > p.FirstBurstLength || 2*block > takes(c) {
		t.Skip("The target does not take %d bytes as immediate data.", 2*block)
	}
	old, data := pattern(67, 2*block), pattern(68, 2*block)
	t.Fill(c, 0, old)
	command := t.askedFor(c, 0, data[:block])
	command.Patch = func(p *pdu.SCSICommand) { p.Data = data }
	task := c.Start(command)
	r2t, e := task.AwaitR2T()
	if r2t != nil {
		t.Fail(fmt.Sprintf("an R2T for %d bytes from %d of a WRITE of %d", r2t.DesiredDataTransferLength, r2t.BufferOffset, block), "no R2T beyond the expected length")
	}
	want := []string{"CHECK CONDITION", "a Reject with reason 04 or 09", "a drop"}
	switch p := e.PDU.(type) {
	case *pdu.SCSIResponse:
		if p.Status == byte(scsi.StatusGood) && p.Response == pdu.ResponseCompleted {
			t.Warn("The target passes over what came beyond the expected length.", e, want...)
		}
	case *pdu.Reject:
		t.fitting([]*pdu.Reject{p})
		c.Session.CmdSN = p.ExpCmdSN
		t.inStep(c, task.PDU.ITT)
	default:
		if !e.Ended() {
			t.Fail(e, want...)
		}
	}
	if !bytes.Equal(t.contentAnew(c, 2*block)[block:], old[block:]) {
		t.Fail("the block behind the one that was written has changed", "no more than the expected length written")
	}
}
