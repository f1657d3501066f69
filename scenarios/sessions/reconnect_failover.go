package sessions

import (
	"fmt"
	"slices"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/trace"
)

// The row reconnect.portal-failover: attempts at the other portals of a session's portal group.

// threePortals is an array with A and B in portal group 1, and C in portal group 2.
const threePortals = `portals: [{name: A, address: "10.0.0.1:3260", tag: 1}, {name: B, address: "10.0.0.2:3260", tag: 1}, {name: C, address: "10.0.0.3:3260", tag: 2}]`

// failingOver discovers three portals, and loses portal A for good.
func failingOver(name string, failover bool) Plan {
	p := Plan{Name: name, Arrays: []Array{{Portals: 3, Change: threePortals}}, Initiator: Initiator{Settings: Settings{PortalFailover: failover}},
		Until: seconds(60), Steps: []Step{
			{Label: "d", Do: Login{Kind: kindDiscovery}},
			{Label: "found", Do: Discover{Session: "d"}},
			{Do: Logout{Session: "d"}},
			{Label: "s", Do: Login{Portal: "A"}},
			{Label: "before", Do: ListSessions{}},
			{At: seconds(10), Do: Refuse{Link{Portal: "A"}}},
			{Label: "cut", Do: Sever{Link{Portal: "A"}}},
			{Label: "list", At: seconds(40), Do: ListSessions{}},
		}}
	if failover {
		p.Steps = append(p.Steps, Step{Label: "probe", Deadline: seconds(5), Do: Probe{Session: "s"}})
	}
	p.Steps = append(p.Steps, Step{Label: "heal", At: seconds(45), Do: Heal{Link{Portal: "A"}}})
	if failover {
		// The portal that is back is where the next outage begins again.
		p.Steps = append(p.Steps, Step{Label: "cut2", Do: Sever{Link{Portal: "B"}}})
	}
	p.Steps = append(p.Steps, Step{Label: "after", At: seconds(58), Do: ListSessions{}})
	return p
}

func reconnectFailoverChecks() []Check {
	return []Check{{
		ID: "reconnect.portal-failover",
		Accepts: []string{"attempts at A alone, on the cadence; where failover is asked for, A and B in turn on the cadence and a login at B; " +
			"the same ID and ISID, one session, and nothing at a portal of another group"},
		Runs:  []Plan{failingOver("the default", false), failingOver("with failover", true)},
		Judge: judgeFailover,
		Defects: []Defect{
			{Name: "Manager.FailoverNewISID", Set: func(d *initiator.Deviations) { d.Manager.FailoverNewISID = true }},
			{Name: "Manager.FailoverAnyGroup", Set: func(d *initiator.Deviations) { d.Manager.FailoverAnyGroup = true }, Change: func(p *Plan) {
				// B is dead as well: the initiator comes to C.
				p.Steps = slices.Insert(p.Steps, 5, Step{Do: Refuse{Link{Portal: "B"}}})
			}},
		},
	}}
}

func judgeFailover(j *Judge, runs []*Run) {
	for i, r := range runs {
		j.In(r)
		if !j.Outcome(r.Op("found"), OK) || !j.Outcome(r.Op("s"), OK) {
			continue
		}
		id, cut, heal := r.Session("s"), r.At("cut"), r.At("heal")
		elsewhere := r.Dials(DialledTo("C"))
		j.None("connections to a portal of another group", "none", DialEvents(elsewhere))
		attempts := r.Dials(DialledFrom(cut), DialledBefore(heal))
		judgeGaps(j, attempts, defaultInterval)
		judgeNexus(j, r)
		before, _ := r.Op("before").SessionRow(id)
		row, ok := r.Op("list").SessionRow(id)
		j.Want(ok, "the session under its ID", "listed", fmt.Sprint(r.IDs()), r.Op("list").Evidence()...)
		j.Equal("its ISID", row.ISID, before.ISID, row.Event)
		if i == 0 {
			there := r.Dials(DialledTo("B"), DialledFrom(cut))
			j.None("connections to B", "none", DialEvents(there))
			j.Equal("its state while A is dead", row.State, StateReconnecting, row.Event)
		} else {
			j.Count("attempts until the login at B", len(attempts), 2, 2, DialEvents(attempts)...)
			there := r.Dials(DialledTo("B"), LoggedIn, DialledFrom(cut))
			j.Count("logins at B", len(there), 1, 1, DialEvents(there)...)
			j.Equal("its state", row.State, StateConnected, row.Event)
			j.Equal("its configured portal", row.Configured, PortalAddress("A"), row.Event)
			j.Equal("its current portal", row.Current, PortalAddress("B"), row.Event)
			j.Outcome(r.Op("probe"), Good)
			again := r.Dials(DialledFrom(heal))
			if j.Count("attempts after the second loss", len(again), 1, 1, DialEvents(again)...) {
				j.Equal("where it goes", again[0].Portal, PortalAddress("A"), again[0].Event)
			}
		}
		judgeConnected(j, r.Op("after"), id)
	}
}

// judgeNexus expects one ISID in all Normal logins, and never two sessions at the array.
func judgeNexus(j *Judge, r *Run) {
	logins := r.Dials(LoggedIn, OfNormalSessions)
	j.Count("ISIDs of the Normal logins", len(isids(logins)), 1, 1, DialEvents(logins)...)
	var doubled []trace.Event
	for _, s := range r.ArraySessions() {
		if s.Kind == "Normal" && len(standing(r, s.Opened)) > 1 {
			doubled = append(doubled, s.Event)
		}
	}
	j.None("instants with two sessions at the array", "none", doubled)
}
