package target

import (
	"bytes"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// writeChecks are those of the group data-out that are about whole writes, and about data that belongs to none.
func writeChecks() []Check {
	return []Check{
		{ID: "data-out.r2t.read-command-none", Run: readWithoutR2T},
		{ID: "data-out.r2t.unique-ttt", Risk: scenarios.Writes, Run: tagsApart},
		{ID: "data-out.solicited.write-protected-or-invalid-lba", Risk: scenarios.Writes, Run: func(t *T) {
			for _, immediate := range []bool{true, false} {
				t.Part(fmt.Sprintf("immediate data: %t", immediate), func() { t.writePastEnd(immediate) })
			}
		}},
		{ID: "data-out.stray.unknown-itt", Risk: scenarios.Writes, Run: strayTag},
		{ID: "data-out.stray.flood-without-command", Run: strayFlood, Limits: scenarios.Limits{Run: 4 * time.Minute, Wall: 5 * time.Minute}},
		{ID: "data-out.residual.write-underflow", Risk: scenarios.Writes, Run: writeUnderflow},
		{ID: "data-out.residual.write-overflow", Risk: scenarios.Writes, Run: writeOverflow},
	}
}

func readWithoutR2T(t *T) {
	c := t.Open(probe.Login{})
	task := c.Start(t.Read(c, 0, t.room(c, 0, 64<<10)))
	for {
		r2t, e := task.AwaitR2T()
		switch {
		case r2t != nil:
			t.Fail(e, "no R2T for a command with W=0")
		case e.Kind != probe.Arrived:
			t.Fail(e, "GOOD")
		case carriesStatus(e.PDU):
			return
		}
		if _, is := e.PDU.(*pdu.DataIn); !is {
			t.Fail(e, "GOOD")
		}
	}
}

func tagsApart(t *T) {
	c := t.Open(solicited())
	block := t.blockOf()
	n := t.room(c, 0, 16<<10)
	var tasks []*probe.Task
	var contents [][]byte
	at := func(i int) uint32 { return uint32(i * n / block) }
	for i := range min(8, c.Session.Window()) {
		if t.room(c, at(i), n) < n {
			break
		}
		contents = append(contents, pattern(uint32(70+i), n))
		tasks = append(tasks, c.Start(t.askedFor(c, at(i), contents[i])))
	}
	var r2ts []*pdu.R2T
	tags := map[uint32]bool{}
	for _, task := range tasks {
		r2t, e := task.AwaitR2T()
		if r2t == nil && e.Kind == probe.TimedOut && len(r2ts) > 0 {
			break // it asks for the data of one write after the other
		}
		if r2t == nil {
			t.Fail(e, "an R2T for a WRITE without unsolicited data")
		}
		r2ts = append(r2ts, r2t)
		tags[r2t.TTT] = true
	}
	t.Note("%d R2Ts are outstanding at the same time, with %d different tags.", len(r2ts), len(tags))
	for i := len(r2ts) - 1; i >= 0; i-- {
		tasks[i].Serve(r2ts[i])
	}
	for i, task := range tasks {
		t.Good(task.Await(), fmt.Sprintf("WRITE %d of %d", i+1, len(tasks)))
	}
	for i, content := range contents {
		t.Holds(c, at(i), content, fmt.Sprintf("what WRITE %d of %d wrote", i+1, len(tasks)))
	}
}

// writePastEnd writes the block behind the last one.
func (t *T) writePastEnd(immediate bool) {
	login := solicited()
	if immediate {
		login = probe.Login{Keys: Keys("ImmediateData=Yes", "InitialR2T=Yes")}
	}
	c := t.Open(login)
	if c.Session.Params.ImmediateData != immediate {
		t.Skip("The target agrees to ImmediateData=%t.", c.Session.Params.ImmediateData)
	}
	unit := unitOf(t, c)
	r := c.Execute(probe.Command{CDB: beyond(unit, scsi.Write10, scsi.Write16, 1), Write: pattern(80, int(unit.BlockSize))})
	switch {
	case !r.Check():
		t.Fail(r, "CHECK CONDITION")
	case r.Residual > unit.BlockSize:
		t.Fail(residualOf(r), fmt.Sprintf("a residual of at most %d", unit.BlockSize))
	}
	t.Survives(c, "the connection of a WRITE that has failed")
}

func strayTag(t *T) {
	c := t.Open(solicited())
	data := pattern(81, t.room(c, 0, 4096))
	task, r2t := t.Held(c, 0, data, 0)
	stray := *sequenceFrom(task, r2t.TTT, int(r2t.BufferOffset), int(r2t.DesiredDataTransferLength))[0]
	stray.ITT = c.NewTag()
	// A failed write shows in the next event.
	_ = c.Send(&stray)
	task.Serve(r2t)
	r := task.Await()
	if r.Event.Ended() {
		return
	}
	t.Good(r, "the WRITE beside data of an unknown task")
	t.answered(c.Execute(probe.TestUnitReady())) // a fence
	for range 2 {
		e := c.Await(0, func(e probe.Event) bool {
			p, is := probe.As[*pdu.Reject](e)
			return is && p != nil || e.Frame.BHS.ITT() == stray.ITT
		})
		switch p := e.PDU.(type) {
		case *pdu.Reject:
			t.soundReject(e, p, pdu.FrameOf(&stray))
			t.fitting([]*pdu.Reject{p})
		case nil:
		default:
			t.Fail(e, "a Reject with reason 04 or 09", "silence", "a drop")
		}
	}
	t.StatSNInOrder()
	t.Holds(c, 0, data, "read back")
}

func strayFlood(t *T) {
	c := t.Open(probe.Login{})
	for i := range 1000 {
		p := &pdu.DataOut{Final: true, LUN: t.Options().LUN, ITT: t.Uint32(), TTT: t.Uint32(), ExpStatSN: c.ExpStatSN, Data: t.Random(512)}
		if c.Send(p) != nil {
			t.Note("the target has had enough after %d PDUs", i)
			break
		}
	}
	// A fence: the target has looked at all of them when it answers, which it need not.
	_ = c.Ping(nil)
	t.serves("a session after data of no command")
}

// shorter is a WRITE of data whose CDB says another number of blocks.
func (t *T) shorter(c *probe.Conn, data []byte, blocks uint16) probe.Command {
	command := t.askedFor(c, 0, data)
	command.CDB = scsi.Write10(t.Options().First, blocks)
	return command
}

// withinWrite ends the part when an R2T asks for more than the expected length.
func (t *T) withinWrite(task *probe.Task) {
	for _, p := range task.R2Ts {
		if expected := task.PDU.ExpectedDataTransferLength; uint64(p.BufferOffset)+uint64(p.DesiredDataTransferLength) > uint64(expected) {
			t.Fail(fmt.Sprintf("an R2T for %d bytes from %d", p.DesiredDataTransferLength, p.BufferOffset), fmt.Sprintf("nothing beyond %d", expected))
		}
	}
}

func writeUnderflow(t *T) {
	c, declares := t.current("InitialR2T=Yes", "ImmediateData=No")
	block := int(unitOf(t, c).BlockSize)
	old, data := pattern(82, 2*block), pattern(83, 2*block)
	t.Fill(c, 0, old)
	r := c.Execute(t.shorter(c, data, 1))
	t.withinWrite(r.Task)
	want := fmt.Sprintf("GOOD with U=1 and a residual of %d", block)
	switch {
	case r.Check():
		t.Warn("A WRITE of fewer bytes than are expected fails.", r, want)
		return
	case !r.Good(), r.Overflow, r.Underflow && int(r.Residual) != block, !r.Underflow && declares:
		t.Fail(residualOf(r), want)
	case !r.Underflow:
		t.Warn("RFC 3720, which the target may follow, left the U bit optional.", residualOf(r), want)
	}
	if content := t.Content(c, 0, 2*block); !bytes.Equal(content[:block], data[:block]) || !bytes.Equal(content[block:], old[block:]) {
		t.Fail("the blocks hold other data than the WRITE of one block leaves", "the first one new, the second one old")
	}
}

func writeOverflow(t *T) {
	c := t.Open(solicited())
	block := int(unitOf(t, c).BlockSize)
	r := c.Execute(t.shorter(c, pattern(84, block), 2))
	t.withinWrite(r.Task)
	if !t.writable(r).Check() && (!r.Good() || !r.Overflow || r.Underflow || int(r.Residual) != block) {
		t.Fail(residualOf(r), fmt.Sprintf("GOOD with O=1 and a residual of %d", block), "CHECK CONDITION")
	}
}
