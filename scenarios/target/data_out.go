package target

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios"
	"github.com/iscsispec/iscsispec/scenarios/probe"
)

// dataOutChecks are those of the group data-out.
func dataOutChecks() []Check {
	return []Check{
		{ID: "data-out.r2t.fields", Risk: scenarios.Writes, Run: r2tFields},
		{ID: "data-out.r2t.r2tsn-sequence", Risk: scenarios.Writes, Run: r2tsnSequence},
		{ID: "data-out.r2t.covers-whole-write", Risk: scenarios.Writes, Run: r2tsCoverWrite},
		{ID: "data-out.solicited.single-pdu-good", Risk: scenarios.Writes, Run: solicitedWrite},
		{ID: "data-out.immediate.exact-edtl-good", Risk: scenarios.Writes, Run: immediateWrite},
	}
}

// smallBurst logs in with R2Ts for every byte and the least MaxBurstLength that the target takes.
func (t *T) smallBurst(more ...string) *probe.Conn {
	for _, burst := range []string{"512", "4096"} {
		r := t.Login(solicited(append([]string{"MaxBurstLength=" + burst}, more...)...))
		if r.Granted() {
			t.Check(r.Conn.ClearUnitAttentions(), "TEST UNIT READY after the login")
			return r.Conn
		}
	}
	return t.Open(solicited(more...))
}

// askedFor makes a WRITE that brings no data but what R2Ts ask for, whatever the target agreed to.
func (t *T) askedFor(c *probe.Conn, lba uint32, data []byte) probe.Command {
	command := t.Write(c, lba, data)
	command.NoUnsolicited = true
	return command
}

func r2tFields(t *T) {
	c := t.smallBurst("DataSequenceInOrder=Yes")
	task, first := t.Held(c, 0, pattern(3, t.room(c, 0, 8<<10)), 0xa2a2a2a2)
	task.Serve(first)
	t.Good(task.Await(), "a WRITE")
	end, most := task.PDU.ExpectedDataTransferLength, uint32(c.Session.Params.MaxBurstLength)
	next := uint32(0)
	for _, s := range ofTask(t.Received(c), task.PDU.ITT) {
		p, is := s.PDU.(*pdu.R2T)
		if !is {
			continue
		}
		h := &s.Event.PDU.Header
		switch {
		case !h.Final() || h.TotalAHSLength() != 0 || h.DataSegmentLength() != 0:
			t.Fail(fmt.Sprintf("%v with F=%t, %d bytes of AHS, %d bytes of data", s.Event.PDU, h.Final(), h.TotalAHSLength(), h.DataSegmentLength()),
				"an R2T with F=1, without AHS and data")
		case p.TTT == pdu.ReservedTag:
			t.Fail("an R2T with the Target Transfer Tag 0xffffffff", "another Target Transfer Tag")
		case p.LUN != task.PDU.LUN:
			t.Fail(fmt.Sprintf("an R2T with LUN 0x%016x", p.LUN), fmt.Sprintf("LUN 0x%016x, the command's", task.PDU.LUN))
		case p.DesiredDataTransferLength == 0 || p.DesiredDataTransferLength > most:
			t.Fail(fmt.Sprintf("an R2T for %d bytes", p.DesiredDataTransferLength), fmt.Sprintf("1 to MaxBurstLength=%d bytes", most))
		case uint64(p.BufferOffset)+uint64(p.DesiredDataTransferLength) > uint64(end):
			t.Fail(fmt.Sprintf("an R2T for %d bytes from %d", p.DesiredDataTransferLength, p.BufferOffset), fmt.Sprintf("nothing beyond %d", end))
		case p.BufferOffset != next:
			t.Fail(fmt.Sprintf("an R2T from %d", p.BufferOffset), fmt.Sprintf("an R2T from %d, where the last one ended", next))
		}
		next = p.BufferOffset + p.DesiredDataTransferLength
	}
}

func r2tsnSequence(t *T) {
	c := t.smallBurst()
	n := t.room(c, 0, 48<<10) / 3
	var commands []probe.Command
	for i := range uint32(3) {
		commands = append(commands, t.askedFor(c, i*32, pattern(4+i, n)))
	}
	for i, r := range t.Together(c, commands...) {
		t.Good(r, "a WRITE")
		var numbers []uint32
		for _, p := range r.Task.R2Ts {
			numbers = append(numbers, p.R2TSN)
		}
		if len(numbers) == 0 {
			t.Fail("no R2T", "R2Ts for a WRITE without unsolicited data")
		}
		t.numbered(fmt.Sprintf("the R2TSN of WRITE %d", i+1), numbers)
	}
}

func r2tsCoverWrite(t *T) {
	// A burst that does not divide the whole leaves a partial one at the end.
	c := t.Open(solicited("MaxBurstLength=24576"))
	data := pattern(7, t.room(c, 0, 64<<10))
	r := t.Done(c, t.askedFor(c, 0, data), "a WRITE")
	var pieces []piece
	for _, p := range r.Task.R2Ts {
		pieces = append(pieces, piece{uint64(p.BufferOffset), uint64(p.BufferOffset) + uint64(p.DesiredDataTransferLength)})
	}
	if t.covers("the R2Ts", uint64(r.Task.PDU.ExpectedDataTransferLength), pieces) {
		t.Warn("R2Ts ask twice for the same bytes.", pieces, "every byte once")
	}
	t.Holds(c, 0, data, "read back")
}

func solicitedWrite(t *T) {
	c := t.Open(solicited())
	data := pattern(8, 1024)
	task, r2t := t.Held(c, 0, data, 0)
	task.Serve(r2t)
	r := t.Good(task.Await(), "a WRITE")
	if r.Underflow || r.Overflow || r.Residual != 0 {
		t.Fail(fmt.Sprintf("U=%t, O=%t, a residual of %d", r.Underflow, r.Overflow, r.Residual), "no residual")
	}
	t.Holds(c, 0, data, "read back")
}

func immediateWrite(t *T) {
	c := t.Open(probe.Login{Keys: Keys("ImmediateData=Yes")})
	if !c.Session.Params.ImmediateData {
		t.Skip("The target does not agree to ImmediateData=Yes.")
	}
	data := pattern(9, 512)
	command := t.Write(c, 0, data)
	if n := len(command.Write); n > c.Session.Params.FirstBurstLength || n > c.Params.PeerMaxRecvDataSegmentLength {
		t.Skip("A block of %d bytes is more than the target takes as immediate data.", n)
	}
	t.Done(c, command, "a WRITE with immediate data")
	t.Holds(c, 0, data, "read back")
}
