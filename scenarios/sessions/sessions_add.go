package sessions

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/trace"
)

// The group sessions-add-remove: sessions cloned from others. A clone has an ISID of its own, and leaves its original alone.

// cloned is how many plans go on: a clone, labelled "clone", of the session "s".
func cloned() Step { return Step{Label: "clone", Deadline: seconds(30), Do: AddSession{Clone: "s"}} }

// probed is a probe of a session that nobody waits for longer than 10 s.
func probed(session string) Step {
	return Step{Label: "probe " + session, Deadline: seconds(10), Do: Probe{Session: session}}
}

// listed lists the sessions.
func listed() Step { return Step{Label: "list", Do: ListSessions{}} }

func sessionsAddChecks() []Check {
	return []Check{{
		ID:      "sessions.add.clone-new-isid",
		Accepts: []string{"a new connection with TSIH 0, the same names and an ISID of its own; the original untouched; two IDs listed"},
		Runs:    []Plan{{Until: seconds(20), Steps: append(established(), cloned(), probed("s"), listed())}},
		Judge:   judgeCloneNewISID,
		Defects: []Defect{
			{Name: "Paths.CloneCopiesISID", Set: func(d *initiator.Deviations) { d.Paths.CloneCopiesISID = true }},
		},
	}, {
		ID:      "sessions.add.clone-inherits-settings",
		Accepts: []string{"the original's key offers, and CHAP with success"},
		Runs: []Plan{{Arrays: []Array{{Change: chapArray}}, Until: seconds(20), Steps: []Step{
			{Label: "s", Do: Login{Settings: LoginSettings{
				HeaderDigest: []string{"CRC32C"}, CHAP: &CHAP{Name: "host", Secret: "initiator-12"}, Offers: modestOffers(),
			}}},
			cloned(), probed("clone"),
		}}},
		Judge: judgeCloneInherits,
		Defects: []Defect{
			{Name: "Paths.CloneFromDefaults", Set: func(d *initiator.Deviations) { d.Paths.CloneFromDefaults = true }},
		},
	}, {
		ID:      "sessions.add.more-paths",
		Accepts: []string{"two paths to each unit, under one identity"},
		Runs: []Plan{{Arrays: []Array{{LUNs: []uint32{0, 1, 5}}}, Until: seconds(20), Steps: append(established(),
			Step{Label: "before", Do: ListDevices{}}, cloned(), Step{Label: "after", Do: ListDevices{}})}},
		Judge: judgeMorePaths,
		Defects: []Defect{
			{Name: "Paths.NoSecondPath", Set: func(d *initiator.Deviations) { d.Paths.NoSecondPath = true }},
		},
	}, {
		ID:      "sessions.add.same-isid-hazard",
		Accepts: []string{"no login with the ISID of a session that is live at the same portal group"},
		Runs:    []Plan{{Until: seconds(30), Steps: hazard()}},
		Judge:   judgeHazard,
		Defects: []Defect{
			{Name: "Paths.QualifierWraps", Set: func(d *initiator.Deviations) { d.Paths.QualifierWraps = 16 }},
			{Name: "Paths.CloneCopiesISID", Set: func(d *initiator.Deviations) { d.Paths.CloneCopiesISID = true }},
		},
	}, sameTSIHCheck(), {
		ID:      "sessions.add.not-persistent",
		Accepts: []string{"exactly the default session after the restart"},
		Runs: []Plan{{Until: seconds(60), Steps: []Step{
			defaults(),
			{Label: "one", Do: AddSession{Clone: "all.1"}},
			{Label: "two", Do: AddSession{Clone: "all.1"}},
			{Label: "restart", At: seconds(10), Do: Restart{Down: seconds(5)}},
			{Label: "after", At: seconds(40), Do: ListSessions{}},
		}}},
		Judge: judgeNotPersistent,
		Defects: []Defect{
			{Name: "Paths.AddedArePersistent", Set: func(d *initiator.Deviations) { d.Paths.AddedArePersistent = true }},
		},
	}, {
		ID:      "sessions.add.clone-reconnects",
		Accepts: []string{"both sessions back, each with the ISID and the ID that it had"},
		Runs: []Plan{{Until: seconds(40), Steps: slices.Concat(established(), []Step{cloned(), listed()}, outage(seconds(10)), []Step{
			healed(seconds(7)),
			{Label: "after", After: "cut", At: seconds(20), Do: ListSessions{}},
			probed("s"), probed("clone"),
		})}},
		Judge: judgeCloneReconnects,
		Defects: []Defect{
			{Name: "Paths.ReconnectWithDefaultISID", Set: func(d *initiator.Deviations) { d.Paths.ReconnectWithDefaultISID = true }},
		},
	}}
}

// modestOffers are limits that no default offers.
func modestOffers() []string {
	return []string{"MaxRecvDataSegmentLength=16384", "MaxConnections=1", "ErrorRecoveryLevel=0", "InitialR2T=Yes", "ImmediateData=No",
		"MaxBurstLength=32768", "FirstBurstLength=8192", "MaxOutstandingR2T=1", "DataPDUInOrder=Yes", "DataSequenceInOrder=Yes",
		"DefaultTime2Wait=0", "DefaultTime2Retain=0"}
}

// added gives the connections that were dialled while the labelled op was under way.
func added(r *Run, label string) []Dial {
	o := r.Op(label)
	return r.Dials(DialledFrom(o.Begin), DialledBefore(o.End+1))
}

// judgeUntouched expects that the connection on which a login ended went on until the end of the run.
func judgeUntouched(j *Judge, r *Run, what string, d Dial) bool {
	actual := "open"
	if !d.Open(r.Ended) {
		actual = Describe(d)
		if d.Closed >= 0 {
			actual = fmt.Sprintf("closed at %v (%s)", d.Closed, d.How)
		}
	}
	return j.Want(d.Open(r.Ended), "the connection of "+what, "open until the end", actual, d.Event)
}

// judgeConnected expects that a listing shows sessions, all connected, and no others.
func judgeConnected(j *Judge, o OpRun, ids ...uint64) bool {
	rows := o.Sessions()
	if !j.Count("sessions listed ("+o.Label+")", len(rows), len(ids), len(ids), o.Evidence()...) {
		return false
	}
	all := true
	for _, id := range ids {
		row, ok := o.SessionRow(id)
		state := row.State
		if !ok {
			state = "not listed"
		}
		all = j.Equal(fmt.Sprintf("session %d in the listing (%s)", id, o.Label), state, StateConnected, row.Event) && all
	}
	return all
}

func judgeCloneNewISID(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) || !j.Outcome(r.Op("clone"), OK) {
		return
	}
	before, made := r.Dials(DialledBefore(r.Op("clone").Begin)), added(r, "clone")
	if !j.Count("connections of the original", len(before), 1, 1, DialEvents(before)...) ||
		!j.Count("connections for the clone", len(made), 1, 1, DialEvents(made)...) {
		return
	}
	one, two := before[0], made[0]
	j.Want(LoggedIn(two), "the clone's login", "full feature phase", Describe(two), two.Event)
	j.Equal("its portal", two.Portal, one.Portal, two.Event)
	for _, q := range two.Requests {
		if !j.Equal("TSIH in its Login Requests", q.PDU.TSIH, 0, q.Event) {
			break
		}
	}
	j.Want(two.ISID() != one.ISID(), "its ISID", "another than "+one.ISID().String(), two.ISID().String(), one.Event, two.Event)
	for _, key := range []string{"InitiatorName", "TargetName"} {
		want, _ := one.Key(key)
		got, _ := two.Key(key)
		j.Equal("its "+key, got, want, two.Event)
	}
	j.Outcome(r.Op("probe s"), Good)
	judgeUntouched(j, r, "the original", one)
	j.Want(r.Session("clone") != r.Session("s"), "its ID", fmt.Sprintf("another than %d", r.Session("s")), fmt.Sprint(r.Session("clone")))
	judgeConnected(j, r.Op("list"), r.Session("s"), r.Session("clone"))
}

// offered gives all keys that the initiator sent in a login, but those that are another in every login.
func offered(d Dial) []string {
	var all []string
	for _, q := range d.Requests {
		for _, p := range q.Keys {
			if p.Key != "CHAP_R" && p.Key != "CHAP_C" && p.Key != "CHAP_I" {
				all = append(all, p.Key+"="+p.Value)
			}
		}
	}
	return all
}

func judgeCloneInherits(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) {
		return
	}
	before, made := r.Dials(DialledBefore(r.Op("clone").Begin)), added(r, "clone")
	if !j.Count("connections of the original", len(before), 1, 1, DialEvents(before)...) {
		return
	}
	one := offered(before[0])
	for _, want := range []string{"AuthMethod=CHAP", "CHAP_N=host", "HeaderDigest=CRC32C", "MaxBurstLength=32768"} {
		if !slices.Contains(one, want) {
			j.Unclear("the settings of the original", want+" is not among its offers", before[0].Event)
		}
	}
	if !j.Count("connections for the clone", len(made), 1, 1, DialEvents(made)...) {
		return
	}
	j.Outcome(r.Op("clone"), OK)
	j.Equal("what the clone offers", strings.Join(offered(made[0]), " "), strings.Join(one, " "), made[0].Event)
	j.Want(LoggedIn(made[0]), "the clone's login", "full feature phase", Describe(made[0]), made[0].Event)
	j.Outcome(r.Op("probe clone"), Good)
}

func judgeMorePaths(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) || !j.Outcome(r.Op("clone"), OK) {
		return
	}
	s, clone := r.Session("s"), r.Session("clone")
	before, after := r.Op("before").Devices(), r.Op("after").Devices()
	if !j.Count("devices before the clone", len(before), 3, 3, r.Op("before").Evidence()...) ||
		!j.Count("devices with the clone", len(after), 3, 3, r.Op("after").Evidence()...) {
		return
	}
	for i, d := range after {
		j.Want(d.Identity != "" && d.Identity == before[i].Identity && d.Name == before[i].Name, "device "+before[i].Name,
			"the same name and identity as before", fmt.Sprintf("%s with identity %q", d.Name, d.Identity), before[i].Event, d.Event)
		lun := before[i].LUN()
		want := fmt.Sprint([]Path{{Session: s, LUN: lun}, {Session: clone, LUN: lun}})
		j.Equal("its paths", fmt.Sprint(d.Paths), want, d.Event)
	}
}

// hazardOps is how many sessions are added or removed, as the row has it.
const hazardOps = 50

// hazard adds clones of "s" and removes them again, in an order that was drawn once and for all.
func hazard() []Step {
	draw := rand.New(rand.NewPCG(7143, hazardOps))
	steps := established()
	var live []string
	for i := range hazardOps {
		if len(live) == 0 || draw.IntN(5) < 3 {
			label := fmt.Sprintf("add-%d", i+1)
			live = append(live, label)
			steps = append(steps, Step{Label: label, Deadline: seconds(10), Do: AddSession{Clone: "s"}})
			continue
		}
		k := draw.IntN(len(live))
		steps = append(steps, Step{Label: fmt.Sprintf("remove-%d", i+1), Deadline: seconds(10), Do: RemoveSession{Session: live[k]}})
		live = slices.Delete(live, k, k+1)
	}
	return append(steps, listed())
}

func judgeHazard(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) {
		return
	}
	var adds, removes []OpRun
	for _, o := range r.AllOps() {
		switch o.Name {
		case (AddSession{}).OpName():
			adds = append(adds, o)
		case (RemoveSession{}).OpName():
			removes = append(removes, o)
		}
	}
	j.Count("adds and removes", len(adds)+len(removes), hazardOps, hazardOps)
	j.Outcomes("the adds", adds, OK)
	j.Outcomes("the removes", removes, OK)
	var hits []trace.Event
	logins := r.Dials()
	for i, d := range logins {
		for _, o := range logins[:i] {
			if len(d.Requests) > 0 && LoggedIn(o) && o.Open(d.Requests[0].At) && o.ISID() == d.ISID() && o.Portal == d.Portal {
				hits = append(hits, d.Requests[0].Event)
			}
		}
	}
	j.None("logins with the ISID of a session that is live", "none", hits)
	want := 1 + len(adds) - len(removes)
	j.Count("sessions listed at the end", len(r.Op("list").Sessions()), want, want, r.Op("list").Evidence()...)
	j.Count("sessions standing at the end, by the target's account", len(standing(r, r.At("list"))), want, want)
	j.Count("their ISIDs", len(standingISIDs(r, r.At("list"))), want, want)
}

// standingISIDs gives the different ISIDs of the array's Normal sessions at an instant.
func standingISIDs(r *Run, at time.Duration) []string {
	var found []string
	for _, s := range standing(r, at) {
		if !slices.Contains(found, s.ISID) {
			found = append(found, s.ISID)
		}
	}
	return found
}

func judgeNotPersistent(j *Judge, runs []*Run) {
	r := runs[0]
	for _, label := range []string{"all", "one", "two", "restart"} {
		if !j.Outcome(r.Op(label), OK) {
			return
		}
	}
	j.Count("sessions standing before the restart", len(standing(r, r.Op("restart").Begin)), 3, 3)
	logins := r.Dials(LoggedIn, OfNormalSessions, DialledFrom(r.Op("restart").Begin))
	j.Count("logins after the restart", len(logins), 1, 1, DialEvents(logins)...)
	j.Count("sessions standing afterwards", len(standing(r, r.Ended)), 1, 1)
	judgeConnected(j, r.Op("after"), r.Session("restart.1"))
}

func judgeCloneReconnects(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) || !j.Outcome(r.Op("clone"), OK) {
		return
	}
	ids := []uint64{r.Session("s"), r.Session("clone")}
	if !judgeConnected(j, r.Op("list"), ids...) {
		return
	}
	judgeConnected(j, r.Op("after"), ids...)
	var had []string
	for _, id := range ids {
		before, _ := r.Op("list").SessionRow(id)
		after, _ := r.Op("after").SessionRow(id)
		j.Equal(fmt.Sprintf("ISID of session %d", id), after.ISID, before.ISID, before.Event, after.Event)
		had = append(had, before.ISID)
	}
	logins := r.Dials(LoggedIn, DialledFrom(r.At("cut")))
	j.Count("logins after the loss", len(logins), 2, 2, DialEvents(logins)...)
	got := isids(logins)
	slices.Sort(got)
	slices.Sort(had)
	j.Equal("their ISIDs on the wire", strings.Join(got, " "), strings.Join(had, " "), DialEvents(logins)...)
	j.Outcome(r.Op("probe s"), Good)
	j.Outcome(r.Op("probe clone"), Good)
}
