package sessions

import (
	"fmt"
	"slices"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// The row session-type.boot.user-logoff-refused: a logoff that would take the boot device away.

func bootLogoffChecks() []Check {
	boot := Step{Label: "s", Do: Login{Kind: kindBoot}}
	after := []Step{
		{Label: "after", At: seconds(20), Do: ListSessions{}},
		{Label: "devices", Do: ListDevices{}},
		{Label: "probe", Deadline: seconds(10), Do: Probe{Session: "s"}},
	}
	plan := func(name string, steps ...Step) Plan {
		return Plan{Name: name, Until: seconds(40), Steps: slices.Concat([]Step{boot}, steps, after)}
	}
	return []Check{{
		ID: "session-type.boot.user-logoff-refused",
		Accepts: []string{"refused with a clear error, nothing on the wire, and the session connected as before, a logoff by force a proper logout; " +
			"where another session reaches the boot device, a proper logout at once"},
		Runs: []Plan{
			plan("the only path", Step{Label: "off", At: seconds(10), Deadline: seconds(8), Do: Logout{Session: "s"}}),
			plan("removed as a session", Step{Label: "off", At: seconds(10), Deadline: seconds(8), Do: RemoveSession{Session: "s"}}),
			plan("by force", Step{Label: "off", At: seconds(10), Deadline: seconds(8), Do: Logout{Session: "s", Force: true}}),
			plan("another path", cloned(), Step{Label: "off", At: seconds(10), Deadline: seconds(8), Do: Logout{Session: "s"}}),
		},
		Judge: judgeBootLogoff,
		Defects: []Defect{
			{Name: "Manager.BootRefusedLate", Set: func(d *initiator.Deviations) { d.Manager.BootRefusedLate = true }},
		},
	}}
}

func judgeBootLogoff(j *Judge, runs []*Run) {
	for i, r := range runs {
		j.In(r)
		if !j.Outcome(r.Op("s"), OK) {
			continue
		}
		id, off := r.Session("s"), r.Op("off")
		outs := r.PDUs(FromInitiator, Opcode(pdu.OpLogoutRequest))
		if i >= 2 {
			j.Outcome(off, OK)
			j.Count("Logout Requests", len(outs), 1, 1, Events(outs)...)
			_, listed := r.Op("after").SessionRow(id)
			j.Want(!listed, "the session in the listing", "gone", fmt.Sprint("listed: ", listed), r.Op("after").Evidence()...)
			j.Count("devices left", len(r.Op("devices").Devices()), i-2, i-2, r.Op("devices").Evidence()...)
			continue
		}
		j.Outcome(off, BootDevice)
		j.Want(containsText(off.Err, "boot"), "the error", "a text that names the boot device", off.Err, off.Evidence()...)
		j.None("Logout Requests", "none", Events(outs))
		dials := r.Dials()
		j.Count("connections", len(dials), 1, 1, DialEvents(dials)...)
		judgeConnected(j, r.Op("after"), id)
		j.Count("devices", len(r.Op("devices").DevicesOf(id)), 1, 1, r.Op("devices").Evidence()...)
		j.Outcome(r.Op("probe"), Good)
	}
}
