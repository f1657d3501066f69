package initiator

import (
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// Ways through a login that several checks take.

// holdStage takes the transition out of a step's response.
func holdStage(s *Step) {
	s.Response.Transit, s.Response.NSG, s.Response.TSIH = false, 0, s.Request.TSIH
}

// prolonged returns a hook that delays the end of each stage by n exchanges.
func prolonged(n int) func(s *Step) {
	held := map[pdu.Stage]int{}
	return func(s *Step) {
		if s.Response.Transit && held[s.Request.CSG] < n {
			held[s.Request.CSG]++
			holdStage(s)
		}
	}
}

// peek waits for what comes next and leaves it for later.
func (c *Conn) peek(within time.Duration) probe.Event {
	e := c.NextRaw(within)
	if e.Kind == probe.Arrived {
		c.aside = append([]probe.Event{e}, c.aside...)
	}
	return e
}

// stepIn serves the login up to the first request of a stage, whose answer is prepared and not sent. A login that never enters the stage
// cannot be tested.
func (c *Conn) stepIn(stage pdu.Stage) *Step {
	for {
		s := c.LoginStep()
		if s.Request.CSG == stage {
			return s
		}
		if s.Request.CSG > stage {
			c.t.Skip("NOT-TESTABLE: the login leaves out the %v stage.", stage)
		}
		c.Respond(s)
	}
}

// stepWith serves the login up to the request that has a key, whose answer is prepared and not sent.
func (c *Conn) stepWith(key string) *Step {
	for {
		s := c.LoginStep()
		if _, ok := s.Keys.Get(key); ok {
			return s
		}
		c.Respond(s)
		if c.full || s.Response.Status() != 0 {
			c.t.Fail("a login without "+key, "a Login Request with "+key)
		}
	}
}

// lastStep serves the login up to the request whose sound answer ends it.
func (c *Conn) lastStep() *Step {
	for {
		s := c.LoginStep()
		if s.Response.Transit && s.Response.NSG == pdu.StageFullFeature {
			return s
		}
		c.Respond(s)
	}
}

// begin starts a login and takes its connection.
func (t *T) begin(op Login) (*Pending, *Conn) {
	p := t.Start(op)
	return p, t.Accept()
}

// full serves the rest of a login, which has to succeed.
func (t *T) full(c *Conn, op *Pending, hooks ...func(s *Step)) {
	if !c.full && !c.Login(hooks...) {
		t.Fail("a login that the array has to refuse", "full feature phase")
	}
	if t.Own() {
		if r := op.Wait(); !r.Good() {
			t.Fail(r, "a login")
		}
	}
}

// login is a whole login with changed responses.
func (t *T) login(op Login, hooks ...func(s *Step)) *Conn {
	p, c := t.begin(op)
	t.full(c, p, hooks...)
	return c
}

// logout ends the session that was logged in last.
func (t *T) logout() {
	if r := t.Do(Logout{}); !r.Good() {
		t.Fail(r, "a logout")
	}
}

// refuses sends the response of a step and wants R-LOGINFAIL.
func (t *T) refuses(c *Conn, op *Pending, s *Step) {
	c.Respond(s)
	t.RLoginFail(c, op)
}

// noLogin fails when a Login Request has come on a connection in full feature phase.
func (t *T) noLogin() {
	for _, c := range t.conns {
		if e := c.TryNext(Slack, pdu.OpLoginRequest); c.full && e.Kind == probe.Arrived {
			t.Fail(e, "no Login Request in full feature phase")
		}
	}
}

// exchange answers a Login Request with a response of the check's own making, numbered.
func (c *Conn) exchange(r *pdu.LoginRequest, pairs text.Pairs, change func(p *pdu.LoginResponse)) {
	p := &pdu.LoginResponse{CSG: r.CSG, ISID: r.ISID, TSIH: r.TSIH, ITT: r.ITT, Data: pairs.Append(nil)}
	c.Number(p)
	if change != nil {
		change(p)
	}
	c.Send(p)
}

// grant answers a Login Request with the transition that it asks for and nothing else, whatever keys it has.
func (c *Conn) grant(r *pdu.LoginRequest) {
	s := &Step{Request: r, conn: c}
	s.Response = &pdu.LoginResponse{Transit: r.Transit, CSG: r.CSG, NSG: r.NSG, ISID: r.ISID, TSIH: r.TSIH, ITT: r.ITT}
	if r.Transit && r.NSG == pdu.StageFullFeature {
		c.Session.TSIH = c.t.Base.TSIH
		s.Response.TSIH = c.t.Base.TSIH
	}
	c.Respond(s)
}
