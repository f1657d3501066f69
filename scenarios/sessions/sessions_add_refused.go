package sessions

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// The group sessions-add-remove: arrays that do not want a further session, each in its own way. What was there before goes on.

func sessionsAddRefusedChecks() []Check {
	return []Check{{
		ID:      "sessions.add.refused-by-target",
		Accepts: []string{"an error that names the status, nothing listed for it, the original untouched, and no further login"},
		Runs:    refusals(),
		Judge:   judgeAddRefused,
		Defects: []Defect{
			{Name: "Paths.RefusedAddClosesTarget", Set: func(d *initiator.Deviations) { d.Paths.RefusedAddClosesTarget = true }},
		},
	}, {
		ID: "sessions.add.target-drops-original",
		Accepts: []string{"for each session, logins no closer than one interval; at most two logins in any 5 s",
			"errors in the listing, and I/O on whichever session is up"},
		Runs: []Plan{
			rivals("the first session reset", Array{Change: "session: {max_per_initiator: 1, on_excess: kill-oldest, replaced: rst}"}),
			rivals("second-session-kills-oldest", Array{Profile: "second-session-kills-oldest"}),
			rivals("name-killer", Array{Profile: "name-killer"}),
		},
		Judge: judgeRivals,
		Defects: []Defect{
			{Name: "Reconnect.AtOnceOnDrop", Set: func(d *initiator.Deviations) { d.Reconnect.AtOnceOnDrop = true }},
		},
	}, {
		ID:      "sessions.add.silent-array",
		Accepts: []string{"the add fails within the login timeout, the original reads on without a pause over 1 s, nothing is left listed"},
		Runs: []Plan{{Until: seconds(45), Steps: slices.Concat(established(), []Step{
			{Label: "reads", At: seconds(8), Async: true, Do: Load{Session: "s", Every: seconds(0.2), For: seconds(22)}},
			nextLogin(simtarget.LoginRule{Silence: true}),
			{Label: "clone", At: seconds(10), Async: true, Deadline: seconds(60), Do: AddSession{Clone: "s"}},
			{Label: "poll", At: seconds(11), Async: true, Do: Poll{Every: seconds(2), For: seconds(12), Do: Step{Do: ListSessions{}}}},
			{Label: "after", At: seconds(40), Do: ListSessions{}},
		})}},
		Judge: judgeSilentArray,
		Defects: []Defect{
			{Name: "Paths.AddBlocksAll", Set: func(d *initiator.Deviations) { d.Paths.AddBlocksAll = true }},
		},
	}}
}

// refusals are the row's four answers, and the arrays that give them, and others, of their own accord.
func refusals() []Plan {
	var plans []Plan
	plan := func(name string, array Array, rule ...Step) {
		plans = append(plans, Plan{Name: name, Arrays: []Array{array}, Until: seconds(60), Steps: slices.Concat(established(), rule, []Step{
			{Label: "clone", At: seconds(5), Deadline: seconds(30), Do: AddSession{Clone: "s"}},
			probed("s"), listed(),
			{Label: "later", At: seconds(50), Do: ListSessions{}},
		})})
	}
	for _, status := range []iscsi.Status{iscsi.StatusTooManyConnections, iscsi.StatusAuthorizationFailure, iscsi.StatusOutOfResources} {
		plan(fmt.Sprintf("status 0x%04x", uint16(status)), Array{}, refused(1, status))
	}
	plan("RST after TCP accept", Array{}, nextLogin(simtarget.LoginRule{At: simtarget.AtConnect, Drop: simtarget.EndRST}))
	for _, how := range []string{"0202", "0206", "0301", "0302", "fin", "rst"} {
		name := "second-session-refused-" + how
		plan(name, Array{Profile: name})
	}
	plan("single-session", Array{Profile: "single-session"})
	return plans
}

func judgeAddRefused(j *Judge, runs []*Run) {
	for _, r := range runs {
		if !j.In(r).Outcome(r.Op("s"), OK) {
			continue
		}
		o, made := r.Op("clone"), r.Dials(DialledFrom(r.Op("clone").Begin))
		if !j.Count("connections from the add on", len(made), 1, 1, DialEvents(made)...) {
			judgeConnected(j, r.Op("list"), r.Session("s"))
			continue
		}
		status := made[0].Status()
		switch {
		case LoggedIn(made[0]) || status == 0:
			j.Unclear("the array refuses a further session", Describe(made[0]), made[0].Event)
		case status > 0:
			named := fmt.Sprintf("0x%04x", status)
			j.Outcome(o, LoginFailed, AuthFailed)
			j.Want(o.Status == named && containsText(o.Err, named[2:]), "the status in the error", named, o.Status+": "+o.Err, o.Evidence()...)
		default:
			j.Outcome(o, Unreachable)
			j.Want(o.Err != "", "the error", "a text", fmt.Sprintf("%q", o.Err), o.Evidence()...)
		}
		probe := r.Op("probe s")
		j.Outcome(probe, Good)
		j.Within("time for the probe", probe.Took(), 0, seconds(1), probe.Evidence()...)
		judgeConnected(j, r.Op("list"), r.Session("s"))
		judgeConnected(j, r.Op("later"), r.Session("s"))
		judgeUntouched(j, r, "the original", r.Dials()[0])
	}
}

// rivals are two sessions that an array does not want at the same time: whichever logs in ends the other. Each login takes a while, so that
// an initiator which takes no rest between them can be watched without end. The run ends between two of the clone's attempts, which come at whole
// multiples of the interval.
func rivals(name string, array Array) Plan {
	return Plan{Name: name, Arrays: []Array{array}, Until: seconds(76), Steps: slices.Concat(established(), []Step{
		nextLogin(simtarget.LoginRule{Times: simtarget.Times{Next: simtarget.Always}, Delay: seconds(0.3)}),
		clonedAt(seconds(10)),
		{Label: "s reads", Async: true, Do: Load{Session: "s", Every: seconds(0.5), For: seconds(58)}},
		{Label: "clone reads", Async: true, Do: Load{Session: "clone", Every: seconds(0.5), For: seconds(58)}},
		{Label: "poll", Async: true, Do: Poll{Every: seconds(0.7), For: seconds(30), Do: Step{Do: ListSessions{}}}},
	})}
}

// clonedAt is cloned at an instant.
func clonedAt(at time.Duration) Step {
	s := cloned()
	s.At = at
	return s
}

// stormWatch is how long the rivals are watched.
const stormWatch = 60 * time.Second

func judgeRivals(j *Judge, runs []*Run) {
	for _, r := range runs {
		if !j.In(r).Outcome(r.Op("s"), OK) || !j.Outcome(r.Op("clone"), OK) {
			continue
		}
		from := r.Op("clone").Begin
		all := r.Dials(DialledFrom(from), DialledBefore(from+stormWatch))
		if len(all) < 4 {
			j.Unclear("two sessions that end each other", fmt.Sprintf("%d logins in a minute", len(all)), DialEvents(all)...)
		}
		which := isids(all)
		j.Count("ISIDs of the two sessions", len(which), 2, 2, DialEvents(all)...)
		for _, isid := range which {
			judgeSpacing(j, "session with ISID "+isid, r.Dials(func(d Dial) bool { return d.ISID().String() == isid }))
		}
		judgeDensity(j, all)
		judgeRivalsVisible(j, r)
	}
}

// judgeSpacing expects that no login of one session starts sooner than one interval after the one before.
func judgeSpacing(j *Judge, what string, dials []Dial) {
	for i := 1; i < len(dials); i++ {
		if gap := dials[i].At - dials[i-1].At; gap < defaultInterval-Slack {
			j.Want(false, "time between two logins of the "+what, "5s or more", gap.String(), dials[i-1].Event, dials[i].Event)
			return
		}
	}
	j.Want(true, "time between two logins of the "+what, "5s or more", "5s or more in "+fmt.Sprint(len(dials))+" logins")
}

// judgeDensity expects at most two logins in any time shorter than the interval.
func judgeDensity(j *Judge, dials []Dial) {
	most, where := 0, Dial{}
	for i, d := range dials {
		n := 0
		for _, o := range dials[i:] {
			if o.At-d.At < defaultInterval-Slack {
				n++
			}
		}
		if n > most {
			most, where = n, d
		}
	}
	j.Count("most logins in any 5 s", most, 1, 2, where.Event)
}

// judgeRivalsVisible expects that the listing tells why a session is down, and that requests are served by whichever session is up.
func judgeRivalsVisible(j *Judge, r *Run) {
	down := 0
	var mute []trace.Event
	for _, o := range r.Ops("poll") {
		for _, row := range o.Sessions() {
			if row.State == StateConnected {
				continue
			}
			if down++; row.LastError == "" {
				mute = append(mute, row.Event)
			}
		}
	}
	if down == 0 {
		j.Unclear("errors in the listing", "no listing found a session that was down")
	}
	j.None("sessions listed as down without an error", "none", mute)
	for _, label := range []string{"s reads", "clone reads"} {
		reads := slices.DeleteFunc(r.Ops(label), func(o OpRun) bool { return o.Outcome == Pending })
		j.Outcomes(strings.TrimSuffix(label, "s")+" requests that ended", reads, Good)
	}
}

func judgeSilentArray(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) {
		return
	}
	o, made := r.Op("clone"), added(r, "clone")
	j.Outcome(o, Timeout, Unreachable)
	j.Within("time to the error", o.Took(), 0, loginDeadline+Slack, o.Evidence()...)
	if j.Count("connections for the clone", len(made), 1, 1, DialEvents(made)...) && (made[0].Up < 0 || len(made[0].Responses) > 0) {
		j.Unclear("an array that accepts and stays silent", Describe(made[0]), made[0].Event)
	}
	judgeNoPause(j, r.Ops("reads"), seconds(1))
	polls := r.Ops("poll")
	j.Outcomes("the listings during the login", polls, OK)
	var longest OpRun
	for _, p := range polls {
		if p.Took() > longest.Took() {
			longest = p
		}
		if row, ok := p.SessionRow(r.Session("s")); !ok || row.State != StateConnected {
			j.Want(false, "the original in the listing", StateConnected, fmt.Sprintf("%d sessions listed", len(p.Sessions())), p.Evidence()...)
			break
		}
	}
	j.Within("the longest time for a listing", longest.Took(), 0, seconds(1), longest.Evidence()...)
	judgeConnected(j, r.Op("after"), r.Session("s"))
	judgeUntouched(j, r, "the original", r.Dials()[0])
}

// judgeNoPause expects that requests all end with GOOD, with no longer time than that without an end of one.
func judgeNoPause(j *Judge, reads []OpRun, most time.Duration) {
	if !j.Outcomes("the reads", reads, Good) {
		return
	}
	ends := make([]time.Duration, 0, len(reads))
	for _, o := range reads {
		ends = append(ends, o.End)
	}
	slices.Sort(ends)
	longest := time.Duration(0)
	for _, gap := range Gaps(ends) {
		longest = max(longest, gap)
	}
	j.Within("the longest time without an answered read", longest, 0, most)
}
