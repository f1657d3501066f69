package sessions

import (
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group redirect: when it comes, and that the login at the new address begins from nothing.

// chapArray asks for CHAP; the credentials match mutualCHAP's. The secrets of a plan are no secrets.
const chapArray = `login:
  chap:
    users: [{name: host, secret: initiator-12}]
    own: {name: array, secret: target-12345}
`

// mutualCHAP are credentials for chapArray with which the array has to prove itself too.
func mutualCHAP() Initiator {
	return Initiator{Login: LoginSettings{CHAP: &CHAP{Name: "host", Secret: "initiator-12", TargetName: "array", TargetSecret: "target-12345"}}}
}

// movedAt is a plan whose first login at A is redirected to B at a step of the login, with authentication.
func movedAt(name string, at simtarget.LoginStep, more ...Step) Plan {
	return Plan{Name: name, Arrays: []Array{{Portals: 2, Change: chapArray}}, Initiator: mutualCHAP(), Until: seconds(40),
		Steps: append(more,
			nextLogin(simtarget.LoginRule{Which: simtarget.Which{Portal: "A"}, At: at, Redirect: &simtarget.RedirectAnswer{To: []string{"B"}}}),
			Step{Label: "s", Do: Login{}, Deadline: seconds(30)})}
}

func redirectLoginChecks() []Check {
	return []Check{{
		ID:      "redirect.login-fields",
		Accepts: []string{"a leading login at B: TSIH 0, the same names, the keys offered anew, from the security stage on"},
		Runs:    []Plan{movedAt("", simtarget.AtOperational)},
		Judge:   func(j *Judge, runs []*Run) { judgeLeadingLogin(j, runs[0]) },
		Defects: []Defect{
			{Name: "Redirect.ContinueStage", Set: func(d *initiator.Deviations) { d.Redirect.ContinueStage = true }},
		},
	}, {
		ID:      "redirect.authentication-repeated",
		Accepts: []string{"a portal that proves nothing is refused", "where B authenticates, a new challenge and a login"},
		Runs: []Plan{
			movedAt("B asks for no authentication", simtarget.AtOperational, nextLogin(simtarget.LoginRule{
				Times: simtarget.Times{Next: simtarget.Always}, Which: simtarget.Which{Portal: "B"}, NoAuthentication: true})),
			movedAt("B authenticates", simtarget.AtOperational),
		},
		Judge: judgeAuthenticationRepeated,
		Defects: []Defect{
			{Name: "Redirect.CarryAuthentication", Set: func(d *initiator.Deviations) { d.Redirect.CarryAuthentication = true }},
		},
	}, {
		ID:      "redirect.late-in-login",
		Accepts: []string{"A's connection closed with no further PDU, then a complete leading login at B within 5 s"},
		Runs: []Plan{
			movedAt("after the security negotiation", simtarget.AtOperational),
			{Name: "in the last response, with T=1", Arrays: []Array{{Portals: 2}}, Until: seconds(40), Steps: []Step{
				nextLogin(simtarget.LoginRule{Which: simtarget.Which{Portal: "A"}, At: simtarget.AtFinal,
					Redirect: &simtarget.RedirectAnswer{To: []string{"B"}, Transit: true}}),
				{Label: "s", Do: Login{}, Deadline: seconds(30)},
			}},
		},
		Judge: judgeLate,
		Defects: []Defect{
			{Name: "Redirect.OnlyFirstResponse", Set: func(d *initiator.Deviations) { d.Redirect.OnlyFirstResponse = true }},
		},
	}, {
		ID:      "redirect.during-established",
		Accepts: []string{"no connection to B, and the session at A, also after a later loss"},
		Runs: []Plan{
			{Name: "in a Text Response", Arrays: []Array{{Portals: 2}}, Until: seconds(40), Steps: []Step{
				{Label: "s", Do: Login{}},
				{Do: ArrayOp{Action: simtarget.Action{Text: &simtarget.TextRule{Times: simtarget.Times{Next: simtarget.Always},
					Add: []simtarget.Setting{{Key: "TargetAddress", Value: "10.0.0.2:3260,1"}}}}}},
				{At: seconds(5), Do: ArrayOp{Action: simtarget.Action{Async: &simtarget.Async{Event: pdu.AsyncNegotiation}}}},
				{Label: "cut", At: seconds(20), Do: Sever{}},
			}},
			{Name: "in the last Login Response with status 0", Arrays: []Array{{Portals: 2}}, Until: seconds(40), Steps: []Step{
				nextLogin(simtarget.LoginRule{Times: simtarget.Times{Next: simtarget.Always}, At: simtarget.AtFinal,
					Edit: []simtarget.Setting{{Key: "TargetAddress", Value: "10.0.0.2:3260,1"}}}),
				{Label: "s", Do: Login{}},
				{Label: "cut", At: seconds(20), Do: Sever{}},
			}},
		},
		Judge: judgeDuringEstablished,
		Defects: []Defect{
			{Name: "Redirect.AnyAddressMoves", Set: func(d *initiator.Deviations) { d.Redirect.AnyAddressMoves = true }},
		},
	}}
}

// judgeLeadingLogin expects that the login at B begins from nothing.
func judgeLeadingLogin(j *Judge, r *Run) {
	j.In(r).Outcome(r.Op("s"), OK)
	atA, atB := r.Dials(DialledTo("A")), r.Dials(DialledTo("B"))
	if !j.Count("connections to A", len(atA), 1, 1, DialEvents(atA)...) || !j.Count("connections to B", len(atB), 1, 1, DialEvents(atB)...) {
		return
	}
	b := atB[0]
	if !j.Want(LoggedIn(b), "the login at B", "full feature phase", Describe(b), b.Event) {
		return
	}
	first := b.Requests[0]
	j.Equal("TSIH in the first request at B", first.PDU.TSIH, 0, first.Event)
	j.Equal("stage of the first request at B", first.PDU.CSG, atA[0].Requests[0].PDU.CSG, first.Event)
	for _, key := range []string{"InitiatorName", "TargetName"} {
		want, _ := atA[0].Requests[0].Keys.Get(key)
		got, _ := first.Keys.Get(key)
		j.Equal(key+" in the first request at B", got, want, first.Event)
	}
	for _, key := range []string{"MaxBurstLength", "MaxRecvDataSegmentLength"} {
		got, offered := b.Key(key)
		j.Want(offered, key+" at B", "negotiated anew", map[bool]string{true: "offered as " + got, false: "not offered"}[offered], b.Event)
	}
}

func judgeAuthenticationRepeated(j *Judge, runs []*Run) {
	r := runs[0]
	j.In(r)
	j.Want(!r.Op("s").Is(OK, Pending), "outcome of the login", "an error", r.Op("s").Outcome, r.Op("s").Evidence()...)
	atB := r.Dials(DialledTo("B"))
	j.Count("connections to B", len(atB), 1, 2, DialEvents(atB)...)
	j.None("logins at B without authentication", "none", DialEvents(r.Dials(DialledTo("B"), LoggedIn)))

	r = runs[1]
	judgeLeadingLogin(j, r)
	challenges := map[string]bool{}
	for _, d := range r.Dials() {
		for _, p := range d.Responses {
			if c, ok := p.Keys.Get("CHAP_C"); ok {
				challenges[c] = true
			}
		}
	}
	j.Count("different challenges of the array", len(challenges), 2, 2)
}

func judgeLate(j *Judge, runs []*Run) {
	for _, r := range runs {
		judgeLeadingLogin(j, r)
		atA, atB := r.Dials(DialledTo("A")), r.Dials(DialledTo("B"))
		if len(atA) != 1 || len(atB) != 1 {
			continue // judgeLeadingLogin has said so
		}
		j.Within("A's connection is closed", atA[0].Closed, atA[0].Up, atA[0].At+seconds(5), atA[0].Event)
		j.Within("the login at B begins", atB[0].At, atA[0].At, atA[0].At+seconds(5), atB[0].Event)
		last := atA[0].Responses[len(atA[0].Responses)-1]
		j.None("PDUs to A after the redirect", "none", Events(r.PDUs(FromInitiator, OnConn(atA[0].Conn), From(last.At))))
	}
}

func judgeDuringEstablished(j *Judge, runs []*Run) {
	for i, r := range runs {
		j.In(r).Outcome(r.Op("s"), OK)
		told := r.PDUs(FromTarget, func(w Wire) bool {
			return w.Opcode() == []pdu.Opcode{pdu.OpTextResponse, pdu.OpLoginResponse}[i] && containsKey(w, "TargetAddress")
		})
		if len(told) == 0 {
			j.Unclear("TargetAddress outside a redirect", "the array never had the occasion to send one")
			continue
		}
		j.None("connections to B", "none", DialEvents(r.Dials(DialledTo("B"))))
		again := r.Dials(DialledTo("A"), DialledFrom(r.At("cut")), LoggedIn)
		j.Count("logins at A after the loss", len(again), 1, 1, DialEvents(again)...)
	}
}
