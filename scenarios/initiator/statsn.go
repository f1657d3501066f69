package initiator

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// statSNChecks are those of the group ffp-sequencing about StatSN and ExpStatSN.
func statSNChecks() []Check {
	return []Check{
		{ID: "statsn.expstatsn-tracks", Run: acknowledgements},
		{ID: "statsn.expstatsn-after-login", Run: firstAcknowledgement},
		{ID: "statsn.not-advanced-by-unnumbered", Run: unnumbered},
		{ID: "statsn.large-gap-recovery", Run: largeGap},
		{ID: "statsn.small-gap-erl0", Run: smallGap},
		{ID: "statsn.duplicate-ignored", Run: repeatedStatus},
	}
}

func acknowledgements(t *T) {
	for _, first := range []uint32{0x1000, 0xfffffff0} {
		t.PartWith(fmt.Sprintf("from StatSN 0x%08x", first), func(b *Base, _ *Settings) { b.StatSN = first }, func() {
			c := t.Session()
			for i := range 50 {
				if i == 0 || t.Own() {
					t.Start(Read{LBA: uint64(i), Blocks: 1})
				}
				task := c.TryCommand(t.patience(), Reads...)
				if task == nil {
					if i > 0 && !t.Own() {
						return
					}
					if !t.Own() {
						t.Skip("NOT-TESTABLE: the command reads nothing.")
					}
					t.Fail("no further command", "a read")
				}
				switch exp := task.PDU.ExpStatSN; {
				case iscsi.SNLess(c.StatSN, exp):
					t.Fail(task.Event, fmt.Sprintf("an ExpStatSN of at most 0x%08x", c.StatSN))
				case exp != c.StatSN && t.Own():
					t.Fail(task.Event, fmt.Sprintf("ExpStatSN 0x%08x, since all was received", c.StatSN))
				case i == 49 && !iscsi.SNLess(first, exp):
					t.Fail(task.Event, "an ExpStatSN that advances")
				}
				c.Good(task)
				t.Wait(t.settling())
			}
		})
	}
}

// settling is how long it takes our own initiator to take in what was sent, which costs nothing on virtual time.
func (t *T) settling() time.Duration {
	if t.Virtual() {
		return time.Second
	}
	return 0
}

func firstAcknowledgement(t *T) {
	op := t.Start(Login{})
	c := t.Accept()
	c.Mute = true
	if !c.Login() {
		t.Unclear("The login did not reach full feature phase.")
	}
	e := c.NextRaw(AnswerTime)
	if e.Kind != probe.Arrived {
		t.missing(e, "a first request")
	}
	if got := expStatSN(e.Frame); got != c.StatSN {
		t.Fail(e, fmt.Sprintf("ExpStatSN 0x%08x, behind the final Login Response", c.StatSN))
	}
	c.Mute = false
	if !c.housekeeping(e) {
		c.setAside(e)
	}
	if t.Own() {
		op.Wait()
	}
}

func unnumbered(t *T) {
	same := func(c *Conn, f *pdu.Frame) {
		// An external initiator may have sent it before it had the latest status.
		if got := expStatSN(f); got != c.StatSN && (t.Own() || iscsi.SNLess(c.StatSN, got)) {
			t.Fail(f, fmt.Sprintf("ExpStatSN 0x%08x as before", c.StatSN))
		}
	}
	t.Part("NOP-In", func() {
		c := t.Session()
		c.NOPIn(pdu.ReservedTag)
		c.NOPIn(c.Tag())
		same(c, c.Next(pdu.OpNOPOut).Frame)
		op := t.Start(Read{Blocks: 8})
		task := c.Read()
		same(c, task.Event.Frame)
		t.followed(c, task, op)
	})
	t.Part("R2T", func() {
		c := t.Session()
		w := t.writes(c, Write{Blocks: 512})
		c.unasked(w.Task, time.Second)
		_, s := c.ask(w, w.got, 4096)
		for _, p := range s.PDUs {
			same(c, pdu.FrameOf(p))
		}
		t.completes(c, w)
	})
	t.Part("Data-In without status", func() {
		c := t.Session()
		op := t.Start(Read{Blocks: 8})
		task := c.Read()
		c.DataIn(task, 0, 4096, Final, func(p *pdu.DataIn) { p.StatSN = 0 })
		c.NOPIn(c.Tag())
		same(c, c.Next(pdu.OpNOPOut).Frame)
		c.Status(task, scsi.StatusGood)
		if r := op.Wait(); !r.Good() {
			t.Fail(fmt.Sprintf("a read that ended with %v", r), "success")
		}
	})
}

// followed serves a command and fails unless its response is accepted.
func (t *T) followed(c *Conn, task *Task, op *Pending) {
	c.Good(task)
	if !t.Own() {
		op.Wait()
		return
	}
	if !op.EndsWithin(t.scaled(ReactionTime)) {
		t.Fail("a response that is not accepted", "a command that completes")
	}
	if r, _ := op.Result(); !r.Good() {
		t.Fail(fmt.Sprintf("a command that ended with %v", r), "success")
	}
}

func largeGap(t *T) {
	for i, gap := range []uint32{1 << 31, 1<<31 - 1, 5000} {
		t.Part(fmt.Sprintf("a gap of %d", gap), func() {
			c := t.Session()
			op := t.Start(Read{Blocks: 8})
			task := c.Read()
			c.DataIn(task, 0, task.Length(), Final)
			c.Status(task, scsi.StatusGood, func(p *pdu.SCSIResponse) { p.StatSN += gap })
			t.until(t.scaled(ReactionTime), func() bool { return c.end != nil || op.Ended() })
			switch r, over := op.Result(); {
			case c.end != nil, !over, !r.Good():
				t.RAlive()
			case i == 0 && t.Own():
				t.Fail(fmt.Sprintf("a read that ended with %v", r), "recovery, or a status that is ignored")
			default:
				t.Warn("A status far from the one expected was taken for valid.", r, "recovery, or a status that is ignored")
			}
		})
	}
}

func smallGap(t *T) {
	c := t.Session()
	if c.Params.ErrorRecoveryLevel > 0 {
		t.Skip("ErrorRecoveryLevel=%d was agreed.", c.Params.ErrorRecoveryLevel)
	}
	lost, op := t.Start(Read{Blocks: 8}), t.Start(Read{LBA: 8, Blocks: 8})
	c.Read()
	task := c.TryCommand(t.scaled(ReactionTime), Reads...)
	if task == nil {
		t.Skip("NOT-TESTABLE: the initiator has no two commands under way at once.")
	}
	c.StatSN++ // the first one's, which the network has swallowed
	c.Good(task)
	t.until(t.scaled(ReactionTime), func() bool { return c.end != nil })
	if c.end != nil {
		t.RAlive()
		return
	}
	t.Warn("A gap in StatSN was passed over.", fmt.Sprintf("the connection goes on; the command behind the gap has ended: %t", op.Ended()),
		"session recovery")
	if t.Own() && !lost.EndsWithin(AnswerTime) {
		t.Fail("a command whose status was lost and that hangs", "its recovery")
	}
}

// repeatMax is how many commands a check begins to see a tag used again.
const repeatMax = 64

func repeatedStatus(t *T) {
	c := t.Session()
	op := t.Start(Read{Blocks: 8})
	task := c.Read()
	c.DataIn(task, 0, task.Length(), Final)
	old := &pdu.SCSIResponse{ITT: task.PDU.ITT, StatSN: c.StatSN, ExpDataSN: 1}
	c.Status(task, scsi.StatusGood)
	op.Wait()
	again := func() {
		p := *old
		p.ExpCmdSN, p.MaxCmdSN = c.Session.ExpCmdSN, c.Session.MaxCmdSN()
		c.Send(&p)
		t.Wait(time.Second)
	}
	again()
	if n := op.Told(); n > 1 {
		t.Fail(fmt.Sprintf("%d completions of one request", n), "one")
	}
	if _, over := c.Ended(); over {
		t.RAlive()
		return
	}
	for i := range t.times(repeatMax) {
		live := t.Start(Read{LBA: uint64(i), Blocks: 8})
		task := c.TryCommand(t.patience(), Reads...)
		if task == nil {
			t.Check(!t.Own(), "no further command", "a read")
			break
		}
		if task.PDU.ITT == old.ITT {
			c.DataIn(task, 0, task.Length(), Final)
			again()
			if live.Ended() {
				result, _ := live.Result()
				if t.Own() {
					t.Fail(fmt.Sprintf("a live command that an old status ended: %v", result), "an old StatSN completes nothing")
				}
				t.Warn("A live command was ended by an old status.", result, "an old StatSN completes nothing")
				return
			}
		}
		if task.PDU.ITT != old.ITT {
			t.followed(c, task, live)
			continue
		}
		c.Status(task, scsi.StatusGood)
		if r := live.Wait(); !r.Good() {
			t.Fail(fmt.Sprintf("a read that ended with %v", r), "success")
		}
		break
	}
	t.RIgnore(c)
}
