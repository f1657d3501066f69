package sessions

import (
	"slices"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group redirect: what a Login Response with status class 1 leads to.

// redirectTo answers logins at portal A with a temporary redirect.
func redirectTo(times simtarget.Times, to ...string) Step {
	return redirectAt("A", times, simtarget.RedirectAnswer{To: to})
}

// redirectAt answers logins at a portal with a redirect.
func redirectAt(portal string, times simtarget.Times, answer simtarget.RedirectAnswer) Step {
	return nextLogin(simtarget.LoginRule{Times: times, Which: simtarget.Which{Portal: portal}, Redirect: &answer})
}

func redirectChecks() []Check {
	return slices.Concat(redirectFollowedChecks(), redirectMemoryChecks(), redirectAddressChecks(), redirectLoginChecks())
}

func redirectFollowedChecks() []Check {
	moved := func(permanent bool) []Plan {
		return []Plan{{
			Arrays: []Array{{Portals: 2}},
			Steps: []Step{
				redirectAt("A", simtarget.Times{}, simtarget.RedirectAnswer{Permanent: permanent, To: []string{"B"}}),
				{Label: "s", Do: Login{}},
				{Label: "probe", Do: Probe{}, Deadline: seconds(30)},
			},
			Until: seconds(60),
		}}
	}
	accepts := []string{"the connection to A closed, a login at B within 5 s, and a probe there"}
	return []Check{{
		ID: "redirect.temporary.followed", Accepts: accepts, Runs: moved(false),
		Judge: func(j *Judge, runs []*Run) { judgeFollowed(j, runs[0], iscsi.StatusMovedTemporarily) },
		Defects: []Defect{
			{Name: "Redirect.Fatal", Set: func(d *initiator.Deviations) { d.Redirect.Fatal = true }},
		},
	}, {
		ID: "redirect.permanent.followed", Accepts: accepts, Runs: moved(true),
		Judge: func(j *Judge, runs []*Run) { judgeFollowed(j, runs[0], iscsi.StatusMovedPermanently) },
		Defects: []Defect{
			{Name: "Redirect.PermanentFatal", Set: func(d *initiator.Deviations) { d.Redirect.PermanentFatal = true }},
		},
	}, {
		ID:      "redirect.loop-bounded",
		Accepts: []string{"at most 32 redirects in a row, then a failed login; the session begins again no sooner than its interval"},
		Runs: []Plan{
			{Name: "A to B to A", Arrays: []Array{{Portals: 2}}, Steps: loopSteps("B", "A"), Until: seconds(100)},
			{Name: "A to itself", Arrays: []Array{{Portals: 2}}, Steps: loopSteps("A", "A"), Until: seconds(100)},
		},
		Judge: judgeLoopBounded,
		Defects: []Defect{
			{Name: "Redirect.NoLimit", Set: func(d *initiator.Deviations) { d.Redirect.NoLimit = true }},
		},
	}}
}

// loopSteps severs a session and sends every login after it round in a circle, for a minute.
func loopSteps(fromA, fromB string) []Step {
	// More than any bounded initiator comes for in that time, and few enough for the run of an unbounded one to end.
	times := simtarget.Times{Next: 15 * (redirectsInARow + 1)}
	return slices.Concat(established(), []Step{
		redirectAt("A", times, simtarget.RedirectAnswer{To: []string{fromA}}),
		redirectAt("B", times, simtarget.RedirectAnswer{To: []string{fromB}}),
		{Label: "cut", At: seconds(10), Do: Sever{}},
		{At: seconds(80), Do: ArrayOp{Action: simtarget.Action{Clear: &simtarget.Clear{}}}},
	})
}

func judgeFollowed(j *Judge, r *Run, status iscsi.Status) {
	j.Outcome(r.Op("s"), OK)
	j.Outcome(r.Op("probe"), Good)
	atA, atB := r.Dials(DialledTo("A")), r.Dials(DialledTo("B"))
	if !j.Count("connections to A", len(atA), 1, 1, DialEvents(atA)...) {
		return
	}
	j.Equal("answer of A", iscsi.Status(atA[0].Status()), status, atA[0].Event)
	j.Within("A's connection is closed", atA[0].Closed, atA[0].Up, atA[0].At+seconds(5), atA[0].Event)
	if !j.Count("connections to B", len(atB), 1, 1, DialEvents(atB)...) {
		return
	}
	j.Within("the login at B begins", atB[0].At, atA[0].At, atA[0].At+seconds(5), atB[0].Event)
	j.Want(LoggedIn(atB[0]), "the login at B", "full feature phase", Describe(atB[0]), atB[0].Event)
}

// redirectsInARow is how many redirects one attempt may follow, by the contract.
const redirectsInARow = 32

func judgeLoopBounded(j *Judge, runs []*Run) {
	for _, r := range runs {
		j.In(r)
		cut := r.At("cut")
		j.Outcome(r.Op("s"), OK)
		if !j.Count("attempts in the minute after the loss that were redirected",
			len(redirected(r.Dials(DialledFrom(cut), DialledBefore(cut+seconds(60))))), 1, 13*(redirectsInARow+1)) {
			continue
		}
		// Dials that follow one another without an interval between them belong to one attempt.
		var row []Dial
		bounded := true
		for _, d := range r.Dials(DialledFrom(cut), DialledBefore(cut+seconds(60))) {
			if len(row) > 0 && d.At-row[len(row)-1].At > seconds(1) {
				gap := d.At - row[0].At
				bounded = bounded && j.Want(gap >= defaultInterval-Slack, "a new attempt after one that went in circles", "no sooner than 5s after its start", gap.String(), d.Event)
				row = nil
			}
			row = append(row, d)
			if len(row) > redirectsInARow+1 {
				bounded = j.Want(false, "redirects followed in a row", "at most 32", "33 or more", d.Event)
				break
			}
		}
		if bounded {
			j.Want(true, "redirects followed in a row", "at most 32", "at most 32")
		}
	}
}

// redirected picks the dials that a redirect answered.
func redirected(dials []Dial) []Dial {
	var found []Dial
	for _, d := range dials {
		if d.Status() >= 0 && iscsi.Status(d.Status()).Class() == 1 {
			found = append(found, d)
		}
	}
	return found
}
