package sessions

import (
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/scenarios/clocks"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group device-stack, rows removal.clock.* and removal.configurable.*: what the latency is counted from, what stops it, and how long it is.

func removalClockChecks() []Check {
	return []Check{{
		ID:      "removal.clock.starts-at-detection",
		Accepts: []string{"removal 60 s after the initiator noticed the loss, however long the link was dead before"},
		Runs: []Plan{
			{Name: "severed", Steps: slices.Concat(established(), outage(seconds(10))), Until: seconds(90)},
			{Name: "silent", Steps: slices.Concat(established(), []Step{{Label: "cut", At: seconds(10), Do: Blackhole{}}}), Until: seconds(120)},
		},
		Judge: judgeFromDetection,
		Defects: []Defect{
			{Name: "Devices.ClockFromLastPDU", Set: func(d *initiator.Deviations) { d.Devices.ClockFromLastPDU = true }},
		},
	}, {
		ID:      "removal.clock.not-restarted-by-failed-attempts",
		Accepts: []string{"removal 60 s after the loss, whatever becomes of the attempts"},
		Runs: []Plan{{Arrays: []Array{{Portals: 2}}, Until: seconds(90), Steps: slices.Concat(established(), []Step{
			{Do: Refuse{Link{Portal: "B"}}},
			{Label: "cut", At: seconds(10), Do: Sever{}},
			{Do: Refuse{Link{Portal: "A"}}},
			{After: "cut", At: seconds(4), Do: Heal{Link{Portal: "A"}}},
			nextLogin(simtarget.LoginRule{At: simtarget.AtConnect, Drop: simtarget.EndRST}),
			refused(1, iscsi.StatusServiceUnavailable),
			redirectTo(simtarget.Times{}, "B"),
			nextLogin(simtarget.LoginRule{Times: simtarget.Times{Next: 3}, At: simtarget.AtConnect, Drop: simtarget.EndRST}),
			refused(simtarget.Always, iscsi.StatusServiceUnavailable),
		})}},
		Judge: func(j *Judge, runs []*Run) {
			r := runs[0]
			attempts := r.Dials(DialledTo("A"), DialledFrom(r.At("cut")), DialledBefore(r.At("cut")+seconds(60)))
			j.Count("attempts within the latency", len(attempts), 12, 13, DialEvents(attempts)...)
			judgeRemovedAfter(j, r, defaultLatency)
		},
		Defects: []Defect{
			{Name: "Devices.ClockRestartsOnConnect", Set: func(d *initiator.Deviations) { d.Devices.ClockRestartsOnConnect = true }},
		},
	}, {
		ID:      "removal.clock.resets-after-success",
		Accepts: []string{"no removal after the first loss, and removal a full 60 s after the second"},
		Runs: []Plan{{Until: seconds(140), Steps: slices.Concat(established(), outage(seconds(10)), []Step{
			healed(seconds(50)),
			{Do: WaitFor{Session: "s", State: "ready", Within: seconds(4)}},
			{Label: "probe", Deadline: seconds(1), Do: Probe{}},
			{After: "cut", At: seconds(55), Do: Refuse{}},
			{Label: "cut2", Do: Sever{}},
		})}},
		Judge: judgeResets,
		Defects: []Defect{
			{Name: "Devices.ClockNotStopped", Set: func(d *initiator.Deviations) { d.Devices.ClockNotStopped = true }},
		},
	}, {
		ID:      "removal.flapping-link",
		Accepts: []string{"no device removed or arrived in 20 outages of 40 s, and every write completed once"},
		Runs: []Plan{{Until: seconds(20*60 + 60), Steps: slices.Concat(established(), []Step{{Label: "cycle", At: seconds(10), Do: Wait{}}, {Do: Repeat{Times: flaps, Steps: []Step{
			{Do: Refuse{}},
			{Label: "cut", Do: Sever{}},
			{Label: "write", After: "cut", At: seconds(1), Async: true, Do: Write{LBA: ownBlocks}},
			{Label: "heal", After: "cut", At: seconds(40), Do: Heal{}},
			{After: "heal", At: seconds(4.9), Do: WaitFor{Session: "s", State: "ready", Within: seconds(2)}},
			{Label: "probe", Deadline: seconds(2), Do: Probe{}},
			{Do: Wait{For: seconds(2)}},
		}}}})}},
		Judge: judgeFlapping,
		Defects: []Defect{
			{Name: "Devices.ClockCumulative", Set: func(d *initiator.Deviations) { d.Devices.ClockCumulative = true }},
		},
	}}
}

func removalConfigurableChecks() []Check {
	configured := func(name, removal string, until time.Duration) Plan {
		return Plan{Name: name, Initiator: Initiator{Settings: Settings{Removal: removal}}, Steps: slices.Concat(established(), outage(seconds(10))), Until: until}
	}
	return []Check{{
		ID:      "removal.configurable.value",
		Accepts: []string{"removal at the configured latency"},
		Runs:    []Plan{configured("10 s", "10s", seconds(40)), configured("300 s", "300s", seconds(340))},
		Judge: func(j *Judge, runs []*Run) {
			judgeRemovedAfter(j.In(runs[0]), runs[0], seconds(10))
			judgeRemovedAfter(j.In(runs[1]), runs[1], seconds(300))
		},
		Defects: []Defect{
			{Name: "Devices.RemoveAfter", Set: func(d *initiator.Deviations) { d.Devices.RemoveAfter = defaultLatency }},
		},
	}, {
		ID:      "removal.configurable.zero",
		Accepts: []string{"removal and DEVICE-REMOVED for the read at the loss, and the device back with the session"},
		Runs: []Plan{{Initiator: Initiator{Settings: Settings{Removal: "0s"}}, Until: seconds(60), Steps: slices.Concat(established(), []Step{
			{Do: ArrayOp{Action: simtarget.Action{Command: &simtarget.CommandRule{Opcodes: []byte{opRead10}, Hold: true}}}},
			{Label: "read", At: seconds(9), Async: true, Do: Read{LBA: ownBlocks}},
		}, outage(seconds(10)), []Step{
			healed(seconds(20)),
			{After: "cut", At: seconds(30), Do: WaitFor{Session: "s", State: "ready", Within: seconds(10)}},
			{Label: "probe", Deadline: seconds(5), Do: Probe{}},
		})}},
		Judge: judgeZero,
		Defects: []Defect{
			{Name: "Devices.ZeroMeansDefault", Set: func(d *initiator.Deviations) { d.Devices.ZeroMeansDefault = true }},
		},
	}, {
		ID:      "removal.configurable.infinite",
		Accepts: []string{"no removal in a day, and devices that work after it"},
		Runs: []Plan{{Initiator: Initiator{Settings: Settings{Removal: "never"}}, Steps: slices.Concat(established(), outage(seconds(10)), []Step{
			healed(day),
			{After: "heal", At: seconds(4.9), Do: WaitFor{Session: "s", State: "ready", Within: seconds(10)}},
			{Label: "probe", Deadline: seconds(5), Do: Probe{}},
		})}},
		Judge: func(j *Judge, runs []*Run) {
			r := runs[0]
			j.Outcome(r.Op("s"), OK)
			j.None("removals", "none", DeviceEvents(r.Devices(0, DeviceGone)))
			judgeLatency(j, r, r.Session("s"), clocks.Never)
			j.Outcome(r.Op("probe"), Good)
		},
		Defects: []Defect{
			{Name: "Devices.InfiniteMeansExpired", Set: func(d *initiator.Deviations) { d.Devices.InfiniteMeansExpired = true }},
		},
	}, {
		ID:      "removal.configurable.change-while-down",
		Accepts: []string{"the new latency in force for the outage: removal 30 s after the loss; at the change where it has passed already"},
		Runs:    []Plan{changedWhileDown("30 s", "30s"), changedWhileDown("10 s, which has passed", "10s")},
		Judge: func(j *Judge, runs []*Run) {
			judgeRemovedAfter(j.In(runs[0]), runs[0], seconds(30))
			r := runs[1]
			gone := r.Devices(r.Session("s"), DeviceGone)
			if j.In(r).Count("devices removed", len(gone), 1, 1, DeviceEvents(gone)...) {
				j.Within("the removal, counted from the change", gone[0].At-r.At("set"), 0, Slack, gone[0].Event)
			}
		},
		Defects: []Defect{
			{Name: "Devices.NeverInThePast", Set: func(d *initiator.Deviations) { d.Devices.NeverInThePast = true }},
		},
	}}
}

// changedWhileDown sets another latency 20 s after a loss.
func changedWhileDown(name, removal string) Plan {
	return Plan{Name: name, Until: seconds(90), Steps: slices.Concat(established(), outage(seconds(10)), []Step{
		{Label: "set", After: "cut", At: seconds(20), Do: Set{Settings: Settings{Removal: removal}}},
	})}
}

// opRead10 is READ(10) as an array's rule has it.
const opRead10 = 0x28

// flaps is how often the link goes down in the row.
const flaps = 20

// judgeRemovedAfter expects all devices of the session "s" to leave at one instant, so long after the loss was noticed.
func judgeRemovedAfter(j *Judge, r *Run, latency time.Duration) {
	if !j.Outcome(r.Op("s"), OK) {
		return
	}
	id := r.Session("s")
	lost := r.Lost(id, r.At("cut"))
	if !j.Want(lost >= 0, "the loss is noticed", "at some time", lost.String()) {
		return
	}
	all := r.Devices(id, DeviceArrived)
	arrived := len(all) - len(Since(all, lost))
	gone := Since(r.Devices(id, DeviceGone), r.At("cut"))
	if !j.Count("devices removed", len(gone), max(arrived, 1), max(arrived, 1), DeviceEvents(gone)...) {
		return
	}
	judgeLatency(j, r, id, latency)
}

// judgeLatency holds the devices of one session to a latency, over all its outages, and to no tolerance.
func judgeLatency(j *Judge, r *Run, id uint64, latency time.Duration) bool {
	for _, s := range clocks.Sessions(r.Events) {
		if s.ID == id {
			return j.Take(clocks.Removal(s, clocks.Terms{Latency: latency, BootLatency: clocks.Never})...)
		}
	}
	return j.Want(false, "the session", "in the trace", "not there")
}

func judgeFromDetection(j *Judge, runs []*Run) {
	for i, r := range runs {
		judgeRemovedAfter(j.In(r), r, defaultLatency)
		lost := r.Lost(r.Session("s"), r.At("cut"))
		if i == 0 {
			j.Instant("the loss is noticed", lost, r.At("cut"))
			continue
		}
		if lost-r.At("cut") < seconds(1) {
			j.Unclear("the silent loss", "it was noticed at once")
		}
	}
}

func judgeResets(j *Judge, runs []*Run) {
	r := runs[0]
	id := r.Session("s")
	j.Outcome(r.Op("s"), OK)
	j.Outcome(r.Op("probe"), Good)
	gone := r.Devices(id, DeviceGone)
	if j.Count("devices removed", len(gone), 1, 1, DeviceEvents(gone)...) {
		j.Want(gone[0].At > r.At("cut2"), "the removal", "after the second loss", gone[0].At.String(), gone[0].Event)
		judgeLatency(j, r, id, defaultLatency)
	}
}

func judgeFlapping(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	cuts := r.Ops("cut")
	j.Count("outages", len(cuts), flaps, flaps)
	j.None("removals", "none", DeviceEvents(r.Devices(0, DeviceGone)))
	j.Count("arrivals", len(r.Devices(0, DeviceArrived)), 1, 1, DeviceEvents(r.Devices(0, DeviceArrived))...)
	j.Outcomes("the probe of each cycle", r.Ops("probe"), Good)
	writes := r.Ops("write")
	j.Count("writes", len(writes), flaps, flaps)
	j.Outcomes("the write of each cycle", writes, Good)
	judgeClocks(j, r, clocks.Guideline())
}

func judgeZero(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) {
		return
	}
	cut, id := r.At("cut"), r.Session("s")
	judgeRemovedAfter(j, r, 0)
	if j.Outcome(r.Op("read"), DeviceRemoved) {
		j.Within("the end of the read, counted from the loss", r.Op("read").End-cut, 0, Slack, r.Op("read").Evidence()...)
	}
	attempts := r.Dials(DialledFrom(cut))
	j.Count("attempts after the loss", len(attempts), 2, 6, DialEvents(attempts)...)
	back := Since(r.Devices(id, DeviceArrived), r.At("heal"))
	j.Count("devices that came back", len(back), 1, 1, DeviceEvents(back)...)
	j.Outcome(r.Op("probe"), Good)
}
