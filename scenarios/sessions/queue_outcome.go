package sessions

import (
	"slices"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// The group device-stack, rows queue.* about requests that end while they wait: nothing of them is ever sent.

func queueOutcomeChecks() []Check {
	return []Check{{
		ID:      "queue.failed-at-removal",
		Accepts: []string{"50 completions with DEVICE-REMOVED when the devices leave, and none of them sent after the heal"},
		Runs: []Plan{{
			Arrays: []Array{{LUNs: []uint32{0, 1, 5}}},
			Steps: slices.Concat(established(), outage(seconds(10)), []Step{
				{Label: "write", After: "cut", At: seconds(1), Async: true, Do: Submit{Count: 50, Step: 1, LUNs: []int{0, 1, 5}, Write: &Write{LBA: ownBlocks}}},
				healed(seconds(90)),
			}),
			Until: seconds(130),
		}},
		Judge: judgeFailedAtRemoval,
		Defects: []Defect{
			{Name: "Queue.KeepAtRemoval", Set: func(d *initiator.Deviations) { d.Queue.KeepAtRemoval = true }},
			{Name: "Devices.RemovalRacesReplay", Set: func(d *initiator.Deviations) { d.Devices.RemovalRacesReplay = true }},
		},
	}, {
		ID:      "queue.own-timeout-respected",
		Accepts: []string{"a timeout 10 s after the submission, and the write never on the wire"},
		Runs: []Plan{{
			Steps: slices.Concat(established(), outage(seconds(10)), []Step{
				{Label: "write", After: "cut", At: seconds(1), Async: true, Deadline: seconds(10), Do: Write{LBA: ownBlocks}},
				healed(seconds(30)),
				{Label: "later", After: "heal", At: seconds(6), Deadline: seconds(10), Do: Read{LBA: ownBlocks}},
			}),
			Until: seconds(60),
		}},
		Judge: judgeOwnTimeout,
		Defects: []Defect{
			{Name: "Queue.ReplayTimedOut", Set: func(d *initiator.Deviations) { d.Queue.ReplayTimedOut = true }},
		},
	}, {
		ID:      "queue.cancel-while-down",
		Accepts: []string{"the second write aborted and never on the wire, the first and the third GOOD in order"},
		Runs: []Plan{{
			Steps: slices.Concat(established(), outage(seconds(10)), []Step{
				{Label: "write", After: "cut", At: seconds(1), Async: true, Do: Submit{Count: 3, Step: 1, Write: &Write{LBA: ownBlocks}}},
				{Label: "abort", After: "cut", At: seconds(3), Deadline: seconds(5), Do: AbortTask{Of: "write", Nth: 2}},
				healed(seconds(12)),
			}),
			Until: seconds(40),
		}},
		Judge: judgeCancelWhileDown,
		Defects: []Defect{
			{Name: "Queue.AbortKeepsEntry", Set: func(d *initiator.Deviations) { d.Queue.AbortKeepsEntry = true }},
		},
	}, {
		ID:      "queue.reset-while-down",
		Accepts: []string{"the reset done locally, the writes of LUN 0 aborted within 1 s, those of LUN 1 replayed"},
		Runs: []Plan{{
			Arrays: []Array{{LUNs: []uint32{0, 1}}},
			Steps: slices.Concat(established(), outage(seconds(10)), []Step{
				{Label: "zero", After: "cut", At: seconds(1), Async: true, Do: Submit{Count: 10, Step: 1, Write: &Write{LBA: ownBlocks}}},
				{Label: "one", After: "cut", At: seconds(2), Async: true, Do: Submit{Count: 10, Step: 1, Write: &Write{LUN: 1, LBA: ownBlocks}}},
				{Label: "reset", After: "cut", At: seconds(5), Async: true, Deadline: seconds(10), Do: LUNReset{}},
				healed(seconds(20)),
			}),
			Until: seconds(50),
		}},
		Judge: judgeResetWhileDown,
		Defects: []Defect{
			{Name: "Queue.ResetNeedsTarget", Set: func(d *initiator.Deviations) { d.Queue.ResetNeedsTarget = true }},
		},
	}}
}

func judgeFailedAtRemoval(j *Judge, runs []*Run) {
	r := runs[0]
	id, heal := r.Session("s"), r.At("heal")
	if !j.Outcome(r.Op("s"), OK) {
		return
	}
	removal := r.Lost(id, r.At("cut")) + defaultLatency
	submitted := r.Ops("write")
	j.Count("writes submitted", len(submitted), 50, 50)
	judgeEndedOnce(j, r, submitted)
	if j.Outcomes("the queued writes", submitted, DeviceRemoved) {
		j.Instant("the first of them ends", submitted[0].End, removal, submitted[0].Evidence()...)
		j.Within("the others end", submitted[49].End-submitted[0].End, 0, Slack, submitted[49].Evidence()...)
	}
	again := Since(r.Devices(id, DeviceArrived), heal)
	if len(again) != 3 {
		j.Unclear("the devices' return after the heal", "not all three came back", DeviceEvents(again)...)
	}
	j.None("writes on the wire after the outage", "none", CommandEvents(Picked(r.Commands(From(r.At("cut"))), -1, scsi.OpWrite10, scsi.OpWrite16)))
}

func judgeOwnTimeout(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) {
		return
	}
	o := r.Op("write")
	if j.Outcome(o, Timeout) {
		j.Took("time until the timeout", o.Took(), seconds(10), o.Evidence()...)
	}
	j.Outcome(r.Op("later"), Good) // the session is back: what is never sent now was not only late
	j.None("writes on the wire", "none", CommandEvents(Picked(r.Commands(), -1, scsi.OpWrite10, scsi.OpWrite16)))
}

func judgeCancelWhileDown(j *Judge, runs []*Run) {
	r := runs[0]
	submitted := r.Ops("write")
	if !j.Outcome(r.Op("s"), OK) || !j.Count("writes submitted", len(submitted), 3, 3) {
		return
	}
	abort := r.Op("abort")
	j.Outcome(abort, OK)
	j.Took("time to abort", abort.Took(), 0, abort.Evidence()...)
	if j.Outcome(submitted[1], Aborted) {
		j.Instant("the aborted write ends", submitted[1].End, abort.Begin, submitted[1].Evidence()...)
	}
	others := []OpRun{submitted[0], submitted[2]}
	j.Outcomes("the other writes", others, Good)
	judgeSentInOrder(j, "writes on the wire", r.Commands(), others)
}

func judgeResetWhileDown(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) {
		return
	}
	reset, zero, one := r.Op("reset"), r.Ops("zero"), r.Ops("one")
	j.Count("writes submitted", len(zero)+len(one), 20, 20)
	j.Outcome(reset, OK)
	if j.Outcomes("the writes to LUN 0", zero, Aborted) {
		j.Within("they end, counted from the reset", zero[0].End-reset.Begin, 0, seconds(1), zero[0].Evidence()...)
		j.Within("the last of them ends", zero[len(zero)-1].End-reset.Begin, 0, seconds(1), zero[len(zero)-1].Evidence()...)
	}
	j.Outcomes("the writes to LUN 1", one, Good)
	judgeSentInOrder(j, "writes on the wire", r.Commands(), one)
	j.None("task management on the wire", "none", Events(r.PDUs(FromInitiator, Opcode(pdu.OpTaskManagementRequest))))
}
