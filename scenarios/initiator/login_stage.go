package initiator

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// The group login: the stages and the T bit (RFC 7143, Sections 6.3 and 11.13.6).

func loginStageChecks() []Check {
	return []Check{
		{ID: "login.tbit-usage", Run: loginTransit},
		{ID: "login.tbit-delayed-by-target", Run: loginDelayed},
		{ID: "login.tbit-unrequested", Run: loginUnrequested},
		{ID: "login.stage-mismatch", Run: loginStageMismatch},
		{ID: "login.no-stage-return", Run: loginNoReturn},
		{ID: "login.tsih-zero-final-response", Run: loginZeroTSIH},
		{ID: "login.foreign-pdu-during-login", Run: loginForeign},
		{ID: "login.reject-negotiation-reset", Run: loginReset},
	}
}

func loginTransit(t *T) {
	eachLogin(t, func() func(s *Step) {
		return func(s *Step) {
			r := s.Request
			lawful := !r.Continue && r.CSG < r.NSG && (r.NSG == pdu.StageOperational || r.NSG == pdu.StageFullFeature)
			t.Check(!r.Transit || lawful, fmt.Sprintf("T=1 with C=%t, CSG %d and NSG %d", r.Continue, r.CSG, r.NSG), "T=1 with C=0 and a later stage")
		}
	})
}

// delays is how often login.tbit-delayed-by-target and its neighbour hold a stage.
const delays = 3

func loginDelayed(t *T) {
	for _, stage := range []pdu.Stage{pdu.StageSecurity, pdu.StageOperational} {
		t.Part(stage.String()+" stage", func() {
			op, c := t.begin(Login{})
			s := c.stepIn(stage)
			for !s.Request.Transit {
				c.Respond(s)
				s = c.LoginStep()
			}
			kept := s.Answer
			for range delays {
				holdStage(s)
				s.Answer = nil
				c.Respond(s)
				if e := c.peek(AnswerTime); e.Ended() {
					t.Warn("The initiator gives up when the target delays the end of a stage.", e, "a further Login Request")
					return
				}
				s = c.LoginStep()
				t.Equal("CSG", s.Request.CSG, stage)
				if !s.Request.Transit {
					t.Warn("The initiator does not ask again.", "T=0", "T=1 in the further request")
				}
			}
			s.Answer = append(kept, s.Answer...)
			c.Respond(s)
			t.full(c, op)
		})
	}
}

func loginUnrequested(t *T) {
	t.Part("within the target's text", func() {
		op, c := t.begin(Login{})
		s := c.stepIn(pdu.StageOperational)
		holdStage(s)
		s.Response.Continue, s.Response.Data = true, []byte("TargetAlias=scripted\x00")
		c.Respond(s)
		r, _ := c.LoginRequest()
		if r.Transit && !t.Own() {
			t.Skip("NOT-TESTABLE: the initiator sends T=1 before the target's text is whole, which login.cbit-from-target judges.")
		}
		if r.Transit {
			t.Fail("T=1 before the target's text is whole", "an empty request with T=0")
		}
		c.exchange(r, nil, func(p *pdu.LoginResponse) {
			p.Transit, p.NSG, p.TSIH = true, pdu.StageFullFeature, t.Base.TSIH
		})
		t.RLoginFail(c, op)
	})
	t.PartWith("in the CHAP exchange", oneWay, func() {
		op, c := t.begin(Login{})
		s := c.stepWith("CHAP_A")
		if s.Request.Transit {
			t.Skip("NOT-TESTABLE: the initiator sends T=1 with CHAP_A.")
		}
		s.Response.Transit, s.Response.NSG, s.Response.TSIH = true, pdu.StageFullFeature, t.Base.TSIH
		s.Answer = nil
		c.Respond(s)
		t.RLoginFail(c, op)
	})
}

func loginStageMismatch(t *T) {
	for _, wrong := range []struct {
		name     string
		csg, nsg pdu.Stage
	}{
		{"CSG 0", pdu.StageSecurity, pdu.StageFullFeature},
		{"NSG 2", pdu.StageOperational, 2},
		{"CSG 3", pdu.StageFullFeature, pdu.StageFullFeature},
		{"NSG lower than CSG", pdu.StageOperational, pdu.StageSecurity},
	} {
		t.Part(wrong.name, func() {
			op, c := t.begin(Login{})
			s := c.lastStep()
			if s.Request.CSG != pdu.StageOperational {
				t.Skip("NOT-TESTABLE: the login leaves out the operational stage.")
			}
			s.Response.CSG, s.Response.NSG = wrong.csg, wrong.nsg
			t.refuses(c, op, s)
		})
	}
}

func loginNoReturn(t *T) {
	op, c := t.begin(Login{})
	s := c.stepIn(pdu.StageOperational)
	if s.N == 1 {
		t.Skip("NOT-TESTABLE: the initiator leaves out the security stage.")
	}
	// The first answer takes the offers, so that the requests after it have nothing left to say.
	hold := prolonged(1 + delays)
	for {
		t.Equal("CSG", s.Request.CSG, pdu.StageOperational)
		hold(s)
		c.Respond(s)
		if c.full {
			break
		}
		s = c.LoginStep()
	}
	t.full(c, op)
}

func loginZeroTSIH(t *T) {
	op, c := t.begin(Login{})
	s := c.lastStep()
	s.Response.TSIH = 0
	c.Respond(s)
	if e := c.TryNext(time.Second, pdu.OpLoginRequest); e.Kind == probe.Arrived {
		t.Fail(e, "the end of the login")
	} else if e.Ended() && c.left {
		t.NoConnection(ReactionTime) // a command that has done all that it wanted, and logged out
		return
	} else if e.Ended() {
		t.RLoginFail(c, op)
		return
	}
	t.full(c, op)
	t.Probe()
	t.logout()
	t.NoConnection(ReactionTime)
}

func loginForeign(t *T) {
	for _, foreign := range []pdu.PDU{
		&pdu.NOPIn{ITT: pdu.ReservedTag, TTT: 1}, &pdu.SCSIResponse{}, &pdu.TextResponse{Final: true, TTT: pdu.ReservedTag},
		&pdu.AsyncMessage{Event: pdu.AsyncLogoutRequest, Parameter3: 1}, &pdu.Reject{Reason: pdu.RejectProtocolError},
	} {
		t.Part(foreign.Opcode().String(), func() {
			op, c := t.begin(Login{})
			s := c.LoginStep()
			if p, is := foreign.(*pdu.Reject); is {
				p.Data = append([]byte(nil), s.Event.Frame.BHS[:]...)
			}
			statSN := c.StatSN
			c.Number(foreign)
			c.Send(foreign)
			switch e := c.peek(t.scaled(ReactionTime)); e.Kind {
			case probe.Arrived:
				t.Fail(e, "an end of the connection")
			case probe.TimedOut:
				c.StatSN = statSN
				c.Respond(s)
				if e := c.NextRaw(t.scaled(ReactionTime)); e.Kind == probe.Arrived {
					t.Fail(e, "a login that is over")
				}
				t.Warn("The PDU is left unanswered.", e, "the initiator closes the connection")
			default:
				t.RLoginFail(c, op)
			}
		})
	}
}

func loginReset(t *T) {
	const negotiationReset = 0x0b
	op, c := t.begin(Login{})
	s := c.LoginStep()
	if s.Request.NSG == pdu.StageFullFeature {
		holdStage(s) // so that there is a second request
	}
	c.Respond(s)
	s = c.LoginStep()
	c.Reject(s.Event, negotiationReset)
	t.RLoginFail(c, op)
}

// chapKeys are the keys of CHAP in a step.
func chapKeys(s *Step) text.Pairs {
	security, _ := text.CutSecurity(s.Keys)
	return security
}
