package sessions

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// The group sessions-add-remove: a session removed is logged out in order, gone for good, and takes nothing else along.

// logoutDeadline is how long the initiator waits for a Logout Response, as it documents. It is the judges' own.
const logoutDeadline = 5 * time.Second

// removed removes a session at 10 s.
func removed(session string) Step {
	return Step{Label: "remove", At: seconds(10), Deadline: seconds(60), Do: RemoveSession{Session: session}}
}

// nextLogout changes how the array answers the next Logout Request.
func nextLogout(rule simtarget.LogoutRule) Step {
	return Step{Do: ArrayOp{Action: simtarget.Action{Logout: &rule}}}
}

func sessionsRemoveChecks() []Check {
	return []Check{{
		ID:      "sessions.remove.clean-logout",
		Accepts: []string{"a Logout Request that closes the session, FIN after its response, entry and devices gone"},
		Runs: []Plan{{Until: seconds(20), Steps: append(established(),
			removed("s"), listed(), Step{Label: "devices", Do: ListDevices{}})}},
		Judge: judgeCleanLogout,
		Defects: []Defect{
			{Name: "Logout.NoLogoutRequest", Set: func(d *initiator.Deviations) { d.Logout.NoLogoutRequest = true }},
		},
	}, {
		ID:      "sessions.remove.one-of-two",
		Accepts: []string{"the other session without an error and without a new login, and one path left"},
		Runs: []Plan{{Until: seconds(25), Steps: append(established(), cloned(),
			Step{Label: "before", Do: ListDevices{}},
			Step{Label: "s reads", At: seconds(5), Async: true, Do: Load{Session: "s", Workers: 2, Every: seconds(0.05), For: seconds(15)}},
			Step{Label: "clone reads", Async: true, Do: Load{Session: "clone", Workers: 2, Every: seconds(0.05), For: seconds(5.5)}},
			removed("clone"),
			Step{Label: "after", At: seconds(22), Do: ListDevices{}}, listed())}},
		Judge: judgeOneOfTwo,
		Defects: []Defect{
			{Name: "Paths.RemoveByTarget", Set: func(d *initiator.Deviations) { d.Paths.RemoveByTarget = true }},
		},
	}, {
		ID:      "sessions.remove.target-unresponsive",
		Accepts: []string{"the connection closed and the entry gone when the logout timeout has passed"},
		Runs: []Plan{{Until: seconds(80), Steps: append(established(),
			nextLogout(simtarget.LogoutRule{Times: simtarget.Times{Next: simtarget.Always}, Silence: true}),
			removed("s"), listed(), Step{Label: "devices", Do: ListDevices{}})}},
		Judge: judgeUnresponsive,
		Defects: []Defect{
			{Name: "Paths.RemoveWaitsForEver", Set: func(d *initiator.Deviations) { d.Paths.RemoveWaitsForEver = true }},
		},
	}, {
		ID:      "sessions.remove.no-reconnect",
		Accepts: []string{"no connection after the removal, with a Logout Response and with FIN in its place"},
		Runs: []Plan{
			{Name: "Logout Response", Until: seconds(80), Steps: append(established(), removed("s"), Step{Label: "list", At: seconds(75), Do: ListSessions{}})},
			{Name: "FIN before the Logout Response", Until: seconds(80), Steps: append(established(),
				nextLogout(simtarget.LogoutRule{Drop: simtarget.EndFIN}), removed("s"), Step{Label: "list", At: seconds(75), Do: ListSessions{}})},
		},
		Judge: judgeNoReconnect,
		Defects: []Defect{
			{Name: "Paths.RemoveReconnects", Set: func(d *initiator.Deviations) { d.Paths.RemoveReconnects = true }},
		},
	}, {
		ID:      "sessions.remove.then-clone-order",
		Accepts: []string{"a second session beside the first, whether that is logged in or not, each under its own ID and ISID"},
		Runs: []Plan{
			{Name: "cloned while logged in", Until: seconds(30), Steps: append(established(), cloned(), listed(), probed("s"), probed("clone"))},
			{Name: "logged out before", Until: seconds(30), Steps: append(established(), removed("s"),
				Step{Label: "clone", At: seconds(12), Deadline: seconds(10), Do: AddSession{Clone: "s"}},
				Step{Label: "again", Deadline: seconds(10), Do: AddSession{Clone: "clone"}}, listed(), probed("clone"), probed("again"))},
		},
		Judge: judgeCloneOrder,
		Defects: []Defect{
			{Name: "Paths.AddDoesNothing", Set: func(d *initiator.Deviations) { d.Paths.AddDoesNothing = true }},
		},
	}}
}

func judgeCloneOrder(j *Judge, runs []*Run) {
	for i, r := range runs {
		j.In(r)
		wanted := [][]string{{"s", "clone"}, {"clone", "again"}}[i]
		if !j.Outcome(r.Op("s"), OK) || i == 1 && !j.Outcome(r.Op("remove"), OK) {
			continue
		}
		var ids []uint64
		for _, label := range wanted {
			if j.Outcome(r.Op(label), OK) {
				ids = append(ids, r.Session(label))
				j.Outcome(r.Op("probe "+label), Good)
			}
		}
		if len(ids) != len(wanted) {
			continue
		}
		j.Want(ids[0] != ids[1], "the IDs", "two", fmt.Sprint(ids), r.Op(wanted[1]).Evidence()...)
		judgeConnected(j, r.Op("list"), ids...)
		j.Count("sessions at the target", len(standing(r, r.At("list"))), 2, 2)
		j.Count("their ISIDs", len(standingISIDs(r, r.At("list"))), 2, 2)
	}
}

// judgeClosingLogout expects one Logout Request since an instant, at once, and that it closes the session; it gives the request.
func judgeClosingLogout(j *Judge, r *Run, at time.Duration) (Wire, bool) {
	outs := r.PDUs(FromInitiator, Opcode(pdu.OpLogoutRequest))
	if !j.Count("Logout Requests", len(outs), 1, 1, Events(outs)...) {
		return Wire{}, false
	}
	p, ok := outs[0].PDU.(*pdu.LogoutRequest)
	if !ok {
		j.Unclear("the Logout Request", "it cannot be read", outs[0].Event)
		return Wire{}, false
	}
	j.Instant("the Logout Request", outs[0].At, at, outs[0].Event)
	accepted := []string{"reason 0 (close the session)", "reason 1 with the session's CID"}
	one := p.Reason == pdu.LogoutCloseConnection && p.CID == r.Dials()[0].Requests[0].PDU.CID
	return outs[0], j.WantOneOf(p.Reason == pdu.LogoutCloseSession || one, "its reason", accepted, fmt.Sprintf("%v, CID %d", p.Reason, p.CID), outs[0].Event)
}

// judgeGone expects that neither session nor device is left.
func judgeGone(j *Judge, r *Run) {
	j.Count("sessions listed after the removal", len(r.Op("list").Sessions()), 0, 0, r.Op("list").Evidence()...)
	j.Count("devices listed after the removal", len(r.Op("devices").Devices()), 0, 0, r.Op("devices").Evidence()...)
	gone := r.Devices(r.Session("s"), DeviceGone)
	j.Count("devices that left", len(gone), 1, 1, DeviceEvents(gone)...)
}

func judgeCleanLogout(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) {
		return
	}
	remove, d := r.Op("remove"), r.Dials()[0]
	j.Outcome(remove, OK)
	out, ok := judgeClosingLogout(j, r, remove.Begin)
	if ok {
		answers := r.PDUs(FromTarget, Opcode(pdu.OpLogoutResponse))
		if j.Count("Logout Responses", len(answers), 1, 1, Events(answers)...) {
			j.Within("the end of the connection", d.Closed, answers[0].At, answers[0].At+seconds(5), d.Event)
		}
		j.None("PDUs after the Logout Request", "none", Events(r.PDUs(FromInitiator, OnConn(d.Conn), From(out.At+1))))
	}
	j.WantOneOf(d.How == trace.CloseFINSent || d.How == trace.CloseFINReceived, "how the connection ended",
		[]string{trace.CloseFINSent, trace.CloseFINReceived}, d.How, d.Event)
	j.Within("the removal's end", remove.End, d.Closed, d.Closed+seconds(5), remove.Evidence()...)
	judgeGone(j, r)
}

func judgeOneOfTwo(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) || !j.Outcome(r.Op("clone"), OK) {
		return
	}
	s, clone, remove := r.Session("s"), r.Session("clone"), r.Op("remove")
	j.Outcome(remove, OK)
	dials := r.Dials()
	j.Count("connections in all", len(dials), 2, 2, DialEvents(dials)...)
	judgeUntouched(j, r, "the session that stays", dials[0])
	j.Outcomes("its reads", r.Ops("s reads"), Good)
	late := slices.DeleteFunc(r.Ops("s reads"), func(o OpRun) bool { return o.Begin <= remove.End })
	j.Want(len(late) > 0, "its reads after the removal", "some", fmt.Sprint(len(late)))
	early := slices.DeleteFunc(r.Ops("clone reads"), func(o OpRun) bool { return o.Begin >= remove.Begin })
	j.Outcomes("the reads of the session removed, from before the removal", early, Good, LoggedOut)
	var states []trace.Event
	for _, c := range r.States(s) {
		if c.At > r.Op("s").End {
			states = append(states, c.Event)
		}
	}
	j.None("changes of its state", "none", states)
	for _, want := range []struct {
		label string
		paths []Path
	}{{"before", []Path{{Session: s}, {Session: clone}}}, {"after", []Path{{Session: s}}}} {
		rows := r.Op(want.label).Devices()
		if j.Count("devices "+want.label+" the removal", len(rows), 1, 1, r.Op(want.label).Evidence()...) {
			j.Equal("paths "+want.label+" the removal", fmt.Sprint(rows[0].Paths), fmt.Sprint(want.paths), rows[0].Event)
		}
	}
	judgeConnected(j, r.Op("list"), s)
}

func judgeUnresponsive(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) {
		return
	}
	remove, d := r.Op("remove"), r.Dials()[0]
	judgeClosingLogout(j, r, remove.Begin)
	j.None("Logout Responses", "none", Events(r.PDUs(FromTarget, Opcode(pdu.OpLogoutResponse))))
	j.Want(!remove.Is(Pending), "the removal", "an end", remove.Outcome, remove.Evidence()...)
	j.Within("time for the removal", remove.Took(), 0, logoutDeadline+Slack, remove.Evidence()...)
	j.Within("the end of the connection", d.Closed, remove.Begin, remove.Begin+logoutDeadline+Slack, d.Event)
	judgeGone(j, r)
}

func judgeNoReconnect(j *Judge, runs []*Run) {
	for i, r := range runs {
		if !j.In(r).Outcome(r.Op("s"), OK) {
			continue
		}
		remove := r.Op("remove")
		if j.Want(!remove.Is(Pending, Timeout), "the removal", "an end", remove.Outcome, remove.Evidence()...) {
			j.Within("time for the removal", remove.Took(), 0, logoutDeadline+Slack, remove.Evidence()...)
		}
		if answers := r.PDUs(FromTarget, Opcode(pdu.OpLogoutResponse)); len(answers) != 1-i {
			j.Unclear("how the target ends the session", fmt.Sprintf("%d Logout Responses", len(answers)), Events(answers)...)
		}
		j.None("connections from the removal on", "none", DialEvents(r.Dials(DialledFrom(remove.Begin))))
		j.Count("sessions listed a minute later", len(r.Op("list").Sessions()), 0, 0, r.Op("list").Evidence()...)
	}
}
