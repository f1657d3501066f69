package sessions

import (
	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group redirect: what a Login Response with status class 1 leads to.

// redirectTo answers logins at portal A with a redirect.
func redirectTo(rule simtarget.Times, to ...string) Step {
	return nextLogin(simtarget.LoginRule{Times: rule, Which: simtarget.Which{Portal: "A"}, Redirect: &simtarget.RedirectAnswer{To: to}})
}

func redirectChecks() []Check {
	return []Check{{
		ID:      "redirect.temporary.followed",
		Accepts: []string{"the connection to A closed, a login at B within 5 s, and a probe there"},
		Runs: []Plan{{
			Arrays: []Array{{Portals: 2}},
			Steps: []Step{
				redirectTo(simtarget.Times{}, "B"),
				{Label: "s", Do: Login{}},
				{Label: "probe", Do: Probe{}, Deadline: seconds(30)},
			},
			Until: seconds(60),
		}},
		Judge: judgeTemporaryFollowed,
		Defects: []Defect{
			{Name: "Redirect.Fatal", Set: func(d *initiator.Deviations) { d.Redirect.Fatal = true }},
		},
	}}
}

func judgeTemporaryFollowed(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	j.Outcome(r.Op("probe"), Good)
	atA, atB := r.Dials(DialledTo("A")), r.Dials(DialledTo("B"))
	if !j.Count("connections to A", len(atA), 1, 1, DialEvents(atA)...) {
		return
	}
	j.Equal("answer of A", iscsi.Status(atA[0].Status()), iscsi.StatusMovedTemporarily, atA[0].Event)
	j.Within("A's connection is closed", atA[0].Closed, atA[0].Up, atA[0].At+seconds(5), atA[0].Event)
	if !j.Count("connections to B", len(atB), 1, 1, DialEvents(atB)...) {
		return
	}
	j.Within("the login at B begins", atB[0].At, atA[0].At, atA[0].At+seconds(5), atB[0].Event)
	j.Want(LoggedIn(atB[0]), "the login at B", "full feature phase", Describe(atB[0]), atB[0].Event)
}
