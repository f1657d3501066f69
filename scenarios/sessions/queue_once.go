package sessions

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
	"github.com/iscsispec/iscsispec/trace"
)

// The group device-stack, rows queue.* about losses in the middle of things: every request ends, and ends once.

func queueOnceChecks() []Check {
	return []Check{{
		ID:      "queue.each-once",
		Accepts: []string{"200 completions, and no write sent again that was answered; the unanswered ones may be"},
		Runs: []Plan{{
			// The window counts open commands: with ten held, no eleventh is sent.
			Arrays: []Array{{Change: "session: {command_window: 10}"}},
			Steps: slices.Concat(established(),
				[]Step{onCommand(9, simtarget.CommandRule{Opcodes: writes, Times: simtarget.Times{Skip: 50, Next: 10}, HoldResponse: true})},
				outage(seconds(10)), []Step{
					{Label: "write", After: "cut", At: seconds(1), Async: true, Do: Submit{Count: 200, Step: 1, Write: &Write{LBA: ownBlocks}}},
					healed(seconds(7)),
					{Label: "again", After: "cut", At: seconds(12), Do: Sever{}},
				}),
			Until: seconds(50),
		}},
		Judge: judgeEachOnce,
		Defects: []Defect{
			{Name: "Queue.ReplayFinished", Set: func(d *initiator.Deviations) { d.Queue.ReplayFinished = true }},
			{Name: "Queue.ForgetInFlight", Set: func(d *initiator.Deviations) { d.Queue.ForgetInFlight = true }},
		},
	}, {
		ID: "queue.inflight-at-loss",
		Accepts: []string{"for a disk: sent again as new commands, in their old order and ahead of the queue, and completed once",
			"for a sequential device: TRANSPORT-LOST, and not sent again"},
		Runs: []Plan{
			inFlightAtLoss("disk", Array{}),
			inFlightAtLoss("sequential device", Array{Change: "targets: [{name: " + TargetName(1) + ", luns: [{number: 0, size: 64MiB, sequential: true}]}]"}),
		},
		Judge: judgeInFlightAtLoss,
		Defects: []Defect{
			{Name: "Queue.ForgetInFlight", Set: func(d *initiator.Deviations) { d.Queue.ForgetInFlight = true }},
			{Name: "Queue.FailInFlight", Set: func(d *initiator.Deviations) { d.Queue.FailInFlight = true }},
		},
	}, {
		ID:      "queue.io-at-exact-reconnect",
		Accepts: []string{"every submitted request completed, none outstanding longer than 10 s after the last heal"},
		Runs:    []Plan{ioAtExactReconnect()},
		Judge:   judgeAtExactReconnect,
		Defects: []Defect{
			{Name: "Queue.LoseWakeUp", Set: func(d *initiator.Deviations) { d.Queue.LoseWakeUp = true }},
		},
	}}
}

// inFlightAtLoss cuts the link while the array has 8 reads and 8 writes that it has not answered, and queues 8 more writes.
func inFlightAtLoss(name string, array Array) Plan {
	held := simtarget.CommandRule{Opcodes: append([]byte{byte(scsi.OpRead10)}, writes...), Times: simtarget.Times{Next: 16}, HoldResponse: true}
	return Plan{Name: name, Arrays: []Array{array}, Until: seconds(40), Steps: slices.Concat(established(), []Step{
		onCommand(9, held),
		{Label: "read", At: seconds(9.5), Async: true, Do: Submit{Count: 8, Step: 1, Read: &Read{LBA: sharedBlock}}},
		{Label: "write", Async: true, Do: Submit{Count: 8, Step: 1, Write: &Write{LBA: ownBlocks}}},
	}, outage(seconds(10)), []Step{
		{Label: "queued", After: "cut", At: seconds(1), Async: true, Do: Submit{Count: 8, Step: 1, Write: &Write{LBA: ownBlocks + 100}}},
		healed(seconds(6)),
	})}
}

// outages is how many the row asks for.
const outages = 100

// ioAtExactReconnect keeps 8 submitters busy over a hundred outages. In each a burst of requests surrounds the instant at which the session comes back,
// 5 s after the last time: its submitters would otherwise all wait in the queue by then.
func ioAtExactReconnect() Plan {
	var round []Step
	for i := range 10 {
		round = append(round,
			Step{Do: Refuse{}}, Step{Label: "cut", Do: Sever{}},
			Step{Label: "heal", After: "cut", At: seconds(0.5 + 2.5*float64(i)/9), Do: Heal{}},
			Step{Label: "burst", After: "cut", At: seconds(4.993), Async: true, Do: Submit{Count: 16, Every: 500 * time.Microsecond, Read: &Read{LBA: ownBlocks}}},
			Step{Label: "probe", Deadline: seconds(20), Do: Probe{}},
		)
	}
	return Plan{Until: seconds(530), Steps: slices.Concat(established(), []Step{
		{Label: "load", At: seconds(9.995), Async: true, Do: Load{Workers: 8, For: seconds(500)}},
		{At: seconds(10), Do: Wait{}},
		{Do: Repeat{Times: outages / 10, Steps: round}},
	})}
}

func judgeEachOnce(j *Judge, runs []*Run) {
	r := runs[0]
	first := r.Dials(DialledFrom(r.At("heal")), DialledBefore(r.At("again")), LoggedIn)
	then := r.Dials(DialledFrom(r.At("again")), LoggedIn)
	if !j.Outcome(r.Op("s"), OK) || !j.Count("logins after the first outage", len(first), 1, 1, DialEvents(first)...) ||
		!j.Count("logins after the second loss", len(then), 1, 1, DialEvents(then)...) {
		return
	}
	submitted := r.Ops("write")
	j.Count("writes submitted", len(submitted), 200, 200)
	judgeEndedOnce(j, r, submitted)
	answered := r.answeredWrites(first[0].Conn)
	received := Picked(r.Commands(OnConn(first[0].Conn)), 0, scsi.OpWrite10)
	if len(answered) != 50 || len(received) != 60 {
		j.Unclear("the second loss", fmt.Sprintf("it came with %d of %d writes answered that the array had received, not 50 of 60", len(answered), len(received)))
	}
	again := map[string]bool{}
	for _, c := range Picked(r.Commands(OnConn(then[0].Conn)), 0, scsi.OpWrite10) {
		stamp := headOf(c.SCSI.Data)
		if slices.Contains(answered, stamp) || again[stamp] {
			j.Want(false, "a write after the second loss", "one that was not answered before", "another sending of "+stamp, c.Event)
			return
		}
		again[stamp] = true
	}
	j.Count("writes after the second loss, none of them answered before", len(again), 150, 150)
	j.Outcomes("the queued writes", submitted, Good)
}

// judgeEndedOnce expects one end of each request, as its requester saw it.
func judgeEndedOnce(j *Judge, r *Run, submitted []OpRun) {
	ends := map[uint64]int{}
	for _, e := range r.Events {
		if e.Kind == trace.KindOp && e.State == trace.OpEnd {
			ends[e.Request]++
		}
	}
	once := 0
	for _, o := range submitted {
		if n := ends[o.Began.Request]; n == 1 {
			once++
		} else if len(j.findings) < 8 { // the first ones tell enough
			j.Want(false, fmt.Sprintf("completions of %s %d", o.Label, o.N), "1", fmt.Sprint(n), o.Evidence()...)
		}
	}
	j.Count("requests completed exactly once", once, len(submitted), len(submitted))
}

// answeredWrites gives the stamps of the writes on a connection for which the initiator received an answer.
func (r *Run) answeredWrites(conn string) []string {
	stamps := map[uint32]string{}
	var answered []string
	for _, w := range r.PDUs(OnConn(conn)) {
		switch p := w.PDU.(type) {
		case *pdu.SCSICommand:
			if p.Write {
				stamps[p.ITT] = headOf(p.Data)
			}
		case *pdu.SCSIResponse:
			if stamp, ok := stamps[p.ITT]; ok {
				answered = append(answered, stamp)
				delete(stamps, p.ITT)
			}
		}
	}
	return answered
}

func judgeInFlightAtLoss(j *Judge, runs []*Run) {
	for _, r := range runs {
		j.In(r)
		if !j.Outcome(r.Op("s"), OK) {
			continue
		}
		cut := r.At("cut")
		reads, inFlight, queued := r.Ops("read"), slices.Concat(r.Ops("read"), r.Ops("write")), r.Ops("queued")
		received := r.ArrayPDUs(FromInitiator, Opcode(pdu.OpSCSICommand), From(seconds(9.5)), Before(cut))
		answers := r.ArrayPDUs(FromTarget, Opcode(pdu.OpSCSIResponse, pdu.OpDataIn), From(seconds(9.5)), Before(cut))
		if len(received) != 16 || len(answers) != 0 {
			j.Unclear("the loss", fmt.Sprintf("the array had received %d commands and answered %d", len(received), len(answers)))
		}
		judgeEndedOnce(j, r, slices.Concat(inFlight, queued))
		again := r.Commands(From(r.At("heal")))
		again = Picked(again, 0, scsi.OpRead10, scsi.OpWrite10)
		if r == runs[1] {
			j.Outcomes("the commands in flight", inFlight, TransportLost)
			judgeReissued(j, again, queued)
			continue
		}
		j.Outcomes("the commands in flight, and those queued", slices.Concat(inFlight, queued), Good)
		judgeReissued(j, again, slices.Concat(inFlight, queued))
		for _, o := range reads {
			if want := fmt.Sprintf("%016x", o.LBA); !strings.HasPrefix(o.Head, want) {
				j.Want(false, fmt.Sprintf("the data of read %d", o.N), want+"...", o.Head, o.Evidence()...)
			}
		}
	}
}

// judgeReissued expects commands on the wire to be those submitted, in that order, each with a CmdSN and an ITT of its own.
func judgeReissued(j *Judge, again []Command, submitted []OpRun) {
	if !j.Count("commands on the wire after the outage", len(again), len(submitted), len(submitted), CommandEvents(again)...) {
		return
	}
	tags := map[uint32]bool{}
	for i, c := range again {
		want := attr(submitted[i].Began, "cdb")
		got := fmt.Sprintf("%x", c.SCSI.CDB[:len(want)/2])
		if got != want || tags[c.SCSI.ITT] || i > 0 && c.CmdSN() != again[i-1].CmdSN()+1 {
			j.Want(false, fmt.Sprintf("command %d after the outage", i+1), fmt.Sprintf("%s (%s %d) with the next CmdSN and a fresh ITT", want, submitted[i].Label, submitted[i].N),
				fmt.Sprintf("%s with CmdSN %d and ITT 0x%x", got, c.CmdSN(), c.SCSI.ITT), c.Event)
			return
		}
		tags[c.SCSI.ITT] = true
	}
	j.Want(true, "their order and numbers", "old order, new CmdSN and ITT", "old order, new CmdSN and ITT")
}

// outstandingMax is how long after the last heal a request may be under way, by the row.
const outstandingMax = 10 * time.Second

func judgeAtExactReconnect(j *Judge, runs []*Run) {
	r := runs[0]
	if !j.Outcome(r.Op("s"), OK) {
		return
	}
	heals := r.Ops("heal")
	if n := len(heals); n != outages {
		j.Unclear("outages", fmt.Sprintf("%d instead of %d", n, outages))
		return
	}
	j.Outcomes("the probes", r.Ops("probe"), Good)
	submitted := slices.Concat(r.Ops("load"), r.Ops("burst"), r.Ops("probe"))
	last := heals[outages-1].End
	stuck := 0
	for _, o := range submitted {
		if o.Is(Pending) || o.End > last+outstandingMax {
			if stuck++; stuck <= 3 { // the first ones tell enough
				j.Want(false, fmt.Sprintf("end of %s %d", o.Label, o.N), fmt.Sprintf("at %v at the latest", last+outstandingMax), o.Outcome+" at "+o.End.String(), o.Evidence()...)
			}
		}
	}
	j.Count("requests stuck", stuck, 0, 0)
	judgeEndedOnce(j, r, submitted)
	j.Outcomes("all requests", submitted, Good)
}
