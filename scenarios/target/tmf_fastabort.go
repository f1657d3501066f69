package target

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// fastAbortChecks are those of the groups tmf and async that are about TaskReporting=FastAbort (RFC 7143, Sections 4.2.3.4 and 13.23).
func fastAbortChecks() []Check {
	return []Check{
		{ID: "tmf.fastabort.negotiated-semantics", Risk: scenarios.Writes, Run: fastAbort},
		{ID: "tmf.fastabort.tags-valid-until-acknowledged", Risk: scenarios.Writes, Run: tagsStayValid},
		{ID: "tmf.fastabort.told-by-standard-session", Risk: scenarios.Writes, Run: toldByStandardSession},
		{ID: "async.fastabort-event.only-if-negotiated", Risk: scenarios.Writes, Run: func(t *T) {
			t.Part("the other session has FastAbort", func() { t.spared("TaskReporting=FastAbort") })
			t.Part("the other session has no FastAbort", func() { t.spared() })
		}},
	}
}

// fastAborting opens a session with FastAbort; the part is skipped where that is not agreed.
func (t *T) fastAborting(l probe.Login) *probe.Conn {
	l.Keys = append(l.Keys, Keys("TaskReporting=FastAbort")...)
	c := t.clone(l)
	if got := c.Session.Params.TaskReporting; got != "FastAbort" {
		t.Skip("TaskReporting=FastAbort is not agreed, but %s.", got)
	}
	return c
}

// terminated awaits event 5 on a connection; nil when it does not come.
func (t *T) terminated(c *probe.Conn) *pdu.AsyncMessage {
	e := c.Await(t.Options().QuietTime, func(e probe.Event) bool {
		m, is := probe.As[*pdu.AsyncMessage](e)
		return is && m.Event == pdu.AsyncTasksTerminated
	})
	m, _ := probe.As[*pdu.AsyncMessage](e)
	if m != nil && m.LUN != t.Options().LUN {
		t.Fail(fmt.Sprintf("event 5 for LUN 0x%016x", m.LUN), fmt.Sprintf("LUN 0x%016x", t.Options().LUN))
	}
	return m
}

// acknowledges makes the NOP-Out that acknowledges event 5.
func acknowledges(c *probe.Conn, m *pdu.AsyncMessage) *pdu.NOPOut {
	return &pdu.NOPOut{Immediate: true, LUN: m.LUN, ITT: pdu.ReservedTag, TTT: pdu.ReservedTag, CmdSN: c.Session.CmdSN, ExpStatSN: c.ExpStatSN}
}

func fastAbort(t *T) {
	c := t.fastAborting(solicited())
	other := t.fastAborting(solicited())
	theirs, _ := t.Held(other, 64, pattern(60, 4096), oldTag)
	tasks, _ := t.holdMany(c, 2, 4096)
	request := c.TaskManagement(pdu.FunctionLogicalUnitReset, pdu.ReservedTag, 0)
	// A failed write shows in the next event.
	_ = c.Send(request)
	e := c.Await(30*time.Second, func(e probe.Event) bool { return e.Frame.BHS.ITT() == request.ITT })
	t.completeOrSkip(e, pdu.FunctionLogicalUnitReset)
	t.silentAfter(c, request, tasks...)
	if m := t.terminated(other); m != nil {
		// A failed write shows in the next event.
		_ = other.Send(acknowledges(other, m))
		t.Survives(other, "the other session")
		return
	}
	r := other.Execute(probe.TestUnitReady())
	if late := t.statusSeen(other, theirs); late == nil && cleared(r) {
		t.Warn("The other session is told by a unit attention alone.", r, "event 5")
		return
	}
	t.Fail(fmt.Sprintf("no event 5 for the other session, and %v for its next command", r), "event 5")
}

func tagsStayValid(t *T) {
	a, b := t.fastAborting(solicited()), t.fastAborting(solicited())
	n := t.room(b, 0, 64<<10)
	old := t.Content(b, 0, n)
	task, r2t := t.Held(b, 0, pattern(61, n), oldTag)
	b.HoldExpStatSN = true // the NOP-Out is to acknowledge the event, not the data
	request := a.TaskManagement(pdu.FunctionLogicalUnitReset, pdu.ReservedTag, 0)
	response, e := a.Manage(request)
	if response == nil {
		t.Fail(e, "a Task Management Response")
	}
	m := t.terminated(b)
	if m == nil {
		t.Skip("No event 5 comes.")
	}
	task.Serve(r2t)
	b.HoldExpStatSN, b.ExpStatSN = false, m.StatSN+1
	// A failed write shows in the next event.
	_ = b.Send(acknowledges(b, m))
	t.Survives(b, "the session that had data under way")
	for _, s := range t.Received(b) {
		if _, is := s.PDU.(*pdu.Reject); is {
			t.Fail(s.Event.PDU, "data under way is discarded in silence")
		}
	}
	if late := t.statusSeen(b, task); late != nil {
		t.Fail(fmt.Sprintf("status 0x%02x for the WRITE", late.Status), "no status for a task that was ended")
	}
	t.Holds(b, 0, old, "data of a task that was ended")
}

func toldByStandardSession(t *T) {
	b := t.fastAborting(solicited())
	a := t.clone(probe.Login{})
	task, _ := t.Held(b, 0, pattern(62, 4096), oldTag)
	response, e := a.Manage(a.TaskManagement(pdu.FunctionLogicalUnitReset, pdu.ReservedTag, 0))
	switch {
	case response == nil:
		t.Fail(e, "a Task Management Response")
	case response.Response != pdu.TaskResponseComplete:
		t.Skip("The target does not reset the logical unit: %v.", response.Response)
	}
	if m := t.terminated(b); m != nil {
		// A failed write shows in the next event.
		_ = b.Send(acknowledges(b, m))
		t.Survives(b, "the session with FastAbort")
		return
	}
	r := b.Execute(probe.TestUnitReady())
	if late := t.statusSeen(b, task); late == nil && cleared(r) {
		t.Warn("The session with FastAbort is told by a unit attention alone.", r, "event 5")
		return
	}
	t.Fail(fmt.Sprintf("no event 5, and %v for the next command", r), "event 5")
}

// spared resets the logical unit from a session with the keys, and ends the part when a session without FastAbort gets event 5.
func (t *T) spared(keys ...string) {
	a := t.Open(solicited())
	if t.MayWrite() {
		t.Held(a, 0, pattern(63, 4096), oldTag)
	} else {
		a.Start(t.Read(a, 0, t.room(a, 0, 256<<10)))
	}
	b := t.clone(probe.Login{Keys: Keys(keys...)})
	if response, e := b.Manage(b.TaskManagement(pdu.FunctionLogicalUnitReset, pdu.ReservedTag, 0)); response == nil {
		t.Fail(e, "a Task Management Response")
	}
	t.Quiet(a)
	for _, s := range t.Received(a) {
		if m, is := s.PDU.(*pdu.AsyncMessage); is && m.Event == pdu.AsyncTasksTerminated {
			t.Fail(s.Event.PDU, "no event 5 for a session that has not agreed to FastAbort")
		}
	}
}
