package sessions

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
)

// The group sessions-add-remove: the sessions that are there without anybody asking for one of them, and the listing of all.

// grid is a plan with initiator ports and target portals, each portal in a group of its own.
func grid(ports, portals int, steps ...Step) Plan {
	return Plan{Name: fmt.Sprintf("%d by %d", ports, portals), Arrays: []Array{{Portals: portals}}, Initiator: Initiator{Ports: ports}, Steps: steps,
		Until: seconds(20)}
}

// defaults discovers and logs in to all that is found.
func defaults() Step { return Step{Label: "all", Do: LoginAll{}} }

func sessionsDefaultChecks() []Check {
	return []Check{{
		ID:      "sessions.default-count.ports-product",
		Accepts: []string{"exactly one Normal session for each initiator port and target port"},
		Runs: []Plan{
			grid(1, 1, defaults()), grid(1, 2, defaults()), grid(2, 1, defaults()), grid(2, 2, defaults()), grid(4, 4, defaults()),
		},
		Judge: func(j *Judge, runs []*Run) {
			for _, r := range runs {
				j.In(r).Outcome(r.Op("all"), OK)
				judgeOnePerPair(j, r)
			}
		},
		Defects: []Defect{
			{Name: "Paths.FirstPortalOnly", Set: func(d *initiator.Deviations) { d.Paths.FirstPortalOnly = true }},
		},
	}, {
		ID:      "sessions.default-one-per-pair",
		Accepts: []string{"still four sessions, and no Normal login after the first round"},
		Runs: []Plan{grid(2, 2, defaults(),
			Step{Label: "again", At: seconds(6), Do: LoginAll{}},
			Step{Label: "list", At: seconds(8), Do: ListSessions{}})},
		Judge: judgeOnePerPairTwice,
		Defects: []Defect{
			{Name: "Paths.RepeatDefaults", Set: func(d *initiator.Deviations) { d.Paths.RepeatDefaults = true }},
		},
	}, {
		ID:      "sessions.distinct-isid-per-initiator-port",
		Accepts: []string{"two ISIDs, and both sessions live"},
		Runs:    []Plan{grid(2, 1, defaults())},
		Judge:   judgeDistinctISIDs,
		Defects: []Defect{
			{Name: "Paths.OneISIDPerHost", Set: func(d *initiator.Deviations) { d.Paths.OneISIDPerHost = true }},
		},
	}, {
		ID:      "sessions.same-isid-different-target-ports",
		Accepts: []string{"one ISID towards all three portal groups"},
		Runs:    []Plan{grid(1, 3, defaults())},
		Judge:   judgeSameISIDs,
		Defects: []Defect{
			{Name: "Paths.ISIDPerLogin", Set: func(d *initiator.Deviations) { d.Paths.ISIDPerLogin = true }},
		},
	}, {
		ID:      "sessions.list-all",
		Accepts: []string{"five entries that agree with the target's view"},
		Runs: []Plan{grid(2, 2, defaults(),
			Step{Label: "added", Do: AddSession{Clone: "all.1"}},
			Step{Label: "list", At: seconds(10), Do: ListSessions{}})},
		Judge: judgeListAll,
		Defects: []Defect{
			{Name: "Listing.OnePerTarget", Set: func(d *initiator.Deviations) { d.Listing.OnePerTarget = true }},
		},
	}}
}

// OfNormalSessions picks logins that did not ask for a discovery session.
func OfNormalSessions(d Dial) bool {
	kind, _ := d.Key("SessionType")
	return kind != "Discovery"
}

// pair is an initiator port and a target port, by their addresses.
type pair struct{ from, to string }

func (p pair) String() string { return p.from + " to " + p.to }

// hostOf is an address without its port.
func hostOf(address string) string {
	if i := strings.LastIndexByte(address, ':'); i > 0 {
		return address[:i]
	}
	return address
}

// judgeOnePerPair expects one login of a Normal session for each initiator port and portal of the plan, and nothing else.
func judgeOnePerPair(j *Judge, r *Run) {
	logins := r.Dials(LoggedIn, OfNormalSessions)
	counts := map[pair]int{}
	for _, d := range logins {
		counts[pair{hostOf(d.Local), d.Portal}]++
	}
	ports, portals := r.Plan.Initiator.Ports, r.Plan.Arrays[0].Portals
	j.Count("Normal sessions", len(logins), ports*portals, ports*portals, DialEvents(logins)...)
	for i := range ports {
		for k := range portals {
			p := pair{PortAddress(i + 1), PortalAddress(letter(k))}
			j.Count("sessions from "+p.String(), counts[p], 1, 1, DialEvents(logins)...)
		}
	}
}

func judgeOnePerPairTwice(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("all"), OK)
	judgeOnePerPair(j, r)
	again := r.Op("again")
	j.Want(!again.Is(Pending, ""), "the second round", "an end", again.Outcome, again.Evidence()...)
	j.None("Login Requests for Normal sessions in the second round", "none", DialEvents(r.Dials(OfNormalSessions, DialledFrom(again.Begin))))
	j.Count("sessions listed", len(r.Op("list").Sessions()), 4, 4, r.Op("list").Evidence()...)
}

// isids gives the different ISIDs of logins, in order.
func isids(dials []Dial) []string {
	var found []string
	for _, d := range dials {
		if isid := d.ISID().String(); !slices.Contains(found, isid) {
			found = append(found, isid)
		}
	}
	return found
}

// standing gives the array's Normal sessions at an instant.
func standing(r *Run, at time.Duration) []ArraySession {
	return slices.DeleteFunc(r.ArraySessions(), func(s ArraySession) bool {
		return s.Kind != "Normal" || s.Opened > at || s.Closed >= 0 && s.Closed <= at
	})
}

func judgeDistinctISIDs(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("all"), OK)
	logins := r.Dials(LoggedIn, OfNormalSessions)
	if !j.Count("logins of Normal sessions", len(logins), 2, 2, DialEvents(logins)...) {
		return
	}
	j.Want(logins[0].ISID() != logins[1].ISID(), "the ISID of the second initiator port", "another than "+logins[0].ISID().String(),
		logins[1].ISID().String(), DialEvents(logins)...)
	j.Count("sessions standing at the end", len(standing(r, r.Ended)), 2, 2)
}

func judgeSameISIDs(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("all"), OK)
	logins := r.Dials(LoggedIn, OfNormalSessions)
	if !j.Count("logins of Normal sessions", len(logins), 3, 3, DialEvents(logins)...) {
		return
	}
	j.Count("sessions standing at the end", len(standing(r, r.Ended)), 3, 3)
	rule := "the ISIDs towards the three portal groups"
	if got := isids(logins); len(got) == 1 {
		j.Want(true, rule, "one", strings.Join(got, " "), DialEvents(logins)...)
	} else {
		j.Lenient(rule, "one", strings.Join(got, " "), DialEvents(logins)...)
	}
}

func judgeListAll(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("all"), OK) || !j.Outcome(r.Op("added"), OK) {
		return
	}
	rows, seen := r.Op("list").Sessions(), standing(r, r.At("list"))
	j.Count("sessions listed", len(rows), 5, 5, r.Op("list").Evidence()...)
	j.Count("sessions by the target's account", len(seen), 5, 5)
	view := func(isid string, tsih uint16, portal string) string {
		return fmt.Sprintf("ISID %s TSIH 0x%04x at %s", isid, tsih, portal)
	}
	var listed, known []string
	for _, row := range rows {
		listed = append(listed, view(row.ISID, row.TSIH, row.Current))
	}
	for _, s := range seen {
		known = append(known, view(s.ISID, s.TSIH, s.Portal))
	}
	slices.Sort(listed)
	slices.Sort(known)
	j.Equal("the listing", strings.Join(listed, ", "), strings.Join(known, ", "), r.Op("list").Rows...)
	var ids []uint64
	for _, row := range rows {
		if !slices.Contains(ids, row.ID) {
			ids = append(ids, row.ID)
		}
		j.Equal(fmt.Sprintf("session %d added by hand", row.ID), row.Added, row.ID == r.Session("added"), row.Event)
	}
	j.Count("different IDs", len(ids), 5, 5, r.Op("list").Rows...)
}
