package sessions

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group device-stack, rows removal.* about what happens just before the latency ends, just after, and when the session returns.

func removalBoundaryChecks() []Check {
	three := []Array{{LUNs: []uint32{0, 1, 5}}}
	return []Check{{
		ID:      "removal.not-immediate",
		Accepts: []string{"all three devices in every listing until 59 s after the loss"},
		Runs: []Plan{{Arrays: three, Until: seconds(72), Steps: slices.Concat(established(), outage(seconds(10)), []Step{
			{Label: "poll", After: "cut", At: seconds(0.5), Do: Poll{Every: seconds(0.5), For: seconds(58.5), Do: Step{Do: ListDevices{}}}},
		})}},
		Judge: judgeNotImmediate,
		Defects: []Defect{
			{Name: "Devices.RemoveAtLoss", Set: func(d *initiator.Deviations) { d.Devices.RemoveAtLoss = true }},
		},
	}, {
		ID:      "removal.boundary.relogin-at-59",
		Accepts: []string{"no device removed or arrived, and the queued requests completed GOOD"},
		Runs: []Plan{{Initiator: Initiator{Settings: Settings{Interval: seconds(1)}}, Until: seconds(90), Steps: slices.Concat(established(), outage(seconds(10)), []Step{
			{Label: "write", After: "cut", At: seconds(3), Async: true, Do: Submit{Count: 8, Step: 1, Write: &Write{LBA: ownBlocks}}},
			healed(seconds(58.5)),
			{After: "cut", At: seconds(61), Do: WaitFor{Session: "s", State: "ready", Within: seconds(2)}},
			{Label: "probe", Deadline: seconds(2), Do: Probe{}},
		})}},
		Judge: judgeAt59,
		Defects: []Defect{
			{Name: "Devices.RemoveAfter", Set: func(d *initiator.Deviations) { d.Devices.RemoveAfter = 55 * time.Second }},
		},
	}, {
		ID:      "removal.boundary.login-straddles-deadline",
		Accepts: []string{"removal at 60 s with DEVICE-REMOVED for what waits, and devices added anew after the login at 60.8 s"},
		Runs: []Plan{{Initiator: Initiator{Settings: Settings{Interval: seconds(3.5)}}, Until: seconds(100), Steps: slices.Concat(established(), outage(seconds(10)), []Step{
			nextLogin(simtarget.LoginRule{At: simtarget.AtFinal, Delay: seconds(1.3)}),
			{Label: "write", After: "cut", At: seconds(3), Async: true, Do: Submit{Count: 8, Step: 1, Write: &Write{LBA: ownBlocks}}},
			healed(seconds(58)),
			{After: "cut", At: seconds(63), Do: WaitFor{Session: "s", State: "ready", Within: seconds(2)}},
			{Label: "probe", Deadline: seconds(2), Do: Probe{}},
			{Label: "devices", Do: ListDevices{}},
		})}},
		Judge: judgeStraddles,
		Defects: []Defect{
			{Name: "Devices.RemoveDespiteLogin", Set: func(d *initiator.Deviations) { d.Devices.RemoveDespiteLogin = true }},
		},
	}, {
		ID:      "removal.no-good-after-removal",
		Accepts: []string{"every write GOOD with no removal before it, or DEVICE-REMOVED and never on the wire after the removal"},
		Runs:    []Plan{closeRace("login 10 ms after the removal", seconds(60.01)), closeRace("login 10 ms before the removal", seconds(59.99))},
		Judge:   judgeNoGoodAfterRemoval,
		Defects: []Defect{
			{Name: "Devices.RemovalRacesReplay", Set: func(d *initiator.Deviations) { d.Devices.RemovalRacesReplay = true }},
		},
	}, {
		ID:      "removal.no-removal-on-brief-loss-events",
		Accepts: []string{"no error for any request over outages of 1, 10, 30 and 55 s, the data as written, no device removed"},
		Runs:    []Plan{briefLosses()},
		Judge:   judgeBriefLosses,
		Defects: []Defect{
			{Name: "Queue.FailInFlight", Set: func(d *initiator.Deviations) { d.Queue.FailInFlight = true }},
		},
	}}
}

func removalReturnChecks() []Check {
	returned := func(name string, change ...Step) Plan {
		return Plan{Name: name, Arrays: []Array{{LUNs: []uint32{0, 1}}}, Steps: slices.Concat(established(), []Step{
			{Label: "before", At: seconds(9), Do: ListDevices{}}}, outage(seconds(10)), change, []Step{
			healed(seconds(90)),
			{After: "heal", At: seconds(5.5), Do: WaitFor{Session: "s", State: "ready", Within: seconds(10)}},
			{Label: "probe", Deadline: seconds(5), Do: Probe{}},
			{Label: "devices", Do: ListDevices{}},
			{Label: "list", Do: ListSessions{}},
		})}
	}
	return []Check{{
		ID:      "removal.readd-after-reconnect",
		Accepts: []string{"removal at 60 s, arrival of every unit within 10 s of the login, the same session ID, and a probe"},
		Runs:    []Plan{returned("")},
		Judge:   judgeReadd,
		Defects: []Defect{
			{Name: "Devices.EnumerateOnce", Set: func(d *initiator.Deviations) { d.Devices.EnumerateOnce = true }},
		},
	}, {
		ID:      "removal.readd-identity",
		Accepts: []string{"the same persistent name for the same unit, another for another"},
		Runs: []Plan{returned("the same units"), returned("another unit at LUN 0",
			Step{Do: ArrayOp{Action: simtarget.Action{LUN: &simtarget.LUNChange{Number: 0, Serial: "OTHER-UNIT-0001"}}}})},
		Judge: judgeReaddIdentity,
		Defects: []Defect{
			{Name: "Cache.SurvivesRemoval", Set: func(d *initiator.Deviations) { d.Cache.SurvivesRemoval = true }},
		},
	}}
}

// closeRace queues fifty writes and lets the login complete at an instant near the removal's.
func closeRace(name string, back time.Duration) Plan {
	return Plan{Name: name, Initiator: Initiator{Settings: Settings{Interval: seconds(5)}}, Until: seconds(100), Steps: slices.Concat(established(), []Step{
		nextLogin(simtarget.LoginRule{At: simtarget.AtFinal, Delay: back - seconds(55)}),
	}, outage(seconds(10)), []Step{
		{Label: "write", After: "cut", At: seconds(3), Async: true, Do: Submit{Count: 50, Step: 1, Write: &Write{LBA: ownBlocks}}},
		healed(seconds(53)),
	})}
}

// briefLosses reads and writes ten times a second while links are cut.
func briefLosses() Plan {
	steps := slices.Concat(established(), []Step{
		{Label: "load", At: seconds(5), Async: true, Do: Load{Workers: 2, Every: seconds(0.2), For: seconds(180), Write: true, Verify: true}},
	})
	at := seconds(10)
	for i, down := range []time.Duration{seconds(1), seconds(10), seconds(30), seconds(55)} {
		cut := fmt.Sprintf("cut%d", i+1)
		steps = append(steps,
			// A command that the target has and does not answer is in flight when the link goes.
			Step{At: at - seconds(1), Do: ArrayOp{Action: simtarget.Action{Command: &simtarget.CommandRule{Opcodes: []byte{opWrite10}, Silence: true}}}},
			Step{At: at, Do: Refuse{}},
			Step{Label: cut, Do: Sever{}},
			Step{After: cut, At: down, Do: Heal{}})
		at += down + seconds(15)
	}
	return Plan{Steps: steps, Until: seconds(220)}
}

// opWrite10 is WRITE(10) as an array's rule has it.
const opWrite10 = 0x2a

func judgeNotImmediate(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	id := r.Session("s")
	polls := r.Ops("poll")
	j.Count("listings", len(polls), 118, 118)
	for _, o := range polls {
		if len(o.DevicesOf(id)) != 3 {
			j.Count(fmt.Sprintf("devices listed %v after the loss", o.Begin-r.At("cut")), len(o.DevicesOf(id)), 3, 3, o.Evidence()...)
			return
		}
	}
	j.Want(len(polls) > 0, "devices in every listing", "3", "3")
}

func judgeAt59(j *Judge, runs []*Run) {
	r := runs[0]
	id, cut := r.Session("s"), r.At("cut")
	j.Outcome(r.Op("s"), OK)
	j.Within("the login, counted from the loss", r.Regained(id, cut)-cut, seconds(58.5), seconds(59.9))
	j.None("removals", "none", DeviceEvents(r.Devices(id, DeviceGone)))
	arrived := r.Devices(id, DeviceArrived)
	j.Count("arrivals", len(arrived), 1, 1, DeviceEvents(arrived)...)
	j.Outcomes("the queued writes", r.Ops("write"), Good)
	j.Outcome(r.Op("probe"), Good)
}

func judgeStraddles(j *Judge, runs []*Run) {
	r := runs[0]
	id, cut := r.Session("s"), r.At("cut")
	judgeRemovedAfter(j, r, defaultLatency)
	in := r.Dials(DialledFrom(cut), LoggedIn)
	if j.Count("logins after the loss", len(in), 1, 1, DialEvents(in)...) {
		if in[0].At-cut > defaultLatency || in[0].FullFeature-cut < defaultLatency {
			j.Unclear("the login", "it does not straddle the deadline", in[0].Event)
		}
	}
	j.Outcomes("the writes that waited", r.Ops("write"), DeviceRemoved)
	back := Since(r.Devices(id, DeviceArrived), cut)
	j.Count("devices added anew", len(back), 1, 1, DeviceEvents(back)...)
	j.Count("devices listed at the end", len(r.Op("devices").DevicesOf(id)), 1, 1, r.Op("devices").Rows...)
	j.Outcome(r.Op("probe"), Good)
}

func judgeNoGoodAfterRemoval(j *Judge, runs []*Run) {
	for i, r := range runs {
		j.In(r).Outcome(r.Op("s"), OK)
		id, cut := r.Session("s"), r.At("cut")
		gone := Since(r.Devices(id, DeviceGone), cut)
		writes := r.Ops("write")
		j.Count("writes", len(writes), 50, 50)
		in := r.Dials(DialledFrom(cut), LoggedIn)
		if !j.Count("logins after the loss", len(in), 1, 1, DialEvents(in)...) {
			continue
		}
		if early := in[0].FullFeature-cut < defaultLatency; early != (i == 1) {
			j.Unclear("the order of login and removal", fmt.Sprintf("the login completed %v after the loss", in[0].FullFeature-cut), in[0].Event)
		}
		if len(gone) == 0 {
			j.Outcomes("the writes, with no removal", writes, Good)
			continue
		}
		j.Outcomes("the writes, with a removal", writes, DeviceRemoved)
		sent := Picked(r.Commands(From(gone[0].At)), 0, scsi.OpWrite10, scsi.OpWrite16)
		j.None("writes on the wire after the removal", "none", CommandEvents(sent))
	}
}

func judgeBriefLosses(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	cuts := 0
	for _, label := range []string{"cut1", "cut2", "cut3", "cut4"} {
		if r.Lost(r.Session("s"), r.At(label)) >= 0 {
			cuts++
		}
	}
	j.Count("losses", cuts, 4, 4)
	requeued := r.Requests(r.Session("s"), RequestRequeued)
	if len(requeued) == 0 {
		j.Unclear("requests in flight at a loss", "there were none")
	}
	load := r.Ops("load")
	j.Count("requests", len(load), 200, 2000)
	j.Outcomes("every request", load, Good, OK)
	j.None("removals", "none", DeviceEvents(r.Devices(0, DeviceGone)))
}

func judgeReadd(j *Judge, runs []*Run) {
	r := runs[0]
	judgeRemovedAfter(j, r, defaultLatency)
	id := r.Session("s")
	in := r.Dials(DialledFrom(r.At("heal")), LoggedIn)
	if !j.Count("logins after the outage", len(in), 1, 1, DialEvents(in)...) {
		return
	}
	back := Since(r.Devices(id, DeviceArrived), r.At("heal"))
	j.Count("devices that arrived again", len(back), 2, 2, DeviceEvents(back)...)
	for _, c := range back {
		j.Within(fmt.Sprintf("arrival of LUN %d, counted from the login", c.LUN), c.At-in[0].FullFeature, 0, seconds(10), c.Event)
	}
	_, listed := r.Op("list").SessionRow(id)
	j.Want(listed, "the session", fmt.Sprintf("listed as %d", id), fmt.Sprintf("%d sessions listed", len(r.Op("list").Sessions())), r.Op("list").Rows...)
	j.Outcome(r.Op("probe"), Good)
}

func judgeReaddIdentity(j *Judge, runs []*Run) {
	for i, r := range runs {
		j.In(r).Outcome(r.Op("s"), OK)
		gone := Since(r.Devices(r.Session("s"), DeviceGone), r.At("cut"))
		j.Count("devices removed", len(gone), 2, 2, DeviceEvents(gone)...)
		before, after := nameOf(r.Op("before"), 0), nameOf(r.Op("devices"), 0)
		if before == "" || after == "" {
			j.Want(false, "the device at LUN 0", "listed before and after", fmt.Sprintf("%q and %q", before, after), r.Op("devices").Rows...)
			continue
		}
		if i == 0 {
			j.Equal("the name of the same unit", after, before, r.Op("devices").Rows...)
		} else {
			j.Want(after != before, "the name of another unit", "another than "+before, after, r.Op("devices").Rows...)
		}
	}
}

// nameOf is the persistent name of the device at a LUN in a listing; empty when there is none.
func nameOf(o OpRun, lun int) string {
	for _, d := range o.Devices() {
		if d.LUN() == lun {
			return d.Name
		}
	}
	return ""
}
