package sessions

import (
	"fmt"
	"slices"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group device-stack, rows queue.*: what becomes of requests while the session is down, and afterwards.

// The blocks that queue checks write: behind those of the probe.
const (
	ownBlocks   = 1000 // one for each request
	sharedBlock = 2000 // one for all
)

func queueChecks() []Check {
	return []Check{{
		ID:      "queue.replayed-in-order",
		Accepts: []string{"CmdSN order equal to submission order, never beyond the window, and the last stamp in the shared block"},
		Runs: []Plan{{
			Steps: slices.Concat(established(),
				[]Step{{At: seconds(9), Do: ArrayOp{Action: simtarget.Action{Login: &simtarget.LoginRule{Window: new(8)}}}}},
				outage(seconds(10)),
				[]Step{
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
	}}
}

func judgeReplayedInOrder(j *Judge, runs []*Run) {
	r := runs[0]
	writes := slices.Concat(r.Ops("own"), r.Ops("shared"))
	j.Count("writes submitted", len(writes), 128, 128)
	j.Outcomes("the queued writes", writes, Good)
	heal := r.At("heal")
	sent := Picked(r.Commands(From(heal)), 0, scsi.OpWrite10, scsi.OpWrite16)
	if j.Count("writes on the wire after the outage", len(sent), 128, 128, CommandEvents(sent)...) {
		inOrder := true
		for i, c := range sent {
			want := Stamp(writes[i].Label, writes[i].N, writes[i].LBA)
			if got := headOf(c.SCSI.Data); got != want || i > 0 && c.CmdSN() != sent[i-1].CmdSN()+1 {
				inOrder = j.Want(false, fmt.Sprintf("write %d after the outage", i+1), want+" with the next CmdSN", fmt.Sprintf("%s with CmdSN %d", got, c.CmdSN()), c.Event)
				break
			}
		}
		if inOrder {
			j.Want(true, "the order of the writes by CmdSN", "that of their submission", "that of their submission")
		}
	}
	j.None("commands beyond the window", "none", Events(r.BeyondWindow(From(heal))))
	read := r.Op("read")
	if j.Outcome(read, Good) {
		last := r.Ops("shared")[63]
		j.Equal("content of the shared block", read.Head, Stamp(last.Label, last.N, last.LBA), read.Evidence()...)
	}
}
