package initiator

import (
	"fmt"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// logoutChecks are those of the group logout.
func logoutChecks() []Check {
	return []Check{
		{ID: "logout.no-requests-after", Base: func(b *Base) { b.Window = 4 }, Run: nothingAfterLogout},
		{ID: "logout.fields", Run: func(t *T) {
			t.Part("data session", func() {
				c := t.Session()
				t.Start(Logout{})
				t.logoutFields(c)
			})
			t.Part("discovery session", func() {
				c := t.SessionOf(ini.Discovery)
				t.Start(Logout{})
				t.logoutFields(c)
			})
			t.Part("event 1", func() {
				c := t.Session()
				c.Async(pdu.AsyncLogoutRequest, deadline(5))
				t.logoutFields(c)
			})
		}},
		{ID: "logout.response-nonzero", Run: func(t *T) {
			for _, response := range []pdu.LogoutResponseCode{1, 2, 3, 200} {
				t.Part(fmt.Sprintf("response %d", response), func() { logoutRefused(t, response) })
			}
		}},
		{ID: "logout.time2wait-honoured", Run: func(t *T) {
			t.Part("the logout failed", func() { logoutWait(t, pdu.LogoutCleanupFailed, 7*time.Second) })
			t.Part("the logout succeeded", func() { logoutWait(t, pdu.LogoutSuccess, 0) })
		}},
		{ID: "logout.unanswered", Run: logoutUnanswered},
		{ID: "logout.fin-instead-of-response", Run: func(t *T) {
			t.Part("FIN", func() { logoutCut(t, (*Conn).Fin) })
			t.Part("RST", func() { logoutCut(t, (*Conn).Sever) })
		}},
		{ID: "logout.pdus-between", Run: answersBeforeResponse},
		{ID: "logout.outstanding-at-response", Run: unansweredAtLogout},
		{ID: "logout.tcp-closed-by-initiator", Run: closedByInitiator},
		{ID: "logout.before-graceful-close", Run: func(t *T) {
			for _, op := range []Op{Logout{}, RemoveSession{}, Stop{}} {
				for _, busy := range []bool{false, true} {
					t.Part(fmt.Sprintf("%s, busy %t", op.OpName(), busy), func() { gracefulClose(t, op, busy) })
				}
			}
		}},
	}
}

func nothingAfterLogout(t *T) {
	c := t.Session()
	t.Wait(settled)
	for i := range 8 {
		t.Start(Read{LBA: uint64(8 * i), Blocks: 8})
	}
	var tasks []*Task
	for range 4 {
		tasks = append(tasks, c.Read())
	}
	c.Async(pdu.AsyncLogoutRequest, deadline(5))
	p := t.awaitLogout(c, 5*time.Second+t.slack(200*time.Millisecond))
	// What is still owed is answered, so that the window opens and tempts.
	for _, task := range tasks[:2] {
		c.Good(task)
	}
	t.onlyLawful(c, time.Second)
	c.Logout(p, pdu.LogoutSuccess)
	since := time.Now()
	if e := c.TryNext(t.scaled(ReactionTime)); !e.Ended() {
		t.Fail(e, "the initiator closes the connection after the Logout Response")
	}
	if t.declared("session-manager") {
		t.comesBack(since, 0, reconnectInterval)
	}
}

// onlyLawful fails when something comes that is not lawful behind a Logout Request: only Data-Out, SNACK and NOP-Out may.
func (t *T) onlyLawful(c *Conn, d time.Duration) {
	until := time.Now().Add(d)
	for {
		e := c.NextRaw(max(0, time.Until(until)))
		switch op, _ := e.Opcode(); {
		case e.Kind == probe.TimedOut:
			return
		case e.Kind != probe.Arrived, op != pdu.OpDataOut && op != pdu.OpSNACKRequest && op != pdu.OpNOPOut:
			t.Fail(e, "nothing new behind the Logout Request")
		}
	}
}

// logoutFields takes a Logout Request, looks at it, and ends the session.
func (t *T) logoutFields(c *Conn) {
	e := c.TryNext(t.patience(), pdu.OpLogoutRequest)
	p, is := probe.As[*pdu.LogoutRequest](e)
	h, want := &pdu.BHS{}, c.Session.ExpCmdSN
	if is {
		h = &e.Frame.BHS
	}
	if is && !p.Immediate {
		want-- // its own CmdSN is counted already
	}
	switch {
	case !is:
		t.Fail(e, "a Logout Request")
	case !h.Final():
		t.Fail(e, "F=1")
	case p.Reason != pdu.LogoutCloseSession && p.Reason != pdu.LogoutCloseConnection && c.Params.ErrorRecoveryLevel < 2:
		t.Fail(e, "reason 0 or 1")
	case p.Reason != pdu.LogoutCloseSession && p.CID != c.CID:
		t.Fail(e, fmt.Sprintf("CID %d", c.CID))
	case h.TotalAHSLength() != 0 || h.DataSegmentLength() != 0:
		t.Fail(e, "no segments")
	case t.Virtual() && p.ExpStatSN != c.StatSN, iscsi.SNLess(c.StatSN, p.ExpStatSN): // on the wall clock PDUs cross each other
		t.Fail(e, fmt.Sprintf("ExpStatSN 0x%x, which acknowledges all that came", c.StatSN))
	case p.ITT == pdu.ReservedTag:
		t.Fail(e, "an Initiator Task Tag of its own")
	case p.CmdSN != want:
		t.Fail(e, fmt.Sprintf("CmdSN 0x%x", want))
	}
	c.Logout(p, pdu.LogoutSuccess)
	t.RClose(c)
}

// takeLogout asks for a logout and takes its request.
func (t *T) takeLogout(c *Conn) (op *Pending, p *pdu.LogoutRequest) {
	op = t.Start(Logout{})
	return op, t.awaitLogout(c, t.patience())
}

func logoutRefused(t *T, response pdu.LogoutResponseCode) {
	const wait = 2 * time.Second
	c := t.Session()
	op, p := t.takeLogout(c)
	since := time.Now()
	c.Logout(p, response, func(r *pdu.LogoutResponse) { r.Time2Wait = uint16(wait / time.Second) })
	for tries := 0; ; tries++ {
		e := c.TryNext(t.scaled(ReactionTime))
		if e.Ended() {
			break
		}
		again, is := probe.As[*pdu.LogoutRequest](e)
		lawful := response == pdu.LogoutRecoveryNotSupported || response == pdu.LogoutCleanupFailed
		if !is || !lawful || tries > 0 || time.Since(since) < wait-t.slack(500*time.Millisecond) {
			t.Fail(e, "the initiator closes the connection")
		}
		c.Logout(again, response)
	}
	if !op.EndsWithin(t.scaled(ReactionTime)) {
		t.Fail("a logout that goes on", "an end of the logout")
	}
}

func logoutWait(t *T, response pdu.LogoutResponseCode, from time.Duration) {
	c := t.Session()
	t.Wait(settled)
	c.Async(pdu.AsyncLogoutRequest, deadline(5))
	p := t.awaitLogout(c, 5*time.Second)
	c.Logout(p, response, func(r *pdu.LogoutResponse) { r.Time2Wait, r.Time2Retain = 7, 20 })
	c.Fin()
	t.comesBack(time.Now(), from, 7*time.Second)
	t.Probe()
}

func logoutUnanswered(t *T) {
	c := t.Session()
	op, _ := t.takeLogout(c)
	if e := c.TryNext(AnswerTime); !e.Ended() {
		t.Fail(e, fmt.Sprintf("the initiator closes the connection within %v", AnswerTime))
	}
	if !op.EndsWithin(t.scaled(ReactionTime)) {
		t.Fail("a logout that goes on", "an end of the logout")
	}
}

func logoutCut(t *T, cut func(*Conn)) {
	c := t.Session()
	t.Wait(settled)
	op, _ := t.takeLogout(c)
	cut(c)
	if !op.EndsWithin(t.slack(time.Second) + time.Second) {
		t.Fail("a logout that goes on", "an end of the logout within 1 s")
	}
	t.NoConnection(3 * reconnectInterval)
}

func answersBeforeResponse(t *T) {
	c := t.Session()
	ops, tasks := t.outstanding(c, 4)
	op, p := t.takeLogout(c)
	for _, task := range tasks {
		c.Good(task)
	}
	c.Logout(p, pdu.LogoutSuccess)
	if !op.EndsWithin(t.scaled(ReactionTime)) {
		t.Fail("a logout that goes on", "an end of the logout")
	}
	for i, read := range ops {
		r := read.Wait()
		switch {
		case r.Good() && t.Own():
			t.Pattern(r.Data, uint64(8*i))
		case !r.Good() && ini.OutcomeOf(r.Err) != "LOGGED-OUT":
			t.Fail(r, "GOOD", "LOGGED-OUT")
		}
	}
}

func unansweredAtLogout(t *T) {
	c := t.Session()
	ops, _ := t.outstanding(c, 4)
	_, p := t.takeLogout(c)
	c.Logout(p, pdu.LogoutSuccess)
	since := time.Now()
	for _, read := range ops {
		if !read.EndsWithin(max(0, t.scaled(ReactionTime)-time.Since(since))) {
			t.Fail("a read that is still pending", "an error to every requester within 5 s of the Logout Response")
		}
		t.RErrUp(read)
	}
}

func closedByInitiator(t *T) {
	c := t.Session()
	_, p := t.takeLogout(c)
	c.Logout(p, pdu.LogoutSuccess)
	if e := c.TryNext(t.scaled(ReactionTime)); !e.Ended() {
		t.Fail(e, "the initiator closes the connection after the Logout Response")
	}
}

func gracefulClose(t *T, op Op, busy bool) {
	c := t.Session()
	if busy {
		t.outstanding(c, 2)
	}
	t.Start(op)
	e := c.TryNext(t.scaled(ReactionTime), pdu.OpLogoutRequest)
	p, is := probe.As[*pdu.LogoutRequest](e)
	switch {
	case e.Kind == probe.WasReset:
		t.Skip("The connection was reset, which is not judged.")
	case !is:
		t.Fail(e, "a Logout Request before the end of the connection")
	}
	c.Logout(p, pdu.LogoutSuccess)
	t.RClose(c)
}
