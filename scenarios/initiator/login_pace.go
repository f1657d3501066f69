package initiator

import (
	"fmt"
	"time"

	ini "github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// The group login: time, the pieces in which PDUs arrive, and what may be sent when (RFC 7143, Sections 4.2.4, 6.3 and 10.3).

const (
	// loginTimeoutMost is the longest that a login may take to give a silent target up.
	loginTimeoutMost = 60 * time.Second
	// ownLoginTimeout is the own initiator's in login.timeout-silent-target.
	ownLoginTimeout = 7 * time.Second
	// pause is the time between the Login Responses of login.one-key-per-exchange.
	pause = 200 * time.Millisecond
)

func loginPaceChecks() []Check {
	return []Check{
		{ID: "login.timeout-silent-target", Limits: scenarios.Limits{Run: 3 * loginTimeoutMost}, Driver: func(s *Settings) { s.Defaults.LoginTimeout = ownLoginTimeout }, Run: loginSilence},
		{ID: "login.endless-negotiation", Run: loginEndless},
		{ID: "login.only-login-pdus", Driver: func(s *Settings) { s.Defaults.PingInterval = time.Second }, Run: loginOnlyLogin},
		{ID: "login.one-outstanding-request", Run: loginOneOutstanding},
		{ID: "login.segmented-tcp", Run: loginSegmented},
		{ID: "login.none-in-full-feature", Run: loginOnce},
	}
}

func loginSilence(t *T) {
	silent := func(c *Conn, op *Pending, began time.Time) {
		e := c.NextRaw(loginTimeoutMost)
		for e.Kind == probe.Arrived {
			t.Fail(e, "nothing more on the connection until the login is given up")
		}
		took := e.At.Sub(began)
		t.Check(e.Ended(), e, "the initiator gives the login up within 60 s")
		if t.Own() {
			t.Check((took-ownLoginTimeout).Abs() <= Slack, fmt.Sprintf("the end after %v", took), fmt.Sprintf("the end after the configured %v", ownLoginTimeout))
		}
		_ = c.Close()
		t.Check(op.EndsWithin(AnswerTime) && !op.result.Good(), "a login that reports no failure", "a login that reports failure")
	}
	t.Part("no reply", func() {
		began := time.Now()
		op, c := t.begin(Login{})
		c.LoginStep()
		silent(c, op, began)
	})
	t.Part("a reply to the first request only", func() {
		began := time.Now()
		op, c := t.begin(Login{})
		s := c.LoginStep()
		if s.Request.NSG == pdu.StageFullFeature {
			holdStage(s) // so that there is a second request
		}
		c.Respond(s)
		c.LoginRequest()
		silent(c, op, began)
	})
}

func loginEndless(t *T) {
	const (
		exchanges = 1000
		patience  = 120 * time.Second
	)
	op, c := t.begin(Login{})
	began := time.Now()
	for n := 0; time.Since(began) < patience; n++ {
		e := c.NextRaw(t.scaled(ReactionTime))
		r, is := probe.As[*pdu.LoginRequest](e)
		if !is {
			_ = c.Close()
			t.Check(e.Ended() || e.Kind == probe.TimedOut, e, "the end of the login")
			t.Check(op.EndsWithin(AnswerTime) && !op.result.Good(), "a login that reports no failure", "a login that reports failure")
			return
		}
		if n == exchanges && t.Own() {
			t.Fail(fmt.Sprintf("still going on after %d exchanges", n), "a bound on the exchanges of one login")
		}
		c.exchange(r, nil, nil)
	}
	t.FailFirmly("still going on after 120 s", "the end of the login within 120 s")
}

func loginOnlyLogin(t *T) {
	slowly := func() func(s *Step) {
		hold := prolonged(2)
		return func(s *Step) {
			hold(s)
			t.Wait(t.scaled(2 * time.Second))
			if e := s.conn.peek(0); e.Kind == probe.Arrived {
				t.Fail(e, "Login Requests alone before full feature phase")
			}
		}
	}
	ask := func() []*Pending {
		return []*Pending{t.Start(Read{Blocks: 8}), t.Start(Ping{}), t.Start(LUNReset{})}
	}
	t.Part("first login", func() {
		op, c := t.begin(Login{})
		asked := ask()
		t.full(c, op, slowly())
		t.settled(asked)
		t.Probe()
	})
	t.Part("re-login", func() {
		c := t.Session()
		c.Sever()
		again := t.Accept()
		asked := ask()
		if !again.Login(slowly()) {
			t.Fail("a login that the array has to refuse", "full feature phase")
		}
		t.settled(asked)
		t.Probe()
	})
}

// settled serves soundly until operations have ended, however.
func (t *T) settled(ops []*Pending) {
	t.Soundly(func() {
		t.until(AnswerTime, func() bool {
			t.welcome()
			for _, op := range ops {
				if !op.Ended() {
					return false
				}
			}
			return true
		})
	})
	for _, op := range ops {
		t.Check(op.Ended(), op.Op.OpName()+" that never ends", "an end of it, served or failed")
	}
}

func loginOneOutstanding(t *T) {
	const patience = 3 * time.Second
	op, c := t.begin(Login{})
	hold := prolonged(1)
	for !c.full {
		s := c.LoginStep()
		hold(s)
		switch e := c.peek(t.scaled(patience)); {
		case e.Kind == probe.Arrived:
			t.Fail(e, "no further Login Request before the response")
		case e.Ended():
			t.RLoginFail(c, op)
			return
		}
		c.Pieces = nil
		if s.N == 2 {
			c.Pieces = func(write func([]byte), b []byte) {
				write(b[:pdu.BHSLength])
				time.Sleep(t.scaled(time.Second))
				write(b[pdu.BHSLength:])
			}
		}
		c.Respond(s)
	}
	t.full(c, op)
}

func loginSegmented(t *T) {
	t.Part("one byte per segment", func() {
		op, c := t.begin(Login{})
		c.Pieces = func(write func([]byte), b []byte) {
			for i := range b {
				write(b[i : i+1])
				if i < pdu.BHSLength {
					time.Sleep(10 * time.Millisecond)
				}
			}
		}
		t.full(c, op)
		t.Probe()
	})
	t.Part("many PDUs per segment", func() {
		c := t.Session()
		read := t.Start(Read{Blocks: 64})
		task := c.Read()
		var all []byte
		c.Pieces = func(_ func([]byte), b []byte) { all = append(all, b...) }
		for offset := 0; offset < task.Length(); offset += BlockSize {
			c.DataIn(task, offset, BlockSize, func(p *pdu.DataIn) { p.Final = offset+BlockSize == task.Length() })
		}
		c.Status(task, 0)
		c.Pieces = nil
		c.SendRaw(all)
		if r := read.Wait(); !r.Good() {
			t.Fail(r, "a read that completes GOOD")
		}
		t.Pattern(read.result.Data, 0)
		t.Probe()
	})
}

func loginOnce(t *T) {
	t.Part("negotiation asked for", func() {
		c := t.Session()
		c.Async(pdu.AsyncNegotiation, func(p *pdu.AsyncMessage) { p.Parameter3 = 3 })
		t.Serve(t.scaled(4 * time.Second))
		t.noLogin()
	})
	t.Part("digests changed", func() {
		t.Session()
		t.SetConfig(func(s *ini.Settings) { s.Login.HeaderDigest = []string{"CRC32C", "None"} })
		t.Serve(t.scaled(4 * time.Second))
		t.noLogin()
		t.Probe()
	})
	t.Part("refused", func() {
		op, c := t.begin(Login{})
		s := c.LoginStep()
		s.Refuse(0x0302)
		t.refuses(c, op, s)
	})
	t.Part("after a loss", func() {
		c := t.Session()
		c.Sever()
		again := t.Accept()
		again.Login()
		t.Probe()
		t.noLogin()
	})
}
