package target

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// burstChecks are those of the group data-out that are about the Data-Out PDUs that answer an R2T.
func burstChecks() []Check {
	long := scenarios.Limits{Run: 4 * time.Minute, Wall: 5 * time.Minute}
	return []Check{
		{ID: "data-out.solicited.multiple-pdus-good", Risk: scenarios.Writes, Run: func(t *T) { t.cutUp(512, 4, 1000) }},
		{ID: "data-out.solicited.zero-length-pdu-tolerated", Risk: scenarios.Writes, Run: func(t *T) { t.cutUp(0) }},
		{ID: "data-out.solicited.more-than-requested", Risk: scenarios.Writes, Run: moreThanAsked, Limits: long},
		{ID: "data-out.solicited.less-than-requested", Risk: scenarios.Writes, Run: lessThanAsked, Limits: long},
		{ID: "data-out.solicited.wrong-ttt", Risk: scenarios.Writes, Limits: long,
			Run: func(t *T) { t.astrayData(func(p *pdu.DataOut) { p.TTT ^= 0x5a5a5a5a }) }},
		{ID: "data-out.solicited.wrong-lun", Risk: scenarios.Writes, Limits: long,
			Run: func(t *T) { t.astrayData(func(p *pdu.DataOut) { p.LUN ^= 0x0003000000000000 }) }},
		{ID: "data-out.solicited.wrong-buffer-offset", Risk: scenarios.Writes, Run: wrongOffset, Limits: long},
		{ID: "data-out.solicited.datasn-gap", Risk: scenarios.Writes, Array: recovering, Limits: long, Run: func(t *T) {
			for level := range 2 {
				t.Part(fmt.Sprintf("recovery level %d", level), func() { t.dataSNGap(level) })
			}
		}},
		{ID: "data-out.solicited.duplicate-datasn-discarded", Risk: scenarios.Writes, Array: recovering, Run: duplicateDataOut, Limits: long},
		{ID: "data-out.solicited.error-response-waits-for-final", Risk: scenarios.Writes, Run: responseWaitsForFinal},
	}
}

// sequenceFrom makes the Data-Out PDUs of a sequence: the first ones of these sizes, the rest in as few as the target takes.
func sequenceFrom(task *probe.Task, ttt uint32, offset, length int, sizes ...int) []*pdu.DataOut {
	var sequence []*pdu.DataOut
	for end := offset + length; offset < end; {
		n := min(takes(task.Conn), end-offset)
		if i := len(sequence); i < len(sizes) {
			n = min(n, sizes[i])
		}
		p := task.DataOut(ttt, offset, n)[0]
		p.LUN, p.DataSN, p.Final = task.PDU.LUN, uint32(len(sequence)), false
		sequence = append(sequence, p)
		offset += n
	}
	sequence[len(sequence)-1].Final = true
	return sequence
}

// answersTo makes the Data-Out PDUs that answer an R2T.
func answersTo(task *probe.Task, r *pdu.R2T, sizes ...int) []*pdu.DataOut {
	task.Forget(r)
	return sequenceFrom(task, r.TTT, int(r.BufferOffset), int(r.DesiredDataTransferLength), sizes...)
}

// puts sends Data-Out PDUs. A failed write shows in the next event.
func puts(c *probe.Conn, sequence []*pdu.DataOut) {
	for _, p := range sequence {
		_ = c.Send(p)
	}
}

// endOfWrite serves what is asked for until the write or the connection ends, or no answer comes for 30 s. Rejects on the way are returned too;
// behind one the target may wait for an abort, and no answer within the answer timeout is the end.
func endOfWrite(task *probe.Task) (r probe.Result, rejects []*pdu.Reject) {
	for began := time.Now(); ; {
		r = task.Await()
		reject := r.Rejected()
		if reject != nil && len(rejects) < windowMost {
			rejects = append(rejects, reject)
		} else if r.Event.Kind != probe.TimedOut || len(rejects) > 0 || time.Since(began) >= retryTime {
			return r, rejects
		}
	}
}

// askedAgain tells whether an R2T of the task asks for bytes that an earlier one has asked for.
func askedAgain(task *probe.Task) bool {
	end := uint32(0)
	for _, p := range task.R2Ts {
		if p.BufferOffset < end {
			return true
		}
		end = max(end, p.BufferOffset+p.DesiredDataTransferLength)
	}
	return false
}

// fitting ends the part unless the Rejects of data have the reasons of a malformed PDU.
func (t *T) fitting(rejects []*pdu.Reject) {
	for _, p := range rejects {
		if p.Reason != pdu.RejectProtocolError && p.Reason != pdu.RejectInvalidPDUField {
			t.Fail(fmt.Sprintf("a Reject with reason %v", p.Reason), "reason 04 or 09")
		}
	}
}

// spoilt judges a write whose data was not what its R2T asked for. It returns the result where the write came to GOOD by an R2T that asked again.
func (t *T) spoilt(task *probe.Task, want ...string) (r probe.Result, again bool) {
	r, rejects := endOfWrite(task)
	t.fitting(rejects)
	want = append([]string{"CHECK CONDITION", "a Reject with reason 04 or 09", "a drop"}, want...)
	switch {
	case r.Event.Ended(), r.Check(), !r.Answered && len(rejects) > 0:
	case r.Good() && askedAgain(task):
		return r, true
	case r.Answered && !r.Good():
		t.Warn("The write fails in another way.", r, want...)
	case r.Event.Kind == probe.TimedOut && slices.Contains(want, waitsOn):
		t.Warn("The target counts bytes and goes on waiting for the rest.", r, want...)
	default:
		t.Fail(r, want...)
	}
	return r, false
}

const (
	askAgain = "an R2T that asks again"
	waitsOn  = "an end within 30 s"
)

// contentAnew reads from block 0 in another session: what was sent before may have cost the target the old one.
func (t *T) contentAnew(c *probe.Conn, n int) []byte {
	t.Leave(c)
	c = t.Granted(t.LoginWithin(probe.Login{}, retryTime))
	t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the login")
	return t.Content(c, 0, n)
}

// cutUp writes in Data-Out PDUs of these sizes, and the rest.
func (t *T) cutUp(sizes ...int) {
	c := t.Open(solicited())
	data := pattern(41, t.room(c, 0, 8<<10))
	task, r2t := t.Held(c, 0, data, 0)
	puts(c, answersTo(task, r2t, sizes...))
	t.Good(task.Await(), fmt.Sprintf("a WRITE in Data-Out PDUs that begin with %d bytes", sizes))
	t.Holds(c, 0, data, "read back")
}

func moreThanAsked(t *T) {
	c := t.Open(solicited("MaxBurstLength=4096", "FirstBurstLength=4096"))
	task, r2t := t.Held(c, 0, pattern(42, t.room(c, 0, 8<<10)), 0)
	task.Forget(r2t)
	puts(c, sequenceFrom(task, r2t.TTT, int(r2t.BufferOffset), int(r2t.DesiredDataTransferLength)+512))
	if r, again := t.spoilt(task); again {
		t.Warn("The target asks again for data of which too much came.", r, "CHECK CONDITION", "a Reject with reason 04 or 09", "a drop")
	}
}

func lessThanAsked(t *T) {
	c := t.Open(solicited())
	data := pattern(43, t.room(c, 0, 8<<10))
	task, r2t := t.Held(c, 0, data, 0)
	if r2t.DesiredDataTransferLength <= 512 {
		t.Skip("The R2T asks for %d bytes only.", r2t.DesiredDataTransferLength)
	}
	task.Forget(r2t)
	puts(c, sequenceFrom(task, r2t.TTT, int(r2t.BufferOffset), int(r2t.DesiredDataTransferLength)-512))
	if _, again := t.spoilt(task, askAgain, waitsOn); again {
		t.Holds(c, 0, data, "read back")
	}
}

func wrongOffset(t *T) {
	t.Part("the write", func() {
		c := t.Open(solicited())
		data := pattern(44, t.room(c, 0, 4096))
		task, r2t := t.Held(c, 0, data, 0)
		sequence := answersTo(task, r2t)
		for _, p := range sequence {
			p.BufferOffset += 0x00100000
		}
		puts(c, sequence)
		if _, again := t.spoilt(task, askAgain); again {
			t.Holds(c, 0, data, "read back")
		}
	})
	t.serves("a session after data far outside its write")
}

func (t *T) dataSNGap(level int) {
	c := t.Open(solicited(fmt.Sprintf("ErrorRecoveryLevel=%d", level)))
	if agreed := c.Session.Params.ErrorRecoveryLevel; agreed != level {
		t.Skip("The target agrees to ErrorRecoveryLevel=%d.", agreed)
	}
	data := pattern(45, t.room(c, 0, 4096))
	task, r2t := t.Held(c, 0, data, 0)
	if r2t.DesiredDataTransferLength < 1024 {
		t.Skip("The R2T asks for %d bytes only.", r2t.DesiredDataTransferLength)
	}
	sequence := answersTo(task, r2t, 512)
	for _, p := range sequence[1:] {
		p.DataSN++
	}
	puts(c, sequence)
	r, rejects := endOfWrite(task)
	t.fitting(rejects)
	want := []string{"an R2T that asks again", "CHECK CONDITION", "a Reject with reason 04 or 09", "a drop"}
	switch {
	case r.Event.Ended(), r.Check(), !r.Answered && len(rejects) > 0:
	case r.Good() && askedAgain(task):
		t.Holds(c, 0, data, "read back")
	case r.Good() && level == 0:
		t.Warn("The target does not look at DataSN at recovery level 0.", r, want...)
	default:
		t.Fail(r, want...)
	}
}

func duplicateDataOut(t *T) {
	c := t.levelOne(solicited())
	data := pattern(46, t.room(c, 0, 4096))
	task, r2t := t.Held(c, 0, data, 0)
	if r2t.DesiredDataTransferLength < 1024 {
		t.Skip("The R2T asks for %d bytes only.", r2t.DesiredDataTransferLength)
	}
	sequence := answersTo(task, r2t, 512)
	puts(c, slices.Insert(sequence, 1, sequence[0]))
	r, rejects := endOfWrite(task)
	switch {
	case r.Event.Ended(), r.Check(), !r.Answered && len(rejects) > 0:
	case !r.Good():
		t.Fail(r, "GOOD", "an R2T that asks again", "CHECK CONDITION", "a Reject", "a drop")
	case !bytes.Equal(t.Content(c, 0, len(data)), data):
		t.FailFirmly("GOOD with other data than was sent", "the data that was sent")
	}
}

// astrayData writes with Data-Out PDUs of which one field is wrong, and then with the right ones, whose data is other.
func (t *T) astrayData(spoil func(p *pdu.DataOut)) {
	c := t.Open(solicited())
	n := t.room(c, 0, 4096)
	right, wrong := pattern(47, n), pattern(48, n)
	t.Fill(c, 0, pattern(49, n))
	task, r2t := t.Held(c, 0, right, 0)
	task.Command.Write = wrong
	sequence := answersTo(task, r2t)
	task.Command.Write = right
	for _, p := range sequence {
		spoil(p)
	}
	puts(c, sequence)
	e := c.Await(time.Second/4, ofOwn(task))
	if e.Ended() {
		return
	}
	response, done := probe.As[*pdu.SCSIResponse](e)
	var rejects []*pdu.Reject
	if !done {
		if p, is := probe.As[*pdu.Reject](e); is {
			rejects = append(rejects, p)
		} else if p, is := probe.As[*pdu.R2T](e); is {
			r2t = p
		}
		task.Serve(r2t)
		r, more := endOfWrite(task)
		t.fitting(append(rejects, more...))
		if r.Event.Ended() || r.Check() {
			return
		}
		if !r.Good() {
			t.Fail(r, "a Reject with reason 04 or 09, or silence, and GOOD when the right data has come", "CHECK CONDITION", "a drop")
		}
	} else if response.Status != byte(scsi.StatusGood) || response.Response != pdu.ResponseCompleted {
		return
	}
	switch content := t.contentAnew(c, n); {
	case bytes.Equal(content, right):
	case bytes.Equal(content, wrong):
		t.Warn("The write is made from the wrong PDU: its task is found without that field.", "GOOD with the data of the wrong PDU", "the data of the right one")
	default:
		t.Fail("GOOD with data of neither PDU", "the data of the right one")
	}
}

// ofOwn matches events that belong to a task.
func ofOwn(task *probe.Task) func(probe.Event) bool {
	return func(e probe.Event) bool {
		if p, is := probe.As[*pdu.Reject](e); is {
			h, whole := p.Rejected()
			return whole && h.ITT() == task.PDU.ITT
		}
		return e.Frame.BHS.ITT() == task.PDU.ITT
	}
}

func responseWaitsForFinal(t *T) {
	c := t.Open(solicited())
	task, r2t := t.Held(c, 0, pattern(50, t.room(c, 0, 2048)), 0)
	sequence := answersTo(task, r2t, 512, 512)
	stray := *sequence[0]
	stray.ITT = c.NewTag()
	last := len(sequence) - 1
	if last < 1 {
		t.Skip("The R2T asks for %d bytes only.", r2t.DesiredDataTransferLength)
	}
	// A failed write shows in the next event.
	_ = c.Send(&stray)
	puts(c, sequence[:last])
	e := c.Await(time.Second, func(e probe.Event) bool {
		p, is := probe.As[*pdu.SCSIResponse](e)
		return is && p.ITT == task.PDU.ITT
	})
	switch {
	case e.Ended():
		return
	case e.Kind == probe.Arrived:
		t.Fail(e, "no SCSI Response before the Data-Out with F=1")
	}
	puts(c, sequence[last:])
	r, rejects := endOfWrite(task)
	t.fitting(rejects)
	if !r.Good() && !r.Check() && !r.Event.Ended() && len(rejects) == 0 {
		t.Fail(r, "GOOD", "CHECK CONDITION", "a drop")
	}
}
