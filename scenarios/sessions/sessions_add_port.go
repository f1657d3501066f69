package sessions

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group sessions-add-remove: sessions added at one chosen port, directly or by way of a redirect.

// loginDeadline bounds one login at one portal, as the initiator documents it. It is the judges' own.
const loginDeadline = 15 * time.Second

func sessionsAddPortChecks() []Check {
	return []Check{{
		ID:      "sessions.add.specific-target-port",
		Accepts: []string{"a login at B's address, listed with portal B, and another path to the unit"},
		Runs: []Plan{{Arrays: []Array{{Portals: 2, Hidden: []string{"B"}}}, Until: seconds(20), Steps: []Step{
			defaults(),
			{Label: "b", At: seconds(5), Deadline: seconds(30), Do: AddSession{Portal: "B"}},
			listed(),
			{Label: "devices", Do: ListDevices{}},
		}}},
		Judge: judgeSpecificPort,
		Defects: []Defect{
			{Name: "Paths.AddIgnoresPortal", Set: func(d *initiator.Deviations) { d.Paths.AddIgnoresPortal = true }},
		},
	}, {
		ID:      "sessions.add.specific-port-via-redirect",
		Accepts: []string{"the added session where it was sent, the original where it was, both with a probe that succeeds"},
		Runs: []Plan{
			sentOn("one redirect", Array{Portals: 2, Hidden: []string{"B"}}, redirectTo(simtarget.Times{}, "B")),
			sentOn("single-port-redirect-temporary", Array{Profile: "single-port-redirect-temporary"}),
			sentOn("single-port-redirect-permanent", Array{Profile: "single-port-redirect-permanent"}),
			sentOn("group-address-redirect", Array{Profile: "group-address-redirect"}),
		},
		Judge: judgeViaRedirect,
		Defects: []Defect{
			{Name: "Paths.AddRefusesSamePortal", Set: func(d *initiator.Deviations) { d.Paths.AddRefusesSamePortal = true }},
		},
	}, {
		ID:      "sessions.add.unknown-port",
		Accepts: []string{"an error within the login deadline, and nothing left listed as connected"},
		Runs: []Plan{
			unreached("a portal that refuses", AddSession{Portal: "B"}, Step{Do: Refuse{Link{Portal: "B"}}}),
			unreached("a portal that does not answer", AddSession{Portal: "B"}, Step{Do: Blackhole{Link{Portal: "B"}}}),
			unreached("a portal that does not know the target", AddSession{Portal: "B", Target: TargetName(9)}),
		},
		Judge: judgeUnknownPort,
		Defects: []Defect{
			{Name: "Paths.AddReportsEarly", Set: func(d *initiator.Deviations) { d.Paths.AddReportsEarly = true }},
		},
	}}
}

// sentOn adds a session, labelled "clone", at the portal of the default one.
func sentOn(name string, array Array, before ...Step) Plan {
	return Plan{Name: name, Arrays: []Array{array}, Until: seconds(20), Steps: slices.Concat([]Step{defaults(), {Do: Wait{For: seconds(1)}}}, before, []Step{
		{Label: "before", Do: ListSessions{}},
		{Label: "clone", At: seconds(5), Deadline: seconds(30), Do: AddSession{Portal: "A"}},
		listed(), probed("all.1"), probed("clone"),
	})}
}

// unreached adds a session, labelled "add", beside "s", where none can be had, and looks again a minute later.
func unreached(name string, add AddSession, before ...Step) Plan {
	return Plan{Name: name, Arrays: []Array{{Portals: 2}}, Until: seconds(90), Steps: slices.Concat(established(), before, []Step{
		{Label: "add", At: seconds(5), Deadline: seconds(60), Do: add},
		listed(),
		{Label: "later", At: seconds(80), Do: ListSessions{}},
	})}
}

func judgeSpecificPort(j *Judge, runs []*Run) {
	r := runs[0]
	before := r.Dials(OfNormalSessions, DialledBefore(r.Op("b").Begin))
	if !j.Outcome(r.Op("all"), OK) || !j.Count("default sessions", len(before), 1, 1, DialEvents(before)...) {
		return
	}
	j.Equal("portal of the default session", before[0].Portal, PortalAddress("A"), before[0].Event)
	made := added(r, "b")
	j.Outcome(r.Op("b"), OK)
	if j.Count("connections for the added session", len(made), 1, 1, DialEvents(made)...) {
		j.Equal("the portal dialled", made[0].Portal, PortalAddress("B"), made[0].Event)
		j.Want(LoggedIn(made[0]), "the login there", "full feature phase", Describe(made[0]), made[0].Event)
	}
	id, first := r.Session("b"), r.Session("all.1")
	judgeConnected(j, r.Op("list"), first, id)
	if row, ok := r.Op("list").SessionRow(id); ok {
		j.Equal("its configured portal", row.Configured, PortalAddress("B"), row.Event)
		j.Equal("its current portal", row.Current, PortalAddress("B"), row.Event)
	}
	devices := r.Op("devices").Devices()
	if j.Count("devices", len(devices), 1, 1, r.Op("devices").Evidence()...) {
		j.Equal("the paths", fmt.Sprint(devices[0].Paths), fmt.Sprint([]Path{{Session: first}, {Session: id}}), devices[0].Event)
	}
}

func judgeViaRedirect(j *Judge, runs []*Run) {
	for _, r := range runs {
		j.In(r)
		if !j.Outcome(r.Op("all"), OK) || !j.Outcome(r.Op("clone"), OK) {
			continue
		}
		made := added(r, "clone")
		if !j.Count("connections for the added session", len(made), 2, 2, DialEvents(made)...) {
			continue
		}
		j.Equal("the portal dialled first", made[0].Portal, PortalAddress("A"), made[0].Event)
		sent, ok := redirectOf(made[0])
		if !ok {
			j.Unclear("a further session sent on", "the array answered with something else: "+Describe(made[0]), made[0].Event)
			continue
		}
		j.Equal("the portal dialled next", made[1].Portal, sent, made[1].Event)
		j.Want(LoggedIn(made[1]), "the login there", "full feature phase", Describe(made[1]), made[1].Event)
		s, clone := r.Session("all.1"), r.Session("clone")
		judgeConnected(j, r.Op("list"), s, clone)
		was, _ := r.Op("before").SessionRow(s)
		is, _ := r.Op("list").SessionRow(s)
		j.Equal("where the original is", is.Current, was.Current, is.Event)
		row, _ := r.Op("list").SessionRow(clone)
		j.Equal("where the added session is listed", row.Current, sent, row.Event)
		j.Equal("its configured portal", row.Configured, PortalAddress("A"), row.Event)
		j.Want(row.Current != is.Current, "the portals of the two", "not one and the same", row.Current, row.Event)
		for _, d := range r.Dials(LoggedIn, OfNormalSessions) {
			judgeUntouched(j, r, "a session at "+d.Portal, d)
		}
		j.Outcome(r.Op("probe all.1"), Good)
		j.Outcome(r.Op("probe clone"), Good)
	}
}

// redirectOf gives the address, without a portal group tag, to which a login was sent on.
func redirectOf(d Dial) (string, bool) {
	if d.Status() < 0 || iscsi.Status(d.Status()).Class() != 1 {
		return "", false
	}
	to, ok := answered(d, "TargetAddress")
	to, _, _ = strings.Cut(to, ",")
	return to, ok
}

func judgeUnknownPort(j *Judge, runs []*Run) {
	for i, r := range runs {
		if !j.In(r).Outcome(r.Op("s"), OK) {
			continue
		}
		o := r.Op("add")
		switch i {
		case 0:
			j.Outcome(o, Unreachable)
		case 1:
			j.Outcome(o, Unreachable, Timeout)
		case 2:
			j.Outcome(o, LoginFailed)
			j.Equal("the login status that it names", o.Status, "0x0203", o.Evidence()...)
		}
		j.Want(o.Err != "", "the error", "a text", fmt.Sprintf("%q", o.Err), o.Evidence()...)
		j.Within("time to the error", o.Took(), 0, loginDeadline+Slack, o.Evidence()...)
		judgeConnected(j, r.Op("list"), r.Session("s"))
		judgeConnected(j, r.Op("later"), r.Session("s"))
	}
}
