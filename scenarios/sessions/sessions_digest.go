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

// The group sessions-add-remove: digests belong to a session from its login to its end; a change takes a session removed and added again.

// crcOnly makes digests mandatory.
func crcOnly() LoginSettings {
	return LoginSettings{HeaderDigest: []string{"CRC32C"}, DataDigest: []string{"CRC32C"}}
}

// crcPreferred asks for digests and takes a session without.
func crcPreferred() LoginSettings {
	return LoginSettings{HeaderDigest: []string{"CRC32C", "None"}, DataDigest: []string{"CRC32C", "None"}}
}

func sessionsDigestChecks() []Check {
	// The array takes no digests, and says so whatever was offered.
	const plain = "data: {header_digest: none, data_digest: none}"
	none := nextLogin(simtarget.LoginRule{Times: simtarget.Times{Next: simtarget.Always}, At: simtarget.AtOperational,
		Edit: []simtarget.Setting{{Key: "HeaderDigest", Value: "None"}, {Key: "DataDigest", Value: "None"}}})
	wish := func(name string, settings LoginSettings) Plan {
		return Plan{Name: name, Arrays: []Array{{Change: plain}}, Until: seconds(40), Steps: append(established(), none,
			Step{Label: "add", At: seconds(5), Deadline: seconds(30), Do: AddSession{Portal: "A", Settings: settings}},
			probed("add"), listed())}
	}
	return []Check{{
		ID:      "sessions.digest.change-needs-relogin",
		Accepts: []string{"no digest and no negotiation before the removal; CRC32C offered and digests carried after the session is added again"},
		Runs: []Plan{{Until: seconds(40), Steps: append(established(),
			Step{Label: "set", At: seconds(5), Do: Set{Login: crcOnly()}},
			Step{Label: "first", Deadline: seconds(1), Do: Probe{Session: "s"}},
			// Surplus bytes behind one PDU show when the next one is read.
			Step{Label: "first", Deadline: seconds(1), Do: Probe{Session: "s"}},
			Step{Label: "remove", At: seconds(10), Deadline: seconds(10), Do: RemoveSession{Session: "s"}},
			Step{Label: "add", At: seconds(20), Deadline: seconds(10), Do: AddSession{Portal: "A"}},
			Step{Label: "second", Deadline: seconds(3), Do: Probe{Session: "add"}})}},
		Judge: judgeDigestChange,
		Defects: []Defect{
			{Name: "Paths.DigestsChangeLive", Set: func(d *initiator.Deviations) { d.Paths.DigestsChangeLive = true }},
		},
	}, {
		ID:      "sessions.digest.change-survives-auto-reconnect",
		Accepts: []string{"the old setting offered at the automatic re-login, and PDUs framed as it was negotiated"},
		Runs: []Plan{{Until: seconds(40), Arrays: []Array{{Change: "data: {header_digest: allow, data_digest: allow}"}}, Steps: append(established(),
			Step{Label: "set", At: seconds(5), Do: Set{Login: crcOnly()}},
			Step{Label: "cut", At: seconds(10), Do: Sever{}},
			Step{After: "cut", At: seconds(1), Do: WaitFor{Session: "s", State: StateConnected, Within: seconds(10)}},
			Step{Label: "probe", Deadline: seconds(10), Do: Probe{Session: "s"}},
			Step{Label: "probe", Deadline: seconds(10), Do: Probe{Session: "s"}})}},
		Judge: judgeDigestOverReconnect,
		Defects: []Defect{
			{Name: "Paths.FramingFromConfig", Set: func(d *initiator.Deviations) { d.Paths.FramingFromConfig = true }},
		},
	}, {
		ID:      "sessions.digest.refused-by-target",
		Accepts: []string{"where digests are mandatory, the login abandoned with an error; where they are preferred, a session without"},
		Runs:    []Plan{wish("CRC32C alone", crcOnly()), wish("CRC32C or None", crcPreferred())},
		Judge:   judgeDigestRefused,
		Defects: []Defect{
			{Name: "Login.AcceptUnofferedNone", Set: func(d *initiator.Deviations) { d.Login.AcceptUnofferedNone = true }},
		},
	}}
}

// judgeDigestBytes expects that the PDUs of a connection's full feature phase all carry digests, or that none does.
func judgeDigestBytes(j *Judge, r *Run, d Dial, want bool, before time.Duration) {
	pdus := r.PDUs(OnConn(d.Conn), From(d.FullFeature), Before(before), Not(Opcode(pdu.OpLoginRequest, pdu.OpLoginResponse)))
	if len(pdus) == 0 {
		j.Unclear("digests on the wire", "nothing was sent after the login", d.Event)
		return
	}
	var wrong []trace.Event
	for _, w := range pdus {
		header, data := w.Frame.HeaderDigest != nil, w.Frame.DataDigest != nil
		if header != want || data != (want && len(w.Frame.Data) > 0) {
			wrong = append(wrong, w.Event)
		}
	}
	rule := map[bool]string{true: "PDUs without their digests", false: "PDUs with digests"}[want]
	j.None(fmt.Sprintf("%s among the %d on %s", rule, len(pdus), d.Conn), "none", wrong)
}

func judgeDigestChange(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) || !j.Outcome(r.Op("set"), OK) {
		return
	}
	remove := r.Op("remove")
	before := r.Dials(DialledBefore(remove.Begin))
	if j.Count("connections before the removal", len(before), 1, 1, DialEvents(before)...) {
		judgeDigestBytes(j, r, before[0], false, remove.Begin)
	}
	j.None("Text Requests", "none", Events(r.PDUs(FromInitiator, Opcode(pdu.OpTextRequest))))
	j.None("bytes that are no PDU", "none", r.Events.Where(func(e *trace.Event) bool { return e.Kind == trace.KindBytes }))
	j.Outcomes("the probes after the change", r.Ops("first"), Good)
	j.Outcome(remove, OK)
	j.Outcome(r.Op("add"), OK)
	made := added(r, "add")
	if j.Count("connections of the session added again", len(made), 1, 1, DialEvents(made)...) {
		for _, key := range []string{"HeaderDigest", "DataDigest"} {
			offer, _ := made[0].Key(key)
			j.Want(slices.Contains(fields(offer), "CRC32C"), key+" in its login", "CRC32C among the offers", offer, made[0].Event)
		}
		if j.Want(LoggedIn(made[0]), "its login", "full feature phase", Describe(made[0]), made[0].Event) {
			judgeDigestBytes(j, r, made[0], true, r.Ended)
		}
	}
	j.Outcome(r.Op("second"), Good)
}

func judgeDigestOverReconnect(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) || !j.Outcome(r.Op("set"), OK) {
		return
	}
	logins := r.Dials(DialledFrom(r.At("cut")), LoggedIn)
	if !j.Count("logins after the loss", len(logins), 1, 1, DialEvents(logins)...) {
		return
	}
	d := logins[0]
	for _, key := range []string{"HeaderDigest", "DataDigest"} {
		offer, _ := d.Key(key)
		j.Equal("the offer of "+key+" at the re-login, as at the first login", offer, "None", d.Event)
		if answer, ok := answered(d, key); ok {
			j.Equal("the value of "+key, answer, "None", d.Event)
		}
	}
	judgeDigestBytes(j, r, d, false, r.Ended)
	j.None("bytes that are no PDU", "none", r.Events.Where(func(e *trace.Event) bool { return e.Kind == trace.KindBytes }))
	j.Outcomes("the probes after the re-login", r.Ops("probe"), Good)
}

func judgeDigestRefused(j *Judge, runs []*Run) {
	for i, r := range runs {
		if !j.In(r).Outcome(r.Op("s"), OK) {
			continue
		}
		made := r.Dials(DialledFrom(r.Op("add").Begin))
		if !j.Count("connections for the added session", len(made), 1, 1, DialEvents(made)...) {
			continue
		}
		d := made[0]
		offer, _ := d.Key("HeaderDigest")
		if answer, ok := answered(d, "HeaderDigest"); !ok || answer != "None" {
			j.Unclear("None for an answer", fmt.Sprintf("HeaderDigest=%s was answered with %q", offer, answer), d.Event)
		}
		if i == 0 {
			j.Equal("the offer of HeaderDigest", offer, "CRC32C", d.Event)
			judgeLoginAbandoned(j, r, "add", d)
			judgeConnected(j, r.Op("list"), r.Session("s"))
			continue
		}
		j.Equal("the offer of HeaderDigest", offer, "CRC32C,None", d.Event)
		j.Outcome(r.Op("add"), OK)
		if j.Want(LoggedIn(d), "the login", "full feature phase", Describe(d), d.Event) {
			judgeDigestBytes(j, r, d, false, r.Ended)
		}
		j.Outcome(r.Op("probe add"), Good)
		judgeConnected(j, r.Op("list"), r.Session("s"), r.Session("add"))
	}
}

// judgeLoginAbandoned expects the catalogue's R-LOGINFAIL after the last Login Response of a connection: no further Login Request, the connection
// closed within 5 s, no PDU of full feature phase, and an error for whoever asked.
func judgeLoginAbandoned(j *Judge, r *Run, label string, d Dial) {
	o := r.Op(label)
	j.Outcome(o, LoginFailed)
	j.Want(o.Err != "", "the error", "a text", fmt.Sprintf("%q", o.Err), o.Evidence()...)
	last := d.Responses[len(d.Responses)-1]
	j.None("PDUs after the answer", "none", Events(r.PDUs(FromInitiator, OnConn(d.Conn), From(last.At))))
	j.Within("the connection is closed", d.Closed, last.At, last.At+seconds(5), d.Event)
}
