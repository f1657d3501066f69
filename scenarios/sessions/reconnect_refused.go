package sessions

import (
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group session-lifecycle, rows reconnect.login-failure.* and reconnect.logoff-*: logins that are refused, and logoffs that end the attempts.

// refused answers the next logins with a status.
func refused(times int, status iscsi.Status) Step {
	return nextLogin(simtarget.LoginRule{Times: simtarget.Times{Next: times}, Status: simtarget.Status(status)})
}

func reconnectRefusedChecks() []Check {
	return []Check{{
		ID:      "reconnect.login-failure.class3-continues",
		Accepts: []string{"a new connection for each attempt, the cadence kept, a login at the eighth attempt"},
		Runs: []Plan{{Until: seconds(80), Steps: slices.Concat(established(), []Step{
			refused(5, iscsi.StatusServiceUnavailable), refused(1, iscsi.StatusOutOfResources), refused(1, iscsi.StatusTargetError),
			{Label: "cut", At: seconds(10), Do: Sever{}},
		})}},
		Judge: func(j *Judge, runs []*Run) { judgeRefusedThenIn(j, runs[0], 8) },
		Defects: []Defect{
			{Name: "Reconnect.StopOnLoginStatus", Set: func(d *initiator.Deviations) { d.Reconnect.StopOnLoginStatus = true }},
		},
	}, {
		ID:      "reconnect.login-failure.class2-policy",
		Accepts: []string{"attempts on the cadence, the status listed as the last error, a login when the target takes it"},
		Runs: []Plan{{Until: seconds(100), Steps: slices.Concat(established(), []Step{
			refused(13, iscsi.StatusNotFound),
			{Label: "cut", At: seconds(10), Do: Sever{}},
			{Label: "list", At: seconds(42), Do: ListSessions{}},
		})}},
		Judge: func(j *Judge, runs []*Run) {
			judgeRefusedThenIn(j, runs[0], 14)
			judgeLastError(j, runs[0], "0203", LoginFailed)
		},
		Defects: []Defect{
			{Name: "Reconnect.HotRetryNotFound", Set: func(d *initiator.Deviations) { d.Reconnect.HotRetryNotFound = true }},
		},
	}, {
		ID:      "reconnect.login-failure.auth-rejected",
		Accepts: []string{"attempts on the cadence, AUTH-FAILED listed as the last outcome"},
		Runs: []Plan{{Until: seconds(60), Arrays: []Array{{Change: chapArray}}, Initiator: mutualCHAP(), Steps: slices.Concat(established(), []Step{
			refused(7, iscsi.StatusAuthenticationFailure),
			{Label: "cut", At: seconds(10), Do: Sever{}},
			{Label: "list", At: seconds(32), Do: ListSessions{}},
		})}},
		Judge: func(j *Judge, runs []*Run) {
			judgeRefusedThenIn(j, runs[0], 8)
			judgeLastError(j, runs[0], "0201", AuthFailed)
		},
		Defects: []Defect{
			{Name: "Reconnect.HotRetryAuth", Set: func(d *initiator.Deviations) { d.Reconnect.HotRetryAuth = true }},
		},
	}}
}

// judgeRefusedThenIn expects attempts on the cadence, all refused but the last.
func judgeRefusedThenIn(j *Judge, r *Run, attempts int) {
	j.Outcome(r.Op("s"), OK)
	made := r.Dials(DialledFrom(r.At("cut")))
	j.Count("attempts after the loss, the last of them a login", len(made), attempts, attempts, DialEvents(made)...)
	judgeGaps(j, made, defaultInterval)
	if len(made) > 0 {
		last := made[len(made)-1]
		j.Want(LoggedIn(last), "the last attempt", "full feature phase", Describe(last), last.Event)
	}
}

func judgeLastError(j *Judge, r *Run, status, outcome string) {
	rows := r.Op("list").Sessions()
	if !j.Count("sessions listed while the target refuses", len(rows), 1, 1, r.Op("list").Evidence()...) {
		return
	}
	j.Equal("its ID", rows[0].ID, r.Session("s"), rows[0].Event)
	j.Equal("its state", rows[0].State, StateReconnecting, rows[0].Event)
	j.Equal("its last outcome", rows[0].LastOutcome, outcome, rows[0].Event)
	j.Want(containsText(rows[0].LastError, status), "its last error", "a text that names status 0x"+status, rows[0].LastError, rows[0].Event)
}

func reconnectLogoffChecks() []Check {
	return []Check{{
		ID:      "reconnect.logoff-stops-attempts",
		Accepts: []string{"the logoff done within 1 s, no attempt after it, the session gone from the listing"},
		Runs: []Plan{{Until: seconds(80), Steps: slices.Concat(established(), outage(seconds(10)), []Step{
			{Label: "off", After: "cut", At: seconds(12), Deadline: seconds(30), Async: true, Do: Logout{Session: "s"}},
			healed(seconds(13)),
			{Label: "after", After: "cut", At: seconds(60), Do: ListSessions{}},
		})}},
		Judge: judgeLogoffStops,
		Defects: []Defect{
			{Name: "Reconnect.LogoffWaitsForReturn", Set: func(d *initiator.Deviations) { d.Reconnect.LogoffWaitsForReturn = true }},
		},
	}, {
		ID:      "reconnect.logoff-during-login-in-progress",
		Accepts: []string{"the connection closed before the login completes", "a login followed at once by a Logout Request with reason 0, with no SCSI Command in between"},
		Runs: []Plan{{Until: seconds(80), Steps: slices.Concat(established(), []Step{
			nextLogin(simtarget.LoginRule{Delay: seconds(2)}),
			{Label: "cut", At: seconds(10), Do: Sever{}},
			{Label: "off", After: "cut", At: seconds(1), Deadline: seconds(30), Do: Logout{Session: "s"}},
			{Label: "after", After: "cut", At: seconds(50), Do: ListSessions{}},
		})}},
		Judge: judgeLogoffDuringLogin,
		Defects: []Defect{
			{Name: "Reconnect.LogoffForgetsLoginInProgress", Set: func(d *initiator.Deviations) { d.Reconnect.LogoffForgetsLoginInProgress = true }},
		},
	}, {
		ID:      "reconnect.logoff-fails-queued-io",
		Accepts: []string{"all 40 requests with LOGGED-OUT within 1 s of the logoff"},
		Runs: []Plan{{Until: seconds(60), Steps: slices.Concat(established(), outage(seconds(10)), []Step{
			{Label: "reads", After: "cut", At: seconds(1), Async: true, Do: Submit{Count: 20, Step: 1, Read: &Read{LBA: ownBlocks}}},
			{Label: "writes", After: "cut", At: seconds(2), Async: true, Do: Submit{Count: 20, Step: 1, Write: &Write{LBA: sharedBlock}}},
			{Label: "off", After: "cut", At: seconds(10), Deadline: seconds(30), Do: Logout{Session: "s"}},
		})}},
		Judge: judgeLogoffFailsQueued,
		Defects: []Defect{
			{Name: "Queue.ForgetAtLogoff", Set: func(d *initiator.Deviations) { d.Queue.ForgetAtLogoff = true }},
		},
	}}
}

func judgeLogoffStops(j *Judge, runs []*Run) {
	r := runs[0]
	o := r.Op("off")
	if j.Outcome(o, OK) {
		j.Within("time that the logoff took", o.Took(), 0, seconds(1), o.Evidence()...)
	}
	j.None("attempts after the logoff", "none", DialEvents(r.Dials(DialledFrom(o.Begin+1))))
	j.Count("sessions listed afterwards", len(r.Op("after").Sessions()), 0, 0, r.Op("after").Evidence()...)
}

func judgeLogoffDuringLogin(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("off"), OK)
	j.Count("sessions listed afterwards", len(r.Op("after").Sessions()), 0, 0, r.Op("after").Evidence()...)
	made := r.Dials(DialledFrom(r.At("cut")))
	if !j.Count("attempts after the loss", len(made), 1, 1, DialEvents(made)...) {
		return
	}
	d := made[0]
	if !LoggedIn(d) {
		j.Within("the connection of the login in progress is closed", d.Closed, d.At, r.Op("off").Begin+seconds(5), d.Event)
		return
	}
	outs := r.PDUs(FromInitiator, Opcode(pdu.OpLogoutRequest), OnConn(d.Conn))
	j.Count("Logout Requests after the login", len(outs), 1, 1, Events(outs)...)
	j.None("SCSI Commands after the login", "none", CommandEvents(r.Commands(OnConn(d.Conn))))
}

func judgeLogoffFailsQueued(j *Judge, runs []*Run) {
	r := runs[0]
	off := r.Op("off")
	j.Outcome(off, OK)
	queued := slices.Concat(r.Ops("reads"), r.Ops("writes"))
	j.Count("requests submitted during the outage", len(queued), 40, 40)
	j.Outcomes("the queued requests", queued, LoggedOut)
	var latest time.Duration
	for _, o := range queued {
		latest = max(latest, o.End)
		if o.End < off.Begin {
			j.Within("a queued request ends", o.End, off.Begin, off.Begin+seconds(1), o.Evidence()...)
		}
	}
	j.Within("the last of them, counted from the logoff", latest-off.Begin, 0, seconds(1))
}
