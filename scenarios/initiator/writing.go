package initiator

import (
	"bytes"
	"fmt"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
)

// writing is a write whose data a check asks for by hand.
type writing struct {
	*Task
	op *Pending
	// data is what the initiator was asked to write; nil when only it knows.
	data []byte
}

// besideProbe is where writes go that name no place: the probe has to find the pattern afterwards.
const besideProbe = 64

// writes asks for a write and takes its command.
func (t *T) writes(c *Conn, w Write) *writing {
	if w.LBA == 0 {
		w.LBA = besideProbe
	}
	op := t.Start(w)
	return &writing{Task: c.WriteCommand(), op: op, data: t.told(w)}
}

// unasked lets time pass and returns the Data-Out of the task that came without being asked for, or that was not waited for.
func (c *Conn) unasked(task *Task, within time.Duration) (s Sequence) {
	c.t.Wait(within)
	for len(s.PDUs) < sequenceMax {
		p, is := probe.As[*pdu.DataOut](c.Await(0, dataOutOf(task.PDU.ITT)))
		if !is {
			break
		}
		s.PDUs, s.Data = append(s.PDUs, p), append(s.Data, p.Data...)
		task.store(int(p.BufferOffset), p.Data)
		task.got += len(p.Data)
		task.open = task.open && !p.Final
	}
	return s
}

func dataOutOf(itt uint32) func(probe.Event) bool {
	return func(e probe.Event) bool {
		p, is := probe.As[*pdu.DataOut](e)
		return is && p.ITT == itt
	}
}

// ask sends an R2T and takes the sequence that answers it, up to its F bit.
func (c *Conn) ask(w *writing, offset, length int, changes ...func(*pdu.R2T)) (*pdu.R2T, Sequence) {
	r := c.R2T(w.Task, offset, length, changes...)
	return r, c.answers(w, r)
}

// answers takes the sequence that answers an R2T, up to its F bit.
func (c *Conn) answers(w *writing, r *pdu.R2T) Sequence {
	s := c.DataOut(w.Task, r.TTT)
	if s.End != nil {
		c.t.Fail(fmt.Sprintf("%d Data-Out PDUs with %d bytes and then %v", len(s.PDUs), len(s.Data), s.End),
			fmt.Sprintf("Data-Out with the tag 0x%08x, up to the F bit", r.TTT))
	}
	return s
}

// completes serves what is left of a write and fails unless it succeeds, with the data that the initiator was asked to write.
func (t *T) completes(c *Conn, w *writing) {
	c.Good(w.Task)
	if r := w.op.Wait(); !r.Good() {
		t.Fail(fmt.Sprintf("a write that ended with %v", r), "a write that succeeds")
	}
	t.holds(w, 0, w.Written)
}

// holds fails unless data are those of the write from an offset on.
func (t *T) holds(w *writing, offset int, data []byte) {
	if w.data == nil {
		return
	}
	if offset+len(data) > len(w.data) {
		t.Fail(fmt.Sprintf("%d bytes at %d", len(data), offset), fmt.Sprintf("nothing beyond the %d bytes of the write", len(w.data)))
	}
	if want := w.data[offset:][:len(data)]; !bytes.Equal(data, want) {
		at := 0
		for data[at] == want[at] {
			at++
		}
		t.Fail(fmt.Sprintf("data that differ from byte %d on", offset+at), "the data of the write at its place")
	}
}

// continuous fails unless the PDUs of a sequence cover the range from offset on, of that length, in rising order without gap or overlap.
func (s Sequence) continuous(t *T, offset, length int) {
	at := offset
	for i, p := range s.PDUs {
		if int(p.BufferOffset) != at {
			t.Fail(fmt.Sprintf("Buffer Offset %d in Data-Out %d", p.BufferOffset, i), fmt.Sprintf("Buffer Offset %d", at))
		}
		at += len(p.Data)
	}
	if at != offset+length {
		t.Fail(fmt.Sprintf("%d bytes from %d on", at-offset, offset), fmt.Sprintf("%d bytes", length))
	}
}

// counted fails unless DataSN begins with 0 in the sequence and rises by one.
func (s Sequence) counted(t *T) {
	for i, p := range s.PDUs {
		if p.DataSN != uint32(i) {
			t.Fail(fmt.Sprintf("DataSN %d in Data-Out %d of a sequence", p.DataSN, i), fmt.Sprintf("DataSN %d", i))
		}
	}
}

// tagged fails unless all PDUs of a sequence carry a tag and, with a tag of an R2T, the LUN of the command.
func (s Sequence) tagged(t *T, task *Task, ttt uint32) {
	for _, p := range s.PDUs {
		if p.TTT != ttt {
			t.Fail(fmt.Sprintf("Target Transfer Tag 0x%08x", p.TTT), fmt.Sprintf("0x%08x", ttt))
		}
		if ttt != pdu.ReservedTag && p.LUN != task.PDU.LUN {
			t.Fail(fmt.Sprintf("LUN %016x", p.LUN), fmt.Sprintf("the command's, %016x", task.PDU.LUN))
		}
	}
}

// upTo fails when a segment of the sequence is longer than a limit.
func (s Sequence) upTo(t *T, limit int) {
	for _, p := range s.PDUs {
		if len(p.Data) > limit {
			t.Fail(fmt.Sprintf("a segment of %d bytes", len(p.Data)), fmt.Sprintf("at most %d bytes", limit))
		}
	}
}

// finals fails unless the last PDU of a sequence has the F bit and no other has it.
func (s Sequence) finals(t *T) {
	for i, p := range s.PDUs {
		if last := i == len(s.PDUs)-1; p.Final != last {
			t.Fail(fmt.Sprintf("F=%t in Data-Out %d of %d", p.Final, i+1, len(s.PDUs)), "F=1 in the last one and in no other")
		}
	}
}

// ends waits for one of the lawful ends after a fault of the array: the initiator closes the connection, or the operation fails. False means
// that neither came within ReactionTime.
func (t *T) ends(c *Conn, op *Pending) bool {
	over := t.until(t.scaled(ReactionTime), func() bool {
		return c.end != nil || op.Ended()
	})
	if over && c.end == nil && op.result.Good() {
		t.Fail("a request that succeeds", "an end of the connection or a request that fails")
	}
	return over
}

// modeSelect is a command with a parameter list of any length, which the initiator has to carry whatever the unit thinks of it.
func modeSelect(length int) []byte {
	cdb := make([]byte, 10)
	cdb[0], cdb[1], cdb[7], cdb[8] = byte(scsi.OpModeSelect10), 0x10, byte(length>>8), byte(length)
	return cdb
}

// times is how often a check goes through the same again: once with an external initiator, of whose commands nobody knows how many come.
func (t *T) times(n int) int {
	if t.Own() {
		return n
	}
	return 1
}

// told is what a write was asked to write; nil for an initiator that has data of its own.
func (t *T) told(w Write) []byte {
	if !t.Own() {
		return nil
	}
	return w.bytes()
}
