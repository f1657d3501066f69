package sessions

import (
	"slices"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group redirect: what is left of a redirect when the session is lost again.

func redirectMemoryChecks() []Check {
	two := []Array{{Portals: 2}}
	moved := func(permanent bool, to string) []Step {
		return []Step{
			redirectAt("A", simtarget.Times{}, simtarget.RedirectAnswer{Permanent: permanent, To: []string{to}}),
			{Label: "s", Do: Login{}},
		}
	}
	return []Check{{
		ID:      "redirect.temporary.not-sticky",
		Accepts: []string{"the first attempt after the loss goes to A, the configured portal"},
		Runs:    []Plan{{Arrays: two, Steps: append(moved(false, "B"), Step{Label: "cut", At: seconds(10), Do: Sever{}}), Until: seconds(40)}},
		Judge:   judgeNotSticky,
		Defects: []Defect{
			{Name: "Reconnect.TemporarySticks", Set: func(d *initiator.Deviations) { d.Reconnect.TemporarySticks = true }},
		},
	}, {
		ID:      "redirect.permanent.remembered",
		Accepts: []string{"the first attempt after the loss goes to B", "where B stays dead, A is tried by the third attempt"},
		Runs: []Plan{
			{Name: "B lives, A knows the target no more", Arrays: two, Steps: slices.Concat(moved(true, "B"), []Step{
				nextLogin(simtarget.LoginRule{Times: simtarget.Times{Next: simtarget.Always}, Which: simtarget.Which{Portal: "A"}, Status: 0x0203}),
				{Label: "cut", At: seconds(10), Do: Sever{}},
			}), Until: seconds(40)},
			{Name: "B is dead", Arrays: two, Steps: slices.Concat(moved(true, "B"), []Step{
				{At: seconds(10), Do: Refuse{Link: Link{Portal: "B"}}},
				{Label: "cut", Do: Sever{}},
			}), Until: seconds(60)},
		},
		Judge: judgeRemembered,
		Defects: []Defect{
			{Name: "Reconnect.PermanentForgotten", Set: func(d *initiator.Deviations) { d.Reconnect.PermanentForgotten = true }},
		},
	}, {
		ID:      "redirect.dead-target-falls-back",
		Accepts: []string{"a session through A within two intervals of the redirect to a portal that refuses"},
		Runs: []Plan{{Arrays: two, Steps: slices.Concat(established(), []Step{
			redirectTo(simtarget.Times{}, "B"),
			{At: seconds(9), Do: Refuse{Link: Link{Portal: "B"}}},
			{Label: "cut", At: seconds(10), Do: Sever{}},
		}), Until: seconds(60)}},
		Judge: judgeFallsBack,
		Defects: []Defect{
			{Name: "Reconnect.DeadRedirectSticks", Set: func(d *initiator.Deviations) { d.Reconnect.DeadRedirectSticks = true }},
		},
	}}
}

func judgeNotSticky(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	before := r.Dials(DialledTo("B"), DialledBefore(r.At("cut")), LoggedIn)
	j.Count("logins at B before the loss", len(before), 1, 1, DialEvents(before)...)
	after := r.Dials(DialledFrom(r.At("cut")))
	if j.Count("attempts after the loss", len(after), 1, 3, DialEvents(after)...) {
		j.Equal("portal of the first attempt after the loss", after[0].Portal, PortalAddress("A"), after[0].Event)
		j.Want(LoggedIn(after[0]), "the attempt at A", "full feature phase", Describe(after[0]), after[0].Event)
	}
}

func judgeRemembered(j *Judge, runs []*Run) {
	r := runs[0]
	j.In(r).Outcome(r.Op("s"), OK)
	after := r.Dials(DialledFrom(r.At("cut")))
	if j.Count("attempts after the loss", len(after), 1, 3, DialEvents(after)...) {
		j.Equal("portal of the first attempt after the loss", after[0].Portal, PortalAddress("B"), after[0].Event)
		j.Want(LoggedIn(after[0]), "the attempt at B", "full feature phase", Describe(after[0]), after[0].Event)
	}
	r = runs[1]
	j.In(r).Outcome(r.Op("s"), OK)
	after = r.Dials(DialledFrom(r.At("cut")))
	if j.Count("attempts after the loss", len(after), 2, 4, DialEvents(after)...) {
		j.Equal("portal of the first attempt after the loss", after[0].Portal, PortalAddress("B"), after[0].Event)
		early := after[:min(len(after), 3)]
		found := slices.ContainsFunc(early, func(d Dial) bool { return d.Portal == PortalAddress("A") && LoggedIn(d) })
		j.Want(found, "the configured portal while B is dead", "a login at A by the third attempt", Describe(early[len(early)-1]), DialEvents(early)...)
	}
}

func judgeFallsBack(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	cut := r.At("cut")
	refused := r.Dials(DialledTo("B"), DialledFrom(cut))
	if !j.Count("attempts to reach B", len(refused), 1, 3, DialEvents(refused)...) {
		return
	}
	back := r.Dials(DialledTo("A"), DialledFrom(refused[0].At), LoggedIn)
	if j.Count("logins at A after B was found dead", len(back), 1, 1, DialEvents(back)...) {
		j.Within("the login at A, counted from the redirect", back[0].FullFeature-refused[0].At, 0, 2*defaultInterval+Slack, back[0].Event)
	}
}
