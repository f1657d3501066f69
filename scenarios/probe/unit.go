package probe

import (
	"bytes"
	"fmt"

	"github.com/iscsispec/iscsispec/iscsi/pdu"
	"github.com/iscsispec/iscsispec/scsi"
)

// unitAttentionsMax is how many TEST UNIT READY commands clear unit attentions at most.
const unitAttentionsMax = 8

// Capacity is what READ CAPACITY says of a logical unit.
type Capacity struct {
	// BlockSize is in bytes, Blocks is how many there are.
	BlockSize uint32
	Blocks    uint64
}

// Capacity asks the logical unit under test for its size, once in the life of the Prober and only where Options.Unit does not
// say it.
func (c *Conn) Capacity() (Capacity, error) {
	if c.prober.unit.BlockSize > 0 {
		return c.prober.unit, nil
	}
	r := c.retried(Command{CDB: scsi.ReadCapacity10(), Read: 8})
	if err := r.Err(); err != nil {
		return Capacity{}, fmt.Errorf("READ CAPACITY(10): %w", err)
	}
	short, err := scsi.ParseCapacity10(r.Data)
	if err != nil {
		return Capacity{}, fmt.Errorf("READ CAPACITY(10): %w", err)
	}
	capacity := Capacity{BlockSize: short.BlockSize, Blocks: uint64(short.LastLBA) + 1}
	if short.TooLarge() {
		r := c.retried(Command{CDB: scsi.ReadCapacity16(32), Read: 32})
		if err := r.Err(); err != nil {
			return Capacity{}, fmt.Errorf("READ CAPACITY(16): %w", err)
		}
		long, err := scsi.ParseCapacity16(r.Data)
		if err != nil {
			return Capacity{}, fmt.Errorf("READ CAPACITY(16): %w", err)
		}
		capacity = Capacity{BlockSize: long.BlockSize, Blocks: long.LastLBA + 1}
	}
	if capacity.BlockSize == 0 {
		return Capacity{}, c.prober.Mismatch("a block size of 0", "a block size above 0")
	}
	c.prober.unit = capacity
	return capacity, nil
}

// retried executes a command, and once more after a unit attention.
func (c *Conn) retried(cmd Command) Result {
	r := c.Execute(cmd)
	if r.UnitAttention() {
		r = c.Execute(cmd)
	}
	return r
}

// blocks returns how many blocks n bytes take, rounded up. The first READ or WRITE of a check learns the block size.
func (c *Conn) blocks(n int) (count uint16, blockSize int, err error) {
	capacity, err := c.Capacity()
	if err != nil {
		return 0, 0, err
	}
	size := int(capacity.BlockSize)
	total := (n + size - 1) / size
	if total > 0xffff || uint64(total) > capacity.Blocks {
		return 0, 0, fmt.Errorf("%d bytes are more than one READ(10) or WRITE(10), or the logical unit, can hold", n)
	}
	return uint16(total), size, nil
}

// ReadCommand makes the catalogue's "READ of n bytes": READ(10) from block lba of the check's own, n rounded up to whole
// blocks.
func (c *Conn) ReadCommand(lba uint32, n int) (Command, error) {
	count, size, err := c.blocks(n)
	return Command{CDB: scsi.Read10(c.prober.opts.First+lba, count), Read: int(count) * size}, err
}

// WriteCommand makes the catalogue's "WRITE of n bytes": WRITE(10) of data to block lba of the check's own. Data is filled up
// with zeros to whole blocks.
func (c *Conn) WriteCommand(lba uint32, data []byte) (Command, error) {
	count, size, err := c.blocks(len(data))
	if missing := int(count)*size - len(data); missing > 0 {
		data = append(bytes.Clone(data), make([]byte, missing)...)
	}
	return Command{CDB: scsi.Write10(c.prober.opts.First+lba, count), Write: data}, err
}

// TestUnitReady is the command that touches nothing.
func TestUnitReady() Command { return Command{CDB: scsi.TestUnitReady()} }

// ClearUnitAttentions sends up to 8 TEST UNIT READY commands until one completes with GOOD. Other answers than unit
// attentions end it; only a connection without a proper answer is an error.
func (c *Conn) ClearUnitAttentions() error {
	for range unitAttentionsMax {
		r := c.Execute(TestUnitReady())
		if !r.Answered {
			return c.Mismatch(r.Event, "an answer to TEST UNIT READY")
		}
		if !r.UnitAttention() {
			return nil
		}
	}
	return nil
}

// Open logs in and clears unit attentions, as each check of a logical unit begins. The error is a *Mismatch or a *DialError.
func (p *Prober) Open(l Login) (*Conn, error) {
	r := p.Login(l)
	if r.Outcome == LoginUnreachable {
		return nil, r.Last.Err
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	return r.Conn, r.Conn.ClearUnitAttentions()
}

// Probe is the catalogue's probe: a TEST UNIT READY that completes with GOOD, one unit attention being retried. "The session
// survives" means that it returns nil; otherwise it returns a *Mismatch.
func (c *Conn) Probe() error { return c.retried(TestUnitReady()).Err() }

// Ping sends a NOP-Out ping (I=1) with data and awaits its NOP-In. It returns nil when the right one came, with the data as far
// as the probe takes them in one PDU, else a *Mismatch.
func (c *Conn) Ping(data []byte) error {
	p := c.NOPOut(data)
	// A failed write shows in the next event.
	_ = c.Send(p)
	e := c.AnswerTo(p.ITT)
	most := c.Params.MaxRecvDataSegmentLength
	if in, ok := As[*pdu.NOPIn](e); ok && bytes.Equal(in.Data, data[:min(len(data), most)]) {
		return nil
	}
	return c.Mismatch(e, "a NOP-In with the ping's tag and data")
}

// NOPOut makes an immediate ping, without sending it.
func (c *Conn) NOPOut(data []byte) *pdu.NOPOut {
	return &pdu.NOPOut{Immediate: true, ITT: c.NewTag(), TTT: pdu.ReservedTag, CmdSN: c.Session.CmdSN, ExpStatSN: c.ExpStatSN, Data: data}
}

// TaskManagement makes an immediate request for the logical unit under test, without sending it. For functions that
// name no task, referenced is pdu.ReservedTag.
func (c *Conn) TaskManagement(f pdu.TaskFunction, referenced, refCmdSN uint32) *pdu.TaskManagementRequest {
	return &pdu.TaskManagementRequest{Immediate: true, Function: f, LUN: c.prober.opts.LUN, ITT: c.NewTag(),
		ReferencedTaskTag: referenced, RefCmdSN: refCmdSN, CmdSN: c.Session.CmdSN, ExpStatSN: c.ExpStatSN}
}

// Manage sends a task management request and awaits its response; nil with another event.
func (c *Conn) Manage(r *pdu.TaskManagementRequest) (*pdu.TaskManagementResponse, Event) {
	// A failed write shows in the next event.
	_ = c.Send(r)
	e := c.AnswerTo(r.ITT)
	response, _ := As[*pdu.TaskManagementResponse](e)
	return response, e
}
