package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/simtarget"
)

// fenceChecks are those of the group tmf that are about the response fence (RFC 7143, Sections 4.2.2.3.3 and 13.23).
func fenceChecks() []Check {
	checks := []Check{
		{ID: "tmf.response-fence.negotiated-semantics", Run: fenceAfterStatus},
		{ID: "tmf.response-fence.holds-following-status", Run: fenceHoldsStatus},
	}
	for i := range checks {
		checks[i].Array = func(p *simtarget.Profile) {
			p.Session.MaxConnections, p.Data.TaskReporting = 4, "ResponseFence,RFC3720"
		}
	}
	return checks
}

// fenced opens a session of two connections that has agreed to the response fence; the part is skipped where that cannot be had.
func (t *T) fenced() (c, second *probe.Conn) {
	c = t.roomy("TaskReporting=ResponseFence,FastAbort")
	if got := c.Session.Params.TaskReporting; got != "ResponseFence" && got != "FastAbort" {
		t.Skip("Neither TaskReporting=ResponseFence nor FastAbort is agreed, but %s.", got)
	}
	second = t.beside(c)
	for _, conn := range []*probe.Conn{c, second} {
		t.Done(conn, probe.TestUnitReady(), "a TEST UNIT READY")
		t.acknowledge(conn)
	}
	return c, second
}

// acknowledge sends a NOP-Out that asks for nothing and acknowledges all that has come on a connection.
func (t *T) acknowledge(c *probe.Conn) {
	// A failed write shows in the next event.
	_ = c.Send(&pdu.NOPOut{Immediate: true, ITT: pdu.ReservedTag, TTT: pdu.ReservedTag, CmdSN: c.Session.CmdSN, ExpStatSN: c.ExpStatSN})
}

// fenceAfterStatus is tmf.response-fence.negotiated-semantics.
func fenceAfterStatus(t *T) {
	c, second := t.fenced()
	second.HoldExpStatSN = true
	read := t.Good(second.Execute(t.Read(second, 0, 4096)), "a READ on the second connection")
	request := c.TaskManagement(pdu.FunctionAbortTaskSet, pdu.ReservedTag, 0)
	// A failed write shows in the next event.
	_ = c.Send(request)
	e := c.Await(t.Options().QuietTime, func(e probe.Event) bool { return e.Kind == probe.Arrived && e.Frame.BHS.ITT() == request.ITT })
	if e.Kind != probe.TimedOut {
		t.completeOrSkip(e, pdu.FunctionAbortTaskSet)
		t.Fail(e, "no answer before the status on the other connection is acknowledged")
	}
	statSN, _ := statSNOf(read.Event.PDU)
	second.HoldExpStatSN, second.ExpStatSN = false, statSN+1
	t.acknowledge(second)
	t.completeOrSkip(c.AnswerTo(request.ITT), pdu.FunctionAbortTaskSet)
	t.acknowledge(c)
	t.Survives(c, "the first connection")
	t.Survives(second, "the second connection")
}

// fenceHoldsStatus is tmf.response-fence.holds-following-status.
func fenceHoldsStatus(t *T) {
	c, second := t.fenced()
	request := c.TaskManagement(pdu.FunctionAbortTaskSet, pdu.ReservedTag, 0)
	// A failed write shows in the next event.
	_ = c.Send(request)
	own := func(e probe.Event) bool { return e.Kind == probe.Arrived && e.Frame.BHS.ITT() == request.ITT }
	e := c.Await(t.Options().QuietTime, own)
	if e.Kind == probe.TimedOut {
		// The target may ask on the other connection for what it has already; answering that is the probe's.
		t.Quiet(second)
		t.acknowledge(second)
		e = c.AnswerTo(request.ITT)
	}
	t.completeOrSkip(e, pdu.FunctionAbortTaskSet)
	// Nothing is sent on the first connection from here on, and nothing read: a ping would be answered.
	task := second.Start(probe.TestUnitReady())
	e = second.Await(t.Options().QuietTime, func(e probe.Event) bool { return e.Kind == probe.Arrived && e.Frame.BHS.ITT() == task.PDU.ITT })
	if e.Kind != probe.TimedOut {
		t.Fail(e, "no status before the answer to ABORT TASK SET is acknowledged")
	}
	t.acknowledge(c)
	if r := task.Await(); !r.Answered {
		t.Fail(fmt.Sprintf("%v after the acknowledgement", r), "the status that was held")
	}
	t.Survives(c, "the first connection")
	t.Survives(second, "the second connection")
}
