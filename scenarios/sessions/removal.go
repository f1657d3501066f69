package sessions

import (
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group device-stack, rows removal.*: when devices leave the stack, and when they come back.

// defaultLatency is how long devices stay after a loss, by the guideline. It is the judges' own.
const defaultLatency = 60 * time.Second

func removalChecks() []Check {
	three := []Array{{LUNs: []uint32{0, 1, 5}}}
	return []Check{{
		ID:      "removal.at-sixty-seconds",
		Accepts: []string{"all units of the session removed at one instant, 60 s after the loss, however the attempts fail"},
		Runs: []Plan{
			{Name: "refused", Arrays: three, Steps: slices.Concat(established(), outage(seconds(10))), Until: seconds(105)},
			{Name: "refused, attempts every 7 s", Arrays: three, Initiator: Initiator{Settings: Settings{Interval: seconds(7)}},
				Steps: slices.Concat(established(), outage(seconds(10))), Until: seconds(105)},
			{Name: "accepted, login never answered", Arrays: three,
				Steps: slices.Concat(established(), []Step{
					nextLogin(simtarget.LoginRule{Times: simtarget.Times{Next: simtarget.Always}, Silence: true}),
					{Label: "cut", At: seconds(10), Do: Sever{}},
				}),
				Until: seconds(105)},
		},
		Judge: judgeAtSixtySeconds,
		Defects: []Defect{
			{Name: "Devices.RemoveAfterAttempts", Set: func(d *initiator.Deviations) { d.Devices.RemoveAfterAttempts = 12 }},
			{Name: "Devices.RemoveAfter", Set: func(d *initiator.Deviations) { d.Devices.RemoveAfter = 50 * time.Second }},
		},
	}}
}

func judgeAtSixtySeconds(j *Judge, runs []*Run) {
	for _, r := range runs {
		j.In(r)
		if !j.Outcome(r.Op("s"), OK) {
			continue
		}
		id := r.Session("s")
		j.Count("devices that arrived", len(r.Devices(id, DeviceArrived)), 3, 3, DeviceEvents(r.Devices(id, DeviceArrived))...)
		lost := r.Lost(id, r.At("cut"))
		if !j.Instant("the loss is noticed", lost, r.At("cut")) {
			continue
		}
		gone := r.Devices(id, DeviceGone)
		if !j.Count("devices removed", len(gone), 3, 3, DeviceEvents(gone)...) {
			continue
		}
		judgeLatency(j, r, id, defaultLatency)
		for _, c := range gone {
			j.Equal("all units leave at one instant", c.At, gone[0].At, c.Event)
		}
	}
}
