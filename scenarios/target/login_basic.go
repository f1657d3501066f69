package target

import (
	"slices"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// loginChecks are those of the group login.
func loginChecks() []Check {
	return slices.Concat(loginBasicChecks(), loginResponseChecks(), loginSessionChecks(), loginNumberChecks(), loginNameChecks(),
		loginFormChecks(), loginStageChecks(), loginForeignChecks(), loginChangedChecks(), loginAccessChecks())
}

func loginBasicChecks() []Check {
	return []Check{
		{ID: "login.basic.direct-operational", Run: func(t *T) {
			r := t.Login(probe.Login{Auth: probe.AuthNone})
			c := t.Granted(r)
			if final, _ := probe.As[*pdu.LoginResponse](r.Last); final.CSG != pdu.StageOperational {
				t.Fault(r.Last, "CSG=1 in the final response")
			}
			t.Survives(c, "the session")
		}},
		{ID: "login.basic.security-then-operational", Run: func(t *T) {
			w := t.Connect().Walk(probe.Login{})
			a := t.Security(w, pdu.StageOperational)
			if a.Response.NSG != pdu.StageOperational {
				t.Fail(a.Event, "a granted transition to LoginOperationalNegotiation")
			}
			t.Survives(t.Finish(w, pdu.StageOperational, t.Digests()), "the session")
		}},
		{ID: "login.basic.security-direct-to-ffp", Run: securityDirectToFullFeature},
		{ID: "login.final.traffic-accepted-at-once", Run: trafficAtOnce},
	}
}

func securityDirectToFullFeature(t *T) {
	r := t.Login(probe.Login{Straight: true, Auth: probe.AuthNone})
	operational := slices.ContainsFunc(r.Walk.Responses, func(p *pdu.LoginResponse) bool {
		return p.StatusClass == 0 && p.Transit && p.NSG == pdu.StageOperational
	})
	if r.Refused() && len(r.Walk.Responses) > 1 && !operational {
		t.Warn("The first request was taken, and an empty one after it refused.", r, "a granted login")
		return
	}
	if r.AuthRequired() && len(r.Walk.Responses) > 1 {
		t.Fail(r, "a granted login")
	}
	t.Survives(t.Granted(r), "the session")
}

func trafficAtOnce(t *T) {
	c := t.Granted(t.Login(probe.Login{}))
	ping, ready := c.NOPOut([]byte("at once")), c.Request(probe.TestUnitReady())
	// What the target does with it is told by the events that follow.
	_ = c.SendAll(pdu.FrameOf(ping), pdu.FrameOf(ready))
	e := c.AnswerTo(ping.ITT)
	if _, ok := probe.As[*pdu.NOPIn](e); !ok {
		t.Fail(e, "a NOP-In that answers the ping")
	}
	e = c.AnswerTo(ready.ITT)
	if _, ok := probe.As[*pdu.SCSIResponse](e); !ok {
		t.Fail(e, "a SCSI Response to TEST UNIT READY")
	}
}
