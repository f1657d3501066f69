package initiator

import (
	"fmt"
	"slices"
	"time"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scenarios/probe"
	"github.com/iscsispec/iscsispec/scsi"
	"github.com/iscsispec/iscsispec/simtarget/disk"
)

// Task is a SCSI command of the initiator.
type Task struct {
	// PDU is the command as it came, Event how.
	PDU   *pdu.SCSICommand
	Event probe.Event
	// CDB is what it asks for, as far as it could be parsed.
	CDB scsi.Command
	// Full is the CDB itself, with what an AHS holds of it.
	Full []byte
	// Written is what came of a write's data so far, at its place.
	Written []byte

	conn   *Conn
	dataSN uint32 // of the next Data-In
	r2tSN  uint32 // of the next R2T
	moved  int    // bytes of Data-In sent
	got    int    // bytes of write data, in order
	open   bool   // a sequence of Data-Out is under way
	ttt    uint32 // of that sequence
	read   []byte
}

// Reads and Writes are the commands that a disk is read and written with.
var (
	Reads  = []scsi.Opcode{scsi.OpRead6, scsi.OpRead10, scsi.OpRead12, scsi.OpRead16}
	Writes = []scsi.Opcode{scsi.OpWrite6, scsi.OpWrite10, scsi.OpWrite12, scsi.OpWrite16}
)

// Command waits for the next command with one of the operation codes; none means any that is no housekeeping. Whatever else comes is set
// aside, and housekeeping is served.
func (c *Conn) Command(opcodes ...scsi.Opcode) *Task {
	e := c.TryCommand(c.t.patience(), opcodes...)
	if e == nil {
		end := probe.Event{Kind: probe.TimedOut, At: time.Now(), Waited: AnswerTime}
		if c.end != nil {
			end = *c.end
		}
		c.t.missing(end, fmt.Sprintf("a SCSI Command %v on %s", opcodes, c))
	}
	return e
}

// TryCommand is Command with a limit of its own; it returns nil when no such command came.
func (c *Conn) TryCommand(within time.Duration, opcodes ...scsi.Opcode) *Task {
	e := c.Await(within, func(e probe.Event) bool {
		p, is := probe.As[*pdu.SCSICommand](e)
		if !is {
			return false
		}
		if len(opcodes) == 0 {
			return !housekeepers[scsi.Opcode(p.CDB[0])]
		}
		return slices.Contains(opcodes, scsi.Opcode(p.CDB[0]))
	})
	if e.Kind != probe.Arrived {
		return nil
	}
	return c.task(e)
}

// Read waits for the next READ, Write for the next WRITE, of whatever form.
func (c *Conn) Read() *Task { return c.Command(Reads...) }

// Write waits for the next WRITE.
func (c *Conn) WriteCommand() *Task { return c.Command(Writes...) }

func (c *Conn) task(e probe.Event) *Task {
	p, _ := probe.As[*pdu.SCSICommand](e)
	t := &Task{PDU: p, Event: e, conn: c}
	var err error
	if t.Full, err = p.FullCDB(); err != nil {
		t.Full = p.CDB[:]
	}
	// What cannot be parsed is answered by the logical unit.
	t.CDB, _ = scsi.ParseCommand(t.Full)
	if p.Write {
		t.store(0, p.Data)
		t.got = len(p.Data)
		t.open, t.ttt = !p.Final, pdu.ReservedTag
	}
	return t
}

// Length is the expected data transfer length, in bytes.
func (t *Task) Length() int { return int(t.PDU.ExpectedDataTransferLength) }

// Bytes is a piece of what a read brings: the disk's content for a READ, zeros beyond it.
func (t *Task) Bytes(offset, n int) []byte {
	t.fetch()
	b := make([]byte, n)
	if offset < len(t.read) {
		copy(b, t.read[offset:])
	}
	return b
}

// fetch asks the logical unit for the data of a read.
func (t *Task) fetch() {
	if t.read != nil || t.PDU.Write {
		return
	}
	task := t.conn.execute(t)
	t.read = append(make([]byte, 0, len(task.DataIn)), task.DataIn...)
}

// execute has the logical unit do the command.
func (c *Conn) execute(t *Task) *disk.Task {
	task := &disk.Task{CDB: t.Full, DataOut: t.Written,
		Nexus: disk.Nexus{InitiatorPort: c.Session.InitiatorName, Target: c.t.Base.Target, PortGroupTag: c.t.Base.Tag, RelativePort: 1}}
	c.t.units.Execute(scsi.LUN(t.PDU.LUN), task)
	return task
}

// sent is how many R2T and Data-In PDUs went for the task.
func (t *Task) sent() uint32 { return t.dataSN + t.r2tSN }

// rest is how much of the expected length did not move.
func (t *Task) rest() uint32 {
	moved := t.moved
	if t.PDU.Write {
		moved = t.got
	}
	return uint32(max(0, t.Length()-moved))
}

func (t *Task) store(offset int, data []byte) {
	if end := offset + len(data); end <= t.Length() && end > len(t.Written) {
		t.Written = append(t.Written, make([]byte, end-len(t.Written))...)
	}
	if offset+len(data) <= len(t.Written) {
		copy(t.Written[offset:], data)
	}
}

// R2T asks for write data.
func (c *Conn) R2T(task *Task, offset, length int, changes ...func(*pdu.R2T)) *pdu.R2T {
	p := &pdu.R2T{LUN: task.PDU.LUN, ITT: task.PDU.ITT, TTT: c.Tag(), R2TSN: task.r2tSN, BufferOffset: uint32(offset),
		DesiredDataTransferLength: uint32(length)}
	task.r2tSN++
	return send(c, p, changes)
}

// Sequence is a sequence of Data-Out PDUs, in the order in which they came.
type Sequence struct {
	PDUs []*pdu.DataOut
	// Data are their segments one behind the other.
	Data []byte
	// End is nil when the last PDU had the F bit, else what came instead of the rest.
	End *probe.Event
}

// sequenceMax bounds the PDUs of one sequence.
const sequenceMax = 1 << 16

// DataOut collects the sequence of Data-Out that belongs to a Target Transfer Tag, of an R2T or pdu.ReservedTag for unsolicited data, up to
// its F bit. What the task has Written grows with it.
func (c *Conn) DataOut(task *Task, ttt uint32) (s Sequence) {
	for len(s.PDUs) < sequenceMax {
		e := c.Await(AnswerTime, func(e probe.Event) bool {
			p, is := probe.As[*pdu.DataOut](e)
			return is && p.ITT == task.PDU.ITT && p.TTT == ttt
		})
		p, is := probe.As[*pdu.DataOut](e)
		if !is {
			s.End = &e
			return s
		}
		s.PDUs, s.Data = append(s.PDUs, p), append(s.Data, p.Data...)
		task.store(int(p.BufferOffset), p.Data)
		task.got += len(p.Data)
		if p.Final {
			return s
		}
	}
	c.t.Fail(fmt.Sprintf("%d Data-Out PDUs without F bit", sequenceMax), "an end of the sequence")
	return s
}
