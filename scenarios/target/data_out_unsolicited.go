package target

import (
	"bytes"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget"
)

// unsolicitedChecks are those of the group data-out that are about Data-Out without an R2T.
func unsolicitedChecks() []Check {
	long := scenarios.Limits{Run: 4 * time.Minute, Wall: 5 * time.Minute}
	checks := []Check{
		{ID: "data-out.unsolicited.good", Risk: scenarios.Writes, Run: unsolicitedWrite},
		{ID: "data-out.unsolicited.in-r2t-mode", Risk: scenarios.Writes, Run: unasked, Limits: long},
		{ID: "data-out.unsolicited.exceeds-first-burst", Risk: scenarios.Writes, Run: beyondFirstBurst, Limits: long},
		{ID: "data-out.unsolicited.short-first-burst", Risk: scenarios.Writes, Limits: long, Run: func(t *T) {
			t.Part("FirstBurstLength below the expected length", func() { t.shortFirstBurst(2) })
			t.Part("the expected length as FirstBurstLength", func() { t.shortFirstBurst(1) })
		}},
		{ID: "data-out.unsolicited.f-bit-missing-on-command", Risk: scenarios.Writes, Run: noneFollows, Limits: long},
		{ID: "data-out.unsolicited.interleaved-commands", Risk: scenarios.Writes, Run: interleavedCommands},
		{ID: "data-out.unsolicited.wrong-order-across-commands", Risk: scenarios.Writes, Run: swappedCommands, Limits: long},
	}
	for i := range checks {
		if checks[i].ID != "data-out.unsolicited.in-r2t-mode" {
			checks[i].Array = unsolicited
		}
	}
	return checks
}

// unsolicited makes the array agree to InitialR2T=No.
func unsolicited(p *simtarget.Profile) { p.Data.InitialR2T = false }

// blockOf is the size of a block of the logical unit under test, as far as that is known, and 512 or more.
func (t *T) blockOf() int { return max(512, int(t.Facts.Unit.BlockSize)) }

// agreeing logs in with these results exactly, and skips the part where the target wants others.
func (t *T) agreeing(initialR2T, immediate bool, first int) *probe.Conn {
	word := map[bool]string{true: "Yes", false: "No"}
	c := t.Open(probe.Login{Keys: Keys("InitialR2T="+word[initialR2T], "ImmediateData="+word[immediate], fmt.Sprintf("FirstBurstLength=%d", first))})
	if p := c.Session.Params; p.InitialR2T != initialR2T || p.ImmediateData != immediate || p.FirstBurstLength != first {
		t.Skip("The target agrees to InitialR2T=%s, ImmediateData=%s and FirstBurstLength=%d.", word[p.InitialR2T], word[p.ImmediateData], p.FirstBurstLength)
	}
	return c
}

// announced makes a WRITE that leaves its unsolicited data to the check: it comes with so many bytes, and with the F bit where final says so.
func (t *T) announced(c *probe.Conn, lba uint32, data []byte, immediate int, final bool) probe.Command {
	command := t.askedFor(c, lba, data)
	command.Patch = func(p *pdu.SCSICommand) { p.Data, p.Final = command.Write[:immediate], final }
	return command
}

// unsent makes the task of a command that the check sends itself.
func unsent(c *probe.Conn, command probe.Command) *probe.Task {
	return &probe.Task{Conn: c, Command: command, PDU: c.Request(command)}
}

// writable ends the part as a skip where the result says that the logical unit takes no writes.
func (t *T) writable(r probe.Result) probe.Result {
	if r.Check() && r.Sense != nil && r.Sense.Key == scsi.DataProtect {
		t.Skip("The logical unit does not take writes: %v.", r)
	}
	return r
}

func unsolicitedWrite(t *T) {
	n := max(1024, t.blockOf())
	c := t.agreeing(false, false, n)
	data := pattern(51, n)
	task := c.Start(t.announced(c, 0, data, 0, false))
	puts(c, sequenceFrom(task, pdu.ReservedTag, 0, n))
	t.Good(t.writable(task.Await()), "a WRITE with unsolicited data")
	t.Holds(c, 0, data, "read back")
	if len(task.R2Ts) > 0 {
		t.Warn("An R2T asks for data that has come unasked.", task.R2Ts[0], "GOOD without an R2T")
	}
}

func unasked(t *T) {
	c := t.Open(solicited())
	n := max(1024, t.blockOf())
	right, stray := pattern(52, n), pattern(53, n)
	t.Fill(c, 0, pattern(54, n))
	command := t.askedFor(c, 0, stray)
	task := unsent(c, command)
	frames := []*pdu.Frame{pdu.FrameOf(task.PDU)}
	for _, p := range sequenceFrom(task, pdu.ReservedTag, 0, n) {
		frames = append(frames, pdu.FrameOf(p))
	}
	task.Command.Write = right
	// A failed write shows in the next event.
	_ = c.SendAll(frames...)
	want := []string{"CHECK CONDITION 0c/0c", "a Reject with reason 04 or 09", "a drop", "GOOD with the data that the R2T asked for"}
	var asked []*pdu.R2T
	for done := false; !done; {
		e := c.Await(t.Options().QuietTime, ofOwn(task))
		if e.Ended() {
			return
		}
		switch p := e.PDU.(type) {
		case *pdu.R2T:
			asked = append(asked, p)
		case *pdu.Reject:
			t.fitting([]*pdu.Reject{p})
		case *pdu.SCSIResponse:
			t.unaskedAnswer(c, p, stray, want)
			return
		default:
			done = true
		}
	}
	for _, p := range asked {
		task.Serve(p)
	}
	r, rejects := endOfWrite(task)
	t.fitting(rejects)
	switch {
	case r.Event.Ended(), r.Check(scsi.UnexpectedUnsolicitedData), !r.Answered && len(rejects) > 0:
	case r.Check():
		t.Warn("The write fails with other sense data.", r, want...)
	case !r.Good():
		t.Fail(r, want...)
	default:
		t.Holds(c, 0, right, "read back")
	}
}

// unaskedAnswer judges the answer to a write of which no R2T was served.
func (t *T) unaskedAnswer(c *probe.Conn, p *pdu.SCSIResponse, stray []byte, want []string) {
	sense, err := scsi.ParseSense(p.Sense())
	switch {
	case p.Status == byte(scsi.StatusCheckCondition) && err == nil && sense.Code == scsi.UnexpectedUnsolicitedData:
	case p.Status == byte(scsi.StatusCheckCondition):
		t.Warn("The write fails with other sense data.", p, want...)
	case p.Status == byte(scsi.StatusGood) && p.Response == pdu.ResponseCompleted && bytes.Equal(t.contentAnew(c, len(stray)), stray):
		t.Warn("The target files data by its task alone, and takes what it did not ask for.", "GOOD without solicited data", want...)
	default:
		t.Fail(fmt.Sprintf("status 0x%02x without solicited data", p.Status), want...)
	}
}

func beyondFirstBurst(t *T) {
	c := t.agreeing(false, false, 512)
	data := pattern(55, max(2048, t.blockOf()))
	task := c.Start(t.announced(c, 0, data, 0, false))
	puts(c, sequenceFrom(task, pdu.ReservedTag, 0, 1024))
	r, rejects := endOfWrite(task)
	t.fitting(rejects)
	want := []string{"CHECK CONDITION 0c/0c or 0c/0d", "a Reject with reason 04 or 09", "a drop"}
	switch {
	case r.Event.Ended(), r.Check(scsi.UnexpectedUnsolicitedData, scsi.NotEnoughUnsolicitedData), len(rejects) > 0:
	case t.writable(r).Check():
		t.Warn("The write fails with other sense data.", r, want...)
	case r.Good():
		t.Holds(c, 0, data, "read back")
		t.Warn("The target takes more unsolicited data than FirstBurstLength.", r, want...)
	default:
		t.Fail(r, want...)
	}
}

// shortFirstBurst sends one half of FirstBurstLength or less, for a WRITE of so many times FirstBurstLength.
func (t *T) shortFirstBurst(times int) {
	first := 2 * t.blockOf()
	c := t.agreeing(false, false, first)
	data := pattern(56, times*first)
	task := c.Start(t.announced(c, 0, data, 0, false))
	puts(c, sequenceFrom(task, pdu.ReservedTag, 0, 512))
	r, rejects := endOfWrite(task)
	t.fitting(rejects)
	want := []string{"CHECK CONDITION 0c/0d", "a Reject with reason 04 or 09", "a drop"}
	whole := times == 1
	if whole {
		want = append(want, "an R2T for the rest")
	}
	switch {
	case r.Event.Ended(), r.Check(scsi.NotEnoughUnsolicitedData), len(rejects) > 0, whole && t.writable(r).Check():
	case t.writable(r).Check():
		t.Warn("The write fails with other sense data.", r, want...)
	case r.Good() && len(task.R2Ts) > 0:
		t.Holds(c, 0, data, "read back")
		if !whole {
			t.Warn("The target asks for the remainder.", fmt.Sprintf("an R2T from %d", task.R2Ts[0].BufferOffset), want...)
		}
	default:
		t.Fail(r, want...)
	}
}

func noneFollows(t *T) {
	c := t.Open(probe.Login{Keys: Keys("InitialR2T=No", "ImmediateData=No")})
	if p := c.Session.Params; p.InitialR2T || p.ImmediateData {
		t.Skip("The target does not agree to InitialR2T=No with ImmediateData=No.")
	}
	data := pattern(57, max(1024, t.blockOf()))
	task := c.Start(t.announced(c, 0, data, 0, true))
	r, _ := endOfWrite(task)
	switch {
	case t.writable(r).Check():
		t.Warn("A write without unsolicited data fails.", r, "an R2T")
	case r.Event.Kind == probe.TimedOut:
		t.FailFirmly(r, "an R2T")
	case r.Good() && len(task.R2Ts) > 0:
		t.Note("The first R2T asks for %d bytes from %d.", task.R2Ts[0].DesiredDataTransferLength, task.R2Ts[0].BufferOffset)
	default:
		t.Note("The write ends with %v, after %d R2Ts.", r, len(task.R2Ts))
	}
}

// abreast sends two WRITEs of 4 KiB, a ping and a TEST UNIT READY in one write, and then the unsolicited data of the WRITEs.
func (t *T) abreast(swap bool) (c *probe.Conn, tasks []*probe.Task, content [][]byte, ping, ready uint32) {
	const n = 4096
	c = t.agreeing(false, false, n)
	if t.blockOf() > n || c.Session.Window() < 3 {
		t.Skip("A block of %d bytes, or a window of %d commands, is too large or too small.", t.blockOf(), c.Session.Window())
	}
	var frames []*pdu.Frame
	for i := range uint32(2) {
		content = append(content, pattern(58+i, n))
		lba := i * uint32(n/t.blockOf())
		tasks = append(tasks, unsent(c, t.announced(c, lba, content[i], 0, false)))
		frames = append(frames, pdu.FrameOf(tasks[i].PDU))
	}
	nop, command := c.NOPOut(nil), c.Request(probe.TestUnitReady())
	// A failed write shows in the next event.
	_ = c.SendAll(append(frames, pdu.FrameOf(nop), pdu.FrameOf(command))...)
	order := []int{0, 1}
	if swap {
		order = []int{1, 0}
	}
	for _, i := range order {
		puts(c, sequenceFrom(tasks[i], pdu.ReservedTag, 0, n, 1024, 2048))
	}
	return c, tasks, content, nop.ITT, command.ITT
}

func interleavedCommands(t *T) {
	c, tasks, content, ping, ready := t.abreast(false)
	for i, task := range tasks {
		t.Good(t.writable(task.Await()), fmt.Sprintf("WRITE %d", i+1))
	}
	e := c.AnswerTo(ping)
	if _, is := probe.As[*pdu.NOPIn](e); !is {
		t.Fail(e, "a NOP-In")
	}
	e = c.AnswerTo(ready)
	if _, is := probe.As[*pdu.SCSIResponse](e); !is {
		t.Fail(e, "a SCSI Response to TEST UNIT READY")
	}
	t.Holds(c, 0, content[0], "what the first WRITE wrote")
	t.Holds(c, uint32(len(content[0])/t.blockOf()), content[1], "what the second WRITE wrote")
}

func swappedCommands(t *T) {
	c, tasks, content, _, _ := t.abreast(true)
	var good [2]bool
	for i, task := range tasks {
		r, rejects := endOfWrite(task)
		t.Note("WRITE %d ends with %v, after %d Rejects.", i+1, r, len(rejects))
		if r.Event.Ended() {
			return
		}
		if good[i] = r.Good(); r.Event.Kind == probe.TimedOut && len(rejects) == 0 {
			t.Warn("A write whose unsolicited data came too early never ends.", r, "GOOD", "CHECK CONDITION", "a Reject", "a drop")
		}
	}
	for i := range tasks {
		if good[i] && !bytes.Equal(t.Content(c, uint32(i*len(content[0])/t.blockOf()), len(content[i])), content[i]) {
			t.FailFirmly(fmt.Sprintf("GOOD for WRITE %d, with other data than it sent", i+1), "its own data")
		}
	}
}
