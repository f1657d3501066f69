package sessions

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group session-lifecycle, rows reconnect.* about how an outage goes on and ends.

func reconnectOutcomeChecks() []Check {
	return []Check{{
		ID:      "reconnect.stops-on-success",
		Accepts: []string{"one successful login after the link is back, and no connection after it"},
		Runs: []Plan{{
			Steps: slices.Concat(established(), outage(seconds(10)), []Step{healed(seconds(7))}),
			Until: seconds(80),
		}},
		Judge: judgeStopsOnSuccess,
		Defects: []Defect{
			{Name: "Reconnect.TickAfterSuccess", Set: func(d *initiator.Deviations) { d.Reconnect.TickAfterSuccess = true }},
		},
	}, {
		ID:      "reconnect.until-success.long-outage",
		Accepts: []string{"720 attempts in the last of 24 hours as in the first, a login within one interval of the heal, the same ID"},
		Runs: []Plan{{Steps: slices.Concat(established(), outage(seconds(10)), []Step{
			healed(day),
			{Label: "back", Do: WaitFor{Session: "s", State: StateConnected, Within: seconds(30)}},
			{Label: "after", Do: ListSessions{}},
		})}},
		Judge: judgeLongOutage,
		Defects: []Defect{
			{Name: "Reconnect.AttemptsAtMost", Set: func(d *initiator.Deviations) { d.Reconnect.AttemptsAtMost = 120 }},
		},
	}, {
		ID:      "reconnect.continues-after-device-removal",
		Accepts: []string{"attempts on the cadence before and after the removal, and a login by 125 s"},
		Runs: []Plan{{Steps: slices.Concat(established(), outage(seconds(10)), []Step{healed(seconds(120))}),
			Until: seconds(150)}},
		Judge: judgeContinues,
		Defects: []Defect{
			{Name: "Reconnect.StopAtRemoval", Set: func(d *initiator.Deviations) { d.Reconnect.StopAtRemoval = true }},
		},
	}, {
		ID:      "reconnect.login-op-while-reconnecting",
		Accepts: []string{"the login refused as existing, with the session's ID; one session with the old ID after the heal"},
		Runs: []Plan{{Until: seconds(60), Steps: slices.Concat(established(), outage(seconds(10)), []Step{
			{Label: "again", After: "cut", At: seconds(7), Deadline: seconds(20), Async: true, Do: Login{}},
			healed(seconds(12)),
			{Label: "after", After: "cut", At: seconds(40), Do: ListSessions{}},
		})}},
		Judge: judgeLoginWhileReconnecting,
		Defects: []Defect{
			{Name: "Reconnect.DuplicateWhileDown", Set: func(d *initiator.Deviations) { d.Reconnect.DuplicateWhileDown = true }},
		},
	}, {
		ID:      "reconnect.parameters-renegotiated",
		Accepts: []string{"the write after the re-login without immediate data, and no data beyond what each R2T asks for"},
		Runs: []Plan{{Until: seconds(60), Steps: slices.Concat(established(), []Step{
			nextLogin(simtarget.LoginRule{Keys: []simtarget.Setting{{Key: "MaxBurstLength", Value: "16384"},
				{Key: "FirstBurstLength", Value: "16384"}, {Key: "ImmediateData", Value: "No"}}}),
			{Label: "cut", At: seconds(10), Do: Sever{}},
			{After: "cut", At: seconds(1), Do: WaitFor{Session: "s", State: "ready", Within: seconds(30)}},
			{Label: "write", Deadline: seconds(20), Do: Write{LBA: ownBlocks, Blocks: 64 << 10 / blockSize}},
		})}},
		Judge: judgeRenegotiated,
		Defects: []Defect{
			{Name: "Session.KeepParameters", Set: func(d *initiator.Deviations) { d.Session.KeepParameters = true }},
		},
	}, {
		ID:      "reconnect.silent-loss-detected",
		Accepts: []string{"the loss noticed within 30 s, the devices' latency counted from there, and a return when the link is back"},
		Runs: []Plan{{Until: seconds(200), Steps: slices.Concat(established(), []Step{
			{Label: "cut", At: seconds(10), Do: Blackhole{}},
			healed(seconds(120)),
			{Do: WaitFor{Session: "s", State: "ready", Within: seconds(60)}},
			{Label: "probe", Deadline: seconds(20), Do: Probe{}},
			{Label: "after", Do: ListSessions{}},
		})}},
		Judge: judgeSilentLoss,
		Defects: []Defect{
			{Name: "Reconnect.NoPing", Set: func(d *initiator.Deviations) { d.Reconnect.NoPing = true }},
		},
	}}
}

// day is the row's long outage.
const day = 24 * time.Hour

func judgeStopsOnSuccess(j *Judge, runs []*Run) {
	r := runs[0]
	heal := r.At("heal")
	after := r.Dials(DialledFrom(heal))
	if j.Count("connections after the link is back", len(after), 1, 1, DialEvents(after)...) {
		j.Want(LoggedIn(after[0]), "the one attempt", "a login", Describe(after[0]), after[0].Event)
		j.Within("time until it begins", after[0].At-heal, 0, defaultInterval+Slack, after[0].Event)
	}
}

func judgeLongOutage(j *Judge, runs []*Run) {
	r := runs[0]
	cut, heal := r.At("cut"), r.At("heal")
	judgeSameSession(j, r, "after")
	firstHour := r.Dials(DialledFrom(cut), DialledBefore(cut+time.Hour))
	lastHour := r.Dials(DialledFrom(heal-time.Hour), DialledBefore(heal))
	j.Count("attempts in the first hour", len(firstHour), 713, 727)
	j.Count("attempts in the last hour", len(lastHour), 713, 727)
	back := r.Regained(r.Session("s"), heal)
	j.Within("the return, counted from the heal", back-heal, 0, defaultInterval+Slack)
}

func judgeContinues(j *Judge, runs []*Run) {
	r := runs[0]
	cut := r.At("cut")
	j.Outcome(r.Op("s"), OK)
	gone := r.Devices(r.Session("s"), DeviceGone)
	j.Count("devices removed", len(gone), 1, 1, DeviceEvents(gone)...)
	attempts := r.Dials(DialledFrom(cut))
	j.Count("attempts", len(attempts), 23, 26)
	judgeGaps(j, attempts, defaultInterval)
	j.Within("the return, counted from the loss", r.Regained(r.Session("s"), cut)-cut, seconds(120), seconds(125)+Slack)
}

func judgeLoginWhileReconnecting(j *Judge, runs []*Run) {
	r := runs[0]
	o := r.Op("again")
	if j.Outcome(o, Exists) {
		j.Equal("the ID in the refusal", o.Session, r.Session("s"), o.Evidence()...)
	}
	judgeSameSession(j, r, "after")
	in := r.Dials(DialledFrom(r.At("heal")), LoggedIn)
	j.Count("logins after the heal", len(in), 1, 1, DialEvents(in)...)
}

func judgeRenegotiated(j *Judge, runs []*Run) {
	r := runs[0]
	j.Outcome(r.Op("s"), OK)
	again := r.Dials(DialledFrom(r.At("cut")), LoggedIn)
	if !j.Count("logins after the loss", len(again), 1, 1, DialEvents(again)...) {
		return
	}
	for _, want := range []struct{ key, value string }{{"ImmediateData", "No"}, {"MaxBurstLength", "16384"}} {
		if got, _ := answered(again[0], want.key); got != want.value {
			j.Unclear(want.key+" agreed at the re-login", "it is "+got, again[0].Event)
			return
		}
	}
	j.Outcome(r.Op("write"), Good)
	from := r.Op("write").Begin
	for _, c := range r.Commands(From(from), OnConn(again[0].Conn)) {
		j.Equal("immediate data with a command after the re-login", len(c.Frame.Data), 0, c.Event)
	}
	judgeSolicited(j, r, again[0].Conn, from)
}

// judgeSolicited expects that Data-Out of a connection stays within what R2Ts have asked for, and that there is some.
func judgeSolicited(j *Judge, r *Run, conn string, from time.Duration) {
	type grant struct{ from, to uint32 }
	grants := map[uint32]grant{}
	sent := 0
	for _, w := range r.PDUs(OnConn(conn), From(from)) {
		switch p := w.PDU.(type) {
		case *pdu.R2T:
			grants[p.TTT] = grant{p.BufferOffset, p.BufferOffset + p.DesiredDataTransferLength}
			j.Count("bytes that one R2T asks for", int(p.DesiredDataTransferLength), 1, 16384, w.Event)
		case *pdu.DataOut:
			sent++
			g, ok := grants[p.TTT]
			end := p.BufferOffset + uint32(len(p.Data))
			if !ok || p.BufferOffset < g.from || end > g.to {
				j.Want(false, "data sent", "within what an R2T asked for", fmt.Sprintf("bytes %d to %d under TTT 0x%x", p.BufferOffset, end, p.TTT), w.Event)
				return
			}
		}
	}
	j.Count("Data-Out PDUs, all within what R2Ts asked for", sent, 4, 1000)
}

// silentLossMax is how long a silent loss may go unnoticed, by the row.
const silentLossMax = 30 * time.Second

func judgeSilentLoss(j *Judge, runs []*Run) {
	r := runs[0]
	id, cut := r.Session("s"), r.At("cut")
	j.Outcome(r.Op("s"), OK)
	lost := r.Lost(id, cut)
	if !j.Within("the loss is noticed, counted from the silence", max(lost-cut, -1), 0, silentLossMax) {
		return
	}
	gone := r.Devices(id, DeviceGone)
	if j.Count("devices removed", len(gone), 1, 1, DeviceEvents(gone)...) {
		judgeLatency(j, r, id, defaultLatency)
	}
	judgeSameSession(j, r, "after")
	j.Outcome(r.Op("probe"), Good)
}
