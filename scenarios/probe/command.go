package probe

import (
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// transferMax bounds the data of one command, in bytes.
const transferMax = 64 << 20

// Command is a SCSI command to send. The zero value with a CDB is a command without data to the logical unit under test.
type Command struct {
	// LUN is nil for the logical unit under test.
	LUN *uint64
	// CDB of at most 16 bytes goes into the header, a longer one into an AHS as well.
	CDB []byte
	// Read is how many bytes are expected; it sets R and the expected length.
	Read int
	// Write is the data of a write; it sets W and the expected length.
	Write []byte
	// EDTL overrides the expected length.
	EDTL *uint32
	// Attr is the task attribute; nil means SIMPLE.
	Attr *pdu.TaskAttribute
	// Immediate sends the command outside the numbering.
	Immediate bool
	// NoUnsolicited holds back the immediate and unsolicited data that the login allows.
	NoUnsolicited bool
	// Patch, where not nil, changes the PDU before it goes out.
	Patch func(*pdu.SCSICommand)
}

// Task is a command that is under way.
type Task struct {
	Conn    *Conn
	Command Command
	// PDU is the command as it was sent.
	PDU *pdu.SCSICommand
	// R2Ts and DataIns are all that came for it so far.
	R2Ts    []*pdu.R2T
	DataIns []*pdu.DataIn

	data  []byte
	stray bool
	open  []*pdu.R2T // not served yet
}

// Request makes the SCSI Command PDU, with the next tag and numbers, without sending it. It uses up a CmdSN unless the command
// is immediate.
func (c *Conn) Request(cmd Command) *pdu.SCSICommand {
	p := &pdu.SCSICommand{Immediate: cmd.Immediate, Final: true, Read: cmd.Read > 0, Write: len(cmd.Write) > 0,
		Attr: pdu.AttrSimple, LUN: c.prober.opts.LUN, ITT: c.NewTag(), CmdSN: c.Session.take(cmd.Immediate), ExpStatSN: c.ExpStatSN,
		ExpectedDataTransferLength: uint32(max(cmd.Read, len(cmd.Write)))}
	if cmd.LUN != nil {
		p.LUN = *cmd.LUN
	}
	if cmd.Attr != nil {
		p.Attr = *cmd.Attr
	}
	if cmd.EDTL != nil {
		p.ExpectedDataTransferLength = *cmd.EDTL
	}
	if len(cmd.CDB) > len(p.CDB) {
		p.SetFullCDB(cmd.CDB)
	} else {
		copy(p.CDB[:], cmd.CDB)
	}
	if cmd.Patch != nil {
		cmd.Patch(p)
	}
	return p
}

// Start sends a command with the immediate and unsolicited data that the login allows. A failed write shows in the next
// event.
func (c *Conn) Start(cmd Command) *Task {
	t := &Task{Conn: c, Command: cmd}
	params := c.Session.Params
	first := 0
	patch := cmd.Patch
	cmd.Patch = func(p *pdu.SCSICommand) {
		if len(cmd.Write) > 0 && !cmd.NoUnsolicited {
			first = min(len(cmd.Write), params.FirstBurstLength)
			if params.ImmediateData {
				p.Data = cmd.Write[:min(first, c.sendMax())]
			}
			// Unsolicited Data-Out follows where InitialR2T=No was agreed.
			p.Final = params.InitialR2T || len(p.Data) == first
		}
		if patch != nil {
			patch(p)
		}
	}
	t.PDU = c.Request(cmd)
	_ = c.Send(t.PDU)
	if len(cmd.Write) > 0 && !cmd.NoUnsolicited && !t.PDU.Final {
		t.send(pdu.ReservedTag, len(t.PDU.Data), first-len(t.PDU.Data))
	}
	return t
}

// sendMax returns how many data bytes one PDU to the target may carry.
func (c *Conn) sendMax() int {
	return max(c.Params.PeerMaxRecvDataSegmentLength, 512)
}

// send sends one sequence of Data-Out.
func (t *Task) send(ttt uint32, offset, length int) {
	for _, p := range t.DataOut(ttt, offset, length) {
		// A failed write shows in the next event.
		_ = t.Conn.Send(p)
	}
}

// DataOut makes the Data-Out PDUs of one sequence, without sending them: length bytes from offset, cut to what the target
// takes in one PDU, the last one with F set. A length of 0 gives one empty PDU.
func (t *Task) DataOut(ttt uint32, offset, length int) []*pdu.DataOut {
	var sequence []*pdu.DataOut
	end := offset + length
	for {
		n := min(end-offset, t.Conn.sendMax())
		p := &pdu.DataOut{ITT: t.PDU.ITT, TTT: ttt, ExpStatSN: t.Conn.ExpStatSN, DataSN: uint32(len(sequence)),
			BufferOffset: uint32(offset), Data: t.bytes(offset, n), Final: offset+n >= end}
		if ttt != pdu.ReservedTag {
			p.LUN = t.PDU.LUN
		}
		sequence = append(sequence, p)
		offset += n
		if p.Final {
			return sequence
		}
	}
}

// bytes returns a piece of the command's data; what lies outside is zero.
func (t *Task) bytes(offset, n int) []byte {
	if offset >= 0 && offset+n <= len(t.Command.Write) {
		return t.Command.Write[offset : offset+n]
	}
	b := make([]byte, n)
	if offset >= 0 && offset < len(t.Command.Write) {
		copy(b, t.Command.Write[offset:])
	}
	return b
}

// AwaitR2T waits for the next R2T of the task, which it leaves unserved. Another event is returned with a nil R2T.
func (t *Task) AwaitR2T() (*pdu.R2T, Event) {
	e := t.step()
	r, _ := As[*pdu.R2T](e)
	return r, e
}

// Serve sends the data that an R2T asks for, at most as much as a command may have.
func (t *Task) Serve(r *pdu.R2T) {
	t.Forget(r)
	t.send(r.TTT, int(r.BufferOffset), min(int(r.DesiredDataTransferLength), transferMax))
}

// Forget counts an R2T as served: the caller sees to its data.
func (t *Task) Forget(r *pdu.R2T) {
	for i, open := range t.open {
		if open == r {
			t.open = append(t.open[:i:i], t.open[i+1:]...)
			return
		}
	}
}

// step waits for the next event of the task and books it.
func (t *Task) step() Event {
	e := t.Conn.AnswerTo(t.PDU.ITT)
	switch p := e.PDU.(type) {
	case *pdu.R2T:
		t.R2Ts = append(t.R2Ts, p)
		t.open = append(t.open, p)
	case *pdu.DataIn:
		t.DataIns = append(t.DataIns, p)
		t.store(p)
	}
	return e
}

func (t *Task) store(p *pdu.DataIn) {
	end := int(p.BufferOffset) + len(p.Data)
	if end > transferMax || end > int(t.PDU.ExpectedDataTransferLength) {
		t.stray = true
		return
	}
	if end > len(t.data) {
		t.data = append(t.data, make([]byte, end-len(t.data))...)
	}
	copy(t.data[p.BufferOffset:], p.Data)
}

// Await serves R2Ts and takes data until the task ends.
func (t *Task) Await() Result {
	for {
		for len(t.open) > 0 {
			t.Serve(t.open[0])
		}
		e := t.step()
		switch p := e.PDU.(type) {
		case *pdu.R2T:
			continue
		case *pdu.DataIn:
			if !p.StatusPresent {
				continue
			}
			return t.result(e, Result{Answered: true, Status: scsi.Status(p.Status), Overflow: p.Overflow, Underflow: p.Underflow,
				Residual: p.ResidualCount})
		case *pdu.SCSIResponse:
			r := Result{Answered: true, Response: p.Response, Status: scsi.Status(p.Status), Overflow: p.Overflow,
				Underflow: p.Underflow, Residual: p.ResidualCount}
			if sense := p.Sense(); len(sense) > 0 {
				if s, err := scsi.ParseSense(sense); err == nil {
					r.Sense = &s
				}
			}
			return t.result(e, r)
		}
		return t.result(e, Result{})
	}
}

func (t *Task) result(e Event, r Result) Result {
	r.Event, r.Task, r.Data = e, t, t.data
	return r
}

// Execute starts a command and awaits its end.
func (c *Conn) Execute(cmd Command) Result { return c.Start(cmd).Await() }

// Result is what came of a command.
type Result struct {
	// Answered tells whether a SCSI Response came, or Data-In with status. Otherwise Event says what came instead.
	Answered bool
	Event    Event
	Task     *Task
	// Response and Status are the answer's. Data-In with status counts as Response 0.
	Response pdu.SCSIResponseCode
	Status   scsi.Status
	// Sense is nil when there is none or it cannot be read.
	Sense *scsi.Sense
	// Data is what Data-In PDUs brought, up to the expected length; gaps are zero.
	Data []byte
	// Overflow, Underflow and Residual are the answer's.
	Overflow, Underflow bool
	Residual            uint32
}

// Good tells whether the command completed with GOOD.
func (r Result) Good() bool {
	return r.Answered && r.Response == pdu.ResponseCompleted && r.Status == scsi.StatusGood
}

// UnitAttention tells whether the command was answered with a unit attention.
func (r Result) UnitAttention() bool {
	return r.Check() && r.Sense != nil && r.Sense.Key == scsi.UnitAttention
}

// Check tells whether the command was answered with CHECK CONDITION, and, when codes are given, with one of them.
func (r Result) Check(codes ...scsi.ASC) bool {
	if !r.Answered || r.Response != pdu.ResponseCompleted || r.Status != scsi.StatusCheckCondition {
		return false
	}
	if len(codes) == 0 {
		return true
	}
	for _, code := range codes {
		if r.Sense != nil && r.Sense.Code == code {
			return true
		}
	}
	return false
}

// Rejected returns the Reject that answered the command, or nil.
func (r Result) Rejected() *pdu.Reject {
	p, _ := As[*pdu.Reject](r.Event)
	return p
}

// Stray tells whether Data-In came with bytes outside the expected length.
func (r Result) Stray() bool { return r.Task != nil && r.Task.stray }

// String tells the result in words that can stand after "Actual:".
func (r Result) String() string {
	switch {
	case !r.Answered:
		return r.Event.String()
	case r.Response != pdu.ResponseCompleted:
		return fmt.Sprintf("SCSI Response with response code 0x%02x", byte(r.Response))
	case r.Sense != nil:
		return fmt.Sprintf("%v (%v)", r.Status, r.Sense)
	}
	return r.Status.String()
}

// Err returns nil when the command completed with GOOD, else a *Mismatch.
func (r Result) Err() error {
	if r.Good() {
		return nil
	}
	return r.Task.Conn.prober.Mismatch(r.String(), "GOOD")
}
