package initiator

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// resumeTime is how long an initiator may take to go on when the window opens.
const resumeTime = 2 * time.Second

// windowChecks are those of the group ffp-sequencing about ExpCmdSN and MaxCmdSN.
func windowChecks() []Check {
	return []Check{
		{ID: "window.closed.no-commands", Base: window(4), Run: closedWindow},
		{ID: "window.closed.by-response", Base: func(b *Base) {
			onlySolicited(65536)(b)
			b.Window = 4
		}, Run: closedByResponse},
		{ID: "window.one", Base: window(1), Run: windowOfOne},
		{ID: "window.large", Base: window(100), Run: largeWindow},
		{ID: "window.stale-maxcmdsn-ignored", Run: staleMaxCmdSN},
		{ID: "window.maxcmdsn-less-than-exp-minus-one", Base: window(4), Run: contradictingWindow},
		{ID: "window.immediate-when-closed", Base: window(4), Run: immediateWhenClosed},
		{ID: "window.reopened-by-any-pdu", Base: window(4), Run: reopened},
	}
}

func window(n int) func(b *Base) { return func(b *Base) { b.Window = n } }

// shut keeps MaxCmdSN where it is and has commands served until only some places of the window are left.
func (t *T) shut(c *Conn, left uint32) {
	highest := c.Session.MaxCmdSN()
	c.Session.Highest = &highest
	for n := uint32(c.Session.Window); iscsi.SNLess(c.Session.ExpCmdSN+left-1, highest) && n > 0; n-- {
		if t.Own() {
			t.Good(Read{Blocks: 1})
		} else if task := c.TryCommand(t.patience()); task != nil {
			c.Good(task)
		}
	}
	if c.Session.ExpCmdSN+left-1 != highest && !t.Own() {
		t.Skip("NOT-TESTABLE: the commands of the initiator come so that the window cannot be left with %d places.", left)
	}
	if c.Session.ExpCmdSN+left-1 != highest {
		t.Unclear("The window could not be closed: ExpCmdSN is %d and MaxCmdSN %d.", c.Session.ExpCmdSN, highest)
	}
}

// opens raises MaxCmdSN by some places.
func (s *Session) opens(places uint32) { *s.Highest += places }

// commands takes the commands that come within a time, and nothing else.
func (c *Conn) commands(within time.Duration, opcodes ...scsi.Opcode) (tasks []*Task) {
	c.t.Wait(within)
	for {
		task := c.TryCommand(0, opcodes...)
		if task == nil {
			return tasks
		}
		tasks = append(tasks, task)
	}
}

// succeed serves commands and fails unless the operations succeed. An external initiator is only served for a while.
func (t *T) succeed(ops ...*Pending) {
	if !t.Own() {
		ops[0].Wait()
		return
	}
	t.Soundly(func() {
		if !t.until(AnswerTime, func() bool { return ended(ops) }) {
			t.Fail("commands that do not end", "all commands complete")
		}
	})
	for _, op := range ops {
		if r, _ := op.Result(); !r.Good() {
			t.Fail(fmt.Sprintf("%s that ended with %v", op.Op.OpName(), r), "success")
		}
	}
}

// reads begins reads of one block.
func (t *T) reads(n int) (ops []*Pending) {
	for i := range n {
		ops = append(ops, t.Start(Read{LBA: uint64(i), Blocks: 1}))
	}
	return ops
}

func closedWindow(t *T) {
	c := t.Session()
	t.shut(c, 0)
	since := t.Now()
	ops := t.reads(4)
	t.Wait(quietTime)
	t.silent(since)
	c.Session.opens(4)
	c.NOPIn(pdu.ReservedTag)
	tasks := c.commands(resumeTime, Reads...)
	if n := len(tasks); n == 0 || t.Own() && n != len(ops) {
		t.Fail(fmt.Sprintf("%d commands within %v after the window opened", n, resumeTime), "the reads that waited")
	}
	c.Session.Highest = nil
	for _, task := range tasks {
		c.Good(task)
	}
	t.succeed(ops...)
}

func closedByResponse(t *T) {
	c := t.Session()
	t.shut(c, 1)
	w := t.writes(c, Write{Blocks: 8})
	c.ask(w, 0, w.Length())
	since := t.Now()
	c.Status(w.Task, scsi.StatusGood)
	ops := []*Pending{t.Start(Write{LBA: 128, Blocks: 8}), t.Start(Write{LBA: 136, Blocks: 8})}
	t.Wait(quietTime)
	t.silent(since)
	c.Session.opens(1)
	c.NOPIn(pdu.ReservedTag)
	tasks := c.commands(resumeTime, Writes...)
	if len(tasks) > 1 || len(tasks) == 0 && t.Own() {
		t.Fail(fmt.Sprintf("%d commands for one place in the window", len(tasks)), "one")
	}
	c.Session.Highest = nil
	for _, task := range tasks {
		c.Good(task)
	}
	if t.Own() {
		t.succeed(ops...)
	}
}

func windowOfOne(t *T) {
	c := t.Session()
	c.MutePings = true // an answer would open the window
	ops := t.reads(16)
	for range ops {
		task := c.Read()
		t.Wait(200 * time.Millisecond)
		if next := c.TryCommand(0, Reads...); next != nil {
			t.Fail(next.Event, fmt.Sprintf("no second command before the response to CmdSN %d", task.PDU.CmdSN))
		}
		c.Good(task)
		if !t.Own() {
			break
		}
	}
	t.succeed(ops...)
}

func largeWindow(t *T) {
	c := t.Session()
	ops := t.reads(32)
	tasks := c.commands(quietTime, Reads...)
	if len(tasks) < 2 && !t.Own() {
		t.Skip("NOT-TESTABLE: the initiator has %d commands at once, of its own accord or for want of a window.", len(tasks))
	}
	if len(tasks) < 2 {
		t.FailFirmly(fmt.Sprintf("%d commands in a window of %d", len(tasks), c.Session.Window), "at least 2 before the first response")
	}
	t.contiguous()
	for _, task := range tasks {
		c.Good(task)
	}
	t.succeed(ops...)
}

func staleMaxCmdSN(t *T) {
	c := t.Session()
	read := t.Start(Read{Blocks: 8})
	first := c.Read()
	c.NOPIn(pdu.ReservedTag)
	known := c.Session.MaxCmdSN()
	stale := c.Session.ExpCmdSN + 4
	c.Session.Highest = &stale
	c.Good(first)
	read.Wait()
	ops := t.reads(20)
	tasks := c.commands(quietTime, Reads...)
	for _, task := range tasks {
		if iscsi.SNLess(known, task.PDU.CmdSN) {
			t.Fail(task.Event, fmt.Sprintf("no command beyond MaxCmdSN %d", known))
		}
	}
	for _, task := range tasks {
		c.Good(task)
	}
	t.succeed(ops...)
}

func contradictingWindow(t *T) {
	c := t.Session()
	exp, known := c.Session.ExpCmdSN, c.Session.MaxCmdSN()
	c.NOPIn(pdu.ReservedTag, func(p *pdu.NOPIn) { p.ExpCmdSN, p.MaxCmdSN = exp+8, exp+2 })
	ops := t.reads(8)
	c.Session.Highest = &known // housekeeping must not open it meanwhile
	tasks := c.commands(quietTime, Reads...)
	if e, over := c.Ended(); over {
		if t.satisfied() {
			t.Skip("NOT-TESTABLE: the command has ended with all that it wanted.")
		}
		t.Warn("The connection ended by a MaxCmdSN below ExpCmdSN-1.", e, "both numbers are ignored")
		return
	}
	for _, task := range tasks {
		if iscsi.SNLess(known, task.PDU.CmdSN) {
			t.Fail(task.Event, fmt.Sprintf("no command beyond MaxCmdSN %d", known))
		}
	}
	if len(tasks) == 0 {
		t.Fail("no command", "commands in the window that was open before")
	}
	c.Session.Highest = nil
	for _, task := range tasks {
		c.Good(task)
	}
	t.succeed(ops...)
	t.Probe()
}

func immediateWhenClosed(t *T) {
	c := t.Session()
	t.shut(c, 1)
	op := t.Start(Read{LBA: 8, Blocks: 8})
	task := c.Read()
	c.NOPIn(c.Tag())
	if e := c.TryNext(t.scaled(ReactionTime), pdu.OpNOPOut); e.Kind != probe.Arrived {
		t.FailFirmly(e, "the answer to a ping, although the window is closed")
	}
	if t.Own() {
		t.Start(AbortTask{Of: op})
		p, _ := probe.As[*pdu.TaskManagementRequest](c.Next(pdu.OpTaskManagementRequest))
		c.Manage(p, pdu.TaskResponseComplete)
		op.Wait()
		return
	}
	c.Session.Highest = nil
	c.Good(task)
}

// reopened closes the window with a request open that a PDU can answer, and looks whether that PDU's MaxCmdSN opens it again.
func reopened(t *T) {
	t.reopens("NOP-In", func(*Conn) func(*Conn) {
		return func(c *Conn) { c.NOPIn(pdu.ReservedTag) }
	})
	t.reopens("R2T", func(c *Conn) func(*Conn) {
		t.Start(Write{LBA: besideProbe, Blocks: 1024})
		task := c.WriteCommand()
		c.unasked(task, time.Second)
		return func(c *Conn) { c.R2T(task, task.got, 4096) }
	})
	t.reopens("Data-In", func(c *Conn) func(*Conn) {
		t.Start(Read{Blocks: 128})
		task := c.Read()
		return func(c *Conn) { c.DataIn(task, 0, 4096) }
	})
	t.reopens("SCSI Response", func(c *Conn) func(*Conn) {
		t.Start(Read{Blocks: 8})
		task := c.Read()
		return func(c *Conn) { c.Good(task) }
	})
	t.reopens("Text Response", func(c *Conn) func(*Conn) {
		t.Start(SendText{Pairs: text.Pairs{{Key: "X-org.iscsispec.key", Value: "1"}}})
		p, _ := probe.As[*pdu.TextRequest](c.Next(pdu.OpTextRequest))
		return func(c *Conn) { c.Text(p, text.Pairs{{Key: "X-org.iscsispec.key", Value: "NotUnderstood"}}) }
	})
	t.reopens("Task Management Response", func(c *Conn) func(*Conn) {
		read := t.Start(Read{Blocks: 8})
		c.Read()
		t.Start(AbortTask{Of: read})
		p, _ := probe.As[*pdu.TaskManagementRequest](c.Next(pdu.OpTaskManagementRequest))
		return func(c *Conn) { c.Manage(p, pdu.TaskResponseComplete) }
	})
	t.reopens("Async Message", func(*Conn) func(*Conn) {
		return func(c *Conn) {
			c.Async(pdu.AsyncSCSI, func(p *pdu.AsyncMessage) {
				p.Data = pdu.SenseSegment(scsi.NewSense(scsi.UnitAttention, 0x2a01).Append(nil))
			})
		}
	})
	t.reopens("Reject", func(c *Conn) func(*Conn) {
		t.Start(SendText{Pairs: text.Pairs{{Key: "X-org.iscsispec.key", Value: "1"}}})
		e := c.Next(pdu.OpTextRequest)
		if !e.Frame.BHS.Immediate() {
			t.Skip("NOT-TESTABLE: the request is not immediate.")
		}
		return func(c *Conn) { c.Reject(e, pdu.RejectCommandNotSupported) }
	})
}

// reopens is one carrier of reopened: begin leaves something open that the function it returns answers.
func (t *T) reopens(carrier string, begin func(*Conn) func(*Conn)) {
	t.Part(carrier, func() {
		c := t.Session()
		answer := begin(c)
		t.shut(c, 0)
		t.Start(Read{LBA: 8, Blocks: 1})
		t.Wait(time.Second)
		c.Session.opens(4)
		answer(c)
		if c.TryCommand(resumeTime, Reads...) == nil {
			t.Fail(fmt.Sprintf("no command within %v", resumeTime), "the read that waited, since "+carrier+" opens the window")
		}
	})
}
