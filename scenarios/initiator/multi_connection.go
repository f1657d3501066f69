package initiator

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// takesTwo makes the array take two connections of a session.
func takesTwo(b *Base) { b.Params.MaxConnections = 2 }

// multiConnectionChecks are those of the group multi-connection.
func multiConnectionChecks() []Check {
	base, driver := takesTwo, twoConnections
	with := func(id string, run func(t *T)) Check { return Check{ID: id, Base: base, Driver: driver, Run: run} }
	at := func(n int, c Check) Check {
		levelBase, levelDriver := level(n)
		c.Base = func(b *Base) { base(b); levelBase(b) }
		c.Driver = func(s *Settings) { driver(s); levelDriver(s) }
		return c
	}
	return []Check{
		with("mc.second-login-fields", mcSecondLogin),
		with("mc.limit", mcLimit),
		with("mc.cmdsn-session-wide", mcCmdSN),
		with("mc.login-cmdsn", mcLoginCmdSN),
		with("mc.statsn-per-connection", mcStatSN),
		with("mc.allegiance", mcAllegiance),
		with("mc.async-logout-one", mcAsyncLogout),
		with("mc.one-severed-erl0", mcSevered),
		at(2, with("mc.cid-reinstatement", mcReinstatement)),
		with("mc.window-shared", mcWindow),
		with("mc.aca-needs-response-fence", mcNACA),
		with("mc.add-refused", mcAddRefused),
		at(1, with("mc.cmd-ordering-gap", mcOrderingGap)),
	}
}

// pair is the MC setup: two connections of one session in full feature phase. The hook sees the steps of the second login.
func (t *T) pair(hooks ...func(c *Conn, s *Step)) (c1, c2 *Conn) {
	c1 = t.Session()
	if c1.Params.MaxConnections < 2 {
		t.Skip("NOT-TESTABLE: MaxConnections=%d was agreed.", c1.Params.MaxConnections)
	}
	t.Probe()
	return c1, t.further(c1, hooks...)
}

// further has the initiator open another connection of a session.
func (t *T) further(c1 *Conn, hooks ...func(c *Conn, s *Step)) *Conn {
	op := t.Start(AddConnection{})
	c := t.Accept()
	c.Login(func(s *Step) {
		for _, hook := range hooks {
			hook(c, s)
		}
	})
	if r := op.Wait(); !r.Good() {
		t.Fail(r, "a further connection")
	}
	if c.Session != c1.Session {
		t.Fail("a connection of another session", "a connection of the same session")
	}
	return c
}

// commands collects, in the order of arrival, what comes on the connections until n commands have come or time is over.
func (t *T) commands(n int, within time.Duration, conns ...*Conn) []*Task {
	var tasks []*Task
	t.until(within, func() bool {
		for _, c := range conns {
			for i := 0; i < len(c.aside); i++ {
				if _, is := probe.As[*pdu.SCSICommand](c.aside[i]); is {
					e := c.aside[i]
					c.aside = slices.Delete(c.aside, i, i+1)
					i--
					tasks = append(tasks, c.task(e))
				}
			}
		}
		return len(tasks) >= n
	})
	return tasks
}

func mcSecondLogin(t *T) {
	c1 := t.Session()
	name := c1.Session.InitiatorName
	op := t.Start(AddConnection{})
	c2 := t.Accept()
	s := c2.LoginStep()
	t.Equal("TSIH", fmt.Sprintf("0x%04x", s.Request.TSIH), fmt.Sprintf("0x%04x", c1.Session.TSIH))
	t.Equal("ISID", iscsi.ISID(s.Request.ISID), c1.Session.ISID)
	t.Check(s.Request.CID != c1.CID, fmt.Sprintf("CID %d for both", c1.CID), "a CID of its own")
	for key, want := range map[string]string{text.KeyInitiatorName: name, text.KeyTargetName: t.Base.Target} {
		if got, found := s.Keys.Get(key); found && got != want {
			t.Fail(key+"="+got, key+"="+want)
		}
	}
	c2.Respond(s)
	if !c2.FullFeature() {
		c2.Login()
	}
	op.Wait()
	t.Probe()
}

func mcLimit(t *T) {
	c1, _ := t.pair()
	for range 3 {
		op := t.Start(AddConnection{})
		if c := t.TryAccept("", t.scaled(ReactionTime)); c != nil {
			s := c.LoginStep()
			t.Check(s.Request.TSIH != c1.Session.TSIH, "a third connection of the session", "at most two connections")
			c.Respond(s)
		}
		if r, ended := op.Result(); ended {
			t.Check(!r.Good(), r, "an error")
		}
	}
	t.Probe()
}

func mcCmdSN(t *T) {
	c1, c2 := t.pair()
	const n = 16
	first := c1.Session.ExpCmdSN
	var ops []*Pending
	for range n {
		ops = append(ops, t.Start(Read{Blocks: 8}))
	}
	tasks := t.commands(n, AnswerTime, c1, c2)
	t.Equal("number of commands", len(tasks), n)
	last := map[*Conn]uint32{}
	var all []uint32
	for _, task := range tasks {
		if before, any := last[task.conn]; any && !iscsi.SNLess(before, task.PDU.CmdSN) {
			t.Fail(fmt.Sprintf("CmdSN %d after %d on %s", task.PDU.CmdSN, before, task.conn), "rising CmdSN on each connection")
		}
		last[task.conn] = task.PDU.CmdSN
		all = append(all, task.PDU.CmdSN)
	}
	slices.Sort(all)
	for i, sn := range all {
		if sn != first+uint32(i) {
			t.Fail(fmt.Sprintf("CmdSN %v", all), fmt.Sprintf("each number once, from %d on", first))
		}
	}
	t.Check(len(last) == 2 || !t.Own(), "commands on one connection alone", "commands on both connections")
	t.finishAll(tasks, ops)
}

// finishAll serves commands soundly, and fails unless their operations succeed.
func (t *T) finishAll(tasks []*Task, ops []*Pending) {
	for _, task := range tasks {
		task.conn.Good(task)
	}
	for _, op := range ops {
		r := op.Wait()
		t.Check(r.Good(), r, "GOOD")
	}
}

func mcLoginCmdSN(t *T) {
	c1 := t.Session()
	for range 10 {
		t.Probe()
	}
	now := c1.Session.ExpCmdSN
	t.further(c1, func(_ *Conn, s *Step) {
		t.Check(s.Event.Frame.BHS.Immediate(), "I=0", "I=1 in a Login Request")
		t.Equal("CmdSN of the login", s.Request.CmdSN, now)
	})
	op := t.Start(Read{Blocks: 8})
	tasks := t.commands(1, AnswerTime, t.conns...)
	t.Check(len(tasks) == 1, "no command", "a command")
	t.Equal("CmdSN of the next command", tasks[0].PDU.CmdSN, now)
	tasks[0].conn.Good(tasks[0])
	op.Wait()
}

func mcStatSN(t *T) {
	t.Base.StatSN = 100
	c1, c2 := t.pair(func(c *Conn, s *Step) {
		if s.N == 1 {
			c.StatSN = 50000
		}
	})
	for range 20 {
		op := t.Start(Read{Blocks: 8})
		other := t.Start(Read{Blocks: 8})
		for _, task := range t.commands(2, AnswerTime, c1, c2) {
			c := task.conn
			t.Check(c.StatSN-task.PDU.ExpStatSN <= 4, fmt.Sprintf("ExpStatSN %d on %s", task.PDU.ExpStatSN, c), fmt.Sprintf("at most %d, and little less", c.StatSN))
			c.Good(task)
		}
		op.Wait()
		other.Wait()
	}
}

func mcAllegiance(t *T) {
	c1, c2 := t.pair()
	var ops []*Pending
	var writes []Write
	for i := range 4 {
		w := Write{LBA: uint64(4096 * (i + 1)), Blocks: 512}
		writes = append(writes, w)
		ops = append(ops, t.Start(w))
	}
	tasks := t.commands(4, AnswerTime, c1, c2)
	t.Equal("number of commands", len(tasks), 4)
	for _, task := range tasks {
		for task.got < task.Length() {
			r2t := task.conn.R2T(task, task.got, min(task.Length()-task.got, task.conn.Params.MaxBurstLength))
			s := task.conn.DataOut(task, r2t.TTT)
			if s.End == nil {
				continue
			}
			for _, c := range []*Conn{c1, c2} {
				for _, e := range c.aside {
					if p, is := probe.As[*pdu.DataOut](e); is && p.ITT == task.PDU.ITT && c != task.conn {
						t.Fail(fmt.Sprintf("%v on %s", e, c), "Data-Out on the connection of its command")
					}
				}
			}
			t.Fail(s.End, "Data-Out that answers the R2T")
		}
	}
	for _, task := range tasks {
		t.Check(slices.ContainsFunc(writes, func(w Write) bool { return bytes.Equal(w.bytes(), task.Written) }), "other data than was to be written", "the data of the write")
	}
	t.finishAll(tasks, ops)
}

func mcAsyncLogout(t *T) {
	c1, c2 := t.pair()
	op := t.Start(Write{LBA: 4096, Blocks: 8})
	other := t.Start(Write{LBA: 8192, Blocks: 8})
	tasks := t.commands(2, AnswerTime, c1, c2)
	c2.Async(pdu.AsyncLogoutRequest, func(p *pdu.AsyncMessage) { p.Parameter3 = 5 })
	for _, task := range tasks {
		task.conn.Good(task)
	}
	var e probe.Event
	t.until(t.scaled(ReactionTime), func() bool {
		for _, c := range []*Conn{c2, c1} {
			for _, e = range c.aside {
				if _, is := probe.As[*pdu.LogoutRequest](e); is {
					return true
				}
			}
		}
		return false
	})
	p, is := probe.As[*pdu.LogoutRequest](e)
	t.Check(is, e, "a Logout Request within 5 s")
	if p.Reason == pdu.LogoutCloseSession {
		t.Soundly(func() { t.Wait(time.Second) })
		t.RAlive()
		return
	}
	t.Check(p.Reason == pdu.LogoutCloseConnection && p.CID == c2.CID, e, fmt.Sprintf("reason 1 with CID %d, or reason 0", c2.CID))
	on := c2
	if !slices.ContainsFunc(c2.aside, func(e probe.Event) bool { _, is := probe.As[*pdu.LogoutRequest](e); return is }) {
		on = c1
	}
	t.Check(on == c1 || p.ExpStatSN == c2.StatSN, fmt.Sprintf("ExpStatSN %d", p.ExpStatSN), fmt.Sprintf("%d, all that has come on the connection", c2.StatSN))
	on.Logout(p, pdu.LogoutSuccess)
	_ = c2.Shut()
	op.Wait()
	other.Wait()
	t.gone(c2)
	t.RIgnore(c1)
}

func mcSevered(t *T) {
	c1, c2 := t.pair()
	ops := []*Pending{t.Start(Read{Blocks: 8}), t.Start(Read{Blocks: 8})}
	t.commands(2, AnswerTime, c1, c2)
	c2.Sever()
	for _, op := range ops {
		t.Soundly(func() {
			ended := t.until(4*AnswerTime, func() bool {
				t.welcome()
				return op.Ended()
			})
			t.Check(ended, "a request without end", "an end of every request within 120 s")
		})
	}
	t.RAlive()
}

func mcReinstatement(t *T) {
	c1, c2 := t.pair()
	c2.MutePings, c2.Mute = true, true
	op := t.Start(Read{Blocks: 8})
	other := t.Start(Read{Blocks: 8})
	expected := c2.StatSN
	for end := time.Now().Add(2 * AnswerTime); time.Now().Before(end); {
		if p, is := probe.As[*pdu.LogoutRequest](c1.TryNext(0, pdu.OpLogoutRequest)); is {
			c1.Logout(p, pdu.LogoutSuccess, func(r *pdu.LogoutResponse) { r.Time2Retain = 60 })
		}
		if p, is := probe.As[*pdu.TaskManagementRequest](c1.TryNext(0, pdu.OpTaskManagementRequest)); is {
			c1.Manage(p, pdu.TaskResponseNoTask)
		}
		c := t.TryAccept("", time.Second)
		if c == nil {
			continue
		}
		s := c.LoginStep()
		if s.Request.TSIH == c1.Session.TSIH {
			_, ended := c1.Ended()
			t.Check(ended || s.Request.CID != c1.CID, fmt.Sprintf("a login with CID %d", s.Request.CID), "no CID of a connection that lives")
			if s.Request.CID == c2.CID {
				t.Equal("ExpStatSN", s.Request.ExpStatSN, expected)
			}
		}
		c.Respond(s)
		if !c.FullFeature() {
			c.Login()
		}
		break
	}
	c2.Mute = false
	_ = c2.Close()
	t.recovered(op)
	t.recovered(other)
}

func mcWindow(t *T) {
	c1, c2 := t.pair()
	s := c1.Session
	s.Window = 4
	for range t.Base.Window { // The smaller window does not take back what was granted: that has to be used up.
		t.Probe()
	}
	s.Hold = true
	limit := s.MaxCmdSN()
	var ops []*Pending
	for range 12 {
		ops = append(ops, t.Start(Read{Blocks: 8}))
	}
	c1.NOPIn(pdu.ReservedTag)
	tasks := t.commands(12, t.scaled(ReactionTime), c1, c2)
	for _, task := range tasks {
		t.Check(!iscsi.SNLess(limit, task.PDU.CmdSN), task.Event, fmt.Sprintf("no CmdSN beyond MaxCmdSN, %d", limit))
	}
	s.Hold = false
	s.ExpCmdSN += uint32(len(tasks))
	s.Window = 32
	c2.NOPIn(pdu.ReservedTag)
	more := t.commands(12-len(tasks), t.scaled(ReactionTime), c1, c2)
	t.Equal("commands once the window is open", len(tasks)+len(more), 12)
	t.finishAll(append(tasks, more...), ops)
}

func mcAddRefused(t *T) {
	for _, status := range []iscsi.Status{0x0206, 0x0208} {
		t.Part(status.String(), func() {
			c1 := t.Session()
			op := t.Start(AddConnection{})
			attempts := 0
			for end := time.Now().Add(AnswerTime); time.Now().Before(end); {
				c := t.TryAccept("", time.Until(end))
				if c == nil {
					continue
				}
				attempts++
				s := c.LoginStep()
				t.Check(s.Request.TSIH == c1.Session.TSIH, s.Event, "the login of a further connection, since the session goes on")
				s.Refuse(status)
				c.Respond(s)
			}
			t.Check(attempts <= int(AnswerTime/(5*time.Second)), fmt.Sprintf("%d attempts in %v", attempts, AnswerTime), "at most one attempt in 5 s")
			r := op.Wait()
			t.Check(!r.Good(), r, "an error")
			t.RIgnore(c1)
		})
	}
	if t.Own() {
		t.PartWith("wanted by the settings", func(_ *Base, s *Settings) { s.Defaults.Connections = 2 }, func() { mcKept(t) })
	}
}

// mcKept refuses the further connection that the settings ask for a few times, and then lets it in.
func mcKept(t *T) {
	c1 := t.Session()
	var last time.Duration
	for n := range 4 {
		c := t.Accept()
		if at := t.Now(); n > 0 && at-last < 5*time.Second-Slack {
			t.Fail(fmt.Sprintf("attempts %v apart", at-last), "5 s from one attempt to the next")
		}
		last = t.Now()
		if n < 3 {
			s := c.LoginStep()
			s.Refuse(0x0206)
			c.Respond(s)
			t.RIgnore(c1)
			continue
		}
		c.Login()
		t.Check(c.Session == c1.Session, "another session", "a further connection of the session")
	}
	t.Wait(time.Second)
	t.Equal("connections", len(t.ListSessions()[0].Connections), 2)
	t.RIgnore(c1)
}

func mcOrderingGap(t *T) {
	c1, c2 := t.pair()
	s := c1.Session
	s.Hold = true
	ops := []*Pending{t.Start(Read{Blocks: 8}), t.Start(Read{Blocks: 8})}
	tasks := t.commands(2, AnswerTime, c1, c2)
	i := slices.IndexFunc(tasks, func(task *Task) bool { return task.conn == c2 })
	if i < 0 {
		t.Skip("NOT-TESTABLE: the initiator sends nothing on the second connection.")
	}
	gap := tasks[i].PDU.CmdSN
	s.ExpCmdSN = gap
	c2.Sever()
	for end := time.Now().Add(4 * AnswerTime); ; {
		e := c1.TryNext(time.Until(end), pdu.OpLogoutRequest, pdu.OpSCSICommand, pdu.OpTaskManagementRequest, pdu.OpNOPOut)
		switch p := e.PDU.(type) {
		case *pdu.LogoutRequest:
			c1.Logout(p, pdu.LogoutSuccess)
			continue
		case *pdu.TaskManagementRequest:
			c1.Manage(p, pdu.TaskResponseComplete)
			if p.RefCmdSN != gap {
				continue
			}
		case *pdu.SCSICommand:
			if p.CmdSN != gap {
				continue
			}
			c1.Good(c1.task(e))
		case *pdu.NOPOut:
			if p.ITT != pdu.ReservedTag && p.Immediate {
				c1.Echo(p)
			}
			if p.Immediate || p.CmdSN != gap {
				continue
			}
		default:
			if e.Ended() {
				break
			}
			t.Fail(e, fmt.Sprintf("something that fills the gap at CmdSN %d within 120 s, or session recovery", gap))
		}
		break
	}
	s.Hold = false
	s.ExpCmdSN = max(s.ExpCmdSN, gap+1)
	for _, task := range tasks {
		if _, ended := c1.Ended(); task.conn == c1 && !ended {
			c1.Good(task)
		}
	}
	for _, op := range ops {
		t.recovered(op)
	}
}

// mcNACA is mc.aca-needs-response-fence.
func mcNACA(t *T) {
	c1, _ := t.pair()
	if r := c1.Params.TaskReporting; r == "ResponseFence" || r == "FastAbort" {
		t.Skip("NOT-TESTABLE: TaskReporting=%s was agreed.", r)
	}
	since, seen := t.Now(), 0
	for _, op := range []Op{Read{Blocks: 8}, Write{Blocks: 8}, Inquiry{}, TestUnitReady{}} {
		t.Do(op)
	}
	for _, h := range t.heard(since) {
		command, is := h.PDU.(*pdu.SCSICommand)
		if !is {
			continue
		}
		seen++
		if control, has := controlByte(command); has && control&4 != 0 {
			t.Fail(h.String(), "no command with NACA=1 while the target does not keep the response fence")
		}
	}
	if seen == 0 {
		t.Unclear("No command came.")
	}
}

// controlByte is that of a command whose CDB has it at a place of its length (SPC-4, Section 4.2.5.1).
func controlByte(p *pdu.SCSICommand) (control byte, has bool) {
	switch p.CDB[0] >> 5 {
	case 0:
		return p.CDB[5], true
	case 1, 2:
		return p.CDB[9], true
	case 4:
		return p.CDB[15], true
	case 5:
		return p.CDB[11], true
	}
	return 0, false
}
