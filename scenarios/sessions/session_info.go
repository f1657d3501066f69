package sessions

import (
	"fmt"
	"slices"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group session-lifecycle, rows session-info.*: what the listing of sessions shows.

func sessionInfoChecks() []Check {
	return []Check{{
		ID:      "session-info.exposed-fields",
		Accepts: []string{"every listed field equal to what the wire shows; configured and current portal apart"},
		Runs: []Plan{{Arrays: []Array{{Portals: 2}}, Until: seconds(20), Steps: []Step{
			redirectTo(simtarget.Times{}, "B"),
			{Label: "s", Do: Login{}},
			{Label: "list", Do: ListSessions{}},
		}}},
		Judge: judgeExposedFields,
		Defects: []Defect{
			{Name: "Listing.TSIHOfLeadingLogin", Set: func(d *initiator.Deviations) { d.Listing.TSIHOfLeadingLogin = true }},
		},
	}, {
		ID:      "session-info.updates-on-relogin",
		Accepts: []string{"the new TSIH, parameters and portal within 1 s of the login, under the same ID"},
		Runs: []Plan{{Arrays: []Array{{Portals: 2}}, Steps: slices.Concat(established(), []Step{
			{Label: "before", At: seconds(9), Do: ListSessions{}},
			redirectTo(simtarget.Times{}, "B"),
			nextLogin(simtarget.LoginRule{Which: simtarget.Which{Portal: "B"}, TSIH: new(uint16(0x0202)),
				Keys: []simtarget.Setting{{Key: "MaxBurstLength", Value: "65536"}}}),
			{Label: "cut", At: seconds(10), Do: Sever{}},
			{After: "cut", At: seconds(0.1), Do: WaitFor{Session: "s", State: StateConnected, Within: seconds(30)}},
			{Label: "after", Do: ListSessions{}},
		})}},
		Judge: judgeUpdates,
		Defects: []Defect{
			{Name: "Listing.FirstLoginForEver", Set: func(d *initiator.Deviations) { d.Listing.FirstLoginForEver = true }},
		},
	}, {
		ID:      "session-info.state-visible",
		Accepts: []string{"listed in every poll; not as connected from 1 s after the loss until the login"},
		Runs: []Plan{{Steps: slices.Concat(established(), outage(seconds(10)), []Step{
			{Label: "poll", After: "cut", At: seconds(1), Do: Poll{Every: seconds(1), For: seconds(10.5), Do: Step{Do: ListSessions{}}}},
			healed(seconds(12)),
			{Do: WaitFor{Session: "s", State: StateConnected, Within: seconds(30)}},
			{Label: "after", Do: ListSessions{}},
		})}},
		Judge: judgeStateVisible,
		Defects: []Defect{
			{Name: "Listing.StateOnSuccessOnly", Set: func(d *initiator.Deviations) { d.Listing.StateOnSuccessOnly = true }},
		},
	}}
}

func judgeExposedFields(j *Judge, runs []*Run) {
	r := runs[0]
	in := r.Dials(LoggedIn)
	if !j.Outcome(r.Op("s"), OK) || !j.Count("logins that succeeded", len(in), 1, 1, DialEvents(in)...) {
		return
	}
	d := in[0]
	final := d.Responses[len(d.Responses)-1]
	row, ok := r.Op("list").SessionRow(r.Session("s"))
	if !j.Want(ok, "the session in the listing", "listed", fmt.Sprint(len(r.Op("list").Sessions()))+" sessions listed") {
		return
	}
	target, _ := d.Key("TargetName")
	name, _ := d.Key("InitiatorName")
	for _, field := range []struct {
		name      string
		got, want any
	}{
		{"kind", row.Kind, kindData}, {"target name", row.Target, target}, {"initiator name", row.Initiator, name},
		{"ISID", row.ISID, d.ISID()}, {"TSIH", row.TSIH, final.PDU.TSIH},
		{"CIDs", fmt.Sprint(row.CIDs), fmt.Sprint([]uint16{d.Requests[0].PDU.CID})},
		{"configured portal", row.Configured, PortalAddress("A")}, {"current portal", row.Current, PortalAddress("B")},
		{"state", row.State, StateConnected},
	} {
		j.Equal("listed "+field.name, field.got, field.want, row.Event, d.Event)
	}
	for _, key := range []string{"MaxBurstLength", "FirstBurstLength", "InitialR2T", "ImmediateData", "ErrorRecoveryLevel", "MaxOutstandingR2T"} {
		if agreed, ok := answered(d, key); ok {
			j.Equal("listed "+key, row.Param(key), agreed, row.Event)
		}
	}
}

// answered gives the value that the target gave for a key in the login.
func answered(d Dial, key string) (string, bool) { return d.Answered(key) }

func judgeUpdates(j *Judge, runs []*Run) {
	r := runs[0]
	row, ok := judgeSameSession(j, r, "after")
	if !ok {
		return
	}
	before, _ := r.Op("before").SessionRow(r.Session("s"))
	j.Equal("MaxBurstLength before", before.Param("MaxBurstLength"), 262144, before.Event)
	j.Equal("MaxBurstLength after", row.Param("MaxBurstLength"), 65536, row.Event)
	j.Equal("TSIH after", row.TSIH, 0x0202, row.Event)
	j.Equal("current portal after", row.Current, PortalAddress("B"), row.Event)
	in := r.Dials(DialledTo("B"), LoggedIn)
	if j.Count("logins at B", len(in), 1, 1, DialEvents(in)...) {
		j.Within("the listing that shows it", row.At, in[0].FullFeature, in[0].FullFeature+seconds(1), row.Event)
	}
}

func judgeStateVisible(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	polls := r.Ops("poll")
	j.Count("polls", len(polls), 11, 11)
	id := r.Session("s")
	for _, o := range polls {
		row, ok := o.SessionRow(id)
		if !j.Want(ok, fmt.Sprintf("the session in the listing at %v", o.Begin), "listed", fmt.Sprintf("%d sessions listed", len(o.Sessions())), o.Evidence()...) {
			break
		}
		if !j.Want(row.State != StateConnected, fmt.Sprintf("its state at %v", o.Begin), "not connected", row.State, row.Event) {
			break
		}
	}
	judgeSameSession(j, r, "after")
}
