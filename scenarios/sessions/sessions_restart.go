package sessions

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/trace"
)

// Rows of the groups session-lifecycle and sessions-add-remove about a restart of the initiator: which sessions are back, and as whom they log in.

// By the rows: how soon after the restart one session, and the whole default set, has to be back.
const (
	backWithin    = 30 * time.Second
	setBackWithin = 60 * time.Second
)

// crashed restarts the initiator at 10 s. With a link that is dead while the host goes down, the target does not hear of the end of the old
// connections.
func crashed(unheard bool) []Step {
	restart := Step{Label: "restart", At: seconds(10), Do: Restart{Down: seconds(5)}}
	if !unheard {
		return []Step{restart}
	}
	return []Step{{At: seconds(9.5), Do: Silence{Link: Link{Session: "s"}}}, restart}
}

func sessionsRestartChecks() []Check {
	return []Check{{
		ID:      "reconnect.restart-of-initiator-process",
		Accepts: []string{"the session back within 30 s by a login with TSIH 0, and one session at the target, though it did not hear of the end of the old one"},
		Runs: []Plan{
			{Name: "the target sees the connection end", Until: seconds(60), Steps: append(append(established(), crashed(false)...),
				Step{Label: "list", At: seconds(50), Do: ListSessions{}})},
			{Name: "the target hears nothing of the end", Until: seconds(60), Steps: append(append(established(), crashed(true)...),
				Step{Label: "list", At: seconds(50), Do: ListSessions{}})},
		},
		Judge: judgeProcessRestart,
		Defects: []Defect{
			{Name: "Paths.RestartChangesISID", Set: func(d *initiator.Deviations) { d.Paths.RestartChangesISID = true }},
		},
	}, {
		ID:      "sessions.persistent.default-set-restored",
		Accepts: []string{"all four sessions of the default set back within 60 s of the restart"},
		Runs: []Plan{{Arrays: []Array{{Portals: 2}}, Initiator: Initiator{Ports: 2}, Until: seconds(90), Steps: append([]Step{defaults()},
			append(crashed(false), Step{Label: "list", At: seconds(80), Do: ListSessions{}})...)}},
		Judge: judgeSetRestored,
		Defects: []Defect{
			{Name: "Paths.RestoreFirstPortOnly", Set: func(d *initiator.Deviations) { d.Paths.RestoreFirstPortOnly = true }},
		},
	}, {
		ID:      "sessions.isid-stable-over-restart",
		Accepts: []string{"the same InitiatorName and, from each initiator port, the same ISID as before the restart"},
		Runs: []Plan{
			{Name: "one port", Until: seconds(60), Steps: append(append(established(), crashed(false)...), Step{Label: "again", At: seconds(40), Do: Restart{Down: seconds(5)}})},
			{Name: "two ports", Initiator: Initiator{Ports: 2}, Until: seconds(60), Steps: append([]Step{defaults()},
				append(crashed(false), Step{Label: "again", At: seconds(40), Do: Restart{Down: seconds(5)}})...)},
		},
		Judge: judgeISIDStable,
		Defects: []Defect{
			{Name: "Paths.RestartChangesISID", Set: func(d *initiator.Deviations) { d.Paths.RestartChangesISID = true }},
		},
	}}
}

func judgeProcessRestart(j *Judge, runs []*Run) {
	for i, r := range runs {
		j.In(r)
		if !j.Outcome(r.Op("s"), OK) || !j.Outcome(r.Op("restart"), OK) {
			continue
		}
		up := r.Op("restart").End
		logins := r.Dials(LoggedIn, DialledFrom(r.Op("restart").Begin))
		if !j.Count("logins after the restart", len(logins), 1, 1, DialEvents(logins)...) {
			continue
		}
		again := logins[0]
		j.Within("the login, counted from the restart", again.FullFeature-up, 0, backWithin, again.Event)
		for n, q := range again.Requests {
			j.Equal(fmt.Sprintf("TSIH in Login Request %d", n+1), q.PDU.TSIH, 0, q.Event)
		}
		old := standing(r, again.At)
		if i == 1 && len(old) != 1 {
			j.Unclear("the old session at the target", fmt.Sprintf("%d sessions stood there when the initiator came back", len(old)), again.Event)
		}
		var evidence []trace.Event
		for _, s := range standing(r, r.Ended) {
			evidence = append(evidence, s.Event)
		}
		j.Count("sessions at the target at the end", len(evidence), 1, 1, evidence...)
		judgeConnected(j, r.Op("list"), r.Session("restart.1"))
	}
}

func judgeSetRestored(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("all"), OK) || !j.Outcome(r.Op("restart"), OK) {
		return
	}
	up := r.Op("restart").End
	j.Count("sessions before the restart", len(standing(r, r.Op("restart").Begin)), 4, 4)
	logins := r.Dials(LoggedIn, OfNormalSessions, DialledFrom(r.Op("restart").Begin))
	if j.Count("logins after the restart", len(logins), 4, 4, DialEvents(logins)...) {
		j.Within("the last of them, counted from the restart", logins[3].FullFeature-up, 0, setBackWithin, logins[3].Event)
	}
	places := map[pair]bool{}
	for _, d := range logins {
		places[pair{hostOf(d.Local), d.Portal}] = true
	}
	j.Count("pairs of initiator port and target port", len(places), 4, 4, DialEvents(logins)...)
	j.Count("sessions at the target at the end", len(standing(r, r.Ended)), 4, 4)
	rows := r.Op("list").Sessions()
	connected := 0
	for _, row := range rows {
		if row.State == StateConnected {
			connected++
		}
	}
	j.Count("sessions listed as connected", connected, 4, 4, r.Op("list").Evidence()...)
}

// presented is as whom an initiator port logged in: the names and ISIDs of its Normal logins, between two instants.
func presented(r *Run, port int, from, to time.Duration) []string {
	var found []string
	for _, d := range r.Dials(LoggedIn, OfNormalSessions, DialledFrom(from), DialledBefore(to)) {
		if hostOf(d.Local) != PortAddress(port) {
			continue
		}
		name, _ := d.Key("InitiatorName")
		found = append(found, name+" "+d.ISID().String())
	}
	return found
}

func judgeISIDStable(j *Judge, runs []*Run) {
	for i, r := range runs {
		j.In(r)
		if !j.Outcome(r.Op("restart"), OK) || !j.Outcome(r.Op("again"), OK) {
			continue
		}
		seen := map[string]int{}
		for port := 1; port <= i+1; port++ {
			first, second := r.Op("restart").Begin, r.Op("again").Begin
			before := presented(r, port, 0, first)
			if !j.Count(fmt.Sprintf("logins from port %d before the restart", port), len(before), 1, 1) {
				continue
			}
			j.Equal(fmt.Sprintf("name and ISID of port %d after one restart", port), presented(r, port, first, second), before)
			j.Equal(fmt.Sprintf("name and ISID of port %d after two restarts", port), presented(r, port, second, r.Ended), before)
			seen[before[0]]++
		}
		j.Count("different names and ISIDs", len(seen), i+1, i+1)
	}
}
