package monitor

import (
	"bytes"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
)

// The rules of pings, task management, logouts and the rest.
var (
	managementForm = rule{side: initiator, row: "tmf.pdu-fields", name: "form of a Task Management Request", clause: "RFC 7143, Section 11.5",
		needs: framing, spoils: everything &^ (framing | status | keys)}
	managementTag = rule{side: initiator, row: "tmf.referenced-tag-reserved", name: "Referenced Task Tag", clause: "RFC 7143, Section 11.5.4",
		needs: framing, spoils: order | data}
	managed = rule{side: target, row: "tmf.response.format", name: "form of a Task Management Response", clause: "RFC 7143, Section 11.6"}
	manages = rule{side: target, row: "tmf.response.format", name: "one Task Management Response a request", clause: "RFC 7143, Section 11.6",
		needs: framing | order | login | status, spoils: order}

	managementLUN = rule{side: initiator, row: "tmf.lun-field", name: "LUN of a task that is aborted", clause: "RFC 7143, Section 11.5.3",
		needs: framing | order, spoils: order | data}
	managementCmdSN = rule{side: initiator, row: "tmf.refcmdsn", name: "RefCmdSN of a task that is aborted", clause: "RFC 7143, Section 11.5.5",
		needs: framing | order, spoils: order | data}

	pingForm = rule{side: initiator, row: "nop.initiator-ping", name: "form of a ping", clause: "RFC 7143, Section 11.18",
		needs: framing | login | order, spoils: order}
	pingAnswer = rule{side: initiator, row: "nop.ping-answer", name: "the answer to a ping of the target", clause: "RFC 7143, Section 11.18",
		needs: framing | login | order, spoils: order}
	pingLength = rule{side: initiator, row: "dataout.mrdsl-respected", name: "length of a ping", clause: "RFC 7143, Section 13.12",
		needs: framing | keys | login, spoils: everything &^ (framing | status)}
	nopForm    = rule{side: target, row: "nop.unsolicited.format", name: "form of a NOP-In", clause: "RFC 7143, Section 11.19"}
	nopInforms = rule{side: target, row: "nop.unsolicited.information-only", name: "a NOP-In for information", clause: "RFC 7143, Section 11.19"}
	echoNow    = rule{side: target, row: "nop.ping.data-echo-immediate", name: "ping data comes back", clause: "RFC 7143, Section 11.19",
		needs: framing | keys | login | order}
	echoLater = rule{side: target, row: "nop.ping.data-echo-non-immediate", name: "ping data comes back", clause: "RFC 7143, Section 11.19",
		needs: framing | keys | login | order}
	echoCutNow = rule{side: target, row: "nop.ping.data-truncated-immediate", name: "long ping data comes back in part", clause: "RFC 7143, Section 11.18.3",
		needs: framing | keys | login | order}
	echoCutLater = rule{side: target, row: "nop.ping.data-truncated-non-immediate", name: "long ping data comes back in part",
		clause: "RFC 7143, Section 11.18.3", needs: framing | keys | login | order}

	asyncForm    = rule{side: target, row: "async.format.fields", name: "form of an Async Message", clause: "RFC 7143, Section 11.9"}
	rejectForm   = rule{side: target, row: "reject.format.fields", name: "form of a Reject", clause: "RFC 7143, Section 11.17"}
	rejectReason = rule{side: target, row: "reject.reason.withdrawn-not-used", name: "reason of a Reject", clause: "RFC 7143, Section 11.17.1"}
	rejectCopies = rule{side: target, row: "reject.format.fields", name: "a Reject brings the header back", clause: "RFC 7143, Section 11.17.4",
		needs: framing}
	noSnack = rule{side: initiator, row: "recovery.snack.not-at-erl0", name: "no SNACK at recovery level 0", clause: "RFC 7143, Section 11.16",
		needs: framing | keys | login, spoils: everything &^ framing}
)

// manage follows a Task Management Request: what it may end is no longer followed.
func (c *conn) manage(p *pdu.TaskManagementRequest) {
	switch {
	case !c.now.PDU.Header.Final():
		c.broken(&managementForm, "F=0")
	case p.Function == 0 || p.Function > pdu.FunctionQueryAsynchronousEvent:
		c.spoil(initiator, order)
	case held(c.now) > 0:
		c.broken(&managementForm, "%d bytes of data", held(c.now))
	}
	named := p.Function == pdu.FunctionAbortTask || p.Function == pdu.FunctionTaskReassign || p.Function == pdu.FunctionQueryTask
	if !named && p.ReferencedTaskTag != pdu.ReservedTag && p.Function > 0 && p.Function < pdu.FunctionTaskReassign {
		c.broken(&managementTag, "%s with the Referenced Task Tag %s", p.Function, hex(p.ReferencedTaskTag))
	}
	switch p.Function {
	case pdu.FunctionQueryTask, pdu.FunctionQueryTaskSet, pdu.FunctionQueryAsynchronousEvent:
	case pdu.FunctionAbortTask:
		c.aborts(p)
		c.s.rejected = true // it may stand for a command that never came
	case pdu.FunctionTaskReassign:
		c.lose(order | data | status)
	default:
		for _, t := range c.s.tasks {
			t.aborted = true
		}
	}
	if p.ITT == pdu.ReservedTag {
		c.broken(&tagUnique, "the reserved task tag for task management")
		return
	}
	c.task(p.ITT, &task{kind: taskManagement, lun: p.LUN, cmdSN: p.CmdSN})
}

// aborts follows an ABORT TASK.
func (c *conn) aborts(p *pdu.TaskManagementRequest) {
	t := c.s.tasks[p.ReferencedTaskTag]
	if t == nil {
		return
	}
	switch {
	case p.ITT == p.ReferencedTaskTag:
		c.broken(&managementForm, "the task tag %s of the task that is to be aborted", hex(p.ITT))
	case p.LUN != t.lun && t.kind == scsiTask:
		c.broken(&managementLUN, "ABORT TASK with LUN %016x, where the task has %016x", p.LUN, t.lun)
	case p.RefCmdSN != t.cmdSN && t.kind == scsiTask:
		c.broken(&managementCmdSN, "ABORT TASK with RefCmdSN %s, where the task has CmdSN %s", hex(p.RefCmdSN), hex(t.cmdSN))
	}
	t.aborted = true
}

// managed follows a Task Management Response.
func (c *conn) managed(p *pdu.TaskManagementResponse) {
	switch {
	case !c.now.PDU.Header.Final():
		c.broken(&managed, "F=0")
	case p.Response > pdu.TaskResponseSucceeded && p.Response != pdu.TaskResponseRejected:
		c.broken(&managed, "the response %d", p.Response)
	}
	c.closesRequest(p.ITT, taskManagement, &manages, p.Opcode())
}

// closesRequest ends a request with its one answer. It returns nil where there is none to end.
func (c *conn) closesRequest(itt uint32, k kind, r *rule, op pdu.Opcode) *task {
	t := c.s.tasks[itt]
	if t == nil || t.kind != k || t.c != c {
		if t == nil || !t.refused {
			c.broken(r, "a %s with the task tag %s, which no request has that waits for one", op, hex(itt))
		}
		return nil
	}
	c.s.finish(itt, t)
	return t
}

// nopOut follows a NOP-Out.
func (c *conn) nopOut(p *pdu.NOPOut) {
	if limit := c.agreed.limits[target]; limit > 0 && int(held(c.now)) > limit {
		c.broken(&pingLength, "a NOP-Out with %d bytes, where the target takes %d", held(c.now), limit)
	}
	if !c.now.PDU.Header.Final() {
		c.broken(&pingForm, "F=0")
	}
	lun, asked := c.pings[p.TTT]
	if asked {
		delete(c.pings, p.TTT)
	}
	switch {
	case p.ITT == pdu.ReservedTag && !p.Immediate:
		c.broken(&pingAnswer, "a NOP-Out with the reserved task tag and I=0")
	case p.TTT == pdu.ReservedTag || c.pingsGone:
	case asked && p.LUN != lun && lun<<16 == 0 && lun>>48 != 0xffff: // of one level, as disks have them
		c.broken(&pingAnswer, "LUN %016x in answer to a ping with %016x", p.LUN, lun)
	case !asked && p.ITT == pdu.ReservedTag:
		c.broken(&pingAnswer, "an answer to a ping with the Target Transfer Tag %s, which none has", hex(p.TTT))
	case !asked:
		c.broken(&pingForm, "a ping with the Target Transfer Tag %s", hex(p.TTT))
	}
	if p.ITT == pdu.ReservedTag {
		return
	}
	c.task(p.ITT, &task{kind: ping, cmdSN: p.CmdSN, echo: p.Data, echoCut: c.now.PDU.Cut > 0, immediate: p.Immediate})
}

// pingAnswered names the rule for an unmatched answer to a ping.
var pingAnswered = rule{side: target, row: "nop.ping.multiple-outstanding", name: "one answer to a ping", clause: "RFC 7143, Section 11.19",
	needs: framing | order | login | status, spoils: order}

// nopIn follows a NOP-In.
func (c *conn) nopIn(p *pdu.NOPIn) {
	n := held(c.now)
	switch {
	case !c.now.PDU.Header.Final():
		c.broken(&nopForm, "F=0")
	case p.ITT == pdu.ReservedTag && p.TTT == pdu.ReservedTag && n > 0:
		c.broken(&nopInforms, "%d bytes of data with both tags reserved", n)
	case p.ITT == pdu.ReservedTag && p.TTT == pdu.ReservedTag && p.LUN != 0:
		c.warned(&nopInforms, "LUN %016x with both tags reserved", p.LUN)
	case p.ITT == pdu.ReservedTag && n > 0:
		c.broken(&nopForm, "%d bytes of data in a ping of the target", n)
	}
	c.fits(p.Opcode())
	if p.ITT == pdu.ReservedTag {
		c.pinged(p)
		return
	}
	t := c.closesRequest(p.ITT, ping, &pingAnswered, p.Opcode())
	if t == nil || t.echoCut || c.now.PDU.Cut > 0 || c.agreed.limits[initiator] == 0 {
		return
	}
	whole, part := &echoNow, &echoCutNow
	if !t.immediate {
		whole, part = &echoLater, &echoCutLater
	}
	most := c.agreed.limits[initiator]
	switch want := t.echo[:min(len(t.echo), most)]; {
	case bytes.Equal(p.Data, want):
	case len(t.echo) <= most:
		c.broken(whole, "%d bytes come back, not the %d that were sent", len(p.Data), len(want))
	case len(p.Data) < most && bytes.Equal(p.Data, want[:len(p.Data)]):
		c.warned(part, "%d bytes come back of %d, where %d fit", len(p.Data), len(t.echo), most)
	default:
		c.broken(part, "%d bytes come back, not the first %d of %d", len(p.Data), most, len(t.echo))
	}
}

// pinged remembers a ping of the target.
func (c *conn) pinged(p *pdu.NOPIn) {
	switch {
	case p.TTT == pdu.ReservedTag:
	case len(c.pings) >= maxPings:
		c.pingsGone = true
	case c.pings == nil:
		c.pings = map[uint32]uint64{p.TTT: p.LUN}
	default:
		c.pings[p.TTT] = p.LUN
	}
}

// async follows an Async Message.
func (c *conn) async(p *pdu.AsyncMessage) {
	h := &c.now.PDU.Header
	switch {
	case !h.Final():
		c.broken(&asyncForm, "F=0")
	case h.ITT() != pdu.ReservedTag:
		c.broken(&asyncForm, "%s where the task tag stands, want 0xffffffff", hex(h.ITT()))
	case p.Event > pdu.AsyncTasksTerminated && p.Event < 248:
		c.broken(&asyncForm, "the event %d", p.Event)
	case len(p.Data) >= 2 && c.now.PDU.Cut == 0 && 2+int(p.Data[0])<<8+int(p.Data[1]) > len(p.Data):
		c.broken(&asyncForm, "SenseLength %d in %d bytes of data", int(p.Data[0])<<8|int(p.Data[1]), len(p.Data))
	}
	c.fits(p.Opcode())
	switch p.Event {
	case pdu.AsyncTasksTerminated:
		for _, t := range c.s.tasks {
			t.aborted = true
		}
	case pdu.AsyncConnectionDrop, pdu.AsyncSessionDrop, pdu.AsyncLogoutRequest:
		c.s.rejected = true
	}
}

// reject follows a Reject.
func (c *conn) reject(p *pdu.Reject) {
	h := &c.now.PDU.Header
	switch {
	case !h.Final():
		c.broken(&rejectForm, "F=0")
	case h.ITT() != pdu.ReservedTag:
		c.broken(&rejectForm, "%s where the task tag stands, want 0xffffffff", hex(h.ITT()))
	case len(p.Data) < pdu.BHSLength:
		c.broken(&rejectForm, "%d bytes of data, which are no header", len(p.Data))
	}
	switch {
	case p.Reason == pdu.RejectNegotiationReset:
		c.warned(&rejectReason, "the reason 0x0b")
	case p.Reason < pdu.RejectDataDigestError || p.Reason > pdu.RejectWaitingForLogout:
		c.broken(&rejectReason, "the reason 0x%02x", byte(p.Reason))
	}
	c.s.rejected = true
	if len(p.Data) < pdu.BHSLength {
		return
	}
	header := pdu.BHS(p.Data[:pdu.BHSLength])
	found := false
	for i := len(c.headers) - 1; i >= 0 && !found; i-- {
		found = c.headers[i] == header
	}
	if !found && !c.evicted {
		c.strange = &header
	}
	if t := c.s.tasks[header.ITT()]; t != nil && found {
		t.refused = true
	}
}

// snack follows a SNACK: what it asks for comes a second time.
func (c *conn) snack(*pdu.SNACKRequest) {
	if c.agreed.level == 1 {
		c.broken(&noSnack, "a SNACK at recovery level 0")
	}
	c.lose(status | data)
}
