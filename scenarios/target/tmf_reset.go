package target

import (
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// resetChecks are those of the group tmf that are about ACA, target resets and functions that a target may decline.
func resetChecks() []Check {
	return []Check{
		{ID: "tmf.clear-aca.supported-or-declined", Run: clearACA},
		{ID: "tmf.aca.supported", Run: contingentAllegiance},
		{ID: "tmf.target-warm-reset.cancels-or-declined", Risk: scenarios.Disruptive, Run: warmReset},
		{ID: "tmf.target-cold-reset.closes-or-declined", Risk: scenarios.Disruptive, Run: coldReset,
			Limits: scenarios.Limits{Run: 3 * time.Minute, Wall: 4 * time.Minute}},
		{ID: "tmf.unknown-function.declined", Run: func(t *T) {
			for _, f := range []pdu.TaskFunction{0, 13, 127} {
				t.Part(f.String(), func() { t.declinesFunction(f) })
			}
		}},
		{ID: "tmf.task-reassign.level-below-two", Risk: scenarios.Writes, Run: reassignBelowTwo},
	}
}

func clearACA(t *T) {
	c := t.Open(probe.Login{})
	response, e := c.Manage(c.TaskManagement(pdu.FunctionClearACA, pdu.ReservedTag, 0))
	want := []string{"function complete", "a response that declines it"}
	if response == nil {
		t.FailFirmly(e, want...)
	}
	if offered(response.Response) && response.Response != pdu.TaskResponseComplete {
		t.FailFirmly(response.Response, want...)
	}
}

func contingentAllegiance(t *T) {
	c := t.Open(probe.Login{})
	data := t.Done(c, inquiry(), "INQUIRY").Data
	if len(data) < 4 || data[3]&0x20 == 0 {
		t.Warn("The target does not offer ACA: NormACA is 0.", "NormACA=0", "NormACA=1")
		return
	}
	unit, err := c.Capacity()
	t.Check(err, "the size of the logical unit")
	cdb := scsi.Read16(unit.Blocks, 1)
	cdb[15] |= 4
	r := c.Execute(probe.Command{CDB: cdb, Read: int(unit.BlockSize)})
	if !r.Check() {
		t.Warn("A READ beyond the end with NACA=1 does not end in CHECK CONDITION.", r, "CHECK CONDITION")
		return
	}
	kept := c.Execute(probe.TestUnitReady())
	if !statusOf(kept, scsi.StatusACAActive) && !statusOf(kept, scsi.StatusBusy) {
		t.Warn("NormACA is announced, but NACA=1 does not establish the condition.", kept, "ACA ACTIVE", "BUSY")
	}
	response, e := c.Manage(c.TaskManagement(pdu.FunctionClearACA, pdu.ReservedTag, 0))
	switch {
	case response == nil:
		t.FailFirmly(e, "a Task Management Response")
	case response.Response != pdu.TaskResponseComplete:
		t.Warn("NormACA is announced, but CLEAR ACA is declined.", response.Response, "function complete")
	}
	if err := c.Probe(); err != nil {
		t.Warn("The condition goes on after CLEAR ACA.", err, "GOOD")
	}
}

func warmReset(t *T) {
	c := t.Open(probe.Login{})
	task := c.Start(t.Read(c, 0, t.room(c, 0, 1<<20)))
	request := c.TaskManagement(pdu.FunctionTargetWarmReset, pdu.ReservedTag, 0)
	request.Immediate = false
	c.Session.CmdSN++
	// A failed write shows in the next event.
	_ = c.Send(request)
	e := c.AnswerTo(request.ITT)
	response, is := probe.As[*pdu.TaskManagementResponse](e)
	switch {
	case e.Ended():
		t.Warn("The target drops the connection.", e, "a Task Management Response")
	case !is:
		t.Fail(e, "a Task Management Response")
	case !offered(response.Response):
		t.answered(task.Await())
	case response.Response != pdu.TaskResponseComplete:
		t.Fail(response.Response, "function complete", "a response that declines it")
	default:
		t.silentAfter(c, request, task)
	}
}

func coldReset(t *T) {
	a, b := t.Open(probe.Login{}), t.clone(probe.Login{})
	task := a.Start(t.Read(a, 0, t.room(a, 0, 256<<10)))
	request := a.TaskManagement(pdu.FunctionTargetColdReset, pdu.ReservedTag, 0)
	request.Immediate = false
	a.Session.CmdSN++
	// A failed write shows in the next event.
	_ = a.Send(request)
	e := a.AnswerTo(request.ITT)
	response, is := probe.As[*pdu.TaskManagementResponse](e)
	want := []string{"function complete and a drop", "a drop", "a response that declines it"}
	switch {
	case is && !offered(response.Response):
		t.answered(task.Await())
		t.Survives(a, "the session")
		t.Survives(b, "the other session")
		return
	case is && response.Response != pdu.TaskResponseComplete, !is && !e.Ended():
		t.Fail(e, want...)
	}
	for i, c := range []*probe.Conn{a, b} {
		if d := c.AwaitDropAfterAll(); !d.Dropped {
			t.Fail(fmt.Sprintf("session %d stays up: %v", i+1, d), want...)
		}
	}
	r := t.LoginWithin(probe.Login{}, time.Minute)
	t.Survives(t.Granted(r), "a session after the reset")
}

func (t *T) declinesFunction(f pdu.TaskFunction) {
	c := t.Open(probe.Login{})
	request := c.TaskManagement(f, 0xdead0001, c.Session.CmdSN-1)
	response, e := c.Manage(request)
	want := []string{"function not supported", "function rejected", "a Reject"}
	if response != nil {
		if response.Response != pdu.TaskResponseUnsupported && response.Response != pdu.TaskResponseRejected {
			t.Fail(response.Response, want...)
		}
		t.Survives(c, "the session")
		return
	}
	reject, is := probe.As[*pdu.Reject](e)
	switch {
	case e.Ended():
		t.Warn("The target drops the connection over an undefined function.", e, want...)
	case !is:
		t.Fail(e, want...)
	case reject.Reason == pdu.RejectProtocolError, reject.Reason == pdu.RejectCommandNotSupported, reject.Reason == pdu.RejectInvalidPDUField:
	default:
		t.Warn("The Reject has another reason.", e, want...)
	}
}

func reassignBelowTwo(t *T) {
	c := t.Open(solicited("ErrorRecoveryLevel=0"))
	if level := c.Session.Params.ErrorRecoveryLevel; level != 0 {
		t.Skip("ErrorRecoveryLevel is %d.", level)
	}
	task, r2t := t.Held(c, 0, pattern(53, 4096), oldTag)
	response, e := c.Manage(c.TaskManagement(pdu.FunctionTaskReassign, task.PDU.ITT, 0))
	_, rejected := probe.As[*pdu.Reject](e)
	want := "task allegiance reassignment not supported"
	if response == nil && !rejected {
		t.Fail(e, want)
	}
	if response != nil && response.Response == pdu.TaskResponseComplete {
		t.Fail(response.Response, want)
	}
	task.Serve(r2t)
	t.Good(task.Await(), "the WRITE that was to be reassigned")
	switch {
	case response != nil && response.Response == pdu.TaskResponseReassignUnsupported:
	case response == nil, !offered(response.Response), response.Response == pdu.TaskResponseStillAllegiant:
		t.Warn("The function is declined with another response.", e, want)
	default:
		t.Fail(response.Response, want)
	}
}
