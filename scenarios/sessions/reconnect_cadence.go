package sessions

import (
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
)

// The group session-lifecycle, rows reconnect.cadence.*: how the attempts after a loss are spaced.

// defaultInterval is the spacing that the guideline recommends. It is the judges' own: a default that is wrong must not excuse itself.
const defaultInterval = 5 * time.Second

func reconnectCadenceChecks() []Check {
	return []Check{{
		ID:      "reconnect.cadence.five-seconds",
		Accepts: []string{"attempts 5.0 s apart, 11 to 13 of them in 60 s"},
		Runs:    []Plan{{Steps: slices.Concat(established(), outage(seconds(10))), Until: seconds(75)}},
		Judge:   judgeCadence,
		Defects: []Defect{
			{Name: "Reconnect.ExponentialBackoff", Set: func(d *initiator.Deviations) { d.Reconnect.ExponentialBackoff = true }},
		},
	}}
}

func judgeCadence(j *Judge, runs []*Run) {
	r := runs[0]
	cut := r.At("cut")
	j.Outcome(r.Op("s"), OK)
	attempts := r.Dials(DialledFrom(cut), DialledBefore(cut+seconds(60)))
	j.Count("attempts in the 60 s after the loss", len(attempts), 11, 13, DialEvents(attempts)...)
	gaps := Gaps(Starts(attempts))
	even := true
	for i, gap := range gaps {
		if gap < defaultInterval-Slack || gap > defaultInterval+Slack {
			even = j.Took("the gap between consecutive attempts", gap, defaultInterval, attempts[i].Event, attempts[i+1].Event)
			break
		}
	}
	if even {
		j.Want(len(gaps) > 0, "the gaps between attempts", "5s each", Durations(gaps), DialEvents(attempts)...)
	}
}
