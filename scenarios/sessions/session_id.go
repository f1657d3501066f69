package sessions

import (
	"slices"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group session-lifecycle, rows session-id.*: the local handle that a login is given, and that it keeps for its life.

func sessionIDChecks() []Check {
	return []Check{{
		ID:      "session-id.constant.one-severed-link",
		Accepts: []string{"the same session ID before, during and after the outage, connected, reconnecting and connected again"},
		Runs: []Plan{{
			Steps: slices.Concat(established(),
				[]Step{
					{Label: "before", At: seconds(9), Do: ListSessions{}},
					nextLogin(simtarget.LoginRule{TSIH: new(uint16(0x0202))}),
				},
				outage(seconds(10)),
				[]Step{
					{Label: "during", After: "cut", At: seconds(2.5), Do: ListSessions{}},
					healed(seconds(12)),
					{Do: WaitFor{Session: "s", State: StateConnected, Within: seconds(30)}},
					{Label: "after", Do: ListSessions{}},
				}),
		}},
		Judge: judgeOneSeveredLink,
		Defects: []Defect{
			{Name: "Identity.NewOnRelogin", Set: func(d *initiator.Deviations) { d.Identity.NewOnRelogin = true }},
		},
	}}
}

func judgeOneSeveredLink(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) {
		return
	}
	id := r.Session("s")
	for _, want := range []struct{ label, state string }{
		{"before", StateConnected}, {"during", StateReconnecting}, {"after", StateConnected},
	} {
		rows := r.Op(want.label).Sessions()
		if j.Count("sessions listed "+want.label, len(rows), 1, 1, r.Op(want.label).Evidence()...) {
			j.Equal("session ID "+want.label+" the outage", rows[0].ID, id, rows[0].Event)
			j.Equal("state "+want.label+" the outage", rows[0].State, want.state, rows[0].Event)
		}
	}
	logins := r.Dials(LoggedIn)
	if j.Count("logins that succeeded", len(logins), 2, 2, DialEvents(logins)...) {
		granted := logins[1].Responses[len(logins[1].Responses)-1]
		j.Equal("TSIH granted to the re-login", granted.PDU.TSIH, 0x0202, granted.Event)
	}
}
