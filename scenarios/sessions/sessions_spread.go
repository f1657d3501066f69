package sessions

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// The row sessions.add.io-spread-no-loss: requests of one device over several sessions, one of which breaks.

const (
	// spreadWorkers is how many requests are under way at a time, as the row has it.
	spreadWorkers = 64
	// spreadOutage is how long the second session is down.
	spreadOutage = 30 * time.Second
)

// unanswered keeps the answers to writes at portal B in the array, so that some are under way when its connection breaks.
func unanswered() Step {
	return Step{At: seconds(14), Do: ArrayOp{Action: simtarget.Action{Command: &simtarget.CommandRule{Times: simtarget.Times{Next: simtarget.Always},
		Which: simtarget.Which{Portal: "B"}, Opcodes: []byte{opWrite10}, HoldResponse: true}}}}
}

// spread keeps a device busy over two sessions, and loses the second one for a while.
func spread(name, policy string) Plan {
	load := func(label string, write bool) Step {
		return Step{Label: label, At: seconds(5), Async: true, Do: Load{Session: "s", Device: true, Workers: spreadWorkers / 2,
			Every: seconds(2), For: seconds(50), Write: write, Verify: write}}
	}
	writes, reads := load("writes", true), load("reads", false)
	reads.At = 0
	return Plan{Name: name, Initiator: Initiator{Settings: Settings{PathPolicy: policy}}, Arrays: []Array{{Portals: 2}}, Until: seconds(80), Steps: append(established(),
		Step{Label: "clone", Do: AddSession{Target: TargetName(1), Portal: "B"}},
		Step{Label: "before", Do: ListDevices{}},
		writes, reads, unanswered(),
		Step{At: seconds(15), Do: Refuse{Link{Portal: "B"}}},
		Step{Label: "cut", At: seconds(17), Do: Sever{Link{Portal: "B"}}},
		Step{Do: ArrayOp{Action: simtarget.Action{Clear: &simtarget.Clear{Command: true}}}},
		Step{Label: "heal", At: seconds(17) + spreadOutage, Do: Heal{Link{Portal: "B"}}},
		Step{Label: "after", At: seconds(75), Do: ListSessions{}})}
}

func sessionsSpreadChecks() []Check {
	return []Check{{
		ID: "sessions.add.io-spread-no-loss",
		Accepts: []string{"every request GOOD once and every read the bytes of the write before it, while the second session is down and after; " +
			"no write on the wire once its requester was told of its end"},
		Runs:  []Plan{spread("in turn", "round-robin"), spread("the default policy", "")},
		Judge: judgeSpread,
		Defects: []Defect{
			{Name: "Manager.SwitchReplays", Set: func(d *initiator.Deviations) { d.Manager.SwitchReplays = true }},
		},
	}}
}

func judgeSpread(j *Judge, runs []*Run) {
	for i, r := range runs {
		j.In(r)
		if !j.Outcome(r.Op("s"), OK) || !j.Outcome(r.Op("clone"), OK) {
			continue
		}
		rows := r.Op("before").Devices()
		if j.Count("devices", len(rows), 1, 1, r.Op("before").Evidence()...) {
			j.Count("paths of the device", len(rows[0].Paths), 2, 2, rows[0].Event)
		}
		for _, label := range []string{"writes", "reads"} {
			j.Count(label, len(r.Ops(label)), 5*spreadWorkers, 50*spreadWorkers)
			j.Outcomes(label, r.Ops(label), Good)
		}
		judgeOverTwo(j, r, i == 0)
		judgeNoneAfterEnd(j, r)
		judgeConnected(j, r.Op("after"), r.Session("s"), r.Session("clone"))
	}
}

// judgeOverTwo looks at how many requests each session carried.
func judgeOverTwo(j *Judge, r *Run, both bool) {
	first, second := r.Dials(DialledTo("A"), LoggedIn), r.Dials(DialledTo("B"), LoggedIn)
	carried := func(dials []Dial) (n int) {
		for _, d := range dials {
			n += len(Picked(r.Commands(OnConn(d.Conn), From(seconds(5))), 0, scsi.OpWrite10, scsi.OpRead10))
		}
		return n
	}
	one, two := carried(first), carried(second)
	if both && (one < spreadWorkers || two < spreadWorkers) {
		j.Unclear("requests over both sessions", fmt.Sprintf("%d over one and %d over the other", one, two))
	}
	if lost := r.Lost(r.Session("clone"), r.At("cut")); both && lost < 0 {
		j.Unclear("the loss of the second session", "it was not lost")
	} else if back := r.Requests(r.Session("clone"), RequestRequeued); both && len(back) == 0 {
		j.Unclear("requests under way when it was lost", "none came back")
	}
}

// judgeNoneAfterEnd expects that no write is sent, or executed, once its requester was told how it ended.
func judgeNoneAfterEnd(j *Judge, r *Run) {
	ended := map[string]time.Duration{}
	for _, o := range r.Ops("writes") {
		if o.Name == (Write{}).OpName() && o.End >= 0 {
			ended[attr(o.Began, attrHead)] = o.End
		}
	}
	var late []trace.Event
	for _, c := range Picked(r.Commands(), 0, scsi.OpWrite10) {
		if end, known := ended[headOf(c.SCSI.Data)]; known && c.At > end {
			late = append(late, c.Event)
		}
	}
	j.Count("writes whose end is known", len(ended), spreadWorkers, 100*spreadWorkers)
	j.None("writes sent after their end", "none", late)
}
