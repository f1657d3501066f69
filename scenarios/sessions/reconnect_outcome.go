package sessions

import (
	"slices"

	"github.com/iscsispec/iscsispec/initiator"
)

// The group session-lifecycle, rows reconnect.* about how an outage ends.

func reconnectOutcomeChecks() []Check {
	return []Check{{
		ID:      "reconnect.stops-on-success",
		Accepts: []string{"one successful login after the link is back, and no connection after it"},
		Runs: []Plan{{
			Steps: slices.Concat(established(), outage(seconds(10)), []Step{healed(seconds(7))}),
			Until: seconds(80),
		}},
		Judge: judgeStopsOnSuccess,
		Defects: []Defect{
			{Name: "Reconnect.TickAfterSuccess", Set: func(d *initiator.Deviations) { d.Reconnect.TickAfterSuccess = true }},
		},
	}}
}

func judgeStopsOnSuccess(j *Judge, runs []*Run) {
	r := runs[0]
	heal := r.At("heal")
	after := r.Dials(DialledFrom(heal))
	if j.Count("connections after the link is back", len(after), 1, 1, DialEvents(after)...) {
		j.Want(LoggedIn(after[0]), "the one attempt", "a login", Describe(after[0]), after[0].Event)
		j.Within("time until it begins", after[0].At-heal, 0, defaultInterval+Slack, after[0].Event)
	}
}
