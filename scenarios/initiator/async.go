package initiator

import (
	"fmt"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// settled is how long a session lives before a check ends it, so that its next login attempt is bound by nothing but the loss.
const settled = 10 * time.Second

// reconnectInterval is the catalogue's: from the start of one login attempt to the start of the next.
const reconnectInterval = 5 * time.Second

// asyncChecks are those of the group async.
func asyncChecks() []Check {
	return []Check{
		{ID: "async.event0.scsi", Run: scsiEvent},
		{ID: "async.event1.logout", Run: func(t *T) {
			for _, seconds := range []uint16{1, 5, 60} {
				t.Part(fmt.Sprintf("Parameter3=%d", seconds), func() { logoutInTime(t, seconds) })
			}
		}, Defects: []func(*ini.Deviations){func(d *ini.Deviations) { d.Async.DeadlineInMinutes = true }}},
		{ID: "async.event1.zero-deadline", Run: logoutAtOnce},
		{ID: "async.event1.repeated", Run: logoutOnce},
		{ID: "async.event1.mid-write", Run: logoutDuringWrite},
		{ID: "async.event1.relogin", Run: func(t *T) {
			t.Part("plain", func() { backAfterLogout(t, t.Session()) })
			t.Part("redirected before", func() { backAfterLogout(t, t.redirected()) })
		}},
		{ID: "async.event2.drop-connection", Run: announcedDrop},
		{ID: "async.event2.time2wait", Run: dropWithWait},
		{ID: "async.event3.drop-all", Run: func(t *T) {
			t.Part("the initiator closes", func() { dropAll(t, time.Second) })
			t.Part("the target closes early", func() { dropAll(t, 200*time.Millisecond) })
		}},
		{ID: "async.event4.renegotiate", Run: renegotiation},
		{ID: "async.event5.task-termination", Run: taskTermination, Driver: fastAbort, Base: func(b *Base) {
			b.Params.TaskReporting = "FastAbort"
			b.Units = append(b.Units, Unit{LUN: scsi.LUNOf(1), Config: Disk(32 << 20)})
		}},
		{ID: "async.event255.vendor", Run: vendorEvent},
		{ID: "async.unknown-event", Run: unknownEvent},
		{ID: "async.statsn-acknowledged", Run: asyncCounts},
	}
}

// senseEvent makes an Async Message carry sense data.
func senseEvent(key scsi.SenseKey, code scsi.ASC) func(p *pdu.AsyncMessage) {
	return func(p *pdu.AsyncMessage) { p.Data = pdu.SenseSegment(scsi.NewSense(key, code).Append(nil)) }
}

// deadline makes event 1 give a time.
func deadline(seconds uint16) func(p *pdu.AsyncMessage) {
	return func(p *pdu.AsyncMessage) { p.Parameter3 = seconds }
}

func scsiEvent(t *T) {
	for _, sense := range []struct {
		name string
		code scsi.ASC
	}{{"REPORTED LUNS DATA HAS CHANGED", 0x3f0e}, {"CAPACITY DATA HAS CHANGED", 0x2a09}} {
		t.Part(sense.name, func() {
			c := t.Session()
			c.Async(pdu.AsyncSCSI, senseEvent(scsi.UnitAttention, sense.code))
			t.Probe()
			t.Acknowledged(c)
			t.RIgnore(c)
		})
	}
}

// Acknowledged fails unless the next READ acknowledges every status that went before.
func (t *T) Acknowledged(c *Conn) {
	t.Wait(t.slack(time.Second)) // what was sent has come
	want := c.StatSN
	op := t.Start(Read{Blocks: 1})
	task := c.Read()
	if got := task.PDU.ExpStatSN; iscsi.SNLess(got, want) || iscsi.SNLess(c.StatSN, got) {
		t.Fail(fmt.Sprintf("ExpStatSN 0x%x", got), fmt.Sprintf("ExpStatSN 0x%x, which acknowledges all that went before", want))
	}
	c.Good(task)
	op.Wait()
}

// outstanding starts reads and leaves them without an answer.
func (t *T) outstanding(c *Conn, n int) (ops []*Pending, tasks []*Task) {
	for i := range n {
		ops = append(ops, t.Start(Read{LBA: uint64(8 * i), Blocks: 8}))
	}
	for range n {
		tasks = append(tasks, c.Read())
	}
	return ops, tasks
}

// awaitLogout waits for a Logout Request of the session or the connection.
func (t *T) awaitLogout(c *Conn, within time.Duration) *pdu.LogoutRequest {
	e := c.TryNext(within, pdu.OpLogoutRequest)
	p, is := probe.As[*pdu.LogoutRequest](e)
	if !is {
		t.Fail(e, fmt.Sprintf("a Logout Request within %v", within))
	}
	if p.Reason == pdu.LogoutRemoveForRecovery {
		t.Fail(e, "a Logout Request with reason 0 or 1")
	}
	return p
}

// slack is the tolerance of an instant, on virtual time Slack.
func (t *T) slack(wall time.Duration) time.Duration {
	if t.Virtual() {
		return Slack
	}
	return wall
}

func logoutInTime(t *T, seconds uint16) {
	c := t.Session()
	t.outstanding(c, 2)
	given := time.Duration(seconds) * time.Second
	c.Async(pdu.AsyncLogoutRequest, deadline(seconds))
	since := time.Now()
	p := t.awaitLogout(c, given+t.slack(200*time.Millisecond))
	if took := time.Since(since); seconds == 60 && took > given/2 {
		t.Warn("The logout came late.", fmt.Sprintf("a Logout Request after %v", took), fmt.Sprintf("a Logout Request within %v", given/2))
	}
	c.Logout(p, pdu.LogoutSuccess)
	t.RClose(c)
}

func logoutAtOnce(t *T) {
	c := t.Session()
	t.outstanding(c, 1)
	c.Async(pdu.AsyncLogoutRequest, deadline(0))
	e := c.TryNext(time.Second, pdu.OpLogoutRequest)
	if p, is := probe.As[*pdu.LogoutRequest](e); is {
		c.Logout(p, pdu.LogoutSuccess)
	} else if !e.Ended() {
		t.Fail(e, "a Logout Request within 1 s", "a close")
	}
	t.RClose(c)
}

func logoutOnce(t *T) {
	c := t.Session()
	var events []pdu.PDU
	for range 3 {
		p := &pdu.AsyncMessage{Event: pdu.AsyncLogoutRequest, Parameter3: 5}
		c.Number(p)
		events = append(events, p)
	}
	c.SendAll(events...)
	first := t.awaitLogout(c, 5*time.Second)
	e := c.TryNext(3*time.Second, pdu.OpLogoutRequest)
	switch second, is := probe.As[*pdu.LogoutRequest](e); {
	case is && second.ITT != first.ITT:
		t.Warn("The repeated event caused another Logout Request.", e, "one Logout Request")
	case is:
		t.Fail(e, "one Logout Request")
	case e.Kind != probe.TimedOut:
		t.Fail(e, "the initiator waits for the Logout Response")
	}
	c.Logout(first, pdu.LogoutSuccess)
	t.RClose(c)
}

func logoutDuringWrite(t *T) {
	c := t.Session()
	op := t.Start(Write{LBA: 64, Blocks: 2048})
	task := c.WriteCommand()
	if s := c.DataOut(task, c.R2T(task, task.got, min(task.Length(), c.Params.MaxBurstLength)).TTT); s.End != nil {
		t.Fail(s.End, "Data-Out that answers the R2T")
	}
	c.Async(pdu.AsyncLogoutRequest, deadline(5))
	since := time.Now()
	limit := 5*time.Second + t.slack(200*time.Millisecond)
	// The rest of the write is asked for so slowly that it would outlast the deadline.
	for asked := since; ; {
		e := c.TryNext(min(2*time.Second, limit-time.Since(since)), pdu.OpLogoutRequest, pdu.OpDataOut)
		if p, is := probe.As[*pdu.LogoutRequest](e); is {
			c.Logout(p, pdu.LogoutSuccess)
			t.RClose(c)
			break
		}
		if p, is := probe.As[*pdu.DataOut](e); is {
			task.store(int(p.BufferOffset), p.Data)
			task.got += len(p.Data)
		}
		if e.Ended() || time.Since(since) >= limit {
			t.Fail(e, "a Logout Request within 5 s, however slow the write is")
		}
		if time.Since(asked) >= 2*time.Second && task.got < task.Length() {
			asked = time.Now()
			c.R2T(task, task.got, min(task.Length()-task.got, c.Params.MaxBurstLength))
		}
	}
	// The write has an end: it was repeated and succeeds, or its requester is told.
	if !t.Own() {
		return
	}
	t.Soundly(func() {
		ended := t.until(AnswerTime, func() bool {
			t.welcome()
			return op.Ended()
		})
		if !ended {
			t.Fail("a write that is pending for ever", "a write that is repeated after the re-login", "an error to the requester")
		}
	})
}

// redirected brings a session to full feature phase at portal B, to which A has sent it for this time.
func (t *T) redirected() *Conn {
	op := t.Start(Login{})
	to := t.Portal("B")
	a := t.AcceptAt("A", AnswerTime)
	a.Login(func(s *Step) { s.Redirect(to.HostPort(), false) })
	b := t.TryAccept("B", AnswerTime)
	if b == nil {
		t.Skip("NOT-TESTABLE: the initiator does not follow redirects.")
	}
	if !b.Login() {
		t.Unclear("The login did not reach full feature phase.")
	}
	if t.Own() {
		op.Wait()
	}
	return b
}

// comesBack expects the connection of the next login attempt at portal A, between two times after an instant, and logs it in.
func (t *T) comesBack(since time.Time, from, to time.Duration) *Conn {
	c := t.TryAccept("", max(0, to+t.slack(time.Second)-time.Since(since)))
	took := time.Since(since)
	want := fmt.Sprintf("a new login from %v to %v after the loss", from, to)
	switch {
	case c == nil && !t.declared("session-manager"):
		t.Skip("NOT-TESTABLE: the initiator is not said to re-establish sessions.")
	case c == nil:
		t.Fail(fmt.Sprintf("no connection within %v", took), want)
	case took < from-t.slack(500*time.Millisecond):
		t.Fail(fmt.Sprintf("a connection after %v", took), want)
	case c.Portal != "A":
		t.Fail("a connection to portal "+c.Portal, "a connection to the configured portal A")
	}
	if !c.Login() {
		t.Unclear("The login did not reach full feature phase.")
	}
	return c
}

func backAfterLogout(t *T, c *Conn) {
	t.Wait(settled)
	c.Async(pdu.AsyncLogoutRequest, deadline(5))
	c.Logout(t.awaitLogout(c, 5*time.Second), pdu.LogoutSuccess)
	since := time.Now()
	t.RClose(c)
	t.comesBack(since, 0, reconnectInterval)
	t.Probe()
}

func announcedDrop(t *T) {
	c := t.Session()
	t.Wait(settled)
	ops, tasks := t.outstanding(c, 1)
	c.Async(pdu.AsyncConnectionDrop, func(p *pdu.AsyncMessage) { p.Parameter1, p.Parameter2, p.Parameter3 = c.CID, 0, 1 })
	t.Wait(200 * time.Millisecond)
	c.Fin()
	since := time.Now()
	if e := c.TryNext(t.scaled(ReactionTime)); !e.Ended() {
		t.Fail(e, "the initiator closes its end after the FIN")
	}
	again := t.comesBack(since, 0, reconnectInterval)
	again.Good(t.RReissue(again, tasks[0]))
	if r := ops[0].Wait(); !r.Good() {
		t.Fail(r, "the read that was outstanding completes in the new session")
	}
}

func dropWithWait(t *T) {
	c := t.Session()
	t.Wait(settled)
	c.Async(pdu.AsyncConnectionDrop, func(p *pdu.AsyncMessage) { p.Parameter1, p.Parameter2, p.Parameter3 = c.CID, 6, 20 })
	c.Fin()
	t.comesBack(time.Now(), 6*time.Second, 6*time.Second)
	t.Probe()
}

// dropAll sends event 3, closes after a while what the initiator has not closed, and expects no return before Parameter2.
func dropAll(t *T, patience time.Duration) {
	c := t.Session()
	t.Wait(settled)
	c.Async(pdu.AsyncSessionDrop, func(p *pdu.AsyncMessage) { p.Parameter2, p.Parameter3 = 1, 2 })
	since := time.Now()
	if e := c.TryNext(patience); e.Kind == probe.TimedOut {
		c.Fin()
	}
	t.RClose(c)
	t.comesBack(since, time.Second, max(time.Second, reconnectInterval))
	t.Probe()
}

func renegotiation(t *T) {
	c := t.Session()
	given := 3 * time.Second
	c.Async(pdu.AsyncNegotiation, deadline(3))
	e := c.TryNext(given+t.slack(200*time.Millisecond), pdu.OpTextRequest, pdu.OpLogoutRequest)
	switch p := e.PDU.(type) {
	case *pdu.TextRequest:
		c.soundly(e)
		t.RIgnore(c)
	case *pdu.LogoutRequest:
		c.Logout(p, pdu.LogoutSuccess)
		t.RClose(c)
	default:
		if e.Ended() {
			t.Warn("The initiator closed without a Logout.", e, "a Text Request", "a Logout Request")
			return
		}
		t.Fail(e, "a Text Request within 3 s", "a Logout Request within 3 s")
	}
}

// RIgnoreOrClose is "R-IGNORE or R-CLOSE": what came has no visible effect, or it ends the connection, after which a session is there
// again. It tells which.
func (t *T) RIgnoreOrClose(c *Conn) (closed bool) {
	op := t.Start(Read{Blocks: probeBlocks})
	t.Soundly(func() {
		t.until(t.scaled(ReactionTime), func() bool {
			_, closed = c.Ended()
			return closed || op.Ended()
		})
	})
	if closed {
		_ = c.Close() // the array's side ends too
		t.RAlive()
		return true
	}
	if !op.Ended() {
		t.Fail(fmt.Sprintf("a read that is served on %s and does not end, on a connection that stays", c), "no effect", "a close")
	}
	if r, _ := op.Result(); !r.Good() {
		t.Fail(r, "a read that succeeds", "a close")
	}
	return false
}

func vendorEvent(t *T) {
	for _, event := range []pdu.AsyncEvent{pdu.AsyncVendor, 248} {
		t.Part(fmt.Sprintf("event %d", event), func() {
			c := t.Session()
			c.Async(event, func(p *pdu.AsyncMessage) {
				p.VendorCode, p.Data = 0x77, append([]byte{0, 0}, t.Random(510)...)
			})
			if t.RIgnoreOrClose(c) {
				t.Warn("The initiator closed the connection.", "a close", "no effect")
				return
			}
			t.Acknowledged(c)
		})
	}
}

func unknownEvent(t *T) {
	for _, event := range []pdu.AsyncEvent{6, 77, 247} {
		t.Part(fmt.Sprintf("event %d", event), func() {
			c := t.Session()
			c.Async(event)
			if !t.RIgnoreOrClose(c) {
				t.Acknowledged(c)
			}
		})
	}
}

func asyncCounts(t *T) {
	c := t.Session()
	op := t.Start(Read{Blocks: 8})
	task := c.Read()
	c.Async(pdu.AsyncSCSI, senseEvent(scsi.UnitAttention, 0x2a01))
	c.Good(task)
	if r := op.Wait(); !r.Good() {
		t.Fail(r, "a read that completes")
	}
	t.Acknowledged(c)
}

// taskTermination ends the tasks of LUN 1 under FastAbort, with another task under way on LUN 0.
func taskTermination(t *T) {
	const lun = 1
	c := t.Session()
	if c.Params.TaskReporting != "FastAbort" {
		c.Async(pdu.AsyncTasksTerminated, func(p *pdu.AsyncMessage) { p.LUN = uint64(scsi.LUNOf(lun)) })
		t.RIgnoreOrClose(c)
		return
	}
	read, write := t.Start(Read{LUN: lun, Blocks: 8}), t.Start(Write{LUN: lun, LBA: 64, Blocks: 1024})
	other := t.Start(Read{Blocks: 8})
	c.Read()
	task, kept := c.WriteCommand(), c.Read()
	if s := c.DataOut(task, c.R2T(task, task.got, c.Params.MaxBurstLength).TTT); s.End != nil {
		t.Fail(s.End, "Data-Out that answers the R2T")
	}
	event := c.Async(pdu.AsyncTasksTerminated, func(p *pdu.AsyncMessage) { p.LUN = uint64(scsi.LUNOf(lun)) })
	want := c.StatSN
	e := c.Await(t.scaled(ReactionTime), func(e probe.Event) bool {
		p, is := probe.As[*pdu.NOPOut](e)
		return is && p.ITT == pdu.ReservedTag
	})
	p, is := probe.As[*pdu.NOPOut](e)
	if !is || !p.Immediate || p.LUN != event.LUN || p.ExpStatSN != want {
		t.Fail(e, fmt.Sprintf("a NOP-Out with ITT 0xffffffff, I=1, the LUN of the event and ExpStatSN 0x%x", want))
	}
	t.Check(!other.Ended(), "an end of the read on LUN 0", "tasks of LUN 0 that go on")
	c.Good(kept)
	if r := other.Wait(); !r.Good() {
		t.Fail(r, "the read on LUN 0 completes")
	}
	t.Soundly(func() { t.until(AnswerTime, func() bool { return read.Ended() && write.Ended() }) })
	for _, op := range []*Pending{read, write} {
		t.Check(op.Ended(), op.Op.OpName()+" that is pending for ever", "an error to the requester", "a repeat")
	}
}
