package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/iscsi/text"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// keyBurstChecks are those of the group keys about bursts, R2Ts and the order of data.
func keyBurstChecks() []Check {
	return []Check{
		{ID: "keys.initial-r2t.default-yes", Risk: scenarios.Writes, Run: initialR2TByDefault},
		{ID: "keys.initial-r2t.result-honoured", Risk: scenarios.Writes, Array: unsolicitedAllowed, Run: firstBurstUnasked},
		{ID: "keys.immediate-data.default-yes", Risk: scenarios.Writes, Run: immediateByDefault},
		{ID: "keys.max-burst-length.honoured-for-data-in", Run: func(t *T) {
			c := t.Open(probe.Login{Keys: Keys("MaxBurstLength=1024", "FirstBurstLength=1024", "MaxRecvDataSegmentLength=512")})
			t.sequencesWithin(t.Done(c, t.Read(c, 0, t.room(c, 0, 8<<10)), "a READ"), c.Session.Params.MaxBurstLength)
		}},
		{ID: "keys.max-burst-length.honoured-for-r2t", Risk: scenarios.Writes, Run: burstOfR2T},
		{ID: "keys.max-burst-length.default-262144", Run: burstByDefault},
		{ID: "keys.first-burst-length.not-above-max-burst", Run: firstWithinMaxBurst},
		{ID: "keys.first-burst-length.irrelevant-without-unsolicited", Run: func(t *T) {
			r := t.Offering("InitialR2T=Yes", "ImmediateData=No", "FirstBurstLength=8192")
			t.Granted(r)
			answer := t.Given(r, text.KeyFirstBurstLength)
			n, number := text.ParseNumber(answer)
			if answer != text.Irrelevant && (!number || n < 512 || n > 8192) {
				t.FailFirmly("FirstBurstLength="+answer, "FirstBurstLength=Irrelevant", "512 to 8192")
			}
			t.Note("FirstBurstLength=%s", answer)
		}},
		{ID: "keys.first-burst-length.default-65536", Risk: scenarios.Writes, Array: unsolicitedAllowed, Run: firstBurstByDefault},
		{ID: "keys.max-outstanding-r2t.limit-respected", Risk: scenarios.Writes, Run: outstandingLimit},
		{ID: "keys.data-pdu-in-order.yes-means-ascending", Run: pdusAscending},
		{ID: "keys.data-sequence-in-order.yes-means-ascending", Risk: scenarios.Writes, Run: sequencesAscending},
	}
}

func initialR2TByDefault(t *T) {
	c := t.Open(probe.Login{Keys: Keys("ImmediateData=No")})
	if !c.Session.Params.InitialR2T {
		t.Skip("The target has proposed InitialR2T=No, which was agreed.")
	}
	task, r2t := t.Held(c, 0, pattern(110, 4096), 0)
	if r2t.BufferOffset != 0 {
		t.Fail(fmt.Sprintf("an R2T from %d", r2t.BufferOffset), "an R2T from 0")
	}
	task.Serve(r2t)
	t.Good(task.Await(), "a WRITE")
}

// unsolicitedWrite sends a WRITE without data whose data comes unasked, and awaits its end. R2Ts that come are served.
func (t *T) unsolicitedWrite(c *probe.Conn, data []byte) probe.Result {
	command := t.Write(c, 0, data)
	if len(command.Write) > c.Session.Params.FirstBurstLength {
		t.Skip("A write of %d bytes is more than the target takes unasked, which is %d.", len(command.Write), c.Session.Params.FirstBurstLength)
	}
	command.NoUnsolicited = true
	command.Patch = func(p *pdu.SCSICommand) { p.Final = false }
	task := held(c, command)
	task.PDU.Final = false
	for _, p := range sequenceOf(task, pdu.ReservedTag, 0, len(command.Write), c.Params.PeerMaxRecvDataSegmentLength) {
		// A failed write shows in the next event.
		_ = c.Send(p)
	}
	r := task.Await()
	if r.Check() && r.Sense != nil && r.Sense.Key == scsi.DataProtect {
		t.Skip("The logical unit does not take writes: %v.", r)
	}
	return t.Good(r, "a WRITE whose data comes unasked")
}

func firstBurstUnasked(t *T) {
	c := t.Open(probe.Login{Keys: Keys("InitialR2T=No", "ImmediateData=No", "FirstBurstLength=4096")})
	if c.Session.Params.InitialR2T {
		t.Skip("The target agrees to InitialR2T=Yes.")
	}
	if r := t.unsolicitedWrite(c, pattern(111, 4096)); len(r.Task.R2Ts) > 0 {
		t.Warn("The target asks for data that has been sent.", pdu.FrameOf(r.Task.R2Ts[0]), "no R2T for the first burst")
	}
}

func firstBurstByDefault(t *T) {
	c := t.Open(probe.Login{Keys: Keys("InitialR2T=No")})
	p := c.Session.Params
	if p.InitialR2T || p.FirstBurstLength != 65536 {
		t.Skip("The target agrees to InitialR2T=%s and FirstBurstLength=%d.", text.FormatBool(p.InitialR2T), p.FirstBurstLength)
	}
	for _, r2t := range t.unsolicitedWrite(c, pattern(112, t.room(c, 0, 65536))).Task.R2Ts {
		if r2t.BufferOffset < 65536 {
			t.Fail(pdu.FrameOf(r2t), "no R2T for the first 65536 bytes")
		}
	}
}

func immediateByDefault(t *T) {
	c := t.Open(probe.Login{})
	command := t.Write(c, 0, pattern(113, 512))
	if n := len(command.Write); n > 8192 || n > c.Params.PeerMaxRecvDataSegmentLength || n > c.Session.Params.FirstBurstLength {
		t.Skip("A block of %d bytes is more than the target takes with a command.", n)
	}
	if !c.Session.Params.ImmediateData {
		t.Skip("The target has proposed ImmediateData=No, which was agreed.")
	}
	r := t.Done(c, command, "a WRITE with its data in the command")
	if len(r.Task.PDU.Data) == 0 {
		t.Unclear("The probe sent no immediate data.")
	}
}

func burstOfR2T(t *T) {
	r := t.Login(solicited("MaxBurstLength=1024"))
	if !r.Granted() {
		r = t.Login(solicited("MaxBurstLength=8192"))
	}
	c := t.Granted(r)
	t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the login")
	most := uint32(c.Session.Params.MaxBurstLength)
	write := t.Done(c, t.askedFor(c, 0, pattern(114, t.room(c, 0, 64<<10))), "a WRITE")
	for _, r2t := range write.Task.R2Ts {
		if n := r2t.DesiredDataTransferLength; n == 0 || n > most {
			t.Fail(pdu.FrameOf(r2t), fmt.Sprintf("an R2T for 1 to %d bytes", most))
		}
	}
}

func burstByDefault(t *T) {
	c := t.Open(probe.Login{Keys: Keys("MaxRecvDataSegmentLength=65536")})
	n := t.room(c, 0, 1<<20)
	if n <= 262144 {
		t.Skip("The logical unit holds %d bytes, which is not more than one sequence.", n)
	}
	r := c.Execute(t.Read(c, 0, n))
	if r.Check() { // more than the Maximum Transfer Length, or an attention
		r = t.Done(c, t.Read(c, 0, 512<<10), "a READ")
	}
	t.sequencesWithin(t.Good(r, "a READ"), c.Session.Params.MaxBurstLength)
}

func firstWithinMaxBurst(t *T) {
	want := []string{"at most the agreed MaxBurstLength", "Irrelevant", "Reject", "a refusal"}
	r := t.Offering("MaxBurstLength=4096", "FirstBurstLength=65536", "InitialR2T=No", "ImmediateData=Yes")
	if t.TurnedDown(r, false, want...) {
		return
	}
	burst, number := text.ParseNumber(t.Given(r, text.KeyMaxBurstLength))
	if !number {
		burst = 262144
	}
	answer := t.Given(r, text.KeyFirstBurstLength)
	n, number := text.ParseNumber(answer)
	switch unsolicited := !r.Params.InitialR2T || r.Params.ImmediateData; {
	case answer == text.Reject, answer == text.Irrelevant && !unsolicited:
	case !number || n > burst:
		t.Fail(fmt.Sprintf("FirstBurstLength=%s beside MaxBurstLength=%d", answer, burst), want...)
	}
}

// outstanding writes n bytes, answers R2Ts one by one, the first one after the quiet time, and tells how many were open at most, and how many
// there were in all. An R2T for bytes that were asked for already takes the place of the one before.
func (t *T) outstanding(c *probe.Conn, n int) (most, all int) {
	task, first := t.Held(c, 0, pattern(115, n), 0)
	open, all := []*pdu.R2T{first}, 1
	note := func(p *pdu.R2T) {
		all++
		for i, other := range open {
			if other.BufferOffset == p.BufferOffset {
				open[i] = p
				return
			}
		}
		open = append(open, p)
		most = max(most, len(open))
	}
	most = 1
	wait := t.Options().QuietTime
	for {
		e := c.Next(wait)
		if p, is := probe.As[*pdu.R2T](e); is && p.ITT == task.PDU.ITT {
			note(p)
			if wait == t.Options().AnswerTimeout && len(open) > 0 {
				task.Serve(open[0])
				open = open[1:]
			}
			continue
		}
		if e.Kind == probe.TimedOut && len(open) > 0 {
			wait = t.Options().AnswerTimeout
			task.Serve(open[0])
			open = open[1:]
			continue
		}
		if p, is := probe.As[*pdu.SCSIResponse](e); is && p.ITT == task.PDU.ITT {
			if p.Status != 0 {
				t.Fail(e, "GOOD")
			}
			return most, all
		}
		t.Fail(e, "an R2T", "a SCSI Response")
	}
}

func outstandingLimit(t *T) {
	for _, offer := range []int{1, 2} {
		t.Part(fmt.Sprintf("%d at a time", offer), func() {
			keys := []string{"MaxBurstLength=4096"}
			if offer > 1 {
				keys = append(keys, fmt.Sprintf("MaxOutstandingR2T=%d", offer))
			}
			c := t.Open(solicited(keys...))
			agreed := c.Session.Params.MaxOutstandingR2T
			if agreed != offer {
				t.Skip("The target agrees to MaxOutstandingR2T=%d.", agreed)
			}
			most, all := t.outstanding(c, t.room(c, 0, 64<<10))
			if most > agreed {
				t.Fail(fmt.Sprintf("%d R2Ts that are not answered", most), fmt.Sprintf("at most %d", agreed))
			}
			t.Note("%d R2Ts, %d at a time at most", all, most)
		})
	}
}

func pdusAscending(t *T) {
	c := t.Open(probe.Login{Keys: Keys("DataPDUInOrder=Yes", "DataSequenceInOrder=Yes", "MaxRecvDataSegmentLength=512")})
	next := uint32(0)
	for _, p := range t.Done(c, t.Read(c, 0, t.room(c, 0, 8<<10)), "a READ").Task.DataIns {
		if p.BufferOffset != next && len(p.Data) > 0 {
			t.Fail(fmt.Sprintf("Data-In from %d", p.BufferOffset), fmt.Sprintf("Data-In from %d", next))
		}
		next += uint32(len(p.Data))
	}
}

func sequencesAscending(t *T) {
	r := t.Login(solicited("DataSequenceInOrder=Yes", "MaxBurstLength=1024"))
	if !r.Granted() {
		r = t.Login(solicited("DataSequenceInOrder=Yes", "MaxBurstLength=8192"))
	}
	c := t.Granted(r)
	t.Check(c.ClearUnitAttentions(), "TEST UNIT READY after the login")
	n := t.room(c, 0, 2*max(4096, c.Session.Params.MaxBurstLength))
	starts, total := true, uint32(0)
	for _, p := range t.Done(c, t.Read(c, 0, n), "a READ").Task.DataIns {
		if starts && p.BufferOffset != total && len(p.Data) > 0 {
			t.Fail(fmt.Sprintf("a sequence of Data-In from %d", p.BufferOffset), fmt.Sprintf("one from %d", total))
		}
		total, starts = total+uint32(len(p.Data)), p.Final
	}
	next := uint32(0)
	for _, p := range t.Done(c, t.askedFor(c, 0, pattern(116, n)), "a WRITE").Task.R2Ts {
		switch {
		case p.BufferOffset > next, p.BufferOffset < next && p.BufferOffset+p.DesiredDataTransferLength > next:
			t.Fail(fmt.Sprintf("an R2T from %d", p.BufferOffset), fmt.Sprintf("one from %d", next))
		}
		next = max(next, p.BufferOffset+p.DesiredDataTransferLength)
	}
}
