package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// sequencingChecks are those of the group ffp-sequencing that are about numbers and tags.
func sequencingChecks() []Check {
	return []Check{
		{ID: "ffp-sequencing.maxcmdsn.not-below-expcmdsn-minus-one", Run: windowNeverInverted},
		{ID: "ffp-sequencing.expcmdsn.acknowledges-in-order", Run: acknowledgesInOrder},
		{ID: "ffp-sequencing.expcmdsn.immediate-does-not-advance", Run: immediateDoesNotAdvance},
		{ID: "ffp-sequencing.window.commands-up-to-maxcmdsn", Run: wholeWindow},
		{ID: "ffp-sequencing.statsn.increments-per-response", Run: func(t *T) {
			c := t.Open(probe.Login{})
			for _, command := range t.mixture(c, 10) {
				t.answered(c.Execute(command))
			}
			t.Check(c.Ping(nil), "a ping")
			if response, e := c.Manage(c.TaskManagement(pdu.FunctionAbortTask, 0xdead0001, c.Session.CmdSN-1)); response == nil {
				t.Fail(e, "a Task Management Response")
			}
			t.answered(c.Execute(probe.TestUnitReady()))
			t.StatSNInOrder()
		}},
		{ID: "ffp-sequencing.itt.reuse-after-completion", Run: func(t *T) {
			c := t.Open(probe.Login{})
			command := probe.TestUnitReady()
			command.Patch = func(p *pdu.SCSICommand) { p.ITT = 7 }
			for range 10 {
				t.answered(c.Execute(command))
			}
		}},
		{ID: "ffp-sequencing.order.single-command-response-pairing", Run: oneStatusForEachCommand},
	}
}

func windowNeverInverted(t *T) {
	c := t.Open(solicited())
	commands := []probe.Command{inquiry(), probe.TestUnitReady(), {CDB: scsi.ReadCapacity10(), Read: scsi.Capacity10Length}}
	for i := range uint32(10) {
		if t.MayWrite() {
			commands = append(commands, t.Write(c, i, pattern(i, 512)))
		} else {
			commands = append(commands, t.Read(c, i, 512))
		}
	}
	for _, command := range commands {
		t.answered(c.Execute(command))
	}
	for _, s := range t.Received(c) {
		if exp, highest, ok := windowOf(s.PDU); ok && iscsi.SNLess(highest, exp-1) {
			t.Fail(fmt.Sprintf("MaxCmdSN 0x%x with ExpCmdSN 0x%x in %v", highest, exp, s.Event.PDU), "MaxCmdSN of at least ExpCmdSN-1")
		}
	}
}

func acknowledgesInOrder(t *T) {
	c := t.Granted(t.Login(probe.Login{}))
	sent, last := c.Session.CmdSN, c.Session.CmdSN
	for range 20 {
		task := c.Start(probe.TestUnitReady())
		sent = task.PDU.CmdSN
		r := task.Await()
		t.answered(r)
		exp, _, _ := windowOf(r.Event.PDU)
		if iscsi.SNLess(exp, sent+1) {
			t.Fail(fmt.Sprintf("ExpCmdSN 0x%x in the response to CmdSN 0x%x", exp, sent), fmt.Sprintf("ExpCmdSN 0x%x", sent+1))
		}
	}
	for _, s := range t.Received(c) {
		exp, _, ok := windowOf(s.PDU)
		switch {
		case !ok:
		case iscsi.SNLess(sent+1, exp):
			t.Fail(fmt.Sprintf("ExpCmdSN 0x%x, though the last command had CmdSN 0x%x", exp, sent), "nothing beyond the last CmdSN plus 1")
		case iscsi.SNLess(exp, last):
			t.Fail(fmt.Sprintf("ExpCmdSN 0x%x after 0x%x", exp, last), "ExpCmdSN that never moves backwards")
		default:
			last = exp
		}
	}
}

func immediateDoesNotAdvance(t *T) {
	c := t.Open(probe.Login{})
	n := c.Session.CmdSN
	shows := func(e probe.Event, want uint32, what string) {
		if exp, _, ok := windowOf(e.PDU); !ok || exp != want {
			t.Fail(fmt.Sprintf("%s: ExpCmdSN 0x%x in %v", what, exp, e), fmt.Sprintf("ExpCmdSN 0x%x", want))
		}
	}
	ping := c.NOPOut(nil)
	// A failed write shows in the next event.
	_ = c.Send(ping)
	e := c.AnswerTo(ping.ITT)
	if _, is := probe.As[*pdu.NOPIn](e); !is {
		t.Fail(e, "a NOP-In")
	}
	shows(e, n, "after an immediate ping")
	command := probe.TestUnitReady()
	command.Immediate = true
	r := c.Execute(command)
	if reject := r.Rejected(); reject == nil {
		t.answered(r)
	} else if reject.Reason != pdu.RejectTooManyImmediate {
		t.Warn("An immediate command was rejected with another reason than 0x06.", r, "a SCSI Response", "a Reject with reason 0x06")
	}
	shows(r.Event, n, "after an immediate command")
	r = c.Execute(probe.TestUnitReady())
	t.answered(r)
	shows(r.Event, n+1, "after a command that is numbered")
}

func wholeWindow(t *T) {
	c := t.Open(probe.Login{})
	w := min(c.Session.Window(), 128)
	if w == 0 {
		t.Fail("a closed window while no command is in progress", "a window of 1 or more")
	}
	var tasks []*probe.Task
	for range w {
		tasks = append(tasks, c.Start(probe.TestUnitReady()))
	}
	for i, task := range tasks {
		r := task.Await()
		if r.Response != pdu.ResponseCompleted || r.Status != scsi.StatusGood && r.Status != scsi.StatusBusy && r.Status != scsi.StatusTaskSetFull {
			r.Answered = r.Answered && r.UnitAttention()
		}
		if !r.Answered {
			t.Fail(fmt.Sprintf("command %d of %d: %v", i+1, w, r), "GOOD", "BUSY", "TASK SET FULL")
		}
	}
}

func oneStatusForEachCommand(t *T) {
	c := t.Open(probe.Login{})
	for _, command := range t.mixture(c, 100) {
		t.answered(c.Execute(command))
	}
	t.Quiet(c)
	t.onceOnly(c)
}

// onceOnly ends the part when a command on a connection got more than one status.
func (t *T) onceOnly(c *probe.Conn) {
	count := map[uint32]int{}
	for _, s := range t.Wire(c) {
		if command, is := s.PDU.(*pdu.SCSICommand); is {
			count[command.ITT] = 0
		}
		if s.Sent || !carriesStatus(s.PDU) {
			continue
		}
		itt := s.Event.PDU.Header.ITT()
		if count[itt]++; count[itt] > 1 {
			t.Fail(fmt.Sprintf("a second status for the tag 0x%x: %v", itt, s.Event.PDU), "one status for each command")
		}
	}
}
