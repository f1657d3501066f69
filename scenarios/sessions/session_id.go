package sessions

import (
	"fmt"
	"slices"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/clocks"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group session-lifecycle, rows session-id.*: the local handle that a login is given, and that it keeps for its life.

func sessionIDChecks() []Check {
	return []Check{{
		ID:      "session-id.assigned-at-login",
		Accepts: []string{"two IDs, both in the listing, different, neither 0"},
		Runs: []Plan{{Arrays: []Array{{Targets: 2}}, Until: seconds(5), Steps: []Step{
			nextLogin(simtarget.LoginRule{Times: simtarget.Times{Next: simtarget.Always}, TSIH: new(uint16(0x0101))}),
			{Label: "s1", Do: Login{}},
			{Label: "s2", Do: Login{Target: TargetName(2)}},
			{Label: "list", Do: ListSessions{}},
		}}},
		Judge: judgeAssigned,
		Defects: []Defect{
			{Name: "Identity.FromTSIH", Set: func(d *initiator.Deviations) { d.Identity.FromTSIH = true }},
		},
	}, {
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
	}, {
		ID:      "session-id.constant.many-severed-links",
		Accepts: []string{"one ID over a hundred losses, one live session on the array after each, a probe after each"},
		Runs: []Plan{{Steps: append(established(), Step{Do: Repeat{Times: manyLosses, Steps: []Step{
			{Label: "cut", Do: Sever{}},
			// The next attempt comes one interval after the start of the latest: looking for it earlier would only cost time.
			{After: "cut", At: seconds(4.9), Do: WaitFor{Session: "s", State: "ready", Within: seconds(1)}},
			{Label: "probe", Do: Probe{}, Deadline: seconds(1)},
			{Label: "list", Do: ListSessions{}},
		}}})}},
		Judge: judgeManySeveredLinks,
		Defects: []Defect{
			{Name: "Identity.NewEverySixteenth", Set: func(d *initiator.Deviations) { d.Identity.NewEverySixteenth = true }},
		},
	}, {
		ID:      "session-id.constant.async-logout",
		Accepts: []string{"a logout as asked, a return without the user's doing, and the same ID in the listing"},
		Runs: []Plan{asked(simtarget.Action{Async: &simtarget.Async{Event: pdu.AsyncLogoutRequest, Parameter3: new(uint16(5))}},
			Step{Do: ArrayOp{Action: simtarget.Action{Logout: &simtarget.LogoutRule{Time2Wait: 2}}}})},
		Judge: judgeAsyncLogout,
		Defects: []Defect{
			{Name: "Identity.AsyncLogoutForgets", Set: func(d *initiator.Deviations) { d.Identity.AsyncLogoutForgets = true }},
		},
	}, {
		ID:      "session-id.constant.async-drop",
		Accepts: []string{"the same ID after the return, and a first attempt no sooner than 1 s after the drop"},
		Runs:    []Plan{dropped("event 2", pdu.AsyncConnectionDrop), dropped("event 3", pdu.AsyncSessionDrop)},
		Judge:   judgeAsyncDrop,
		Defects: []Defect{
			{Name: "Identity.AsyncDropAllRecreates", Set: func(d *initiator.Deviations) { d.Identity.AsyncDropAllRecreates = true }},
		},
	}, {
		ID:      "session-id.constant.across-redirect",
		Accepts: []string{"the same ID, one entry, with B as the current portal"},
		Runs: []Plan{{Arrays: []Array{{Portals: 2}}, Steps: slices.Concat(established(), []Step{
			redirectTo(simtarget.Times{}, "B"),
			{Label: "cut", At: seconds(10), Do: Sever{}},
			{After: "cut", At: seconds(1), Do: WaitFor{Session: "s", State: StateConnected, Within: seconds(30)}},
			{Label: "after", Do: ListSessions{}},
		})}},
		Judge: func(j *Judge, runs []*Run) {
			if row, ok := judgeSameSession(j, runs[0], "after"); ok {
				j.Equal("current portal", row.Current, PortalAddress("B"), row.Event)
				j.Equal("configured portal", row.Configured, PortalAddress("A"), row.Event)
			}
		},
		Defects: []Defect{
			{Name: "Identity.FollowsPortal", Set: func(d *initiator.Deviations) { d.Identity.FollowsPortal = true }},
		},
	}, {
		ID:      "session-id.constant.target-restart",
		Accepts: []string{"the same ID, a login with TSIH 0, and a probe that succeeds"},
		Runs: []Plan{{Steps: slices.Concat(established(), outage(seconds(10)), []Step{
			{Do: ArrayOp{Action: simtarget.Action{Restart: &simtarget.Restart{}}}},
			nextLogin(simtarget.LoginRule{TSIH: new(uint16(0x0707)), UnitAttention: 0x2900}),
			healed(seconds(20)),
			{Do: WaitFor{Session: "s", State: "ready", Within: seconds(30)}},
			{Label: "probe", Do: Probe{}, Deadline: seconds(30)},
			{Label: "probe", Do: Probe{}, Deadline: seconds(30)},
			{Label: "after", Do: ListSessions{}},
		})}},
		Judge: judgeTargetRestart,
		Defects: []Defect{
			{Name: "Login.ReuseTSIH", Set: func(d *initiator.Deviations) { d.Login.ReuseTSIH = true }},
		},
	}, {
		ID:      "session-id.not-reused-after-logoff",
		Accepts: []string{"another ID for the second login, and nothing reached by the first"},
		Runs: []Plan{{Until: seconds(20), Steps: []Step{
			{Label: "first", Do: Login{}},
			{Label: "off", Do: Logout{Session: "first"}},
			{Label: "second", At: seconds(6), Do: Login{}},
			{Label: "stale", Do: TestUnitReady{Session: "first"}, Deadline: seconds(2)},
			{Label: "stale-off", Do: Logout{Session: "first"}, Deadline: seconds(2)},
			{Label: "list", Do: ListSessions{}},
		}}},
		Judge: judgeNotReused,
		Defects: []Defect{
			{Name: "Identity.StaleReaches", Set: func(d *initiator.Deviations) { d.Identity.StaleReaches = true }},
		},
	}, independentIDCheck()}
}

// manyLosses is how often the link is cut, as the row has it.
const manyLosses = 100

// asked does something to the array at 10 s, behind preparations, and lists the sessions 20 s later.
func asked(action simtarget.Action, before ...Step) Plan {
	return Plan{Steps: slices.Concat(established(), before, []Step{
		{Label: "cut", At: seconds(10), Do: ArrayOp{Action: action}},
		{Label: "after", After: "cut", At: seconds(20), Do: ListSessions{}},
	})}
}

// dropped announces a drop that asks for 1 s of waiting, and drops.
func dropped(name string, event pdu.AsyncEvent) Plan {
	p := asked(simtarget.Action{Async: &simtarget.Async{Event: event, Parameter2: new(uint16(1)), Parameter3: new(uint16(0)), Then: simtarget.EndFIN}})
	p.Name = name
	return p
}

// judgeSameSession expects one session in a listing, connected, with the ID that the login "s" was given.
func judgeSameSession(j *Judge, r *Run, label string) (SessionRow, bool) {
	if !j.In(r).Outcome(r.Op("s"), OK) {
		return SessionRow{}, false
	}
	rows := r.Op(label).Sessions()
	if !j.Count("sessions listed "+label, len(rows), 1, 1, r.Op(label).Evidence()...) {
		return SessionRow{}, false
	}
	j.Equal("session ID "+label, rows[0].ID, r.Session("s"), rows[0].Event)
	j.Take(clocks.Identity(clocks.Sessions(r.Events), clocks.Terms{FreshISID: r.Plan.Initiator.Login.FreshISID})...)
	return rows[0], j.Equal("state "+label, rows[0].State, StateConnected, rows[0].Event)
}

func judgeAssigned(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s1"), OK) || !j.Outcome(r.Op("s2"), OK) {
		return
	}
	one, two := r.Session("s1"), r.Session("s2")
	j.Want(one != 0 && two != 0 && one != two, "the IDs of two sessions", "two numbers other than 0", fmt.Sprintf("%d and %d", one, two),
		slices.Concat(r.Op("s1").Evidence(), r.Op("s2").Evidence())...)
	rows := r.Op("list").Sessions()
	j.Count("sessions listed", len(rows), 2, 2, r.Op("list").Evidence()...)
	for i, id := range []uint64{one, two} {
		row, ok := r.Op("list").SessionRow(id)
		if j.Want(ok, fmt.Sprintf("session %d in the listing", id), "listed", map[bool]string{true: "listed", false: "not listed"}[ok]) {
			j.Equal("its target", row.Target, TargetName(i+1), row.Event)
		}
	}
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

func judgeManySeveredLinks(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) {
		return
	}
	id := r.Session("s")
	lists := r.Ops("list")
	j.Count("listings", len(lists), manyLosses, manyLosses)
	constant := true
	for i, l := range lists {
		rows := l.Sessions()
		if len(rows) != 1 || rows[0].ID != id {
			constant = j.Want(false, fmt.Sprintf("listing %d", i+1), fmt.Sprintf("session %d alone", id), fmt.Sprintf("%d sessions", len(rows)), l.Rows...)
			break
		}
	}
	if constant {
		j.Want(true, "the session ID in every listing", fmt.Sprint(id), fmt.Sprint(id))
	}
	j.Outcomes("the probe of each round", r.Ops("probe"), Good)
	logins := r.Dials(LoggedIn)
	j.Count("logins that succeeded", len(logins), manyLosses+1, manyLosses+1)
	j.Equal("IDs that the session manager ever told of", fmt.Sprint(r.IDs()), fmt.Sprint([]uint64{id}))
	j.Take(clocks.Identity(clocks.Sessions(r.Events), clocks.Terms{})...)
}

func judgeAsyncLogout(j *Judge, runs []*Run) {
	r := runs[0]
	judgeSameSession(j, r, "after")
	outs := r.PDUs(FromInitiator, Opcode(pdu.OpLogoutRequest), From(r.At("cut")), Before(r.At("cut")+seconds(5)+Slack))
	j.Count("Logout Requests within the 5 s that the target gave", len(outs), 1, 1, Events(outs)...)
	again := r.Dials(DialledFrom(r.At("cut")), LoggedIn)
	j.Count("logins after the logout", len(again), 1, 1, DialEvents(again)...)
}

func judgeAsyncDrop(j *Judge, runs []*Run) {
	for _, r := range runs {
		judgeSameSession(j, r, "after")
		told := r.PDUs(FromTarget, Opcode(pdu.OpAsyncMessage))
		if !j.Count("Asynchronous Messages received", len(told), 1, 1, Events(told)...) {
			continue
		}
		again := r.Dials(DialledFrom(r.At("cut")))
		if j.Count("attempts after the drop", len(again), 1, 1, DialEvents(again)...) {
			j.Within("the first attempt after the drop", again[0].At-told[0].At, seconds(1), defaultInterval+Slack, again[0].Event)
		}
	}
}

func judgeTargetRestart(j *Judge, runs []*Run) {
	r := runs[0]
	judgeSameSession(j, r, "after")
	probes := r.Ops("probe")
	if j.Count("probes", len(probes), 2, 2) {
		j.Outcome(probes[0], Good, CheckCondition)
		j.Outcome(probes[1], Good)
	}
	again := r.Dials(DialledFrom(r.At("heal")))
	if !j.Count("attempts once the target is back", len(again), 1, 1, DialEvents(again)...) {
		return
	}
	for _, q := range again[0].Requests {
		if !j.Equal("TSIH in the Login Requests of the re-login", q.PDU.TSIH, 0, q.Event) {
			break
		}
	}
	j.Want(LoggedIn(again[0]), "the attempt", "full feature phase", Describe(again[0]), again[0].Event)
}

func judgeNotReused(j *Judge, runs []*Run) {
	r := runs[0]
	for _, label := range []string{"first", "off", "second"} {
		if !j.Outcome(r.Op(label), OK) {
			return
		}
	}
	one, two := r.Session("first"), r.Session("second")
	j.Want(one != two, "the ID of the second login", fmt.Sprintf("another than %d", one), fmt.Sprint(two), r.Op("second").Evidence()...)
	j.Want(!r.Op("stale").Is(Good, Pending), "a request with the first ID", "an error", r.Op("stale").Outcome, r.Op("stale").Evidence()...)
	j.Want(!r.Op("stale-off").Is(OK, Pending), "a logoff with the first ID", "an error", r.Op("stale-off").Outcome, r.Op("stale-off").Evidence()...)
	rows := r.Op("list").Sessions()
	if j.Count("sessions listed", len(rows), 1, 1, r.Op("list").Evidence()...) {
		j.Equal("the one listed", rows[0].ID, two, rows[0].Event)
		j.Equal("its state", rows[0].State, StateConnected, rows[0].Event)
	}
}
