package initiator

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// noticeTime is how long an initiator may need to notice that its packets go nowhere.
const noticeTime = 40 * time.Second

// sessionRecoveryChecks are those of the group recovery about what ErrorRecoveryLevel 0 has: a new session.
func sessionRecoveryChecks() []Check {
	return []Check{
		{ID: "recovery.erl0.rst", Run: resetUnderLoad},
		{ID: "recovery.erl0.fin", Run: closedByTarget},
		{ID: "recovery.erl0.mid-pdu", Run: cutInPDU},
		{ID: "recovery.erl0.new-numbering", Run: newNumbers},
		{ID: "recovery.erl0.no-old-tags", Base: onlySolicited(8192), Run: noOldTags},
		{ID: "recovery.reinstatement-isid", Run: sameISID},
		{ID: "recovery.reinstatement-waits-no-logout", Run: lateReset},
		{ID: "recovery.snack.not-at-erl0", Run: noSNACK},
	}
}

// back takes the login that follows the loss of a connection and serves it: a new session of the same name. An external initiator may try
// to reinstate the connection first.
func (t *T) back(old *Conn) *Conn {
	c := t.TryAccept("", AnswerTime)
	if c == nil {
		if !t.Own() {
			t.Skip("NOT-TESTABLE: the initiator does not log in again by itself.")
		}
		t.Fail(fmt.Sprintf("no connection within %v", AnswerTime), "a new login")
	}
	s := c.LoginStep()
	if s.Request.TSIH != 0 && !t.Own() && s.Request.CID == old.CID {
		s.Refuse(iscsi.StatusSessionDoesNotExist)
		c.Respond(s)
		c = t.Accept()
		s = c.LoginStep()
	}
	if s.Request.TSIH != 0 {
		t.Fail(s.Event, "a login with TSIH 0")
	}
	if name := c.Session.InitiatorName; name != old.Session.InitiatorName {
		t.Fail("InitiatorName="+name, "InitiatorName="+old.Session.InitiatorName)
	}
	if isid := c.Session.ISID; isid != old.Session.ISID {
		t.Warn("The session was not reinstated, but another one begun.", fmt.Sprintf("ISID %v", isid), fmt.Sprintf("ISID %v", old.Session.ISID))
	}
	c.Respond(s)
	if !c.FullFeature() && !c.Login() {
		t.Unclear("The login did not reach full feature phase.")
	}
	return c
}

// once fails unless operations have ended well, each told to its requester once. Of an external initiator, whose operations are its own
// business, it expects nothing.
func (t *T) once(ops ...*Pending) {
	if !t.Own() {
		return
	}
	t.succeed(ops...)
	for _, op := range ops {
		if n := op.Told(); n != 1 {
			t.Fail(fmt.Sprintf("%d completions of %s", n, op.Op.OpName()), "one")
		}
	}
}

func resetUnderLoad(t *T) {
	c := t.Session()
	ops := t.reads(4)
	c.Read()
	c.Sever()
	t.back(c)
	t.once(ops...)
	t.Probe()
}

func closedByTarget(t *T) {
	t.Part("idle", func() {
		c := t.Session()
		c.Fin()
		t.RClose(c)
		t.back(c)
		t.Probe()
	})
	t.Part("with commands under way", func() {
		c := t.Session()
		ops := t.reads(4)
		c.commands(time.Second, Reads...)
		c.Fin()
		t.RClose(c)
		t.back(c)
		t.once(ops...)
		t.Probe()
	})
}

func cutInPDU(t *T) {
	for _, n := range []int{10, 47, 48, 60} {
		t.Part(fmt.Sprintf("after %d bytes", n), func() {
			c := t.Session()
			op := t.Start(Read{LBA: 8, Blocks: 8})
			task := c.Read()
			p := &pdu.DataIn{Final: true, ITT: task.PDU.ITT, TTT: pdu.ReservedTag, Data: task.Bytes(0, task.Length())}
			c.Number(p)
			c.SendRaw(pdu.FrameOf(p).Append(nil, c.Digests)[:n])
			c.Fin()
			t.RClose(c)
			if r, over := op.Result(); over && r.Good() {
				t.Fail(fmt.Sprintf("a read that ended with %v", r), "no success on the strength of a part of a PDU")
			}
			again := t.back(c)
			if !op.Ended() {
				again.Good(t.RReissue(again, task))
				t.once(op)
				if t.Own() {
					t.Pattern(op.result.Data, 8)
				}
			}
			t.Probe()
		})
	}
}

func newNumbers(t *T) {
	c := t.Session()
	for range 10 {
		t.Good(Read{Blocks: 1})
	}
	c.Sever()
	t.Base.StatSN, t.Base.Window = 7, 2
	since := t.Now()
	again := t.back(c)
	acknowledged := again.StatSN
	t.Wait(time.Second)
	t.freshNumbers(since, acknowledged)
	ops := t.reads(8)
	tasks := again.commands(quietTime, Reads...)
	if n := len(tasks); n > again.Session.Window {
		t.Fail(fmt.Sprintf("%d commands under way", n), fmt.Sprintf("at most %d, the window of the new session", again.Session.Window))
	}
	for _, task := range tasks {
		again.Good(task)
	}
	t.once(ops...)
}

// freshNumbers fails unless the first request after a login has the login's CmdSN, and the first of all acknowledges the Login Responses.
func (t *T) freshNumbers(since time.Duration, statSN uint32) {
	login, acknowledges := uint32(0), true
	for _, h := range t.heard(since) {
		sn, has := h.cmdSN()
		if h.Opcode() == pdu.OpLoginRequest {
			login = sn
			continue
		}
		if acknowledges && expStatSN(&h.Frame) != statSN {
			t.Fail(h.String(), fmt.Sprintf("ExpStatSN %d, behind the final Login Response", statSN))
		}
		acknowledges = false
		if has && h.numbered() {
			t.Check(sn == login, h.String(), fmt.Sprintf("the login's CmdSN %d", login))
			return
		}
	}
}

func noOldTags(t *T) {
	c := t.Session()
	for range 3 {
		t.Good(Read{Blocks: 1}) // so that the new session, which counts anew, comes to other tags
	}
	w := t.writes(c, Write{Blocks: 64})
	c.R2T(w.Task, 0, 8192)
	c.Sever()
	again := t.back(c)
	task := again.TryCommand(t.scaled(ReactionTime), Writes...)
	if task != nil && task.PDU.ITT == w.PDU.ITT {
		t.Unclear("The new session came to the tag 0x%08x of the old one.", w.PDU.ITT)
	}
	again.R2T(&Task{PDU: &pdu.SCSICommand{ITT: w.PDU.ITT, LUN: w.PDU.LUN}}, 0, 8192)
	send(again, &pdu.SCSIResponse{ITT: w.PDU.ITT, Status: byte(scsi.StatusGood)}, nil)
	t.Wait(quietTime)
	if p, is := nextDataOut(again); is {
		t.Fail(pdu.FrameOf(p), "no Data-Out for a tag of the session before")
	}
	if _, over := again.Ended(); over {
		t.RAlive()
		return
	}
	if task != nil && w.op.Ended() {
		t.Fail("a command that a response for an old tag ended", "the response ends nothing")
	}
	if task != nil {
		again.Good(task)
	}
	t.once(w.op)
	t.Probe()
}

// hidden makes the array unreachable for so long that the initiator gives the connection up, while the array holds on to it.
func (t *T) hidden() {
	t.Blackhole("A")
	t.Wait(noticeTime)
	t.Heal("A")
}

func sameISID(t *T) {
	c := t.Session()
	t.hidden()
	t.back(c)
	t.Probe()
}

func lateReset(t *T) {
	c := t.Session()
	t.hidden()
	again := t.back(c)
	t.Probe()
	c.Sever()
	t.Wait(quietTime)
	t.RIgnore(again)
}

func noSNACK(t *T) {
	quiet := func() {
		t.Wait(t.scaled(ReactionTime))
		for _, h := range t.heard(0) {
			if h.Opcode() == pdu.OpSNACKRequest {
				t.Fail(h.String(), "no SNACK at ErrorRecoveryLevel 0")
			}
		}
	}
	t.Part("DataSN", func() {
		c := t.Session()
		t.Start(Read{Blocks: 16})
		task := c.Read()
		c.DataIn(task, 0, 4096)
		task.dataSN++
		c.DataIn(task, 4096, 4096, Final)
		quiet()
	})
	t.Part("StatSN", func() {
		c := t.Session()
		t.reads(2)
		c.Read()
		c.StatSN++
		if task := c.TryCommand(t.scaled(ReactionTime), Reads...); task != nil {
			c.Good(task)
		}
		quiet()
	})
	t.PartWith("R2TSN", func(b *Base, _ *Settings) {
		onlySolicited(8192)(b)
		b.Params.MaxOutstandingR2T = 4
	}, func() {
		c := t.Session()
		w := t.writes(c, Write{Blocks: 64})
		c.ask(w, 0, 8192)
		w.r2tSN++
		c.R2T(w.Task, 16384, 8192)
		quiet()
	})
}
