package sessions

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group device-stack, rows queue.* about order: requests wait while the session is down, and go out as they came in.

// The blocks that queue checks write: behind those of the probe.
const (
	ownBlocks   = 1000 // one for each request
	sharedBlock = 2000 // one for all
)

func queueChecks() []Check {
	return []Check{{
		ID:      "queue.other-requests-queued",
		Accepts: []string{"READ, WRITE, TEST UNIT READY, READ CAPACITY and SYNCHRONIZE CACHE all wait for the re-login, and end GOOD"},
		Runs: []Plan{{
			Steps: slices.Concat(established(), outage(seconds(10)), []Step{
				{Label: "read", After: "cut", At: seconds(1), Async: true, Do: Read{LBA: ownBlocks}},
				{Label: "write", Async: true, Do: Write{LBA: sharedBlock}},
				{Label: "test-unit-ready", Async: true, Do: TestUnitReady{}},
				{Label: "read-capacity", Async: true, Do: ReadCapacity{}},
				{Label: "synchronize-cache", Async: true, Do: SynchronizeCache{}},
				healed(seconds(20)),
			}),
			Until: seconds(50),
		}},
		Judge: judgeOthersQueued,
		Defects: []Defect{
			{Name: "Queue.AnswerTestUnitReady", Set: func(d *initiator.Deviations) { d.Queue.AnswerTestUnitReady = true }},
		},
	}, {
		ID:      "queue.replayed-in-order",
		Accepts: []string{"CmdSN order equal to submission order, never beyond the window, and the last stamp in the shared block"},
		Runs: []Plan{{
			Steps: slices.Concat(established(), window(8), outage(seconds(10)), []Step{
				{Label: "own", After: "cut", At: seconds(1), Async: true, Do: Submit{Count: 64, Step: 1, Write: &Write{LBA: ownBlocks}}},
				{Label: "shared", After: "cut", At: seconds(2), Async: true, Do: Submit{Count: 64, Write: &Write{LBA: sharedBlock}}},
				healed(seconds(10)),
				{Do: WaitFor{State: "ready", Within: seconds(30)}},
				{Label: "read", Do: Read{LBA: sharedBlock}, Deadline: seconds(30)},
			}),
		}},
		Judge: judgeReplayedInOrder,
		Defects: []Defect{
			{Name: "Queue.LastInFirstOut", Set: func(d *initiator.Deviations) { d.Queue.LastInFirstOut = true }},
		},
	}, {
		ID:      "queue.replay-before-new",
		Accepts: []string{"the 32 queued writes before the 8 new ones by CmdSN, whether those come before the replay or during it"},
		Runs: []Plan{
			replayBeforeNew("new writes at the instant of login completion, before the replay",
				simtarget.CommandRule{Opcodes: []byte{byte(scsi.OpReportLUNs)}, Delay: seconds(0.1)}, 0),
			replayBeforeNew("new writes while the queue drains",
				simtarget.CommandRule{Opcodes: writes, Times: simtarget.Times{Next: simtarget.Always}, Delay: seconds(0.02)}, seconds(0.2)),
		},
		Judge: judgeReplayBeforeNew,
		Defects: []Defect{
			{Name: "Queue.NewBypass", Set: func(d *initiator.Deviations) { d.Queue.NewBypass = true }},
			{Name: "Queue.LastInFirstOut", Set: func(d *initiator.Deviations) { d.Queue.LastInFirstOut = true }},
		},
	}}
}

// writes are the operation codes of a WRITE in a rule.
var writes = []byte{byte(scsi.OpWrite10), byte(scsi.OpWrite16)}

// window lets the array grant so many commands at a time from its next login on.
func window(size int) []Step {
	return []Step{{At: seconds(9), Do: ArrayOp{Action: simtarget.Action{Login: &simtarget.LoginRule{Window: new(size)}}}}}
}

// onCommand adds a rule of the array for commands at an instant.
func onCommand(at float64, rule simtarget.CommandRule) Step {
	return Step{At: seconds(at), Do: ArrayOp{Action: simtarget.Action{Command: &rule}}}
}

// replayBeforeNew queues 32 writes and submits 8 more at the login, or so long after it; the rule slows the array down, so that there is something to
// come in between.
func replayBeforeNew(name string, slow simtarget.CommandRule, after time.Duration) Plan {
	return Plan{Name: name, Until: seconds(40), Steps: slices.Concat(established(), window(1), []Step{onCommand(9.5, slow)}, outage(seconds(10)), []Step{
		{Label: "queued", After: "cut", At: seconds(1), Async: true, Do: Submit{Count: 32, Step: 1, Write: &Write{LBA: ownBlocks}}},
		healed(seconds(7)),
		{Label: "back", After: "cut", At: seconds(9.95), Do: WaitFor{State: StateConnected, Within: seconds(10)}},
		{Label: "new", After: "back", At: after, Async: true, Do: Submit{Count: 8, Step: 1, Write: &Write{LBA: sharedBlock}}},
	})}
}

func judgeOthersQueued(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) {
		return
	}
	back := r.Regained(r.Session("s"), r.At("heal"))
	if !j.Within("the re-login, counted from the heal", max(back-r.At("heal"), -1), 0, defaultInterval+Slack) {
		return
	}
	for _, label := range []string{"read", "write", "test-unit-ready", "read-capacity", "synchronize-cache"} {
		o := r.Op(label)
		j.Want(o.End >= back, "end of "+label, fmt.Sprintf("after the re-login at %v", back), fmt.Sprintf("%s at %v", o.Outcome, o.End), o.Evidence()...)
		j.Outcome(o, Good)
	}
}

func judgeReplayedInOrder(j *Judge, runs []*Run) {
	r := runs[0]
	submitted := slices.Concat(r.Ops("own"), r.Ops("shared"))
	j.Count("writes submitted", len(submitted), 128, 128)
	j.Outcomes("the queued writes", submitted, Good)
	heal := r.At("heal")
	judgeSentInOrder(j, "writes on the wire after the outage", r.Commands(From(heal)), submitted)
	j.None("commands beyond the window", "none", Events(r.BeyondWindow(From(heal))))
	read := r.Op("read")
	if j.Outcome(read, Good) {
		last := r.Ops("shared")[63]
		j.Equal("content of the shared block", read.Head, Stamp(last.Label, last.N, last.LBA), read.Evidence()...)
	}
}

// judgeSentInOrder expects the writes among some commands to be those submitted, each once and in that order by CmdSN.
func judgeSentInOrder(j *Judge, what string, commands []Command, submitted []OpRun) {
	sent := Picked(commands, -1, scsi.OpWrite10, scsi.OpWrite16)
	if !j.Count(what, len(sent), len(submitted), len(submitted), CommandEvents(sent)...) {
		return
	}
	for i, c := range sent {
		want := Stamp(submitted[i].Label, submitted[i].N, submitted[i].LBA)
		if got := headOf(c.SCSI.Data); got != want || i > 0 && c.CmdSN() != sent[i-1].CmdSN()+1 {
			j.Want(false, fmt.Sprintf("number %d of the %s", i+1, what), want+" with the next CmdSN", fmt.Sprintf("%s with CmdSN %d", got, c.CmdSN()), c.Event)
			return
		}
	}
	j.Want(true, "the order of the "+what+" by CmdSN", "that of their submission", "that of their submission")
}

func judgeReplayBeforeNew(j *Judge, runs []*Run) {
	for i, r := range runs {
		j.In(r)
		if !j.Outcome(r.Op("s"), OK) {
			continue
		}
		queued, added := r.Ops("queued"), r.Ops("new")
		j.Count("writes queued", len(queued), 32, 32)
		if !j.Count("new writes", len(added), 8, 8) {
			continue
		}
		heal := r.At("heal")
		sent := Picked(r.Commands(From(heal)), 0, scsi.OpWrite10, scsi.OpWrite16)
		begin, back := added[0].Begin, r.Regained(r.Session("s"), heal)
		between := back >= 0 && begin >= back && len(sent) > 0
		if draining := i == 1; between && draining {
			between = sent[0].At < begin && begin < sent[len(sent)-1].At
		} else if between {
			between = begin <= sent[0].At
		}
		if !between {
			j.Unclear("the new writes come at "+begin.String(), "that is not "+r.Plan.Name, added[0].Evidence()...)
		}
		judgeSentInOrder(j, "writes after the outage", sent, slices.Concat(queued, added))
		j.None("commands beyond the window", "none", Events(r.BeyondWindow(From(heal))))
		j.Outcomes("all writes", slices.Concat(queued, added), Good)
	}
}
