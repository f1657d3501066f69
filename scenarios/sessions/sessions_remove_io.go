package sessions

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/initiator"
	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// The group sessions-add-remove: what becomes of requests that are under way when their session is removed.

// bigWrite is more blocks than the unsolicited data of BASE covers, so that each write needs an R2T.
const bigWrite = 136

func sessionsRemoveIOChecks() []Check {
	hold := Step{Do: ArrayOp{Action: simtarget.Action{Command: &simtarget.CommandRule{Times: simtarget.Times{Next: simtarget.Always},
		Opcodes: []byte{byte(scsi.OpRead10), byte(scsi.OpWrite10)}, Hold: true}}}}
	plan := func(name string, logout simtarget.LogoutRule, during ...Step) Plan {
		remove := removed("s")
		remove.Async = true
		return Plan{Name: name, Until: seconds(40), Steps: slices.Concat(established(), []Step{
			hold, nextLogout(logout),
			{Label: "reads", At: seconds(5), Async: true, Do: Submit{Count: 16, Step: 1, Read: &Read{LBA: ownBlocks}}},
			{Label: "writes", Async: true, Do: Submit{Count: 16, Step: bigWrite, Write: &Write{LBA: sharedBlock, Blocks: bigWrite}}},
			remove,
		}, during, []Step{{Label: "list", At: seconds(35), Do: ListSessions{}}})}
	}
	return []Check{{
		ID:      "sessions.remove.outstanding-io",
		Accepts: []string{"Logout at once; what the target completes before its response GOOD, the rest LOGGED-OUT at the response or the logout timeout"},
		Runs: []Plan{
			plan("nothing completed", simtarget.LogoutRule{}),
			plan("some completed before the Logout Response", simtarget.LogoutRule{Delay: seconds(2)},
				Step{At: seconds(11), Do: ArrayOp{Action: simtarget.Action{Release: &simtarget.Release{Next: 8}}}}),
			plan("no Logout Response", simtarget.LogoutRule{Silence: true}),
		},
		Judge: judgeOutstanding,
		Defects: []Defect{
			{Name: "Logout.ForgetWaiters", Set: func(d *initiator.Deviations) { d.Logout.ForgetWaiters = true }},
		},
	}}
}

func judgeOutstanding(j *Judge, runs []*Run) {
	for i, r := range runs {
		if !j.In(r).Outcome(r.Op("s"), OK) {
			continue
		}
		remove, requests := r.Op("remove"), slices.Concat(r.Ops("reads"), r.Ops("writes"))
		sent := Picked(r.Commands(Before(remove.Begin)), 0, scsi.OpRead10, scsi.OpWrite10)
		if len(requests) != 32 || len(sent) != 32 || r.Op("reads").End < remove.Begin {
			j.Unclear("32 requests under way", fmt.Sprintf("%d submitted, %d sent", len(requests), len(sent)), CommandEvents(sent)...)
		}
		out, ok := judgeClosingLogout(j, r, remove.Begin)
		if !ok {
			continue
		}
		j.Want(remove.Outcome != Pending, "the removal", "an end", remove.Outcome, remove.Evidence()...)
		over := out.At + logoutDeadline
		if answers := r.PDUs(FromTarget, Opcode(pdu.OpLogoutResponse)); len(answers) == 1 {
			over = answers[0].At
		} else if i < 2 {
			j.Unclear("a Logout Response", fmt.Sprintf("%d of them", len(answers)), Events(answers)...)
		}
		judgeEndedOnce(j, r, requests)
		completed := []int{0, 8, 0}[i]
		judgeCompleted(j, requests, completed, remove.Begin, over)
		j.None("SCSI Commands after the Logout Request", "none", CommandEvents(r.Commands(From(out.At))))
		j.Count("commands that the target executed", executedBetween(r, r.Op("reads").Begin, r.Ended), completed, completed)
		j.Count("sessions listed afterwards", len(r.Op("list").Sessions()), 0, 0, r.Op("list").Evidence()...)
	}
}

// judgeCompleted expects that the first requests ended with GOOD before the session's end, and that the rest were told LOGGED-OUT at that instant.
func judgeCompleted(j *Judge, requests []OpRun, good int, from, over time.Duration) {
	var first, rest []OpRun
	for _, o := range requests {
		if o.Is(Good) {
			first = append(first, o)
		} else {
			rest = append(rest, o)
		}
	}
	j.Count("requests that ended with GOOD", len(first), good, good)
	for _, o := range first {
		if o.End < from || o.End > over {
			j.Within("a request that the target completed", o.End, from, over, o.Evidence()...)
			break
		}
	}
	if !j.Outcomes("the other requests", rest, LoggedOut) {
		return
	}
	for _, o := range rest {
		if o.End < over-Slack || o.End > over+Slack {
			j.Instant("the end of a request that was not completed", o.End, over, o.Evidence()...)
			return
		}
	}
	j.Instant("the end of those that were not completed", rest[len(rest)-1].End, over, rest[len(rest)-1].Evidence()...)
}

// executedBetween counts the reads and writes that the arrays executed with success.
func executedBetween(r *Run, from, to time.Duration) int {
	n := 0
	for _, x := range r.Executed() {
		rw := x.Event.Op == scsi.OpRead10.String() || x.Event.Op == scsi.OpWrite10.String()
		if rw && from <= x.At && x.At <= to {
			n++
		}
	}
	return n
}
