package sessions

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/scsi"
)

// The group device-stack, rows queue.* about the bound: what is held, what is refused, and when there is room again.

const (
	// queueBound is the bound that the rows ask to set.
	queueBound = 128
	// largeBlocks are 256 KiB.
	largeBlocks = 256 << 10 / blockSize
)

func queueBoundChecks() []Check {
	bounded := Initiator{Settings: Settings{QueueEntries: queueBound}}
	return []Check{{
		ID:      "queue.bounded",
		Accepts: []string{"at most 128 requests held, with the data of no more than those"},
		Runs: []Plan{
			manyWhileDown("reads", bounded, Submit{Count: 1000, Read: &Read{LBA: ownBlocks}}),
			manyWhileDown("writes of 256 KiB", bounded, Submit{Count: 1000, Write: &Write{LBA: ownBlocks, Blocks: largeBlocks}}),
		},
		Judge: judgeBounded,
		Defects: []Defect{
			{Name: "Queue.Unbounded", Set: func(d *initiator.Deviations) { d.Queue.Unbounded = true }},
		},
	}, {
		ID:      "queue.full-clear-error",
		Accepts: []string{"requests 129 to 200 QUEUE-FULL at once and never sent, the first 128 all GOOD after the heal"},
		Runs: []Plan{{
			Initiator: bounded,
			Steps: slices.Concat(established(), outage(seconds(10)), []Step{
				{Label: "write", After: "cut", At: seconds(1), Async: true, Do: Submit{Count: 200, Step: 1, Write: &Write{LBA: ownBlocks}}},
				healed(seconds(20)),
			}),
			Until: seconds(50),
		}},
		Judge: judgeFullClearError,
		Defects: []Defect{
			{Name: "Queue.OverwriteOldest", Set: func(d *initiator.Deviations) { d.Queue.OverwriteOldest = true }},
			{Name: "Queue.Unbounded", Set: func(d *initiator.Deviations) { d.Queue.Unbounded = true }},
		},
	}, {
		ID:      "queue.full-recovers",
		Accepts: []string{"128 requests taken in the next outage, as in the one before"},
		Runs: []Plan{{
			Initiator: bounded,
			Steps: slices.Concat(established(), outage(seconds(10)), []Step{
				{Label: "fill", After: "cut", At: seconds(1), Async: true, Do: Submit{Count: queueBound + 1, Step: 1, Write: &Write{LBA: ownBlocks}}},
				{After: "cut", At: seconds(7), Do: Heal{}},
				{Label: "drained", After: "cut", At: seconds(9.95), Do: WaitFor{State: "ready", Within: seconds(20)}},
			}, outage(seconds(30)), []Step{
				{Label: "refill", After: "cut", At: seconds(1), Async: true, Do: Submit{Count: queueBound, Step: 1, Write: &Write{LBA: ownBlocks}}},
				healed(seconds(7)),
			}),
			Until: seconds(60),
		}},
		Judge: judgeFullRecovers,
		Defects: []Defect{
			{Name: "Queue.CountNeverFalls", Set: func(d *initiator.Deviations) { d.Queue.CountNeverFalls = true }},
		},
	}}
}

// manyWhileDown submits many requests in an outage that does not end before the run does.
func manyWhileDown(name string, settings Initiator, many Submit) Plan {
	return Plan{Name: name, Initiator: settings, Until: seconds(20), Steps: slices.Concat(established(), outage(seconds(10)), []Step{
		{Label: "many", After: "cut", At: seconds(1), Async: true, Do: many},
		{Label: "held", After: "cut", At: seconds(5), Do: ListSessions{}},
	})}
}

// judgeBounded takes for held what its requester still waits for: the queue keeps the requesters' own buffers, so the data of those is what it grows by.
func judgeBounded(j *Judge, runs []*Run) {
	for i, r := range runs {
		j.In(r)
		if !j.Outcome(r.Op("s"), OK) {
			continue
		}
		many := r.Ops("many")
		j.Count("requests submitted", len(many), 1000, 1000)
		held := slices.DeleteFunc(slices.Clone(many), func(o OpRun) bool { return !o.Is(Pending) })
		others := slices.DeleteFunc(slices.Clone(many), func(o OpRun) bool { return o.Is(Pending) })
		j.Count("requests held", len(held), 1, queueBound)
		j.Outcomes("the other requests", others, QueueFull)
		if i == 1 {
			kib := 0
			for _, o := range held {
				kib += o.Blocks * blockSize >> 10
			}
			j.Count("KiB of data held", kib, 256, queueBound*256)
		}
		row, found := r.Op("held").SessionRow(r.Session("s"))
		if j.Want(found, "the session in the listing", "listed", fmt.Sprintf("listed: %v", found), r.Op("held").Evidence()...) {
			j.Equal("requests queued by the listing", row.Queued, len(held), row.Event)
		}
	}
}

func judgeFullClearError(j *Judge, runs []*Run) {
	r := runs[0]
	submitted := r.Ops("write")
	if !j.Outcome(r.Op("s"), OK) || !j.Count("writes submitted", len(submitted), 200, 200) {
		return
	}
	taken, refused := submitted[:queueBound], submitted[queueBound:]
	j.Outcomes("the first 128 writes", taken, Good)
	if j.Outcomes("the other 72 writes", refused, QueueFull) {
		j.Within("the longest that one of them waited", longest(refused), 0, Slack)
	}
	judgeSentInOrder(j, "writes after the outage", r.Commands(From(r.At("heal"))), taken)
}

// longest is the longest that an op took.
func longest(ops []OpRun) time.Duration {
	most := time.Duration(0)
	for _, o := range ops {
		most = max(most, o.Took())
	}
	return most
}

func judgeFullRecovers(j *Judge, runs []*Run) {
	r := runs[0]
	fill, refill := r.Ops("fill"), r.Ops("refill")
	if !j.Outcome(r.Op("s"), OK) || !j.Count("requests of the first outage", len(fill), queueBound+1, queueBound+1) {
		return
	}
	j.Outcomes("those of the first outage up to the bound", fill[:queueBound], Good)
	if !fill[queueBound].Is(QueueFull) {
		j.Unclear("the queue is full", "the request beyond the bound ended "+fill[queueBound].Outcome, fill[queueBound].Evidence()...)
	}
	if drained := r.At("drained"); fill[queueBound-1].End > drained {
		j.Unclear("the queue drains before the second outage", "its last request ended at "+fill[queueBound-1].End.String())
	}
	j.Count("requests of the second outage", len(refill), queueBound, queueBound)
	j.Outcomes("those of the second outage", refill, Good)
	sent := Picked(r.Commands(From(r.At("heal"))), 0, scsi.OpWrite10)
	judgeSentInOrder(j, "writes after the second outage", sent, refill)
}
