package sessions

import (
	"slices"
	"strconv"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group session-lifecycle, rows reconnect.first-*: when the first attempt after a loss is made, and what a first login owes its caller.

func reconnectFirstChecks() []Check {
	return []Check{{
		ID:      "reconnect.first-attempt.honours-time2wait",
		Accepts: []string{"the first attempt no sooner than DefaultTime2Wait after the loss, and no later than that or one interval"},
		Runs:    []Plan{waited(0), waited(2), waited(10)},
		Judge:   judgeTime2Wait,
		Defects: []Defect{
			{Name: "Reconnect.IgnoreTime2Wait", Set: func(d *initiator.Deviations) { d.Reconnect.IgnoreTime2Wait = true }},
		},
	}, {
		ID:      "reconnect.first-attempt.async-time2wait-overrides",
		Accepts: []string{"the first attempt 4 s after the drop at the earliest, and within one interval at the latest"},
		Runs: []Plan{{Until: seconds(40), Steps: slices.Concat(established(), []Step{
			{Label: "cut", At: seconds(10), Do: ArrayOp{Action: simtarget.Action{Async: &simtarget.Async{
				Event: pdu.AsyncConnectionDrop, Parameter2: new(uint16(4)), Parameter3: new(uint16(0)), Then: simtarget.EndFIN}}}},
		})}},
		Judge: judgeAsyncTime2Wait,
		Defects: []Defect{
			{Name: "Session.AsyncWaitFromParameter1", Set: func(d *initiator.Deviations) { d.Session.AsyncWaitFromParameter1 = true }},
		},
	}, {
		ID:      "reconnect.first-login-failure-not-persistent",
		Accepts: []string{"an error for the login, no session listed, and no attempt afterwards"},
		Runs: []Plan{{Until: seconds(60), Steps: []Step{
			{Do: Refuse{}},
			{Label: "s", Do: Login{}, Deadline: seconds(30)},
			{Label: "list", At: seconds(40), Do: ListSessions{}},
		}}},
		Judge: judgeFirstLoginFails,
		Defects: []Defect{
			{Name: "Reconnect.ReportBeforeLogin", Set: func(d *initiator.Deviations) { d.Reconnect.ReportBeforeLogin = true }},
		},
	}}
}

// waited is an outage of a session that agreed on a Time2Wait, in seconds.
func waited(time2wait int) Plan {
	value := strconv.Itoa(time2wait)
	return Plan{Name: "DefaultTime2Wait=" + value, Until: seconds(60), Steps: slices.Concat(
		[]Step{nextLogin(simtarget.LoginRule{Times: simtarget.Times{Next: simtarget.Always}, Keys: []simtarget.Setting{{Key: "DefaultTime2Wait", Value: value}}})},
		established(),
		[]Step{{Label: "cut", At: seconds(20), Do: Sever{}}})}
}

func judgeTime2Wait(j *Judge, runs []*Run) {
	for i, wait := range []time.Duration{0, seconds(2), seconds(10)} {
		r := runs[i]
		j.In(r).Outcome(r.Op("s"), OK)
		first := r.Dials(DialledBefore(r.At("cut")), LoggedIn)
		if !j.Count("logins before the loss", len(first), 1, 1, DialEvents(first)...) {
			continue
		}
		agreed, _ := answered(first[0], "DefaultTime2Wait")
		if agreed != strconv.Itoa(int(wait/time.Second)) {
			j.Unclear("DefaultTime2Wait agreed", "the login agreed on "+agreed, first[0].Event)
			continue
		}
		again := r.Dials(DialledFrom(r.At("cut")))
		if j.Count("attempts after the loss", len(again), 1, 1, DialEvents(again)...) {
			j.Within("the first attempt, counted from the loss", again[0].At-r.At("cut"), wait, max(wait, defaultInterval)+Slack, again[0].Event)
		}
	}
}

func judgeAsyncTime2Wait(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	told := r.PDUs(FromTarget, Opcode(pdu.OpAsyncMessage))
	if !j.Count("Asynchronous Messages received", len(told), 1, 1, Events(told)...) {
		return
	}
	again := r.Dials(DialledFrom(r.At("cut")))
	if j.Count("attempts after the drop", len(again), 1, 1, DialEvents(again)...) {
		j.Within("the first attempt, counted from the drop", again[0].At-told[0].At, seconds(4), defaultInterval+Slack, again[0].Event)
	}
}

func judgeFirstLoginFails(j *Judge, runs []*Run) {
	r := runs[0]
	o := r.Op("s")
	j.Want(!o.Is(OK, Pending), "outcome of the login", "an error", o.Outcome, o.Evidence()...)
	j.Count("sessions listed", len(r.Op("list").Sessions()), 0, 0, r.Op("list").Evidence()...)
	later := r.Dials(DialledFrom(o.End + Slack))
	j.None("attempts after the login has failed", "none", DialEvents(later))
}
