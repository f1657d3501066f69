package initiator

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// statusChecks are those of the group data-in that are about status, sense data and residuals.
func statusChecks() []Check {
	unsolicited := func(b *Base) { b.Params.InitialR2T = false }
	return []Check{
		{ID: "residual.underflow", Run: residualUnderflow},
		{ID: "residual.overflow", Run: residualOverflow},
		{ID: "residual.both-flags", Run: residualBoth},
		{ID: "residual.count-without-flags", Run: residualWithoutFlags},
		{ID: "sense.delivered", Run: senseDelivered},
		{ID: "sense.malformed", Run: senseMalformed},
		{ID: "status.crc-sense-not-retried", Run: crcSense},
		{ID: "status.unexpected-unsolicited-sense", Base: unsolicited, Run: func(t *T) { failedWrite(t, scsi.UnexpectedUnsolicitedData) }},
		{ID: "status.incorrect-amount-sense", Base: unsolicited, Run: func(t *T) { failedWrite(t, scsi.NotEnoughUnsolicitedData) }},
		{ID: "status.busy", Run: busy},
		{ID: "status.reservation-conflict", Run: reservationConflict},
		{ID: "status.task-set-full", Run: taskSetFull},
		{ID: "status.response-code-target-failure", Run: targetFailure},
		{ID: "status.unit-attention-after-relogin", Run: attentionAfterRelogin},
	}
}

// transferred fails unless the requester was told that n bytes came, where that can be seen.
func (t *T) transferred(r Result, n int) {
	if r.Request != nil && r.Request.Transferred != n {
		t.Fail(fmt.Sprintf("%d bytes transferred", r.Request.Transferred), fmt.Sprintf("%d bytes transferred", n))
	}
}

func residualUnderflow(t *T) {
	t.Part("INQUIRY", func() {
		c := t.Session()
		c.Mute = true
		op := t.Start(Inquiry{Length: 255})
		task := c.Command(scsi.OpInquiry)
		task.read = make([]byte, 36)
		c.DataIn(task, 0, 36, Final)
		c.Status(task, scsi.StatusGood)
		r := op.Wait()
		if !r.Good() {
			t.Fail(r, "an INQUIRY that completes GOOD")
		}
		t.transferred(r, 36)
	})
	t.Part("READ", func() {
		c := t.Session()
		op, task := t.reading(c, 4)
		c.DataIn(task, 0, kib, Final)
		c.Status(task, scsi.StatusGood)
		if r := op.Wait(); r.Good() {
			t.transferred(r, kib)
		}
		t.RIgnore(c)
	})
}

func residualOverflow(t *T) {
	t.Part("REPORT LUNS", func() {
		c := t.Session()
		c.Mute = true
		op := t.Start(ReportLUNs{Length: 16})
		task := c.Command(scsi.OpReportLUNs)
		list := scsi.AppendLUNList(nil, []scsi.LUN{scsi.LUNOf(0), scsi.LUNOf(1)})
		task.read = list
		c.DataIn(task, 0, 16, Final)
		c.Status(task, scsi.StatusGood, func(p *pdu.SCSIResponse) { p.Overflow, p.ResidualCount = true, uint32(len(list)-16) })
		r := op.Wait()
		if !r.Good() || !bytes.Equal(r.Data, list[:16]) {
			t.Fail(fmt.Sprintf("%v: % x", r, r.Data), fmt.Sprintf("GOOD and % x", list[:16]))
		}
		t.transferred(r, 16)
	})
	t.Part("READ", func() {
		c := t.Session()
		op, task := t.reading(c, 4)
		c.DataIn(task, 0, 4*kib, Final)
		c.Status(task, scsi.StatusGood, func(p *pdu.SCSIResponse) { p.Overflow, p.ResidualCount = true, 512 })
		if r := op.Wait(); r.Good() {
			t.Pattern(r.Data, 0)
			t.transferred(r, 4*kib)
		}
		t.RIgnore(c)
	})
}

func residualBoth(t *T) {
	c := t.Session()
	op, task := t.reading(c, 4)
	c.DataIn(task, 0, 4*kib, Final)
	c.Status(task, scsi.StatusGood, func(p *pdu.SCSIResponse) { p.Overflow, p.Underflow, p.ResidualCount = true, true, 8*kib })
	r := t.concluded(op)
	if r.Good() {
		t.Pattern(r.Data, 0)
		t.transferred(r, 4*kib)
	}
	t.RAlive()
}

func residualWithoutFlags(t *T) {
	c := t.Session()
	op, task := t.reading(c, 4)
	c.DataIn(task, 0, 4*kib, Final)
	c.Status(task, scsi.StatusGood, func(p *pdu.SCSIResponse) { p.Overflow, p.Underflow, p.ResidualCount = false, false, kib })
	r := t.concluded(op)
	if !r.Good() {
		t.Fail(r, "GOOD: a residual count without the O or U bit is ignored")
	}
	t.Pattern(r.Data, 0)
	t.transferred(r, 4*kib)
	t.RIgnore(c)
}

// senses are the sense data that a requester is to get, and what stands behind them in the segment.
func senses() []struct {
	name           string
	sense, trailer []byte
} {
	fixed := scsi.NewSense(scsi.MediumError, scsi.UnrecoveredReadError).Append(nil)
	long := func(n int) []byte {
		s := append(bytes.Clone(fixed), make([]byte, n-len(fixed))...)
		for i := len(fixed); i < n; i++ {
			s[i] = byte(i)
		}
		s[7] = byte(n - 8)
		return s
	}
	return []struct {
		name           string
		sense, trailer []byte
	}{
		{"fixed, 18 bytes", long(18), nil},
		{"fixed, 24 bytes", long(24), nil},
		{"descriptor format", []byte{0x72, byte(scsi.MediumError), 0x11, 0, 0, 0, 0, 12, 0, 10, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 7}, nil},
		{"252 bytes", long(252), nil},
		{"with response data", long(18), []byte("response data")},
	}
}

func senseDelivered(t *T) {
	for _, s := range senses() {
		t.Part(s.name, func() {
			c := t.Session()
			op, task := t.reading(c, 4)
			c.Status(task, scsi.StatusCheckCondition, func(p *pdu.SCSIResponse) {
				p.Underflow, p.ResidualCount = true, 4*kib
				p.Data = append(pdu.SenseSegment(s.sense), s.trailer...)
			})
			r := op.Wait()
			if r.Good() {
				t.Fail(r, "CHECK CONDITION")
			}
			if n := min(len(r.Sense), len(s.sense)); n < 18 || !bytes.Equal(r.Sense, s.sense[:n]) {
				t.Fail(fmt.Sprintf("sense data % x", r.Sense), fmt.Sprintf("sense data % x", s.sense))
			}
			t.RIgnore(c)
		})
	}
}

func senseMalformed(t *T) {
	fixed := scsi.NewSense(scsi.MediumError, scsi.UnrecoveredReadError).Append(nil)
	for _, run := range []struct {
		name    string
		segment []byte
	}{
		{"no data segment", nil}, {"SenseLength 0", []byte{0, 0}}, {"SenseLength 1000", append([]byte{3, 0xe8}, fixed...)}, {"one byte", []byte{0}},
	} {
		t.Part(run.name, func() {
			c := t.Session()
			op, task := t.reading(c, 4)
			c.Status(task, scsi.StatusCheckCondition, func(p *pdu.SCSIResponse) {
				p.Underflow, p.ResidualCount, p.Data = true, 4*kib, run.segment
			})
			t.Wait(time.Second)
			_, closed := c.Ended()
			r := t.concluded(op)
			switch {
			case closed:
			case r.Good():
				t.Fail(r, "no success")
			case len(r.Sense) > max(0, len(run.segment)-2):
				t.Fail(fmt.Sprintf("%d bytes of sense data", len(r.Sense)), fmt.Sprintf("at most %d bytes", max(0, len(run.segment)-2)))
			case len(run.segment) == 0:
				t.Warn("A CHECK CONDITION without sense data is taken for a result.", r, "the end of the connection")
			}
			t.RAlive()
		})
	}
}

// notRepeated fails when the command comes again under its old CmdSN while the check waits for the operation's end.
func (t *T) notRepeated(c *Conn, task *Task, op *Pending) Result {
	e := c.Await(time.Second, func(e probe.Event) bool {
		p, is := probe.As[*pdu.SCSICommand](e)
		return is && p.CmdSN == task.PDU.CmdSN
	})
	if e.Kind == probe.Arrived {
		t.Fail(e, "a new CmdSN for a new attempt")
	}
	return t.concluded(op)
}

func crcSense(t *T) {
	c := t.Session()
	op, task := t.reading(c, 4)
	c.CheckCondition(task, scsi.NewSense(scsi.AbortedCommand, scsi.ProtocolServiceCRCError))
	t.Wait(100 * time.Millisecond)
	ended := op.Ended()
	if r := t.notRepeated(c, task, op); r.Good() && ended {
		t.Fail(r, "no success")
	}
	t.RAlive()
}

// failedWrite ends a write that carried unsolicited data with sense that says that the data was wrong.
func failedWrite(t *T, code scsi.ASC) {
	c := t.Session()
	op := t.Start(Write{Blocks: 8})
	task := c.WriteCommand()
	if task.open {
		task.open = false
		c.DataOut(task, pdu.ReservedTag)
	}
	if task.got == 0 {
		t.Skip("NOT-TESTABLE: the initiator sends no unsolicited data.")
	}
	task.got = 0
	c.CheckCondition(task, scsi.NewSense(scsi.AbortedCommand, code))
	t.Wait(100 * time.Millisecond)
	_, closed := c.Ended()
	ended := op.Ended() && !closed
	if r := t.notRepeated(c, task, op); r.Good() && ended {
		t.Fail(r, "no success")
	}
}

func busy(t *T) {
	c := t.Session()
	op, task := t.reading(c, 4)
	last := task.PDU.CmdSN
	for range 3 {
		c.Status(task, scsi.StatusBusy, func(p *pdu.SCSIResponse) { p.Underflow, p.ResidualCount = true, 4*kib })
		at := t.Now()
		next := c.TryCommand(AnswerTime, Reads...)
		if next == nil {
			break
		}
		if next.PDU.CmdSN == last {
			t.Fail(next.Event, "a new CmdSN for a new attempt")
		}
		if t.Now()-at <= 0 {
			t.Warn("BUSY is followed by a new attempt without a rest.", next.Event, "a rest")
		}
		task, last = next, next.PDU.CmdSN
	}
	if !op.Ended() {
		c.Good(task)
		t.whole(op)
		return
	}
	if r := op.result; r.Good() {
		t.Fail(r, "BUSY, or the data after a new attempt")
	}
	t.RIgnore(c)
}

func reservationConflict(t *T) {
	c := t.Session()
	op := t.Start(Write{Blocks: 8})
	task := c.WriteCommand()
	task.got = 0
	c.Status(task, scsi.StatusReservationConflict, func(p *pdu.SCSIResponse) { p.Underflow, p.ResidualCount = true, 4*kib })
	t.Wait(100 * time.Millisecond)
	ended := op.Ended()
	if r := t.notRepeated(c, task, op); r.Good() && ended {
		t.Fail(r, "RESERVATION CONFLICT")
	}
}

func taskSetFull(t *T) {
	const slots, requests = 4, 8
	c := t.Session()
	var ops []*Pending
	for i := range requests {
		ops = append(ops, t.Start(Read{LBA: uint64(i * 8), Blocks: 8}))
	}
	var held []*Task
	commands, until := 0, t.Now()+5*time.Second
	for t.Now() < until {
		task := c.TryCommand(until-t.Now(), Reads...)
		switch {
		case task == nil:
			continue
		case len(held) < slots:
			held = append(held, task)
			continue
		}
		if commands++; commands > 5000 {
			t.Fail(fmt.Sprintf("%d commands in %v", commands, t.Now()-until+5*time.Second), "fewer commands, later ones after a rest")
		}
		c.Status(task, scsi.StatusTaskSetFull, func(p *pdu.SCSIResponse) { p.Underflow, p.ResidualCount = true, 4*kib })
	}
	for _, task := range held {
		c.Good(task)
	}
	for _, op := range ops {
		if r := t.concluded(op); !r.Good() && r.Err == nil && r.Status != scsi.StatusTaskSetFull {
			t.Fail(r, "GOOD in the end, or TASK SET FULL")
		}
	}
}

func targetFailure(t *T) {
	for _, code := range []pdu.SCSIResponseCode{pdu.ResponseTargetFailure, 0x80} {
		t.Part(fmt.Sprintf("READ, response 0x%02x", byte(code)), func() {
			c := t.Session()
			op, task := t.reading(c, 4)
			c.DataIn(task, 0, 4*kib, Final)
			c.Status(task, scsi.StatusGood, func(p *pdu.SCSIResponse) { p.Response = code })
			t.failsOrComesAgain(c, op, task)
		})
		t.Part(fmt.Sprintf("WRITE, response 0x%02x", byte(code)), func() {
			c := t.Session()
			op := t.Start(Write{Blocks: 8})
			task := c.WriteCommand()
			c.fill(task)
			c.Status(task, scsi.StatusGood, func(p *pdu.SCSIResponse) { p.Response = code })
			t.failsOrComesAgain(c, op, task)
		})
	}
}

// failsOrComesAgain is R-ERRUP or R-REISSUE of a command that was answered.
func (t *T) failsOrComesAgain(c *Conn, op *Pending, task *Task) {
	if again := c.TryCommand(time.Second, task.CDB.Opcode); again != nil {
		if again.PDU.CmdSN == task.PDU.CmdSN {
			t.Fail(again.Event, "a new CmdSN for a new attempt")
		}
		c.Good(again)
		t.concluded(op)
		return
	}
	if r := t.concluded(op); r.Good() {
		t.Fail(r, "no success")
	}
}

func attentionAfterRelogin(t *T) {
	c := t.Session()
	t.Probe()
	t.Serve(settled)
	c.Sever()
	c = t.Accept()
	if !c.Login() {
		t.Unclear("The login did not reach full feature phase.")
	}
	first := c.Command(slices.Concat(Reads, []scsi.Opcode{scsi.OpInquiry, scsi.OpTestUnitReady, scsi.OpReadCapacity10})...)
	c.CheckCondition(first, scsi.NewSense(scsi.UnitAttention, scsi.NexusLossOccurred))
	t.Serve(2 * time.Second)
	if t.Own() {
		if devices := t.ListDevices(); len(devices) == 0 {
			t.Fail("no device any more", "the device that there was")
		}
	}
	t.Probe()
}
