package initiator

import (
	"fmt"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// beforeWrap is a CmdSN from which the first commands of a session pass the end of 32 bits.
const beforeWrap = 0xfffffff0

// cmdSNChecks are those of the group ffp-sequencing about CmdSN.
func cmdSNChecks() []Check {
	return []Check{
		{ID: "cmdsn.increments-by-one", Run: cmdSNSteps},
		{ID: "cmdsn.first-after-login", Run: firstCmdSN},
		{ID: "cmdsn.wraparound", Base: func(b *Base) { b.Window = 16 }, Driver: func(s *Settings) {
			first := uint32(beforeWrap)
			s.Defaults.Manners = &ini.LoginManners{CmdSN: &first}
		}, Run: cmdSNWraps},
		{ID: "cmdsn.immediate-does-not-advance", Run: immediateCmdSN},
		{ID: "cmdsn.immediate-tmf", Run: immediateTaskManagement},
	}
}

func cmdSNSteps(t *T) {
	t.Session()
	ops := []Op{Read{Blocks: 8}, Write{LBA: besideProbe, Blocks: 8}}
	if t.Own() {
		ops = append(ops, TestUnitReady{}, Ping{Data: []byte("ping")}, SendText{Pairs: text.Pairs{{Key: "X-org.iscsispec.key", Value: "1"}}})
	}
	for i := range t.times(20) {
		t.Good(ops[i%len(ops)])
	}
	t.contiguous()
}

func firstCmdSN(t *T) {
	c := t.Session()
	op := t.Start(Read{Blocks: 8})
	c.Good(c.Read())
	op.Wait()
	login, known := uint32(0), false
	for _, h := range t.heard(0) {
		sn, has := h.cmdSN()
		switch {
		case h.Opcode() == pdu.OpLoginRequest:
			login, known = sn, true
		case has && known && h.numbered():
			t.Check(sn == login, h.String(), fmt.Sprintf("the login's CmdSN %d", login))
			return
		}
	}
	t.Unclear("No request with a CmdSN came.")
}

func cmdSNWraps(t *T) {
	c := t.Session()
	if sn := c.Session.ExpCmdSN; sn > 64 && !iscsi.SNLess(sn, 64) {
		t.Skip("NOT-TESTABLE: the initiator's first CmdSN cannot be set.")
	}
	var ops []*Pending
	for i := range 64 {
		ops = append(ops, t.Start(Read{LBA: uint64(i), Blocks: 1}))
	}
	t.succeed(ops...)
	t.Check(!t.Own() || c.Session.ExpCmdSN < beforeWrap, fmt.Sprintf("ExpCmdSN 0x%08x", c.Session.ExpCmdSN), "commands past the wrap")
	t.contiguous()
}

// ended tells whether all operations are over.
func ended(ops []*Pending) bool {
	for _, op := range ops {
		if !op.Ended() {
			return false
		}
	}
	return true
}

func immediateCmdSN(t *T) {
	c := t.Session()
	for range 3 {
		c.NOPIn(c.Tag())
		e := c.Next(pdu.OpNOPOut)
		p, _ := probe.As[*pdu.NOPOut](e)
		if !p.Immediate {
			t.Fail(e, "I=1 in the answer to a ping")
		}
		// With an external initiator commands may have come between the two.
		if t.Own() && p.CmdSN != c.Session.ExpCmdSN {
			t.Fail(e, fmt.Sprintf("CmdSN %d, which the next request will have", c.Session.ExpCmdSN))
		}
	}
	next := c.Session.ExpCmdSN
	op := t.Start(Read{Blocks: 8})
	task := c.Read()
	t.contiguous()
	if t.Own() && task.PDU.CmdSN != next {
		t.Fail(task.Event, fmt.Sprintf("CmdSN %d, as in the immediate requests before", next))
	}
	c.Good(task)
	op.Wait()
}

func immediateTaskManagement(t *T) {
	c := t.Session()
	read := t.Start(Read{Blocks: 8})
	c.Read()
	if t.Own() {
		t.Start(AbortTask{Of: read})
	}
	e := c.Next(pdu.OpTaskManagementRequest)
	p, _ := probe.As[*pdu.TaskManagementRequest](e)
	next := p.CmdSN
	if !p.Immediate {
		next++
	}
	c.Manage(p, pdu.TaskResponseComplete)
	op := t.Start(Read{LBA: 8, Blocks: 8})
	task := c.Read()
	if task.PDU.CmdSN != next {
		t.Fail(task.Event, fmt.Sprintf("CmdSN %d behind a task management request with I=%t and CmdSN %d", next, p.Immediate, p.CmdSN))
	}
	c.Good(task)
	op.Wait()
}
