package initiator

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// rejectChecks are those of the group reject.
func rejectChecks() []Check {
	return []Check{
		{ID: "reject.pairs-with-sent-pdu", Run: rejectedAmongOthers},
		{ID: "reject.protocol-error", Run: func(t *T) { rejectedRead(t, pdu.RejectProtocolError) }},
		{ID: "reject.command-not-supported", Run: notSupported},
		{ID: "reject.immediate-command", Run: tooManyImmediate},
		{ID: "reject.data-digest", Run: rejectedDataOut, Driver: (*Settings).Digests, Base: func(b *Base) {
			b.Params.HeaderDigest, b.Params.DataDigest, b.Params.ImmediateData = true, true, false
		}},
		{ID: "reject.waiting-for-logout", Run: rejectedBeforeLogout},
		{ID: "reject.unknown-reason", Run: func(t *T) { rejectedRead(t, 0x7f) }},
		{ID: "reject.malformed", Run: malformedReject},
		{ID: "reject.statsn-counted", Run: rejectCounts},
	}
}

// gapTime is how long the array waits for a gap in the CmdSN order to be plugged, and repeatsMax how often a command may come again.
const (
	gapTime    = 90 * time.Second
	repeatsMax = 5
)

// plugged waits until the gap at a CmdSN is plugged, by a command with that number or by ABORT TASK that names it, and answers that. It
// returns the task that came in the place of the rejected one, or nil; closed tells that the connection was ended instead.
func (t *T) plugged(c *Conn, cmdSN uint32, again func(*Task)) (closed bool) {
	limit := time.Now().Add(gapTime)
	for tries := 0; ; {
		e := c.TryNext(max(0, time.Until(limit)), pdu.OpSCSICommand, pdu.OpTaskManagementRequest, pdu.OpLogoutRequest)
		switch p := e.PDU.(type) {
		case *pdu.TaskManagementRequest:
			fills := p.Function == pdu.FunctionAbortTask && p.RefCmdSN == cmdSN
			if fills {
				c.Session.take(cmdSN)
			}
			c.Manage(p, pdu.TaskResponseComplete)
			if fills {
				return false
			}
		case *pdu.SCSICommand:
			if p.CmdSN != cmdSN {
				if c.keepsHouse(e) {
					continue // taken into the window, not executed before the gap is plugged
				}
				t.Fail(e, fmt.Sprintf("CmdSN 0x%x plugged by a command or by ABORT TASK", cmdSN))
			}
			if tries++; tries > repeatsMax {
				t.Fail(fmt.Sprintf("%d repeats", tries), fmt.Sprintf("at most %d repeats", repeatsMax))
			}
			if again == nil {
				c.Session.Unreceive(cmdSN)
				continue
			}
			again(c.task(e))
			return false
		case *pdu.LogoutRequest:
			c.Logout(p, pdu.LogoutSuccess)
		default:
			if e.Ended() {
				_ = c.Close() // the array's side ends too
				return true
			}
			t.Fail(e, fmt.Sprintf("CmdSN 0x%x plugged by a command or by ABORT TASK within %v", cmdSN, gapTime))
		}
	}
}

func rejectedAmongOthers(t *T) {
	c := t.Session()
	ops, tasks := t.outstanding(c, 4)
	slices.SortFunc(tasks, func(a, b *Task) int { return int(int32(a.PDU.CmdSN - b.PDU.CmdSN)) })
	gap := tasks[1].PDU.CmdSN
	c.Reject(tasks[1].Event, pdu.RejectInvalidPDUField)
	c.Good(tasks[0])
	repeated := false
	if t.plugged(c, gap, func(task *Task) { repeated = true; c.Good(task) }) {
		t.RAlive()
		return
	}
	c.Good(tasks[2])
	c.Good(tasks[3])
	for i, op := range ops {
		r := op.Wait()
		switch {
		case i == 1 && !repeated && r.Good() && t.Own():
			t.Fail(r, "the rejected read fails or is repeated")
		case i != 1 && !r.Good():
			t.Fail(fmt.Sprintf("read %d of 4: %v", i+1, r), "the other reads complete")
		case r.Good() && t.Own():
			t.Pattern(r.Data, uint64(8*i))
		}
	}
	t.RIgnore(c)
}

// rejectedRead rejects a read and every repeat of it.
func rejectedRead(t *T, reason pdu.RejectReason) {
	c := t.Session()
	op := t.Start(Read{Blocks: 8})
	task := c.Read()
	gap := task.PDU.CmdSN
	c.Reject(task.Event, reason)
	repeats := 0
	for again := true; again; {
		again = false
		closed := t.plugged(c, gap, func(task *Task) {
			if repeats++; repeats > repeatsMax {
				t.Fail(fmt.Sprintf("%d repeats", repeats), "an error to the requester", fmt.Sprintf("at most %d repeats", repeatsMax))
			}
			again = true
			c.Reject(task.Event, reason)
		})
		if closed {
			t.RAlive()
			return
		}
	}
	if t.Own() {
		t.RErrUp(op)
	}
	t.RIgnore(c)
}

func notSupported(t *T) {
	t.Part("task management", func() {
		c := t.Session()
		t.outstanding(c, 1)
		op := t.Start(LUNReset{})
		e := c.Next(pdu.OpTaskManagementRequest)
		c.Reject(e, pdu.RejectCommandNotSupported)
		t.Soundly(func() { t.until(AnswerTime, op.Ended) })
		t.Check(op.Ended(), "a function that goes on", "an end of the function")
		t.RAlive()
	})
	t.Part("text", func() {
		c := t.Session()
		op := t.Start(SendText{Pairs: text.Pairs{{Key: text.KeySendTargets, Value: ""}}})
		e := c.Next(pdu.OpTextRequest)
		c.Reject(e, pdu.RejectCommandNotSupported)
		c.Session.ExpCmdSN++ // whether a gap is left by a Text Request is not the matter here
		if r := op.Wait(); r.Good() {
			t.Fail(r, "an error to the requester")
		}
		t.RIgnore(c)
	})
}

func tooManyImmediate(t *T) {
	c := t.Session()
	op := t.Start(Ping{Data: []byte("immediate")})
	_, e := t.awaitPing(c, t.patience())
	if !e.Frame.BHS.Immediate() {
		t.Skip("NOT-TESTABLE: the initiator's pings are not immediate.")
	}
	c.Reject(e, pdu.RejectTooManyImmediate)
	again := c.Await(t.scaled(ReactionTime), isPing)
	if p, is := probe.As[*pdu.NOPOut](again); is {
		c.Echo(p)
	} else if r, ended := op.Result(); ended && r.Good() {
		t.Fail("a ping that succeeded without an echo", "a ping that is repeated", "an error")
	}
	t.numberedOn(c)
}

func rejectedDataOut(t *T) {
	c := t.Session()
	if !c.Digests.Data {
		t.Skip("No data digest was agreed.")
	}
	op := t.Start(Write{LBA: 16, Blocks: 64})
	task := c.WriteCommand()
	r2t := c.R2T(task, task.got, task.Length()-task.got)
	var last probe.Event
	for {
		last = c.Next(pdu.OpDataOut)
		if last.Frame.BHS.Final() {
			break
		}
	}
	c.Reject(last, pdu.RejectDataDigestError)
	e := c.Await(t.scaled(ReactionTime), func(e probe.Event) bool {
		p, is := probe.As[*pdu.DataOut](e)
		return is && p.ITT == task.PDU.ITT && p.TTT == r2t.TTT
	})
	if e.Kind != probe.TimedOut {
		t.Fail(e, "no Data-Out that nothing asks for")
	}
	c.CheckCondition(task, scsi.NewSense(scsi.AbortedCommand, 0x4705), func(p *pdu.SCSIResponse) { p.Underflow, p.ResidualCount = false, 0 })
	if t.Own() {
		t.RErrUp(op)
	}
	t.RIgnore(c)
}

func rejectedBeforeLogout(t *T) {
	c := t.Session()
	t.Wait(settled)
	op := t.Start(Read{Blocks: 8})
	c.Async(pdu.AsyncLogoutRequest, deadline(5))
	since := time.Now()
	task := c.Read()
	c.Reject(task.Event, pdu.RejectWaitingForLogout)
	limit := 5*time.Second + t.slack(200*time.Millisecond)
	for {
		e := c.TryNext(max(0, limit-time.Since(since)), pdu.OpLogoutRequest, pdu.OpTaskManagementRequest)
		if p, is := probe.As[*pdu.TaskManagementRequest](e); is {
			c.Manage(p, pdu.TaskResponseComplete)
			continue
		}
		p, is := probe.As[*pdu.LogoutRequest](e)
		if !is {
			t.Fail(e, "a Logout Request within 5 s of the event")
		}
		c.Logout(p, pdu.LogoutSuccess)
		break
	}
	t.RClose(c)
	if !t.Own() {
		return
	}
	t.Soundly(func() {
		t.until(AnswerTime, func() bool {
			t.welcome()
			return op.Ended()
		})
	})
	if r, _ := op.Result(); r.Good() {
		t.Pattern(r.Data, 0)
	}
	t.Check(op.Ended(), "a read that nobody hears of again", "an error to the requester", "a read that is repeated after the re-login")
}

func malformedReject(t *T) {
	for _, n := range []int{0, 20, 48} {
		t.Part(fmt.Sprintf("%d bytes", n), func() {
			c := t.Session()
			ops, tasks := t.outstanding(c, 1)
			p := &pdu.Reject{Reason: pdu.RejectInvalidPDUField, Data: t.Random(n)}
			c.Number(p)
			c.Send(p)
			c.Good(tasks[0])
			if t.RIgnoreOrClose(c) {
				return
			}
			if r := ops[0].Wait(); !r.Good() {
				t.Fail(r, "a read that has nothing to do with it completes")
			}
		})
	}
}

func rejectCounts(t *T) {
	c := t.Session()
	op := t.Start(Ping{Data: []byte("counted")})
	_, e := t.awaitPing(c, t.patience())
	c.Reject(e, pdu.RejectTooManyImmediate)
	op.EndsWithin(t.scaled(time.Second))
	read := t.Start(Read{Blocks: 1})
	c.Good(c.Read())
	if r := read.Wait(); !r.Good() {
		t.Fail(r, "a read that completes")
	}
	t.Acknowledged(c)
}
