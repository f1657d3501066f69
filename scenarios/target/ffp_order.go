package target

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// orderChecks are those of the group ffp-sequencing that are about CmdSN, the window and immediate requests.
func orderChecks() []Check {
	return []Check{
		{ID: "ffp-sequencing.cmdsn.above-window-ignored", Run: aboveWindow},
		{ID: "ffp-sequencing.cmdsn.below-window-ignored", Run: belowWindow},
		{ID: "ffp-sequencing.cmdsn.duplicate-ignored", Run: func(t *T) {
			t.Part("a command that has completed", func() { belowLast(t) })
			t.Part("a command that waits for data", func() { besideHeld(t) })
		}, Risk: scenarios.Writes},
		{ID: "ffp-sequencing.cmdsn.gap-holds-later-commands", Run: gapHolds},
		{ID: "ffp-sequencing.cmdsn.ordered-delivery-inside-batch", Risk: scenarios.Writes, Run: deliveredInOrder},
		{ID: "ffp-sequencing.expcmdsn.not-past-a-gap", Run: notPastGap},
		{ID: "ffp-sequencing.window.reopens-after-completion", Run: windowReopens},
		{ID: "ffp-sequencing.window.zero-window-is-legal", Run: closedWindow},
		{ID: "ffp-sequencing.immediate.one-command-and-one-tmf", Risk: scenarios.Writes, Run: oneImmediateEach},
		{ID: "ffp-sequencing.immediate.excess-rejected", Run: manyImmediate},
	}
}

// astray sends a command with a CmdSN that does not count, and returns its tag.
func astray(c *probe.Conn, cmdSN uint32) uint32 {
	p := c.Request(probe.TestUnitReady())
	c.Session.CmdSN--
	p.CmdSN = cmdSN
	// A failed write shows in the next event.
	_ = c.Send(p)
	return p.ITT
}

// passesBy ends the part unless a command that must be ignored draws no answer while the session goes on. A drop is a warning.
func (t *T) passesBy(c *probe.Conn, itt uint32, then ...probe.Command) {
	for _, command := range append(then, probe.TestUnitReady()) {
		r := c.Execute(command)
		if r.Event.Ended() {
			t.Warn("The target drops the connection over a CmdSN that it has to ignore.", r, "silence")
			panic(stop{})
		}
		t.answered(r)
	}
	for _, s := range t.Received(c) {
		own := s.Event.PDU.Header.ITT() == itt
		if reject, is := s.PDU.(*pdu.Reject); is {
			h, whole := reject.Rejected()
			own = whole && h.ITT() == itt
		}
		if own {
			t.Fail(s.Event.PDU, "no answer to a command whose CmdSN does not count")
		}
	}
}

func aboveWindow(t *T) {
	c := t.Open(probe.Login{})
	for _, command := range t.mixture(c, 6) {
		t.answered(c.Execute(command))
	}
	t.passesBy(c, astray(c, c.Session.MaxCmdSN+100), t.mixture(c, 3)...)
}

func belowWindow(t *T) {
	c := t.Open(probe.Login{})
	n := c.Session.CmdSN
	for range 3 {
		t.answered(c.Execute(probe.TestUnitReady()))
	}
	t.passesBy(c, astray(c, n))
}

func belowLast(t *T) {
	c := t.Open(probe.Login{})
	for _, command := range t.mixture(c, 6) {
		t.answered(c.Execute(command))
	}
	t.passesBy(c, astray(c, c.Session.CmdSN-1), t.mixture(c, 4)...)
}

func besideHeld(t *T) {
	c := t.Open(solicited())
	task, r2t := t.Held(c, 0, pattern(80, 4096), 0)
	itt := astray(c, task.PDU.CmdSN)
	t.passesBy(c, itt)
	task.Serve(r2t)
	t.Good(task.Await(), "the WRITE whose CmdSN was used twice")
	t.passesBy(c, itt)
}

func gapHolds(t *T) {
	c := t.Open(probe.Login{})
	n := c.Session.CmdSN
	c.Session.CmdSN = n + 1
	later := c.Start(probe.TestUnitReady())
	e := c.Await(t.Options().QuietTime, func(e probe.Event) bool { return e.Frame.BHS.ITT() == later.PDU.ITT })
	switch {
	case e.Ended():
		t.Warn("The target drops the connection while a CmdSN is missing.", e, "an answer when the missing CmdSN has come")
		return
	case e.Kind == probe.Arrived:
		t.Fail(fmt.Sprintf("%v while CmdSN 0x%x is missing", e, n), "an answer when the missing CmdSN has come")
	}
	c.Session.CmdSN = n
	missing := c.Start(probe.TestUnitReady())
	c.Session.CmdSN = n + 2
	t.answered(missing.Await())
	t.answered(later.Await())
}

func deliveredInOrder(t *T) {
	c := t.Open(probe.Login{})
	ordered := pdu.AttrOrdered
	n := c.Session.CmdSN
	first, last := pattern(81, 512), pattern(82, 512)
	write := func(data []byte, cmdSN uint32) *probe.Task {
		command := t.Write(c, 0, data)
		command.Attr = &ordered
		command.Patch = func(p *pdu.SCSICommand) { p.CmdSN = cmdSN }
		return c.Start(command)
	}
	b := write(last, n+1)
	a := write(first, n)
	for _, task := range []*probe.Task{a, b} {
		r := task.Await()
		if r.Event.Ended() {
			t.Warn("The target drops the connection over commands out of order.", r, "delivery in the order of CmdSN")
			return
		}
		if r.Check() && r.Sense != nil && r.Sense.Key == scsi.DataProtect {
			t.Skip("The logical unit does not take writes: %v.", r)
		}
		t.Good(r, "a WRITE")
	}
	t.Holds(c, 0, last, "the block that two WRITEs went to")
}

func notPastGap(t *T) {
	c := t.Open(probe.Login{})
	n := c.Session.CmdSN
	c.Session.CmdSN = n + 1
	later := c.Start(probe.TestUnitReady())
	ping := c.NOPOut(nil)
	// A failed write shows in the next event.
	_ = c.Send(ping)
	e := c.AnswerTo(ping.ITT)
	in, is := probe.As[*pdu.NOPIn](e)
	_, rejected := probe.As[*pdu.Reject](e)
	switch {
	case e.Ended():
		t.Warn("The target drops the connection while a CmdSN is missing.", e, fmt.Sprintf("ExpCmdSN 0x%x", n))
		return
	case rejected:
		t.Skip("The ping is rejected: %v.", e)
	case !is:
		t.Fail(e, "a NOP-In")
	case in.ExpCmdSN != n:
		t.Fail(fmt.Sprintf("ExpCmdSN 0x%x while CmdSN 0x%x is missing", in.ExpCmdSN, n), fmt.Sprintf("ExpCmdSN 0x%x", n))
	}
	c.Session.CmdSN = n
	missing := c.Start(probe.TestUnitReady())
	c.Session.CmdSN = n + 2
	t.answered(missing.Await())
	t.answered(later.Await())
	if iscsi.SNLess(c.Session.ExpCmdSN, n+2) {
		t.Fail(fmt.Sprintf("ExpCmdSN 0x%x after both commands", c.Session.ExpCmdSN), fmt.Sprintf("ExpCmdSN 0x%x", n+2))
	}
}

// windowMost is the largest window that checks use up.
const windowMost = 1024

// useUp sends commands until the window that was shown last is used up, and awaits all. The part is skipped where the window is too large.
func (t *T) useUp(c *probe.Conn) {
	w := c.Session.Window()
	if w > windowMost {
		t.Skip("The window of %d commands is too large to be used up.", w)
	}
	var tasks []*probe.Task
	for range w {
		tasks = append(tasks, c.Start(t.Read(c, 0, 512)))
	}
	for _, task := range tasks {
		t.answered(task.Await())
	}
}

func windowReopens(t *T) {
	c := t.Open(probe.Login{})
	t.useUp(c)
	for until := time.Now().Add(10 * time.Second); c.Session.Window() == 0; {
		if e := c.NextOfAll(time.Until(until)); e.Kind != probe.Arrived {
			t.Fail(fmt.Sprintf("MaxCmdSN stays at 0x%x: %v", c.Session.MaxCmdSN, e), "a window that opens again")
		}
	}
	t.answered(c.Execute(probe.TestUnitReady()))
}

func closedWindow(t *T) {
	c := t.Open(probe.Login{})
	if t.Embedded() {
		t.Act(simtarget.Action{Window: &simtarget.Window{Size: 0}})
	}
	t.useUp(c)
	if c.Session.MaxCmdSN+1 != c.Session.ExpCmdSN {
		t.Skip("The target does not close its window.")
	}
	ping := c.NOPOut(nil)
	// A failed write shows in the next event.
	_ = c.Send(ping)
	e := c.AnswerTo(ping.ITT)
	if _, is := probe.As[*pdu.NOPIn](e); !is {
		t.FailFirmly(e, "a NOP-In that answers an immediate ping")
	}
}

func oneImmediateEach(t *T) {
	t.Part("a ping and a task management request", func() {
		c := t.Open(solicited())
		task, r2t := t.Held(c, 0, pattern(83, 4096), 0)
		ping := c.NOPOut(nil)
		request := c.TaskManagement(pdu.FunctionAbortTask, 0xdead0001, c.Session.CmdSN-2)
		// A failed write shows in the next event.
		_ = c.SendAll(pdu.FrameOf(ping), pdu.FrameOf(request))
		e := c.AnswerTo(ping.ITT)
		if _, is := probe.As[*pdu.NOPIn](e); !is {
			t.Fail(e, "a NOP-In")
		}
		e = c.AnswerTo(request.ITT)
		if _, is := probe.As[*pdu.TaskManagementResponse](e); !is {
			t.Fail(e, "a Task Management Response")
		}
		task.Serve(r2t)
		t.Good(task.Await(), "the WRITE beside them")
	})
	t.Part("a command", func() {
		c := t.Open(probe.Login{})
		command := probe.TestUnitReady()
		command.Immediate = true
		t.answered(c.Execute(command))
	})
}

func manyImmediate(t *T) {
	c := t.Open(probe.Login{})
	command := probe.TestUnitReady()
	command.Immediate = true
	var frames []*pdu.Frame
	var tags []uint32
	for range 64 {
		p := c.Request(command)
		frames, tags = append(frames, pdu.FrameOf(p)), append(tags, p.ITT)
	}
	// A failed write shows in the next event.
	_ = c.SendAll(frames...)
	for i, itt := range tags {
		e := c.AnswerTo(itt)
		if e.Ended() {
			t.Warn("The target drops the connection over many immediate commands.", e, "a SCSI Response", "a Reject with reason 0x06")
			return
		}
		switch p := e.PDU.(type) {
		case *pdu.SCSIResponse:
		case *pdu.Reject:
			if p.Reason != pdu.RejectTooManyImmediate {
				t.Warn("An immediate command is rejected with another reason than 0x06.", e, "a SCSI Response", "a Reject with reason 0x06")
				return
			}
		default:
			t.FailFirmly(fmt.Sprintf("immediate command %d of 64: %v", i+1, e), "a SCSI Response", "a Reject with reason 0x06")
		}
	}
}
