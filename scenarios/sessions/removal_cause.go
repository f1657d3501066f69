package sessions

import (
	"slices"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group device-stack, rows removal.* about what counts as a loss, and whose devices leave.

func removalCauseChecks() []Check {
	return []Check{{
		ID:      "removal.logoff-is-immediate",
		Accepts: []string{"no devices left when the logoff returns"},
		Runs: []Plan{
			{Name: "connected", Until: seconds(30), Steps: slices.Concat(established(), []Step{
				{Label: "off", At: seconds(10), Deadline: seconds(15), Do: Logout{Session: "s"}},
				{Label: "devices", Do: ListDevices{}},
			})},
			{Name: "10 s into an outage", Until: seconds(50), Steps: slices.Concat(established(), outage(seconds(10)), []Step{
				{Label: "off", After: "cut", At: seconds(10), Deadline: seconds(15), Do: Logout{Session: "s"}},
				{Label: "devices", Do: ListDevices{}},
			})},
		},
		Judge: judgeLogoffImmediate,
		Defects: []Defect{
			{Name: "Devices.LogoffLingers", Set: func(d *initiator.Deviations) { d.Devices.LogoffLingers = true }},
		},
	}, {
		ID:      "removal.async-logout-uses-latency",
		Accepts: []string{"devices kept and requests replayed over 30 s; removal 60 s after the connection's end otherwise"},
		Runs:    []Plan{askedOut("back after 30 s", true), askedOut("away for 90 s", false)},
		Judge:   judgeAsyncLogoutLatency,
		Defects: []Defect{
			{Name: "Devices.AsyncLogoutRemoves", Set: func(d *initiator.Deviations) { d.Devices.AsyncLogoutRemoves = true }},
		},
	}, {
		ID:      "removal.per-session-only",
		Accepts: []string{"the devices of the session that is down removed, and no others; a unit with a second path stays"},
		Runs: []Plan{
			{Name: "two targets", Arrays: []Array{{}, {}}, Until: seconds(110), Steps: []Step{
				{Label: "s", Do: Login{}},
				{Label: "other", Do: Login{Portal: "B"}},
				{At: seconds(10), Do: Refuse{Link{Portal: "A"}}},
				{Label: "cut", Do: Sever{Link{Portal: "A"}}},
				{Label: "devices", At: seconds(100), Do: ListDevices{}},
			}},
			{Name: "two paths to one unit", Arrays: []Array{{Portals: 2}}, Until: seconds(110), Steps: []Step{
				{Label: "s", Do: Login{}},
				{Label: "other", Do: Login{Portal: "B"}},
				{At: seconds(10), Do: Refuse{Link{Portal: "A"}}},
				{Label: "cut", Do: Sever{Link{Portal: "A"}}},
				{Label: "devices", At: seconds(100), Do: ListDevices{}},
			}},
		},
		Judge: judgePerSessionOnly,
		Defects: []Defect{
			{Name: "Devices.RemoveByLUNOnly", Set: func(d *initiator.Deviations) { d.Devices.RemoveByLUNOnly = true }},
		},
	}}
}

// askedOut is a logout that the target asks for, after which it is away for a while.
func askedOut(name string, back bool) Plan {
	steps := slices.Concat(established(), []Step{
		{At: seconds(9), Do: Refuse{}},
		{Label: "cut", At: seconds(10), Do: ArrayOp{Action: simtarget.Action{Async: &simtarget.Async{Event: pdu.AsyncLogoutRequest, Parameter3: new(uint16(5))}}}},
		{Label: "write", After: "cut", At: seconds(5), Async: true, Do: Write{LBA: ownBlocks}},
	})
	if back {
		steps = append(steps, healed(seconds(30)))
	}
	return Plan{Name: name, Steps: steps, Until: seconds(100)}
}

func judgeLogoffImmediate(j *Judge, runs []*Run) {
	for _, r := range runs {
		j.In(r).Outcome(r.Op("s"), OK)
		off := r.Op("off")
		j.Outcome(off, OK)
		j.Count("devices listed after the logoff", len(r.Op("devices").Devices()), 0, 0, r.Op("devices").Rows...)
		gone := r.Devices(r.Session("s"), DeviceGone)
		if j.Count("devices removed", len(gone), 1, 1, DeviceEvents(gone)...) {
			j.Within("their removal", gone[0].At, off.Begin, off.End, gone[0].Event)
		}
	}
}

func judgeAsyncLogoutLatency(j *Judge, runs []*Run) {
	for i, r := range runs {
		j.In(r).Outcome(r.Op("s"), OK)
		outs := r.PDUs(FromInitiator, Opcode(pdu.OpLogoutRequest))
		j.Count("Logout Requests, as the target asked", len(outs), 1, 1, Events(outs)...)
		if i == 0 {
			j.None("removals", "none", DeviceEvents(r.Devices(0, DeviceGone)))
			j.Outcome(r.Op("write"), Good)
			continue
		}
		judgeRemovedAfter(j, r, defaultLatency)
		j.Outcome(r.Op("write"), DeviceRemoved)
	}
}

func judgePerSessionOnly(j *Judge, runs []*Run) {
	for _, r := range runs {
		if !j.In(r).Outcome(r.Op("s"), OK) || !j.Outcome(r.Op("other"), OK) {
			continue
		}
		judgeRemovedAfter(j, r, defaultLatency)
		j.None("removals through the other session", "none", DeviceEvents(r.Devices(r.Session("other"), DeviceGone)))
		left := r.Op("devices").Devices()
		if j.Count("devices left", len(left), 1, 1, r.Op("devices").Rows...) {
			j.Count("its paths", len(left[0].Paths), 1, 1, left[0].Event)
			j.Equal("the session of its path", left[0].Paths[0].Session, r.Session("other"), left[0].Event)
		}
	}
}
