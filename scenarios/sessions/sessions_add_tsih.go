package sessions

import (
	"fmt"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/simtarget"
)

// sameTSIHCheck is the row of the group sessions-add-remove about an array that grants two sessions one handle.
func sameTSIHCheck() Check {
	return Check{
		ID:      "sessions.add.same-tsih-returned",
		Accepts: []string{"two IDs; only the clone logged out; the original back with its own ISID", "the clone refused, and the original untouched"},
		Runs: []Plan{{Until: seconds(30), Steps: []Step{
			nextLogin(simtarget.LoginRule{Times: simtarget.Times{Next: simtarget.Always}, TSIH: new(uint16(0x0101))}),
			{Label: "s", Do: Login{}},
			cloned(), probed("s"), probed("clone"), listed(),
			{Label: "remove", Deadline: seconds(10), Do: RemoveSession{Session: "clone"}},
			{Label: "cut", At: seconds(10), Do: Sever{}},
			{Label: "after", At: seconds(20), Do: ListSessions{}},
		}}},
		Judge: judgeSameTSIH,
		Defects: []Defect{
			{Name: "Paths.IndexByTSIH", Set: func(d *initiator.Deviations) { d.Paths.IndexByTSIH = true }},
		},
	}
}

func judgeSameTSIH(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) || !j.Outcome(r.Op("clone"), OK, LoginFailed) {
		return
	}
	s, clone := r.Session("s"), r.Session("clone")
	original := r.Dials(DialledBefore(r.Op("clone").Begin))
	if !j.Count("connections of the original", len(original), 1, 1, DialEvents(original)...) {
		return
	}
	j.Outcome(r.Op("probe s"), Good)
	if clone == 0 { // refused as a protocol error
		judgeConnected(j, r.Op("list"), s)
		judgeBackAlone(j, r, original[0])
		return
	}
	made := added(r, "clone")
	if !j.Count("connections of the clone", len(made), 1, 1, DialEvents(made)...) {
		return
	}
	j.Outcome(r.Op("probe clone"), Good)
	judgeConnected(j, r.Op("list"), s, clone)
	for _, row := range r.Op("list").Sessions() {
		if row.TSIH != 0x0101 {
			j.Unclear("two sessions with one TSIH", fmt.Sprintf("session %d has TSIH 0x%04x", row.ID, row.TSIH), row.Event)
		}
	}
	j.Outcome(r.Op("remove"), OK)
	outs := r.PDUs(FromInitiator, Opcode(pdu.OpLogoutRequest), From(r.Op("remove").Begin), Before(r.At("cut")))
	if j.Count("Logout Requests of the removal", len(outs), 1, 1, Events(outs)...) {
		j.Equal("the connection that it logs out", outs[0].Conn, made[0].Conn, outs[0].Event)
	}
	judgeBackAlone(j, r, original[0])
}

// judgeBackAlone expects that the original's connection stood until the cut, and that the session came back under its ISID, and alone.
func judgeBackAlone(j *Judge, r *Run, original Dial) {
	cut := r.At("cut")
	j.Instant("the end of the original's connection", original.Closed, cut, original.Event)
	again := r.Dials(LoggedIn, DialledFrom(cut))
	if j.Count("logins after the loss", len(again), 1, 1, DialEvents(again)...) {
		j.Equal("the ISID of that login", again[0].ISID(), original.ISID(), again[0].Event)
	}
	judgeConnected(j, r.Op("after"), r.Session("s"))
}
